/* A Service seen by Ingot: which ones are ours, their annotations, families, endpoints, and the gates that
 * come before any announcement. Pure. */
#ifndef INGOT_MODEL_SERVICE_H
#define INGOT_MODEL_SERVICE_H

#include "lib/model/config.h"

/* Annotations: the stable key wins when present, even when its value is empty. */
#define ANNOTATION_POOL		 "metallb.io/address-pool"
#define ANNOTATION_IPS		 "metallb.io/loadBalancerIPs"
#define ANNOTATION_SHARE	 "metallb.io/allow-shared-ip"
#define ANNOTATION_FROM_POOL	 "metallb.io/ip-allocated-from-pool"
#define ANNOTATION_LEGACY_PREFIX "metallb.universe.tf/"

/* Value of a stable annotation key or of its legacy twin; NULL when neither is there. */
const char *service_annotation(const Ingot__Service *s, const char *stable_key);
bool service_is_load_balancer(const Ingot__Service *s);
/* --lb-class: empty class handles Services without one; else only an equal one. */
bool service_class_matches(const Ingot__Service *s, const char *lb_class);
bool service_is_local(const Ingot__Service *s); /* externalTrafficPolicy Local */

enum service_family { SERVICE_FAMILY_NONE, SERVICE_FAMILY_V4, SERVICE_FAMILY_V6, SERVICE_FAMILY_DUAL };
enum service_family service_family(const Ingot__Service *s); /* of clusterIPs; NONE = cannot be told */

/* Reasons why a node does not announce, in the API's own words. */
#define WITHDRAW_REASONS(X)                                                                                  \
	X(ANNOUNCE, "")                                                                                      \
	X(SERVICE_DELETED, "serviceDeleted")                                                                 \
	X(NOT_LOAD_BALANCER, "notLoadBalancer")                                                              \
	X(FOREIGN_CLASS, "foreignLoadBalancerClass")                                                         \
	X(NO_IP_ALLOCATED, "noIPAllocated")                                                                  \
	X(INVALID_IP, "invalidIP")                                                                           \
	X(IP_NOT_ALLOWED, "ipNotAllowed")                                                                    \
	X(NOT_OWNER, "notOwner")                                                                             \
	X(SHARED_IP_WITH_SERVICE_SELECTOR, "sharedIPWithServiceSelector")                                    \
	X(NO_MATCHING_ADVERTISEMENT, "noMatchingAdvertisement")                                              \
	X(CONFLICTING_ADVERTISEMENTS, "conflictingAdvertisements")                                           \
	X(NODE_NETWORK_UNAVAILABLE, "nodeNetworkUnavailable")                                                \
	X(NODE_LABELED_EXCLUDE_BALANCERS, "nodeLabeledExcludeBalancers")                                     \
	X(NO_LOCAL_ENDPOINTS, "noLocalEndpoints")                                                            \
	X(NO_ENDPOINTS, "noEndpoints")
enum withdraw_reason {
#define X(constant, text) WITHDRAW_##constant,
	WITHDRAW_REASONS(X)
#undef X
	    WITHDRAW_N
};
const char *withdraw_reason_text(enum withdraw_reason r);     /* "" for WITHDRAW_ANNOUNCE */
const char *withdraw_reason_sentence(enum withdraw_reason r); /* for people: what it means, what to look at */

/* The gates before any protocol (type, class, ingress, pool). On WITHDRAW_ANNOUNCE *pool and ips are set. */
struct service_addresses {
	size_t n;
	addr_t v[2];
	const struct pool *pool;
};
enum withdraw_reason service_gate(const struct config *c, const Ingot__Service *s, const char *lb_class,
				  struct service_addresses *ret);

/* The endpoints of one Service, pooled over its slices. */
struct endpoints {
	struct name_set serving_nodes; /* nodes with an endpoint that can serve */
	bool any_serving;	       /* any at all, nodeName or not, addresses or not (the L2 rule) */
	bool any_serving_address;      /* any that has an address (the BGP rule) */
	struct name_set serving_address_nodes;
};
/* Can serve: ready unset or yes; or ready no and serving yes. */
bool endpoint_can_serve(const Ingot__Endpoint *e);
int endpoints_collect(const Ingot__EndpointSlice *const *slices, size_t n, struct endpoints *ret);
void endpoints_fini(struct endpoints *e);

/* Node rules common to L2 and BGP; a NULL node is neither unavailable nor excluded. */
bool node_network_unavailable(const Ingot__Node *n);
bool node_is_excluded(
    const Ingot__Node *n); /* label node.kubernetes.io/exclude-from-external-load-balancers */

#endif
