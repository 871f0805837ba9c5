/* List and watch of one resource over HTTP: moves bytes between lib/kube/http and the reflector, and objects
 * to a sink. Decides nothing. Private to the source k8s. */
#ifndef INGOT_WATCHER_K8S_WATCH_H
#define INGOT_WATCHER_K8S_WATCH_H

#include "lib/kube/http.h"
#include "lib/run/loop.h"
#include "watcher/k8s/reflector.h"
#include "watcher/k8s/resources.h"

struct watch;

struct watch_sink {
	/* An object is there, new or changed. message and secrets are the callee's. */
	void (*item)(void *ctx, enum resource r, struct item *item);
	/* It is broken: its former version stays. diags says why. */
	void (*broken)(void *ctx, enum resource r, const char *key, const struct diags *diags);
	void (*gone)(void *ctx, enum resource r, const char *key);
	/* Something about the state changed: complete, current or the trouble. */
	void (*state)(void *ctx, enum resource r);
};

struct watch_counters {
	int64_t *events, *relists, *broken, *too_large;
};

/* NULL on out of memory. Everything is borrowed. */
struct watch *watch_new(struct loop *l, struct http *h, enum resource r, const struct watch_sink *sink,
			void *ctx, const struct watch_counters *counters, uint64_t seed);
void watch_free(struct watch *w);
/* From the beginning, at this place of the API. path and selector are taken (heap). What was known before is
 * compared with the new list. */
void watch_start(struct watch *w, char *path, char *selector, bool can_stream);
void watch_stop(struct watch *w);
/* List anew, now: everything is told again. */
void watch_again(struct watch *w);
bool watch_runs(const struct watch *w);
/* A key that a former life has published: gone unless the list has it. */
void watch_remember(struct watch *w, const char *key);
const struct reflector *watch_reflector(const struct watch *w);

#endif
