/* Builds objects from text by protobuf reflection, so that a new field needs no code here. Tests only. */
#include "tests/unit/model/build.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <setjmp.h>

#include <cmocka.h>

static const char *fill(ProtobufCMessage *m, char *text);

size_t build_words(char *line, char **word, size_t max)
{
	size_t n = 0;
	char *s = line;
	while (n < max) {
		s += strspn(s, " \t\n");
		if (!*s)
			break;
		char *to = word[n++] = s;
		bool is_quoted = false;
		for (; *s && (is_quoted || !strchr(" \t\n", *s)); s++) {
			if (*s == '"')
				is_quoted = !is_quoted;
			else
				*to++ = *s;
		}
		bool more = *s != '\0';
		*to = '\0';
		if (!more)
			break;
		s++;
	}
	return n;
}

static void *member(ProtobufCMessage *m, unsigned offset)
{
	return (char *)m + offset;
}

static ProtobufCMessage *new_message(const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *m = calloc(1, d->sizeof_message);
	assert_non_null(m);
	protobuf_c_message_init(d, m);
	return m;
}

static void assign_string(char **to, const char *text)
{
	if (*to && *to != (const char *)protobuf_c_empty_string)
		free(*to);
	*to = strdup(text);
}

static const char *assign(void *to, const ProtobufCFieldDescriptor *f, char *text)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING: assign_string(to, text); return NULL;
	case PROTOBUF_C_TYPE_BOOL: *(protobuf_c_boolean *)to = strcmp(text, "yes") == 0; return NULL;
	case PROTOBUF_C_TYPE_INT32: *(int32_t *)to = (int32_t)strtol(text, NULL, 10); return NULL;
	case PROTOBUF_C_TYPE_UINT32: *(uint32_t *)to = (uint32_t)strtoul(text, NULL, 10); return NULL;
	case PROTOBUF_C_TYPE_INT64: *(int64_t *)to = strtoll(text, NULL, 10); return NULL;
	case PROTOBUF_C_TYPE_ENUM:
		*(int *)to = strcmp(text, "yes") == 0 ? INGOT__TRISTATE__YES : INGOT__TRISTATE__NO;
		return NULL;
	case PROTOBUF_C_TYPE_MESSAGE: {
		ProtobufCMessage *sub = new_message(f->descriptor);
		*(ProtobufCMessage **)to = sub;
		return fill(sub, text);
	}
	default: return "field of a type that the builder does not know";
	}
}

/* Strings and messages only, so every element is a pointer. */
static const char *append(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, char *text)
{
	size_t *n = member(m, f->quantifier_offset);
	void ***v = member(m, f->offset);
	*v = realloc(*v, (*n + 1) * sizeof **v);
	assert_non_null(*v);
	(*v)[*n] = NULL;
	return assign(&(*v)[(*n)++], f, text);
}

static const char *assign_list(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, char *text)
{
	const char *bad = NULL;
	char *rest = text;
	if (!*text)
		return NULL;
	for (char *item; !bad && (item = strsep(&rest, ","));)
		bad = append(m, f, item);
	return bad;
}

static const char *set(ProtobufCMessage *m, char *path, char *value)
{
	char *rest = path, *name = strsep(&rest, ".");
	const ProtobufCFieldDescriptor *f =
	    protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
	if (!f)
		return "no such field";
	if (!rest)
		return f->label == PROTOBUF_C_LABEL_REPEATED ? assign_list(m, f, value)
							     : assign(member(m, f->offset), f, value);
	ProtobufCMessage **sub = member(m, f->offset);
	if (!*sub)
		*sub = new_message(f->descriptor);
	return set(*sub, rest, value);
}

static const char *set_literal(ProtobufCMessage *m, const char *path, const char *value)
{
	char *p = strdup(path), *v = strdup(value);
	const char *bad = set(m, p, v);
	free(p);
	free(v);
	return bad;
}

static const ProtobufCFieldDescriptor *field(const ProtobufCMessage *m, const char *name)
{
	return protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
}

/* key=value, or key:operator:value+value */
static const char *add_term(ProtobufCMessage *m, char *term)
{
	char *colon = strchr(term, ':');
	if (!colon)
		return append(m, field(m, "match_labels"), term);
	const ProtobufCFieldDescriptor *f = field(m, "match_expressions");
	char none[] = "";
	const char *bad = append(m, f, none);
	ProtobufCMessage **v = *(ProtobufCMessage ***)member(m, f->offset);
	ProtobufCMessage *requirement = v[*(size_t *)member(m, f->quantifier_offset) - 1];
	char *rest = term, *key = strsep(&rest, ":"), *op = strsep(&rest, ":");
	if (!bad)
		bad = set_literal(requirement, "key", key);
	if (!bad)
		bad = set_literal(requirement, "operator", op);
	for (char *value; !bad && rest && *rest && (value = strsep(&rest, "+"));)
		bad = set_literal(requirement, "values", value);
	return bad;
}

