/* One Service of service_status.c: what the server has, what the allocator wants, and the difference as a patch.
 * Pure. */
#ifndef INGOT_WATCHER_K8S_SERVICE_ROW_H
#define INGOT_WATCHER_K8S_SERVICE_ROW_H

#include "proto/objects.pb-c.h"
#include "proto/state.pb-c.h"
#include "watcher/k8s/write.h"

enum row_queue { ROW_IDLE, ROW_DUE, ROW_LATER, ROW_UNDER_WAY };

struct row {
	const char *key; /* of the map's */
	struct row *next;
	enum row_queue queued;
	uint8_t attempts;
	bool look_first;       /* what the server has is uncertain: read it before writing */
	bool exists, wanted;   /* uid .. seen, want_.. are valid */
	bool has_status;       /* any ingress, or the annotation */
	bool clear;	       /* of the assignment without addresses */
	uint64_t id;	       /* of the request under way */
	mono_t not_before;
	char rv[DECODE_RV];
	char *uid, *seen;	   /* addresses and pool, as one text */
	char *want_uid, *want;	   /* likewise */
	size_t n_want;
};

void service_row_free(void *row);
int service_row_saw(struct row *r, const char *uid, const char *rv, const Ingot__Service *s); /* -ENOMEM */
/* The object as an answer shows it. -EINVAL when it is not this Service; -ENOMEM. */
int service_row_saw_json(struct row *r, const json_t *object);
int service_row_want(struct row *r, const Ingot__Assignment *a); /* -ENOMEM */
bool service_row_differs(const struct row *r);
char *service_row_patch(const struct row *r); /* JSON, heap; NULL on out of memory */

#endif
