/* What the files of the daemon skeleton share: daemon.c (order of start and stop), daemon_supervisor.c (the
 * socket pair, retained descriptors), daemon_serve.c (requests that every daemon answers). */
#ifndef INGOT_RUN_DAEMON_INTERNAL_H
#define INGOT_RUN_DAEMON_INTERNAL_H

#include "lib/run/daemon.h"
#include "lib/run/sandbox.h"
#include "lib/run/supwire.h"

enum { DAEMON_READS = 16 };

struct daemon_retained {
	char name[SUP_NAME];
	int fd;
};

struct daemon_private {
	const struct daemon_ops *ops;
	struct sandbox_context sandbox;
	const char *reads[DAEMON_READS + 1]; /* of sandbox */
	size_t n_reads;
	uid_t uid_base;
	bool own_uid; /* becomes a user of its own */
	int pair;     /* to the supervisor; -1 = none */
	struct loop_fd *pair_watch;
	int signal_fd;
	struct loop_fd *signal_watch;
	struct loop_timer *heartbeat, *stop_timer;
	struct daemon_retained *retained; /* not taken yet */
	size_t n_retained;
	struct sup_message *outbox; /* waits until the supervisor reads; owns its descriptors */
	size_t n_outbox, outbox_size;
	bool opened, joined, ready, stopping, stopped;
	int exit_status;
};

/* Says m, now or when the supervisor reads again; a descriptor in it is duplicated. 0 or a negative errno. */
int supervisor_say(struct daemon *d, const struct sup_message *m);
/* Blocks until everything was sent that kept from the former life. 0 or a negative errno; a STOP sets
 * stopping. */
int supervisor_receive_retained(struct daemon *d);
int supervisor_watch(struct daemon *d);
void supervisor_flush(struct daemon *d); /* the last words, before the exit */
void supervisor_close(struct daemon *d);
/* A message of the supervisor's, in the loop. */
void daemon_told(struct daemon *d, const struct sup_message *m);

int daemon_serve(struct daemon *d); /* explain, log-level, metrics */

#endif
