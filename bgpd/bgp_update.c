/* Writes UPDATE messages: many prefixes that share one set of attributes per message, never over 4096 bytes
 * (RFC 4271 4.3 and 5.1; 4760, 1997, 8092, 6793, 8950, 8326). IPv4 travels in the classic fields unless its
 * next hop is IPv6. Runs in bgpd; pure. */
#include <string.h>

#include "bgpd/bgp_msg.h"
#include "lib/base/must.h"

enum {
	ATTR_ORIGIN = 1,
	ATTR_AS_PATH = 2,
	ATTR_NEXT_HOP = 3,
	ATTR_LOCAL_PREF = 5,
	ATTR_COMMUNITIES = 8,
	ATTR_MP_REACH = 14,
	ATTR_MP_UNREACH = 15,
	ATTR_AS4_PATH = 17,
	ATTR_LARGE_COMMUNITIES = 32,

	FLAGS_WELL_KNOWN = 0x40,
	FLAGS_TRANSITIVE = 0xc0,
	FLAGS_OPTIONAL = 0x80,
	FLAG_EXTENDED = 0x10,

	AS_SEQUENCE = 2,
	ORIGIN_IGP = 0,
	DEFAULT_LOCAL_PREF = 100,
};
static const community_t graceful_shutdown = { .v = { 0xffff0000u } };

/* Attributes with one length octet up to 255 bytes, with two beyond. */
static void put_attribute(struct wbuf *w, uint8_t flags, uint8_t type, size_t len)
{
	wbuf_u8(w, len > 255 ? flags | FLAG_EXTENDED : flags);
	wbuf_u8(w, type);
	if (len > 255)
		wbuf_u16(w, (uint16_t)len);
	else
		wbuf_u8(w, (uint8_t)len);
}

static void put_as_path(struct wbuf *w, const struct bgp_encoding *e)
{
	if (e->ibgp) {
		put_attribute(w, FLAGS_WELL_KNOWN, ATTR_AS_PATH, 0);
		return;
	}
	put_attribute(w, FLAGS_WELL_KNOWN, ATTR_AS_PATH, e->as4 ? 6 : 4);
	wbuf_u8(w, AS_SEQUENCE);
	wbuf_u8(w, 1);
	if (e->as4)
		wbuf_u32(w, e->local_as);
	else
		wbuf_u16(w, e->local_as > UINT16_MAX ? BGP_AS_TRANS : (uint16_t)e->local_as);
}

static size_t count_communities(const struct bgp_attributes *a, bool large)
{
	size_t n = 0;
	for (size_t i = 0; i < a->n_communities; i++)
		n += a->communities[i].large == large;
	return n;
}

static void put_communities(struct wbuf *w, const struct bgp_encoding *e, const struct bgp_attributes *a)
{
	size_t n = count_communities(a, false) + (e->graceful_shutdown ? 1 : 0);
	if (n == 0)
		return;
	put_attribute(w, FLAGS_TRANSITIVE, ATTR_COMMUNITIES, n * 4);
	for (size_t i = 0; i < a->n_communities; i++)
		if (!a->communities[i].large)
			wbuf_u32(w, a->communities[i].v[0]);
	if (e->graceful_shutdown)
		wbuf_u32(w, graceful_shutdown.v[0]);
}

static void put_large_communities(struct wbuf *w, const struct bgp_attributes *a)
{
	size_t n = count_communities(a, true);
	if (n == 0)
		return;
	put_attribute(w, FLAGS_TRANSITIVE, ATTR_LARGE_COMMUNITIES, n * 12);
	for (size_t i = 0; i < a->n_communities; i++)
		if (a->communities[i].large)
			for (int k = 0; k < 3; k++)
				wbuf_u32(w, a->communities[i].v[k]);
}

/* All attributes but MP_REACH, in ascending order. next_hop NONE: it rides in MP_REACH. */
static void put_attributes(struct wbuf *w, const struct bgp_encoding *e, const struct bgp_attributes *a,
			   addr_t next_hop)
{
	put_attribute(w, FLAGS_WELL_KNOWN, ATTR_ORIGIN, 1);
	wbuf_u8(w, ORIGIN_IGP);
	put_as_path(w, e);
	if (next_hop.family == FAMILY_V4) {
		put_attribute(w, FLAGS_WELL_KNOWN, ATTR_NEXT_HOP, 4);
		wbuf_put(w, next_hop.bytes, 4);
	}
	if (e->ibgp) {
		put_attribute(w, FLAGS_WELL_KNOWN, ATTR_LOCAL_PREF, 4);
		wbuf_u32(w, e->graceful_shutdown ? 0 : a->local_pref ? a->local_pref : DEFAULT_LOCAL_PREF);
	}
	put_communities(w, e, a);
	if (!e->ibgp && !e->as4 && e->local_as > UINT16_MAX) {
		put_attribute(w, FLAGS_TRANSITIVE, ATTR_AS4_PATH, 6);
		wbuf_u8(w, AS_SEQUENCE);
		wbuf_u8(w, 1);
		wbuf_u32(w, e->local_as);
	}
	put_large_communities(w, a);
}

