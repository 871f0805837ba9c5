/* The responder's table of addresses: open addressing, so that a request for somebody else's address costs
 * one or two memory accesses. Pure; runs in l2d. Only gossipd's addresses are keys, never what a request asks
 * for, so the hash need not be secret. */
#include "l2d/responder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"

static size_t slot_of(const struct responder *r, const addr_t *a)
{
	uint64_t hi, lo;
	memcpy(&hi, a->bytes, 8);
	memcpy(&lo, a->bytes + 8, 8);
	uint64_t h = (hi ^ (lo * 0x9e3779b97f4a7c15u) ^ a->family) * 0xff51afd7ed558ccdu;
	return (size_t)(h >> 32) & (r->n_table - 1);
}

static bool same(const addr_t *a, const addr_t *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0 && a->family == b->family;
}

struct vip *responder_find(const struct responder *r, addr_t addr)
{
	if (r->n_vips == 0)
		return NULL;
	size_t i = slot_of(r, &addr);
	while (r->table[i] && !same(&r->table[i]->o.addr, &addr))
		i = (i + 1) & (r->n_table - 1);
	return r->table[i];
}

static void place(struct responder *r, struct vip *v)
{
	size_t i = slot_of(r, &v->o.addr);
	while (r->table[i])
		i = (i + 1) & (r->n_table - 1);
	r->table[i] = v;
}

/* At most half full. */
static int grow(struct responder *r)
{
	size_t n = r->n_table ? r->n_table * 2 : 16;
	struct vip **table = calloc(n, sizeof(struct vip *));
	if (!table)
		return -ENOMEM;
	free(r->table);
	r->table = table;
	r->n_table = n;
	for (struct vip *v = r->vips; v; v = v->next)
		place(r, v);
	return 0;
}

int vips_insert(struct responder *r, struct vip *v)
{
	if (r->n_vips >= VIPS_MAX) {
		r->refused++;
		return -ENOSPC;
	}
	if ((r->n_vips + 1) * 2 > r->n_table && grow(r) < 0)
		return -ENOMEM;
	place(r, v);
	v->prev = r->last_vip;
	v->next = NULL;
	*(v->prev ? &v->prev->next : &r->vips) = v;
	r->last_vip = v;
	r->n_vips++;
	return 0;
}

/* Close the gap: entries after it that may not stand behind an empty slot move up. */
static void close_gap(struct responder *r, size_t gap)
{
	size_t mask = r->n_table - 1;
	for (size_t i = (gap + 1) & mask; r->table[i]; i = (i + 1) & mask) {
		size_t home = slot_of(r, &r->table[i]->o.addr);
		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		r->table[gap] = r->table[i];
		r->table[i] = NULL;
		gap = i;
	}
}

void vips_remove(struct responder *r, struct vip *v)
{
	size_t i = slot_of(r, &v->o.addr);
	while (r->table[i] != v) {
		must(r->table[i]);
		i = (i + 1) & (r->n_table - 1);
	}
	r->table[i] = NULL;
	close_gap(r, i);
	*(v->prev ? &v->prev->next : &r->vips) = v->next;
	*(v->next ? &v->next->prev : &r->last_vip) = v->prev;
	r->n_vips--;
}
