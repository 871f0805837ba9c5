/* The supervisor's one context: options, children, control socket. Types that its files share. */
#ifndef INGOT_SUPERVISOR_SUPERVISOR_H
#define INGOT_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/mono.h"
#include "lib/base/strbuf.h"
#include "lib/run/options.h"
#include "supervisor/child.h"
#include "supervisor/control.h"
#include "supervisor/notify.h"

enum { SUPERVISOR_CHILDREN = 8 };

struct supervisor {
	struct options options; /* node and namespace are filled in */
	char libexec[512];
	uid_t uid_base; /* (uid_t)-1: children run as the same user */
	int lock_fd, signal_fd;
	struct child children[SUPERVISOR_CHILDREN]; /* those of the role, in start order */
	unsigned n_children;
	struct control control;
	struct notify notify;
	bool ready, draining, stopping, done;
	unsigned stop_stage;
	mono_t started_at, ready_deadline;
};

/* Runs until everything is stopped; the exit status for main. The options' strings must outlive the call. */
int supervisor_run(struct supervisor *s);
/* One line of the control socket; the answer goes to ret. */
void supervisor_command(struct supervisor *s, const char *line, struct strbuf *ret);

#endif
