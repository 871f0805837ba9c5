/* The table of what is watched. Pure; run by the watcher. */
#include "watcher/k8s/resources.h"

#include <string.h>

#include "lib/base/must.h"

#define METALLB "metallb.io/v1beta1"
#define ANYONE	(~0u)
/* Who announces. A controller that only allocates needs neither endpoints nor nodes. */
#define ANNOUNCERS (READS(GOSSIPD) | READS(L2D) | READS(BGPD))
#define CUSTOM(kind_, plural_)                                                                               \
	{                                                                                                    \
		.kind = kind_, .daemons = ANYONE, .scope = SCOPE_OURS, .is_custom = true, .apis = {          \
			{ METALLB, plural_ }                                                                 \
		}                                                                                            \
	}
#define STATUS_OF(daemons_, plural_)                                                                         \
	{                                                                                                    \
		.kind = KIND_N, .daemons = daemons_, .scope = SCOPE_OURS, .is_custom = true,                 \
		.not_needed = true, .apis = {                                                                \
			{ METALLB, plural_ }                                                                 \
		}                                                                                            \
	}
#define PODS(scope_, may_lack_)                                                                              \
	{                                                                                                    \
		.kind = KIND_N, .daemons = ANYONE, .scope = scope_, .may_lack = may_lack_, .apis = {         \
			{ "v1", "pods" }                                                                     \
		}                                                                                            \
	}

static const struct resource_row rows[RESOURCE_N] = {
	[RESOURCE_SERVICE] = { KIND_SERVICE, ANYONE, .apis = { { "v1", "services" } } },
	[RESOURCE_ENDPOINTS] = { KIND_ENDPOINTS, ANNOUNCERS,
				 .apis = { { "discovery.k8s.io/v1", "endpointslices" },
					   { "discovery.k8s.io/v1beta1", "endpointslices" },
					   { "v1", "endpoints" } } },
	[RESOURCE_NODE] = { KIND_NODE, ANNOUNCERS, .apis = { { "v1", "nodes" } } },
	[RESOURCE_NAMESPACE] = { KIND_NAMESPACE, READS(ALLOCATOR), .apis = { { "v1", "namespaces" } } },
	[RESOURCE_SECRET] = { KIND_SECRET, ANYONE, SCOPE_OURS, .apis = { { "v1", "secrets" } } },
	[RESOURCE_CONFIG_MAP] = { KIND_CONFIG_MAP, ANNOUNCERS, SCOPE_OURS,
				  .apis = { { "v1", "configmaps" } } },
	[RESOURCE_POOL] = CUSTOM(KIND_POOL, "ipaddresspools"),
	[RESOURCE_L2_AD] = CUSTOM(KIND_L2_ADVERTISEMENT, "l2advertisements"),
	[RESOURCE_BGP_AD] = CUSTOM(KIND_BGP_ADVERTISEMENT, "bgpadvertisements"),
	[RESOURCE_BGP_PEER] = { KIND_BGP_PEER, ANYONE, SCOPE_OURS, .is_custom = true,
				.apis = { { "metallb.io/v1beta2", "bgppeers" }, { METALLB, "bgppeers" } } },
	[RESOURCE_BFD_PROFILE] = CUSTOM(KIND_BFD_PROFILE, "bfdprofiles"),
	[RESOURCE_COMMUNITY] = CUSTOM(KIND_COMMUNITY, "communities"),
	[RESOURCE_LEASE] = { KIND_N, READS(ALLOCATOR), SCOPE_OURS, .not_needed = true,
			     .apis = { { "coordination.k8s.io/v1", "leases" },
				       { "coordination.k8s.io/v1beta1", "leases" } } },
	[RESOURCE_L2_STATUS] = STATUS_OF(ANNOUNCERS, "servicel2statuses"),
	[RESOURCE_BGP_STATUS] = STATUS_OF(ANNOUNCERS, "servicebgpstatuses"),
	[RESOURCE_CONFIG_STATE] = STATUS_OF(ANYONE, "configurationstates"),
	[RESOURCE_METALLB_POD] = PODS(SCOPE_OURS, false),
	[RESOURCE_METALLB_CHART_POD] = PODS(SCOPE_OURS, false),
	[RESOURCE_METALLB_POD_2] = PODS(SCOPE_METALLB, true),
	[RESOURCE_METALLB_CHART_POD_2] = PODS(SCOPE_METALLB, true),
};

