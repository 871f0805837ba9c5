/* BGP OPEN and its capabilities (RFC 4271 4.2 and 6.2; 5492, 4760, 6793, 2918, 4724, 8950; 9072 on receive).
 * Runs in bgpd; pure. */
#include <string.h>

#include "bgpd/bgp_msg.h"

enum {
	CAP_MULTIPROTOCOL = 1,
	CAP_REFRESH = 2,
	CAP_NEXT_HOP = 5,
	CAP_GRACEFUL_RESTART = 64,
	CAP_AS4 = 65,
	CAP_ENHANCED_REFRESH = 70,
	PARAMETER_CAPABILITIES = 2,
	PARAMETERS_EXTENDED = 255,
};

static bool refuse(struct bgp_error *e, uint8_t subcode)
{
	*e = (struct bgp_error){ .code = BGP_ERR_OPEN, .subcode = subcode };
	return false;
}

static unsigned family_of(uint16_t afi, uint8_t safi)
{
	return safi != 1 ? 0 : afi == 1 ? BGP_V4 : afi == 2 ? BGP_V6 : 0;
}

static void read_graceful_restart(struct cur *v, struct bgp_open *o)
{
	uint16_t first = cur_u16(v);
	o->graceful = true;
	o->restarted = first & 0x8000;
	o->notification_restart = first & 0x4000; /* RFC 8538 */
	o->restart_s = first & 0x0fff;
	o->graceful_families = o->forwarding_kept = 0;
	while (!v->bad && cur_left(v) > 0) {
		uint16_t afi = cur_u16(v);
		uint8_t safi = cur_u8(v), flags = cur_u8(v);
		unsigned f = v->bad ? 0 : family_of(afi, safi);
		o->graceful_families |= f;
		if (flags & 0x80)
			o->forwarding_kept |= f;
	}
}

/* One capability. A wrong length inside a capability that we know makes v->bad; unknown ones are skipped. */
static void read_capability(uint8_t code, struct cur *v, struct bgp_open *o, bool *has_mp)
{
	switch (code) {
	case CAP_MULTIPROTOCOL: {
		uint16_t afi = cur_u16(v);
		cur_u8(v);
		uint8_t safi = cur_u8(v);
		*has_mp = true;
		o->families |= family_of(afi, safi);
		break;
	}
	case CAP_REFRESH: o->refresh = true; break;
	case CAP_ENHANCED_REFRESH: o->enhanced_refresh = true; break;
	case CAP_NEXT_HOP:
		while (!v->bad && cur_left(v) > 0) {
			uint16_t afi = cur_u16(v), safi = cur_u16(v), next_hop = cur_u16(v);
			if (!v->bad && afi == 1 && safi == 1 && next_hop == 2)
				o->next_hop_v6_for_v4 = true;
		}
		break;
	case CAP_GRACEFUL_RESTART: read_graceful_restart(v, o); break;
	case CAP_AS4:
		o->as4 = true;
		o->as = cur_u32(v);
		break;
	default: break;
	}
}

static bool read_capabilities(struct cur p, struct bgp_open *o, bool *has_mp)
{
	while (cur_left(&p) > 0) {
		uint8_t code = cur_u8(&p);
		struct cur v = cur_sub(&p, cur_u8(&p));
		if (p.bad)
			return false;
		read_capability(code, &v, o, has_mp);
		if (v.bad)
			return false;
	}
	return !p.bad;
}

/* The optional parameters, in the classic or the extended layout (RFC 9072: length octet 255 and first type
 * 255). */
static bool read_parameters(struct cur *c, struct bgp_open *o, struct bgp_error *error)
{
	bool extended = false, has_mp = false;
	size_t total = cur_u8(c);
	if (total == PARAMETERS_EXTENDED && cur_left(c) > 0 && *c->p == PARAMETERS_EXTENDED) {
		cur_u8(c);
		total = cur_u16(c);
		extended = true;
	}
	struct cur all = cur_sub(c, total);
	if (c->bad || cur_left(c) != 0)
		return refuse(error, 0);
	while (cur_left(&all) > 0) {
		uint8_t type = cur_u8(&all);
		struct cur p = cur_sub(&all, extended ? cur_u16(&all) : cur_u8(&all));
		if (all.bad)
			return refuse(error, 0);
		if (type != PARAMETER_CAPABILITIES)
			return refuse(error, 4);
		if (!read_capabilities(p, o, &has_mp))
			return refuse(error, 0);
	}
	if (!has_mp)
		o->families = BGP_V4;
	return !all.bad || refuse(error, 0);
}

