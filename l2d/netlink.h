/* Decoding of rtnetlink messages about interfaces and addresses, with libmnl. No socket here (l2d/rtnl.h has
 * it). */
#ifndef INGOT_L2D_NETLINK_H
#define INGOT_L2D_NETLINK_H

#include <stddef.h>
#include <stdint.h>

#include "l2d/links.h"

struct netlink_reader {
	void (*new_link)(void *ctx, const struct link_msg *m);
	void (*del_link)(void *ctx, uint32_t index);
	void (*new_addr)(void *ctx, const struct addr_msg *m);
	void (*del_addr)(void *ctx, const struct addr_msg *m);
	/* The end of the dump with this sequence number; error: negative errno, or -EINTR when it is
	 * inconsistent and must be asked for again. */
	void (*done)(void *ctx, uint32_t sequence, int error);
};
struct netlink_state {
	uint64_t bad;	  /* malformed messages */
	bool interrupted; /* a part of the running dump said that it is inconsistent */
};
/* Every message in a datagram, which is aligned to four bytes. Malformed ones are counted, unknown ones
 * skipped. */
void netlink_decode(struct netlink_state *s, const void *data, size_t len,
		    const struct netlink_reader *reader, void *ctx);

#endif
