/* The table of prefixes: a hash over slots in retained memory. A slot is valid at every instant at which the
 * process may be killed: its family is written last and erased first. Runs in bgpd; pure. */
#include <stdlib.h>
#include <string.h>

#include "bgpd/rib_internal.h"
#include "lib/base/must.h"

prefix_t entry_prefix(const struct rib *r, uint32_t e)
{
	const struct rib_slot *s = &r->slots->v[e];
	return (prefix_t){ .addr = addr_from_bytes((enum family)s->family, s->addr), .len = s->len };
}

unsigned entry_family(const struct rib *r, uint32_t e)
{
	return bgp_family_bit((enum family)r->slots->v[e].family);
}

static uint32_t bucket_of(const struct rib *r, prefix_t p)
{
	uint8_t key[18] = { p.addr.family, p.len };
	memcpy(key + 2, p.addr.bytes, 16);
	return (uint32_t)siphash24(r->seed, key, sizeof key) & (r->n_buckets - 1);
}

uint32_t entry_find(const struct rib *r, prefix_t p)
{
	for (uint32_t e = r->buckets[bucket_of(r, p)]; e != NIL; e = r->entries[e].chain)
		if (prefix_eq(entry_prefix(r, e), p))
			return e;
	return NIL;
}

static void link_entry(struct rib *r, uint32_t e)
{
	uint32_t *head = &r->buckets[bucket_of(r, entry_prefix(r, e))];
	r->entries[e] = (struct entry){ .chain = *head, .offers = NIL };
	*head = e;
	r->used++;
}

/* Arrays for at least `wanted` entries, in every peer too; nothing changes when memory is short. */
static bool reserve(struct rib *r, uint32_t wanted)
{
	if (wanted <= r->cap)
		return true;
	uint32_t cap = r->cap ? r->cap : 256;
	while (cap < wanted)
		cap *= 2;
	struct entry *entries = realloc(r->entries, cap * sizeof *entries);
	if (!entries)
		return false;
	r->entries = entries;
	for (unsigned i = 0; i < r->n_peers; i++)
		if (r->peers[i].used && !peer_reserve(&r->peers[i], r->cap, cap))
			return false;
	r->cap = cap;
	return true;
}

/* A fuller table keeps its chains: it only gets slower when memory is short. */
static void grow_buckets(struct rib *r)
{
	uint32_t n = r->n_buckets * 2;
	uint32_t *buckets = malloc(n * sizeof *buckets);
	if (!buckets)
		return;
	memset(buckets, 0xff, n * sizeof *buckets);
	free(r->buckets);
	r->buckets = buckets;
	r->n_buckets = n;
	for (uint32_t e = 0; e < r->n; e++) {
		if (!r->slots->v[e].family)
			continue;
		uint32_t *head = &buckets[bucket_of(r, entry_prefix(r, e))];
		r->entries[e].chain = *head;
		*head = e;
	}
}

static uint32_t take_slot(struct rib *r)
{
	if (r->free != NIL) {
		uint32_t e = r->free;
		r->free = r->entries[e].chain;
		return e;
	}
	if (r->n == RIB_MAX_PREFIXES || !reserve(r, r->n + 1))
		return NIL;
	__atomic_store_n(&r->slots->n, r->n + 1, __ATOMIC_RELEASE);
	return r->n++;
}

uint32_t entry_get(struct rib *r, prefix_t p)
{
	uint32_t e = entry_find(r, p);
	if (e != NIL)
		return e;
	if (r->used >= r->n_buckets)
		grow_buckets(r);
	e = take_slot(r);
	if (e == NIL)
		return NIL;
	struct rib_slot *s = &r->slots->v[e];
	s->len = p.len;
	memcpy(s->addr, p.addr.bytes, sizeof s->addr);
	__atomic_store_n(&s->family, p.addr.family, __ATOMIC_RELEASE);
	link_entry(r, e);
	return e;
}

static void entry_free(struct rib *r, uint32_t e)
{
	uint32_t *at = &r->buckets[bucket_of(r, entry_prefix(r, e))];
	while (*at != e)
		at = &r->entries[*at].chain;
	*at = r->entries[e].chain;
	__atomic_store_n(&r->slots->v[e].family, FAMILY_NONE, __ATOMIC_RELEASE);
	r->entries[e].chain = r->free;
	r->free = e;
	r->used--;
}

void entry_unref(struct rib *r, uint32_t e)
{
	must(r->entries[e].refs > 0);
	if (--r->entries[e].refs == 0)
		entry_free(r, e);
}

static bool slot_valid(const struct rib_slot *s)
{
	if (s->family != FAMILY_V4 && s->family != FAMILY_V6)
		return false;
	addr_t a = addr_from_bytes((enum family)s->family, s->addr);
	return s->len <= addr_bits(a) && addr_eq(addr_mask(a, s->len), a);
}

/* Slots come from a former life: erase what is malformed or there twice. */
bool entries_load(struct rib *r)
{
	uint32_t n = r->slots->n < RIB_MAX_PREFIXES ? r->slots->n : RIB_MAX_PREFIXES;
	r->free = NIL;
	r->n_buckets = 256;
	r->buckets = malloc(r->n_buckets * sizeof *r->buckets);
	if (!r->buckets || !reserve(r, n ? n : 1))
		return false;
	memset(r->buckets, 0xff, r->n_buckets * sizeof *r->buckets);
	for (uint32_t e = 0; e < n; e++) {
		struct rib_slot *s = &r->slots->v[e];
		if (s->family && (!slot_valid(s) || entry_find(r, entry_prefix(r, e)) != NIL))
			s->family = FAMILY_NONE;
		if (s->family) {
			if (r->used >= r->n_buckets)
				grow_buckets(r);
			link_entry(r, e);
		} else {
			r->entries[e].chain = r->free;
			r->free = e;
		}
		r->n = e + 1; /* only now: growing links all slots below it */
	}
	r->slots->n = n;
	return true;
}

void rib_sweep(struct rib *r)
{
	for (uint32_t e = 0; e < r->n; e++)
		if (r->slots->v[e].family && r->entries[e].refs == 0)
			entry_free(r, e);
}
