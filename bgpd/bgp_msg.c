/* BGP message header, KEEPALIVE, NOTIFICATION and ROUTE-REFRESH (RFC 4271 4.1, 4.4, 4.5, 6.1; 2918; 8203,
 * 9003). Runs in bgpd; pure. */
#include "bgpd/bgp_msg.h"

#include <string.h>

#include "lib/base/strbuf.h"

unsigned bgp_family_bit(enum family f)
{
	switch (f) {
	case FAMILY_V4: return BGP_V4;
	case FAMILY_V6: return BGP_V6;
	case FAMILY_NONE: break;
	}
	return 0;
}

static bool header_error(struct bgp_error *e, uint8_t subcode, const void *data, uint8_t len)
{
	*e = (struct bgp_error){ .code = BGP_ERR_HEADER, .subcode = subcode, .len = len };
	if (len)
		memcpy(e->data, data, len);
	return false;
}

bool bgp_header_decode(const uint8_t bytes[static BGP_HEADER], struct bgp_header *ret,
		       struct bgp_error *error)
{
	static const struct {
		uint16_t least, most;
	} sizes[] = {
		[BGP_OPEN] = { 29, BGP_MAX },	      [BGP_UPDATE] = { 23, BGP_MAX },
		[BGP_NOTIFICATION] = { 21, BGP_MAX }, [BGP_KEEPALIVE] = { BGP_HEADER, BGP_HEADER },
		[BGP_ROUTE_REFRESH] = { 23, 23 },
	};
	for (size_t i = 0; i < 16; i++)
		if (bytes[i] != 0xff)
			return header_error(error, 1, NULL, 0);
	struct bgp_header h = { .len = (uint16_t)(bytes[16] << 8 | bytes[17]), .type = bytes[18] };
	if (h.len < BGP_HEADER || h.len > BGP_MAX)
		return header_error(error, 2, bytes + 16, 2);
	if (h.type < BGP_OPEN || h.type > BGP_ROUTE_REFRESH)
		return header_error(error, 3, bytes + 18, 1);
	if (h.len < sizes[h.type].least || h.len > sizes[h.type].most)
		return header_error(error, 2, bytes + 16, 2);
	*ret = h;
	return true;
}

size_t bgp_begin(struct wbuf *w, enum bgp_type type)
{
	size_t at = w->len;
	for (int i = 0; i < 4; i++)
		wbuf_u32(w, 0xffffffff);
	wbuf_u16(w, 0);
	wbuf_u8(w, (uint8_t)type);
	return at;
}

void bgp_end(struct wbuf *w, size_t at)
{
	wbuf_patch_u16(w, at + 16, (uint16_t)(w->len - at));
}

void bgp_keepalive_encode(struct wbuf *w)
{
	bgp_end(w, bgp_begin(w, BGP_KEEPALIVE));
}

void bgp_notification_encode(struct wbuf *w, const struct bgp_error *e)
{
	size_t at = bgp_begin(w, BGP_NOTIFICATION);
	wbuf_u8(w, e->code);
	wbuf_u8(w, e->subcode);
	wbuf_put(w, e->data, e->len);
	bgp_end(w, at);
}

bool bgp_notification_decode(const uint8_t *body, size_t len, struct bgp_notification *ret)
{
	struct cur c = cur_of(body, len);
	struct bgp_notification n = { .code = cur_u8(&c) };
	n.subcode = cur_u8(&c);
	if (c.bad)
		return false;
	n.len = cur_left(&c);
	n.data = n.len ? cur_take(&c, n.len) : NULL;
	bool may_speak =
	    n.code == BGP_ERR_CEASE && (n.subcode == BGP_CEASE_SHUTDOWN || n.subcode == BGP_CEASE_RESET);
	if (may_speak && n.len > 1) {
		struct cur t = cur_of(n.data, n.len);
		size_t text_len = cur_u8(&t);
		const uint8_t *text = cur_take(&t, text_len);
		if (!t.bad && text_len > 0) {
			n.text = text;
			n.text_len = text_len;
		}
	}
	*ret = n;
	return true;
}

