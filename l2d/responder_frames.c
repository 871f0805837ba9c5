/* What arrives: requests are answered, other hosts' announcements of our addresses are noticed. Pure; runs in
 * l2d, on its hot path, so nothing here allocates for a request but the first one. RFC 826; RFC 5227
 * section 2.4 (conflicts); RFC 4861 section 7.2.3, 7.2.4; RFC 4862 section 5.4.3 (probes from `::`). */
#include <errno.h>
#include <string.h>

#include "l2d/responder.h"

/* Somebody who is no member uses our address. Policy of MetalLB: go on, but say it again to the neighbours.
 * Noted at most once a second, so that a flood of forged frames costs nothing. */
static void conflict(struct responder *r, struct vip_if *f, const uint8_t mac[static MAC_LEN], mono_t now)
{
	r->conflicts++;
	if (f->conflict && mono_sub(now, f->conflict_at) < SEC(1))
		return;
	bool fresh = !f->conflict || !mac_eq(f->conflict_mac, mac);
	f->conflict = true;
	f->conflict_at = now;
	memcpy(f->conflict_mac, mac, MAC_LEN);
	if (fresh)
		responder_act(r, ACTION_CONFLICT, f, mac);
	responder_dirty(r, f, &r->urgent);
	bool may_defend = !f->defended || mono_sub(now, f->defended_at) >= DEFEND_GAP;
	if (may_defend && !f->vip->yielded && f->rounds_left == 0) {
		f->defended = true;
		f->defended_at = f->round_at = now;
		f->rounds_left = 1;
	}
	responder_arm(r, f);
}

/* A frame says that `mac` has the address of v. Only an announcement of another member makes us yield: its
 * kernel may use the address as a source for other reasons (kube-proxy in IPVS mode puts it on every node).
 */
static void hear(struct responder *r, const struct vip *v, uint32_t index, const uint8_t mac[static MAC_LEN],
		 bool announcing, mono_t now)
{
	struct vip_if *f = vip_on(v, index);
	if (!f || responder_is_our_mac(r, mac))
		return;
	if (!r->members || !members_find(r->members, mac))
		conflict(r, f, mac, now);
	else if (announcing)
		responder_yield(r, f, mac, now);
}

static enum l2_result accept(struct responder *r, struct vip_if *f, struct outbox *box)
{
	responder_count(r, r->m_requests, &f->vip->requests, f->vip->o.addr);
	f->requests++;
	responder_dirty(r, f, &r->counters);
	return box->n == OUTBOX_N ? L2_NO_ROOM : L2_ANSWERED;
}

static struct out_frame *reply_slot(struct outbox *box, struct vip_if *f, bool nd)
{
	struct out_frame *o = &box->v[box->n++];
	o->vif = f;
	o->index = f->link->index;
	o->kind = OUT_REPLY;
	o->nd = nd;
	return o;
}

/* The one of our interfaces that must answer for addr, or NULL and why. */
static struct vip_if *find_owned(struct responder *r, addr_t addr, uint32_t index, enum l2_result *why)
{
	const struct vip *v = responder_find(r, addr);
	struct vip_if *f = v ? vip_on(v, index) : NULL;
	if (f && !v->yielded)
		return f;
	*why = f ? L2_YIELDED : L2_NOT_OURS;
	return NULL;
}

static enum l2_result handle_arp(struct responder *r, uint32_t index, const struct arp *a, mono_t now,
				 struct outbox *box)
{
	static const uint8_t nobody[4];
	enum l2_result why = L2_NOT_OURS;
	bool gratuitous = memcmp(a->sender_ip, a->target_ip, 4) == 0;
	const struct vip *said = responder_find(r, addr_from_bytes(FAMILY_V4, a->sender_ip));
	if (said) {
		/* An answer to no address is one to our own probe. */
		bool announcing =
		    gratuitous || (a->op == ARP_REPLY && memcmp(a->target_ip, nobody, sizeof nobody) != 0);
		hear(r, said, index, a->sender_mac, announcing, now);
	}
	if (a->op != ARP_REQUEST || gratuitous)
		return L2_HEARD;
	struct vip_if *f = find_owned(r, addr_from_bytes(FAMILY_V4, a->target_ip), index, &why);
	if (!f)
		return why;
	if (!mac_eq(a->dst, mac_broadcast) && !mac_eq(a->dst, f->link->mac))
		return L2_OTHER_DESTINATION;
	if (!mac_is_unicast(a->sender_mac))
		return L2_NO_LINK_ADDRESS;
	enum l2_result result = accept(r, f, box);
	if (result == L2_ANSWERED) {
		struct arp reply = arp_reply_to(a, f->link->mac);
		struct out_frame *o = reply_slot(box, f, false);
		o->len = (uint16_t)arp_build(&reply, o->bytes);
	}
	return result;
}

enum l2_result responder_arp(struct responder *r, uint32_t index, const void *frame, size_t len, mono_t now,
			     struct outbox *box)
{
	struct arp a;
	enum l2_result result = L2_MALFORMED;
	if (arp_parse(frame, len, &a) == 0)
		result = handle_arp(r, index, &a, now, box);
	r->results[0][result]++;
	return result;
}

static enum l2_result handle_advert(struct responder *r, uint32_t index, const struct ndp *m, mono_t now)
{
	const struct vip *v = responder_find(r, m->target);
	if (v)
		hear(r, v, index, m->has_link_address ? m->link_address : m->src_mac,
		     m->override && !m->solicited, now);
	return L2_HEARD;
}

static enum l2_result handle_solicit(struct responder *r, uint32_t index, const struct ndp *m, mono_t now,
				     struct outbox *box)
{
	enum l2_result why = L2_NOT_OURS;
	bool multicast = m->dst_mac[0] == 0x33 && m->dst_mac[1] == 0x33;
	bool probe = addr_is_unspecified(m->src);
	const struct vip *said = responder_find(r, m->src);
	if (said)
		hear(r, said, index, m->has_link_address ? m->link_address : m->src_mac, false, now);
	struct vip_if *f = find_owned(r, m->target, index, &why);
	if (!f)
		return why;
	if (!multicast && !mac_eq(m->dst_mac, f->link->mac))
		return L2_OTHER_DESTINATION;
	/* A multicast question must name the asker's address (RFC 4861 section 4.3); our own probe needs no
	 * answer. */
	if (probe ? responder_is_our_mac(r, m->src_mac) : multicast && !m->has_link_address)
		return L2_NO_LINK_ADDRESS;
	struct ndp_advert reply = ndp_reply_to(m, f->link->mac, f->link->link_local);
	if (!probe && !mac_is_unicast(reply.dst_mac))
		return L2_NO_LINK_ADDRESS;
	enum l2_result result = accept(r, f, box);
	if (result == L2_ANSWERED) {
		struct out_frame *o = reply_slot(box, f, true);
		o->len = (uint16_t)ndp_advert_build(&reply, o->bytes);
	}
	return result;
}

enum l2_result responder_ndp(struct responder *r, uint32_t index, const void *frame, size_t len, mono_t now,
			     struct outbox *box, struct ndp *router)
{
	struct ndp m;
	enum l2_result result = L2_MALFORMED;
	router->type = 0;
	if (ndp_parse(frame, len, &m) == 0) {
		result = L2_HEARD;
		if (m.type == NDP_ROUTER_ADVERT)
			*router = m;
		else if (m.type == NDP_ADVERT)
			result = handle_advert(r, index, &m, now);
		else
			result = handle_solicit(r, index, &m, now, box);
	}
	r->results[1][result]++;
	return result;
}
