/* Ordered tree of intervals of addresses, with ranks. One implementation serves the runs of addresses in use,
 * the ranges that still have room, and the sets behind sharing. Every operation costs O(log n). Pure. */
#ifndef INGOT_ALLOCATOR_OTREE_H
#define INGOT_ALLOCATOR_OTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/addr.h"

/* A 128-bit number. */
struct ipnum {
	uint64_t hi, lo;
};
/* `space` separates what must never touch: keys of different spaces are not neighbours. */
struct okey {
	uint32_t space;
	struct ipnum at;
};
struct onode {
	struct onode *left, *right;
	struct okey key;
	struct ipnum last; /* end of the interval, inclusive; sets leave it equal to key.at */
	uint32_t priority, count;
};
struct otree {
	struct onode *root;
	uint64_t seed;
};

struct ipnum ipnum_of(addr_t a);
addr_t ipnum_addr(enum family f, struct ipnum n);
int ipnum_cmp(struct ipnum a, struct ipnum b);
struct ipnum ipnum_next(struct ipnum n); /* wraps at the end */
struct ipnum ipnum_prev(struct ipnum n);
int okey_cmp(struct okey a, struct okey b);

void otree_fini(struct otree *t);
size_t otree_count(const struct otree *t);
/* Nearest member at or below / at or above key, of any space; NULL when there is none. */
struct onode *otree_at_or_below(const struct otree *t, struct okey key);
struct onode *otree_at_or_above(const struct otree *t, struct okey key);
struct onode *otree_find(const struct otree *t, struct okey key);
/* Members below key. */
size_t otree_rank(const struct otree *t, struct okey key);
struct onode *otree_nth(const struct otree *t, size_t i); /* NULL past the end */
/* Add a key that is not there; NULL when out of memory. */
struct onode *otree_add(struct otree *t, struct okey key);
/* Remove a key; no-op when it is not there. */
void otree_remove(struct otree *t, struct okey key);

#endif
