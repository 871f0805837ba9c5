/* The service manager's notification socket (sd_notify protocol), when there is one. */
#ifndef INGOT_SUPERVISOR_NOTIFY_H
#define INGOT_SUPERVISOR_NOTIFY_H

#include "lib/base/mono.h"

struct notify {
	int fd;		     /* -1 = nobody to notify */
	int64_t watchdog_us; /* 0 = none asked for */
	mono_t next;	     /* when it is due */
};

void notify_open(struct notify *n, mono_t now);
void notify_close(struct notify *n);
/* Assignments, one per line, as in sd_notify(3). */
void notify_say(struct notify *n, const char *text);
/* Sends WATCHDOG=1 when it is due; the time of the next one, MONO_NEVER = none. */
mono_t notify_tick(struct notify *n, mono_t now);

#endif
