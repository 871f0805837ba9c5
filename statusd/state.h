/* What statusd knows: a copy of every topic it reads, as messages by key. Pure. */
#ifndef INGOT_STATUSD_STATE_H
#define INGOT_STATUSD_STATE_H

#include <protobuf-c/protobuf-c.h>

#include "lib/base/map.h"
#include "lib/run/topics.h"
#include "proto/objects.pb-c.h"
#include "proto/state.pb-c.h"

struct state {
	const char *node;	   /* own node, borrowed */
	struct map table[TOPIC_N]; /* key -> ProtobufCMessage * */
	bool synced[TOPIC_N];
};

void state_init(struct state *s, const char *node);
void state_fini(struct state *s);
/* Keep a copy of value. -ENOMEM leaves the former one. */
int state_put(struct state *s, enum topic t, const char *key, const ProtobufCMessage *value);
void state_remove(struct state *s, enum topic t, const char *key);
/* The message of this key, or NULL; the caller knows its type from the topic table. */
const void *state_get(const struct state *s, enum topic t, const char *key);

/* Serving endpoints of a Service, over its slices. */
struct serving {
	size_t n;	    /* endpoints that can serve */
	size_t n_nodes;	    /* distinct nodes among them */
	const char **nodes; /* borrowed names */
};
/* One pass over all slices: "namespace/name" of the Service -> struct serving *. */
struct serving_index {
	struct map by_service;
};
int serving_index_build(const struct state *s, struct serving_index *ret);
void serving_index_fini(struct serving_index *i);
const struct serving *serving_of(const struct serving_index *i, const char *service_key); /* never NULL */

#endif
