/* What a peer can send: a stream of messages, each through its decoder and, as the shell would do it, through
 * the state machine. Reads nothing too far, and the machine never asks for more actions than it has room for.
 */
#include <stdlib.h>
#include <string.h>

#include "bgpd/bgp_fsm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t walk(struct cur list, enum family f)
{
	prefix_t p;
	size_t n = 0;
	while (f != FAMILY_NONE && bgp_nlri_next(&list, f, &p))
		n++;
	return n;
}

static void on_update(const uint8_t *body, size_t len, bool as4, struct bgp_event *ev)
{
	struct bgp_update_in u;
	bgp_update_decode(body, len, as4, &u);
	ev->kind = BGP_EV_UPDATE;
	if (u.outcome == BGP_UPDATE_RESET) {
		ev->kind = BGP_EV_BAD;
		ev->error = u.error;
		return;
	}
	size_t n = walk(u.withdrawn, FAMILY_V4) + walk(u.announced, FAMILY_V4) +
		   walk(u.mp_withdrawn, u.mp_withdrawn_family) + walk(u.mp_announced, u.mp_announced_family);
	if (n > BGP_MAX || (u.end_of_rib && n > 0))
		abort();
}

static void on_notification(const uint8_t *body, size_t len, struct bgp_event *ev)
{
	struct bgp_notification n;
	char text[256];
	ev->kind = BGP_EV_NOTIFICATION;
	if (!bgp_notification_decode(body, len, &n))
		return;
	bgp_notification_text(&n, text, sizeof text);
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			abort(); /* it goes into a log line */
	ev->error = (struct bgp_error){ .code = n.code, .subcode = n.subcode };
}

static void one(struct bgp_fsm *f, const struct bgp_header *h, const uint8_t *body, size_t len, mono_t now)
{
	struct bgp_open o;
	struct bgp_refresh r;
	struct bgp_event ev = { .kind = BGP_EV_KEEPALIVE, .open = &o };
	struct bgp_actions out;
	switch ((enum bgp_type)h->type) {
	case BGP_OPEN: ev.kind = bgp_open_decode(body, len, &o, &ev.error) ? BGP_EV_OPEN : BGP_EV_BAD; break;
	case BGP_UPDATE: on_update(body, len, len & 1, &ev); break;
	case BGP_NOTIFICATION: on_notification(body, len, &ev); break;
	case BGP_KEEPALIVE: break;
	case BGP_ROUTE_REFRESH:
		ev.kind = bgp_refresh_decode(body, len, &r, &ev.error) ? BGP_EV_REFRESH : BGP_EV_BAD;
		ev.refresh_family = ev.kind == BGP_EV_REFRESH ? r.family : 0;
		break;
	}
	bgp_fsm_step(f, &ev, now, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct bgp_fsm_config config = { .local_as = 64501,
						      .dynamic_asn = DYNAMIC_ASN_EXTERNAL,
						      .router_id = 1,
						      .hold_s = 90,
						      .families = BGP_V4 | BGP_V6,
						      .passive = true };
	struct bgp_fsm f;
	struct bgp_actions out;
	mono_t now = { 0 };
	bgp_fsm_init(&f, &config, 1);
	bgp_fsm_step(&f, &(struct bgp_event){ .kind = BGP_EV_TCP_UP }, now, &out);
	while (len >= BGP_HEADER) {
		struct bgp_header h;
		struct bgp_error e;
		uint8_t header[BGP_HEADER];
		memcpy(header, data, sizeof header);
		memset(header, 0xff, 16); /* the marker is no riddle worth solving */
		if (!bgp_header_decode(header, &h, &e) || h.len > len)
			break;
		one(&f, &h, data + BGP_HEADER, h.len - (size_t)BGP_HEADER, now);
		data += h.len;
		len -= h.len;
		now.us += SEC(1);
		if (mono_reached(now, bgp_fsm_next(&f)))
			bgp_fsm_step(&f, &(struct bgp_event){ .kind = BGP_EV_TICK }, now, &out);
	}
	return 0;
}
