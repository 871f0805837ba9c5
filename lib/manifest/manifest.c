/* From the bytes of a manifest to objects: documents, List kinds, metadata, and the decoder of each kind.
 * Pure; run by the watcher and by ingotctl validate. */
#include "lib/manifest/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/manifest/decode.h"
#include "lib/manifest/tree.h"
#include "lib/model/limits.h"

struct parse {
	const char *file;
	struct diags *diags;
	manifest_each each;
	void *ctx;
	struct manifest_counts counts;
	bool oom;
};

void manifest_secrets_fini(struct manifest_secrets *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		explicit_bzero(s->v[i].value, s->v[i].len);
		free(s->v[i].value);
		free(s->v[i].key);
	}
	free(s->v);
	*s = (struct manifest_secrets){ 0 };
}

const struct manifest_secret *manifest_secret_get(const struct manifest_secrets *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].key, key) == 0)
			return &s->v[i];
	return NULL;
}

static const struct kind_decoder *const groups[] = { decode_service_kinds, decode_cluster_kinds,
						     decode_pool_kinds, decode_peer_kinds };

/* The decoder of a kind; *near is another version of that kind in the same API group. */
static const struct kind_decoder *decoder_of(const char *api_version, const char *kind,
					     const struct kind_decoder **near)
{
	const char *slash = strchr(api_version, '/');
	size_t group = slash ? (size_t)(slash - api_version) + 1 : 0;
	for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
		for (const struct kind_decoder *k = groups[g]; k->kind_name; k++) {
			if (strcmp(k->kind_name, kind) != 0)
				continue;
			if (strcmp(k->api_version, api_version) == 0)
				return k;
			if (strncmp(k->api_version, api_version, group) == 0 &&
			    (strchr(k->api_version, '/') != NULL) == (group > 0))
				*near = k;
		}
	}
	return NULL;
}

static const char *text_of(const struct node *n, const char *key)
{
	const struct node *v = node_get(n, key);
	return v && v->type == NODE_STRING ? v->text : "";
}

/* RFC 1123 names. A namespace and a label have no dots and at most 63 bytes. */
static bool is_name(const char *s, size_t max, bool dots)
{
	size_t n = strlen(s);
	if (n == 0 || n > max)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool edge = i == 0 || i + 1 == n || s[i - 1] == '.' || s[i + 1] == '.';
		bool letter = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9');
		if (!letter && !(s[i] == '-' && !edge) && !(s[i] == '.' && dots && !edge))
			return false;
	}
	return true;
}

static bool check_name(struct decoder *d, const struct where *meta, const char *member, const char *text,
		       size_t max, bool dots)
{
	const struct node *n = node_get(meta->node, member);
	struct where here = where_child(meta, member, n ? n : meta->node);
	char shown[80];
	if (n && n->type != NODE_STRING && n->type != NODE_NULL)
		decode_mismatch(d, &here, "a text");
	else if (!*text)
		decode_error(d, &here, "required, but missing");
	else if (!is_name(text, max, dots))
		decode_error(d, &here, "\"%s\" is not a name (RFC 1123: a-z, 0-9, -%s, at most %zu bytes)",
			     str_escape(text, strlen(text), shown, sizeof shown), dots ? ", ." : "", max);
	else
		return true;
	return false;
}

/* Find out which object it is: the key, and the name for messages. An empty key after an error. */
static void identify(struct decoder *d, const struct where *at, const struct kind_decoder *k,
		     struct manifest_object *o)
{
	static const struct node nowhere = { .type = NODE_MAP, .text = "" };
	const struct node *meta = node_get(at->node, "metadata");
	struct where here = where_child(at, "metadata", meta ? meta : &nowhere);
	if (!meta || meta->type != NODE_MAP) {
		here.node = meta ? meta : at->node;
		if (meta && meta->type != NODE_NULL)
			decode_mismatch(d, &here, "a map");
		else
			decode_error(d, &here, "required, but missing");
		return;
	}
	bool namespaced = kind_is_namespaced(k->kind);
	const char *name = text_of(meta, "name"), *ns = namespaced ? text_of(meta, "namespace") : "";
	if (namespaced && !*ns && !decode_is_served(d))
		ns = "default";
	if (strlen(name) <= LIMIT_NAME && strlen(ns) <= LIMIT_NAME)
		object_key(ns, name, d->name);
	bool service = k->kind == KIND_SERVICE || k->kind == KIND_NAMESPACE;
	bool good = check_name(d, &here, "name", name, service ? 63 : LIMIT_NAME, !service);
	if (namespaced && !check_name(d, &here, "namespace", ns, 63, false))
		good = false;
	if (good)
		str_fmt(o->key, sizeof o->key, "%s%s%s%s", ns, namespaced ? "/" : "", k->key_prefix, name);
}

