/* Access by service account and by kubeconfig: what is read, what is read again, and what is said when it
 * cannot be. */
#include "lib/kube/access.h"

#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

static char dir[] = "/tmp/ingot-access-XXXXXX";

static void put(const char *path, const char *text)
{
	char fresh[256];
	snprintf(fresh, sizeof fresh, "%s.new", path);
	FILE *f = fopen(fresh, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(fresh, path), 0);
}

static const char *in_dir(const char *name)
{
	static char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

/* A namespace of our own for mounts, in which /run is empty. */
static int open_rooms(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	if (geteuid() != 0)
		return 0;
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("none", "/run", "tmpfs", 0, NULL), 0);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int close_rooms(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* As a kubelet lays it out: names that lead through ..data, which is turned as a whole. */
static void put_account(const char *version, const char *token)
{
	char path[256], data[] = ACCOUNT "/..data", turned[] = ACCOUNT "/..data_tmp";
	static const char *const names[] = { "token", "ca.crt", "namespace" };
	static const char *const folders[] = { "/run/secrets", "/run/secrets/kubernetes.io", ACCOUNT };
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
		(void)mkdir(folders[i], 0755);
	snprintf(path, sizeof path, ACCOUNT "/%s", version);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof path, ACCOUNT "/%s/token", version);
	put(path, token);
	snprintf(path, sizeof path, ACCOUNT "/%s/ca.crt", version);
	put(path, "certificate");
	snprintf(path, sizeof path, ACCOUNT "/%s/namespace", version);
	put(path, "ingot-system\n");
	(void)unlink(turned);
	assert_int_equal(symlink(version, turned), 0);
	assert_int_equal(rename(turned, data), 0);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char target[64];
		snprintf(path, sizeof path, ACCOUNT "/%s", names[i]);
		snprintf(target, sizeof target, "..data/%s", names[i]);
		assert_true(symlink(target, path) == 0 || errno == EEXIST);
	}
}

static struct access *open_access(const char *kubeconfig, char error[static 512])
{
	const struct access_where where = { .kubeconfig = kubeconfig };
	error[0] = 0;
	return access_new(&where, error, 512);
}

