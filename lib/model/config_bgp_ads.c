/* BGPAdvertisements: aggregation, communities, peers. Pure; part of the configuration compiler. RFC 1997, RFC
 * 8092. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "lib/model/compile.h"
#include "lib/model/limits.h"
#include "lib/model/name_set.h"

static bool compile_length(const struct subject *s, const Ingot__OptInt *in, const char *field, uint8_t most,
			   uint8_t *ret)
{
	*ret = most;
	if (!in)
		return true;
	if (in->value < 1 || in->value > most) {
		compile_error(s, field, "invalid aggregation length %" PRId64 ", must be in 1-%u range",
			      in->value, most);
		return false;
	}
	*ret = (uint8_t)in->value;
	return true;
}

/* Aliases win over literals, even when they look like one. */
static bool resolve(const struct subject *s, size_t index, const char *text, community_t *ret)
{
	const community_t *alias = map_get(&s->cc->aliases, text);
	char field[64], q[QUOTED];
	if (alias) {
		*ret = *alias;
		return true;
	}
	int rc = community_parse(text, ret);
	if (rc == 0)
		return true;
	str_fmt(field, sizeof field, "spec.communities[%zu]", index);
	quoted(text, q);
	if (rc == -EDOM)
		compile_transient(
		    s, field,
		    "invalid community format: \"%s\" is neither a community nor a known alias: "
		    "invalid community \"%s\" in BGP advertisement",
		    q, q);
	else
		compile_error(s, field,
			      "invalid community value: invalid community \"%s\" in BGP advertisement", q);
	return false;
}

static int cmp_communities(const void *a, const void *b)
{
	return community_cmp(*(const community_t *)a, *(const community_t *)b);
}

static void sort_unique(struct bgp_ad *ad)
{
	size_t n = 0;
	qsort(ad->communities, ad->n_communities, sizeof *ad->communities, cmp_communities);
	for (size_t i = 0; i < ad->n_communities; i++)
		if (n == 0 || community_cmp(ad->communities[n - 1], ad->communities[i]) != 0)
			ad->communities[n++] = ad->communities[i];
	ad->n_communities = n;
}

static bool compile_communities(const struct subject *s, const Ingot__BGPAdvertisement *in, struct bgp_ad *ad)
{
	struct name_set texts = { 0 };
	if (!compile_names(s, in->communities, in->n_communities, "spec.communities",
			   "duplicate definition of community", &texts))
		return false;
	name_set_fini(&texts);
	ad->communities = compile_array(s->cc, in->n_communities, sizeof *ad->communities);
	if (!ad->communities)
		return false;
	for (size_t i = 0; i < in->n_communities; i++)
		if (!resolve(s, i, in->communities[i], &ad->communities[ad->n_communities++]))
			return false;
	sort_unique(ad);
	if (ad->n_communities > LIMIT_COMMUNITIES) {
		compile_error(s, "spec.communities", "more than %d communities", LIMIT_COMMUNITIES);
		return false;
	}
	return true;
}

static bool compile_attributes(const struct subject *s, const Ingot__BGPAdvertisement *in, struct bgp_ad *ad)
{
	if (!compile_length(s, in->aggregation_length, "spec.aggregationLength", 32, &ad->aggregation_v4) ||
	    !compile_length(s, in->aggregation_length_v6, "spec.aggregationLengthV6", 128,
			    &ad->aggregation_v6))
		return false;
	if (in->local_pref < 0 || in->local_pref > UINT32_MAX) {
		compile_error(s, "spec.localPref", "invalid local preference %" PRId64, in->local_pref);
		return false;
	}
	ad->local_pref = (uint32_t)in->local_pref;
	if (in->n_service_selectors > 0 && (ad->aggregation_v4 != 32 || ad->aggregation_v6 != 128)) {
		compile_error(s, "spec.serviceSelectors",
			      "serviceSelectors and aggregationLength are mutually exclusive");
		return false;
	}
	return compile_communities(s, in, ad);
}

static bool compile_bgp_ad(const struct subject *s, const Ingot__BGPAdvertisement *in, struct bgp_item *item)
{
	struct bgp_ad *ad = &item->ad;
	item->meta = s->meta;
	ad->name = compile_copy(s->cc, s->meta->name);
	return ad->name &&
	       compile_target(s, in->ip_address_pools, in->n_ip_address_pools, in->ip_address_pool_selectors,
			      in->n_ip_address_pool_selectors, &item->target) &&
	       compile_attributes(s, in, ad) &&
	       compile_names(s, in->peers, in->n_peers, "spec.peers", "duplicate definition of peers",
			     &ad->peers) &&
	       compile_nodes(s, in->node_selectors, in->n_node_selectors, &ad->nodes) &&
	       compile_selectors(s, in->service_selectors, in->n_service_selectors, "serviceSelectors",
				 &ad->services);
}

static int cmp_ads(const void *a, const void *b)
{
	return strcmp(((const struct bgp_ad *)a)->name, ((const struct bgp_ad *)b)->name);
}

/* The items keep the order of age for attaching; the configuration gets the advertisements sorted by name. */
static void publish(struct compiler *cc)
{
	struct config *c = cc->c;
	for (size_t i = 0; i < c->n_bgp_ads; i++)
		c->bgp_ads[i] = cc->bgp_items[i].ad;
	qsort(c->bgp_ads, c->n_bgp_ads, sizeof *c->bgp_ads, cmp_ads);
	for (size_t i = 0; i < c->n_bgp_ads; i++)
		cc->bgp_items[i].placed =
		    bsearch(&cc->bgp_items[i].ad, c->bgp_ads, c->n_bgp_ads, sizeof *c->bgp_ads, cmp_ads);
}

void compile_bgp_ads(struct compiler *cc)
{
	struct config *c = cc->c;
	struct object_list l = compile_list(cc, KIND_BGP_ADVERTISEMENT);
	c->bgp_ads = compile_array(cc, l.n, sizeof *c->bgp_ads);
	cc->bgp_items = compile_array(cc, l.n, sizeof *cc->bgp_items);
	if (!c->bgp_ads || !cc->bgp_items) {
		object_list_fini(&l);
		return;
	}
	for (size_t i = 0; i < l.n && !cc->oom; i++) {
		struct subject s = { cc, KIND_BGP_ADVERTISEMENT, l.v[i].meta };
		struct bgp_item *item = &cc->bgp_items[c->n_bgp_ads];
		if (compile_bgp_ad(&s, (const Ingot__BGPAdvertisement *)l.v[i].m, item)) {
			c->n_bgp_ads++;
		} else {
			bgp_ad_fini(&item->ad);
			ad_target_fini(&item->target);
			*item = (struct bgp_item){ 0 };
		}
	}
	publish(cc);
	object_list_fini(&l);
}
