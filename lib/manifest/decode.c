/* The table-driven decoder: walks a document tree and a table side by side. Pure; run by the watcher and
 * ingotctl. */
#include "lib/manifest/decode.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "lib/manifest/scalar.h"

static void path_of(const struct where *at, struct strbuf *out)
{
	if (!at || (!at->name && !at->up))
		return;
	path_of(at->up, out);
	if (!at->name)
		strbuf_fmt(out, "[%zu]", at->index);
	else if (at->up && at->up->up)
		strbuf_fmt(out, ".%s", at->name);
	else
		strbuf_add(out, at->name);
}

static void __attribute__((format(printf, 4, 0)))
report(struct decoder *d, enum diag_severity severity, const struct where *at, const char *fmt, va_list ap)
{
	struct strbuf path = { 0 }, text = { 0 };
	path_of(at, &path);
	strbuf_vfmt(&text, fmt, ap);
	char origin[512] = "";
	if (!decode_is_served(d))
		str_fmt(origin, sizeof origin, "%s:%u:%u", d->file, at->node->line, at->node->column);
	diags_add(d->diags, severity, d->kind, d->name, strbuf_get(&path), origin, "%s", strbuf_get(&text));
	strbuf_fini(&path);
	strbuf_fini(&text);
}

void decode_error(struct decoder *d, const struct where *at, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	report(d, DIAG_ERROR, at, fmt, ap);
	va_end(ap);
	d->n_errors++;
}

void decode_warning(struct decoder *d, const struct where *at, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	report(d, DIAG_WARNING, at, fmt, ap);
	va_end(ap);
}

/* Values below these names never stand in a message. */
static bool is_secret(const struct where *at)
{
	for (; at; at = at->up)
		if (at->name && (strcmp(at->name, "password") == 0 || strcmp(at->name, "data") == 0 ||
				 strcmp(at->name, "stringData") == 0))
			return true;
	return false;
}

void decode_mismatch(struct decoder *d, const struct where *at, const char *expected)
{
	char found[128];
	if (is_secret(at) && at->node->type != NODE_LIST && at->node->type != NODE_MAP)
		str_fmt(found, sizeof found, "another type (put it in quotes)");
	else
		node_describe(at->node, found, sizeof found);
	decode_error(d, at, "expected %s, found %s", expected, found);
}

void *decode_new(struct decoder *d, const ProtobufCMessageDescriptor *descriptor)
{
	ProtobufCMessage *m = malloc(descriptor->sizeof_message);
	if (!m)
		d->oom = true;
	else
		protobuf_c_message_init(descriptor, m);
	return m;
}

void decode_set(struct decoder *d, char **member, const char *text)
{
	char *copy = NULL;
	if (*text && !(copy = strdup(text))) {
		d->oom = true;
		return;
	}
	if (*member != protobuf_c_empty_string)
		free(*member);
	/* protobuf-c's own mark for "empty, not ours to free"; its type lacks only the const. */
	*member = copy ? copy : (char *)(uintptr_t)protobuf_c_empty_string;
}

const char *decode_text(struct decoder *d, const struct where *at)
{
	if (at->node->type == NODE_STRING)
		return at->node->text;
	decode_mismatch(d, at, "a text");
	return NULL;
}

bool decode_append(struct decoder *d, void *list_member, size_t *count, void *item)
{
	void **old, **v;
	memcpy(&old, list_member, sizeof old);
	/* Grows at powers of two, so that the count alone tells when. */
	bool full = *count == 0 || (*count & (*count - 1)) == 0;
	v = full ? realloc(old, (*count ? *count * 2 : 1) * sizeof *v) : old;
	if (!v) {
		d->oom = true;
		return false;
	}
	v[(*count)++] = item;
	memcpy(list_member, &v, sizeof v);
	return true;
}

void decode_secret(struct decoder *d, const char *key, const void *value, size_t len)
{
	struct manifest_secrets *s = d->secrets;
	struct manifest_secret *v = realloc(s->v, (s->n + 1) * sizeof *v);
	if (v)
		s->v = v;
	struct manifest_secret one = { strdup(key), malloc(len ? len : 1), len };
	if (!v || !one.key || !one.value) {
		free(one.key);
		free(one.value);
		d->oom = true;
		return;
	}
	if (len)
		memcpy(one.value, value, len);
	s->v[s->n++] = one;
}

