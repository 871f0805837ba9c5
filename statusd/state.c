/* statusd's copy of the topics, and the join of EndpointSlices to Services. Pure: no clock, no sockets. */
#include "statusd/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/objects.h"
#include "lib/model/service.h"

void state_init(struct state *s, const char *node)
{
	memset(s, 0, sizeof *s);
	s->node = node;
	for (size_t t = 0; t < TOPIC_N; t++)
		map_init(&s->table[t]);
}

static void free_message(void *m)
{
	protobuf_c_message_free_unpacked(m, NULL);
}

void state_fini(struct state *s)
{
	for (size_t t = 0; t < TOPIC_N; t++)
		map_fini(&s->table[t], free_message);
}

int state_put(struct state *s, enum topic t, const char *key, const ProtobufCMessage *value)
{
	ProtobufCMessage *copy = message_copy(value);
	void *old = NULL;
	if (!copy)
		return -ENOMEM;
	int r = map_set(&s->table[t], key, copy, &old);
	free_message(r < 0 ? (void *)copy : old);
	return r;
}

void state_remove(struct state *s, enum topic t, const char *key)
{
	free_message(map_del(&s->table[t], key));
}

const void *state_get(const struct state *s, enum topic t, const char *key)
{
	return map_get(&s->table[t], key);
}

static void serving_free(void *p)
{
	struct serving *s = p;
	if (s) {
		free(s->nodes);
		free(s);
	}
}

static int serving_add_node(struct serving *s, const char *node)
{
	for (size_t i = 0; i < s->n_nodes; i++)
		if (strcmp(s->nodes[i], node) == 0)
			return 0;
	const char **nodes = realloc(s->nodes, (s->n_nodes + 1) * sizeof *nodes);
	if (!nodes)
		return -ENOMEM;
	s->nodes = nodes;
	s->nodes[s->n_nodes++] = node;
	return 0;
}

static int serving_add_slice(struct serving *s, const Ingot__EndpointSlice *slice)
{
	for (size_t i = 0; i < slice->n_endpoints; i++) {
		const Ingot__Endpoint *e = slice->endpoints[i];
		if (!endpoint_can_serve(e))
			continue;
		s->n += e->count ? e->count : 1;
		if (*e->node_name && serving_add_node(s, e->node_name) < 0)
			return -ENOMEM;
	}
	return 0;
}

static struct serving *serving_entry(struct serving_index *index, const char *key)
{
	struct serving *s = map_get(&index->by_service, key);
	if (s)
		return s;
	s = calloc(1, sizeof *s);
	if (s && map_set(&index->by_service, key, s, NULL) < 0) {
		free(s);
		s = NULL;
	}
	return s;
}

int serving_index_build(const struct state *s, struct serving_index *ret)
{
	map_init(&ret->by_service);
	map_each (&s->table[TOPIC_ENDPOINTS], e) {
		const Ingot__EndpointSlice *slice = e->value;
		char key[OBJECT_KEY];
		if (!slice->meta)
			continue;
		object_key(slice->meta->namespace_, slice->service_name, key);
		struct serving *entry = serving_entry(ret, key);
		if (!entry || serving_add_slice(entry, slice) < 0) {
			serving_index_fini(ret);
			return -ENOMEM;
		}
	}
	return 0;
}

void serving_index_fini(struct serving_index *i)
{
	map_fini(&i->by_service, serving_free);
}

const struct serving *serving_of(const struct serving_index *i, const char *service_key)
{
	static const struct serving nothing;
	const struct serving *s = map_get(&i->by_service, service_key);
	return s ? s : &nothing;
}
