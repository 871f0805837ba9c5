/* The watcher: the one daemon that knows where objects come from, and the only one that writes back. What is
 * common to all sources is here; a source is a row of functions (struct source_ops). Private to the room. */
#ifndef INGOT_WATCHER_WATCHER_H
#define INGOT_WATCHER_WATCHER_H

#include "lib/base/map.h"
#include "lib/manifest/manifest.h"
#include "lib/base/strbuf.h"
#include "lib/run/daemon.h"
#include "proto/objects.pb-c.h"
#include "proto/state.pb-c.h"

struct watcher;

/* What this node knows about itself, for the status objects of MetalLB. */
enum node_status { NODE_STATUS_L2, NODE_STATUS_BGP, NODE_STATUS_CONFIGURATION, NODE_STATUS_N };

/* Where objects come from and statuses go. The functions get the state that new made. */
struct source_ops {
	const char *prefix; /* of --source, "dir:" */
	/* NULL with errno on failure (logged). */
	void *(*new)(struct watcher *w, const char *argument);
	int (*open)(void *source); /* before the sandbox, perhaps as root */
	int (*join)(void *source); /* the bus stands: deliver objects from now on; watcher_synced when all are
				      there */
	void (*reload)(void *source);
	/* The allocator's word about a Service; only while this watcher leads. Lent. */
	void (*assign)(void *source, const char *key, const Ingot__Assignment *a);
	/* The document of one kind of node status; called only when it changed. */
	void (*node_status)(void *source, enum node_status kind, const char *json);
	/* An event for people, about a Service: one line of JSON. */
	void (*event)(void *source, const char *line);
	const struct manifest_secret *(*secret)(void *source, enum kind k, const char *key, const char *item);
	void (*explain)(void *source, const char *subject, char *buf, size_t size);
	void (*free)(void *source);
};
extern const struct source_ops source_dir;

struct publish;
struct reports;

struct watcher {
	struct daemon *d;
	const struct source_ops *ops;
	void *source;
	struct publish *publish;
	struct reports *reports;
	bool leading, synced;
	bool reborn; /* a former life of this process left notes */
};

/* For sources. */
void watcher_put(struct watcher *w, enum kind k, const char *key, const ProtobufCMessage *m);
void watcher_gone(struct watcher *w, enum kind k, const char *key);
void watcher_synced(struct watcher *w); /* everything is published: say so, and ready */
/* This watcher writes back from now on, or no longer. holder: who leads instead, may be empty. */
void watcher_lead(struct watcher *w, bool leading, const char *holder);
/* What is wrong with the source's own input: published for statusd. Lent. */
void watcher_findings(struct watcher *w, const Ingot__ConfigStatus *s);
bool watcher_may_lead(const struct watcher *w); /* by its role */
unsigned watcher_uid_offset(void);		/* of the watcher's user id from --uid-base */

#endif
