/* The retained memory of one session: layout, checks, the ring of outgoing bytes and the note about input.
 * Runs in bgpd; pure. The order of stores is what makes it whole at every instant at which the process may be
 * killed. */
#include "bgpd/store.h"

#include <errno.h>
#include <string.h>

#include "lib/base/strbuf.h"

void store_init(struct store *s)
{
	s->version = STORE_VERSION;
	s->size = sizeof *s;
	s->magic = STORE_MAGIC;
}

static uint64_t checksum(const struct store_params *p)
{
	static const uint8_t key[16] = "session params";
	return siphash24(key, p, sizeof *p);
}

/* 0 when fine, else what is wrong. */
static const char *judge(const struct store_params *p)
{
	size_t len = strnlen(p->peer, sizeof p->peer);
	if (len == 0 || len == sizeof p->peer || !str_is_utf8(p->peer, len))
		return "name of the peer";
	if (strnlen(p->vrf, sizeof p->vrf) == sizeof p->vrf)
		return "name of the VRF";
	if ((p->local_family != FAMILY_V4 && p->local_family != FAMILY_V6) ||
	    p->remote_family != p->local_family)
		return "addresses";
	if (p->local_as == 0 || p->peer_as == 0 || p->router_id == 0 || p->peer_id == 0)
		return "AS number or identifier";
	if (p->families == 0 || (p->families & ~(uint32_t)(BGP_V4 | BGP_V6)))
		return "families";
	if (p->hold_s > UINT16_MAX || p->hold_s == 1 || p->hold_s == 2 || p->keepalive_s > p->hold_s)
		return "timers";
	if (p->ibgp > 1 || p->as4 > 1 || p->refresh > 1 || p->next_hop_v6_for_v4 > 1 || p->graceful > 1 ||
	    p->peer_graceful > 1)
		return "flags";
	return NULL;
}

int store_check(const struct store *s, struct store_params *ret, char *why, size_t size)
{
	const char *wrong = NULL;
	struct store_params p;
	memcpy(&p, &s->params, sizeof p);
	if (s->magic != STORE_MAGIC)
		wrong = "magic number";
	else if (s->version != STORE_VERSION || s->size != sizeof *s)
		wrong = "version";
	else if (s->established != 1)
		wrong = "not established";
	else if (s->params_sum != checksum(&p))
		wrong = "checksum";
	else
		wrong = judge(&p);
	if (!wrong && (s->end_of_rib & ~(uint32_t)(BGP_V4 | BGP_V6)))
		wrong = "End-of-RIB mask";
	if (wrong) {
		str_fmt(why, size, "%s", wrong);
		return -EINVAL;
	}
	*ret = p;
	return 0;
}

void store_commit(struct store *s, const struct store_params *p)
{
	memcpy(&s->params, p, sizeof *p);
	s->params_sum = checksum(p);
	__atomic_store_n(&s->established, 1, __ATOMIC_RELEASE);
}

void store_set_next_hops(struct store *s, addr_t v4, addr_t v6)
{
	uint32_t at = (s->hops_at + 1) & 1;
	struct store_next_hops *h = &s->hops[at];
	h->v4_family = v4.family;
	h->v6_family = v6.family;
	memcpy(h->v4, v4.bytes, sizeof h->v4);
	memcpy(h->v6, v6.bytes, sizeof h->v6);
	__atomic_store_n(&s->hops_at, at, __ATOMIC_RELEASE);
}

void store_next_hops(const struct store *s, addr_t *v4, addr_t *v6)
{
	const struct store_next_hops *h = &s->hops[s->hops_at & 1];
	*v4 = h->v4_family == FAMILY_V4 ? addr_from_bytes(FAMILY_V4, h->v4) : (addr_t){ 0 };
	*v6 = h->v6_family == FAMILY_V6 ? addr_from_bytes(FAMILY_V6, h->v6) : (addr_t){ 0 };
}

bool store_position_ok(const struct store *s, uint64_t taken)
{
	return taken <= s->head && s->head - taken <= STORE_RING;
}

size_t store_room(const struct store *s, uint64_t taken)
{
	return STORE_RING - (size_t)(s->head - taken);
}

bool store_put(struct store *s, uint64_t taken, const void *data, size_t len)
{
	if (len > store_room(s, taken))
		return false;
	size_t at = (size_t)(s->head % STORE_RING), first = STORE_RING - at < len ? STORE_RING - at : len;
	memcpy(s->ring + at, data, first);
	memcpy(s->ring, (const uint8_t *)data + first, len - first);
	__atomic_store_n(&s->head, s->head + len, __ATOMIC_RELEASE);
	return true;
}

size_t store_pending(const struct store *s, uint64_t taken, const uint8_t **ret)
{
	size_t n = (size_t)(s->head - taken), at = (size_t)(taken % STORE_RING);
	*ret = s->ring + at;
	return n < STORE_RING - at ? n : STORE_RING - at;
}

bool store_note(struct store *s, uint64_t at)
{
	bool again = s->note_attempt != 0 && s->note_at == at;
	s->note_at = at;
	__atomic_store_n(&s->note_attempt, again ? s->note_attempt + 1 : 1, __ATOMIC_RELEASE);
	return again;
}

void store_noted(struct store *s)
{
	__atomic_store_n(&s->note_attempt, 0, __ATOMIC_RELEASE);
}
