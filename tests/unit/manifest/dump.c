/* For tests: prints messages by their descriptors, fields that have their default left out. */
#include "tests/unit/manifest/dump.h"

#include <string.h>

static const void *at(const void *base, size_t offset)
{
	return (const char *)base + offset;
}

static void dump_scalar(const ProtobufCFieldDescriptor *f, const void *v, struct strbuf *out)
{
	const char *text;
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		memcpy(&text, v, sizeof text);
		strbuf_fmt(out, "\"%s\"", text);
		break;
	case PROTOBUF_C_TYPE_INT64: strbuf_fmt(out, "%lld", (long long)*(const int64_t *)v); break;
	case PROTOBUF_C_TYPE_INT32: strbuf_fmt(out, "%d", *(const int32_t *)v); break;
	case PROTOBUF_C_TYPE_UINT32: strbuf_fmt(out, "%u", *(const uint32_t *)v); break;
	case PROTOBUF_C_TYPE_BOOL: strbuf_add(out, *(const protobuf_c_boolean *)v ? "true" : "false"); break;
	case PROTOBUF_C_TYPE_ENUM:
		strbuf_add(out, protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int *)v)->name);
		break;
	default: strbuf_add(out, "?"); break;
	}
}

static bool is_default(const ProtobufCFieldDescriptor *f, const void *v)
{
	static const char zero[8];
	const char *text;
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING: memcpy(&text, v, sizeof text); return !text || !*text;
	case PROTOBUF_C_TYPE_MESSAGE: memcpy(&text, v, sizeof text); return !text;
	case PROTOBUF_C_TYPE_INT64: return memcmp(v, zero, 8) == 0;
	default: return memcmp(v, zero, 4) == 0;
	}
}

static size_t element_size(const ProtobufCFieldDescriptor *f)
{
	return f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE ? sizeof(void *) : 4;
}

static void dump_value(const ProtobufCFieldDescriptor *f, const void *v, int indent, struct strbuf *out)
{
	strbuf_fmt(out, "%*s%s: ", indent, "", f->name);
	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		const ProtobufCMessage *m;
		memcpy(&m, v, sizeof m);
		strbuf_add(out, "\n");
		dump_message(m, indent + 2, out);
		return;
	}
	dump_scalar(f, v, out);
	strbuf_add(out, "\n");
}

void dump_message(const ProtobufCMessage *m, int indent, struct strbuf *out)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		const void *v = at(m, f->offset);
		if (f->label != PROTOBUF_C_LABEL_REPEATED) {
			/* An OptInt of 0 is not the same as none. */
			if (!is_default(f, v))
				dump_value(f, v, indent, out);
			continue;
		}
		size_t n = *(const size_t *)at(m, f->quantifier_offset);
		const char *list;
		memcpy(&list, v, sizeof list);
		for (size_t k = 0; k < n; k++)
			dump_value(f, list + k * element_size(f), indent, out);
	}
}

static void on_object(void *ctx, struct manifest_object *o)
{
	struct strbuf *out = ctx;
	const char *kind = o->kind == KIND_N ? "?" : kind_name(o->kind);
	if (!o->message) {
		strbuf_fmt(out, "broken %s %s\n", kind, *o->key ? o->key : "?");
		return;
	}
	strbuf_fmt(out, "%s %s\n", kind, o->key);
	dump_message(o->message, 2, out);
	for (size_t i = 0; i < o->secrets.n; i++)
		strbuf_fmt(out, "  (secret %s: %.*s)\n", o->secrets.v[i].key, (int)o->secrets.v[i].len,
			   (const char *)o->secrets.v[i].value);
	protobuf_c_message_free_unpacked(o->message, NULL);
	manifest_secrets_fini(&o->secrets);
}

void dump_manifest(const char *file_name, const void *data, size_t len, struct strbuf *out)
{
	struct diags d = { 0 };
	struct manifest_counts c = { 0 };
	char text[2048];
	int rc = manifest_parse(file_name, data, len, &d, on_object, out, &c);
	for (size_t i = 0; i < d.n; i++)
		strbuf_fmt(out, "%s %s\n", d.v[i].severity == DIAG_ERROR ? "ERROR" : "WARNING",
			   diag_text(&d.v[i], text, sizeof text));
	strbuf_fmt(out, "result %d: %zu objects, %zu broken, %zu ignored\n", rc, c.objects, c.broken,
		   c.ignored);
	diags_fini(&d);
}
