/* Hash table with chains through its objects. Pure. A table that cannot grow stays correct and gets slower.
 */
#include "lib/base/hashtab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/map.h"

/* Objects for each bucket, before there are twice as many of those. */
enum { FULL = 2 };

void hashtab_init(struct hashtab *t)
{
	*t = (struct hashtab){ 0 };
}

void hashtab_fini(struct hashtab *t, void (*free_node)(void *object))
{
	for (size_t i = 0; free_node && i < t->n_buckets; i++) {
		for (struct hashtab_node *n = t->bucket[i], *next; n; n = next) {
			next = n->chain;
			free_node(n);
		}
	}
	free(t->bucket);
	hashtab_init(t);
}

static struct hashtab_node **bucket_of(const struct hashtab *t, uint32_t hash)
{
	return &t->bucket[hash & (t->n_buckets - 1)];
}

struct hashtab_node *hashtab_find(const struct hashtab *t, const void *key, size_t len)
{
	if (t->n == 0)
		return NULL;
	uint32_t hash = map_hash(key, len);
	struct hashtab_node *n = *bucket_of(t, hash);
	while (n &&
	       (n->hash != hash || n->key_len != len || memcmp((const char *)n + n->key_at, key, len) != 0))
		n = n->chain;
	return n;
}

static void grow(struct hashtab *t)
{
	struct hashtab old = *t;
	size_t n = t->n_buckets ? t->n_buckets * 2 : 8;
	struct hashtab_node **bucket = calloc(n, sizeof *bucket);
	if (!bucket)
		return;
	t->bucket = bucket;
	t->n_buckets = n;
	for (size_t i = 0; i < old.n_buckets; i++) {
		for (struct hashtab_node *x = old.bucket[i], *next; x; x = next) {
			next = x->chain;
			x->chain = *bucket_of(t, x->hash);
			*bucket_of(t, x->hash) = x;
		}
	}
	free(old.bucket);
}

int hashtab_add(struct hashtab *t, struct hashtab_node *n, void *key, size_t len)
{
	size_t at = (size_t)((const char *)key - (const char *)n);
	if (len > UINT16_MAX || at > UINT16_MAX)
		return -EINVAL;
	if (t->n >= FULL * t->n_buckets)
		grow(t);
	if (t->n_buckets == 0)
		return -ENOMEM;
	uint32_t hash = map_hash(key, len);
	*n = (struct hashtab_node){ *bucket_of(t, hash), hash, (uint16_t)at, (uint16_t)len };
	*bucket_of(t, hash) = n;
	t->n++;
	return 0;
}

void *hashtab_get(const struct hashtab *t, const char *key)
{
	return hashtab_find(t, key, strlen(key));
}

void *hashtab_get_or_add(struct hashtab *t, const char *key, size_t size, bool *fresh)
{
	size_t len = strlen(key);
	char *object = (char *)hashtab_find(t, key, len);
	if (fresh)
		*fresh = !object;
	if (object)
		return object;
	object = calloc(1, size + len + 1);
	if (!object)
		return NULL;
	memcpy(object + size, key, len + 1);
	if (hashtab_add(t, (struct hashtab_node *)(void *)object, object + size, len) == 0)
		return object;
	free(object);
	return NULL;
}

void hashtab_remove(struct hashtab *t, struct hashtab_node *n)
{
	struct hashtab_node **at = bucket_of(t, n->hash);
	while (*at != n)
		at = &(*at)->chain;
	*at = n->chain;
	t->n--;
}

struct hashtab_node *hashtab_next(const struct hashtab *t, const struct hashtab_node *n)
{
	if (n && n->chain)
		return n->chain;
	size_t i = n ? (n->hash & (t->n_buckets - 1)) + 1 : 0;
	while (i < t->n_buckets && !t->bucket[i])
		i++;
	return i < t->n_buckets ? t->bucket[i] : NULL;
}
