/* The control socket RUN/control.sock: SOCK_SEQPACKET, one text line a question, one text an answer. */
#ifndef INGOT_SUPERVISOR_CONTROL_H
#define INGOT_SUPERVISOR_CONTROL_H

#include <poll.h>

#include "lib/base/strbuf.h"
#include "lib/run/log.h"

enum { CONTROL_CLIENTS = 8, CONTROL_POLLS = CONTROL_CLIENTS + 1, CONTROL_LINE = 256 };

struct control {
	int listener; /* -1 = none */
	int clients[CONTROL_CLIENTS];
	struct log_limit complaints;
};
typedef void (*control_command)(void *ctx, const char *line, struct strbuf *ret);

/* 0, or a negative errno. A socket file of a former life is replaced: the caller holds the lock of the
 * folder. */
int control_open(struct control *c, const char *run_dir);
void control_close(struct control *c, const char *run_dir);
/* Fills CONTROL_POLLS entries, and handles them after poll(). */
void control_prepare(const struct control *c, struct pollfd *polls);
void control_handle(struct control *c, const struct pollfd *polls, control_command fn, void *ctx);

#endif
