/* Table-driven decoding of document trees into protobuf messages. A table names every field of a Kubernetes
 * object that is read (where it goes, its type and range) or known and skipped; anything else is an unknown
 * field. Pure; private to lib/manifest. */
#ifndef INGOT_MANIFEST_DECODE_H
#define INGOT_MANIFEST_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/manifest/manifest.h"
#include "lib/manifest/tree.h"

/* The way from the object to a field, for messages: "spec.ports[1].port". */
struct where {
	const struct where *up;
	const char *name; /* NULL: an index */
	size_t index;
	const struct node *node;
};

struct decoder {
	const char *file; /* NULL: the object comes from an API server, see decode_is_served */
	struct diags *diags;
	const char *kind;
	char name[OBJECT_KEY]; /* "namespace/name", for messages */
	size_t n_errors;
	bool oom;
	struct manifest_secrets *secrets;
};

/* An API server has checked the object, filled in its defaults and dropped what its schema does not know;
 * newer servers add fields of their own. So unknown fields are no news, and nothing is filled in that only a
 * manifest lacks. */
static inline bool decode_is_served(const struct decoder *d)
{
	return !d->file;
}

enum field_type {
	FIELD_SKIP, /* known, not read */
	FIELD_STRING,
	FIELD_STRINGS,
	FIELD_BOOL,
	FIELD_TRISTATE,
	FIELD_OPT_INT,
	FIELD_I64,
	FIELD_I32,
	FIELD_U32,
	FIELD_DURATION, /* to an OptInt, ns */
	FIELD_KEYS,	/* map of texts to KeyValue[], sorted by key */
	FIELD_MESSAGE,	/* sub table into a message of its own */
	FIELD_MESSAGES,
	FIELD_SCOPE,  /* sub table into the same message: "spec", "status" */
	FIELD_CUSTOM, /* a function */
};
enum { FIELD_REQUIRED = 1 };

struct table;
struct field {
	const char *name;
	enum field_type type;
	unsigned flags;
	size_t offset, count_offset;
	int64_t min, max;	    /* integers; lists: max entries (0 = no limit) */
	const char *const *choices; /* texts: NULL-terminated */
	const struct table *sub;
	void (*custom)(struct decoder *d, const struct where *at, void *message);
};
struct table {
	const ProtobufCMessageDescriptor *descriptor; /* of the message a FIELD_MESSAGE makes */
	const struct field *fields;
	size_t n;
	bool open; /* other fields are passed over in silence */
};

#define TABLE(fields_)                                                                                       \
	{                                                                                                    \
		.fields = (fields_), .n = sizeof(fields_) / sizeof((fields_)[0])                             \
	}
#define MESSAGE_TABLE(fields_, descriptor_)                                                                  \
	{                                                                                                    \
		.descriptor = &(descriptor_), .fields = (fields_),                                           \
		.n = sizeof(fields_) / sizeof((fields_)[0])                                                  \
	}
#define AT(type_, member) offsetof(type_, member)
/* What every kind has beside its spec; metadata is decoded before. */
#define COMMON_FIELDS                                                                                        \
	{ .name = "apiVersion" }, { .name = "kind" },                                                        \
	{                                                                                                    \
		.name = "metadata"                                                                           \
	}
#define OBJECT_FIELDS(flags_, spec_)                                                                         \
	COMMON_FIELDS, { .name = "status" },                                                                 \
	{                                                                                                    \
		.name = "spec", .type = FIELD_SCOPE, .flags = flags_, .sub = &spec_                          \
	}
#define LIST_AT(type_, member) .offset = offsetof(type_, member), .count_offset = offsetof(type_, n_##member)

/* Decode the map at->node by a table into message. Errors go to diagnostics and d->n_errors. */
void decode_table(struct decoder *d, const struct where *at, const struct table *t, void *message);

void decode_error(struct decoder *d, const struct where *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void decode_warning(struct decoder *d, const struct where *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "expected X, found Y" */
void decode_mismatch(struct decoder *d, const struct where *at, const char *expected);

void *decode_new(struct decoder *d, const ProtobufCMessageDescriptor *descriptor); /* NULL: d->oom is set */
/* Replace the text at a string member. */
void decode_set(struct decoder *d, char **member, const char *text);
/* The text of a node; NULL after an error. */
const char *decode_text(struct decoder *d, const struct where *at);
/* Can the key of a map of texts be kept? False after an error. */
bool decode_key(struct decoder *d, const struct where *at, const struct node *key);
/* One "key: text" of each entry of the map at->node that want (NULL: all) likes, sorted by key. */
void decode_keys(struct decoder *d, const struct where *at, bool (*want)(const char *key), size_t *n,
		 Ingot__KeyValue ***ret);
/* Append a pointer to a repeated member. False: d->oom is set, item stays the caller's. */
bool decode_append(struct decoder *d, void *list_member, size_t *count, void *item);
void decode_secret(struct decoder *d, const char *key, const void *value, size_t len); /* copies */
/* A child of a place: child(at, "spec", node). */
static inline struct where where_child(const struct where *up, const char *name, const struct node *node)
{
	return (struct where){ .up = up, .name = name, .node = node };
}
static inline struct where where_item(const struct where *up, size_t index)
{
	return (struct where){ .up = up, .index = index, .node = up->node->items[index] };
}

extern const struct table decode_meta_table;	 /* into ObjectMeta */
extern const struct table decode_selector_table; /* into LabelSelector */

/* One kind of object in one version of the API. */
struct kind_decoder {
	const char *api_version, *kind_name;
	enum kind kind;
	const struct table *table;
	/* After the table: what takes the whole object. May be NULL. */
	void (*finish)(struct decoder *d, const struct where *at, void *message);
	const char *key_prefix; /* before the name in the key */
	const char *deprecated; /* a warning; NULL = none */
};
/* NULL-terminated lists (kind_name NULL). */
extern const struct kind_decoder decode_service_kinds[], decode_cluster_kinds[], decode_pool_kinds[],
    decode_peer_kinds[];

#endif
