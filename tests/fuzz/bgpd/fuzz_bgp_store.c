/* What a former life can leave behind: parameters, ring position, prefixes and bits are foreign input.
 * Whatever is accepted must be fit to go on with: announcing and withdrawing over it neither crashes nor
 * leaves a bit behind. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "bgpd/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void go_on(struct store *s, struct rib_slots *slots, const struct store_params *p)
{
	static const uint8_t seed[16];
	const struct bgp_encoding e = { .local_as = p->local_as,
					.ibgp = p->ibgp,
					.as4 = p->as4,
					.next_hop_v4 = { FAMILY_V4, { 10, 0, 0, 1 } },
					.next_hop_v6 = { FAMILY_V6, { 0xfd } } };
	uint8_t buf[BGP_MAX];
	struct rib *r = rib_new(slots, seed);
	int peer = r ? rib_peer_add(r, p->peer) : -1;
	if (peer < 0)
		abort();
	rib_session_up(r, (unsigned)peer, s->bits, p->families);
	rib_sweep(r);
	size_t sent = rib_counts(r, (unsigned)peer).sent, n;
	while ((n = rib_next(r, (unsigned)peer, &e, buf)) > 0) {
		if (n > BGP_MAX)
			abort();
		rib_sent(r, (unsigned)peer);
	}
	if (rib_counts(r, (unsigned)peer).sent != 0 || rib_prefixes(r) != 0 || sent > RIB_MAX_PREFIXES)
		abort();
	rib_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct store_params sound = { .peer = "p",
						   .local_family = FAMILY_V4,
						   .remote_family = FAMILY_V4,
						   .local_as = 1,
						   .router_id = 1,
						   .peer_as = 2,
						   .peer_id = 2,
						   .families = BGP_V4 | BGP_V6,
						   .as4 = 1 };
	enum { SLOTS = 64 };
	/* Many megabytes, of which a run touches the beginning. */
	static struct store memory;
	static struct rib_slots table;
	struct store *s = &memory;
	struct rib_slots *slots = &table;
	memset(s, 0, offsetof(struct store, bits) + 64);
	memset(slots->v, 0, SLOTS * sizeof *slots->v);
	struct store_params p = sound;
	char why[80];
	const uint8_t *pending;
	if (len < 1)
		return 0;
	/* First byte: bit 0 = parameters from the input, with a right checksum; else as they come. */
	uint8_t mode = *data++;
	len--;
	size_t n = len < sizeof p ? len : sizeof p;
	if (mode & 1)
		memcpy(&p, data, n);
	store_init(s);
	store_commit(s, &p);
	if (mode & 2)
		memcpy(s, data, len < 512 ? len : 512);
	if (mode & 4 && len >= 16) {
		memcpy(&s->head, data, 8);
		uint64_t taken;
		memcpy(&taken, data + 8, 8);
		if (store_position_ok(s, taken) && store_pending(s, taken, &pending) > STORE_RING)
			abort();
	}
	slots->n = SLOTS;
	memcpy(slots->v, data, len < SLOTS * sizeof *slots->v ? len : SLOTS * sizeof *slots->v);
	if (len >= 8)
		memcpy(s->bits, data + len - 8, 8);
	if (store_check(s, &p, why, sizeof why) == 0)
		go_on(s, slots, &p);
	return 0;
}
