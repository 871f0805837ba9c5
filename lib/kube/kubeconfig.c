/* Reads a kubeconfig: clusters, users, contexts. Pure; run by the watcher and ingotctl. Never puts a value
 * that may be a secret into an error. */
#include "lib/kube/kubeconfig.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/manifest/scalar.h"
#include "lib/manifest/tree.h"

enum form { FORM_TEXT, FORM_PATH, FORM_BASE64 };
enum section { IN_CLUSTER, IN_USER, IN_CONTEXT };

static const struct {
	enum section section;
	const char *key;
	enum form form;
	enum kube_field field;
} rows[] = {
	{ IN_CLUSTER, "server", FORM_TEXT, KUBE_SERVER },
	{ IN_CLUSTER, "certificate-authority", FORM_PATH, KUBE_CA_FILE },
	{ IN_CLUSTER, "certificate-authority-data", FORM_BASE64, KUBE_CA_DATA },
	{ IN_CLUSTER, "tls-server-name", FORM_TEXT, KUBE_SERVER_NAME },
	{ IN_CLUSTER, "proxy-url", FORM_TEXT, KUBE_PROXY },
	{ IN_USER, "client-certificate", FORM_PATH, KUBE_CERT_FILE },
	{ IN_USER, "client-certificate-data", FORM_BASE64, KUBE_CERT_DATA },
	{ IN_USER, "client-key", FORM_PATH, KUBE_KEY_FILE },
	{ IN_USER, "client-key-data", FORM_BASE64, KUBE_KEY_DATA },
	{ IN_USER, "token", FORM_TEXT, KUBE_TOKEN },
	{ IN_USER, "tokenFile", FORM_PATH, KUBE_TOKEN_FILE },
	{ IN_USER, "username", FORM_TEXT, KUBE_USERNAME },
	{ IN_USER, "password", FORM_TEXT, KUBE_PASSWORD },
	{ IN_CONTEXT, "namespace", FORM_TEXT, KUBE_NAMESPACE },
};

struct reading {
	const char *file;
	const struct node *root;
	struct kubeconfig *k;
	char *error;
	size_t error_size;
};

/* An entry of clusters, users or contexts, for messages: its node, and "user "admin"". */
struct entry {
	const struct node *node;
	const char *word;
	char name[80];
};

static int fail(struct reading *r, uint32_t line, const char *where, const char *field, const char *what)
{
	str_fmt(r->error, r->error_size, "%s:%u: %s%s%s%s%s", r->file, line, where,
		*where && *field ? ": " : "", field, *where || *field ? ": " : "", what);
	return -EINVAL;
}

static int fail_in(struct reading *r, const struct entry *e, const struct node *n, const char *field,
		   const char *what)
{
	char where[128];
	str_fmt(where, sizeof where, "%s \"%s\"", e->word, e->name);
	return fail(r, n->line, where, field, what);
}

static bool is_text(const struct node *n)
{
	return n->type != NODE_NULL && n->type != NODE_LIST && n->type != NODE_MAP;
}

static bool is_absent(const struct node *n)
{
	return !n || n->type == NODE_NULL || (is_text(n) && n->n == 0);
}

/* Headers and addresses are made of these: no line may begin inside of one. */
static bool is_one_line(const struct node *n)
{
	for (size_t i = 0; i < n->n; i++)
		if ((unsigned char)n->text[i] < ' ' || n->text[i] == 0x7f)
			return false;
	return true;
}

static int set_path(struct reading *r, const struct node *n, struct kube_text *ret)
{
	struct strbuf b = { 0 };
	const char *slash = strrchr(r->file, '/');
	if (n->text[0] != '/' && slash)
		strbuf_add_n(&b, r->file, (size_t)(slash - r->file) + 1);
	strbuf_add(&b, n->text);
	ret->n = b.len;
	ret->s = strbuf_take(&b);
	return ret->s ? 0 : -ENOMEM;
}

