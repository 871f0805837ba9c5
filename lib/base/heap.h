/* Deadline heap: intrusive binary heap of timers, earliest first. Pure: the caller brings the time. */
#ifndef INGOT_BASE_HEAP_H
#define INGOT_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/mono.h"

/* Embed in the object that has a deadline; zero-initialised means "not in a heap". */
struct heap_node {
	mono_t at;
	size_t slot; /* 1-based position, 0 = not in a heap */
};
struct heap {
	struct heap_node **v; /* v[0] unused */
	size_t n, cap;
};

void heap_init(struct heap *h);
void heap_fini(struct heap *h); /* frees the array, not the nodes */
/* Insert, or move when it is already in. -ENOMEM when the array cannot grow. */
int heap_set(struct heap *h, struct heap_node *n, mono_t at);
void heap_remove(struct heap *h, struct heap_node *n); /* no-op when not in */
mono_t heap_next(const struct heap *h);		       /* MONO_NEVER when empty */
/* Take out one node whose deadline is reached, earliest first; NULL when none is. */
struct heap_node *heap_pop_due(struct heap *h, mono_t now);

#endif
