/* For tests: a second, independent way to the protobuf encoding: the wire form is written by hand, only names
 * and numbers come from the descriptors. */
#include "tests/unit/k8s_decode/sample.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/manifest/scalar.h"
#include "proto/kubernetes.pb-c.h"

bool sample_read(const char *path, struct strbuf *out)
{
	char full[4096], buf[4096];
	const char *root = getenv("INGOT_SOURCE_DIR");
	str_fmt(full, sizeof full, "%s/%s", root ? root : ".", path);
	FILE *f = fopen(full, "rb");
	if (!f)
		return false;
	for (size_t n; (n = fread(buf, 1, sizeof buf, f)) > 0;)
		strbuf_add_n(out, buf, n);
	fclose(f);
	return true;
}

static void varint(struct strbuf *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		strbuf_char(out, (char)(uint8_t)(v | 0x80));
	strbuf_char(out, (char)(uint8_t)v);
}

static void number(struct strbuf *out, unsigned id, int64_t v)
{
	varint(out, (uint64_t)id << 3);
	varint(out, (uint64_t)v);
}

void sample_field(struct strbuf *out, unsigned id, const void *data, size_t len)
{
	varint(out, (uint64_t)id << 3 | 2);
	varint(out, len);
	strbuf_add_n(out, data, len);
}

static void encode(json_t *v, const ProtobufCMessageDescriptor *type, struct strbuf *out);

static void entry(struct strbuf *out, const ProtobufCFieldDescriptor *f, const char *key, json_t *value)
{
	struct strbuf b = { 0 };
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);
	uint8_t bytes[4096];
	sample_field(&b, 1, key, strlen(key));
	if (f->descriptor == &k8s__data_entry__descriptor) {
		must(len <= sizeof bytes && scalar_base64(text, len, bytes, &len));
		text = (const char *)bytes;
	}
	sample_field(&b, 2, text, len);
	sample_field(out, f->id, strbuf_get(&b), b.len);
	strbuf_fini(&b);
}

static void message(struct strbuf *out, const ProtobufCFieldDescriptor *f, json_t *v)
{
	struct strbuf b = { 0 };
	int64_t ms;
	if (f->descriptor == &k8s__time__descriptor) {
		must(scalar_time(json_string_value(v), &ms));
		number(&b, 1, ms / 1000);
	} else {
		encode(v, f->descriptor, &b);
	}
	sample_field(out, f->id, strbuf_get(&b), b.len);
	strbuf_fini(&b);
}

static void field(struct strbuf *out, const ProtobufCFieldDescriptor *f, json_t *v)
{
	size_t i;
	const char *key;
	json_t *item;
	if (json_is_array(v)) {
		json_array_foreach(v, i, item) field(out, f, item);
	} else if (f->descriptor == &k8s__text_entry__descriptor ||
		   f->descriptor == &k8s__data_entry__descriptor) {
		json_object_foreach(v, key, item) entry(out, f, key, item);
	} else if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		message(out, f, v);
	} else if (f->type == PROTOBUF_C_TYPE_BYTES) {
		sample_field(out, f->id, json_string_value(v), json_string_length(v));
	} else {
		number(out, f->id, json_is_boolean(v) ? json_is_true(v) : json_integer_value(v));
	}
}

static void encode(json_t *v, const ProtobufCMessageDescriptor *type, struct strbuf *out)
{
	const char *key;
	json_t *member;
	json_object_foreach(v, key, member)
	{
		const ProtobufCFieldDescriptor *f =
		    protobuf_c_message_descriptor_get_field_by_name(type, key);
		if (f && !json_is_null(member))
			field(out, f, member);
	}
}

static const ProtobufCMessageDescriptor *type_of(const char *kind)
{
	static const ProtobufCMessageDescriptor *const types[] = {
		&k8s__service__descriptor,    &k8s__endpoint_slice__descriptor, &k8s__endpoints__descriptor,
		&k8s__node__descriptor,	      &k8s__namespace__descriptor,	&k8s__secret__descriptor,
		&k8s__config_map__descriptor, &k8s__status__descriptor,
	};
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i]->short_name, kind) == 0)
			return types[i];
	must(false); /* a kind that has no protobuf encoding here */
	return NULL;
}

void sample_message(const char *json, const char *kind, struct strbuf *out)
{
	json_t *v = json_loads(json, 0, NULL);
	must(v != NULL);
	encode(v, type_of(kind), out);
	json_decref(v);
}

void sample_envelope(const char *api_version, const char *kind, const struct strbuf *raw, struct strbuf *out)
{
	struct strbuf type = { 0 };
	sample_field(&type, 1, api_version, strlen(api_version));
	sample_field(&type, 2, kind, strlen(kind));
	strbuf_add_n(out, "k8s\0", 4);
	sample_field(out, 1, strbuf_get(&type), type.len);
	sample_field(out, 2, strbuf_get(raw), raw->len);
	sample_field(out, 3, "", 0);
	sample_field(out, 4, "", 0);
	strbuf_fini(&type);
}

void sample_event(const char *type, const struct strbuf *envelope, struct strbuf *out)
{
	struct strbuf raw = { 0 };
	sample_field(&raw, 1, strbuf_get(envelope), envelope->len);
	sample_field(out, 1, type, strlen(type));
	sample_field(out, 2, strbuf_get(&raw), raw.len);
	strbuf_fini(&raw);
}

void sample_frame(const struct strbuf *event, struct strbuf *out)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		strbuf_char(out, (char)(uint8_t)(event->len >> shift));
	strbuf_add_n(out, strbuf_get(event), event->len);
}
