/* BGP eligibility of one Service on one node, and the routes that follow. Pure; run by bgpd. It never asks
 * membership: BGP goes on when gossip does not. */
#include <errno.h>
#include <stdlib.h>

#include "lib/model/announce.h"
#include "lib/model/compile.h"

static bool lengths_differ(const struct pool *p, const struct bgp_ad *a, const struct bgp_ad *b)
{
	bool v4 = a->aggregation_v4 != b->aggregation_v4, v6 = a->aggregation_v6 != b->aggregation_v6;
	return (p->has_v4 || p->has_v6) && (v4 || !p->has_v4) && (v6 || !p->has_v6);
}

bool bgp_ads_conflict(const struct pool *p, const struct bgp_ad *a, const struct bgp_ad *b)
{
	if (a->local_pref == b->local_pref || lengths_differ(p, a, b))
		return false;
	if (a->peers.n > 0 && b->peers.n > 0 && name_set_disjoint(&a->peers, &b->peers))
		return false;
	return !node_set_disjoint(&a->nodes, &b->nodes);
}

/* Advertisements that name this node and match the Service. */
struct matching {
	size_t n, n_here;
	const struct bgp_ad **v;
};

static int find_matching(const struct pool *p, const Ingot__Service *s, const char *own_node,
			 struct matching *m)
{
	m->v = calloc(p->n_bgp_ads + 1, sizeof(void *));
	if (!m->v)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_bgp_ads; i++) {
		const struct bgp_ad *ad = p->bgp_ads[i];
		if (!node_set_has(&ad->nodes, own_node))
			continue;
		m->n_here++;
		if (selectors_match(&ad->services, s->meta ? s->meta->labels : NULL,
				    s->meta ? s->meta->n_labels : 0))
			m->v[m->n++] = ad;
	}
	return 0;
}

static bool any_conflict(const struct pool *p, const struct matching *m)
{
	for (size_t i = 0; i < m->n; i++)
		for (size_t j = i + 1; j < m->n; j++)
			if (bgp_ads_conflict(p, m->v[i], m->v[j]))
				return true;
	return false;
}

struct question {
	const struct pool *pool;
	const Ingot__Service *service;
	const struct endpoints *endpoints;
	const char *own_node;
	const Ingot__Node *own;
	bool ignore_exclude;
};

static enum withdraw_reason judge(const struct question *q, const struct matching *m)
{
	if (m->n_here == 0)
		return WITHDRAW_NOT_OWNER;
	if (m->n == 0)
		return WITHDRAW_NO_MATCHING_ADVERTISEMENT;
	if (any_conflict(q->pool, m))
		return WITHDRAW_CONFLICTING_ADVERTISEMENTS;
	if (node_network_unavailable(q->own))
		return WITHDRAW_NODE_NETWORK_UNAVAILABLE;
	if (!q->ignore_exclude && node_is_excluded(q->own))
		return WITHDRAW_NODE_LABELED_EXCLUDE_BALANCERS;
	if (service_is_local(q->service) && !name_set_has(&q->endpoints->serving_address_nodes, q->own_node))
		return WITHDRAW_NO_LOCAL_ENDPOINTS;
	if (!q->endpoints->any_serving_address)
		return WITHDRAW_NO_ENDPOINTS;
	return WITHDRAW_ANNOUNCE;
}

static struct bgp_route route_of(addr_t ip, const struct bgp_ad *ad)
{
	unsigned len = ip.family == FAMILY_V4 ? ad->aggregation_v4 : ad->aggregation_v6;
	return (struct bgp_route){ .prefix = prefix_of(ip, len),
				   .local_pref = ad->local_pref,
				   .n_communities = ad->n_communities,
				   .communities = ad->communities,
				   .peers = &ad->peers };
}

static int make_routes(const struct service_addresses *a, const struct matching *m, struct bgp_verdict *v)
{
	v->routes = calloc(a->n * m->n + 1, sizeof *v->routes);
	if (!v->routes)
		return -ENOMEM;
	for (size_t i = 0; i < a->n; i++)
		for (size_t j = 0; j < m->n; j++)
			v->routes[v->n_routes++] = route_of(a->v[i], m->v[j]);
	return 0;
}

int bgp_decide(const struct service_addresses *a, const Ingot__Service *s, const struct endpoints *e,
	       const char *own_node, const Ingot__Node *own, bool ignore_exclude, struct bgp_verdict *ret)
{
	struct matching m = { 0 };
	struct bgp_verdict v = { 0 };
	const struct question q = { a->pool, s, e, own_node, own, ignore_exclude };
	int rc = find_matching(a->pool, s, own_node, &m);
	if (rc == 0) {
		v.reason = judge(&q, &m);
		if (v.reason == WITHDRAW_ANNOUNCE)
			rc = make_routes(a, &m, &v);
	}
	free(m.v);
	if (rc == 0)
		*ret = v;
	return rc;
}

void bgp_verdict_fini(struct bgp_verdict *v)
{
	if (!v)
		return;
	free(v->routes);
	*v = (struct bgp_verdict){ 0 };
}
