/* The desk that writes the addresses of Services: status.loadBalancer and the annotation
 * metallb.io/ip-allocated-from-pool, as the allocator wants them. Pure; run by the watcher of the role
 * controller.
 *
 * One merge patch per change, with the object's resourceVersion as precondition, so that nothing is decided
 * on an object that somebody has changed meanwhile. Nothing is written that the server already has. */
#ifndef INGOT_WATCHER_K8S_SERVICE_STATUS_H
#define INGOT_WATCHER_K8S_SERVICE_STATUS_H

#include "lib/base/heap.h"
#include "lib/base/map.h"
#include "proto/objects.pb-c.h"
#include "proto/state.pb-c.h"
#include "watcher/k8s/write.h"

struct service_status_desk {
	struct map services;		  /* key -> struct row */
	struct row *due_head, **due_tail; /* to be written now */
	struct heap later;		  /* failed: each has a time of its own */
	uint64_t seed, last_id;
	struct map under_way; /* id, as bytes -> struct row */
	bool paused;
	mono_t closed_until; /* what is missing is a permission, so all would be refused */
	struct backoff brake;
	uint64_t writes, conflicts;
};

/* In its place: it must not be moved afterwards. */
void service_status_init(struct service_status_desk *d, uint64_t seed);
void service_status_fini(struct service_status_desk *d);
/* The object, as the watch or an answer shows it. -ENOMEM. */
int service_status_saw(struct service_status_desk *d, const char *key, const char *uid, const char *rv,
		       const Ingot__Service *s);
void service_status_gone(struct service_status_desk *d, const char *key);
/* The allocator's word. -ENOMEM. */
int service_status_want(struct service_status_desk *d, const char *key, const Ingot__Assignment *a);
void service_status_unwant(struct service_status_desk *d, const char *key);
/* Not leading, or held: nothing is written; on again, everything is compared anew. */
void service_status_pause(struct service_status_desk *d, bool paused);

bool service_status_next(void *desk, mono_t now, struct write *ret);
void service_status_done(void *desk, uint64_t id, const struct write_outcome *o, mono_t now);
mono_t service_status_wake(const void *desk);

#endif
