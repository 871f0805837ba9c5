/* Reads UPDATE messages: framing strictly, attributes as far as RFC 7606 asks. Nothing that a peer announces
 * is kept, so everything milder than "the message cannot be parsed" only changes a counter. Runs in bgpd;
 * pure. */
#include <string.h>

#include "bgpd/bgp_msg.h"

enum {
	ATTR_ORIGIN = 1,
	ATTR_AS_PATH = 2,
	ATTR_NEXT_HOP = 3,
	ATTR_MED = 4,
	ATTR_LOCAL_PREF = 5,
	ATTR_ATOMIC_AGGREGATE = 6,
	ATTR_AGGREGATOR = 7,
	ATTR_COMMUNITIES = 8,
	ATTR_MP_REACH = 14,
	ATTR_MP_UNREACH = 15,
	ATTR_LARGE_COMMUNITIES = 32,

	FLAG_OPTIONAL = 0x80,
	FLAG_TRANSITIVE = 0x40,
	FLAG_EXTENDED = 0x10,
};

struct reading {
	struct bgp_update_in *u;
	bool as4;
	uint8_t seen[32]; /* one bit per attribute type */
};

static void worsen(struct bgp_update_in *u, enum bgp_outcome o)
{
	if (o > u->outcome)
		u->outcome = o;
}

static void reset(struct bgp_update_in *u, uint8_t subcode)
{
	if (u->outcome == BGP_UPDATE_RESET)
		return;
	u->outcome = BGP_UPDATE_RESET;
	u->error = (struct bgp_error){ .code = BGP_ERR_UPDATE, .subcode = subcode };
}

bool bgp_nlri_next(struct cur *c, enum family f, prefix_t *ret)
{
	if (cur_left(c) == 0)
		return false;
	unsigned len = cur_u8(c);
	uint8_t bytes[16] = { 0 };
	if (len > (f == FAMILY_V4 ? 32u : 128u)) {
		c->bad = true;
		return false;
	}
	cur_copy(c, bytes, (len + 7) / 8);
	if (c->bad)
		return false;
	*ret = prefix_of(addr_from_bytes(f, bytes), len);
	return true;
}

/* Whether every prefix of the list can be told (RFC 7606 5.3). */
static bool nlri_whole(struct cur c, enum family f)
{
	prefix_t p;
	while (bgp_nlri_next(&c, f, &p))
		;
	return !c.bad;
}

static enum family family_of(uint16_t afi, uint8_t safi)
{
	return safi != 1 ? FAMILY_NONE : afi == 1 ? FAMILY_V4 : afi == 2 ? FAMILY_V6 : FAMILY_NONE;
}

/* Next hops of 4, 16 or 32 bytes; for IPv4 prefixes the longer ones too (RFC 8950). */
static bool read_next_hop(struct cur *c, enum family f, addr_t *ret)
{
	size_t len = cur_u8(c);
	const uint8_t *p = cur_take(c, len);
	if (!p)
		return false;
	if (len == 4 && f == FAMILY_V4) {
		*ret = addr_from_bytes(FAMILY_V4, p);
		return true;
	}
	if (len == 16 || len == 32) {
		*ret = addr_from_bytes(FAMILY_V6, p);
		return true;
	}
	return false;
}

static void read_mp_reach(struct bgp_update_in *u, struct cur v)
{
	uint16_t afi = cur_u16(&v);
	enum family f = family_of(afi, cur_u8(&v));
	addr_t next_hop = { 0 };
	if (v.bad || (f != FAMILY_NONE && !read_next_hop(&v, f, &next_hop))) {
		reset(u, 9);
		return;
	}
	if (f == FAMILY_NONE)
		return;
	cur_u8(&v);
	if (v.bad || !nlri_whole(v, f)) {
		reset(u, v.bad ? 9 : 10);
		return;
	}
	u->mp_announced_family = f;
	u->mp_announced = v;
	u->mp_next_hop = next_hop;
}

static void read_mp_unreach(struct bgp_update_in *u, struct cur v)
{
	uint16_t afi = cur_u16(&v);
	enum family f = family_of(afi, cur_u8(&v));
	if (v.bad || (f != FAMILY_NONE && !nlri_whole(v, f))) {
		reset(u, 9);
		return;
	}
	u->mp_withdrawn_family = f;
	u->mp_withdrawn = v;
}

/* Segments of whole AS numbers (RFC 7606 7.2). */
static bool as_path_whole(struct cur v, bool as4)
{
	while (cur_left(&v) > 0) {
		uint8_t type = cur_u8(&v);
		size_t n = cur_u8(&v);
		cur_skip(&v, n * (as4 ? 4 : 2));
		if (v.bad || n == 0 || type < 1 || type > 4)
			return false;
	}
	return true;
}

/* Whether the flags are what RFC 4271 6.3 wants for a type that we know. */
static bool flags_right(uint8_t flags, uint8_t type)
{
	uint8_t kind = flags & (FLAG_OPTIONAL | FLAG_TRANSITIVE);
	switch (type) {
	case ATTR_ORIGIN:
	case ATTR_AS_PATH:
	case ATTR_NEXT_HOP:
	case ATTR_LOCAL_PREF:
	case ATTR_ATOMIC_AGGREGATE: return kind == FLAG_TRANSITIVE;
	case ATTR_MED:
	case ATTR_MP_REACH:
	case ATTR_MP_UNREACH: return kind == FLAG_OPTIONAL;
	case ATTR_AGGREGATOR:
	case ATTR_COMMUNITIES:
	case ATTR_LARGE_COMMUNITIES: return kind == (FLAG_OPTIONAL | FLAG_TRANSITIVE);
	default: return kind != 0; /* an unknown well-known attribute */
	}
}

