/* TCP listeners of statusd, opened before the sandbox and kept by the supervisor over restarts, so that a
 * scrape that comes in between waits in the queue. */
#ifndef INGOT_STATUSD_LISTENER_H
#define INGOT_STATUSD_LISTENER_H

#include "lib/run/daemon.h"

/* A listening, non-blocking descriptor for "ADDRESS:PORT" ("[v6]:PORT"); name is the option and the retained
 * name. -1 when it is turned off (empty or port 0), malformed or the address is in use: said in the log. */
int listener_open(struct daemon *d, const char *name, const char *address_port);

#endif
