/* The two packet sockets: ARP and IPv6 neighbour discovery, each on all interfaces, with a filter that is
 * locked before the socket is bound. Frames in batches. */
#ifndef INGOT_L2D_PACKET_H
#define INGOT_L2D_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "l2d/responder.h"

enum packet_kind { PACKET_ARP, PACKET_ND, PACKET_N };
enum { PACKET_BATCH = 64 };

/* A bound socket (close-on-exec, non-blocking), or a negative errno; -EPERM without CAP_NET_RAW. */
int packet_open(enum packet_kind k);
/* Whether a descriptor is such a socket: one kept from a former life. */
bool packet_is(int fd, enum packet_kind k);

struct packet_frame {
	const uint8_t *data;
	size_t len;
	uint32_t index; /* interface it came from */
};
struct packet_batch;
struct packet_batch *packet_batch_new(enum packet_kind k); /* NULL on out of memory */
void packet_batch_free(struct packet_batch *b);
/* Receive what is there, at most PACKET_BATCH frames; their number, 0 when there is none. */
unsigned packet_receive(int fd, struct packet_batch *b);
struct packet_frame packet_frame(const struct packet_batch *b, unsigned i);

/* Send all of box, report each frame to the responder, and empty it. A frame that the kernel does not take is
 * lost. */
void packet_send(const int fds[static PACKET_N], struct outbox *box, struct responder *r);

/* Join or leave a multicast group (Ethernet). 0 or a negative errno. */
int packet_group(int fd, uint32_t index, const uint8_t mac[static MAC_LEN], bool join);
/* Frames that the kernel dropped since the last call, because the queue was full. */
unsigned packet_drops(int fd);

#endif
