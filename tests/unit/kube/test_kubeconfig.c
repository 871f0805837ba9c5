/* Kubeconfigs, good and bad: what is taken from them, and where errors point. */
#include "lib/kube/kubeconfig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "apiVersion: v1\nkind: Config\n"

static const char whole[] =
    HEAD "current-context: prod\n"
	 "preferences: {}\n"
	 "clusters:\n"
	 "- name: one\n"
	 "  cluster: {server: 'https://one:6443', certificate-authority: ca.crt}\n"
	 "- name: two\n"
	 "  cluster:\n"
	 "    server: https://[fd00::1]:6443/base//\n"
	 "    certificate-authority: /etc/ignored.crt\n"
	 "    certificate-authority-data: LS0t\n"
	 "    tls-server-name: kubernetes\n"
	 "    proxy-url: socks5://10.0.0.9:1080\n"
	 "    insecure-skip-tls-verify: false\n"
	 "users:\n"
	 "- name: admin\n"
	 "  user: {client-certificate: pki/admin.crt, client-key-data: \"c2Vj\\ncmV0\"}\n"
	 "- name: robot\n"
	 "  user: {token: 12345, tokenFile: ../token, username: u, password: p, exec: null}\n"
	 "- name: admin\n"
	 "  user: {token: second}\n"
	 "contexts:\n"
	 "- name: prod\n"
	 "  context: {cluster: two, user: admin, namespace: metallb-system}\n"
	 "- name: test\n"
	 "  context: {cluster: one, user: robot}\n"
	 "- name: nobody\n"
	 "  context: {cluster: one}\n";

static void expect(const struct kubeconfig *k, enum kube_field f, const char *want)
{
	if (!want) {
		assert_null(k->field[f].s);
		return;
	}
	assert_non_null(k->field[f].s);
	assert_string_equal(k->field[f].s, want);
	assert_int_equal(k->field[f].n, strlen(want));
}

static void parse(const char *file, const char *context, struct kubeconfig *k)
{
	char error[512] = "";
	if (kubeconfig_parse(file, whole, strlen(whole), context, k, error, sizeof error) != 0)
		fail_msg("%s", error);
}

static void test_the_current_context(void **state)
{
	(void)state;
	struct kubeconfig k;
	parse("/etc/kube/config", "", &k);
	expect(&k, KUBE_SERVER, "https://[fd00::1]:6443/base");
	expect(&k, KUBE_CA_FILE, NULL);
	expect(&k, KUBE_CA_DATA, "---");
	expect(&k, KUBE_SERVER_NAME, "kubernetes");
	expect(&k, KUBE_PROXY, "socks5://10.0.0.9:1080");
	expect(&k, KUBE_CERT_FILE, "/etc/kube/pki/admin.crt");
	expect(&k, KUBE_CERT_DATA, NULL);
	expect(&k, KUBE_KEY_DATA, "secret");
	expect(&k, KUBE_TOKEN, NULL);
	expect(&k, KUBE_NAMESPACE, "metallb-system");
	assert_false(k.insecure);
	kubeconfig_fini(&k);
	assert_null(k.field[KUBE_SERVER].s);
}

static void test_other_contexts(void **state)
{
	(void)state;
	struct kubeconfig k;
	parse("config", "test", &k);
	expect(&k, KUBE_SERVER, "https://one:6443");
	expect(&k, KUBE_CA_FILE, "ca.crt");
	expect(&k, KUBE_TOKEN, "12345");
	expect(&k, KUBE_TOKEN_FILE, "../token");
	expect(&k, KUBE_USERNAME, "u");
	expect(&k, KUBE_PASSWORD, "p");
	expect(&k, KUBE_NAMESPACE, NULL);
	kubeconfig_fini(&k);
	parse("a/config", "test", &k);
	expect(&k, KUBE_TOKEN_FILE, "a/../token");
	kubeconfig_fini(&k);
	parse("config", "nobody", &k);
	expect(&k, KUBE_TOKEN, NULL);
	expect(&k, KUBE_USERNAME, NULL);
	kubeconfig_fini(&k);
}

#define ONE(cluster, user)                                                                                   \
	"current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"                        \
	"clusters: [{name: k, cluster: {" cluster "}}]\nusers: [{name: u, user: {" user "}}]\n"