#define METALLB_NAMESPACE "metallb-system"

const struct resource_row *resource_row(enum resource r)
{
	must(r < RESOURCE_N);
	return &rows[r];
}

bool resource_is_needed(enum resource r, const struct resource_context *c)
{
	if (rows[r].scope == SCOPE_METALLB && strcmp(c->ns, METALLB_NAMESPACE) == 0)
		return false;
	/* The value of a label has 63 bytes at most, so a longer name can stand in none of these objects. */
	if ((r == RESOURCE_L2_STATUS || r == RESOURCE_BGP_STATUS) && strlen(c->node) > 63)
		return false;
	return (rows[r].daemons & c->daemons) != 0;
}

/* Selectors as they stand in a URL: "=" is %3D, "!" %21, "," %2C, "/" %2F, "(" %28, ")" %29, " " %20. */
/* What does not depend on names. */
static const char *fixed_selector(enum resource r, const struct resource_context *c)
{
	switch (r) {
	case RESOURCE_SERVICE:
		/* Only who allocates has to see a Service that is no LoadBalancer any more, to take its
		 * address back. */
		return c->daemons & READS(ALLOCATOR) ? "" : "fieldSelector=spec.type%3DLoadBalancer";
	case RESOURCE_SECRET:
		/* Helm keeps each release in a Secret, up to a megabyte each. */
		return "fieldSelector=type%21%3Dhelm.sh%2Frelease.v1%2Ctype%21%3Dkubernetes.io%2F"
		       "service-account-token";
	case RESOURCE_METALLB_POD:
	case RESOURCE_METALLB_POD_2:
		return "labelSelector=app%3Dmetallb%2Ccomponent%20in%20%28controller%2Cspeaker%29";
	case RESOURCE_METALLB_CHART_POD:
	case RESOURCE_METALLB_CHART_POD_2:
		return "labelSelector=app.kubernetes.io%2Fname%3Dmetallb%2Capp.kubernetes.io%2Fcomponent"
		       "%20in%20%28controller%2Cspeaker%29";
	default: return "";
	}
}

char *resource_selector(enum resource r, const struct resource_context *c)
{
	struct strbuf b = { 0 };
	if (r == RESOURCE_LEASE)
		strbuf_fmt(&b, "fieldSelector=metadata.name%%3D%s", c->lease);
	else if (r == RESOURCE_SECRET && !(c->daemons & ANNOUNCERS))
		strbuf_fmt(&b, "fieldSelector=metadata.name%%3D%s", c->secret);
	else if (r == RESOURCE_L2_STATUS || r == RESOURCE_BGP_STATUS)
		strbuf_fmt(&b, "labelSelector=metallb.io%%2Fnode%%3D%s", c->node);
	else if (r == RESOURCE_CONFIG_STATE && !(c->daemons & READS(ALLOCATOR)))
		strbuf_fmt(&b, "fieldSelector=metadata.name%%3Dspeaker-%s", c->node);
	else if (r == RESOURCE_CONFIG_STATE && !(c->daemons & ANNOUNCERS))
		strbuf_add(&b, "fieldSelector=metadata.name%3Dcontroller");
	else
		strbuf_add(&b, fixed_selector(r, c));
	return strbuf_take(&b);
}

char *resource_path(enum resource r, const struct resource_api *api, const struct resource_context *c)
{
	struct strbuf b = { 0 };
	strbuf_fmt(&b, "/%s/%s", strcmp(api->group_version, "v1") == 0 ? "api" : "apis", api->group_version);
	if (rows[r].scope != SCOPE_CLUSTER)
		strbuf_fmt(&b, "/namespaces/%s", rows[r].scope == SCOPE_METALLB ? METALLB_NAMESPACE : c->ns);
	strbuf_fmt(&b, "/%s", api->plural);
	return strbuf_take(&b);
}