static void read_value(struct reading *r, uint8_t type, struct cur v)
{
	struct bgp_update_in *u = r->u;
	size_t len = cur_left(&v);
	switch (type) {
	case ATTR_ORIGIN:
		u->has_origin = true;
		if (len != 1 || cur_u8(&v) > 2)
			worsen(u, BGP_UPDATE_TREAT_AS_WITHDRAW);
		break;
	case ATTR_AS_PATH:
		u->has_as_path = true;
		if (!as_path_whole(v, r->as4))
			worsen(u, BGP_UPDATE_TREAT_AS_WITHDRAW);
		break;
	case ATTR_NEXT_HOP:
		if (len != 4)
			worsen(u, BGP_UPDATE_TREAT_AS_WITHDRAW);
		else
			u->next_hop = addr_from_bytes(FAMILY_V4, v.p);
		break;
	case ATTR_LOCAL_PREF:
	case ATTR_MED:
		if (len != 4) {
			worsen(u, BGP_UPDATE_TREAT_AS_WITHDRAW);
		} else if (type == ATTR_LOCAL_PREF) {
			u->has_local_pref = true;
			u->local_pref = cur_u32(&v);
		}
		break;
	case ATTR_ATOMIC_AGGREGATE:
		if (len != 0)
			worsen(u, BGP_UPDATE_DISCARD_ATTRIBUTE);
		break;
	case ATTR_AGGREGATOR:
		if (len != (r->as4 ? 8u : 6u))
			worsen(u, BGP_UPDATE_DISCARD_ATTRIBUTE);
		break;
	case ATTR_COMMUNITIES:
		if (len == 0 || len % 4 != 0)
			worsen(u, BGP_UPDATE_TREAT_AS_WITHDRAW);
		break;
	case ATTR_LARGE_COMMUNITIES:
		if (len == 0 || len % 12 != 0)
			worsen(u, BGP_UPDATE_TREAT_AS_WITHDRAW);
		break;
	case ATTR_MP_REACH: read_mp_reach(u, v); break;
	case ATTR_MP_UNREACH: read_mp_unreach(u, v); break;
	default: break;
	}
}

static void read_attributes(struct reading *r, struct cur all)
{
	while (cur_left(&all) > 0) {
		uint8_t flags = cur_u8(&all), type = cur_u8(&all);
		struct cur v = cur_sub(&all, flags & FLAG_EXTENDED ? cur_u16(&all) : cur_u8(&all));
		if (all.bad) { /* RFC 7606 4: an overrun; the prefixes are still known */
			worsen(r->u, BGP_UPDATE_TREAT_AS_WITHDRAW);
			return;
		}
		uint8_t bit = (uint8_t)(1u << (type & 7));
		if (r->seen[type >> 3] & bit) {
			if (type == ATTR_MP_REACH || type == ATTR_MP_UNREACH)
				reset(r->u, 1);
			else
				worsen(r->u, BGP_UPDATE_DISCARD_ATTRIBUTE);
			continue;
		}
		r->seen[type >> 3] |= bit;
		if (!flags_right(flags, type))
			worsen(r->u, BGP_UPDATE_TREAT_AS_WITHDRAW);
		read_value(r, type, v);
	}
}

static unsigned end_of_rib(const struct bgp_update_in *u, size_t attributes_len)
{
	if (cur_left(&u->withdrawn) || cur_left(&u->announced))
		return 0;
	if (attributes_len == 0)
		return BGP_V4;
	if (attributes_len <= 7 && u->mp_withdrawn_family != FAMILY_NONE && cur_left(&u->mp_withdrawn) == 0 &&
	    u->mp_announced_family == FAMILY_NONE)
		return bgp_family_bit(u->mp_withdrawn_family);
	return 0;
}

void bgp_update_decode(const uint8_t *body, size_t len, bool as4, struct bgp_update_in *ret)
{
	struct bgp_update_in u = { 0 };
	u.mp_withdrawn = u.mp_announced = cur_of(NULL, 0);
	struct cur c = cur_of(body, len);
	u.withdrawn = cur_sub(&c, cur_u16(&c));
	u.attributes = cur_sub(&c, cur_u16(&c));
	size_t attributes_len = cur_left(&u.attributes);
	u.announced = c;
	if (c.bad) {
		reset(&u, 1);
	} else if (!nlri_whole(u.withdrawn, FAMILY_V4) || !nlri_whole(u.announced, FAMILY_V4)) {
		reset(&u, 10);
	} else {
		struct reading r = { .u = &u, .as4 = as4 };
		read_attributes(&r, u.attributes);
		bool announces = cur_left(&u.announced) > 0 || cur_left(&u.mp_announced) > 0;
		bool classic = cur_left(&u.announced) > 0;
		if (announces && (!u.has_origin || !u.has_as_path || (classic && !u.next_hop.family)))
			worsen(&u, BGP_UPDATE_TREAT_AS_WITHDRAW); /* RFC 7606 3 d */
		if (u.outcome < BGP_UPDATE_TREAT_AS_WITHDRAW)
			u.end_of_rib = end_of_rib(&u, attributes_len);
	}
	*ret = u;
}
