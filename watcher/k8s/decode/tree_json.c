/* A parsed JSON value as a document tree. Pure; run by the watcher. */
#include <string.h>

#include "lib/base/strbuf.h"
#include "watcher/k8s/decode/room.h"

struct walk {
	struct room *room;
	size_t depth;
	const char *defect;
};

static const struct node *tree_of(struct walk *w, json_t *v);

static const struct node *tree_of_array(struct walk *w, json_t *v)
{
	size_t n = json_array_size(v);
	const struct node **items = room_alloc(w->room, (n + 1) * sizeof *items);
	if (!items)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!(items[i] = tree_of(w, json_array_get(v, i))))
			return NULL;
	return room_list(w->room, items, n);
}

static const struct node *tree_of_object(struct walk *w, json_t *v)
{
	size_t n = 0;
	struct node_pair *pairs = room_alloc(w->room, (json_object_size(v) + 1) * sizeof *pairs);
	if (!pairs)
		return NULL;
	for (void *i = json_object_iter(v); i; i = json_object_iter_next(v, i), n++) {
		const char *key = json_object_iter_key(i);
		pairs[n].key = room_text(w->room, key, strlen(key));
		pairs[n].value = pairs[n].key ? tree_of(w, json_object_iter_value(i)) : NULL;
		if (!pairs[n].value)
			return NULL;
	}
	return room_map(w->room, pairs, n);
}

static const struct node *tree_of_real(struct walk *w, double v)
{
	char text[40];
	str_fmt(text, sizeof text, "%.17g", v);
	return room_scalar(w->room, NODE_FLOAT, text, strlen(text));
}

static const struct node *tree_of(struct walk *w, json_t *v)
{
	const struct node *n = NULL;
	if (w->depth == TREE_MAX_DEPTH) {
		w->defect = "nested too deeply";
		return NULL;
	}
	w->depth++;
	switch (json_typeof(v)) {
	case JSON_OBJECT: n = tree_of_object(w, v); break;
	case JSON_ARRAY: n = tree_of_array(w, v); break;
	case JSON_STRING: n = room_text(w->room, json_string_value(v), json_string_length(v)); break;
	case JSON_INTEGER: n = room_number(w->room, json_integer_value(v)); break;
	case JSON_REAL: n = tree_of_real(w, json_real_value(v)); break;
	case JSON_TRUE:
	case JSON_FALSE: n = room_truth(w->room, json_is_true(v)); break;
	case JSON_NULL: n = room_scalar(w->room, NODE_NULL, "", 0); break;
	}
	w->depth--;
	return n;
}

const struct node *tree_of_json(struct room *r, json_t *v, const char **defect)
{
	struct walk w = { .room = r };
	const struct node *n = tree_of(&w, v);
	if (w.defect)
		*defect = w.defect;
	return n;
}