static int by_key(const void *a, const void *b)
{
	const Ingot__KeyValue *const *x = a, *const *y = b;
	return strcmp((*x)->key, (*y)->key);
}

bool decode_key(struct decoder *d, const struct where *at, const struct node *key)
{
	if (key->type == NODE_BYTES)
		decode_error(d, at, "a key is no text");
	return key->type != NODE_BYTES;
}

void decode_keys(struct decoder *d, const struct where *at, bool (*want)(const char *key), size_t *n,
		 Ingot__KeyValue ***ret)
{
	if (at->node->type != NODE_MAP) {
		decode_mismatch(d, at, "a map of texts");
		return;
	}
	for (size_t i = 0; i < at->node->n && !d->oom; i++) {
		const struct node_pair *p = &at->node->pairs[i];
		struct where here = where_child(at, p->key->text, p->value);
		bool wanted = !want || want(p->key->text);
		if (!wanted && decode_is_served(d))
			continue;
		const char *text = p->value->type == NODE_NULL ? "" : decode_text(d, &here);
		if (!text || !wanted || !decode_key(d, at, p->key))
			continue;
		Ingot__KeyValue *kv = decode_new(d, &ingot__key_value__descriptor);
		if (!kv)
			return;
		decode_set(d, &kv->key, p->key->text);
		decode_set(d, &kv->value, text);
		if (!decode_append(d, ret, n, kv))
			ingot__key_value__free_unpacked(kv, NULL);
	}
	if (*n)
		qsort(*ret, *n, sizeof **ret, by_key);
}

static void *member_at(void *message, size_t offset)
{
	return (char *)message + offset;
}

static bool is_choice(const char *text, const char *const *choices)
{
	for (; *choices; choices++)
		if (strcmp(text, *choices) == 0)
			return true;
	return false;
}

static void decode_string(struct decoder *d, const struct where *at, const struct field *f, char **member)
{
	const char *text = decode_text(d, at);
	if (!text)
		return;
	if (f->choices && !is_choice(text, f->choices)) {
		struct strbuf b = { 0 };
		for (size_t i = 0; f->choices[i]; i++)
			strbuf_fmt(&b, "%s%s", i ? ", " : "", f->choices[i]);
		char found[128];
		decode_error(d, at, "expected one of %s, found %s", strbuf_get(&b),
			     node_describe(at->node, found, sizeof found));
		strbuf_fini(&b);
		return;
	}
	decode_set(d, member, text);
}

static bool is_list(struct decoder *d, const struct where *at, const struct field *f, const char *expected)
{
	if (at->node->type != NODE_LIST) {
		decode_mismatch(d, at, expected);
		return false;
	}
	if (f->max && at->node->n > (size_t)f->max) {
		decode_error(d, at, "%zu entries, at most %lld are allowed", at->node->n, (long long)f->max);
		return false;
	}
	return true;
}

static void decode_strings(struct decoder *d, const struct where *at, const struct field *f, void *message)
{
	if (!is_list(d, at, f, "a list of texts"))
		return;
	struct field item = { .choices = f->choices };
	for (size_t i = 0; i < at->node->n && !d->oom; i++) {
		struct where here = where_item(at, i);
		char *text = strdup("");
		if (!text) {
			d->oom = true;
			return;
		}
		decode_string(d, &here, &item, &text);
		if (text == protobuf_c_empty_string)
			text = strdup("");
		if (!text || !decode_append(d, member_at(message, f->offset),
					    member_at(message, f->count_offset), text)) {
			d->oom = true;
			free(text);
		}
	}
}

static bool decode_integer(struct decoder *d, const struct where *at, const struct field *f, int64_t *ret)
{
	if (at->node->type == NODE_INT && at->node->integer >= f->min && at->node->integer <= f->max) {
		*ret = at->node->integer;
		return true;
	}
	char expected[96] = "an integer";
	if (at->node->type == NODE_INT || at->node->type == NODE_FLOAT)
		str_fmt(expected, sizeof expected, "an integer from %lld to %lld", (long long)f->min,
			(long long)f->max);
	decode_mismatch(d, at, expected);
	return false;
}

static void set_opt(struct decoder *d, Ingot__OptInt **member, int64_t value)
{
	if (!*member)
		*member = decode_new(d, &ingot__opt_int__descriptor);
	if (*member)
		(*member)->value = value;
}

