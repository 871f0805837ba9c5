/* Events about Services, for people: written to the API, with repetitions counted instead of written again,
 * many that differ in their words only combined into one, and a source that talks too much about one Service
 * cut short. The limits are those of client-go's recorder, which operators know. Pure. Private to the source
 * k8s.
 *
 * Nothing is lost before the API's flavour is known: up to EVENTS_QUEUE wait. */
#ifndef INGOT_WATCHER_K8S_REPORT_EVENTS_H
#define INGOT_WATCHER_K8S_REPORT_EVENTS_H

#include "watcher/k8s/report/jobs.h"

enum {
	EVENTS_QUEUE = 32768, /* that wait to be written */
	EVENTS_KNOWN = 4096,  /* written ones that a repetition finds again, and as many sources and texts */
	EVENTS_SIMILAR = 10,  /* that differ in their notes only; the next one is combined */
	EVENTS_SIMILAR_S = 600, /* as long as they come closer than this */
	EVENTS_BURST = 25,	/* of one source about one Service */
	EVENTS_REFILL_S = 300,	/* and one more every */
};

enum events_api { EVENTS_API_UNKNOWN, EVENTS_API_CORE_V1, EVENTS_API_V1BETA1, EVENTS_API_V1 };

/* All lent. */
struct service_event {
	mono_t at;
	int64_t wall_ms;		/* Unix time */
	const char *ns, *service, *uid; /* of the Service */
	bool warning;
	const char *reason, *note;
	const char *controller; /* "metallb-controller" or "metallb-speaker" */
	const char *instance;	/* name of the Pod or the node */
};

/* Monotonic. */
struct events_counts {
	uint64_t taken;	   /* handed in */
	uint64_t repeated; /* of those: counted in one that was there */
	uint64_t combined; /* of those: made part of a combined one */
	uint64_t spam;	   /* not written: its source talks too much about the Service */
	uint64_t full;	   /* not written: too many wait */
	uint64_t gone;	   /* not written: its Service or namespace is gone */
	uint64_t refused;  /* not written: the server does not take it */
	uint64_t
	    forgotten; /* written ones, sources and texts beyond EVENTS_KNOWN: a repetition is a new event */
};

struct events;

/* exists: the Service with this uid is still there (asked when the event's turn comes; uid may be empty).
 * NULL on OOM. */
struct events *events_new(const struct desk_tell *tell,
			  bool (*exists)(void *ctx, const char *ns, const char *service, const char *uid),
			  void *ctx);
void events_free(struct events *e);
void events_api(struct events *e, enum events_api api);
/* 0, also when it was counted and not written; -ENOMEM. */
int events_add(struct events *e, const struct service_event *ev);
struct events_counts events_counts(const struct events *e);
const struct desk_counts *events_desk_counts(const struct events *e);
size_t events_waiting(const struct events *e);

extern const struct desk_ops events_desk; /* desk: struct events * */

#endif
