/* Neighbour discovery codec: bytes to struct and back, with the checksum over the IPv6 pseudo header. Pure;
 * runs in l2d. It may not decide anything about an address. RFC 4861 sections 4.2-4.4, 4.6.1, 6.1.2, 7.1; RFC
 * 8200 section 8.1. A message behind extension headers is not taken for neighbour discovery: no host sends
 * such. */
#include "l2d/ndp.h"

#include <errno.h>
#include <string.h>

#include "lib/base/cur.h"

enum {
	TYPE_IPV6 = 0x86dd,
	NEXT_ICMPV6 = 58,
	HOP_LIMIT = 255,
	OPTION_SOURCE = 1,
	OPTION_TARGET = 2,
	SOLICIT_LEN = 24, /* ICMPv6 header, flags, target */
	ROUTER_LEN = 16,
	FLAG_ROUTER = 0x80,
	FLAG_SOLICITED = 0x40,
	FLAG_OVERRIDE = 0x20,
};

static const addr_t unspecified = { .family = FAMILY_V6 };
static const addr_t all_nodes = { .family = FAMILY_V6, .bytes = { 0xff, 0x02, [15] = 1 } };

static uint32_t sum16(uint32_t sum, const uint8_t *p, size_t n)
{
	struct cur c = cur_of(p, n);
	while (cur_left(&c) > 1)
		sum += cur_u16(&c);
	return cur_left(&c) ? sum + ((uint32_t)cur_u8(&c) << 8) : sum;
}

/* The Internet checksum of an ICMPv6 message with its pseudo header; 0 over a message that carries the right
 * one. */
