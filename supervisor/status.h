/* The supervisor's answer to "status": JSON text. Keys are documented in docs/man/ingotd.8; they may be
 * added, never changed. */
#ifndef INGOT_SUPERVISOR_STATUS_H
#define INGOT_SUPERVISOR_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/strbuf.h"
#include "supervisor/policy.h"

struct status_head {
	const char *version, *role, *node, *run_dir;
	int pid;
	bool ready, draining, stopping;
	int64_t uptime_us;
};
struct status_daemon {
	const char *name;
	const struct policy *policy;
	int pid;	       /* 0 = no process */
	const char *last_exit; /* "" = never died */
	size_t retained;
	uint64_t retained_refused, malformed;
};

void status_begin(struct strbuf *b, const struct status_head *h);
void status_daemon(struct strbuf *b, const struct status_daemon *d, mono_t now);
void status_end(struct strbuf *b);

#endif