static int set_data(struct reading *r, const struct entry *e, const char *key, const struct node *n,
		    struct kube_text *ret)
{
	ret->s = malloc(n->n + 1);
	if (!ret->s)
		return -ENOMEM;
	if (!scalar_base64(n->text, n->n, (uint8_t *)ret->s, &ret->n)) {
		ret->n = n->n;
		return fail_in(r, e, n, key, "not base64");
	}
	ret->s[ret->n] = 0;
	return 0;
}

static int set_text(const struct node *n, struct kube_text *ret)
{
	ret->s = malloc(n->n + 1);
	if (!ret->s)
		return -ENOMEM;
	memcpy(ret->s, n->text, n->n + 1);
	ret->n = n->n;
	return 0;
}

static int read_fields(struct reading *r, const struct entry *e, enum section section)
{
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(rows) && rc == 0; i++) {
		const struct node *n = rows[i].section == section ? node_get(e->node, rows[i].key) : NULL;
		struct kube_text *ret = &r->k->field[rows[i].field];
		if (!n || is_absent(n))
			continue;
		if (!is_text(n))
			rc = fail_in(r, e, n, rows[i].key, "expected a text");
		else if (rows[i].form == FORM_BASE64)
			rc = set_data(r, e, rows[i].key, n, ret);
		else if (!is_one_line(n))
			rc = fail_in(r, e, n, rows[i].key, "control characters in it");
		else
			rc = rows[i].form == FORM_PATH ? set_path(r, n, ret) : set_text(n, ret);
	}
	return rc;
}

/* The entry of that name in clusters, users or contexts: each is a list of {name, <word>: {...}}. The first
 * of two counts, as for kubectl. */
static int find_entry(struct reading *r, const char *list, const char *word, const struct node *name,
		      struct entry *ret)
{
	const struct node *all = node_get(r->root, list);
	ret->word = word;
	str_escape(name->text, name->n, ret->name, sizeof ret->name);
	for (size_t i = 0; all && all->type == NODE_LIST && i < all->n; i++) {
		const struct node *own = node_get(all->items[i], "name");
		if (!own || !is_text(own) || strcmp(own->text, name->text) != 0)
			continue;
		ret->node = node_get(all->items[i], word);
		if (ret->node && ret->node->type == NODE_MAP)
			return 0;
		return fail_in(r, ret, all->items[i], word, "expected a map");
	}
	return fail_in(r, ret, name, "", "not in this file");
}

static int read_cluster(struct reading *r, const struct entry *e)
{
	int rc = read_fields(r, e, IN_CLUSTER);
	const struct node *insecure = node_get(e->node, "insecure-skip-tls-verify");
	struct kube_text *server = &r->k->field[KUBE_SERVER];
	if (rc < 0)
		return rc;
	if (!is_absent(insecure) && insecure->type != NODE_BOOL)
		return fail_in(r, e, insecure, "insecure-skip-tls-verify", "expected true or false");
	r->k->insecure = !is_absent(insecure) && insecure->truth;
	const struct node *n = node_get(e->node, "server");
	if (!n || !server->s)
		return fail_in(r, e, e->node, "server", "missing");
	bool tls = str_starts(server->s, "https://");
	if (!tls && !str_starts(server->s, "http://"))
		return fail_in(r, e, n, "server", "expected https://HOST:PORT");
	while (server->n > 0 && server->s[server->n - 1] == '/')
		server->s[--server->n] = 0;
	if (server->n <= strlen(tls ? "https://" : "http://") || strpbrk(server->s, " ?#@"))
		return fail_in(r, e, n, "server", "expected https://HOST:PORT");
	return 0;
}

