/* A BGP peer that only listens: accepts, answers, decodes every byte of the stream and keeps the table it
 * describes. */
#ifndef INGOT_TESTS_BGP_RECEIVER_H
#define INGOT_TESTS_BGP_RECEIVER_H

#include "bgpd/bgp_msg.h"
#include "lib/base/map.h"
#include "lib/run/loop.h"

struct receiver {
	struct loop *loop;
	uint32_t as, id; /* id: BGP identifier, 10.0.0.1 unless set */
	uint16_t port;	 /* chosen by the kernel */
	int listener, fd;
	struct loop_fd *listen_watch, *watch;
	struct loop_timer *keepalive;
	uint8_t buf[1 << 16];
	size_t n;
	struct map table; /* 17 bytes of prefix -> non-NULL */
	uint64_t sessions, ended, bytes, updates, keepalives, notifications, announced, withdrawn, end_of_rib;
	uint64_t marked;       /* UPDATEs with the community of RFC 8326 */
	uint8_t code, subcode; /* of the last NOTIFICATION */
	bool broken;	       /* a byte too many or too few: the stream could not be decoded */
	bool paused;	       /* stop reading, so that the sender has to wait in the middle of messages */
	bool open_only;	       /* answer an OPEN without the KEEPALIVE, which follows a second later */
};

int receiver_open(struct receiver *r, struct loop *l, unsigned host, uint32_t as); /* on 127.0.0.host */
/* Connect to the speaker instead, from 127.0.0.host: 0, or a negative errno. */
int receiver_connect(struct receiver *r, unsigned host, uint16_t port);
void receiver_close(struct receiver *r);
void receiver_pause(struct receiver *r, bool on);
void receiver_say(struct receiver *r, const uint8_t *bytes, size_t n); /* anything, to the speaker */
bool receiver_has(const struct receiver *r, prefix_t p);

#endif
