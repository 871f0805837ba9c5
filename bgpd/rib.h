/* What is announced: routes wanted by Services, merged per prefix, and per peer what was sent. Pure.
 *
 * One table of prefixes serves all peers; per peer there are only two small numbers for each prefix (wanted
 * and sent set of attributes) and a bit in memory that outlives the process: "this prefix may have been
 * sent". The bit is set before the announcement is handed out and cleared after the withdrawal was, so it is
 * a superset at every instant. The prefixes themselves (struct rib_slot) outlive the process too, because the
 * bits count in their order.
 *
 * Several routes for one prefix are merged: communities united, the highest localPref wins. */
#ifndef INGOT_BGPD_RIB_H
#define INGOT_BGPD_RIB_H

#include "bgpd/bgp_msg.h"
#include "lib/base/map.h"
#include "lib/model/announce.h"

enum { RIB_MAX_PREFIXES = 1 << 19, RIB_MAX_PEERS = LIMIT_PEERS, RIB_WORDS = RIB_MAX_PREFIXES / 64 };

/* One prefix in retained memory; family 0 = free. */
struct rib_slot {
	uint8_t family, len;
	uint16_t spare;
	uint8_t addr[16];
};
_Static_assert(sizeof(struct rib_slot) == 20, "layout of retained memory");

struct rib;

/* What one Service asks for; embed it, zero-initialised. */
enum { RIB_CLAIM_FEW = 2 }; /* one Service in both families needs no memory of its own */
struct rib_claim {
	uint32_t n;
	union {
		uint32_t few[RIB_CLAIM_FEW];
		uint32_t *many;
	} u;
};

/* The retained table of prefixes; n: slots that were ever used. */
struct rib_slots {
	uint32_t n, spare;
	struct rib_slot v[RIB_MAX_PREFIXES];
};

/* slots may hold the prefixes of a former life: what is not well-formed there is erased. Borrowed. seed: for
 * the hash. NULL on out of memory. */
struct rib *rib_new(struct rib_slots *slots, const uint8_t seed[static 16]);
void rib_free(struct rib *r);
/* After the sessions of a former life were attached: forget the prefixes that none of them needs. */
void rib_sweep(struct rib *r);

/* Replace what a Service asks for. n = 0: nothing. -ENOMEM, -ENOSPC (table full): then the Service has what
 * fitted. *changed (may be NULL) tells whether anything is different. */
int rib_claim_set(struct rib *r, struct rib_claim *c, const struct bgp_route *routes, size_t n,
		  bool *changed);
void rib_claim_fini(struct rib *r, struct rib_claim *c);
/* Free what the claim holds when the table is gone, or goes. */
void rib_claim_forget(struct rib_claim *c);
/* Prefixes of a claim, each once, in order; returns how many (at most max written). */
size_t rib_claim_prefixes(const struct rib *r, const struct rib_claim *c, prefix_t *ret, size_t max);
/* How a peer stands to the prefixes of a claim. */
enum rib_standing { RIB_NOT_FOR_PEER, RIB_WANTED, RIB_SENT };
enum rib_standing rib_claim_standing(const struct rib *r, const struct rib_claim *c, unsigned peer);

/* A configured peer: its number (0 to RIB_MAX_PEERS - 1), or -ENOSPC, -ENOMEM. */
int rib_peer_add(struct rib *r, const char *name);
void rib_peer_del(struct rib *r, unsigned peer);

/* The session came up, or was adopted: bits are its RIB_WORDS words in retained memory; those that are set
 * count as sent with unknown attributes. Everything wanted is queued. false: a bit stands for no prefix, so
 * nobody knows what was sent (the session is up all the same; end it). */
bool rib_session_up(struct rib *r, unsigned peer, uint64_t *bits, unsigned families);
/* The session ended: nothing is sent any more; bits are not touched again. */
void rib_session_down(struct rib *r, unsigned peer);
/* Families that can be announced from now on (negotiated and with a next hop). */
void rib_session_families(struct rib *r, unsigned peer, unsigned families);
/* Send again all of these families, as if attributes were unknown (route refresh, new next hop, RFC 8326). */
void rib_session_resend(struct rib *r, unsigned peer, unsigned families);
/* Want nothing any more on this session: an orderly end. */
void rib_session_drain(struct rib *r, unsigned peer, bool on);

/* The next UPDATE for this peer into buf (BGP_MAX bytes): its length, 0 = nothing to send. The caller puts it
 * into the outgoing stream and then calls rib_sent; if it cannot, it drops the bytes and asks again later. */
size_t rib_next(struct rib *r, unsigned peer, const struct bgp_encoding *e, uint8_t *buf);
void rib_sent(struct rib *r, unsigned peer);

struct rib_counts {
	size_t wanted, sent, pending; /* prefixes; wanted: of the families that can be announced */
};
struct rib_counts rib_counts(const struct rib *r, unsigned peer);
size_t rib_prefixes(const struct rib *r);
uint64_t rib_dropped(
    const struct rib *r); /* routes refused because the table was full, communities over the cap */

/* For tests and the status page: attributes that are wanted for a prefix on a peer; false = none. */
bool rib_wanted(const struct rib *r, unsigned peer, prefix_t p, struct bgp_attributes *ret);

#endif
