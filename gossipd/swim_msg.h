/* What gossipd daemons say to each other, in the clear (seal.h wraps it). A packet is: version (1), sender's
 * name (length, bytes), sender's incarnation (8), then messages: type (1), length (2), body. Big-endian. A
 * receiver skips message types that it does not know; anything malformed condemns the whole packet.
 * docs/swim.md has the table. */
#ifndef INGOT_GOSSIPD_SWIM_MSG_H
#define INGOT_GOSSIPD_SWIM_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/addr.h"
#include "lib/base/cur.h"
#include "lib/model/limits.h"

enum {
	SWIM_VERSION = 1,
	SWIM_MAX_LINKS = 32, /* told of one member; so that every message fits in one packet */
	SWIM_LINK_NAME = 15, /* IFNAMSIZ - 1 */
	SWIM_PACKET = 1320,  /* most bytes of one packet; sealed it stays below 1400 */
};

/* Values are those of MemberState on the bus. */
enum swim_state { SWIM_ALIVE = 0, SWIM_SUSPECT = 1, SWIM_DEAD = 2, SWIM_LEFT = 3 };
enum { SWIM_FLAG_DRAINING = 1 };

struct swim_addr {
	addr_t ip;
	uint16_t port;
};
struct swim_link {
	char name[SWIM_LINK_NAME + 1];
	uint8_t mac[6];
	bool up;
};
/* What is told about one member. */
struct swim_node {
	char name[LIMIT_NODE_NAME + 1];
	enum swim_state state;
	uint64_t incarnation;
	uint8_t flags;
	struct swim_addr addr; /* family NONE: where its packets come from */
	uint8_t n_links;
	struct swim_link links[SWIM_MAX_LINKS];
};

/*  constant, number, meaning */
#define SWIM_MESSAGES(X)                                                                                     \
	X(PING, 1, "are you alive? answered by ACK")                                                         \
	X(ACK, 2, "I am; seq of the PING")                                                                   \
	X(PING_REQ, 3, "please PING that member for me")                                                     \
	X(RELAYING, 4, "I shall: tells the asker that its own way out works")                                \
	X(RELAYED, 5, "it answered me")                                                                      \
	X(STATE, 6, "suspect, dead or left, without what only an ALIVE carries")                             \
	X(ALIVE, 7, "alive, with address and links")                                                         \
	X(LEFT_ACK, 8, "I took over from you")
enum swim_type {
#define X(constant, number, meaning) SWIM_MSG_##constant = number,
	SWIM_MESSAGES(X)
#undef X
};
enum { SWIM_PING_FIRST = 1, SWIM_PING_INTRODUCE = 2 };

struct swim_msg {
	enum swim_type type;
	uint32_t seq;  /* PING, ACK, PING_REQ, RELAYING, RELAYED */
	uint8_t ping;  /* PING: FIRST = the first try of a round: the sender heard from us lately; INTRODUCE =
			  answer with an ALIVE */
	uint64_t from; /* STATE: swim_hash of who says so */
	struct swim_node node; /* PING, PING_REQ: name (and addr); STATE, ALIVE; LEFT_ACK: incarnation */
};
struct swim_packet {
	char sender[LIMIT_NODE_NAME + 1];
	uint64_t incarnation;
	struct cur body;
};

/* Check a whole packet, then lend its head. 0; -EBADMSG malformed, -EPROTONOSUPPORT another version. */
int swim_packet_open(const void *data, size_t len, struct swim_packet *ret);
/* The next known message; false at the end. The packet was opened before, so nothing can be malformed. */
bool swim_packet_next(struct swim_packet *p, struct swim_msg *ret);

/* Begin a packet / add a message. False (nothing written) when it does not fit. */
bool swim_packet_begin(struct wbuf *w, const char *sender, uint64_t incarnation);
bool swim_packet_add(struct wbuf *w, const struct swim_msg *m);

/* Node names are RFC 1123 subdomains; a machine without a cluster may have capitals and underscores in its
 * host name. */
bool swim_name_is_valid(const char *name);
/* FNV-1a: the same on every node, so that all agree on the ring. Not a defence against anything. */
uint64_t swim_hash(const char *name);
bool swim_addr_eq(const struct swim_addr *a, const struct swim_addr *b);
enum { SWIM_ADDR_TEXT = 56 };
/* "10.0.0.1:7946", "[::1]:7946" into buf; returns buf. */
const char *swim_addr_text(const struct swim_addr *a, char buf[static SWIM_ADDR_TEXT]);

/* One node as the memory of a restarted gossipd keeps it, and as ALIVE carries it. */
bool swim_node_put(struct wbuf *w, const struct swim_node *n);
int swim_node_get(struct cur *c, struct swim_node *ret);

#endif
