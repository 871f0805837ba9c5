/* An API server for unit tests. */
#include "fake_api.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

void fake_init(struct fake_api *a)
{
	*a = (struct fake_api){ .version = 100, .created_s = 1 };
	map_init(&a->objects);
}

static void object_free(void *o)
{
	json_decref(o);
}

void fake_fini(struct fake_api *a)
{
	struct fake_news n;
	while (fake_news(a, &n))
		json_decref(n.object);
	free(a->news);
	map_fini(&a->objects, object_free);
}

json_t *fake_json(const char *text)
{
	char *copy = strdup(text);
	assert_non_null(copy);
	for (char *c = copy; *c; c++)
		if (*c == '\'')
			*c = '"';
	json_error_t e;
	json_t *v = json_loads(copy, JSON_DECODE_ANY, &e);
	if (!v)
		fail_msg("%s: %s", copy, e.text);
	free(copy);
	return v;
}

static void tell(struct fake_api *a, const char *plural, bool deleted, const json_t *o)
{
	if (a->n_news == a->cap_news) {
		a->cap_news = a->cap_news ? a->cap_news * 2 : 64;
		a->news = realloc(a->news, a->cap_news * sizeof *a->news);
		assert_non_null(a->news);
	}
	struct fake_news *n = &a->news[a->n_news++];
	*n = (struct fake_news){ .deleted = deleted, .object = json_deep_copy(o) };
	str_fmt(n->plural, sizeof n->plural, "%s", plural);
}

bool fake_news(struct fake_api *a, struct fake_news *ret)
{
	if (a->n_news == 0)
		return false;
	*ret = a->news[0];
	memmove(a->news, a->news + 1, --a->n_news * sizeof *a->news);
	return true;
}

static void touch(struct fake_api *a, json_t *o)
{
	char text[32];
	str_fmt(text, sizeof text, "%llu", (unsigned long long)++a->version);
	json_object_set_new(json_object_get(o, "metadata"), "resourceVersion", json_string(text));
}

static char *key_of(const char *plural, const char *name)
{
	struct strbuf b = { 0 };
	strbuf_fmt(&b, "%s/%s", plural, name);
	return strbuf_take(&b);
}

json_t *fake_get(const struct fake_api *a, const char *plural, const char *name)
{
	char *key = key_of(plural, name);
	json_t *o = map_get(&a->objects, key);
	free(key);
	return o;
}

size_t fake_count(const struct fake_api *a, const char *plural)
{
	size_t n = 0;
	map_each (&a->objects, e)
		n += strncmp(e->key, plural, strlen(plural)) == 0 && e->key[strlen(plural)] == '/';
	return n;
}

const json_t *fake_put(struct fake_api *a, const char *plural, json_t *o)
{
	char text[64];
	json_t *meta = json_object_get(o, "metadata");
	if (!json_object_get(meta, "name")) {
		const char *prefix = json_string_value(json_object_get(meta, "generateName"));
		str_fmt(text, sizeof text, "%s%05llu", prefix ? prefix : "x", (unsigned long long)++a->names);
		json_object_set_new(meta, "name", json_string(text));
	}
	str_fmt(text, sizeof text, "uid-%llu", (unsigned long long)++a->names);
	json_object_set_new(meta, "uid", json_string(text));
	str_fmt(text, sizeof text, "2026-01-31T12:%02u:%02uZ", a->created_s / 60 % 60, a->created_s % 60);
	if (!json_object_get(meta, "creationTimestamp"))
		json_object_set_new(meta, "creationTimestamp", json_string(text));
	touch(a, o);
	char *key = key_of(plural, json_string_value(json_object_get(meta, "name")));
	assert_int_equal(map_set(&a->objects, key, o, NULL), 0);
	free(key);
	tell(a, plural, false, o);
	return o;
}

void fake_delete(struct fake_api *a, const char *plural, const char *name)
{
	char *key = key_of(plural, name);
	json_t *o = map_del(&a->objects, key);
	free(key);
	assert_non_null(o);
	touch(a, o);
	tell(a, plural, true, o);
	json_decref(o);
}

void fake_edit(struct fake_api *a, const char *plural, const char *name, const char *field, json_t *v)
{
	json_t *o = fake_get(a, plural, name);
	assert_non_null(o);
	json_object_set_new(json_object_get(o, "status"), field, v);
	touch(a, o);
	tell(a, plural, false, o);
}

/* RFC 7386. */
static void merge(json_t *into, json_t *patch)
{
	const char *name;
	json_t *v;
	json_object_foreach(patch, name, v)
	{
		json_t *old = json_object_get(into, name);
		if (json_is_null(v)) {
			json_object_del(into, name);
		} else if (json_is_object(v)) {
			if (!json_is_object(old)) {
				json_object_set_new(into, name, json_object());
				old = json_object_get(into, name);
			}
			merge(old, v);
		} else {
			json_object_set(into, name, v);
		}
	}
}

struct write_outcome fake_failure(int status, const char *message)
{
	struct write_outcome o = { .status = status, .retry_after_us = -1 };
	o.error.code = status;
	o.error.retry_after_s = -1;
	str_fmt(o.error.message, sizeof o.error.message, "%s", message);
	return o;
}

static bool is_immutable(const json_t *before, const json_t *after)
{
	static const char *const fields[] = { "node", "serviceName", "serviceNamespace" };
	for (size_t i = 0; i < 3; i++) {
		json_t *was = json_object_get(json_object_get(before, "status"), fields[i]);
		if (was && !json_equal(was, json_object_get(json_object_get(after, "status"), fields[i])))
			return true;
	}
	return false;
}

