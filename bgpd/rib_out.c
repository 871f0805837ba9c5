/* What each peer was sent, what differs from what is wanted, and the UPDATEs that close the gap.
 * Announcements go before withdrawals, so that a more specific prefix that takes over stands before the other
 * one goes. Runs in bgpd; pure. */
#include <stdlib.h>
#include <string.h>

#include "bgpd/rib_internal.h"
#include "lib/base/must.h"

static bool bit_get(const uint64_t *bits, uint32_t e)
{
	return bits[e / 64] >> (e % 64) & 1;
}

static void bit_set(uint64_t *bits, uint32_t e)
{
	bits[e / 64] |= (uint64_t)1 << (e % 64);
}

static void bit_clear(uint64_t *bits, uint32_t e)
{
	bits[e / 64] &= ~((uint64_t)1 << (e % 64));
}

static bool bigger(void *array, uint32_t old_cap, uint32_t cap, size_t size)
{
	void **at = array;
	char *v = realloc(*at, cap * size);
	if (!v)
		return false;
	memset(v + old_cap * size, 0, (cap - old_cap) * size);
	*at = v;
	return true;
}

/* Capacities are powers of two from 256 on, so that whole words of bits come and go. */
bool peer_reserve(struct peer_rib *p, uint32_t old_cap, uint32_t cap)
{
	return bigger(&p->wanted, old_cap, cap, sizeof *p->wanted) &&
	       bigger(&p->sent, old_cap, cap, sizeof *p->sent) &&
	       bigger(&p->queued, old_cap / 64, cap / 64, sizeof *p->queued);
}

/* What should be on this session. */
static uint32_t effective(const struct rib *r, const struct peer_rib *p, uint32_t e)
{
	return !p->drain && (p->families & entry_family(r, e)) ? p->wanted[e] : ATTRS_NONE;
}

static void enqueue(const struct rib *r, struct peer_rib *p, uint32_t e)
{
	p->sorted = false;
	if (bit_get(p->queued, e) || effective(r, p, e) == p->sent[e])
		return;
	if (p->n_queue == p->queue_cap) {
		size_t cap = p->queue_cap ? p->queue_cap * 2 : 64;
		uint32_t *q = realloc(p->queue, cap * sizeof *q);
		must(q); /* a forgotten change would be announced never: better a fresh life */
		p->queue = q;
		p->queue_cap = cap;
	}
	p->queue[p->n_queue++] = e;
	bit_set(p->queued, e);
}

void rib_want(struct rib *r, unsigned peer, uint32_t e, uint32_t attrs)
{
	struct peer_rib *p = &r->peers[peer];
	uint32_t old = p->wanted[e];
	if (old == attrs) {
		attrs_unref(&r->attrs, attrs);
		return;
	}
	bool counts = p->families & entry_family(r, e);
	p->n_wanted -= counts && old != ATTRS_NONE;
	p->n_wanted += counts && attrs != ATTRS_NONE;
	p->wanted[e] = attrs;
	attrs_unref(&r->attrs, old);
	if (p->families)
		enqueue(r, p, e);
}

static void enqueue_all(struct rib *r, struct peer_rib *p)
{
	p->n_wanted = 0;
	for (uint32_t e = 0; e < r->n; e++) {
		if (!r->slots->v[e].family)
			continue;
		if (p->wanted[e] != ATTRS_NONE && (p->families & entry_family(r, e)))
			p->n_wanted++;
		enqueue(r, p, e);
	}
}

bool rib_session_up(struct rib *r, unsigned peer, uint64_t *bits, unsigned families)
{
	struct peer_rib *p = &r->peers[peer];
	must(p->used && !p->bits);
	bool sound = true;
	p->bits = bits;
	p->families = families;
	p->drain = false;
	for (uint32_t w = 0; w < (r->n + 63) / 64; w++) {
		for (uint32_t e = w * 64; bits[w] && e < w * 64 + 64; e++) {
			if (!bit_get(bits, e))
				continue;
			if (e >= r->n || !r->slots->v[e].family) {
				bit_clear(bits, e);
				sound = false;
				continue;
			}
			p->sent[e] = ATTRS_UNKNOWN;
			p->n_sent++;
			r->entries[e].refs++;
		}
	}
	enqueue_all(r, p);
	return sound;
}

void rib_session_down(struct rib *r, unsigned peer)
{
	struct peer_rib *p = &r->peers[peer];
	if (!p->bits)
		return;
	for (uint32_t e = 0; e < r->n; e++) {
		if (p->sent[e] == ATTRS_NONE)
			continue;
		attrs_unref(&r->attrs, p->sent[e]);
		p->sent[e] = ATTRS_NONE;
		entry_unref(r, e);
	}
	p->bits = NULL;
	p->families = 0;
	p->drain = false;
	p->n_sent = p->n_wanted = p->packed = 0;
	p->n_queue = p->queue_at = 0;
	memset(p->queued, 0, r->cap / 8);
}