static uint16_t checksum(const addr_t *src, const addr_t *dst, const uint8_t *message, size_t len)
{
	uint32_t sum = (uint32_t)len + NEXT_ICMPV6;
	sum = sum16(sum, src->bytes, 16);
	sum = sum16(sum, dst->bytes, 16);
	sum = sum16(sum, message, len);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

addr_t ndp_solicited_node(addr_t target)
{
	addr_t g = { .family = FAMILY_V6, .bytes = { 0xff, 0x02, [11] = 1, [12] = 0xff } };
	memcpy(g.bytes + 13, target.bytes + 13, 3);
	return g;
}

void ndp_group_mac(addr_t group, uint8_t ret[static MAC_LEN])
{
	ret[0] = ret[1] = 0x33;
	memcpy(ret + 2, group.bytes + 12, 4);
}

static addr_t take_addr(struct cur *c)
{
	addr_t a = { .family = FAMILY_V6 };
	cur_copy(c, a.bytes, 16);
	return a;
}

/* Options: every length is checked, only the link-layer address that belongs to the message is kept. */
static int parse_options(struct cur *c, uint8_t wanted, struct ndp *m)
{
	while (cur_left(c) > 0) {
		uint8_t type = cur_u8(c), units = cur_u8(c);
		if (c->bad || units == 0)
			return -EBADMSG;
		struct cur body = cur_sub(c, (size_t)units * 8 - 2);
		if (c->bad)
			return -EBADMSG;
		if (type == wanted && cur_left(&body) == MAC_LEN) {
			cur_copy(&body, m->link_address, MAC_LEN);
			m->has_link_address = true;
		}
	}
	return 0;
}

/* The rules that need the whole message: sections 7.1.1, 7.1.2, 6.1.2. */
static int check_rules(const struct ndp *m)
{
	if (addr_is_multicast(m->src))
		return -EPROTO;
	if (m->type == NDP_ROUTER_ADVERT)
		return addr_is_link_local(m->src) ? 0 : -EPROTO;
	if (addr_is_multicast(m->target) || addr_is_unspecified(m->target))
		return -EPROTO;
	if (m->type == NDP_ADVERT)
		return m->solicited && addr_is_multicast(m->dst) ? -EPROTO : 0;
	if (addr_is_unspecified(m->src) &&
	    (m->has_link_address || !addr_eq(m->dst, ndp_solicited_node(m->target))))
		return -EPROTO;
	return 0;
}

static int parse_message(struct cur *c, struct ndp *m)
{
	if (m->type == NDP_ROUTER_ADVERT) {
		cur_skip(c, 2); /* hop limit for hosts, flags */
		m->router_lifetime_s = cur_u16(c);
		cur_skip(c, ROUTER_LEN - 8); /* reachable time, retransmission timer */
	} else {
		uint8_t flags = cur_u8(c);
		cur_skip(c, 3);
		m->target = take_addr(c);
		if (m->type == NDP_ADVERT) {
			m->router = flags & FLAG_ROUTER;
			m->solicited = flags & FLAG_SOLICITED;
			m->override = flags & FLAG_OVERRIDE;
		}
	}
	if (c->bad)
		return -EBADMSG;
	int r = parse_options(c, m->type == NDP_ADVERT ? OPTION_TARGET : OPTION_SOURCE, m);
	return r < 0 ? r : check_rules(m);
}

int ndp_parse(const void *frame, size_t len, struct ndp *ret)
{
	struct cur c = cur_of(frame, len);
	struct ndp m = { 0 };
	cur_copy(&c, m.dst_mac, MAC_LEN);
	cur_copy(&c, m.src_mac, MAC_LEN);
	uint16_t ether_type = cur_u16(&c);
	uint8_t version = cur_u8(&c) >> 4;
	cur_skip(&c, 3);
	uint16_t payload = cur_u16(&c);
	uint8_t next = cur_u8(&c), hops = cur_u8(&c);
	m.src = take_addr(&c);
	m.dst = take_addr(&c);
	if (c.bad)
		return -EBADMSG;
	if (ether_type != TYPE_IPV6 || version != 6 || next != NEXT_ICMPV6)
		return -EPROTONOSUPPORT;
	struct cur body = cur_sub(&c, payload);
	struct cur whole = body;
	m.type = cur_u8(&body);
	uint8_t code = cur_u8(&body);
	cur_skip(&body, 2); /* checksum, below over the whole */
	if (body.bad)
		return -EBADMSG;
	if (m.type < NDP_ROUTER_ADVERT || m.type > NDP_ADVERT)
		return -EPROTONOSUPPORT;
	if (hops != HOP_LIMIT || code != 0)
		return -EPROTO;
	if (checksum(&m.src, &m.dst, cur_take(&whole, payload), payload) != 0)
		return -EILSEQ;
	int r = parse_message(&body, &m);
	if (r == 0)
		*ret = m;
	return r;
}

static void put_headers(struct wbuf *w, const uint8_t *dst_mac, const uint8_t *src_mac, addr_t src,
			addr_t dst, uint16_t payload)
{
	wbuf_put(w, dst_mac, MAC_LEN);
	wbuf_put(w, src_mac, MAC_LEN);
	wbuf_u16(w, TYPE_IPV6);
	wbuf_u32(w, 6u << 28);
	wbuf_u16(w, payload);
	wbuf_u8(w, NEXT_ICMPV6);
	wbuf_u8(w, HOP_LIMIT);
	wbuf_put(w, src.bytes, 16);
	wbuf_put(w, dst.bytes, 16);
}

static void put_message(struct wbuf *w, uint8_t type, uint8_t flags, addr_t target)
{
	wbuf_u8(w, type);
	wbuf_u8(w, 0);
	wbuf_reserve(w, 2);
	wbuf_u8(w, flags);
	wbuf_reserve(w, 3);
	wbuf_put(w, target.bytes, 16);
}

size_t ndp_advert_build(const struct ndp_advert *a, uint8_t out[static NDP_MAX])
{
	enum { LEN = SOLICIT_LEN + 8 };
	struct wbuf w = wbuf_of(out, NDP_MAX);
	put_headers(&w, a->dst_mac, a->src_mac, a->src, a->dst, LEN);
	size_t at = w.len;
	unsigned flags = (a->solicited ? FLAG_SOLICITED : 0u) | (a->override ? FLAG_OVERRIDE : 0u);
	put_message(&w, NDP_ADVERT, (uint8_t)flags, a->target);
	wbuf_u8(&w, OPTION_TARGET);
	wbuf_u8(&w, 1);
	wbuf_put(&w, a->src_mac, MAC_LEN);
	wbuf_patch_u16(&w, at + 2, checksum(&a->src, &a->dst, out + at, LEN));
	return w.len;
}

struct ndp_advert ndp_announcement(const uint8_t mac[static MAC_LEN], addr_t src, addr_t target)
{
	struct ndp_advert a = { .src = src, .dst = all_nodes, .target = target, .override = true };
	ndp_group_mac(all_nodes, a.dst_mac);
	memcpy(a.src_mac, mac, MAC_LEN);
	return a;
}

struct ndp_advert ndp_reply_to(const struct ndp *s, const uint8_t mac[static MAC_LEN], addr_t src)
{
	struct ndp_advert a = ndp_announcement(mac, src, s->target);
	a.override = false;
	if (!addr_is_unspecified(s->src)) {
		a.dst = s->src;
		a.solicited = true;
		memcpy(a.dst_mac, s->has_link_address ? s->link_address : s->src_mac, MAC_LEN);
	}
	return a;
}

size_t ndp_probe_build(const uint8_t mac[static MAC_LEN], addr_t target, uint8_t out[static NDP_MAX])
{
	struct wbuf w = wbuf_of(out, NDP_MAX);
	addr_t group = ndp_solicited_node(target);
	uint8_t group_mac[MAC_LEN];
	ndp_group_mac(group, group_mac);
	put_headers(&w, group_mac, mac, unspecified, group, SOLICIT_LEN);
	size_t at = w.len;
	put_message(&w, NDP_SOLICIT, 0, target);
	wbuf_patch_u16(&w, at + 2, checksum(&unspecified, &group, out + at, SOLICIT_LEN));
	return w.len;
}
