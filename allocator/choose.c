/* The choice of an address: first fit in one pool, and the walk over the pools that a Service may use. Run by
 * the allocator; may not touch the world. */
#include <string.h>

#include "allocator/alloc.h"
#include "lib/base/must.h"
#include "lib/base/strbuf.h"

static bool find_shared(const struct alloc *a, const struct alloc_request *r, const struct share_group *g,
			uint32_t pool, unsigned fam, const struct okey *limit, uint32_t *span, addr_t *ret)
{
	const struct pool_space *ps = &a->space.pools[pool];
	struct okey from = { ps->first_span, { 0, 0 } };
	struct okey to = { ps->first_span + ps->n_spans, { 0, 0 } };
	return share_first(g, fam, from, limit ? *limit : to, r->ports, span, ret);
}

/* First fit: the first address in the pool's order that is free or may be shared; else the one that has
 * rested longest. */
static bool pick_one(const struct alloc *a, const struct alloc_request *r, const struct share_group *g,
		     uint32_t pool, unsigned fam, struct pick *p)
{
	uint32_t span = 0, shared_span;
	addr_t addr = { 0 }, shared;
	bool found = space_first_free(&a->space, pool, fam, &span, &addr);
	struct okey limit = { span, found ? ipnum_of(addr) : (struct ipnum){ 0, 0 } };
	if (g && find_shared(a, r, g, pool, fam, found ? &limit : NULL, &shared_span, &shared)) {
		span = shared_span;
		addr = shared;
	} else if (!found && !space_longest_resting(&a->space, pool, fam, &span, &addr)) {
		return false;
	}
	p->addr[p->n] = addr;
	p->span[p->n++] = span;
	return true;
}

/* Both families, IPv4 first. */
static bool pick_both(const struct alloc *a, const struct alloc_request *r, const struct share_group *g,
		      uint32_t pool, struct pick *p)
{
	p->n = 0;
	if (pick_one(a, r, g, pool, FAM_V4, p) && pick_one(a, r, g, pool, FAM_V6, p))
		return true;
	p->n = 0;
	return false;
}

static bool pick_family(const struct alloc *a, const struct alloc_request *r, const struct share_group *g,
			uint32_t pool, unsigned fam, struct pick *p)
{
	p->n = 0;
	return pick_one(a, r, g, pool, fam, p);
}

static unsigned primary(const struct alloc_request *r)
{
	if (r->family == SERVICE_FAMILY_DUAL)
		return r->prefer_v6 ? FAM_V6 : FAM_V4;
	return r->family == SERVICE_FAMILY_V6 ? FAM_V6 : FAM_V4;
}

/* Over a list of candidates: for a dual-stack Service the first that offers both families, and with
 * PreferDualStack else the first with its primary family, else the first with the other one. */
static bool walk(const struct alloc *a, const struct alloc_request *r, const struct share_group *g,
		 const uint32_t *pools, size_t n, bool check, struct pick *p)
{
	for (unsigned pass = 0; pass < 3; pass++) {
		bool both = r->family == SERVICE_FAMILY_DUAL && pass == 0;
		unsigned fam = pass == 2 ? 1 - primary(r) : primary(r);
		if (r->family != SERVICE_FAMILY_DUAL ? pass > 0 : pass > 0 && r->policy != POLICY_PREFER_DUAL)
			break;
		for (size_t i = 0; i < n; i++) {
			if (check && !alloc_pool_admits(&a->space.config->pools[pools[i]], r))
				continue;
			if (both ? pick_both(a, r, g, pools[i], p) : pick_family(a, r, g, pools[i], fam, p))
				return true;
		}
	}
	return false;
}

