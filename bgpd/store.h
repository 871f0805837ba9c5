/* What outlives bgpd for one Established session, in a memfd beside its socket: what was negotiated, the
 * outgoing bytes that the kernel has not taken yet, how far the input was read, and which prefixes may have
 * been sent. Pure: works on mapped memory. Everything in it is checked before it is believed.
 *
 * Outgoing bytes are addressed by their position in the stream. The kernel knows how many it has taken, so
 * nothing is noted between sending and dying; `head` moves when a whole message stands in the ring. */
#ifndef INGOT_BGPD_STORE_H
#define INGOT_BGPD_STORE_H

#include "bgpd/rib.h"
#include "bgpd/settings.h"

enum { STORE_RING = 128 << 10, STORE_VERSION = 1 };
#define STORE_MAGIC 0x696e676f74626770u /* "ingotbgp" */

/* Fixed-width copy of what a successor needs. */
struct store_params {
	char peer[LIMIT_NAME + 1];
	uint8_t local_family, remote_family;
	uint8_t local[16], remote[16];
	uint16_t remote_port;
	uint32_t scope; /* interface index of a link-local address */
	uint32_t local_as, router_id;
	uint32_t peer_as, peer_id, hold_s, keepalive_s;
	uint32_t families, ibgp, as4, refresh, next_hop_v6_for_v4, graceful, peer_graceful;
	uint64_t digest;	  /* of the settings */
	uint64_t password_digest; /* keyed with password_key; 0 = none */
	uint8_t password_key[16];
	char vrf[SETTINGS_INTERFACE];
	uint64_t base; /* bytes that the kernel counted before our first one */
	int64_t established_us;
};

struct store_next_hops {
	uint8_t v4_family, v6_family; /* 0 = none */
	uint8_t v4[16], v6[16];
};

struct store {
	uint64_t magic;
	uint32_t version, size;
	uint32_t established; /* written last: there is something to adopt */
	uint32_t end_of_rib;  /* families whose End-of-RIB has not left yet */
	struct store_params params;
	uint64_t params_sum;
	uint32_t hops_at, spare2; /* which of the two counts */
	struct store_next_hops hops[2];
	uint64_t head;	   /* bytes ever put into the ring */
	uint64_t consumed; /* bytes of input that are done */
	uint64_t note_at;  /* input that is being handled right now, while note_attempt is not 0 */
	uint32_t note_attempt, spare;
	int64_t last_input_us, last_keepalive_us;
	uint64_t adopted; /* times */
	uint64_t bits[RIB_WORDS];
	uint8_t ring[STORE_RING];
};

void store_init(struct store *s); /* fresh memory, all zero before */
/* Copy out and check. 0; -EINVAL with what is wrong in why. */
int store_check(const struct store *s, struct store_params *ret, char *why, size_t size);
void store_commit(struct store *s, const struct store_params *p); /* from now on it can be adopted */

/* Next hops change while a session lives. */
void store_set_next_hops(struct store *s, addr_t v4, addr_t v6);
void store_next_hops(const struct store *s, addr_t *v4, addr_t *v6); /* what is malformed is NONE */

/* Room for a message after what the kernel, at `taken`, still has to take. */
size_t store_room(const struct store *s, uint64_t taken);
bool store_put(struct store *s, uint64_t taken, const void *data,
	       size_t len); /* false: no room, nothing put */
/* Next contiguous bytes to send; 0 = none. */
size_t store_pending(const struct store *s, uint64_t taken, const uint8_t **ret);
bool store_position_ok(const struct store *s, uint64_t taken);

/* Around the handling of input at this position. true: a former life died on exactly these bytes. */
bool store_note(struct store *s, uint64_t at);
void store_noted(struct store *s);

#endif
