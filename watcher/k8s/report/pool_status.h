/* IPAddressPool status: how many addresses of a pool are in use and how many are left. Pools are never made
 * or deleted by us. Pure. Private to the source k8s. */
#ifndef INGOT_WATCHER_K8S_REPORT_POOL_STATUS_H
#define INGOT_WATCHER_K8S_REPORT_POOL_STATUS_H

#include "proto/state.pb-c.h"
#include "watcher/k8s/report/upkeep.h"

/* For upkeep_new. Keys are names of pools. Every address that is given or taken changes a status, so each
 * pool's is written at most once a second; the last one always is. To be held (upkeep_hold) while another
 * controller leads. */
extern const struct upkeep_kind pool_status_kind;

/* The wanted status. Caller owns it; NULL on OOM. */
json_t *pool_status_json(const Ingot__PoolStatus *s);

#endif