/* What it already has is kept, as far as it is of the family that is asked for. 1 = nothing there. */
static int keep(struct alloc *a, const struct alloc_request *r, mono_t now, struct alloc_error *error)
{
	char text[ADDR_TEXT];
	addr_t ips[2];
	const struct holder *h = alloc_holder(a, r->key);
	if (!h)
		return 1;
	for (size_t i = 0; i < h->n; i++) {
		ips[i] = h->seat[i].ip->addr;
		if (r->family != SERVICE_FAMILY_DUAL && fam_of(ips[i]) != primary(r))
			return alloc_fail(error, ALLOC_WRONG_FAMILY, "IP for wrong family assigned: %s",
					  addr_text(ips[i], text));
	}
	return alloc_assign(a, r, ips, h->n, now, error);
}

static int record(struct alloc *a, const struct alloc_request *r, const struct pick *p, mono_t now,
		  struct alloc_error *error)
{
	if (alloc_record(a, r, p, now) < 0)
		return alloc_fail(error, ALLOC_NO_MEMORY, "out of memory");
	return 0;
}

static const char *family_name(const struct alloc_request *r)
{
	if (r->family == SERVICE_FAMILY_DUAL)
		return r->policy == POLICY_PREFER_DUAL ? "IPv4 or IPv6" : "dual IPFamily (IPv4 and IPv6)";
	return r->family == SERVICE_FAMILY_V6 ? "IPv6" : "IPv4";
}

/* Does the pool have addresses of the family that is asked for at all? */
static bool offers(const struct pool *p, const struct alloc_request *r)
{
	if (r->family == SERVICE_FAMILY_DUAL)
		return r->policy == POLICY_PREFER_DUAL ? p->has_v4 || p->has_v6
						       : p->has_v4 && p->has_v6 && r->policy != POLICY_SINGLE;
	return r->family == SERVICE_FAMILY_V6 ? p->has_v6 : p->has_v4;
}

static int single_stack_dual(struct alloc_error *error)
{
	return alloc_fail(error, ALLOC_WRONG_FAMILY,
			  "the Service has cluster IPs of both IP families, and ipFamilyPolicy "
			  "SingleStack allows one address only");
}

static int pool_failed(const struct alloc *a, const struct pool *p, const struct alloc_request *r,
		       struct alloc_error *error)
{
	uint32_t i = (uint32_t)(p - a->space.config->pools);
	if (!offers(p, r))
		return alloc_fail(
		    error, ALLOC_WRONG_FAMILY,
		    "no available IPs in pool \"%s\" for %s: the pool has no addresses of that IP family",
		    p->name, family_name(r));
	if (r->family == SERVICE_FAMILY_DUAL)
		return alloc_fail(error, ALLOC_POOL_FULL,
				  "no available IPs in pool \"%s\" for dual IPFamily: no free %s "
				  "address is left",
				  p->name, space_has_room(&a->space, i, FAM_V4) ? "IPv6" : "IPv4");
	return alloc_fail(error, ALLOC_POOL_FULL,
			  "no available IPs in pool \"%s\": no free %s address is left", p->name,
			  family_name(r));
}

int alloc_from_pool(struct alloc *a, const struct alloc_request *r, const char *name, mono_t now,
		    struct alloc_error *error)
{
	struct pick p = { 0 };
	int e = keep(a, r, now, error);
	if (e <= 0)
		return e;
	const struct pool *pool = a->space.config ? config_pool(a->space.config, name) : NULL;
	if (!pool)
		return alloc_fail(error, ALLOC_UNKNOWN_POOL, "unknown pool \"%s\"", name);
	if (!alloc_pool_admits(pool, r))
		return alloc_fail(
		    error, ALLOC_POOL_EXCLUDED,
		    "pool \"%s\" is not compatible for ip assignment: its serviceAllocation does not admit "
		    "the Service",
		    name);
	if (r->family == SERVICE_FAMILY_DUAL && r->policy == POLICY_SINGLE)
		return single_stack_dual(error);
	space_expire(&a->space, now);
	uint32_t index = (uint32_t)(pool - a->space.config->pools);
	if (!walk(a, r, share_find(&a->shares, r->sharing, r->backend), &index, 1, false, &p))
		return pool_failed(a, pool, r, error);
	return record(a, r, &p, now, error);
}

