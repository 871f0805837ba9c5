/* The documents of the own node's folder in the status store, in the shape of MetalLB's status objects. Pure.
 * Each function returns heap text, the same for the same input; NULL on out of memory. */
#ifndef INGOT_WATCHER_REPORTS_JSON_H
#define INGOT_WATCHER_REPORTS_JSON_H

#include <stdbool.h>
#include <stdint.h>

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

/* One line of JSON with a newline: an event about a Service. */
char *reports_json_event(int64_t at_ms, const char *key, const Ingot__ServiceEvent *e);

#endif
