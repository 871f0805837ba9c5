/* A message of proto/kubernetes.proto as a document tree. The descriptors do it: their fields carry the names
 * of the API. Pure; run by the watcher. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/strbuf.h"
#include "proto/kubernetes.pb-c.h"
#include "watcher/k8s/decode/room.h"

static const void *at(const ProtobufCMessage *m, size_t offset)
{
	return (const char *)m + offset;
}

static const void *pointer_at(const ProtobufCMessage *m, size_t offset)
{
	const void *p;
	memcpy(&p, at(m, offset), sizeof p);
	return p;
}

/* RFC 3339, as the API writes times in JSON; what has no such text becomes one that nobody takes for a time.
 */
static const struct node *tree_of_time(struct room *r, const K8s__Time *t)
{
	char text[32] = "out of range";
	time_t seconds = (time_t)t->seconds;
	struct tm tm;
	if (gmtime_r(&seconds, &tm) && tm.tm_year >= -1900 && tm.tm_year < 9999 - 1900)
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return room_text(r, text, strlen(text));
}

static const struct node *tree_of_bytes(struct room *r, const ProtobufCBinaryData *b)
{
	return room_text(r, b->data, b->len);
}

/* Both kinds of entry have this shape; the values of a DataEntry are bytes even when they look like text. */
static const struct node *value_of(struct room *r, const ProtobufCMessage *entry)
{
	if (entry->descriptor == &k8s__data_entry__descriptor) {
		const ProtobufCBinaryData *value = &((const K8s__DataEntry *)entry)->value;
		return room_scalar(r, NODE_BYTES, value->data, value->len);
	}
	return tree_of_bytes(r, &((const K8s__TextEntry *)entry)->value);
}

static const struct node *key_of(struct room *r, const ProtobufCMessage *entry)
{
	return tree_of_bytes(r, entry->descriptor == &k8s__data_entry__descriptor
				    ? &((const K8s__DataEntry *)entry)->key
				    : &((const K8s__TextEntry *)entry)->key);
}

struct entry {
	struct node_pair pair;
	size_t position;
};

static int by_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int c = strcmp(x->pair.key->text, y->pair.key->text);
	return c ? c : (x->position > y->position) - (x->position < y->position);
}

/* Of entries with one key the last one counts. */
static const struct node *tree_of_entries(struct room *r, ProtobufCMessage *const *v, size_t n)
{
	struct entry *sorted = room_alloc(r, n * sizeof *sorted);
	struct node_pair *pairs = sorted ? room_alloc(r, n * sizeof *pairs) : NULL;
	if (!pairs)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		sorted[i].position = i;
		sorted[i].pair.key = key_of(r, v[i]);
		sorted[i].pair.value = sorted[i].pair.key ? value_of(r, v[i]) : NULL;
		if (!sorted[i].pair.value)
			return NULL;
	}
	qsort(sorted, n, sizeof *sorted, by_key);
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
		if (i + 1 == n || strcmp(sorted[i].pair.key->text, sorted[i + 1].pair.key->text) != 0)
			pairs[kept++] = sorted[i].pair;
	return room_map(r, pairs, kept);
}

static bool is_entry(const void *descriptor)
{
	return descriptor == &k8s__text_entry__descriptor || descriptor == &k8s__data_entry__descriptor;
}

static const struct node *tree_of_repeated(struct room *r, const ProtobufCFieldDescriptor *f,
					   const void *list, size_t n)
{
	ProtobufCMessage *const *messages = list;
	const ProtobufCBinaryData *bytes = list;
	bool message = f->type == PROTOBUF_C_TYPE_MESSAGE;
	if (message && is_entry(f->descriptor))
		return tree_of_entries(r, messages, n);
	const struct node **items = room_alloc(r, n * sizeof *items);
	if (!items)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!(items[i] = message ? tree_of_proto(r, messages[i]) : tree_of_bytes(r, &bytes[i])))
			return NULL;
	return room_list(r, items, n);
}

static bool is_absent(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const void *v = at(m, f->offset);
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)at(m, f->quantifier_offset) == 0;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return !pointer_at(m, f->offset);
	if (!*(const protobuf_c_boolean *)at(m, f->quantifier_offset))
		return true;
	switch (f->type) {
	case PROTOBUF_C_TYPE_BYTES: return ((const ProtobufCBinaryData *)v)->len == 0;
	case PROTOBUF_C_TYPE_INT32: return *(const int32_t *)v == 0;
	case PROTOBUF_C_TYPE_INT64: return *(const int64_t *)v == 0;
	default: return false;
	}
}

/* Of a field that is there. */
static const struct node *tree_of_field(struct room *r, const ProtobufCMessage *m,
					const ProtobufCFieldDescriptor *f)
{
	const void *v = at(m, f->offset);
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return tree_of_repeated(r, f, pointer_at(m, f->offset),
					*(const size_t *)at(m, f->quantifier_offset));
	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE: return tree_of_proto(r, pointer_at(m, f->offset));
	case PROTOBUF_C_TYPE_INT32: return room_number(r, *(const int32_t *)v);
	case PROTOBUF_C_TYPE_INT64: return room_number(r, *(const int64_t *)v);
	case PROTOBUF_C_TYPE_BOOL: return room_truth(r, *(const protobuf_c_boolean *)v);
	default: return tree_of_bytes(r, v);
	}
}

const struct node *tree_of_proto(struct room *r, const ProtobufCMessage *m)
{
	if (m->descriptor == &k8s__time__descriptor)
		return tree_of_time(r, (const K8s__Time *)m);
	size_t n = 0;
	struct node_pair *pairs = room_alloc(r, (m->descriptor->n_fields + 1) * sizeof *pairs);
	if (!pairs)
		return NULL;
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		if (is_absent(m, f))
			continue;
		pairs[n].key = room_text(r, f->name, strlen(f->name));
		pairs[n].value = pairs[n].key ? tree_of_field(r, m, f) : NULL;
		if (!pairs[n++].value)
			return NULL;
	}
	return room_map(r, pairs, n);
}