static void test_a_service_account(void **state)
{
	(void)state;
	char error[512];
	if (geteuid() != 0)
		skip();
	put_account("..1", "first-word");
	setenv("KUBERNETES_SERVICE_HOST", "fd00:10::1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	struct access *a = open_access("", error);
	assert_non_null(a);
	assert_string_equal(access_server(a), "https://[fd00:10::1]:443");
	assert_string_equal(access_ca_path(a), ACCOUNT "/ca.crt");
	assert_string_equal(access_namespace(a), "ingot-system");
	assert_string_equal(access_token(a, false), "first-word");
	assert_null(access_cert_path(a));
	assert_null(access_basic(a));
	assert_null(access_proxy(a));
	assert_null(access_server_name(a));
	assert_false(access_insecure(a));
	assert_null(access_file(a, 0));
	put_account("..2", "second-word");
	/* Within a second of the last look only the server's refusal makes us look. */
	assert_string_equal(access_token(a, true), "second-word");
	access_free(a);
	setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
	a = open_access("", error);
	assert_string_equal(access_server(a), "https://10.96.0.1:443");
	access_free(a);
}

static void test_no_service_account(void **state)
{
	(void)state;
	char error[512];
	static const char *const hosts[][2] = {
		{ NULL, "443" }, { "10.0.0.1", NULL }, { "a/b", "443" }, { "a", "0" }
	};
	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
		unsetenv("KUBERNETES_SERVICE_HOST");
		unsetenv("KUBERNETES_SERVICE_PORT");
		if (hosts[i][0])
			setenv("KUBERNETES_SERVICE_HOST", hosts[i][0], 1);
		if (hosts[i][1])
			setenv("KUBERNETES_SERVICE_PORT", hosts[i][1], 1);
		assert_null(open_access("", error));
		assert_non_null(strstr(error, "not in a Pod"));
	}
	if (geteuid() != 0)
		skip();
	setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	(void)nftw(ACCOUNT, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	assert_null(open_access("", error));
	assert_string_equal(error,
			    ACCOUNT ": certificate-authority: " ACCOUNT "/ca.crt: No such file or directory");
}

static void put_config(const char *cluster, const char *user)
{
	char text[2048];
	snprintf(
	    text, sizeof text,
	    "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u, namespace: n}}]\n"
	    "clusters: [{name: k, cluster: {server: 'https://a:6443'%s}}]\nusers: [{name: u, user: {%s}}]\n",
	    cluster, user);
	put(in_dir("config"), text);
}

static void test_a_kubeconfig(void **state)
{
	(void)state;
	char error[512], path[256];
	put(in_dir("ca.crt"), "certificate");
	put(in_dir("token"), "\n first-word\t\n");
	put_config(", certificate-authority: ca.crt, tls-server-name: s, proxy-url: 'http://p:1'",
		   "tokenFile: token, token: other, username: me, password: pw");
	struct access *a = open_access(in_dir("config"), error);
	assert_non_null(a);
	assert_string_equal(access_server(a), "https://a:6443");
	assert_string_equal(access_namespace(a), "n");
	assert_string_equal(access_ca_path(a), in_dir("ca.crt"));
	assert_string_equal(access_server_name(a), "s");
	assert_string_equal(access_proxy(a), "http://p:1");
	assert_string_equal(access_basic(a), "me:pw");
	assert_string_equal(access_token(a, false), "first-word");
	static const char *const files[] = { "config", "ca.crt", "token" };
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(access_file(a, i), in_dir(files[i]));
	assert_null(access_file(a, 3));
	/* What cannot be read stays as it was. */
	snprintf(path, sizeof path, "%s", in_dir("token"));
	static const char *const bad[] = { "", " \n", "two words", "a\x01z", "\xc3\xa4" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		put(path, bad[i]);
		assert_string_equal(access_token(a, true), "first-word");
	}
	assert_int_equal(unlink(path), 0);
	assert_string_equal(access_token(a, true), "first-word");
	assert_int_equal(mkdir(path, 0755), 0);
	assert_string_equal(access_token(a, true), "first-word");
	assert_int_equal(rmdir(path), 0);
	put(path, "second-word");
	assert_string_equal(access_token(a, true), "second-word");
	access_free(a);
}

static void test_what_is_inline_is_read_again_too(void **state)
{
	(void)state;
	char error[512], text[64] = "";
	put_config(", certificate-authority-data: Zmlyc3Q=", "token: first-word, username: me");
	struct access *a = open_access(in_dir("config"), error);
	assert_non_null(a);
	assert_string_equal(access_token(a, false), "first-word");
	put_config(", certificate-authority-data: dGhlIHNlY29uZA==", "token: second-word, username: you");
	assert_string_equal(access_token(a, true), "second-word");
	assert_string_equal(access_basic(a), "you:");
	FILE *f = fopen(access_ca_path(a), "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	assert_string_equal(text, "the second");
	put(in_dir("config"), "broken: [");
	assert_string_equal(access_token(a, true), "second-word");
	put_config("", "");
	assert_null(access_token(a, true));
	access_free(a);
}

static void test_errors_name_file_and_field(void **state)
{
	(void)state;
	char error[512], want[512];
	assert_null(open_access(in_dir("none"), error));
	snprintf(want, sizeof want, "%s: No such file or directory", in_dir("none"));
	assert_string_equal(error, want);
	assert_null(open_access(dir, error));
	snprintf(want, sizeof want, "%s: not a file", dir);
	assert_string_equal(error, want);
	put_config(", certificate-authority: none.crt", "");
	assert_null(open_access(in_dir("config"), error));
	assert_non_null(strstr(error, "/config: certificate-authority: "));
	assert_non_null(strstr(error, "/none.crt: No such file or directory"));
	put_config("", "tokenFile: none");
	assert_null(open_access(in_dir("config"), error));
	assert_non_null(strstr(error, "/config: tokenFile: "));
	/* With a token beside it, that one counts until the file is there. */
	put_config("", "tokenFile: later, token: early");
	struct access *a = open_access(in_dir("config"), error);
	assert_non_null(a);
	assert_string_equal(access_token(a, false), "early");
	put(in_dir("later"), "late");
	assert_string_equal(access_token(a, true), "late");
	access_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_service_account),
		cmocka_unit_test(test_no_service_account),
		cmocka_unit_test(test_a_kubeconfig),
		cmocka_unit_test(test_what_is_inline_is_read_again_too),
		cmocka_unit_test(test_errors_name_file_and_field),
	};
	return cmocka_run_group_tests(tests, open_rooms, close_rooms);
}
