/* What a node knows about itself, in the shape of MetalLB's status objects: each status by itself, and the
 * documents of the own node's folder in the status store. Pure. Functions that return a text return heap
 * text, the same for the same input; NULL on out of memory. */
#ifndef INGOT_WATCHER_REPORTS_JSON_H
#define INGOT_WATCHER_REPORTS_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "lib/base/map.h"
#include "proto/state.pb-c.h"

/* l2: Service key -> Ingot__L2ServiceState of this node; those that it announces are listed. */
char *reports_json_l2(const char *node, const char *ns, const struct map *l2);
/* bgp: Service key -> Ingot__BgpServiceState; those with peers are listed. */
char *reports_json_bgp(const char *node, const char *ns, const struct map *bgp);

struct config_report {
	bool exists; /* the component runs here and has spoken */
	bool valid;
	char *errors;	  /* joined by newlines, "" when valid */
	int64_t since_ms; /* Unix time of the last change */
};
/* controller: what the allocator thinks; speaker: what gossipd and bgpd think, joined. */
char *reports_json_config(const char *node, const char *ns, const struct config_report *controller,
			  const struct config_report *speaker);

/* The status alone, of a ServiceL2Status or ServiceBGPStatus of the Service key (lists sorted; no interfaces:
 * all of them), and of a ConfigurationState whose component reports this condition (Unknown as long as it has
 * not spoken). The caller owns the result; NULL on out of memory or when the key has no namespace. A message
 * longer than the field is cut. */
json_t *reports_json_l2_status(const char *node, const char *key, const Ingot__L2ServiceState *s);
json_t *reports_json_bgp_status(const char *node, const char *key, const Ingot__BgpServiceState *s);
json_t *reports_json_config_status(const char *condition, const struct config_report *r);

/* One line of JSON with a newline: an event about a Service. */
char *reports_json_event(int64_t at_ms, const char *key, const Ingot__ServiceEvent *e);

#endif
