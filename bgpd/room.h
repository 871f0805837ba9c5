/* bgpd as a whole, for main.c and tests. */
#ifndef INGOT_BGPD_ROOM_H
#define INGOT_BGPD_ROOM_H

#include "lib/run/daemon.h"

int bgpd_main(int argc, char **argv); /* exit status */
int bgpd_open(struct daemon *d);
int bgpd_join(struct daemon *d);
void bgpd_explain(struct daemon *d, const char *subject, char *buf, size_t size);
void bgpd_close(struct daemon *d);

#endif
