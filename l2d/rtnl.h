/* The rtnetlink socket: keeps the link table equal to the kernel's, by events; by a full dump at the start
 * and whenever events were lost. No capability is needed. */
#ifndef INGOT_L2D_RTNL_H
#define INGOT_L2D_RTNL_H

#include <stdbool.h>
#include <stdint.h>

#include "l2d/links.h"
#include "l2d/netlink.h"

enum rtnl_phase { RTNL_IDLE, RTNL_LINKS, RTNL_ADDRS };

struct rtnl {
	int fd;
	uint32_t sequence;
	enum rtnl_phase phase;
	int error;  /* that the kernel gave for a dump, negative errno */
	bool again; /* events were lost during a dump */
	struct netlink_state state;
	uint64_t overruns;
	struct links *links; /* borrowed */
	/* This interface is gone: forget it everywhere, at last with links_del. */
	void (*gone)(void *ctx, uint32_t index);
	void *ctx;
};

/* Open and read the whole table. 0 or a negative errno; -ETIMEDOUT when the kernel does not answer. */
int rtnl_open(struct rtnl *n, struct links *links, void (*gone)(void *ctx, uint32_t index), void *ctx);
/* Read what is there, at most a few datagrams; false when the socket is broken. */
bool rtnl_read(struct rtnl *n);
void rtnl_close(struct rtnl *n);

#endif