static int read_user(struct reading *r, const struct entry *e)
{
	const struct node *exec = node_get(e->node, "exec"), *provider = node_get(e->node, "auth-provider");
	if (exec && exec->type != NODE_NULL)
		return fail_in(r, e, exec, "exec",
			       "not supported: use a token, a tokenFile or a client certificate");
	if (provider && provider->type != NODE_NULL)
		return fail_in(r, e, provider, "auth-provider",
			       "not supported: use a token, a tokenFile or a client certificate");
	int rc = read_fields(r, e, IN_USER);
	const struct kube_text *f = r->k->field;
	bool cert = f[KUBE_CERT_FILE].s || f[KUBE_CERT_DATA].s,
	     key = f[KUBE_KEY_FILE].s || f[KUBE_KEY_DATA].s;
	if (rc == 0 && cert != key)
		return fail_in(r, e, e->node, cert ? "client-key" : "client-certificate", "missing");
	return rc;
}

void kube_text_fini(struct kube_text *t)
{
	if (t->s)
		explicit_bzero(t->s, t->n);
	free(t->s);
	*t = (struct kube_text){ 0 };
}

static void prefer_data(struct kubeconfig *k, enum kube_field data, enum kube_field file)
{
	if (k->field[data].s)
		kube_text_fini(&k->field[file]);
}

static int read_context(struct reading *r, const struct node *name)
{
	struct entry context, cluster, user;
	int rc = find_entry(r, "contexts", "context", name, &context);
	rc = rc < 0 ? rc : read_fields(r, &context, IN_CONTEXT);
	if (rc < 0)
		return rc;
	const struct node *c = node_get(context.node, "cluster"), *u = node_get(context.node, "user");
	if (is_absent(c) || !is_text(c))
		return fail_in(r, &context, context.node, "cluster", "missing");
	rc = find_entry(r, "clusters", "cluster", c, &cluster);
	rc = rc < 0 ? rc : read_cluster(r, &cluster);
	if (rc < 0 || is_absent(u))
		return rc;
	if (!is_text(u))
		return fail_in(r, &context, u, "user", "expected a text");
	rc = find_entry(r, "users", "user", u, &user);
	return rc < 0 ? rc : read_user(r, &user);
}

static int read_root(struct reading *r, const char *context)
{
	const struct node *current = node_get(r->root, "current-context");
	const struct node asked = { .type = NODE_STRING, .line = 1, .text = context, .n = strlen(context) };
	if (r->root->type != NODE_MAP)
		return fail(r, r->root->line, "", "", "not a kubeconfig: expected a map");
	if (*context)
		return read_context(r, &asked);
	if (is_absent(current) || !is_text(current))
		return fail(r, r->root->line, "", "current-context", "missing, and no context was named");
	return read_context(r, current);
}

int kubeconfig_parse(const char *file, const void *data, size_t len, const char *context,
		     struct kubeconfig *ret, char *error, size_t error_size)
{
	struct kubeconfig k = { 0 };
	struct reading r = { .file = file, .k = &k, .error = error, .error_size = error_size };
	struct tree_error wrong = { 0 };
	struct tree_reader *reader = tree_reader_new(data, len);
	int rc = reader ? tree_next(reader, &r.root, &wrong) : -ENOMEM;
	if (rc == -EINVAL)
		fail(&r, wrong.line, "", "", wrong.text);
	else if (rc == 0)
		rc = fail(&r, 1, "", "", "empty");
	else if (rc > 0)
		rc = read_root(&r, context);
	tree_reader_free(reader);
	if (rc < 0) {
		if (rc == -ENOMEM)
			str_fmt(error, error_size, "%s: out of memory", file);
		kubeconfig_fini(&k);
		return rc;
	}
	prefer_data(&k, KUBE_CA_DATA, KUBE_CA_FILE);
	prefer_data(&k, KUBE_CERT_DATA, KUBE_CERT_FILE);
	prefer_data(&k, KUBE_KEY_DATA, KUBE_KEY_FILE);
	*ret = k;
	return 0;
}

void kubeconfig_fini(struct kubeconfig *k)
{
	for (size_t i = 0; i < KUBE_FIELDS; i++)
		kube_text_fini(&k->field[i]);
	*k = (struct kubeconfig){ 0 };
}
