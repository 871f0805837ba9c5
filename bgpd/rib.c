/* What Services ask for: claims, and what follows for each prefix and peer. Runs in bgpd; pure. Work per
 * Service is proportional to its own prefixes: equal routes of many Services for one prefix are one counted
 * offer. */
#include "bgpd/rib_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"

struct rib *rib_new(struct rib_slots *slots, const uint8_t seed[static 16])
{
	struct rib *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	r->slots = slots;
	r->free_offer = NIL;
	r->attrs.free = r->audiences.free = NIL;
	memcpy(r->seed, seed, sizeof r->seed);
	if (!entries_load(r)) {
		rib_free(r);
		return NULL;
	}
	return r;
}

void rib_free(struct rib *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->n_peers; i++)
		rib_peer_del(r, i);
	free(r->entries);
	free(r->buckets);
	free(r->offers);
	attrs_table_fini(&r->attrs);
	audience_table_fini(&r->audiences);
	free(r);
}

uint32_t rib_judge(struct rib *r, unsigned peer, uint32_t e)
{
	uint32_t result = ATTRS_NONE;
	for (uint32_t o = r->entries[e].offers; o != NIL; o = r->offers[o].next) {
		const struct offer *f = &r->offers[o];
		if (!audience_has(&r->audiences.v[f->audience], peer))
			continue;
		if (result == ATTRS_NONE) {
			attrs_ref(&r->attrs, f->attrs);
			result = f->attrs;
		} else if (result != f->attrs) {
			uint32_t both = attrs_merge(&r->attrs, result, f->attrs, &r->dropped);
			if (both == ATTRS_NONE)
				continue; /* out of memory: announced with fewer communities */
			attrs_unref(&r->attrs, result);
			result = both;
		}
	}
	return result;
}

static void judge_all(struct rib *r, uint32_t e)
{
	for (unsigned p = 0; p < r->n_peers; p++)
		if (r->peers[p].used)
			rib_want(r, p, e, rib_judge(r, p, e));
}

static uint32_t offer_new(struct rib *r)
{
	if (r->free_offer != NIL) {
		uint32_t o = r->free_offer;
		r->free_offer = r->offers[o].next;
		return o;
	}
	if (r->n_offers == r->offers_cap) {
		uint32_t cap = r->offers_cap ? r->offers_cap * 2 : 64;
		struct offer *v = realloc(r->offers, cap * sizeof *v);
		if (!v)
			return NIL;
		r->offers = v;
		r->offers_cap = cap;
	}
	return r->n_offers++;
}

/* The offer for this route, one reference more; NIL with *error. */
static uint32_t offer_get(struct rib *r, const struct bgp_route *route, int *error)
{
	*error = -ENOMEM;
	size_t n = route->n_communities < BGP_MAX_COMMUNITIES ? route->n_communities : BGP_MAX_COMMUNITIES;
	uint32_t attrs = attrs_intern(&r->attrs, route->local_pref, route->communities, n);
	if (attrs == ATTRS_NONE)
		return NIL;
	uint32_t audience = audience_intern(r, route->peers), e = NIL, o = NIL;
	if (audience != NIL) {
		e = entry_get(r, route->prefix);
		if (e == NIL)
			*error = r->used >= RIB_MAX_PREFIXES ? -ENOSPC : -ENOMEM;
	}
	if (e != NIL) {
		for (o = r->entries[e].offers; o != NIL; o = r->offers[o].next)
			if (r->offers[o].attrs == attrs && r->offers[o].audience == audience)
				break;
		if (o != NIL) {
			r->offers[o].refs++;
			attrs_unref(&r->attrs, attrs);
			audience_unref(&r->audiences, audience);
			return o;
		}
		o = offer_new(r);
	}
	if (o == NIL) {
		attrs_unref(&r->attrs, attrs);
		if (audience != NIL)
			audience_unref(&r->audiences, audience);
		if (e != NIL) { /* made just now, perhaps */
			r->entries[e].refs++;
			entry_unref(r, e);
		}
		return NIL;
	}
	r->offers[o] = (struct offer){ e, attrs, audience, 1, r->entries[e].offers };
	r->entries[e].offers = o;
	r->entries[e].refs++;
	return o;
}

/* The entry stays: the caller judges it and then drops the reference. false: others still make this offer. */
static bool offer_unref(struct rib *r, uint32_t o)
{
	struct offer *f = &r->offers[o];
	if (--f->refs > 0)
		return false;
	uint32_t *at = &r->entries[f->entry].offers;
	while (*at != o)
		at = &r->offers[*at].next;
	*at = f->next;
	attrs_unref(&r->attrs, f->attrs);
	audience_unref(&r->audiences, f->audience);
	r->entries[f->entry].refs--;
	f->next = r->free_offer;
	r->free_offer = o;
	return true;
}

/* Let go of the offers of a claim, and judge their prefixes anew. */
static void release(struct rib *r, const uint32_t *offers, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t e = r->offers[offers[i]].entry;
		r->entries[e].refs++;
		if (offer_unref(r, offers[i]))
			judge_all(r, e);
		entry_unref(r, e);
	}
}

