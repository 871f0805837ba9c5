/* Hash table of objects that carry their own key and link: one allocation for each. For tables of very many
 * small objects; where order matters or the value is elsewhere, lib/base/map.h. Keyed by SipHash-2-4 with
 * map's key. Pure. */
#ifndef INGOT_BASE_HASHTAB_H
#define INGOT_BASE_HASHTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embed as the first member of the object. */
struct hashtab_node {
	struct hashtab_node *chain;
	uint32_t hash;
	uint16_t key_at, key_len; /* bytes from the node to the key, and of the key */
};
struct hashtab {
	struct hashtab_node **bucket;
	size_t n, n_buckets;
};

void hashtab_init(struct hashtab *t);
/* free_node (may be NULL) is called for each object. */
void hashtab_fini(struct hashtab *t, void (*free_node)(void *object));

struct hashtab_node *hashtab_find(const struct hashtab *t, const void *key,
				  size_t len); /* NULL when absent */
/* key: where it stands in the object, behind n; it stays as it is while n is in. There is none like it yet.
 * -ENOMEM: n is not in; -EINVAL: a key over 64 kB, or so far away. */
int hashtab_add(struct hashtab *t, struct hashtab_node *n, void *key, size_t len);
/* The object with this text as its key, NULL when absent. */
void *hashtab_get(const struct hashtab *t, const char *key);
/* The same, and when it is absent a new one is added: size bytes of zeros, the key with its NUL behind them.
 * fresh (may be NULL) says which. NULL on out of memory, or for a key over 64 kB. It is malloc's. */
void *hashtab_get_or_add(struct hashtab *t, const char *key, size_t size, bool *fresh);
void hashtab_remove(struct hashtab *t, struct hashtab_node *n); /* it is in */
/* The first one (after NULL) and the one after n, NULL after the last; in no order that means anything. */
struct hashtab_node *hashtab_next(const struct hashtab *t, const struct hashtab_node *n);
static inline size_t hashtab_len(const struct hashtab *t)
{
	return t->n;
}

/* For each node n; removing n itself inside the body is allowed, adding is not. */
#define hashtab_each(t, node)                                                                                \
	for (struct hashtab_node *node = hashtab_next(t, NULL),                                              \
				 *node##_next = node ? hashtab_next(t, node) : NULL;                         \
	     node; node = node##_next, node##_next = node ? hashtab_next(t, node) : NULL)

#endif
