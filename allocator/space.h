/* The addresses of all pools: which are in use, which rest after their release, which is the first free one.
 * Pools are kept as runs of addresses that are in use, so a /64 costs what a /28 costs, and a full pool what
 * an empty one costs. Pure: time comes in. */
#ifndef INGOT_ALLOCATOR_SPACE_H
#define INGOT_ALLOCATOR_SPACE_H

#include "allocator/otree.h"
#include "lib/base/map.h"
#include "lib/base/mono.h"
#include "lib/model/config.h"

/* A freed address rests this long, because nodes may still announce it. */
#define ADDRESS_REST SEC(1)

enum { FAM_V4, FAM_V6, FAM_N }; /* index by family */
static inline unsigned fam_of(addr_t a)
{
	return a.family == FAMILY_V6 ? FAM_V6 : FAM_V4;
}

struct rest {
	struct rest *next, *prev;	    /* all, oldest first */
	struct rest *pool_next, *pool_prev; /* of one pool and family, oldest first */
	addr_t addr;
	uint32_t span;
	mono_t until;
};
struct rest_list {
	struct rest *head, *tail;
};

/* One range of a pool. Its index is its place in the order (pool name, place in the pool's list). */
struct span {
	range_t range;
	uint32_t pool;
	bool avoid_buggy;
};
struct pool_space {
	uint32_t first_span, n_spans;
	int64_t total[FAM_N], used[FAM_N]; /* saturating at INT64_MAX */
	struct rest_list resting[FAM_N];
};
struct space {
	const struct config *config; /* borrowed */
	struct pool_space *pools;    /* parallel to config->pools */
	struct span *spans;
	uint32_t *by_address; /* parallel to config->spans: index into spans */
	size_t n_spans;
	struct otree
	    busy; /* runs: space = span, interval = addresses in use, resting, or buggy beside those */
	struct otree open; /* space = 2 * pool + family, at = span that has a free address */
	struct map rests;  /* address -> struct rest * */
	struct rest_list resting;
};

#define SPACE_NOWHERE UINT32_MAX

/* All addresses of c free. -ENOMEM. c is borrowed until space_fini. */
int space_init(struct space *s, const struct config *c);
void space_fini(struct space *s);
/* The span that has a usable address a, or SPACE_NOWHERE. */
uint32_t space_span(const struct space *s, addr_t a);
const struct pool *space_pool(const struct space *s, uint32_t span);

/* Take an address that is free or resting. -ENOMEM. */
int space_take(struct space *s, uint32_t span, addr_t a);
/* Give back one that was taken; it is free at once. */
void space_give(struct space *s, uint32_t span, addr_t a);
/* A free address rests until then; calls must come in the order of `until`. Out of memory: it just stays
 * free. */
void space_rest(struct space *s, uint32_t span, addr_t a, mono_t until);
/* The first that was freed may be used again. */
void space_expire(struct space *s, mono_t now);
bool space_is_resting(const struct space *s, addr_t a);

/* First free address of pool i in its own order; resting ones are not free. */
bool space_first_free(const struct space *s, uint32_t pool, unsigned fam, uint32_t *ret_span, addr_t *ret);
/* The address that has rested longest. */
bool space_longest_resting(const struct space *s, uint32_t pool, unsigned fam, uint32_t *ret_span,
			   addr_t *ret);
/* Any of the two above. */
bool space_has_room(const struct space *s, uint32_t pool, unsigned fam);
/* Usable addresses of a pool, by the rules of the pool's status. */
int64_t space_capacity(const struct pool *p, unsigned fam);
int64_t saturating_add(int64_t a, int64_t b);

#endif