static const uint32_t *claim_offers(const struct rib_claim *c)
{
	return c->n > RIB_CLAIM_FEW ? c->u.many : c->u.few;
}

void rib_claim_forget(struct rib_claim *c)
{
	if (c->n > RIB_CLAIM_FEW)
		free(c->u.many);
	*c = (struct rib_claim){ 0 };
}

static void claim_keep(struct rib_claim *c, uint32_t *offers, uint32_t n)
{
	rib_claim_forget(c);
	c->n = n;
	if (n > RIB_CLAIM_FEW) {
		c->u.many = offers;
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		c->u.few[i] = offers[i];
	free(offers);
}

int rib_claim_set(struct rib *r, struct rib_claim *c, const struct bgp_route *routes, size_t n, bool *changed)
{
	uint32_t *offers = n ? malloc(n * sizeof *offers) : NULL;
	if (n && !offers)
		return -ENOMEM;
	uint32_t got = 0;
	int rc = 0;
	for (size_t i = 0; i < n; i++) {
		int error;
		uint32_t o = offer_get(r, &routes[i], &error);
		if (o != NIL) {
			offers[got++] = o;
			continue;
		}
		rc = error;
		r->dropped++;
	}
	bool same = got == c->n && (got == 0 || memcmp(offers, claim_offers(c), got * sizeof *offers) == 0);
	if (!same)
		for (uint32_t i = 0; i < got; i++)
			judge_all(r, r->offers[offers[i]].entry);
	release(r, claim_offers(c), c->n);
	claim_keep(c, offers, got);
	if (changed)
		*changed = !same;
	return rc;
}

void rib_claim_fini(struct rib *r, struct rib_claim *c)
{
	rib_claim_set(r, c, NULL, 0, NULL);
}

static int compare_prefixes(const void *a, const void *b)
{
	return prefix_cmp(*(const prefix_t *)a, *(const prefix_t *)b);
}

size_t rib_claim_prefixes(const struct rib *r, const struct rib_claim *c, prefix_t *ret, size_t max)
{
	size_t n = 0;
	for (uint32_t i = 0; i < c->n && n < max; i++) {
		prefix_t p = entry_prefix(r, r->offers[claim_offers(c)[i]].entry);
		size_t k = 0;
		while (k < n && !prefix_eq(ret[k], p))
			k++;
		if (k == n)
			ret[n++] = p;
	}
	qsort(ret, n, sizeof *ret, compare_prefixes);
	return n;
}

enum rib_standing rib_claim_standing(const struct rib *r, const struct rib_claim *c, unsigned peer)
{
	enum rib_standing s = RIB_NOT_FOR_PEER;
	for (uint32_t i = 0; i < c->n; i++) {
		const struct offer *o = &r->offers[claim_offers(c)[i]];
		if (!audience_has(&r->audiences.v[o->audience], peer))
			continue;
		if (r->peers[peer].sent[o->entry] >= ATTRS_FIRST)
			return RIB_SENT;
		s = RIB_WANTED;
	}
	return s;
}

static void judge_everything(struct rib *r, unsigned peer)
{
	for (uint32_t e = 0; e < r->n; e++)
		if (r->slots->v[e].family)
			rib_want(r, peer, e, rib_judge(r, peer, e));
}

int rib_peer_add(struct rib *r, const char *name)
{
	unsigned i = 0;
	while (i < r->n_peers && r->peers[i].used)
		i++;
	if (i == RIB_MAX_PEERS)
		return -ENOSPC;
	struct peer_rib p = { .used = true, .sorted = true, .name = strdup(name) };
	if (!p.name || !peer_reserve(&p, 0, r->cap)) {
		free(p.name);
		free(p.wanted);
		free(p.sent);
		free(p.queued);
		return -ENOMEM;
	}
	r->peers[i] = p;
	if (i == r->n_peers)
		r->n_peers++;
	audience_peer(r, i);
	judge_everything(r, i);
	return (int)i;
}

void rib_peer_del(struct rib *r, unsigned peer)
{
	struct peer_rib *p = &r->peers[peer];
	if (!p->used)
		return;
	rib_session_down(r, peer);
	for (uint32_t e = 0; e < r->n; e++)
		attrs_unref(&r->attrs, p->wanted[e]);
	free(p->name);
	free(p->wanted);
	free(p->sent);
	free(p->queued);
	free(p->queue);
	*p = (struct peer_rib){ 0 };
	audience_peer(r, peer);
}

size_t rib_prefixes(const struct rib *r)
{
	return r->used;
}

uint64_t rib_dropped(const struct rib *r)
{
	return r->dropped;
}

bool rib_wanted(const struct rib *r, unsigned peer, prefix_t p, struct bgp_attributes *ret)
{
	uint32_t e = entry_find(r, p);
	uint32_t id = e == NIL ? ATTRS_NONE : r->peers[peer].wanted[e];
	if (id == ATTRS_NONE)
		return false;
	const struct attrs *a = &r->attrs.v[id];
	*ret = (struct bgp_attributes){ a->local_pref, a->n, a->v };
	return true;
}