static Ingot__ObjectMeta *decode_meta(struct decoder *d, const struct where *at, bool namespaced)
{
	const struct node *node = node_get(at->node, "metadata");
	Ingot__ObjectMeta *m = decode_new(d, &ingot__object_meta__descriptor);
	if (!m)
		return NULL;
	struct where here = where_child(at, "metadata", node);
	decode_table(d, &here, &decode_meta_table, m);
	if (!namespaced && *m->namespace_)
		decode_set(d, &m->namespace_, "");
	if (namespaced && !*m->namespace_)
		decode_set(d, &m->namespace_, "default");
	if (!decode_is_served(d)) {
		char origin[512];
		str_fmt(origin, sizeof origin, "%s:%u", d->file, at->node->line);
		decode_set(d, &m->origin, origin);
	}
	return m;
}

static ProtobufCMessage *decode_object(struct decoder *d, const struct where *at,
				       const struct kind_decoder *k)
{
	const ProtobufCMessageDescriptor *type = kind_descriptor(k->kind);
	ProtobufCMessage *m = decode_new(d, type);
	if (!m)
		return NULL;
	Ingot__ObjectMeta *meta = decode_meta(d, at, kind_is_namespaced(k->kind));
	if (meta) {
		const ProtobufCFieldDescriptor *f =
		    protobuf_c_message_descriptor_get_field_by_name(type, "meta");
		memcpy((char *)m + f->offset, &meta, sizeof meta);
		decode_table(d, at, k->table, m);
		if (k->finish && !d->oom)
			k->finish(d, at, m);
		if (k->deprecated)
			decode_warning(d, at, "%s", k->deprecated);
	}
	if (!d->oom && d->n_errors == 0 && protobuf_c_message_get_packed_size(m) > LIMIT_OBJECT_BYTES)
		decode_error(d, at, "larger than %d bytes", LIMIT_OBJECT_BYTES);
	if (!d->oom && d->n_errors == 0)
		return m;
	protobuf_c_message_free_unpacked(m, NULL);
	return NULL;
}

static void give_broken(struct parse *p, enum kind kind)
{
	struct manifest_object o = { .kind = kind };
	p->counts.broken++;
	p->each(p->ctx, &o);
}

/* defect: why the object is broken already; NULL: nothing is known against it. */
static void decode_known(struct decoder *d, const struct node *n, const struct kind_decoder *k,
			 const char *defect, struct manifest_object *o)
{
	struct where root = { .node = n };
	o->kind = k->kind;
	d->kind = k->kind_name;
	d->secrets = &o->secrets;
	identify(d, &root, k, o);
	if (defect)
		decode_error(d, &root, "%s", defect);
	else if (n->weight > 2 * LIMIT_OBJECT_BYTES)
		decode_error(d, &root, "larger than %d bytes", LIMIT_OBJECT_BYTES);
	else if (o->key[0])
		o->message = decode_object(d, &root, k);
	if (!o->message)
		manifest_secrets_fini(&o->secrets);
}

int manifest_decode_node(const struct node *n, const char *api_version, const char *kind, const char *defect,
			 struct diags *diags, struct manifest_object *ret)
{
	struct decoder d = { .diags = diags, .kind = kind };
	const struct kind_decoder *near = NULL, *k = decoder_of(api_version, kind, &near);
	*ret = (struct manifest_object){ .kind = KIND_N };
	if (k) {
		decode_known(&d, n, k, defect, ret);
	} else {
		char shown[128];
		struct where root = { .node = n };
		decode_error(&d, &root, "\"%s\" has no such kind that is read",
			     str_escape(api_version, strlen(api_version), shown, sizeof shown));
	}
	return d.oom ? -ENOMEM : 0;
}