bool bgp_open_decode(const uint8_t *body, size_t len, struct bgp_open *ret, struct bgp_error *error)
{
	struct cur c = cur_of(body, len);
	struct bgp_open o = { .version = cur_u8(&c) };
	o.as = cur_u16(&c);
	o.hold_s = cur_u16(&c);
	o.id = cur_u32(&c);
	if (c.bad)
		return refuse(error, 0);
	if (o.version != 4) {
		*error = (struct bgp_error){ .code = BGP_ERR_OPEN, .subcode = 1, .len = 2, .data = { 0, 4 } };
		return false;
	}
	if (!read_parameters(&c, &o, error))
		return false;
	if (o.as == 0)
		return refuse(error, 2);
	if (o.id == 0)
		return refuse(error, 3);
	if (o.hold_s == 1 || o.hold_s == 2)
		return refuse(error, 6);
	*ret = o;
	return true;
}

static void put_multiprotocol(struct wbuf *w, uint16_t afi)
{
	wbuf_u8(w, CAP_MULTIPROTOCOL);
	wbuf_u8(w, 4);
	wbuf_u16(w, afi);
	wbuf_u8(w, 0);
	wbuf_u8(w, 1);
}

static void put_graceful_family(struct wbuf *w, uint16_t afi, bool kept)
{
	wbuf_u16(w, afi);
	wbuf_u8(w, 1);
	wbuf_u8(w, kept ? 0x80 : 0);
}

static void put_graceful_restart(struct wbuf *w, const struct bgp_open *o)
{
	wbuf_u8(w, CAP_GRACEFUL_RESTART);
	size_t at = wbuf_reserve(w, 1);
	wbuf_u16(w, (uint16_t)((o->restarted ? 0x8000 : 0) | (o->restart_s & 0x0fff)));
	if (o->graceful_families & BGP_V4)
		put_graceful_family(w, 1, o->forwarding_kept & BGP_V4);
	if (o->graceful_families & BGP_V6)
		put_graceful_family(w, 2, o->forwarding_kept & BGP_V6);
	wbuf_patch_u8(w, at, (uint8_t)(w->len - at - 1));
}

static void put_capabilities(struct wbuf *w, const struct bgp_open *o)
{
	if (o->families & BGP_V4)
		put_multiprotocol(w, 1);
	if (o->families & BGP_V6)
		put_multiprotocol(w, 2);
	if (o->refresh) {
		wbuf_u8(w, CAP_REFRESH);
		wbuf_u8(w, 0);
	}
	if (o->next_hop_v6_for_v4) {
		wbuf_u8(w, CAP_NEXT_HOP);
		wbuf_u8(w, 6);
		wbuf_u16(w, 1);
		wbuf_u16(w, 1);
		wbuf_u16(w, 2);
	}
	if (o->graceful)
		put_graceful_restart(w, o);
	if (o->as4) {
		wbuf_u8(w, CAP_AS4);
		wbuf_u8(w, 4);
		wbuf_u32(w, o->as);
	}
}

void bgp_open_encode(struct wbuf *w, const struct bgp_open *o)
{
	size_t at = bgp_begin(w, BGP_OPEN);
	wbuf_u8(w, o->version);
	wbuf_u16(w, o->as > UINT16_MAX ? BGP_AS_TRANS : (uint16_t)o->as);
	wbuf_u16(w, o->hold_s);
	wbuf_u32(w, o->id);
	size_t total = wbuf_reserve(w, 1);
	wbuf_u8(w, PARAMETER_CAPABILITIES);
	size_t parameter = wbuf_reserve(w, 1);
	put_capabilities(w, o);
	if (w->len == parameter + 1)
		w->len = total + 1; /* no capability, no parameter */
	else
		wbuf_patch_u8(w, parameter, (uint8_t)(w->len - parameter - 1));
	wbuf_patch_u8(w, total, (uint8_t)(w->len - total - 1));
	bgp_end(w, at);
}
