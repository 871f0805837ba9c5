/* ServiceL2Status and ServiceBGPStatus of this node: one per Service that it announces (L2), or that has a
 * peer configured to carry it (BGP). Pure. Private to the source k8s.
 *
 * The caller lists and watches both kinds with the selector metallb.io/node=<node>. */
#ifndef INGOT_WATCHER_K8S_REPORT_STATUS_OBJECTS_H
#define INGOT_WATCHER_K8S_REPORT_STATUS_OBJECTS_H

#include "watcher/k8s/report/upkeep.h"

enum status_kind { STATUS_L2, STATUS_BGP, STATUS_KIND_N };

struct status_objects;

/* created: this node began to announce the Service and an object was made for it (one that existed, or that
 * is made again because somebody deleted it, is not reported). May be NULL. NULL on OOM. */
struct status_objects *status_objects_new(const struct upkeep_place *p, const struct desk_tell *tell,
					  void (*created)(void *ctx, enum status_kind k, const char *key),
					  void *ctx);
void status_objects_free(struct status_objects *s);

/* As upkeep_owner, upkeep_want (status: reports_json_l2_status, reports_json_bgp_status), upkeep_whole (the
 * topic is synced), upkeep_see, upkeep_unsee, upkeep_synced (the list is complete). */
int status_objects_owner(struct status_objects *s, const char *pod, const char *uid);
int status_objects_want(struct status_objects *s, enum status_kind k, const char *key, const json_t *status);
void status_objects_whole(struct status_objects *s, enum status_kind k);
int status_objects_see(struct status_objects *s, enum status_kind k, const json_t *object);
void status_objects_unsee(struct status_objects *s, enum status_kind k, const char *name);
void status_objects_synced(struct status_objects *s, enum status_kind k, mono_t now);

struct status_objects_counts {
	struct desk_counts desk; /* sums */
	uint64_t ignored;	 /* objects over the caps */
};
struct status_objects_counts status_objects_counts(const struct status_objects *s);

extern const struct desk_ops status_objects_desk; /* desk: struct status_objects * */

#endif
