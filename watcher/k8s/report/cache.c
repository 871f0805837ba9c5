/* Least recently used first. Pure; run by the watcher. */
#include "watcher/k8s/report/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void cache_init(struct cache *c, size_t most, void (*free_node)(struct cache *c, struct cache_node *n))
{
	*c = (struct cache){ .most = most, .free = free_node };
	map_init(&c->map);
	c->idle.next = c->idle.prev = &c->idle;
}

static void destroy(struct cache *c, struct cache_node *n)
{
	char *key = n->key;
	c->free(c, n);
	free(key);
}

void cache_fini(struct cache *c)
{
	map_each (&c->map, e)
		destroy(c, e->value);
	map_fini(&c->map, NULL);
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
	map_del(&c->map, n->key);
	destroy(c, n);
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
	struct cache_node *n = map_get(&c->map, key);
	if (n && !n->pinned) {
		list_remove(c, n);
		list_add(c, n);
	}
	return n;
}

int cache_put(struct cache *c, const char *key, struct cache_node *n, bool pinned)
{
	n->key = strdup(key);
	if (!n->key || map_set(&c->map, key, n, NULL) < 0) {
		destroy(c, n);
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
