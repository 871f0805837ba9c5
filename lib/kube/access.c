/* Reads credentials: the service account of a Pod, or a kubeconfig and the files that it names. Runs in the
 * watcher and ingotctl. Never logs what is in a file. */
#include "lib/kube/access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/kube/kubeconfig.h"
#include "lib/run/log.h"
#include "lib/run/loop.h"

#define ACCOUNT	   "/var/run/secrets/kubernetes.io/serviceaccount"
#define LOOK_EVERY SEC(1)

enum { TOKEN_MAX = 64 << 10, NAMESPACE_MAX = 256, N_INLINE = 3, FILES_MAX = 5 };

/* Which file a path led to; a token in a Pod is replaced by turning a link. */
struct identity {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

struct access {
	char *source, *context; /* the kubeconfig; NULL in a Pod */
	struct kubeconfig k;
	struct kube_text token; /* as read from KUBE_TOKEN_FILE; absent when that was never possible */
	char *basic;
	struct identity source_id, token_id;
	mono_t looked; /* at the files */
	int memfd[N_INLINE];
	char memfd_path[N_INLINE][32]; /* "" = none */
	const char *files[FILES_MAX + 1];
	struct log_limit limit;
};

/* Inline data, and the file that it stands for. */
static const struct {
	enum kube_field data, file;
	const char *key;
} inlines[N_INLINE] = {
	{ KUBE_CA_DATA, KUBE_CA_FILE, "certificate-authority" },
	{ KUBE_CERT_DATA, KUBE_CERT_FILE, "client-certificate" },
	{ KUBE_KEY_DATA, KUBE_KEY_FILE, "client-key" },
};

static struct identity identify(const struct stat *st)
{
	return (struct identity){
		.dev = st->st_dev, .ino = st->st_ino, .size = st->st_size, .mtime = st->st_mtim
	};
}

static bool is_same(const struct identity *a, const struct identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec;
}

/* Whether another file is there, or the same with other bytes. One that is gone is no news: it may be on its
 * way. */
static bool has_changed(const char *path, const struct identity *former)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return false;
	const struct identity now = identify(&st);
	return !is_same(&now, former);
}

static int read_open(int fd, size_t max, struct kube_text *ret, struct identity *id)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size < 0 || (uintmax_t)st.st_size > max)
		return -EFBIG;
	char *s = malloc((size_t)st.st_size + 1);
	if (!s)
		return -ENOMEM;
	ssize_t n = pread(fd, s, (size_t)st.st_size, 0);
	if (n < 0) {
		free(s);
		return -EIO;
	}
	s[n] = 0;
	*ret = (struct kube_text){ s, (size_t)n };
	*id = identify(&st);
	return 0;
}

/* 0 or a negative errno. A file that changes while it is read is read again at the next look. */
static int read_file(const char *path, size_t max, struct kube_text *ret, struct identity *id)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	int rc = read_open(fd, max, ret, id);
	close(fd);
	return rc;
}

/* One word, which becomes a header: blanks around it go, anything else that is not printable is refused. */
static int read_word(const char *path, size_t max, struct kube_text *ret, struct identity *id)
{
	static const char blanks[] = " \t\r\n";
	struct kube_text t = { 0 };
	int rc = read_file(path, max, &t, id);
	if (rc < 0)
		return rc;
	must(t.s != NULL);
	size_t lead = strspn(t.s, blanks);
	memmove(t.s, t.s + lead, t.n - lead + 1);
	size_t n = t.n - lead;
	while (n > 0 && strchr(blanks, t.s[n - 1]))
		n--;
	for (size_t i = 0; i < n && rc == 0; i++)
		if (t.s[i] <= ' ' || t.s[i] > '~')
			rc = -EBADMSG;
	if (n == 0)
		rc = -ENODATA;
	t.s[n] = 0;
	if (rc < 0) {
		kube_text_fini(&t);
		return rc;
	}
	t.n = n;
	*ret = t;
	return 0;
}

static const char *why(int rc)
{
	switch (rc) {
	case -EBADMSG: return "bytes in it that no token has";
	case -ENODATA: return "empty";
	case -EFBIG: return "too large";
	case -EINVAL: return "not a file";
	default: return strerror(-rc);
	}
}

static int copy_text(struct kube_text *ret, const char *s)
{
	ret->s = strdup(s);
	ret->n = strlen(s);
	return ret->s ? 0 : -ENOMEM;
}

static int write_memfd(int fd, const struct kube_text *t)
{
	if (ftruncate(fd, 0) < 0 || pwrite(fd, t->s, t->n, 0) != (ssize_t)t->n)
		return errno ? -errno : -ENOSPC;
	return 0;
}

/* Inline certificates become files without a place: TLS libraries want paths, and this one holds in any
 * sandbox.
 */