static void test_errors(void **state)
{
	(void)state;
	static const struct {
		const char *text, *context, *error;
	} bad[] = {
		{ "", "", "f:1: empty" },
		{ "a: [\n", "",
		  "f:2: did not find expected node content (while parsing a flow node at line 2)" },
		{ "[]", "", "f:1: not a kubeconfig: expected a map" },
		{ "a: 1", "", "f:1: current-context: missing, and no context was named" },
		{ "current-context: ''", "", "f:1: current-context: missing, and no context was named" },
		{ "\ncurrent-context: x", "", "f:2: context \"x\": not in this file" },
		{ ONE("server: 'https://a'", ""), "none", "f:1: context \"none\": not in this file" },
		{ "current-context: x\ncontexts:\n- name: x", "",
		  "f:3: context \"x\": context: expected a map" },
		{ "current-context: x\ncontexts:\n- {name: x, context: {user: u}}", "",
		  "f:3: context \"x\": cluster: missing" },
		{ "current-context: x\ncontexts: [{name: x, context: {cluster: k}}]\nclusters: {k: 1}", "",
		  "f:2: cluster \"k\": not in this file" },
		{ ONE("", ""), "", "f:3: cluster \"k\": server: missing" },
		{ ONE("server: [a]", ""), "", "f:3: cluster \"k\": server: expected a text" },
		{ ONE("server: 'one:6443'", ""), "",
		  "f:3: cluster \"k\": server: expected https://HOST:PORT" },
		{ ONE("server: 'https://'", ""), "",
		  "f:3: cluster \"k\": server: expected https://HOST:PORT" },
		{ ONE("server: 'https://a b'", ""), "",
		  "f:3: cluster \"k\": server: expected https://HOST:PORT" },
		{ ONE("server: 'https://u:p@a'", ""), "",
		  "f:3: cluster \"k\": server: expected https://HOST:PORT" },
		{ ONE("server: 'https://a', insecure-skip-tls-verify: maybe", ""), "",
		  "f:3: cluster \"k\": insecure-skip-tls-verify: expected true or false" },
		{ ONE("server: 'https://a', certificate-authority-data: '%%%'", ""), "",
		  "f:3: cluster \"k\": certificate-authority-data: not base64" },
		{ ONE("server: 'https://a'", "token: \"a\\nb\""), "",
		  "f:4: user \"u\": token: control characters in it" },
		{ ONE("server: 'https://a'", "token: {a: b}"), "",
		  "f:4: user \"u\": token: expected a text" },
		{ ONE("server: 'https://a'", "client-key: a"), "",
		  "f:4: user \"u\": client-certificate: missing" },
		{ ONE("server: 'https://a'", "client-certificate-data: AAAA"), "",
		  "f:4: user \"u\": client-key: missing" },
		{ ONE("server: 'https://a'", "exec: {command: aws}"), "",
		  "f:4: user \"u\": exec: not supported: use a token, a tokenFile or a client certificate" },
		{ ONE("server: 'https://a'", "auth-provider: {name: gcp}"), "",
		  "f:4: user \"u\": auth-provider: not supported: use a token, a tokenFile or a client "
		  "certificate" },
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct kubeconfig k = { 0 };
		char error[512] = "";
		assert_int_equal(kubeconfig_parse("f", bad[i].text, strlen(bad[i].text), bad[i].context, &k,
						  error, sizeof error),
				 -EINVAL);
		assert_string_equal(error, bad[i].error);
		assert_null(k.field[KUBE_SERVER].s);
	}
}

/* A value may be a secret, also one in the wrong place. */
static void test_errors_show_no_values(void **state)
{
	(void)state;
	static const char *const texts[] = {
		ONE("server: 'https://a'", "client-key-data: '!hunter2!', client-certificate: x"),
		ONE("server: 'https://a'", "token: \"hunter2\\t\""),
		ONE("server: 'hunter2'", ""),
		ONE("server: 'https://a', insecure-skip-tls-verify: hunter2", ""),
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct kubeconfig k = { 0 };
		char error[512] = "";
		assert_int_equal(
		    kubeconfig_parse("f", texts[i], strlen(texts[i]), "", &k, error, sizeof error), -EINVAL);
		assert_null(strstr(error, "hunter2"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_current_context),
		cmocka_unit_test(test_other_contexts),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_errors_show_no_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
