/* A dense hash table of numbers (or pointers as numbers) for things of which there are tens of thousands:
 * sixteen bytes each, open addressing. Whoever uses it keeps the key elsewhere, or lives with 64 bits of
 * keyed hash. Pure. */
#ifndef INGOT_BASE_NUMTAB_H
#define INGOT_BASE_NUMTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct numtab_slot {
	uint64_t hash;
	uintptr_t value; /* 0 = empty */
};
struct numtab {
	struct numtab_slot *v;
	size_t n, cap; /* cap: 0 or a power of two */
};

/* The place with this hash whose value matches (match NULL: the hash decides); NULL when there is none.
 * Places move when something is added or removed. */
struct numtab_slot *numtab_find(const struct numtab *t, uint64_t hash,
				bool (*match)(uintptr_t value, const void *key), const void *key);
int numtab_add(struct numtab *t, uint64_t hash, uintptr_t value); /* value is not 0; 0 or -ENOMEM */
void numtab_remove(struct numtab *t, struct numtab_slot *at);
void numtab_fini(struct numtab *t);

#endif
