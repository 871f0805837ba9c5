/* L2Advertisements: eligible nodes, interfaces, preferences. Pure; part of the configuration compiler. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "lib/model/compile.h"
#include "lib/model/name_set.h"

enum { MAX_WEIGHT = 100 };

bool compile_target(const struct subject *s, char *const *pools, size_t n_pools,
		    Ingot__LabelSelector *const *selectors, size_t n_selectors, struct ad_target *t)
{
	t->all = n_pools == 0 && n_selectors == 0;
	return compile_names(s, pools, n_pools, "spec.ipAddressPools",
			     "duplicate definition of ipAddressPools", &t->names) &&
	       compile_selectors(s, selectors, n_selectors, "ipAddressPoolSelectors", &t->selectors);
}

static void refuse_preference(const struct subject *s, size_t index, const char *why)
{
	char field[64];
	str_fmt(field, sizeof field, "spec.preferredNodeSelectors[%zu]", index);
	compile_error(s, field, "invalid preferred node selector: %s", why);
}

/* Add the weight of one preference to the score of each eligible node that it matches. `scores` runs parallel
 * to the map of nodes. */
static bool add_preference(const struct subject *s, size_t index, const Ingot__PreferredNodeSelector *in,
			   const struct node_set *eligible, int64_t *scores)
{
	struct selectors selectors;
	char *error;
	if (!in->preference || in->weight < 1 || in->weight > MAX_WEIGHT) {
		refuse_preference(s, index,
				  in->preference ? "weight must be in 1-100 range" : "preference is missing");
		return false;
	}
	if (selectors_compile(&in->preference, 1, &selectors, &error) < 0) {
		if (error)
			refuse_preference(s, index, error);
		s->cc->oom |= !error;
		free(error);
		return false;
	}
	const struct map *nodes = &s->cc->objects->by_kind[KIND_NODE];
	size_t i = 0;
	map_each (nodes, e) {
		const Ingot__ObjectMeta *meta = object_meta(KIND_NODE, e->value);
		if (meta && *meta->name && node_set_has(eligible, meta->name) &&
		    selectors_match(&selectors, meta->labels, meta->n_labels))
			scores[i] += in->weight;
		i++;
	}
	selectors_fini(&selectors);
	return true;
}

static int cmp_scores(const void *a, const void *b)
{
	return strcmp(((const struct node_score *)a)->node, ((const struct node_score *)b)->node);
}

static bool keep_scores(struct compiler *cc, const int64_t *scores, struct l2_ad *ad)
{
	const struct map *nodes = &cc->objects->by_kind[KIND_NODE];
	ad->scores = compile_array(cc, map_len(nodes), sizeof *ad->scores);
	if (!ad->scores)
		return false;
	size_t i = 0;
	map_each (nodes, e) {
		if (scores[i] != 0) {
			char *node = compile_copy(cc, object_meta(KIND_NODE, e->value)->name);
			if (!node)
				return false;
			ad->scores[ad->n_scores++] = (struct node_score){ node, scores[i] };
		}
		i++;
	}
	qsort(ad->scores, ad->n_scores, sizeof *ad->scores, cmp_scores);
	return true;
}

static bool compile_preferences(const struct subject *s, const Ingot__L2Advertisement *in, struct l2_ad *ad)
{
	if (in->n_preferred_node_selectors == 0)
		return true;
	int64_t *scores = compile_array(s->cc, map_len(&s->cc->objects->by_kind[KIND_NODE]), sizeof *scores);
	bool ok = scores != NULL;
	for (size_t i = 0; ok && i < in->n_preferred_node_selectors; i++)
		ok = add_preference(s, i, in->preferred_node_selectors[i], &ad->nodes, scores);
	ok = ok && keep_scores(s->cc, scores, ad);
	free(scores);
	return ok;
}

static bool compile_l2_ad(const struct subject *s, const Ingot__L2Advertisement *in, struct l2_item *item)
{
	struct l2_ad *ad = &item->ad;
	item->meta = s->meta;
	ad->name = compile_copy(s->cc, s->meta->name);
	if (!ad->name ||
	    !compile_target(s, in->ip_address_pools, in->n_ip_address_pools, in->ip_address_pool_selectors,
			    in->n_ip_address_pool_selectors, &item->target))
		return false;
	ad->all_interfaces = in->n_interfaces == 0;
	if (name_set_of(in->interfaces, in->n_interfaces, &ad->interfaces, NULL) < 0) {
		s->cc->oom = true;
		return false;
	}
	return compile_nodes(s, in->node_selectors, in->n_node_selectors, &ad->nodes) &&
	       compile_selectors(s, in->service_selectors, in->n_service_selectors, "serviceSelectors",
				 &ad->services) &&
	       compile_preferences(s, in, ad);
}

static int cmp_ads(const void *a, const void *b)
{
	return strcmp(((const struct l2_ad *)a)->name, ((const struct l2_ad *)b)->name);
}

/* The items keep the order of age for attaching; the configuration gets the advertisements sorted by name. */
static void publish(struct compiler *cc)
{
	struct config *c = cc->c;
	for (size_t i = 0; i < c->n_l2_ads; i++)
		c->l2_ads[i] = cc->l2_items[i].ad;
	qsort(c->l2_ads, c->n_l2_ads, sizeof *c->l2_ads, cmp_ads);
	for (size_t i = 0; i < c->n_l2_ads; i++)
		cc->l2_items[i].placed =
		    bsearch(&cc->l2_items[i].ad, c->l2_ads, c->n_l2_ads, sizeof *c->l2_ads, cmp_ads);
}

void compile_l2_ads(struct compiler *cc)
{
	struct config *c = cc->c;
	struct object_list l = compile_list(cc, KIND_L2_ADVERTISEMENT);
	c->l2_ads = compile_array(cc, l.n, sizeof *c->l2_ads);
	cc->l2_items = compile_array(cc, l.n, sizeof *cc->l2_items);
	if (!c->l2_ads || !cc->l2_items) {
		object_list_fini(&l);
		return;
	}
	for (size_t i = 0; i < l.n && !cc->oom; i++) {
		struct subject s = { cc, KIND_L2_ADVERTISEMENT, l.v[i].meta };
		struct l2_item *item = &cc->l2_items[c->n_l2_ads];
		if (compile_l2_ad(&s, (const Ingot__L2Advertisement *)l.v[i].m, item)) {
			c->n_l2_ads++;
		} else {
			l2_ad_fini(&item->ad);
			ad_target_fini(&item->target);
			*item = (struct l2_item){ 0 };
		}
	}
	publish(cc);
	object_list_fini(&l);
}
