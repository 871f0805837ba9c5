/* Builds document trees from libyaml's events, with caps on depth, size and what aliases expand to. Pure: it
 * reads bytes in memory. Run by the watcher and by ingotctl validate. */
#include "lib/manifest/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "lib/base/map.h"
#include "lib/base/strbuf.h"
#include "lib/manifest/arena.h"
#include "lib/manifest/scalar.h"

struct frame {
	struct node *node;
	size_t first; /* its entries are pending[first..] */
};
struct tree_reader {
	yaml_parser_t parser;
	struct arena arena;
	struct map anchors; /* name -> const struct node *; an unfinished node has weight 0 */
	struct frame frames[TREE_MAX_DEPTH];
	size_t depth;
	const struct node **pending;
	size_t n_pending, cap_pending;
	const struct node *root;
	bool failed;
};

static int fail(struct tree_error *e, const yaml_mark_t *at, const char *text, const char *what)
{
	e->line = (uint32_t)at->line + 1;
	e->column = (uint32_t)at->column + 1;
	str_fmt(e->text, sizeof e->text, "%s%s%s", text, *what ? " " : "", what);
	return -EINVAL;
}

static int parser_failed(const yaml_parser_t *p, struct tree_error *e)
{
	char what[100] = "";
	if (p->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (p->error == YAML_READER_ERROR) {
		str_fmt(what, sizeof what, "(byte %zu)", p->problem_offset);
		return fail(e, &p->mark, p->problem ? p->problem : "unreadable text", what);
	}
	if (p->context)
		str_fmt(what, sizeof what, "(%s at line %zu)", p->context, p->context_mark.line + 1);
	return fail(e, &p->problem_mark, p->problem ? p->problem : "not YAML", what);
}

struct tree_reader *tree_reader_new(const void *data, size_t len)
{
	struct tree_reader *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	if (!yaml_parser_initialize(&r->parser)) {
		free(r);
		return NULL;
	}
	yaml_parser_set_input_string(&r->parser, data, len);
	map_init(&r->anchors);
	return r;
}

static void forget(struct tree_reader *r)
{
	map_fini(&r->anchors, NULL);
	arena_reset(&r->arena);
	r->n_pending = r->depth = 0;
	r->root = NULL;
}

void tree_reader_free(struct tree_reader *r)
{
	if (!r)
		return;
	forget(r);
	free(r->pending);
	yaml_parser_delete(&r->parser);
	free(r);
}

static struct node *new_node(struct tree_reader *r, enum node_type type, const yaml_mark_t *at)
{
	struct node *n = arena_alloc(&r->arena, sizeof *n);
	if (n)
		*n = (struct node){ .type = type,
				    .line = (uint32_t)at->line + 1,
				    .column = (uint32_t)at->column + 1,
				    .text = "" };
	return n;
}

/* A finished node becomes the root or an entry of the open list or map. */
static int add(struct tree_reader *r, const struct node *n)
{
	if (r->depth == 0) {
		r->root = n;
		return 0;
	}
	if (!r->pending || r->n_pending == r->cap_pending) {
		size_t cap = r->cap_pending ? r->cap_pending * 2 : 256;
		const struct node **v = realloc(r->pending, cap * sizeof *v);
		if (!v)
			return -ENOMEM;
		r->pending = v;
		r->cap_pending = cap;
	}
	r->pending[r->n_pending++] = n;
	return 0;
}

static int anchor(struct tree_reader *r, const yaml_char_t *name, struct node *n, const yaml_mark_t *at,
		  struct tree_error *e)
{
	if (!name)
		return 0;
	if (map_len(&r->anchors) >= TREE_MAX_ANCHORS)
		return fail(e, at, "too many anchors", "");
	return map_set(&r->anchors, (const char *)name, n, NULL);
}

static bool is_core_tag(const yaml_char_t *tag)
{
	return !tag || str_starts((const char *)tag, "tag:yaml.org,2002:");
}

static int on_scalar(struct tree_reader *r, const yaml_event_t *ev, struct tree_error *e)
{
	const char *value = (const char *)ev->data.scalar.value;
	size_t len = ev->data.scalar.length;
	const char *tag = (const char *)ev->data.scalar.tag;
	if (!is_core_tag(ev->data.scalar.tag))
		return fail(e, &ev->start_mark, "unsupported tag", tag);
	if (memchr(value, 0, len))
		return fail(e, &ev->start_mark, "a text contains a NUL byte", "");
	struct node *n = new_node(r, NODE_STRING, &ev->start_mark);
	char *text = arena_alloc(&r->arena, len + 1);
	if (!n || !text)
		return -ENOMEM;
	memcpy(text, value, len);
	text[len] = 0;
	n->text = text;
	n->n = len;
	n->weight = len + 1;
	bool text_tag = tag && strcmp(tag, YAML_STR_TAG) == 0;
	if (ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !text_tag)
		scalar_resolve(n);
	int rc = anchor(r, ev->data.scalar.anchor, n, &ev->start_mark, e);
	return rc < 0 ? rc : add(r, n);
}

static int on_alias(struct tree_reader *r, const yaml_event_t *ev, struct tree_error *e)
{
	const char *name = (const char *)ev->data.alias.anchor;
	const struct node *n = map_get(&r->anchors, name);
	if (!n)
		return fail(e, &ev->start_mark, "unknown alias", name);
	if (n->weight == 0)
		return fail(e, &ev->start_mark, "an alias inside its own anchor:", name);
	return add(r, n);
}

static int on_open(struct tree_reader *r, enum node_type type, const yaml_char_t *tag,
		   const yaml_char_t *name, const yaml_event_t *ev, struct tree_error *e)
{
	if (!is_core_tag(tag))
		return fail(e, &ev->start_mark, "unsupported tag", (const char *)tag);
	if (r->depth == TREE_MAX_DEPTH)
		return fail(e, &ev->start_mark, "nested too deeply", "");
	struct node *n = new_node(r, type, &ev->start_mark);
	if (!n)
		return -ENOMEM;
	int rc = anchor(r, name, n, &ev->start_mark, e);
	if (rc < 0)
		return rc;
	r->frames[r->depth++] = (struct frame){ n, r->n_pending };
	return 0;
}

static int weigh(struct node *n, const struct node *const *v, size_t count, struct tree_error *e)
{
	size_t sum = 1;
	for (size_t i = 0; i < count; i++)
		if (__builtin_add_overflow(sum, v[i]->weight, &sum))
			sum = SIZE_MAX;
	n->weight = sum;
	yaml_mark_t at = { .line = n->line - 1, .column = n->column - 1 };
	return sum > TREE_MAX_WEIGHT ? fail(e, &at, "aliases expand to too much", "") : 0;
}

static int close_list(struct tree_reader *r, struct node *n, const struct node *const *v, size_t count)
{
	const struct node **items = arena_alloc(&r->arena, (count ? count : 1) * sizeof *items);
	if (!items)
		return -ENOMEM;
	if (count)
		memcpy(items, v, count * sizeof *items);
	n->items = items;
	n->n = count;
	return 0;
}

static int duplicate_key(const struct node *key, struct tree_error *e)
{
	yaml_mark_t at = { .line = key->line - 1, .column = key->column - 1 };
	return fail(e, &at, "duplicate key", key->text);
}

static int bad_key(const struct node *key, struct tree_error *e)
{
	yaml_mark_t at = { .line = key->line - 1, .column = key->column - 1 };
	return fail(e, &at, "a key must be a text", "");
}

/* "<<": the entries of a map, or of each map of a list, unless the key is there already. */
static int merge(struct map *keys, struct node_pair *pairs, size_t *n, size_t room, const struct node *from,
		 struct tree_error *e)
{
	yaml_mark_t at = { .line = from->line - 1, .column = from->column - 1 };
	if (from->type == NODE_LIST) {
		for (size_t i = 0; i < from->n; i++) {
			if (from->items[i]->type != NODE_MAP)
				return fail(e, &at, "<< wants a map or a list of maps", "");
			int rc = merge(keys, pairs, n, room, from->items[i], e);
			if (rc < 0)
				return rc;
		}
		return 0;
	}
	if (from->type != NODE_MAP)
		return fail(e, &at, "<< wants a map or a list of maps", "");
	for (size_t i = 0; i < from->n && *n < room; i++) {
		if (map_find_n(keys, from->pairs[i].key->text, from->pairs[i].key->n))
			continue;
		pairs[(*n)++] = from->pairs[i];
		int rc = map_set_n(keys, from->pairs[i].key->text, from->pairs[i].key->n, NULL, NULL);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static bool is_merge_key(const struct node *key)
{
	return key->type == NODE_STRING && strcmp(key->text, "<<") == 0;
}

/* How many entries the map can have at most, its merges counted. */
static size_t map_room(const struct node *const *v, size_t count)
{
	size_t room = count / 2;
	for (size_t i = 0; i + 1 < count; i += 2) {
		if (!is_merge_key(v[i]))
			continue;
		const struct node *from = v[i + 1];
		if (from->type == NODE_MAP)
			room += from->n;
		for (size_t k = 0; from->type == NODE_LIST && k < from->n; k++)
			room += from->items[k]->type == NODE_MAP ? from->items[k]->n : 0;
	}
	return room;
}

static int fill_map(struct map *keys, struct node_pair *pairs, size_t *n, size_t room,
		    const struct node *const *v, size_t count, struct tree_error *e)
{
	for (size_t i = 0; i + 1 < count; i += 2) {
		if (v[i]->type == NODE_LIST || v[i]->type == NODE_MAP)
			return bad_key(v[i], e);
		if (is_merge_key(v[i]))
			continue;
		if (map_find_n(keys, v[i]->text, v[i]->n))
			return duplicate_key(v[i], e);
		pairs[(*n)++] = (struct node_pair){ v[i], v[i + 1] };
		int rc = map_set_n(keys, v[i]->text, v[i]->n, NULL, NULL);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i + 1 < count; i += 2) {
		int rc = is_merge_key(v[i]) ? merge(keys, pairs, n, room, v[i + 1], e) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int close_map(struct tree_reader *r, struct node *n, const struct node *const *v, size_t count,
		     struct tree_error *e)
{
	size_t room = map_room(v, count);
	yaml_mark_t at = { .line = n->line - 1, .column = n->column - 1 };
	if (room > count / 2 + TREE_MAX_MERGED)
		return fail(e, &at, "too many merged keys", "");
	struct node_pair *pairs = arena_alloc(&r->arena, (room ? room : 1) * sizeof *pairs);
	if (!pairs)
		return -ENOMEM;
	struct map keys;
	map_init(&keys);
	size_t filled = 0;
	int rc = fill_map(&keys, pairs, &filled, room, v, count, e);
	map_fini(&keys, NULL);
	n->pairs = pairs;
	n->n = filled;
	return rc;
}

static int on_close(struct tree_reader *r, struct tree_error *e)
{
	struct frame f = r->frames[--r->depth];
	const struct node *const *v = r->pending ? r->pending + f.first : NULL;
	size_t count = r->pending ? r->n_pending - f.first : 0;
	int rc = weigh(f.node, v, count, e);
	if (rc == 0)
		rc = f.node->type == NODE_LIST ? close_list(r, f.node, v, count)
					       : close_map(r, f.node, v, count, e);
	r->n_pending = f.first;
	return rc < 0 ? rc : add(r, f.node);
}

/* 1: a document is complete, 0: go on, 2: end of the text. */
static int on_event(struct tree_reader *r, const yaml_event_t *ev, struct tree_error *e)
{
	switch (ev->type) {
	case YAML_SCALAR_EVENT: return on_scalar(r, ev, e);
	case YAML_ALIAS_EVENT: return on_alias(r, ev, e);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(r, NODE_LIST, ev->data.sequence_start.tag, ev->data.sequence_start.anchor, ev,
			       e);
	case YAML_MAPPING_START_EVENT:
		return on_open(r, NODE_MAP, ev->data.mapping_start.tag, ev->data.mapping_start.anchor, ev, e);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: return on_close(r, e);
	case YAML_DOCUMENT_START_EVENT: forget(r); return 0;
	case YAML_DOCUMENT_END_EVENT: return 1;
	case YAML_STREAM_END_EVENT: return 2;
	case YAML_STREAM_START_EVENT:
	case YAML_NO_EVENT: return 0;
	}
	return 0;
}

int tree_next(struct tree_reader *r, const struct node **ret, struct tree_error *error)
{
	while (!r->failed) {
		yaml_event_t ev;
		int rc = 0;
		if (!yaml_parser_parse(&r->parser, &ev)) {
			rc = parser_failed(&r->parser, error);
		} else {
			rc = on_event(r, &ev, error);
			yaml_event_delete(&ev);
		}
		if (rc < 0 || rc == 2)
			r->failed = true;
		if (rc < 0)
			return rc;
		if (rc == 1) {
			*ret = r->root;
			return 1;
		}
	}
	forget(r);
	return 0;
}

const struct node *node_get(const struct node *n, const char *key)
{
	if (!n || n->type != NODE_MAP)
		return NULL;
	for (size_t i = 0; i < n->n; i++)
		if (strcmp(n->pairs[i].key->text, key) == 0)
			return n->pairs[i].value;
	return NULL;
}

const char *node_describe(const struct node *n, char *buf, size_t size)
{
	char text[64];
	str_escape(n->text, strlen(n->text), text, sizeof text);
	switch (n->type) {
	case NODE_NULL: str_fmt(buf, size, "nothing"); break;
	case NODE_BOOL: str_fmt(buf, size, "the boolean %s", text); break;
	case NODE_INT:
	case NODE_FLOAT: str_fmt(buf, size, "the number %s", text); break;
	case NODE_STRING: str_fmt(buf, size, "the text \"%s\"", text); break;
	case NODE_LIST: str_fmt(buf, size, "a list"); break;
	case NODE_MAP: str_fmt(buf, size, "a map"); break;
	case NODE_BYTES: str_fmt(buf, size, "bytes that are no text"); break;
	}
	return buf;
}
