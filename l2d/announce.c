/* Rounds of announcements and the responder's timers. Pure; runs in l2d. RFC 5227 section 2.3
 * (announcement), 2.1.1 (probe); RFC 4861 section 7.2.6 (unsolicited advertisement). A round is, as in
 * MetalLB, one ARP request and one ARP reply, or one advertisement. Neighbours differ in which of the two ARP
 * forms they believe. */
#include <string.h>

#include "l2d/responder.h"

enum { ROUND_FRAMES = 3 }; /* the most that one round puts into an outbox */

static mono_t conflict_end(const struct vip_if *f)
{
	return f->conflict ? mono_add(f->conflict_at, CONFLICT_KEPT) : MONO_NEVER;
}

void responder_arm(struct responder *r, struct vip_if *f)
{
	mono_t at = mono_min(f->rounds_left ? f->round_at : MONO_NEVER, conflict_end(f));
	if (at.us == MONO_NEVER.us)
		heap_remove(&r->timers, &f->timer);
	else if (heap_set(&r->timers, &f->timer, at) < 0)
		r->oom = true;
}

static struct out_frame *add_frame(struct outbox *box, struct vip_if *f, enum out_kind kind)
{
	struct out_frame *o = &box->v[box->n++];
	o->vif = f;
	o->index = f->link->index;
	o->kind = (uint8_t)kind;
	o->nd = f->vip->o.addr.family == FAMILY_V6;
	return o;
}

static void add_arp(struct outbox *box, struct vip_if *f, enum out_kind kind, struct arp a)
{
	struct out_frame *o = add_frame(box, f, kind);
	o->len = (uint16_t)arp_build(&a, o->bytes);
}

static void round_v4(struct outbox *box, struct vip_if *f)
{
	const uint8_t *mac = f->link->mac, *ip = f->vip->o.addr.bytes;
	add_arp(box, f, OUT_ANNOUNCE, arp_announcement(ARP_REQUEST, mac, ip));
	add_arp(box, f, OUT_ANNOUNCE, arp_announcement(ARP_REPLY, mac, ip));
	if (f->probe)
		add_arp(box, f, OUT_PROBE, arp_probe(mac, ip));
}

static void round_v6(struct outbox *box, struct vip_if *f)
{
	addr_t target = f->vip->o.addr;
	struct ndp_advert a = ndp_announcement(f->link->mac, f->link->link_local, target);
	struct out_frame *o = add_frame(box, f, OUT_ANNOUNCE);
	o->len = (uint16_t)ndp_advert_build(&a, o->bytes);
	if (!f->probe)
		return;
	o = add_frame(box, f, OUT_PROBE);
	o->len = (uint16_t)ndp_probe_build(f->link->mac, target, o->bytes);
}

static void send_round(struct responder *r, struct vip_if *f, mono_t now, struct outbox *box)
{
	if (f->vip->o.addr.family == FAMILY_V6)
		round_v6(box, f);
	else
		round_v4(box, f);
	/* What a restart must know: that the series began, and that it is over. */
	r->changed |= f->probe || f->rounds_left == 1;
	f->probe = false;
	f->rounds_left--;
	f->round_at = mono_add(now, ROUND_GAP);
}

bool responder_tick(struct responder *r, mono_t now, struct outbox *box)
{
	while (mono_reached(now, heap_next(&r->timers))) {
		if (box->n + ROUND_FRAMES > OUTBOX_N)
			return true;
		struct vip_if *f = (struct vip_if *)heap_pop_due(&r->timers, now);
		if (mono_reached(now, conflict_end(f))) {
			f->conflict = false;
			responder_dirty(r, f, &r->urgent);
		}
		if (f->rounds_left && mono_reached(now, f->round_at))
			send_round(r, f, now, box);
		responder_arm(r, f);
	}
	return false;
}

mono_t responder_next(const struct responder *r)
{
	return heap_next(&r->timers);
}

/* The series of this address, made now; a place for the uncounted when there can be none. */
static int64_t *new_series(struct responder *r, struct metric *m, addr_t addr)
{
	char text[ADDR_TEXT];
	const char *values[] = { addr_text(addr, text) };
	int64_t *series = m ? metric_series(m, values) : NULL;
	return series ? series : &r->uncounted;
}

void responder_count(struct responder *r, struct metric *m, int64_t **series, addr_t addr)
{
	if (!*series)
		*series = new_series(r, m, addr);
	++**series;
}

void responder_sent(struct responder *r, const struct outbox *box, size_t from, size_t n, bool ok)
{
	for (size_t i = from; i < from + n; i++) {
		struct vip_if *f = box->v[i].vif;
		if (!ok) {
			r->send_failures++;
			continue;
		}
		if (box->v[i].kind == OUT_REPLY) {
			f->responses++;
			responder_count(r, r->m_responses, &f->vip->responses, f->vip->o.addr);
		} else if (box->v[i].kind == OUT_ANNOUNCE) {
			f->gratuitous++;
			responder_count(r, r->m_gratuitous, &f->vip->gratuitous, f->vip->o.addr);
		}
		responder_dirty(r, f, &r->counters);
	}
}
