/* The compiled configuration as a value: look-ups and its end. Pure; run by allocator, gossipd, bgpd,
 * statusd, ingotctl. */
#include "lib/model/config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/model/compile.h"
#include "lib/model/name_set.h"

void node_set_fini(struct node_set *s)
{
	name_set_fini(&s->names);
}

void pool_fini(struct pool *p)
{
	free(p->name);
	free(p->ranges);
	free(p->prefixes);
	name_set_fini(&p->namespaces);
	selectors_fini(&p->service_selectors);
	free(p->l2_ads);
	free(p->bgp_ads);
}

void peer_fini(struct peer *p)
{
	free(p->name);
	free(p->interface);
	node_set_fini(&p->nodes);
	free(p->password_secret);
	free(p->bfd_profile);
	free(p->vrf);
}

void bfd_profile_fini(struct bfd_profile *p)
{
	free(p->name);
}

void l2_ad_fini(struct l2_ad *a)
{
	free(a->name);
	node_set_fini(&a->nodes);
	name_set_fini(&a->interfaces);
	selectors_fini(&a->services);
	for (size_t i = 0; i < a->n_scores; i++)
		free(a->scores[i].node);
	free(a->scores);
}

void bgp_ad_fini(struct bgp_ad *a)
{
	free(a->name);
	node_set_fini(&a->nodes);
	selectors_fini(&a->services);
	free(a->communities);
	name_set_fini(&a->peers);
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_pools; i++)
		pool_fini(&c->pools[i]);
	for (size_t i = 0; i < c->n_peers; i++)
		peer_fini(&c->peers[i]);
	for (size_t i = 0; i < c->n_bfd_profiles; i++)
		bfd_profile_fini(&c->bfd_profiles[i]);
	for (size_t i = 0; i < c->n_l2_ads; i++)
		l2_ad_fini(&c->l2_ads[i]);
	for (size_t i = 0; i < c->n_bgp_ads; i++)
		bgp_ad_fini(&c->bgp_ads[i]);
	free(c->pools);
	free(c->peers);
	free(c->bfd_profiles);
	free(c->l2_ads);
	free(c->bgp_ads);
	free(c->spans);
	free(c);
}

const struct pool *config_pool(const struct config *c, const char *name)
{
	for (size_t low = 0, high = c->n_pools; low < high;) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(name, c->pools[mid].name);
		if (order == 0)
			return &c->pools[mid];
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static bool is_usable(const struct pool *p, addr_t a)
{
	return !(p->avoid_buggy && addr_is_buggy(a));
}

const struct pool *config_pool_of(const struct config *c, addr_t a)
{
	for (size_t low = 0, high = c->n_spans; low < high;) {
		size_t mid = low + (high - low) / 2;
		const struct pool_span *s = &c->spans[mid];
		if (range_contains(s->range, a))
			return is_usable(s->pool, a) ? s->pool : NULL;
		if (addr_cmp(a, s->range.first) < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

bool pool_contains(const struct pool *p, addr_t a)
{
	for (size_t i = 0; i < p->n_ranges; i++)
		if (range_contains(p->ranges[i], a))
			return is_usable(p, a);
	return false;
}

bool node_set_equal(const struct node_set *a, const struct node_set *b)
{
	return a->all == b->all && name_set_equal(&a->names, &b->names);
}

bool node_set_disjoint(const struct node_set *a, const struct node_set *b)
{
	if (a->all)
		return !b->all && b->names.n == 0;
	if (b->all)
		return a->names.n == 0;
	return name_set_disjoint(&a->names, &b->names);
}
