/* Which Services are ours and what they ask for: annotations, class, families, and the gates before any
 * announcement. Pure; run by allocator, gossipd, bgpd and statusd. */
#include "lib/model/service.h"

#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/model/limits.h"

const char *service_annotation(const Ingot__Service *s, const char *stable_key)
{
	char legacy[128];
	if (!s->meta)
		return NULL;
	const char *value = kv_get(s->meta->annotations, s->meta->n_annotations, stable_key);
	const char *name = strchr(stable_key, '/');
	if (value || !name || !str_fmt(legacy, sizeof legacy, "%s%s", ANNOTATION_LEGACY_PREFIX, name + 1))
		return value;
	return kv_get(s->meta->annotations, s->meta->n_annotations, legacy);
}

bool service_is_load_balancer(const Ingot__Service *s)
{
	return strcmp(s->type, "LoadBalancer") == 0;
}

bool service_class_matches(const Ingot__Service *s, const char *lb_class)
{
	return strcmp(s->load_balancer_class, lb_class ? lb_class : "") == 0;
}

bool service_is_local(const Ingot__Service *s)
{
	return strcmp(s->external_traffic_policy, "Local") == 0;
}

enum service_family service_family(const Ingot__Service *s)
{
	addr_t a[2];
	if (s->n_cluster_ips == 0 || s->n_cluster_ips > 2)
		return SERVICE_FAMILY_NONE;
	for (size_t i = 0; i < s->n_cluster_ips; i++)
		if (!addr_parse(s->cluster_ips[i], &a[i]))
			return SERVICE_FAMILY_NONE;
	if (s->n_cluster_ips == 2)
		return a[0].family != a[1].family ? SERVICE_FAMILY_DUAL : SERVICE_FAMILY_NONE;
	return a[0].family == FAMILY_V4 ? SERVICE_FAMILY_V4 : SERVICE_FAMILY_V6;
}

const char *withdraw_reason_text(enum withdraw_reason r)
{
	static const char *const texts[WITHDRAW_N] = {
#define X(constant, text) text,
		WITHDRAW_REASONS(X)
#undef X
	};
	must(r < WITHDRAW_N);
	return texts[r];
}

const char *withdraw_reason_sentence(enum withdraw_reason r)
{
	static const char *const sentences[WITHDRAW_N] = {
		[WITHDRAW_ANNOUNCE] = "announced by this node",
		[WITHDRAW_SERVICE_DELETED] = "the Service does not exist any more",
		[WITHDRAW_NOT_LOAD_BALANCER] = "the Service is not of type LoadBalancer",
		[WITHDRAW_FOREIGN_CLASS] =
		    "the Service's loadBalancerClass belongs to another implementation; see --lb-class",
		[WITHDRAW_NO_IP_ALLOCATED] =
		    "the Service has no address in its status yet; look at its allocation",
		[WITHDRAW_INVALID_IP] =
		    "the Service's status holds something that is not an IP address, or too many of them",
		[WITHDRAW_IP_NOT_ALLOWED] =
		    "no single pool contains all addresses of the Service; look at the IPAddressPools",
		[WITHDRAW_NOT_OWNER] =
		    "another node announces it, or no node can: look at endpoints, nodes and advertisements",
		[WITHDRAW_SHARED_IP_WITH_SERVICE_SELECTOR] =
		    "a shared address is asked for, but an L2Advertisement has serviceSelectors",
		[WITHDRAW_NO_MATCHING_ADVERTISEMENT] =
		    "no advertisement of the pool selects both the Service and this node",
		[WITHDRAW_CONFLICTING_ADVERTISEMENTS] =
		    "two BGPAdvertisements of the Service disagree on localPref for one prefix",
		[WITHDRAW_NODE_NETWORK_UNAVAILABLE] = "this node's condition NetworkUnavailable is true",
		[WITHDRAW_NODE_LABELED_EXCLUDE_BALANCERS] =
		    "this node carries the label node.kubernetes.io/exclude-from-external-load-balancers",
		[WITHDRAW_NO_LOCAL_ENDPOINTS] =
		    "externalTrafficPolicy is Local and no endpoint on this node can serve",
		[WITHDRAW_NO_ENDPOINTS] = "the Service has no endpoint that can serve",
	};
	must(r < WITHDRAW_N);
	return sentences[r];
}

static enum withdraw_reason collect_ingress(const Ingot__Service *s, struct service_addresses *a)
{
	if (s->n_ingress == 0)
		return WITHDRAW_NO_IP_ALLOCATED;
	for (size_t i = 0; i < s->n_ingress; i++) {
		addr_t ip;
		if (!addr_parse(s->ingress[i]->ip, &ip))
			return WITHDRAW_INVALID_IP;
		if (a->n > 0 && addr_eq(a->v[0], ip))
			continue;
		if (a->n == LIMIT_SERVICE_IPS)
			return WITHDRAW_INVALID_IP;
		a->v[a->n++] = ip;
	}
	return WITHDRAW_ANNOUNCE;
}

enum withdraw_reason service_gate(const struct config *c, const Ingot__Service *s, const char *lb_class,
				  struct service_addresses *ret)
{
	struct service_addresses a = { 0 };
	if (!s)
		return WITHDRAW_SERVICE_DELETED;
	if (!service_is_load_balancer(s))
		return WITHDRAW_NOT_LOAD_BALANCER;
	if (!service_class_matches(s, lb_class))
		return WITHDRAW_FOREIGN_CLASS;
	enum withdraw_reason r = collect_ingress(s, &a);
	if (r != WITHDRAW_ANNOUNCE)
		return r;
	for (size_t i = 0; i < a.n; i++) {
		const struct pool *p = c ? config_pool_of(c, a.v[i]) : NULL;
		if (!p || (a.pool && a.pool != p))
			return WITHDRAW_IP_NOT_ALLOWED;
		a.pool = p;
	}
	*ret = a;
	return WITHDRAW_ANNOUNCE;
}

bool node_network_unavailable(const Ingot__Node *n)
{
	return n && n->network_unavailable == INGOT__TRISTATE__YES;
}

bool node_is_excluded(const Ingot__Node *n)
{
	return n && n->meta &&
	       kv_get(n->meta->labels, n->meta->n_labels,
		      "node.kubernetes.io/exclude-from-external-load-balancers");
}
