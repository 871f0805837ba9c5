/* The watcher: the one daemon that knows where objects come from, and the only one that writes back. What is
 * common to all sources is here; a source is a row of functions (struct source_ops). Private to the room. */
#ifndef INGOT_WATCHER_WATCHER_H
#define INGOT_WATCHER_WATCHER_H

#include <sys/types.h>

#include "lib/base/map.h"
#include "lib/manifest/manifest.h"
#include "lib/base/strbuf.h"
#include "lib/run/daemon.h"
#include "proto/objects.pb-c.h"
#include "proto/state.pb-c.h"

struct watcher;

/* What this node knows about itself, for the status objects of MetalLB. */
enum node_status { NODE_STATUS_L2, NODE_STATUS_BGP, NODE_STATUS_CONFIGURATION, NODE_STATUS_N };

/* What the other daemons report, one topic each. */
enum report { REPORT_L2, REPORT_BGP, REPORT_POOL, REPORT_ALLOCATOR, REPORT_GOSSIPD, REPORT_BGPD, REPORT_N };

struct config_report;

/* Where objects come from and statuses go. The functions get the state that new made. */
struct source_ops {
	const char *prefix; /* of --source, "dir:" */
	/* NULL with errno on failure (logged). */
	void *(*new)(struct watcher *w, const char *argument);
	int (*open)(void *source); /* before the sandbox, perhaps as root */
	int (*join)(void *source); /* the bus stands: deliver objects from now on; watcher_synced when all are
				      there */
	void (*reload)(void *source);
	/* Orderly stop; call daemon_stopped() when done. NULL = at once. */
	void (*stop)(void *source);
	/* The allocator's word about a Service; only while this watcher leads. Lent. */
	void (*assign)(void *source, const char *key, const Ingot__Assignment *a);
	void (*unassign)(void *source,
			 const char *key); /* it says nothing about it any more. NULL = ignore */
	/* One thing that another daemon reports about a Service (or pool), as it comes; m NULL: nothing any
	 * more. NULL = ignore. whole (m and key NULL): everything was reported once. */
	void (*report)(void *source, enum report r, const char *key, const ProtobufCMessage *m);
	/* What this node's components think of the configuration, when it changed. NULL = ignore. */
	void (*configuration)(void *source, const struct config_report *controller,
			      const struct config_report *speaker);
	/* The document of one kind of node status; called only when it changed. NULL = ignore. */
	void (*node_status)(void *source, enum node_status kind, const char *json);
	/* An event for people, about a Service. Lent. */
	void (*event)(void *source, const char *key, const Ingot__ServiceEvent *e);
	const struct manifest_secret *(*secret)(void *source, enum kind k, const char *key, const char *item);
	void (*explain)(void *source, const char *subject, char *buf, size_t size);
	void (*free)(void *source);
};
extern const struct source_ops source_dir, source_k8s;

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
/* A published object, packed. Lent until the next change; NULL: it is not published. */
const void *watcher_packed(const struct watcher *w, enum kind k, const char *key, size_t *len);
void watcher_synced(struct watcher *w); /* everything is published: say so, and ready */
/* This watcher writes back from now on, or no longer. holder: who leads instead, may be empty. */
void watcher_lead(struct watcher *w, bool leading, const char *holder);
/* What is wrong with the source's own input: published for statusd. Lent. */
void watcher_findings(struct watcher *w, const Ingot__ConfigStatus *s);
/* How well the source is known, for people: published for statusd. server: where it is; text: a sentence. */
void watcher_source(struct watcher *w, Ingot__SourceState state, const char *server, const char *text);
bool watcher_may_lead(const struct watcher *w); /* by its role */
/* The user that the watcher becomes in its sandbox; (uid_t)-1: it stays who it is. */
uid_t watcher_uid(const struct watcher *w);

#endif
