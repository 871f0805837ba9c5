/* The configuration compiler: objects in, one immutable configuration and its diagnostics out. A broken
 * object takes down only itself (and what cannot stand without it); everything else is compiled.
 * Deterministic: the order in which objects arrived does not show. Shared by allocator, gossipd, bgpd,
 * statusd and ingotctl. Pure. */
#ifndef INGOT_MODEL_CONFIG_H
#define INGOT_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/addr.h"
#include "lib/model/community.h"
#include "lib/model/diag.h"
#include "lib/model/objects.h"
#include "lib/model/selector.h"

struct name_set {
	size_t n;
	char **v; /* sorted, unique */
};
bool name_set_has(const struct name_set *s, const char *name);
bool name_set_disjoint(const struct name_set *a, const struct name_set *b);

/* Nodes that match a list of node selectors; `all` when there was none. */
struct node_set {
	bool all;
	struct name_set names;
};
bool node_set_has(const struct node_set *s, const char *node);

struct node_score {
	char *node;
	int64_t score;
};

struct l2_ad {
	char *name;
	struct node_set nodes;
	bool all_interfaces;
	struct name_set interfaces;
	struct selectors services; /* empty = all Services */
	size_t n_scores;
	struct node_score
	    *scores; /* sorted by node; sum of matching preferredNodeSelectors, within nodes only */
};
struct bgp_ad {
	char *name;
	struct node_set nodes;
	struct selectors services;
	uint8_t aggregation_v4, aggregation_v6; /* prefix lengths, 32 and 128 unless set */
	uint32_t local_pref;			/* 0 = unset */
	size_t n_communities;
	community_t *communities; /* sorted, unique */
	struct name_set peers;	  /* empty = all */
};

struct pool {
	char *name;
	bool auto_assign, avoid_buggy;
	size_t n_ranges;
	range_t *ranges; /* in spec order, as written; allocation walks them in this order */
	size_t n_prefixes;
	prefix_t *prefixes; /* the same addresses as minimal prefixes, spec order */
	bool has_v4, has_v6;
	bool pinned;		    /* serviceAllocation is set */
	int64_t priority;	    /* 0 = last, 1 = best */
	bool namespaces_restricted; /* names or selectors were given, even when they match no namespace */
	struct name_set namespaces;
	struct selectors service_selectors;
	size_t n_l2_ads, n_bgp_ads;
	const struct l2_ad **l2_ads; /* attached, by name; owned by the configuration */
	const struct bgp_ad **bgp_ads;
};

enum dynamic_asn { DYNAMIC_ASN_NONE, DYNAMIC_ASN_INTERNAL, DYNAMIC_ASN_EXTERNAL };

struct peer {
	char *name;
	uint32_t my_asn, peer_asn, local_asn; /* 0 = unset */
	enum dynamic_asn dynamic_asn;
	addr_t address, source, router_id; /* family NONE = unset */
	char *interface;		   /* NULL = unset */
	uint16_t port;
	bool has_hold, has_keepalive, has_connect;
	uint32_t hold_s, keepalive_s, connect_s; /* already completed: see has_* for "use the default" */
	struct node_set nodes;
	bool has_password;     /* inline or Secret: ask the watcher */
	char *password_secret; /* NULL = inline or none */
	char *bfd_profile;     /* NULL = none */
	bool graceful_restart, multi_hop, dual_stack;
	char *vrf; /* NULL = main table */
};

struct bfd_profile {
	char *name;
	uint32_t receive_ms, transmit_ms, multiplier, echo_ms, minimum_ttl; /* defaults filled in */
	bool echo_mode, passive_mode;
};

/* One accepted range and its pool; the ranges of all pools are disjoint. */
struct pool_span {
	range_t range;
	const struct pool *pool;
};

struct config {
	size_t n_pools, n_peers, n_bfd_profiles, n_l2_ads, n_bgp_ads;
	struct pool *pools; /* each array sorted by name */
	struct peer *peers;
	struct bfd_profile *bfd_profiles;
	struct l2_ad *l2_ads;
	struct bgp_ad *bgp_ads;
	size_t n_spans;
	struct pool_span *spans; /* sorted by address */
	uint64_t digest;	 /* equal configurations have equal digests */
};

struct config_input {
	const struct objects *objects;
	const char *ns;	   /* only metallb.io objects, Secrets and ConfigMaps of this namespace count */
	bool want_secrets; /* check password Secrets (bgpd); false where Secrets are not seen */
};

/* Compile. Never fails as a whole except -ENOMEM; what is wrong goes to diags. The caller frees with
 * config_free. */
int config_compile(const struct config_input *in, struct diags *diags, struct config **ret);
void config_free(struct config *c);

const struct pool *config_pool(const struct config *c, const char *name);
const struct bfd_profile *config_bfd_profile(const struct config *c, const char *name);
/* The pool that contains a; NULL when none does. Buggy addresses of an avoidBuggyIPs pool are not contained.
 */
const struct pool *config_pool_of(const struct config *c, addr_t a);
bool pool_contains(const struct pool *p, addr_t a);

#endif
