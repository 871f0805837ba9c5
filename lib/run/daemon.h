/* The skeleton of every daemon: order of start (privileged descriptors, sandbox, bus, ready), heartbeats,
 * retained descriptors, orderly stop, and the requests that every daemon answers (explain, log-level,
 * metrics). */
#ifndef INGOT_RUN_DAEMON_H
#define INGOT_RUN_DAEMON_H

#include "lib/base/decisions.h"
#include "lib/base/metrics.h"
#include "lib/run/bus.h"
#include "lib/run/log.h"
#include "lib/run/loop.h"
#include "lib/run/options.h"

struct daemon {
	enum daemon_id id;
	struct options options;
	unsigned daemons; /* READS() mask of this role */
	struct loop *loop;
	struct bus *bus; /* NULL until join */
	struct metrics *metrics;
	struct decisions decisions;
	unsigned unready_lives; /* former lives in a row that never became ready */
	void *self;
	struct daemon_private *priv;
};

struct daemon_ops {
	enum daemon_id id;
	unsigned heartbeat_ms; /* 0 = 1000 */
	/* 1: privileged descriptors, or take the retained ones. Before the sandbox. NULL = nothing. Negative
	 * errno: exit; -EINVAL: exit EXIT_CONFIG. */
	int (*open)(struct daemon *d);
	/* 2: in the sandbox, the bus stands: subscribe, publish, watch descriptors. */
	int (*join)(struct daemon *d);
	/* Orderly stop; call daemon_stopped() when done (now or later, within 5 s). NULL = stop at once. */
	void (*stop)(struct daemon *d);
	void (*drain)(struct daemon *d, bool on); /* NULL = ignore */
	void (*reload)(struct daemon *d);	  /* NULL = ignore */
	/* One sentence about subject for `explain` ("" = nothing to say), into buf. NULL = decisions alone.
	 */
	void (*explain)(struct daemon *d, const char *subject, char *buf, size_t size);
	void (*close)(struct daemon *d); /* free everything, for leak checks; NULL = nothing */
};

/* Runs the daemon; returns the exit status for main. */
int daemon_main(int argc, char **argv, const struct daemon_ops *ops, void *self);

/* From ops->open: the daemon may also read this file (and its folder: it may be replaced there) in its
 * sandbox. path is borrowed until join. 0, or -ENOSPC when there are too many. */
int daemon_may_read(struct daemon *d, const char *path);

/* Say ready to the supervisor, once: the first whole state is applied. */
void daemon_ready(struct daemon *d);
void daemon_stopped(struct daemon *d);

/* Note a decision (ring of `explain`), with the wall clock of now. */
void daemon_decided(struct daemon *d, const char *subject, const char *fact, const char *reason_fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Retained descriptors. Names are at most 63 bytes. The supervisor keeps a duplicate until release or the
 * end. */
int daemon_retain(struct daemon *d, const char *name, int fd);
void daemon_release(struct daemon *d, const char *name);
/* Take a descriptor kept from the former life: the caller owns it; -1 when there is none. */
int daemon_take_retained(struct daemon *d, const char *name);
/* Names of the retained descriptors that were not taken yet, by index; NULL past the end. */
const char *daemon_retained_name(struct daemon *d, size_t index);

#endif