static void decode_number(struct decoder *d, const struct where *at, const struct field *f, void *member)
{
	int64_t v;
	if (!decode_integer(d, at, f, &v))
		return;
	switch (f->type) {
	case FIELD_I32: *(int32_t *)member = (int32_t)v; break;
	case FIELD_U32: *(uint32_t *)member = (uint32_t)v; break;
	case FIELD_OPT_INT: set_opt(d, member, v); break;
	default: *(int64_t *)member = v; break;
	}
}

static void decode_duration(struct decoder *d, const struct where *at, Ingot__OptInt **member)
{
	int64_t ns;
	if (at->node->type != NODE_STRING || !scalar_duration(at->node->text, &ns))
		decode_mismatch(d, at, "a duration such as \"90s\" or \"1m30s\"");
	else
		set_opt(d, member, ns);
}

static void decode_truth(struct decoder *d, const struct where *at, const struct field *f, void *member)
{
	if (at->node->type != NODE_BOOL)
		decode_mismatch(d, at, "true or false");
	else if (f->type == FIELD_TRISTATE)
		*(Ingot__Tristate *)member = at->node->truth ? INGOT__TRISTATE__YES : INGOT__TRISTATE__NO;
	else
		*(protobuf_c_boolean *)member = at->node->truth;
}

static void decode_message(struct decoder *d, const struct where *at, const struct field *f, void *member)
{
	ProtobufCMessage **m = member;
	if (at->node->type != NODE_MAP) {
		decode_mismatch(d, at, "a map");
		return;
	}
	if (!*m)
		*m = decode_new(d, f->sub->descriptor);
	if (*m)
		decode_table(d, at, f->sub, *m);
}

static void decode_messages(struct decoder *d, const struct where *at, const struct field *f, void *message)
{
	if (!is_list(d, at, f, "a list"))
		return;
	for (size_t i = 0; i < at->node->n && !d->oom; i++) {
		struct where here = where_item(at, i);
		ProtobufCMessage *m = decode_new(d, f->sub->descriptor);
		if (!m)
			return;
		decode_table(d, &here, f->sub, m);
		if (!decode_append(d, member_at(message, f->offset), member_at(message, f->count_offset), m))
			protobuf_c_message_free_unpacked(m, NULL);
	}
}

static void decode_field(struct decoder *d, const struct where *at, const struct field *f, void *message)
{
	void *member = member_at(message, f->offset);
	switch (f->type) {
	case FIELD_SKIP: break;
	case FIELD_STRING: decode_string(d, at, f, member); break;
	case FIELD_STRINGS: decode_strings(d, at, f, message); break;
	case FIELD_BOOL:
	case FIELD_TRISTATE: decode_truth(d, at, f, member); break;
	case FIELD_OPT_INT:
	case FIELD_I64:
	case FIELD_I32:
	case FIELD_U32: decode_number(d, at, f, member); break;
	case FIELD_DURATION: decode_duration(d, at, member); break;
	case FIELD_KEYS: decode_keys(d, at, NULL, member_at(message, f->count_offset), member); break;
	case FIELD_MESSAGE: decode_message(d, at, f, member); break;
	case FIELD_MESSAGES: decode_messages(d, at, f, message); break;
	case FIELD_SCOPE: decode_table(d, at, f->sub, message); break;
	case FIELD_CUSTOM: f->custom(d, at, message); break;
	}
}

static const struct field *field_of(const struct table *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->fields[i].name, name) == 0)
			return &t->fields[i];
	return NULL;
}

static void check_required(struct decoder *d, const struct where *at, const struct table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];
		const struct node *n = f->flags & FIELD_REQUIRED ? node_get(at->node, f->name) : at->node;
		struct where here = where_child(at, f->name, at->node);
		if (!n || n->type == NODE_NULL)
			decode_error(d, &here, "required, but missing");
	}
}

void decode_table(struct decoder *d, const struct where *at, const struct table *t, void *message)
{
	if (at->node->type != NODE_MAP) {
		decode_mismatch(d, at, "a map");
		return;
	}
	for (size_t i = 0; i < at->node->n && !d->oom; i++) {
		const struct node_pair *p = &at->node->pairs[i];
		const struct field *f = field_of(t, p->key->text);
		struct where here = where_child(at, p->key->text, p->value);
		if (f && p->value->type != NODE_NULL)
			decode_field(d, &here, f, message);
		if (!f && !t->open && !decode_is_served(d)) {
			here.node = p->key;
			decode_warning(d, &here, "unknown field");
		}
	}
	check_required(d, at, t);
}