static const char *subcode_name(uint8_t code, uint8_t subcode)
{
	static const char *const names[][12] = {
		[BGP_ERR_HEADER] = { [1] = "connection not synchronized",
				     "bad message length",
				     "bad message type" },
		[BGP_ERR_OPEN] = { [1] = "unsupported version",
				   "bad peer AS",
				   "bad BGP identifier",
				   "unsupported optional parameter",
				   [6] = "unacceptable hold time",
				   "unsupported capability",
				   [11] = "role mismatch" },
		[BGP_ERR_UPDATE] = { [1] = "malformed attribute list",
				     "unrecognized well-known attribute",
				     "missing well-known attribute",
				     "attribute flags",
				     "attribute length",
				     "invalid ORIGIN",
				     [8] = "invalid NEXT_HOP",
				     "optional attribute",
				     "invalid network field",
				     "malformed AS_PATH" },
		[BGP_ERR_FSM] = { [1] = "unexpected message in OpenSent",
				  "unexpected message in OpenConfirm",
				  "unexpected message in Established" },
		[BGP_ERR_CEASE] = { [1] = "maximum number of prefixes reached",
				    "administrative shutdown",
				    "peer de-configured",
				    "administrative reset",
				    "connection rejected",
				    "other configuration change",
				    "connection collision resolution",
				    "out of resources",
				    "hard reset",
				    "BFD down" },
		[BGP_ERR_REFRESH] = { [1] = "invalid message length" },
	};
	if (code >= sizeof names / sizeof names[0] || subcode >= 12)
		return NULL;
	return names[code][subcode];
}

const char *bgp_error_text(uint8_t code, uint8_t subcode, char *buf, size_t size)
{
	static const char *const codes[] = {
		[BGP_ERR_HEADER] = "message header error", [BGP_ERR_OPEN] = "OPEN error",
		[BGP_ERR_UPDATE] = "UPDATE error",	   [BGP_ERR_HOLD] = "hold timer expired",
		[BGP_ERR_FSM] = "state machine error",	   [BGP_ERR_CEASE] = "cease",
		[BGP_ERR_REFRESH] = "ROUTE-REFRESH error",
	};
	const char *name = code < sizeof codes / sizeof codes[0] ? codes[code] : NULL;
	const char *sub = subcode_name(code, subcode);
	if (!name)
		str_fmt(buf, size, "unknown error %u/%u", code, subcode);
	else if (sub)
		str_fmt(buf, size, "%s: %s (%u/%u)", name, sub, code, subcode);
	else
		str_fmt(buf, size, "%s (%u/%u)", name, code, subcode);
	return buf;
}

const char *bgp_notification_text(const struct bgp_notification *n, char *buf, size_t size)
{
	char what[96], text[200];
	bgp_error_text(n->code, n->subcode, what, sizeof what);
	if (n->text_len)
		str_fmt(buf, size, "%s: \"%s\"", what, str_escape(n->text, n->text_len, text, sizeof text));
	else
		str_fmt(buf, size, "%s", what);
	return buf;
}

bool bgp_refresh_decode(const uint8_t *body, size_t len, struct bgp_refresh *ret, struct bgp_error *error)
{
	struct cur c = cur_of(body, len);
	uint16_t afi = cur_u16(&c);
	uint8_t subtype = cur_u8(&c), safi = cur_u8(&c);
	if (c.bad || cur_left(&c) != 0) {
		*error = (struct bgp_error){ .code = BGP_ERR_REFRESH, .subcode = 1 };
		return false;
	}
	*ret = (struct bgp_refresh){ .family = safi != 1  ? 0
					       : afi == 1 ? BGP_V4
					       : afi == 2 ? BGP_V6
							  : 0,
				     .subtype = subtype };
	return true;
}
