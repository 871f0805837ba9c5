/* A dense hash table of numbers (or pointers as numbers) for the things of which bgpd has ten thousand:
 * sixteen bytes each, open addressing. Whoever uses it keeps the key elsewhere, or lives with 64 bits of
 * keyed hash. Pure. */
#ifndef INGOT_BGPD_TABLE_H
#define INGOT_BGPD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot {
	uint64_t hash;
	uintptr_t value; /* 0 = empty */
};
struct table {
	struct table_slot *v;
	size_t n, cap; /* cap: 0 or a power of two */
};

/* The place with this hash whose value matches (match NULL: the hash decides); NULL when there is none.
 * Places move when something is added or removed. */
struct table_slot *table_find(const struct table *t, uint64_t hash,
			      bool (*match)(uintptr_t value, const void *key), const void *key);
int table_add(struct table *t, uint64_t hash, uintptr_t value); /* value is not 0; 0 or -ENOMEM */
void table_remove(struct table *t, struct table_slot *at);
void table_fini(struct table *t);

#endif
