/* After this node took over Services on L2, the ServiceL2Status objects that other nodes left for them are
 * deleted: one paged list of other nodes' objects after a take-over, at most one a second, then a deletion
 * each. Pure. Private to the source k8s. */
#ifndef INGOT_WATCHER_K8S_REPORT_SWEEP_H
#define INGOT_WATCHER_K8S_REPORT_SWEEP_H

#include "watcher/k8s/report/upkeep.h"

/* Objects to be deleted that are known at a time; more wait for the next list. */
enum { SWEEP_VICTIMS = 4096, SWEEP_PAGE = 500 };

struct sweep;

/* ours: this node still announces the Service. NULL on OOM. */
struct sweep *sweep_new(const struct upkeep_kind *kind, const struct upkeep_place *p,
			const struct desk_tell *tell, bool (*ours)(void *ctx, const char *key), void *ctx);
void sweep_free(struct sweep *s);
void sweep_took(struct sweep *s); /* something was taken over since the last list began */
const struct desk_counts *sweep_counts(const struct sweep *s);
uint64_t sweep_postponed(const struct sweep *s); /* objects that were over SWEEP_VICTIMS */

extern const struct desk_ops sweep_desk; /* desk: struct sweep * */

#endif
