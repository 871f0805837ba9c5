/* What statusd knows: the table of every topic it reads, as the bus keeps it, and looks at single messages.
 * Pure. */
#ifndef INGOT_STATUSD_STATE_H
#define INGOT_STATUSD_STATE_H

#include <protobuf-c/protobuf-c.h>

#include "lib/base/map.h"
#include "lib/model/row.h"
#include "lib/run/topics.h"
#include "proto/objects.pb-c.h"
#include "proto/state.pb-c.h"

struct state {
	const char *node;		      /* own node, borrowed */
	const struct hashtab *table[TOPIC_N]; /* of struct row; borrowed, never NULL */
	bool synced[TOPIC_N];
};

/* All tables are empty. */
void state_init(struct state *s, const char *node);

/* Messages that are looked at together: they are unpacked one by one and all freed at the end. */
struct look {
	const struct state *state;
	ProtobufCMessage **opened;
	size_t n, cap;
};
void look_begin(struct look *l, const struct state *s);
void look_end(struct look *l);
/* The message of this key, of the topic's type, good until look_end. NULL when there is none, or on out of
 * memory. */
const void *look_at(struct look *l, enum topic t, const char *key);
/* The same of a row of the topic's table. */
const void *look_into(struct look *l, enum topic t, const struct row *r);

/* Serving endpoints of a Service, over its slices. */
struct serving {
	size_t n;	    /* endpoints that can serve */
	size_t n_nodes;	    /* distinct nodes among them */
	const char **nodes; /* names, of the index */
};
/* One pass over all slices: "namespace/name" of the Service -> struct serving *. */
struct serving_index {
	struct map by_service, names;
};
int serving_index_build(const struct state *s, struct serving_index *ret); /* -ENOMEM */
void serving_index_fini(struct serving_index *i);
const struct serving *serving_of(const struct serving_index *i, const char *service_key); /* never NULL */

#endif
