/* Decoding of what all kinds share: metadata and label selectors. Pure; run by the watcher and ingotctl. */
#include <limits.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/manifest/decode.h"
#include "lib/manifest/scalar.h"
#include "lib/model/label.h"

static void check_labels(struct decoder *d, const struct where *at)
{
	for (size_t i = 0; at->node->type == NODE_MAP && i < at->node->n; i++) {
		const struct node_pair *p = &at->node->pairs[i];
		struct where here = where_child(at, p->key->text, p->value);
		char shown[80];
		if (!label_key_is_valid(p->key->text))
			decode_error(d, &here, "\"%s\" is not a label key",
				     str_escape(p->key->text, p->key->n, shown, 80));
		else if (p->value->type == NODE_STRING && !label_value_is_valid(p->value->text))
			decode_error(d, &here, "\"%s\" is not a label value",
				     str_escape(p->value->text, p->value->n, shown, 80));
	}
}

static void decode_labels(struct decoder *d, const struct where *at, void *message)
{
	Ingot__ObjectMeta *m = message;
	check_labels(d, at);
	decode_keys(d, at, NULL, &m->n_labels, &m->labels);
}

/* The annotations that some daemon reads; others may be large and change often. */
static bool is_read(const char *key)
{
	return str_starts(key, "metallb.io/") || str_starts(key, "metallb.universe.tf/") ||
	       str_starts(key, "ingot.dev/");
}

static void decode_annotations(struct decoder *d, const struct where *at, void *message)
{
	Ingot__ObjectMeta *m = message;
	decode_keys(d, at, is_read, &m->n_annotations, &m->annotations);
}

static void decode_creation(struct decoder *d, const struct where *at, void *message)
{
	Ingot__ObjectMeta *m = message;
	if (at->node->type != NODE_STRING || !scalar_time(at->node->text, &m->creation_ms))
		decode_mismatch(d, at, "a time such as \"2024-05-01T10:00:00Z\"");
}

#define META(member) AT(Ingot__ObjectMeta, member)
static const struct field meta_fields[] = {
	{ .name = "name", .type = FIELD_STRING, .offset = META(name) },
	{ .name = "namespace", .type = FIELD_STRING, .offset = META(namespace_) },
	{ .name = "uid", .type = FIELD_STRING, .offset = META(uid) },
	{ .name = "resourceVersion", .type = FIELD_STRING, .offset = META(resource_version) },
	{ .name = "generation", .type = FIELD_I64, .offset = META(generation), .max = INT64_MAX },
	{ .name = "creationTimestamp", .type = FIELD_CUSTOM, .custom = decode_creation },
	{ .name = "labels", .type = FIELD_CUSTOM, .custom = decode_labels },
	{ .name = "annotations", .type = FIELD_CUSTOM, .custom = decode_annotations },
	{ .name = "generateName" },
	{ .name = "managedFields" },
	{ .name = "ownerReferences" },
	{ .name = "finalizers" },
	{ .name = "selfLink" },
	{ .name = "deletionTimestamp" },
	{ .name = "deletionGracePeriodSeconds" },
};
const struct table decode_meta_table = MESSAGE_TABLE(meta_fields, ingot__object_meta__descriptor);

#define EXPRESSION(member) AT(Ingot__LabelSelectorRequirement, member)
static const struct field expression_fields[] = {
	{ .name = "key", .type = FIELD_STRING, .flags = FIELD_REQUIRED, .offset = EXPRESSION(key) },
	{ .name = "operator",
	  .type = FIELD_STRING,
	  .flags = FIELD_REQUIRED,
	  .offset = EXPRESSION(operator_) },
	{ .name = "values", .type = FIELD_STRINGS, LIST_AT(Ingot__LabelSelectorRequirement, values) },
};
static const struct table expression_table =
    MESSAGE_TABLE(expression_fields, ingot__label_selector_requirement__descriptor);

static const struct field selector_fields[] = {
	{ .name = "matchLabels", .type = FIELD_KEYS, LIST_AT(Ingot__LabelSelector, match_labels) },
	{ .name = "matchExpressions",
	  .type = FIELD_MESSAGES,
	  .sub = &expression_table,
	  LIST_AT(Ingot__LabelSelector, match_expressions) },
};
const struct table decode_selector_table = MESSAGE_TABLE(selector_fields, ingot__label_selector__descriptor);
