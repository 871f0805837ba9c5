/* Descriptor numbers that supervisor and children agree on. */
#ifndef INGOT_RUN_FDS_H
#define INGOT_RUN_FDS_H

enum {
	FD_SUPERVISOR = 3, /* SOCK_SEQPACKET pair to the supervisor (lib/run/supwire.h) */
};

/* Exit status of a daemon whose configuration (flags, environment) is wrong: it is not started again. */
enum { EXIT_CONFIG = 78 };

#endif
