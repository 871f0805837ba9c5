/* One Service of service_status.c: what the server has, what the allocator wants, and the difference as a
 * patch. Pure. */
#ifndef INGOT_WATCHER_K8S_SERVICE_ROW_H
#define INGOT_WATCHER_K8S_SERVICE_ROW_H

#include "lib/base/heap.h"
#include "proto/objects.pb-c.h"
#include "proto/state.pb-c.h"
#include "watcher/k8s/write.h"

enum row_queue { ROW_IDLE, ROW_DUE, ROW_LATER, ROW_UNDER_WAY };

struct row {
	struct heap_node later;	  /* first: heap_pop_due returns the row itself */
	const char *key;	  /* of the map's */
	struct row *next, **link; /* of those that are due */
	enum row_queue queued;
	unsigned attempts;
	bool look_first;     /* what the server has is uncertain: read it before writing */
	bool exists, wanted; /* uid .. seen, want_.. are valid */
	bool other_type;     /* no LoadBalancer: the server takes no address for it */
	bool news;	     /* something changed since the request under way left */
	bool has_status;     /* any ingress, or the annotation */
	bool clear;	     /* of the assignment without addresses */
	bool reading;	     /* the request under way is one that reads */
	uint64_t id;	     /* of the request under way */
	char rv[DECODE_RV];
	char *uid, *seen;      /* addresses and pool, as one text */
	char *want_uid, *want; /* likewise */
	size_t n_want;
};

void service_row_free(void *row);
int service_row_saw(struct row *r, const char *uid, const char *rv, const Ingot__Service *s); /* -ENOMEM */
/* The object as an answer shows it; one that is older than what the watch has told says nothing, and another
 * of the same name means that this one is gone. -EINVAL when it is no object at all; -ENOMEM. */
int service_row_saw_json(struct row *r, const json_t *object);
int service_row_want(struct row *r, const Ingot__Assignment *a); /* -ENOMEM */
bool service_row_differs(const struct row *r);
char *service_row_patch(const struct row *r); /* JSON, heap; NULL on out of memory */

#endif