/* NULL with *ret filled. Else the object as it is now, lent. */
static json_t *patch(struct fake_api *a, const char *plural, const char *name, bool status,
		     const json_t *body, struct write_outcome *ret)
{
	char text[300];
	json_t *o = fake_get(a, plural, name);
	if (!o) {
		str_fmt(text, sizeof text, "%s.metallb.io \"%s\" not found", plural, name);
		*ret = fake_failure(404, text);
		return NULL;
	}
	json_t *next = json_deep_copy(o), *part = json_object();
	const char *field = status ? "status" : "metadata";
	json_object_set(part, field, json_object_get(body, field));
	if (strcmp(plural, "events") == 0)
		json_object_update(part, (json_t *)(uintptr_t)body);
	merge(next, part);
	json_decref(part);
	if (is_immutable(o, next)) {
		*ret = fake_failure(422, "status.serviceName: Invalid value: Value is immutable");
		json_decref(next);
		return NULL;
	}
	if (!json_equal(next, o)) {
		json_object_clear(o);
		json_object_update(o, next);
		touch(a, o);
		tell(a, plural, false, o);
	}
	json_decref(next);
	return o;
}

/* The token is the number in the last uid, so deletions in between leave nothing out. */
static json_t *page(const struct fake_api *a, const char *plural, const char *query)
{
	const char *more = strstr(query, "continue=");
	unsigned long long from = more ? strtoull(more + strlen("continue="), NULL, 10) : 0, uid = 0;
	const size_t limit = 500;
	json_t *items = json_array(), *meta = json_object();
	map_each (&a->objects, e) {
		const json_t *m = json_object_get(e->value, "metadata"),
			     *labels = json_object_get(m, "labels");
		const char *node = json_string_value(json_object_get(labels, "metallb.io/node"));
		if (strncmp(e->key, plural, strlen(plural)) != 0 || !node || strcmp(node, a->node) == 0)
			continue;
		if (json_array_size(items) == limit) {
			char token[32];
			str_fmt(token, sizeof token, "%llu", uid);
			json_object_set_new(meta, "continue", json_string(token));
			break;
		}
		unsigned long long number =
		    strtoull(json_string_value(json_object_get(m, "uid")) + strlen("uid-"), NULL, 10);
		if (number <= from)
			continue;
		uid = number;
		json_array_append(items, e->value);
	}
	return json_pack("{s:o, s:o}", "metadata", meta, "items", items);
}

static json_t *erase(struct fake_api *a, const char *plural, const char *name, const json_t *body,
		     struct write_outcome *ret)
{
	json_t *o = fake_get(a, plural, name);
	const json_t *uid = json_object_get(json_object_get(body, "preconditions"), "uid");
	char text[300];
	str_fmt(text, sizeof text, "%s.metallb.io \"%s\" not found", plural, name);
	assert_true(json_is_string(uid)); /* nothing is deleted without one */
	if (!o)
		*ret = fake_failure(404, text);
	else if (!json_equal(uid, json_object_get(json_object_get(o, "metadata"), "uid")))
		*ret = fake_failure(409, "Precondition failed: UID in precondition");
	else
		fake_delete(a, plural, name);
	return NULL;
}

static json_t *post(struct fake_api *a, const char *plural, const json_t *body, struct write_outcome *ret)
{
	const char *name = json_string_value(json_object_get(json_object_get(body, "metadata"), "name"));
	if (name && fake_get(a, plural, name)) {
		*ret = fake_failure(409, "already exists");
		return NULL;
	}
	json_t *o = json_deep_copy(body);
	json_object_del(o, "status");
	fake_put(a, plural, o);
	ret->status = 201;
	return o;
}

void fake_serve(struct fake_api *a, const struct write *w, struct write_outcome *ret, json_t **object)
{
	char plural[64] = "", name[300] = "", tail[32] = "";
	const char *p = strstr(w->path, "/namespaces/");
	assert_non_null(p);
	p = strchr(p + strlen("/namespaces/"), '/');
	assert_non_null(p);
	sscanf(p, "/%63[^/?]/%299[^/?]/%31s", plural, name, tail);
	json_t *body = w->body ? json_loads(w->body, 0, NULL) : NULL, *o = NULL;
	*ret = (struct write_outcome){ .status = 200, .retry_after_us = -1 };
	*object = NULL;
	a->n[w->method]++;
	switch (w->method) {
	case WRITE_POST: o = post(a, plural, body, ret); break;
	case WRITE_PATCH: o = patch(a, plural, name, strcmp(tail, "status") == 0, body, ret); break;
	case WRITE_DELETE: o = erase(a, plural, name, body, ret); break;
	case WRITE_GET: ret->object = *object = page(a, plural, p); break;
	case WRITE_PUT: fail_msg("no desk replaces objects"); break;
	}
	if (o)
		ret->object = *object = json_deep_copy(o);
	json_decref(body);
}

unsigned fake_run(struct fake_api *a, const struct desk_ops *ops, void *desk, mono_t now)
{
	struct write w;
	unsigned n = 0;
	for (; ops->next(desk, now, &w); n++) {
		struct write_outcome o;
		json_t *object;
		assert_true(n < 1000000);
		fake_serve(a, &w, &o, &object);
		ops->done(desk, w.id, &o, now);
		json_decref(object);
		write_fini(&w);
	}
	return n;
}

struct write fake_next(const struct desk_ops *ops, void *desk, mono_t now)
{
	struct write w = { 0 };
	assert_true(ops->next(desk, now, &w));
	return w;
}

void fake_nothing(const struct desk_ops *ops, void *desk, mono_t now)
{
	struct write w = { 0 };
	if (ops->next(desk, now, &w))
		fail_msg("%s: %s", w.what, w.body ? w.body : "");
}
