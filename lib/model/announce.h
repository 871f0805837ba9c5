/* Who announces what: L2 eligibility and election, BGP eligibility and the advertisements of a Service. Pure.
 */
#ifndef INGOT_MODEL_ANNOUNCE_H
#define INGOT_MODEL_ANNOUNCE_H

#include "lib/model/limits.h"
#include "lib/model/service.h"

/* One node as L2 sees it. */
struct l2_node {
	const char *name;
	const Ingot__Node *object; /* NULL when the API does not know it */
	bool link_ok; /* an interface that the advertisements allow is up there, as far as known */
};

struct l2_verdict {
	enum withdraw_reason reason; /* for the own node; WITHDRAW_ANNOUNCE = own node is the owner */
	char owner[LIMIT_NODE_NAME + 1], successor[LIMIT_NODE_NAME + 1]; /* empty = nobody */
	size_t n_candidates;
	int64_t owner_score;
	bool lacks_link; /* nobody announces, and own node would if it had an interface of the advertisements
			  */
	bool all_interfaces;
	struct name_set interfaces; /* union over the own node's advertisements; free with l2_verdict_fini */
	char why[160]; /* "sha256 order among 3 candidates", "preferred, score 70", "no endpoint can serve" */
};

/* Decide for one Service. `live` are the nodes that membership believes alive or suspect, sorted by name.
 * ignore_exclude:
 * --ignore-exclude-lb. Sort: preference score descending, then SHA-256 of "node#ip" of the first ingress
 * address. */
int l2_decide(const struct service_addresses *a, const Ingot__Service *s, const struct endpoints *e,
	      const struct l2_node *live, size_t n_live, const char *own_node, bool ignore_exclude,
	      struct l2_verdict *ret);
void l2_verdict_fini(struct l2_verdict *v);

/* The election's order alone: sorts names in place. scores may be NULL (all 0) or has n entries. -ENOMEM
 * leaves the names as they were. */
int election_sort(const char **names, const int64_t *scores, size_t n, addr_t ip);

/* One BGP advertisement of one address of a Service. */
struct bgp_route {
	prefix_t prefix;
	uint32_t local_pref; /* 0 = unset */
	size_t n_communities;
	const community_t *communities; /* sorted, borrowed from the configuration */
	const struct name_set *peers;	/* empty = all; borrowed */
};
struct bgp_verdict {
	enum withdraw_reason reason;
	size_t n_routes; /* one per address and advertisement */
	struct bgp_route *routes;
};
int bgp_decide(const struct service_addresses *a, const Ingot__Service *s, const struct endpoints *e,
	       const char *own_node, const Ingot__Node *own, bool ignore_exclude, struct bgp_verdict *ret);
void bgp_verdict_fini(struct bgp_verdict *v);
/* The rule for two advertisements of one pool that differ in localPref. */
bool bgp_ads_conflict(const struct pool *p, const struct bgp_ad *a, const struct bgp_ad *b);

#endif