static int make_memfds(struct access *a)
{
	for (size_t i = 0; i < N_INLINE; i++) {
		struct kube_text *data = &a->k.field[inlines[i].data];
		if (!data->s)
			continue;
		a->memfd[i] = memfd_create(inlines[i].key, MFD_CLOEXEC);
		int rc = a->memfd[i] < 0 ? -errno : write_memfd(a->memfd[i], data);
		if (rc < 0)
			return rc;
		str_fmt(a->memfd_path[i], sizeof a->memfd_path[i], "/proc/self/fd/%d", a->memfd[i]);
		kube_text_fini(data);
	}
	return 0;
}

static int make_basic(struct access *a)
{
	const struct kube_text *user = &a->k.field[KUBE_USERNAME], *password = &a->k.field[KUBE_PASSWORD];
	struct strbuf b = { 0 };
	if (!user->s)
		return 0;
	strbuf_fmt(&b, "%s:%s", user->s, password->s ? password->s : "");
	char *basic = strbuf_take(&b);
	if (!basic)
		return -ENOMEM;
	if (a->basic)
		explicit_bzero(a->basic, strlen(a->basic));
	free(a->basic);
	a->basic = basic;
	return 0;
}

static int check_host(const char *host, const char *port)
{
	unsigned long long n;
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-";
	return *host && strspn(host, allowed) == strlen(host) && str_to_u64(port, strlen(port), 65535, &n) &&
		       n > 0
		   ? 0
		   : -EINVAL;
}

static int open_account(struct access *a, char *error, size_t size)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
	struct kube_text *f = a->k.field;
	struct identity id;
	char server[512];
	if (!host || !port || check_host(host, port) < 0) {
		str_fmt(
		    error, size,
		    "not in a Pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT do not name a server; "
		    "give a kubeconfig");
		return -EINVAL;
	}
	bool v6 = strchr(host, ':') != NULL;
	str_fmt(server, sizeof server, "https://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
	int rc = copy_text(&f[KUBE_SERVER], server);
	rc = rc < 0 ? rc : copy_text(&f[KUBE_CA_FILE], ACCOUNT "/ca.crt");
	rc = rc < 0 ? rc : copy_text(&f[KUBE_TOKEN_FILE], ACCOUNT "/token");
	/* Only the kubelet puts one there; without it the namespace is not known. */
	if (rc == 0)
		(void)read_word(ACCOUNT "/namespace", NAMESPACE_MAX, &f[KUBE_NAMESPACE], &id);
	if (rc < 0)
		str_fmt(error, size, "out of memory");
	return rc;
}

static int open_kubeconfig(struct access *a, const struct access_where *w, char *error, size_t size)
{
	struct kube_text text = { 0 };
	a->source = strdup(w->kubeconfig);
	a->context = strdup(w->context ? w->context : "");
	int rc =
	    a->source && a->context ? read_file(a->source, KUBECONFIG_MAX, &text, &a->source_id) : -ENOMEM;
	if (rc < 0) {
		str_fmt(error, size, "%s: %s", w->kubeconfig, why(rc));
		return rc;
	}
	rc = kubeconfig_parse(a->source, text.s, text.n, a->context, &a->k, error, size);
	kube_text_fini(&text);
	return rc;
}

/* A file that is not there is told now, with its field, and not as a failed connection later. */
static int check_files(struct access *a, char *error, size_t size)
{
	const char *source = a->source ? a->source : ACCOUNT;
	for (size_t i = 0; i < N_INLINE; i++) {
		const char *path = a->k.field[inlines[i].file].s;
		if (path && access(path, R_OK) < 0) {
			int rc = -errno;
			str_fmt(error, size, "%s: %s: %s: %s", source, inlines[i].key, path, why(rc));
			return rc;
		}
	}
	return 0;
}

static void list_files(struct access *a)
{
	const struct kube_text *f = a->k.field;
	const char *const all[FILES_MAX] = { a->source, f[KUBE_CA_FILE].s, f[KUBE_CERT_FILE].s,
					     f[KUBE_KEY_FILE].s, f[KUBE_TOKEN_FILE].s };
	size_t n = 0;
	for (size_t i = 0; a->source && i < FILES_MAX; i++)
		if (all[i])
			a->files[n++] = all[i];
}

static int read_token(struct access *a)
{
	struct kube_text token = { 0 };
	int rc = read_word(a->k.field[KUBE_TOKEN_FILE].s, TOKEN_MAX, &token, &a->token_id);
	if (rc < 0)
		return rc;
	kube_text_fini(&a->token);
	a->token = token;
	return 0;
}

static int open_secrets(struct access *a, char *error, size_t size)
{
	const char *source = a->source ? a->source : ACCOUNT, *path = a->k.field[KUBE_TOKEN_FILE].s;
	int rc = path ? read_token(a) : 0;
	if (rc < 0 && !a->k.field[KUBE_TOKEN].s) {
		str_fmt(error, size, "%s: tokenFile: %s: %s", source, path, why(rc));
		return rc;
	}
	rc = make_memfds(a);
	rc = rc < 0 ? rc : make_basic(a);
	if (rc < 0)
		str_fmt(error, size, "%s: %s", source, strerror(-rc));
	return rc;
}

