/* A new configuration under the existing holders. Run by the allocator; may not touch the world. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/alloc.h"
#include "lib/base/must.h"

struct ranked {
	const struct pool *pool;
	uint32_t index;
};

/* Priority 1 is best, 0 comes last; the configuration is sorted by name already. */
static int cmp_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (x->pool->priority != y->pool->priority) {
		if (x->pool->priority == 0 || y->pool->priority == 0)
			return x->pool->priority == 0 ? 1 : -1;
		return x->pool->priority < y->pool->priority ? -1 : 1;
	}
	return x->index < y->index ? -1 : 1;
}

static int rank_pools(struct alloc *a, const struct config *c)
{
	struct ranked *pinned = calloc(c->n_pools + 1, sizeof *pinned);
	a->pinned = calloc(c->n_pools + 1, sizeof *a->pinned);
	a->unpinned = calloc(c->n_pools + 1, sizeof *a->unpinned);
	if (!pinned || !a->pinned || !a->unpinned) {
		free(pinned);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < c->n_pools; i++) {
		const struct pool *p = &c->pools[i];
		if (p->auto_assign && p->pinned)
			pinned[a->n_pinned++] = (struct ranked){ p, i };
		else if (p->auto_assign)
			a->unpinned[a->n_unpinned++] = i;
	}
	qsort(pinned, a->n_pinned, sizeof *pinned, cmp_ranked);
	for (size_t i = 0; i < a->n_pinned; i++)
		a->pinned[i] = pinned[i].index;
	free(pinned);
	return 0;
}

/* The holder as it stands, in the spans of another configuration. False when it cannot stand there. */
static bool move_pick(const struct alloc *to, const struct holder *h, struct pick *p)
{
	must(h->n <= ARRAY_LEN(h->seat));
	for (size_t i = 0; i < h->n; i++) {
		p->addr[i] = h->seat[i].ip->addr;
		p->span[i] = space_span(&to->space, p->addr[i]);
		if (p->span[i] == SPACE_NOWHERE ||
		    space_pool(&to->space, p->span[i]) != space_pool(&to->space, p->span[0]))
			return false;
	}
	p->n = h->n;
	return true;
}

static int move_holder(struct alloc *to, const struct holder *h, mono_t now, addr_t *lost, size_t *n_lost)
{
	struct pick p = { 0 };
	struct alloc_request r = { .key = h->key,
				   .ports = { h->ports, h->n_ports },
				   .sharing = h->group ? h->group->name : "",
				   .backend = h->group ? share_backend(h->group) : "" };
	if (move_pick(to, h, &p))
		return alloc_record(to, &r, &p, now);
	for (size_t i = 0; i < h->n; i++)
		lost[(*n_lost)++] = h->seat[i].ip->addr;
	return 0;
}

static void move_rests(struct alloc *to, const struct alloc *from)
{
	for (const struct rest *r = from->space.resting.head; r; r = r->next) {
		uint32_t span = space_span(&to->space, r->addr);
		if (span != SPACE_NOWHERE && !alloc_user(to, r->addr))
			space_rest(&to->space, span, r->addr, r->until);
	}
}

int alloc_configure(struct alloc *a, const struct config *c, mono_t now)
{
	struct alloc fresh;
	alloc_init(&fresh);
	size_t n_lost = 0;
	addr_t *lost = calloc(2 * map_len(&a->holders) + 1, sizeof *lost);
	int e = lost ? space_init(&fresh.space, c) : -ENOMEM;
	if (e == 0)
		e = rank_pools(&fresh, c);
	map_each (&a->holders, entry) {
		if (e == 0)
			e = move_holder(&fresh, entry->value, now, lost, &n_lost);
	}
	if (e < 0) {
		free(lost);
		alloc_fini(&fresh);
		return e;
	}
	move_rests(&fresh, a);
	alloc_settle(&fresh, lost, n_lost, now);
	free(lost);
	fresh.opened = a->opened;
	fresh.ctx = a->ctx;
	alloc_fini(a);
	*a = fresh;
	return 0;
}
