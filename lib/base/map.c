/* Hash map with chains and an insertion-ordered list. Pure, apart from the hash key, which a shell sets once
 * before the first insertion. A table that cannot grow stays correct and gets slower. */
#include "lib/base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint8_t seed[16];

void map_seed(const uint8_t key[static 16])
{
	memcpy(seed, key, sizeof seed);
}

uint32_t map_hash(const void *key, size_t len)
{
	return (uint32_t)siphash24(seed, key, len);
}

void map_init(struct map *m)
{
	*m = (struct map){ 0 };
}

void map_fini(struct map *m, void (*free_value)(void *value))
{
	if (!m)
		return;
	for (struct map_entry *e = m->head, *next; e; e = next) {
		next = e->next;
		if (free_value)
			free_value(e->value);
		free(e);
	}
	free(m->bucket);
	*m = (struct map){ 0 };
}

/* The place that points to the entry with this key, or to the NULL at the end of its chain. */
static struct map_entry **find(const struct map *m, const void *key, size_t len, uint32_t hash)
{
	struct map_entry **at = &m->bucket[hash & (m->n_buckets - 1)];
	while (*at) {
		const struct map_entry *e = *at;
		if (e->hash == hash && e->key_len == len && (len == 0 || memcmp(e->key, key, len) == 0))
			break;
		at = &(*at)->chain;
	}
	return at;
}

struct map_entry *map_find_n(const struct map *m, const void *key, size_t len)
{
	return m->n ? *find(m, key, len, map_hash(key, len)) : NULL;
}

void *map_get_n(const struct map *m, const void *key, size_t len)
{
	const struct map_entry *e = map_find_n(m, key, len);
	return e ? e->value : NULL;
}

void *map_get(const struct map *m, const char *key)
{
	return map_get_n(m, key, strlen(key));
}

static void grow(struct map *m)
{
	size_t n = m->n_buckets ? m->n_buckets * 2 : 8;
	struct map_entry **bucket = calloc(n, sizeof *bucket);
	if (!bucket)
		return;
	for (struct map_entry *e = m->head; e; e = e->next) {
		struct map_entry **at = &bucket[e->hash & (n - 1)];
		e->chain = *at;
		*at = e;
	}
	free(m->bucket);
	m->bucket = bucket;
	m->n_buckets = n;
}

static struct map_entry *entry_new(const void *key, size_t len, uint32_t hash, void *value)
{
	struct map_entry *e = malloc(sizeof *e + len + 1);
	if (!e)
		return NULL;
	*e = (struct map_entry){ .value = value, .hash = hash, .key_len = (uint32_t)len };
	if (len)
		memcpy(e->key, key, len);
	e->key[len] = 0;
	return e;
}

int map_set_n(struct map *m, const void *key, size_t len, void *value, void **old)
{
	if (len > UINT32_MAX)
		return -ENOMEM;
	uint32_t hash = map_hash(key, len);
	struct map_entry *e = m->n ? *find(m, key, len, hash) : NULL;
	if (e) {
		if (old)
			*old = e->value;
		e->value = value;
		return 0;
	}
	if (m->n >= m->n_buckets)
		grow(m);
	if (m->n_buckets == 0 || !(e = entry_new(key, len, hash, value)))
		return -ENOMEM;
	struct map_entry **at = &m->bucket[hash & (m->n_buckets - 1)];
	e->chain = *at;
	*at = e;
	e->prev = m->tail;
	*(m->tail ? &m->tail->next : &m->head) = e;
	m->tail = e;
	m->n++;
	if (old)
		*old = NULL;
	return 0;
}

int map_set(struct map *m, const char *key, void *value, void **old)
{
	return map_set_n(m, key, strlen(key), value, old);
}

void *map_del_n(struct map *m, const void *key, size_t len)
{
	if (m->n == 0)
		return NULL;
	struct map_entry **at = find(m, key, len, map_hash(key, len));
	struct map_entry *e = *at;
	if (!e)
		return NULL;
	*at = e->chain;
	*(e->prev ? &e->prev->next : &m->head) = e->next;
	*(e->next ? &e->next->prev : &m->tail) = e->prev;
	m->n--;
	void *value = e->value;
	free(e);
	return value;
}

void *map_del(struct map *m, const char *key)
{
	return map_del_n(m, key, strlen(key));
}
