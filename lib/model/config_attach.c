/* Advertisements meet pools: who is attached where, and which attachments are refused. A refused attachment
 * leaves the advertisement's other pools alone. Pure; part of the configuration compiler. */
#include <stdlib.h>
#include <string.h>

#include "lib/model/announce.h"
#include "lib/model/compile.h"
#include "lib/model/name_set.h"

static bool is_targeted(const struct compiler *cc, const struct ad_target *t, size_t pool)
{
	const Ingot__ObjectMeta *meta = cc->pool_meta[pool];
	if (t->all || name_set_has(&t->names, cc->c->pools[pool].name))
		return true;
	return t->selectors.n > 0 && selectors_match(&t->selectors, meta->labels, meta->n_labels);
}

/* Names that point nowhere are legal (the object may still come), but an operator should see them. */
static void warn_unknown_pools(const struct subject *s, const struct ad_target *t)
{
	for (size_t i = 0; i < t->names.n; i++)
		if (!config_pool(s->cc->c, t->names.v[i])) {
			char q[QUOTED];
			compile_warning(s, "spec.ipAddressPools", "pool \"%s\" does not exist or was refused",
					quoted(t->names.v[i], q));
		}
}

static bool has_peer(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_peers; i++)
		if (strcmp(c->peers[i].name, name) == 0)
			return true;
	return false;
}

static void warn_unknown_peers(const struct subject *s, const struct bgp_ad *ad)
{
	for (size_t i = 0; i < ad->peers.n; i++)
		if (!has_peer(s->cc->c, ad->peers.v[i])) {
			char q[QUOTED];
			compile_warning(s, "spec.peers", "peer \"%s\" does not exist or was refused",
					quoted(ad->peers.v[i], q));
		}
}

static bool is_same_l2(const struct l2_ad *a, const struct l2_ad *b)
{
	return a->n_scores == 0 && b->n_scores == 0 && a->all_interfaces == b->all_interfaces &&
	       node_set_equal(&a->nodes, &b->nodes) && name_set_equal(&a->interfaces, &b->interfaces) &&
	       selectors_equal(&a->services, &b->services);
}

static int cmp_l2(const void *a, const void *b)
{
	return strcmp((*(const struct l2_ad *const *)a)->name, (*(const struct l2_ad *const *)b)->name);
}

static int cmp_bgp(const void *a, const void *b)
{
	return strcmp((*(const struct bgp_ad *const *)a)->name, (*(const struct bgp_ad *const *)b)->name);
}

/* Advertisements that say the same about a pool are attached once; scores add up, so those with scores all
 * count. */
static void attach_l2(struct compiler *cc, size_t pool, const struct l2_ad **scratch)
{
	struct pool *p = &cc->c->pools[pool];
	size_t n = 0;
	for (size_t i = 0; i < cc->c->n_l2_ads; i++) {
		const struct l2_item *item = &cc->l2_items[i];
		size_t twin = 0;
		if (!is_targeted(cc, &item->target, pool))
			continue;
		while (twin < n && !is_same_l2(scratch[twin], item->placed))
			twin++;
		if (twin == n)
			scratch[n++] = item->placed;
	}
	if (n == 0 || !(p->l2_ads = compile_array(cc, n, sizeof(void *))))
		return;
	memcpy(p->l2_ads, scratch, n * sizeof(void *));
	p->n_l2_ads = n;
	qsort(p->l2_ads, n, sizeof(void *), cmp_l2);
}

/* For each family the longest of the entries' widest prefixes: no announced prefix may be wider than an
 * entry. */
struct widths {
	uint8_t v4, v6;
};

static void widest(void *ctx, prefix_t p)
{
	uint8_t *len = ctx;
	if (p.len < *len)
		*len = p.len;
}

static struct widths pool_widths(const struct pool *p)
{
	struct widths w = { 0 };
	for (size_t i = 0; i < p->n_ranges; i++) {
		uint8_t len = 128;
		range_split(p->ranges[i], widest, &len);
		uint8_t *most = p->ranges[i].first.family == FAMILY_V4 ? &w.v4 : &w.v6;
		if (len > *most)
			*most = len;
	}
	return w;
}