static const char *fill_selector(ProtobufCMessage *m, char *text)
{
	const char *bad = NULL;
	char *rest = strcmp(text, "{}") == 0 ? NULL : text;
	for (char *term; !bad && (term = strsep(&rest, "&"));)
		bad = add_term(m, term);
	return bad;
}

static const char *fill_endpoint(ProtobufCMessage *m, char *text)
{
	char *flags = text, *where = strsep(&flags, "/");
	char *addresses = where, *node = strsep(&addresses, "@");
	const char *bad = set_literal(m, "node_name", node);
	for (char *a; !bad && (a = strsep(&addresses, "+"));)
		bad = set_literal(m, "addresses", a);
	for (char *flag; !bad && (flag = strsep(&flags, "/"));) {
		char *value = flag, *name = strsep(&value, "=");
		bad = value ? set_literal(m, name, value) : "endpoint flag without a value";
	}
	return bad;
}

/* Other messages: the first field, or the first two as "a=b". */
static const char *fill_plain(ProtobufCMessage *m, char *text)
{
	const ProtobufCFieldDescriptor *f = m->descriptor->fields;
	char *rest = text;
	if (m->descriptor->n_fields < 2 || !strchr(text, '=')) {
		return *text ? assign(member(m, f[0].offset), &f[0], text) : NULL;
	}
	char *first = strsep(&rest, "=");
	const char *bad = set_literal(m, f[0].name, first);
	return bad ? bad : set_literal(m, f[1].name, rest);
}

static const char *fill(ProtobufCMessage *m, char *text)
{
	if (m->descriptor == &ingot__label_selector__descriptor)
		return fill_selector(m, text);
	if (m->descriptor == &ingot__endpoint__descriptor)
		return fill_endpoint(m, text);
	if (m->descriptor != &ingot__preferred_node_selector__descriptor)
		return fill_plain(m, text);
	char *rest = text, *weight = strsep(&rest, "/");
	const char *bad = set_literal(m, "weight", weight);
	return bad || !rest ? bad : set_literal(m, "preference", rest);
}

static enum kind kind_of(const char *word)
{
	int k = 0;
	while (k < KIND_N && strcasecmp(kind_name((enum kind)k), word) != 0)
		k++;
	return (enum kind)k;
}

static bool is_meta(const char *name)
{
	static const char *const names[] = { "labels", "annotations", "creation_ms", "uid", "origin" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static const char *set_word(ProtobufCMessage *m, char *word, char *key)
{
	char path[64], *value = word, *name = strsep(&value, "=");
	if (!value)
		return "field without a value";
	if (strcmp(name, "key") == 0) {
		str_fmt(key, OBJECT_KEY, "%s", value);
		return NULL;
	}
	str_fmt(path, sizeof path, "%s%s", is_meta(name) ? "meta." : "", name);
	return set(m, path, value);
}

const char *build_object(struct objects *o, char *const *word, size_t n)
{
	enum kind k = n < 2 ? KIND_N : kind_of(word[0]);
	if (k == KIND_N)
		return "no such kind";
	ProtobufCMessage *m = new_message(kind_descriptor(k));
	char key[OBJECT_KEY], *name = word[1], *slash = strchr(name, '/');
	char ns[64] = BUILD_NAMESPACE;
	if (k == KIND_SERVICE || k == KIND_ENDPOINTS)
		str_fmt(ns, sizeof ns, "default");
	if (slash) {
		str_fmt(ns, sizeof ns, "%.*s", (int)(slash - name), name);
		name = slash + 1;
	}
	set_literal(m, "meta.name", strcmp(name, "-") == 0 ? "" : name);
	set_literal(m, "meta.namespace", kind_is_namespaced(k) ? ns : "");
	if (k == KIND_SERVICE)
		((Ingot__Service *)m)->type = strdup("LoadBalancer");
	object_key(kind_is_namespaced(k) ? ns : "", name, key);
	const char *bad = NULL;
	for (size_t i = 2; !bad && i < n; i++)
		bad = set_word(m, word[i], key);
	int rc = objects_put(o, k, key, m);
	return bad ? bad : rc < 0 ? "no memory" : NULL;
}

void build_line(struct objects *o, const char *line)
{
	char *copy = strdup(line), *word[64];
	size_t n = build_words(copy, word, 64);
	const char *bad = build_object(o, word, n);
	if (bad)
		print_error("%s: %s\n", line, bad);
	assert_null(bad);
	free(copy);
}
