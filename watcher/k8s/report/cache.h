/* A table that forgets what was not used for the longest time, but nothing that is pinned. Of the keys, which
 * are long texts, it holds hashes of 128 bits alone. Pure. */
#ifndef INGOT_WATCHER_K8S_REPORT_CACHE_H
#define INGOT_WATCHER_K8S_REPORT_CACHE_H

#include <stdbool.h>

#include "lib/base/hashtab.h"

/* First member of what is kept. */
struct cache_node {
	struct hashtab_node node;
	struct cache_node *next, *prev; /* among those that may be forgotten, oldest first */
	uint64_t key[2];		/* hash of it */
	bool pinned;
};
struct cache {
	struct hashtab nodes;
	struct cache_node idle;
	size_t n_idle, most;
	void (*free)(struct cache *c, struct cache_node *n);
	uint64_t forgotten;
};

/* free is called for every node that leaves. */
void cache_init(struct cache *c, size_t most, void (*free)(struct cache *c, struct cache_node *n));
void cache_fini(struct cache *c);
struct cache_node *cache_get(struct cache *c,
			     const char *key); /* and it is the newest now; NULL when absent */
/* Takes n, also on failure. -ENOMEM. */
int cache_put(struct cache *c, const char *key, struct cache_node *n, bool pinned);
void cache_pin(struct cache *c, struct cache_node *n);
void cache_unpin(struct cache *c, struct cache_node *n); /* n may be forgotten at once */
void cache_drop(struct cache *c, struct cache_node *n);

#endif