static uint16_t afi_of(enum family f)
{
	return f == FAMILY_V4 ? 1 : 2;
}

/* Opens MP_REACH or MP_UNREACH, always with two length octets because the length is known last. */
static void begin_mp(struct bgp_update_out *u, uint8_t type, addr_t next_hop)
{
	wbuf_u8(&u->w, FLAGS_OPTIONAL | FLAG_EXTENDED);
	wbuf_u8(&u->w, type);
	u->mp_at = wbuf_reserve(&u->w, 2);
	wbuf_u16(&u->w, afi_of(u->family));
	wbuf_u8(&u->w, 1);
	if (type == ATTR_MP_REACH) {
		wbuf_u8(&u->w, 16);
		wbuf_put(&u->w, next_hop.bytes, 16);
		wbuf_u8(&u->w, 0);
	}
}

static void begin_announce(struct bgp_update_out *u, const struct bgp_encoding *e,
			   const struct bgp_attributes *a, addr_t next_hop)
{
	wbuf_u16(&u->w, 0);
	u->total_at = wbuf_reserve(&u->w, 2);
	if (!u->mp) {
		put_attributes(&u->w, e, a, next_hop);
		return;
	}
	struct wbuf tail = wbuf_of(u->tail, sizeof u->tail);
	put_attributes(&tail, e, a, (addr_t){ 0 });
	u->tail_len = tail.len;
	begin_mp(u, ATTR_MP_REACH, next_hop);
}

bool bgp_update_begin(struct bgp_update_out *u, uint8_t *buf, const struct bgp_encoding *e, enum family f,
		      const struct bgp_attributes *attributes)
{
	must(!attributes || attributes->n_communities <= BGP_MAX_COMMUNITIES);
	bool via_v6 = f == FAMILY_V6 || (attributes && e->next_hop_v6_for_v4);
	addr_t next_hop = via_v6 ? e->next_hop_v6 : e->next_hop_v4;
	if (attributes && next_hop.family == FAMILY_NONE)
		return false;
	u->w = wbuf_of(buf, BGP_MAX);
	u->family = f;
	u->announce = attributes != NULL;
	u->mp = via_v6;
	u->n = u->tail_len = 0;
	bgp_begin(&u->w, BGP_UPDATE);
	if (attributes) {
		begin_announce(u, e, attributes, next_hop);
	} else if (u->mp) {
		wbuf_u16(&u->w, 0);
		u->total_at = wbuf_reserve(&u->w, 2);
		begin_mp(u, ATTR_MP_UNREACH, (addr_t){ 0 });
	} else {
		u->total_at = wbuf_reserve(&u->w, 2); /* length of the withdrawn routes */
	}
	return true;
}

bool bgp_update_add(struct bgp_update_out *u, prefix_t p)
{
	must(p.addr.family == u->family);
	size_t octets = (p.len + 7u) / 8;
	size_t behind = u->tail_len + (!u->announce && !u->mp ? 2 : 0);
	if (wbuf_left(&u->w) < 1 + octets + behind)
		return false;
	wbuf_u8(&u->w, p.len);
	wbuf_put(&u->w, p.addr.bytes, octets);
	u->n++;
	if (u->announce && !u->mp && u->n == 1) /* the attributes ended where the first prefix begins */
		wbuf_patch_u16(&u->w, u->total_at, (uint16_t)(u->w.len - 1 - octets - u->total_at - 2));
	return true;
}

size_t bgp_update_end(struct bgp_update_out *u)
{
	must(u->n > 0);
	if (u->mp) {
		wbuf_patch_u16(&u->w, u->mp_at, (uint16_t)(u->w.len - u->mp_at - 2));
		wbuf_put(&u->w, u->tail, u->tail_len);
		wbuf_patch_u16(&u->w, u->total_at, (uint16_t)(u->w.len - u->total_at - 2));
	} else if (!u->announce) {
		wbuf_patch_u16(&u->w, u->total_at, (uint16_t)(u->w.len - u->total_at - 2));
		wbuf_u16(&u->w, 0);
	}
	bgp_end(&u->w, 0);
	must(!u->w.bad);
	return u->w.len;
}

void bgp_end_of_rib_encode(struct wbuf *w, enum family f)
{
	size_t at = bgp_begin(w, BGP_UPDATE);
	wbuf_u16(w, 0);
	if (f == FAMILY_V4) {
		wbuf_u16(w, 0);
	} else {
		wbuf_u16(w, 6);
		wbuf_u8(w, FLAGS_OPTIONAL);
		wbuf_u8(w, ATTR_MP_UNREACH);
		wbuf_u8(w, 3);
		wbuf_u16(w, afi_of(f));
		wbuf_u8(w, 1);
	}
	bgp_end(w, at);
}
