/* Decoding of Node, Namespace, Secret and ConfigMap. Values of Secrets leave by a way of their own and never
 * reach a message. Pure; run by the watcher and ingotctl. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/manifest/decode.h"
#include "lib/manifest/scalar.h"

static const struct field address_fields[] = {
	{ .name = "type", .type = FIELD_STRING, .offset = AT(Ingot__NodeAddress, type) },
	{ .name = "address", .type = FIELD_STRING, .offset = AT(Ingot__NodeAddress, address) },
};
static const struct table address_table = MESSAGE_TABLE(address_fields, ingot__node_address__descriptor);

static void decode_conditions(struct decoder *d, const struct where *at, void *message)
{
	Ingot__Node *n = message;
	if (at->node->type != NODE_LIST) {
		decode_mismatch(d, at, "a list");
		return;
	}
	for (size_t i = 0; i < at->node->n; i++) {
		const struct node *type = node_get(at->node->items[i], "type");
		const struct node *status = node_get(at->node->items[i], "status");
		if (!type || type->type != NODE_STRING || strcmp(type->text, "NetworkUnavailable") != 0 ||
		    !status)
			continue;
		struct where item = where_item(at, i);
		struct where here = where_child(&item, "status", status);
		const char *text = decode_text(d, &here);
		if (text)
			n->network_unavailable =
			    strcmp(text, "True") == 0 ? INGOT__TRISTATE__YES : INGOT__TRISTATE__NO;
	}
}

static const struct field node_status_fields[] = {
	{ .name = "addresses",
	  .type = FIELD_MESSAGES,
	  .sub = &address_table,
	  .max = 64,
	  LIST_AT(Ingot__Node, addresses) },
	{ .name = "conditions", .type = FIELD_CUSTOM, .custom = decode_conditions },
};
static const struct table node_status = { .fields = node_status_fields,
					  .n = ARRAY_LEN(node_status_fields),
					  .open = true };
static const struct field node_fields[] = {
	COMMON_FIELDS,
	{ .name = "spec" },
	{ .name = "status", .type = FIELD_SCOPE, .sub = &node_status },
};
static const struct table node_table = TABLE(node_fields);

static const struct field namespace_fields[] = { COMMON_FIELDS, { .name = "spec" }, { .name = "status" } };
static const struct table namespace_table = TABLE(namespace_fields);

/* Every real cluster has this label on every Namespace. */
static void namespace_finish(struct decoder *d, const struct where *at, void *message)
{
	(void)at;
	Ingot__Namespace *n = message;
	if (kv_get(n->meta->labels, n->meta->n_labels, "kubernetes.io/metadata.name"))
		return;
	Ingot__KeyValue *kv = decode_new(d, &ingot__key_value__descriptor);
	if (!kv)
		return;
	decode_set(d, &kv->key, "kubernetes.io/metadata.name");
	decode_set(d, &kv->value, n->meta->name);
	if (!decode_append(d, &n->meta->labels, &n->meta->n_labels, kv)) {
		ingot__key_value__free_unpacked(kv, NULL);
		return;
	}
	/* Into its place: labels are sorted by key. */
	for (size_t i = n->meta->n_labels - 1; i > 0 && strcmp(n->meta->labels[i - 1]->key, kv->key) > 0;
	     i--) {
		n->meta->labels[i] = n->meta->labels[i - 1];
		n->meta->labels[i - 1] = kv;
	}
}

static void decode_base64(struct decoder *d, const struct where *at)
{
	size_t len = 0;
	const char *text = at->node->type == NODE_NULL ? "" : decode_text(d, at);
	uint8_t *bytes = text ? malloc(at->node->n / 4 * 3 + 3) : NULL;
	if (!text)
		return;
	if (!bytes)
		d->oom = true;
	else if (!scalar_base64(text, strlen(text), bytes, &len))
		decode_error(d, at, "not base64");
	else
		decode_secret(d, at->name, bytes, len);
	if (bytes)
		explicit_bzero(bytes, at->node->n / 4 * 3 + 3);
	free(bytes);
}

static void decode_data(struct decoder *d, const struct where *at, void *message)
{
	(void)message;
	const struct node *over = node_get(at->up->node, "stringData");
	if (at->node->type != NODE_MAP) {
		decode_mismatch(d, at, "a map of base64 texts");
		return;
	}
	for (size_t i = 0; i < at->node->n && !d->oom; i++) {
		const struct node_pair *p = &at->node->pairs[i];
		struct where here = where_child(at, p->key->text, p->value);
		if (!decode_key(d, at, p->key))
			return;
		if (p->value->type == NODE_BYTES)
			decode_secret(d, p->key->text, p->value->text, p->value->n);
		else if (!node_get(over, p->key->text))
			decode_base64(d, &here);
	}
}

/* stringData wins over data, as the API server merges them. */
static void decode_string_data(struct decoder *d, const struct where *at, void *message)
{
	(void)message;
	if (at->node->type != NODE_MAP) {
		decode_mismatch(d, at, "a map of texts");
		return;
	}
	for (size_t i = 0; i < at->node->n && !d->oom; i++) {
		const struct node_pair *p = &at->node->pairs[i];
		struct where here = where_child(at, p->key->text, p->value);
		const char *text = p->value->type == NODE_NULL ? "" : decode_text(d, &here);
		if (text)
			decode_secret(d, p->key->text, text, strlen(text));
	}
}

static const struct field secret_fields[] = {
	COMMON_FIELDS,
	{ .name = "type", .type = FIELD_STRING, .offset = AT(Ingot__Secret, type) },
	{ .name = "data", .type = FIELD_CUSTOM, .custom = decode_data },
	{ .name = "stringData", .type = FIELD_CUSTOM, .custom = decode_string_data },
	{ .name = "immutable" },
};
static const struct table secret_table = TABLE(secret_fields);

static int by_secret_key(const void *a, const void *b)
{
	const struct manifest_secret *x = a, *y = b;
	return strcmp(x->key, y->key);
}

static void secret_finish(struct decoder *d, const struct where *at, void *message)
{
	(void)at;
	Ingot__Secret *s = message;
	if (!*s->type)
		decode_set(d, &s->type, "Opaque");
	if (d->secrets->n)
		qsort(d->secrets->v, d->secrets->n, sizeof *d->secrets->v, by_secret_key);
	for (size_t i = 0; i < d->secrets->n && !d->oom; i++) {
		char *copy = strdup(d->secrets->v[i].key);
		if (!copy || !decode_append(d, &s->keys, &s->n_keys, copy)) {
			d->oom = true;
			free(copy);
		}
	}
}

static const struct field config_map_fields[] = {
	COMMON_FIELDS,
	{ .name = "data", .type = FIELD_KEYS, LIST_AT(Ingot__ConfigMap, data) },
	{ .name = "binaryData" },
	{ .name = "immutable" },
};
static const struct table config_map_table = TABLE(config_map_fields);

const struct kind_decoder decode_cluster_kinds[] = {
	{ "v1", "Node", KIND_NODE, &node_table, NULL, "", NULL },
	{ "v1", "Namespace", KIND_NAMESPACE, &namespace_table, namespace_finish, "", NULL },
	{ "v1", "Secret", KIND_SECRET, &secret_table, secret_finish, "", NULL },
	{ "v1", "ConfigMap", KIND_CONFIG_MAP, &config_map_table, NULL, "", NULL },
	{ 0 },
};
