/* Least recently used first. Pure; run by the watcher. */
#include "watcher/k8s/report/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/map.h"

void cache_init(struct cache *c, size_t most, void (*free_node)(struct cache *c, struct cache_node *n))
{
	*c = (struct cache){ .most = most, .free = free_node };
	hashtab_init(&c->nodes);
	c->idle.next = c->idle.prev = &c->idle;
}

void cache_fini(struct cache *c)
{
	hashtab_each (&c->nodes, n)
		c->free(c, (struct cache_node *)n);
	hashtab_fini(&c->nodes, NULL);
}

static void hash_key(const char *key, uint64_t ret[static 2])
{
	static const uint8_t salts[2][16] = { "ingot cache key1", "ingot cache key2" };
	for (int i = 0; i < 2; i++)
		ret[i] = siphash24(salts[i], key, strlen(key));
}

static void list_remove(struct cache *c, struct cache_node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	c->n_idle--;
}

static void list_add(struct cache *c, struct cache_node *n)
{
	n->prev = c->idle.prev;
	n->next = &c->idle;
	n->prev->next = n;
	c->idle.prev = n;
	c->n_idle++;
}

void cache_drop(struct cache *c, struct cache_node *n)
{
	if (!n->pinned)
		list_remove(c, n);
	hashtab_remove(&c->nodes, &n->node);
	c->free(c, n);
}

/* It is the newest of the idle ones; too many of them: the oldest goes. */
static void rest(struct cache *c, struct cache_node *n)
{
	n->pinned = false;
	list_add(c, n);
	if (c->n_idle <= c->most)
		return;
	c->forgotten++;
	cache_drop(c, c->idle.next);
}

struct cache_node *cache_get(struct cache *c, const char *key)
{
	uint64_t hash[2];
	hash_key(key, hash);
	struct cache_node *n = (struct cache_node *)hashtab_find(&c->nodes, hash, sizeof hash);
	if (n && !n->pinned) {
		list_remove(c, n);
		list_add(c, n);
	}
	return n;
}

int cache_put(struct cache *c, const char *key, struct cache_node *n, bool pinned)
{
	hash_key(key, n->key);
	if (hashtab_add(&c->nodes, &n->node, n->key, sizeof n->key) < 0) {
		c->free(c, n);
		return -ENOMEM;
	}
	if (pinned)
		n->pinned = true;
	else
		rest(c, n);
	return 0;
}

void cache_pin(struct cache *c, struct cache_node *n)
{
	if (n->pinned)
		return;
	list_remove(c, n);
	n->pinned = true;
}

void cache_unpin(struct cache *c, struct cache_node *n)
{
	if (n->pinned)
		rest(c, n);
}
