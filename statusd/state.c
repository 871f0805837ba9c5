/* statusd's view of the topics, and the join of EndpointSlices to Services. Pure: no clock, no sockets. */
#include "statusd/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/objects.h"
#include "lib/model/service.h"

static const ProtobufCMessageDescriptor *const types[] = {
#define X(constant, id, name, publisher, payload, readers) [TOPIC_##constant] = &payload##__descriptor,
	TOPICS(X)
#undef X
};

void state_init(struct state *s, const char *node)
{
	static const struct hashtab nothing;
	memset(s, 0, sizeof *s);
	s->node = node;
	for (size_t t = 0; t < TOPIC_N; t++)
		s->table[t] = &nothing;
}

void look_begin(struct look *l, const struct state *s)
{
	*l = (struct look){ .state = s };
}

void look_end(struct look *l)
{
	for (size_t i = 0; i < l->n; i++)
		protobuf_c_message_free_unpacked(l->opened[i], NULL);
	free(l->opened);
	*l = (struct look){ .state = l->state };
}

const void *look_into(struct look *l, enum topic t, const struct row *r)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 8;
		ProtobufCMessage **v = realloc(l->opened, cap * sizeof(ProtobufCMessage *));
		if (!v)
			return NULL;
		l->opened = v;
		l->cap = cap;
	}
	ProtobufCMessage *m = row_open(r, types[t]);
	if (m)
		l->opened[l->n++] = m;
	return m;
}

const void *look_at(struct look *l, enum topic t, const char *key)
{
	const struct row *r = row_find(l->state->table[t], key);
	return r ? look_into(l, t, r) : NULL;
}

static void serving_free(void *p)
{
	struct serving *s = p;
	if (s) {
		free(s->nodes);
		free(s);
	}
}

/* The index's own copy of a name; NULL on out of memory. */
static const char *serving_name(struct serving_index *index, const char *name)
{
	if (!map_find_n(&index->names, name, strlen(name)) && map_set(&index->names, name, index, NULL) < 0)
		return NULL;
	return map_find_n(&index->names, name, strlen(name))->key;
}

static int serving_add_node(struct serving_index *index, struct serving *s, const char *node)
{
	const char *name = serving_name(index, node);
	for (size_t i = 0; i < s->n_nodes; i++)
		if (s->nodes[i] == name)
			return 0;
	const char **nodes = name ? realloc(s->nodes, (s->n_nodes + 1) * sizeof *nodes) : NULL;
	if (!nodes)
		return -ENOMEM;
	s->nodes = nodes;
	s->nodes[s->n_nodes++] = name;
	return 0;
}

static int serving_add_slice(struct serving_index *index, struct serving *s,
			     const Ingot__EndpointSlice *slice)
{
	for (size_t i = 0; i < slice->n_endpoints; i++) {
		const Ingot__Endpoint *e = slice->endpoints[i];
		if (!endpoint_can_serve(e))
			continue;
		s->n += e->count ? e->count : 1;
		if (*e->node_name && serving_add_node(index, s, e->node_name) < 0)
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

static int serving_add(struct serving_index *index, const Ingot__EndpointSlice *slice)
{
	char key[OBJECT_KEY];
	if (!slice || !slice->meta)
		return 0;
	object_key(slice->meta->namespace_, slice->service_name, key);
	struct serving *entry = serving_entry(index, key);
	return entry ? serving_add_slice(index, entry, slice) : -ENOMEM;
}

int serving_index_build(const struct state *s, struct serving_index *ret)
{
	int rc = 0;
	*ret = (struct serving_index){ 0 };
	hashtab_each (s->table[TOPIC_ENDPOINTS], node) {
		struct look l;
		look_begin(&l, s);
		rc = serving_add(ret, look_into(&l, TOPIC_ENDPOINTS, (const struct row *)node));
		look_end(&l);
		if (rc < 0)
			break;
	}
	if (rc < 0)
		serving_index_fini(ret);
	return rc;
}

void serving_index_fini(struct serving_index *i)
{
	map_fini(&i->by_service, serving_free);
	map_fini(&i->names, NULL);
}

const struct serving *serving_of(const struct serving_index *i, const char *service_key)
{
	static const struct serving nothing;
	const struct serving *s = map_get(&i->by_service, service_key);
	return s ? s : &nothing;
}
