/* One child: its process, its end of the pair, its retained descriptors, and the policy that drives it. */
#ifndef INGOT_SUPERVISOR_CHILD_H
#define INGOT_SUPERVISOR_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/run/log.h"
#include "lib/run/options.h"
#include "supervisor/fdstore.h"
#include "supervisor/policy.h"
#include "supervisor/table.h"

struct child_world {
	const struct options *options;
	const char *libexec;
	const char *uid_base; /* text, as the children are told */
	bool draining;
};

struct child {
	const struct table_row *row;
	struct policy policy;
	struct fdstore store;
	pid_t pid; /* 0 = none */
	int sock;  /* -1 = none */
	/* What is still to be said to it, in this order: retained descriptors, their end, then the mask
	 * `pending`. */
	const struct map_entry *next_retained;
	size_t to_hand_over;
	unsigned pending;
	bool end_pending;
	char last_exit[32];
	uint64_t malformed;
	struct log_limit complaints;
};

void child_init(struct child *c, const struct table_row *row, mono_t now);
void child_fini(struct child *c);
const char *child_name(const struct child *c);

/* Feed an event to the policy and do what it says. */
void child_event(struct child *c, const struct child_world *w, enum policy_event event, uint64_t value,
		 mono_t now);
/* Read and write as far as the socket allows; poll for writing while child_wants_write. */
void child_receive(struct child *c, const struct child_world *w, mono_t now);
void child_flush(struct child *c);
bool child_wants_write(const struct child *c);
/* Its process ended (status of waitpid): takes what it had still sent, then lets the policy decide. */
void child_reaped(struct child *c, const struct child_world *w, int status, mono_t now);
void child_say_drain(struct child *c, bool on);
void child_say_reload(struct child *c);

#endif