static bool lengths_fit(const struct subject *s, const struct bgp_ad *ad, const struct pool *p,
			struct widths w)
{
	bool v4_bad = p->has_v4 && ad->aggregation_v4 < w.v4;
	if (!v4_bad && !(p->has_v6 && ad->aggregation_v6 < w.v6))
		return true;
	compile_error(s, v4_bad ? "spec.aggregationLength" : "spec.aggregationLengthV6",
		      "invalid aggregation length %u: prefix /%u in pool \"%s\" is more specific than the "
		      "aggregation length",
		      v4_bad ? ad->aggregation_v4 : ad->aggregation_v6, v4_bad ? w.v4 : w.v6, p->name);
	return false;
}

/* BFD echo exists for IPv4 alone. */
static bool echo_fits(const struct subject *s, const struct bgp_ad *ad, const struct pool *p)
{
	const struct config *c = s->cc->c;
	for (size_t i = 0; p->has_v6 && i < c->n_peers; i++) {
		const struct peer *peer = &c->peers[i];
		const struct bfd_profile *profile =
		    peer->bfd_profile ? config_bfd_profile(c, peer->bfd_profile) : NULL;
		if (!profile || !profile->echo_mode ||
		    (ad->peers.n > 0 && !name_set_has(&ad->peers, peer->name)))
			continue;
		compile_error(s, "spec",
			      "pool \"%s\" has IPv6 addresses and is advertised to peer \"%s\" which has bfd "
			      "echo enabled",
			      p->name, peer->name);
		return false;
	}
	return true;
}

static bool local_pref_fits(const struct subject *s, const struct bgp_ad *ad, const struct pool *p,
			    const struct bgp_ad **attached, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		/* With selectors it depends on the Service; that is judged when one is announced. */
		if (ad->services.n > 0 || attached[i]->services.n > 0 ||
		    !bgp_ads_conflict(p, attached[i], ad))
			continue;
		compile_error(s, "spec.localPref",
			      "invalid local preference %u: advertisement \"%s\" of pool \"%s\" sets %u",
			      ad->local_pref, attached[i]->name, p->name, attached[i]->local_pref);
		return false;
	}
	return true;
}

static void attach_bgp(struct compiler *cc, size_t pool, const struct bgp_ad **scratch)
{
	struct pool *p = &cc->c->pools[pool];
	struct widths w = pool_widths(p);
	size_t n = 0;
	for (size_t i = 0; i < cc->c->n_bgp_ads; i++) {
		const struct bgp_item *item = &cc->bgp_items[i];
		struct subject s = { cc, KIND_BGP_ADVERTISEMENT, item->meta };
		if (is_targeted(cc, &item->target, pool) && lengths_fit(&s, item->placed, p, w) &&
		    echo_fits(&s, item->placed, p) && local_pref_fits(&s, item->placed, p, scratch, n))
			scratch[n++] = item->placed;
	}
	if (n == 0 || !(p->bgp_ads = compile_array(cc, n, sizeof(void *))))
		return;
	memcpy(p->bgp_ads, scratch, n * sizeof(void *));
	p->n_bgp_ads = n;
	qsort(p->bgp_ads, n, sizeof(void *), cmp_bgp);
}

static void warn_unknown(struct compiler *cc)
{
	for (size_t i = 0; i < cc->c->n_l2_ads; i++) {
		struct subject s = { cc, KIND_L2_ADVERTISEMENT, cc->l2_items[i].meta };
		warn_unknown_pools(&s, &cc->l2_items[i].target);
	}
	for (size_t i = 0; i < cc->c->n_bgp_ads; i++) {
		struct subject s = { cc, KIND_BGP_ADVERTISEMENT, cc->bgp_items[i].meta };
		warn_unknown_pools(&s, &cc->bgp_items[i].target);
		warn_unknown_peers(&s, cc->bgp_items[i].placed);
	}
}

void compile_attach(struct compiler *cc)
{
	const struct l2_ad **l2 = compile_array(cc, cc->c->n_l2_ads, sizeof(void *));
	const struct bgp_ad **bgp = compile_array(cc, cc->c->n_bgp_ads, sizeof(void *));
	for (size_t i = 0; l2 && bgp && i < cc->c->n_pools && !cc->oom; i++) {
		attach_l2(cc, i, l2);
		attach_bgp(cc, i, bgp);
	}
	warn_unknown(cc);
	free(l2);
	free(bgp);
}