void rib_session_families(struct rib *r, unsigned peer, unsigned families)
{
	struct peer_rib *p = &r->peers[peer];
	if (!p->bits || p->families == families)
		return;
	p->families = families;
	enqueue_all(r, p);
}

void rib_session_resend(struct rib *r, unsigned peer, unsigned families)
{
	struct peer_rib *p = &r->peers[peer];
	for (uint32_t e = 0; p->bits && e < r->n; e++) {
		if (p->sent[e] == ATTRS_NONE || !(entry_family(r, e) & families))
			continue;
		attrs_unref(&r->attrs, p->sent[e]);
		p->sent[e] = ATTRS_UNKNOWN;
		enqueue(r, p, e);
	}
}

void rib_session_drain(struct rib *r, unsigned peer, bool on)
{
	struct peer_rib *p = &r->peers[peer];
	if (!p->bits || p->drain == on)
		return;
	p->drain = on;
	enqueue_all(r, p);
}

struct sorting {
	const struct rib *r;
	const struct peer_rib *p;
};

/* Announcements first, then by family and attributes; inside a group by slot. */
static int compare(const void *a, const void *b, void *ctx)
{
	const struct sorting *s = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	uint32_t wx = effective(s->r, s->p, x), wy = effective(s->r, s->p, y);
	if ((wx == ATTRS_NONE) != (wy == ATTRS_NONE))
		return wx == ATTRS_NONE ? 1 : -1;
	unsigned fx = entry_family(s->r, x), fy = entry_family(s->r, y);
	if (fx != fy)
		return fx < fy ? -1 : 1;
	if (wx != wy)
		return wx < wy ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Drop what has become equal meanwhile, and bring together what can share a message. */
static void tidy(struct rib *r, struct peer_rib *p)
{
	size_t n = 0;
	for (size_t i = p->queue_at; i < p->n_queue; i++) {
		uint32_t e = p->queue[i];
		if (effective(r, p, e) == p->sent[e])
			bit_clear(p->queued, e);
		else
			p->queue[n++] = e;
	}
	p->n_queue = n;
	p->queue_at = 0;
	p->sorted = true;
	if (n > 1)
		qsort_r(p->queue, n, sizeof *p->queue, compare, &(struct sorting){ r, p });
}

size_t rib_next(struct rib *r, unsigned peer, const struct bgp_encoding *e, uint8_t *buf)
{
	struct peer_rib *p = &r->peers[peer];
	p->packed = 0;
	if (!p->bits)
		return 0;
	if (!p->sorted)
		tidy(r, p);
	if (p->queue_at == p->n_queue)
		return 0;
	uint32_t first = p->queue[p->queue_at], attrs = effective(r, p, first);
	unsigned family = entry_family(r, first);
	struct bgp_attributes a = { 0 };
	if (attrs != ATTRS_NONE) {
		const struct attrs *v = &r->attrs.v[attrs];
		a = (struct bgp_attributes){ v->local_pref, v->n, v->v };
	}
	struct bgp_update_out u;
	if (!bgp_update_begin(&u, buf, e, family == BGP_V4 ? FAMILY_V4 : FAMILY_V6,
			      attrs != ATTRS_NONE ? &a : NULL))
		return 0;
	for (size_t i = p->queue_at; i < p->n_queue; i++) {
		uint32_t x = p->queue[i];
		if (entry_family(r, x) != family || effective(r, p, x) != attrs ||
		    !bgp_update_add(&u, entry_prefix(r, x)))
			break;
		if (attrs != ATTRS_NONE)
			bit_set(p->bits, x);
		p->packed++;
	}
	__atomic_thread_fence(__ATOMIC_RELEASE); /* the bits stand before any byte leaves */
	return bgp_update_end(&u);
}

void rib_sent(struct rib *r, unsigned peer)
{
	struct peer_rib *p = &r->peers[peer];
	__atomic_thread_fence(__ATOMIC_RELEASE); /* the bytes are committed before a bit goes */
	for (size_t i = 0; i < p->packed; i++) {
		uint32_t e = p->queue[p->queue_at++], attrs = effective(r, p, e), old = p->sent[e];
		bit_clear(p->queued, e);
		attrs_ref(&r->attrs, attrs);
		p->sent[e] = attrs;
		attrs_unref(&r->attrs, old);
		if (old == ATTRS_NONE) {
			p->n_sent++;
			r->entries[e].refs++;
		} else if (attrs == ATTRS_NONE) {
			p->n_sent--;
			bit_clear(p->bits, e);
			entry_unref(r, e);
		}
	}
	p->packed = 0;
}

struct rib_counts rib_counts(const struct rib *r, unsigned peer)
{
	const struct peer_rib *p = &r->peers[peer];
	return (struct rib_counts){ p->n_wanted, p->n_sent, p->n_queue - p->queue_at };
}