struct access *access_new(const struct access_where *w, char *error, size_t error_size)
{
	struct access *a = calloc(1, sizeof *a);
	if (!a) {
		str_fmt(error, error_size, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < N_INLINE; i++)
		a->memfd[i] = -1;
	int rc =
	    w->kubeconfig[0] ? open_kubeconfig(a, w, error, error_size) : open_account(a, error, error_size);
	rc = rc < 0 ? rc : check_files(a, error, error_size);
	rc = rc < 0 ? rc : open_secrets(a, error, error_size);
	a->looked = loop_clock();
	list_files(a);
	if (rc == 0)
		return a;
	access_free(a);
	return NULL;
}

void access_free(struct access *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < N_INLINE; i++)
		if (a->memfd[i] >= 0)
			close(a->memfd[i]);
	if (a->basic)
		explicit_bzero(a->basic, strlen(a->basic));
	free(a->basic);
	kube_text_fini(&a->token);
	kubeconfig_fini(&a->k);
	free(a->source);
	free(a->context);
	free(a);
}

static void complain(struct access *a, const char *path, int rc)
{
	log_limited(&a->limit, 3, SEC(60), LOG_WARN, "apiserver", "credentials",
		    "%s: %s; what was read before is used", path, why(rc));
}

/* A kubeconfig was replaced: its secrets count from now on. Which memfds there are was settled at the start.
 */
static void take_secrets(struct access *a, struct kubeconfig *fresh)
{
	static const enum kube_field secrets[] = { KUBE_TOKEN, KUBE_USERNAME, KUBE_PASSWORD };
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		kube_text_fini(&a->k.field[secrets[i]]);
		a->k.field[secrets[i]] = fresh->field[secrets[i]];
		fresh->field[secrets[i]] = (struct kube_text){ 0 };
	}
	for (size_t i = 0; i < N_INLINE; i++) {
		const struct kube_text *data = &fresh->field[inlines[i].data];
		if (data->s && a->memfd[i] >= 0 && write_memfd(a->memfd[i], data) < 0)
			complain(a, a->source, -ENOMEM);
	}
	if (make_basic(a) < 0)
		complain(a, a->source, -ENOMEM);
}

static void reread_kubeconfig(struct access *a)
{
	struct kube_text text = { 0 };
	struct kubeconfig fresh = { 0 };
	char error[512];
	int rc = read_file(a->source, KUBECONFIG_MAX, &text, &a->source_id);
	if (rc < 0) {
		complain(a, a->source, rc);
		return;
	}
	rc = kubeconfig_parse(a->source, text.s, text.n, a->context, &fresh, error, sizeof error);
	kube_text_fini(&text);
	if (rc < 0) {
		log_limited(&a->limit, 3, SEC(60), LOG_WARN, "apiserver", "credentials",
			    "%s; what was read before is used", error);
		return;
	}
	take_secrets(a, &fresh);
	kubeconfig_fini(&fresh);
}

static void look(struct access *a, bool force)
{
	const char *token = a->k.field[KUBE_TOKEN_FILE].s;
	mono_t now = loop_clock();
	if (!force && mono_sub(now, a->looked) < LOOK_EVERY)
		return;
	a->looked = now;
	if (a->source && (force || has_changed(a->source, &a->source_id)))
		reread_kubeconfig(a);
	if (!token || (!force && !has_changed(token, &a->token_id)))
		return;
	int rc = read_token(a);
	if (rc < 0)
		complain(a, token, rc);
}

const char *access_token(struct access *a, bool force)
{
	look(a, force);
	return a->token.s ? a->token.s : a->k.field[KUBE_TOKEN].s;
}

const char *access_server(const struct access *a)
{
	return a->k.field[KUBE_SERVER].s;
}

const char *access_namespace(const struct access *a)
{
	const char *ns = a->k.field[KUBE_NAMESPACE].s;
	return ns ? ns : "";
}

const char *access_file(const struct access *a, size_t index)
{
	return index < FILES_MAX ? a->files[index] : NULL;
}

/* Of the certificate authority, the client's certificate or its key: as inlines[] has them. */
static const char *path_of(const struct access *a, size_t i)
{
	return a->memfd_path[i][0] ? a->memfd_path[i] : a->k.field[inlines[i].file].s;
}

const char *access_ca_path(const struct access *a)
{
	return path_of(a, 0);
}

const char *access_cert_path(const struct access *a)
{
	return path_of(a, 1);
}

const char *access_key_path(const struct access *a)
{
	return path_of(a, 2);
}

const char *access_server_name(const struct access *a)
{
	return a->k.field[KUBE_SERVER_NAME].s;
}

const char *access_proxy(const struct access *a)
{
	return a->k.field[KUBE_PROXY].s;
}

const char *access_basic(const struct access *a)
{
	return a->basic;
}

bool access_insecure(const struct access *a)
{
	return a->k.insecure;
}