static void parse_known(struct parse *p, const struct node *n, const struct kind_decoder *k)
{
	struct manifest_object o = { 0 };
	struct decoder d = { .file = p->file, .diags = p->diags };
	decode_known(&d, n, k, NULL, &o);
	p->oom |= d.oom;
	p->counts.objects += o.message != NULL;
	p->counts.broken += o.message == NULL;
	p->each(p->ctx, &o);
}

static void complain(struct parse *p, const struct node *n, const char *kind, const char *member,
		     const char *text)
{
	struct decoder d = { .file = p->file, .diags = p->diags, .kind = *kind ? kind : "document" };
	struct where root = { .node = n };
	const struct node *v = node_get(n, member);
	struct where here = where_child(&root, member, v ? v : n);
	decode_error(&d, &here, "%s", text);
	give_broken(p, KIND_N);
}

static bool is_list_kind(const struct node *n, const char *kind)
{
	size_t len = strlen(kind);
	const struct node *items = node_get(n, "items");
	return len >= 4 && strcmp(kind + len - 4, "List") == 0 && items && items->type == NODE_LIST;
}

static void parse_node(struct parse *p, const struct node *n, const char *api_version, const char *kind);

/* v1 List, and typed lists such as ServiceList whose items may leave out what the list says. */
static void parse_list(struct parse *p, const struct node *n, const char *api_version, const char *kind)
{
	const struct node *items = node_get(n, "items");
	char item_kind[128] = "";
	bool typed = strcmp(kind, "List") != 0 && strlen(kind) < sizeof item_kind;
	if (typed)
		str_fmt(item_kind, sizeof item_kind, "%.*s", (int)(strlen(kind) - 4), kind);
	for (size_t i = 0; i < items->n && !p->oom; i++)
		parse_node(p, items->items[i], typed ? api_version : "", item_kind);
}

/* api_version and kind: what a typed list says about its items, else empty. */
static void parse_node(struct parse *p, const struct node *n, const char *api_version, const char *kind)
{
	if (n->type != NODE_MAP) {
		char text[160], found[128];
		str_fmt(text, sizeof text, "expected an object, found %s",
			node_describe(n, found, sizeof found));
		complain(p, n, "", "", text);
		return;
	}
	if (*text_of(n, "kind"))
		kind = text_of(n, "kind");
	if (*text_of(n, "apiVersion"))
		api_version = text_of(n, "apiVersion");
	if (!*kind || !*api_version) {
		const char *member = *kind ? "apiVersion" : "kind";
		complain(p, n, kind, member,
			 node_get(n, member) ? "expected a text" : "required, but missing");
		return;
	}
	if (is_list_kind(n, kind)) {
		parse_list(p, n, api_version, kind);
		return;
	}
	const struct kind_decoder *near = NULL, *k = decoder_of(api_version, kind, &near);
	if (k) {
		parse_known(p, n, k);
	} else if (near) {
		char text[160];
		str_fmt(text, sizeof text, "version not supported, use %s", near->api_version);
		complain(p, n, kind, "apiVersion", text);
	} else {
		p->counts.ignored++;
	}
}

static int parse_documents(struct parse *p, struct tree_reader *r)
{
	const struct node *doc;
	struct tree_error e;
	int rc;
	while ((rc = tree_next(r, &doc, &e)) == 1 && !p->oom)
		if (doc && doc->type != NODE_NULL)
			parse_node(p, doc, "", "");
	if (rc == -EINVAL) {
		char origin[512];
		str_fmt(origin, sizeof origin, "%s:%u:%u", p->file, e.line, e.column);
		diags_add(p->diags, DIAG_ERROR, "YAML", "", "", origin, "%s", e.text);
	}
	return p->oom ? -ENOMEM : rc < 0 ? rc : 0;
}

int manifest_parse(const char *file_name, const void *data, size_t len, struct diags *diags,
		   manifest_each each, void *ctx, struct manifest_counts *counts)
{
	struct parse p = { .file = file_name, .diags = diags, .each = each, .ctx = ctx };
	if (len > TREE_MAX_BYTES) {
		diags_add(diags, DIAG_ERROR, "file", "", "", file_name, "larger than %d bytes",
			  TREE_MAX_BYTES);
		return -EFBIG;
	}
	struct tree_reader *r = tree_reader_new(data, len);
	if (!r)
		return -ENOMEM;
	int rc = parse_documents(&p, r);
	tree_reader_free(r);
	if (counts)
		*counts = p.counts;
	return rc;
}