/* Names of the candidates for the sentence, at most a few. */
struct candidates {
	size_t n, n_offering;
	struct strbuf names;
};

static void count_candidates(const struct alloc *a, const struct alloc_request *r, const uint32_t *pools,
			     size_t n, bool check, struct candidates *c)
{
	enum { NAMED = 4 };
	for (size_t i = 0; i < n; i++) {
		const struct pool *p = &a->space.config->pools[pools[i]];
		if (check && !alloc_pool_admits(p, r))
			continue;
		if (c->n++ < NAMED)
			strbuf_fmt(&c->names, "%s\"%s\"", c->n > 1 ? ", " : "", p->name);
		else if (c->n == NAMED + 1)
			strbuf_add(&c->names, ", ...");
		c->n_offering += offers(p, r);
	}
}

static int auto_failed(const struct alloc *a, const struct alloc_request *r, struct alloc_error *error)
{
	struct candidates c = { 0 };
	count_candidates(a, r, a->pinned, a->n_pinned, true, &c);
	count_candidates(a, r, a->unpinned, a->n_unpinned, false, &c);
	if (c.n == 0 && a->n_pinned > 0)
		alloc_fail(error, ALLOC_POOL_EXCLUDED,
			   "no available IPs: the serviceAllocation of every pool excludes the "
			   "Service, pool \"%s\" first",
			   a->space.config->pools[a->pinned[0]].name);
	else if (c.n == 0)
		alloc_fail(error, ALLOC_NO_POOL,
			   "no available IPs: no pool is open for automatic assignment");
	else if (c.n_offering == 0)
		alloc_fail(error, ALLOC_WRONG_FAMILY,
			   "no available IPs: no addresses of the IP family %s in pool %s", family_name(r),
			   strbuf_get(&c.names));
	else
		alloc_fail(error, ALLOC_POOL_FULL, "no available IPs: no free %s address is left in pool %s",
			   family_name(r), strbuf_get(&c.names));
	strbuf_fini(&c.names);
	return -1;
}

int alloc_auto(struct alloc *a, const struct alloc_request *r, mono_t now, struct alloc_error *error)
{
	struct pick p = { 0 };
	int e = keep(a, r, now, error);
	if (e <= 0)
		return e;
	if (!a->space.config || a->space.config->n_pools == 0)
		return alloc_fail(error, ALLOC_NO_POOL, "no available IPs: no pool is configured");
	if (r->family == SERVICE_FAMILY_DUAL && r->policy == POLICY_SINGLE)
		return single_stack_dual(error);
	space_expire(&a->space, now);
	const struct share_group *g = share_find(&a->shares, r->sharing, r->backend);
	if (!walk(a, r, g, a->pinned, a->n_pinned, true, &p) &&
	    !walk(a, r, g, a->unpinned, a->n_unpinned, false, &p))
		return auto_failed(a, r, error);
	return record(a, r, &p, now, error);
}

int alloc_second(struct alloc *a, const struct alloc_request *r, mono_t now, struct alloc_error *error)
{
	const struct holder *h = alloc_holder(a, r->key);
	must(h && h->n == 1);
	struct pick p = { 1, { h->seat[0].ip->addr }, { h->seat[0].ip->span } };
	unsigned fam = 1 - fam_of(p.addr[0]);
	const struct pool *pool = alloc_pool_of(a, h);
	const char *name = fam == FAM_V6 ? "IPv6" : "IPv4";
	space_expire(&a->space, now);
	if (!(fam == FAM_V6 ? pool->has_v6 : pool->has_v4))
		return alloc_fail(error, ALLOC_WRONG_FAMILY,
				  "pool \"%s\" has no addresses of the IP family %s", pool->name, name);
	if (!pick_one(a, r, share_find(&a->shares, r->sharing, r->backend),
		      (uint32_t)(pool - a->space.config->pools), fam, &p))
		return alloc_fail(error, ALLOC_POOL_FULL,
				  "no available IPs in pool \"%s\": no free %s address is left", pool->name,
				  name);
	return record(a, r, &p, now, error);
}
