/* From a configured peer to session settings (RFC 4271 AS and identifier rules, 6286; TTLs as FRR sets
 * them). Runs in bgpd; pure. */
#include "bgpd/settings.h"

#include <errno.h>
#include <string.h>

#include "lib/base/map.h"
#include "lib/base/strbuf.h"

enum { DEFAULT_HOLD_S = 90, DEFAULT_CONNECT_S = 30, TTL_FAR = 255, TTL_NEXT = 1 };

static bool is_internal(const struct bgp_fsm_config *c)
{
	return c->peer_as ? c->peer_as == c->local_as : c->dynamic_asn == DYNAMIC_ASN_INTERNAL;
}

static void resolve_fsm(const struct peer *p, struct bgp_fsm_config *c)
{
	c->local_as = p->local_asn ? p->local_asn : p->my_asn;
	c->peer_as = p->peer_asn;
	c->dynamic_asn = p->dynamic_asn;
	c->hold_s = p->has_hold ? p->hold_s : DEFAULT_HOLD_S;
	c->keepalive_s = p->has_keepalive ? p->keepalive_s : 0;
	c->connect_s = p->has_connect ? p->connect_s : DEFAULT_CONNECT_S;
	c->graceful_restart = p->graceful_restart;
	bool over_v6 = p->address.family != FAMILY_V4;
	bool both = p->dual_stack || p->address.family == FAMILY_NONE;
	c->families = both ? BGP_V4 | BGP_V6 : over_v6 ? BGP_V6 : BGP_V4;
	c->next_hop_v6_for_v4 = over_v6 && (c->families & BGP_V4);
}

int settings_of(const struct peer *p, struct settings *ret, char *why, size_t size)
{
	struct settings s = { .address = p->address,
			      .source = p->source,
			      .port = p->port ? p->port : BGP_PORT };
	bool fits = str_fmt(s.name, sizeof s.name, "%s", p->name) &&
		    str_fmt(s.interface, sizeof s.interface, "%s", p->interface ? p->interface : "") &&
		    str_fmt(s.vrf, sizeof s.vrf, "%s", p->vrf ? p->vrf : "") &&
		    str_fmt(s.secret, sizeof s.secret, "%s", p->password_secret ? p->password_secret : "");
	if (!fits) {
		str_fmt(why, size, "a name is too long (interfaces and VRFs: 15 bytes)");
		return -EINVAL;
	}
	if (p->address.family == FAMILY_NONE && !*s.interface) {
		str_fmt(why, size, "it has neither an address nor an interface");
		return -EINVAL;
	}
	if (p->source.family != FAMILY_NONE && p->address.family != FAMILY_NONE &&
	    p->source.family != p->address.family) {
		str_fmt(why, size, "source address and peer address are of different families");
		return -EINVAL;
	}
	s.has_password = p->has_password;
	s.multi_hop = p->multi_hop;
	s.router_id = p->router_id.family == FAMILY_V4 ? addr_v4_value(p->router_id) : 0;
	resolve_fsm(p, &s.fsm);
	s.ttl = s.multi_hop || is_internal(&s.fsm) ? TTL_FAR : TTL_NEXT;
	*ret = s;
	return 0;
}

static void put_address(struct wbuf *w, addr_t a)
{
	wbuf_u8(w, a.family);
	wbuf_put(w, a.bytes, sizeof a.bytes);
}

uint64_t settings_digest(const struct settings *s)
{
	static const uint8_t key[16] = "peer settings";
	uint8_t bytes[512];
	struct wbuf w = wbuf_of(bytes, sizeof bytes);
	put_address(&w, s->address);
	put_address(&w, s->source);
	wbuf_put(&w, s->interface, sizeof s->interface);
	wbuf_put(&w, s->vrf, sizeof s->vrf);
	wbuf_u8(&w, s->has_password);
	wbuf_u16(&w, s->port);
	wbuf_u32(&w, s->router_id);
	wbuf_u32(&w, s->fsm.local_as);
	wbuf_u32(&w, s->fsm.peer_as);
	wbuf_u8(&w, (uint8_t)s->fsm.dynamic_asn);
	wbuf_u8(&w, (uint8_t)s->fsm.families);
	wbuf_u8(&w, s->fsm.graceful_restart);
	return siphash24(key, bytes, w.len);
}

uint32_t crc32_ieee(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t crc = 0xffffffff;
	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		for (int k = 0; k < 8; k++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
	}
	return ~crc;
}

uint32_t settings_router_id(const struct settings *s, addr_t local, const char *node)
{
	if (s->router_id)
		return s->router_id;
	if (local.family == FAMILY_V4 && addr_v4_value(local))
		return addr_v4_value(local);
	/* The bytes of the checksum in little-endian order, as MetalLB derives it. */
	uint32_t id = __builtin_bswap32(crc32_ieee(node, strlen(node)));
	return id ? id : 1;
}
