/* Carries out what the desks want written: many requests at once, the important ones first, never more than
 * the server takes. Runs in the watcher; decides nothing about what is written. */
#ifndef INGOT_WATCHER_K8S_PACE_H
#define INGOT_WATCHER_K8S_PACE_H

#include "lib/base/metrics.h"
#include "lib/kube/http.h"
#include "watcher/k8s/write.h"

enum { WRITE_TIMEOUT_MS = 10000 };

struct pace;

struct pace_desk {
	const char *name; /* for metrics: "service" */
	const struct desk_ops *ops;
	void *desk;
	unsigned in_flight;  /* at most */
	unsigned timeout_ms; /* of each; 0: WRITE_TIMEOUT_MS */
	bool urgent;	     /* goes on when the others wait for a busy server */
	const bool *blocked; /* while it is true nothing new is begun; NULL: never */
	/* Told of every answer that is no 2xx, for the log. May be NULL. */
	void (*failed)(void *ctx, const struct write *w, const struct write_outcome *o);
	void *ctx;
};

/* desks: by rank, the first comes first; borrowed. NULL on out of memory. */
struct pace *pace_new(struct loop *l, struct http *h, const struct pace_desk *desks, size_t n,
		      struct metrics *m);
void pace_free(struct pace *p);
/* A desk may have something to do: looked at at the end of this turn. */
void pace_ask(struct pace *p);
/* Give up what is under way for this desk: it learns of it as of an answer that never came. */
void pace_abort(struct pace *p, const void *desk);
size_t pace_in_flight(const struct pace *p);

#endif
