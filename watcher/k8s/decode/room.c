/* Memory with a limit, and the nodes that are made in it. Pure; run by the watcher. */
#include "watcher/k8s/decode/room.h"

#include <string.h>

#include "lib/base/strbuf.h"

static void *proto_alloc(void *room, size_t size)
{
	return room_alloc(room, size);
}

/* Everything goes at once, in room_fini. */
static void proto_free(void *room, void *p)
{
	(void)room;
	(void)p;
}

void room_init(struct room *r)
{
	*r = (struct room){ .left = ROOM_BYTES, .allocator = { proto_alloc, proto_free, r } };
}

void room_fini(struct room *r)
{
	arena_reset(&r->arena);
}

void *room_alloc(struct room *r, size_t size)
{
	if (size > r->left) {
		r->full = true;
		return NULL;
	}
	r->left -= size;
	void *p = arena_alloc(&r->arena, size);
	if (!p)
		r->oom = true;
	return p;
}

static struct node *new_node(struct room *r, enum node_type type)
{
	struct node *n = room_alloc(r, sizeof *n);
	if (n)
		*n = (struct node){ .type = type, .weight = 1, .text = "" };
	return n;
}

struct node *room_scalar(struct room *r, enum node_type type, const void *data, size_t len)
{
	struct node *n = new_node(r, type);
	char *text = n ? room_alloc(r, len + 1) : NULL;
	if (!text)
		return NULL;
	if (len)
		memcpy(text, data, len);
	text[len] = 0;
	n->text = text;
	n->n = len;
	n->weight += len;
	return n;
}

const struct node *room_text(struct room *r, const void *data, size_t len)
{
	bool good = len == 0 || (!memchr(data, 0, len) && str_is_utf8(data, len));
	return room_scalar(r, good ? NODE_STRING : NODE_BYTES, data, len);
}

const struct node *room_number(struct room *r, int64_t v)
{
	char text[24];
	str_fmt(text, sizeof text, "%lld", (long long)v);
	struct node *n = room_scalar(r, NODE_INT, text, strlen(text));
	if (n)
		n->integer = v;
	return n;
}

const struct node *room_truth(struct room *r, bool v)
{
	const char *text = v ? "true" : "false";
	struct node *n = room_scalar(r, NODE_BOOL, text, strlen(text));
	if (n)
		n->truth = v;
	return n;
}

const struct node *room_list(struct room *r, const struct node **items, size_t n)
{
	struct node *list = new_node(r, NODE_LIST);
	if (!list)
		return NULL;
	list->items = items;
	list->n = n;
	for (size_t i = 0; i < n; i++)
		list->weight += items[i]->weight;
	return list;
}

const struct node *room_map(struct room *r, struct node_pair *pairs, size_t n)
{
	struct node *map = new_node(r, NODE_MAP);
	if (!map)
		return NULL;
	map->pairs = pairs;
	map->n = n;
	for (size_t i = 0; i < n; i++)
		map->weight += pairs[i].value->weight;
	return map;
}
