/* What is listed and watched, as one table: where it lives in the API, who needs it, how much of it. Private
 * to the source k8s. */
#ifndef INGOT_WATCHER_K8S_RESOURCES_H
#define INGOT_WATCHER_K8S_RESOURCES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/strbuf.h"
#include "lib/model/kinds.h"
#include "lib/run/topics.h"

enum resource {
	RESOURCE_SERVICE,
	RESOURCE_ENDPOINTS,
	RESOURCE_NODE,
	RESOURCE_NAMESPACE,
	RESOURCE_SECRET,
	RESOURCE_CONFIG_MAP,
	RESOURCE_POOL,
	RESOURCE_L2_AD,
	RESOURCE_BGP_AD,
	RESOURCE_BGP_PEER,
	RESOURCE_BFD_PROFILE,
	RESOURCE_COMMUNITY,
	RESOURCE_LEASE,
	RESOURCE_L2_STATUS,
	RESOURCE_BGP_STATUS,
	RESOURCE_CONFIG_STATE,
	RESOURCE_METALLB_POD,	    /* in our namespace, labels of its plain manifests */
	RESOURCE_METALLB_CHART_POD, /* in our namespace, labels of its chart */
	RESOURCE_METALLB_POD_2,	    /* the same in namespace metallb-system, when ours is another one */
	RESOURCE_METALLB_CHART_POD_2,
	RESOURCE_N
};

struct resource_api {
	const char *group_version, *plural;
};
enum { RESOURCE_APIS = 3 };

struct resource_row {
	enum kind kind;	  /* KIND_N: not published, only json is read */
	unsigned daemons; /* READS() mask: needed when one of these runs in this role */
	enum { SCOPE_CLUSTER, SCOPE_OURS, SCOPE_METALLB } scope;
	bool is_custom;				 /* ours or MetalLB's definition: it may come later */
	bool may_lack;				 /* going on without it is right (forbidden, missing) */
	bool not_needed;			 /* objects are not waited for before `synced` */
	struct resource_api apis[RESOURCE_APIS]; /* best first; NULL after the last */
};

struct resource_context {
	const char *ns, *node, *lease, *secret;
	unsigned daemons;
};

const struct resource_row *resource_row(enum resource r);
/* Whether this role needs it. */
bool resource_is_needed(enum resource r, const struct resource_context *c);
/* Query parameters that make the server send only what concerns us; heap, "" for none, NULL on out of memory.
 */
char *resource_selector(enum resource r, const struct resource_context *c);
/* "/apis/metallb.io/v1beta1/namespaces/NS/ipaddresspools"; heap, NULL on out of memory. */
char *resource_path(enum resource r, const struct resource_api *api, const struct resource_context *c);

#endif
