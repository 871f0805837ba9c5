/* Messages of a peer: decoded, counted, judged for collisions (RFC 4271 6.8), and given to the state machine.
 * Runs in bgpd. Keeps nothing that a peer announces. */
#include <stdlib.h>
#include <string.h>

#include "bgpd/bgpd.h"

enum { BURST = 10 };

static struct conn *other_of(struct conn *c)
{
	struct session *s = c->session;
	return c == &s->dialled ? &s->accepted : &s->dialled;
}

/* An OPEN came while the other connection already got as far. true: c was the one to close. */
static bool collision(struct conn *c, const struct bgp_open *o)
{
	struct session *s = c->session;
	struct conn *other = other_of(c);
	if (other->fsm.state != BGP_OPEN_CONFIRM)
		return false;
	const struct bgp_fsm_config *f = &c->fsm.config;
	bool close_dialled = bgp_collision_close_dialled(f->router_id, o->id, f->local_as, o->as);
	struct conn *loser = close_dialled ? &s->dialled : &s->accepted;
	struct bgp_event stop = { .kind = BGP_EV_STOP,
				  .error = { .code = BGP_ERR_CEASE, .subcode = BGP_CEASE_COLLISION } };
	log_line(LOG_DEBUG, s->name, "collision", "closing the connection that %s",
		 close_dialled ? "we made" : "the peer made");
	session_step(loser, &stop);
	return loser == c;
}

static void on_open(struct conn *c, const uint8_t *body, size_t len)
{
	struct session *s = c->session;
	struct bgp_open o;
	struct bgp_event ev = { .kind = BGP_EV_OPEN, .open = &o };
	s->counters.opens_received++;
	if (!bgp_open_decode(body, len, &o, &ev.error)) {
		ev.kind = BGP_EV_BAD;
	} else if (c->fsm.state == BGP_OPEN_SENT) {
		c->peer_id = o.id;
		if (collision(c, &o))
			return;
	}
	session_step(c, &ev);
}

static void on_notification(struct conn *c, const uint8_t *body, size_t len)
{
	struct session *s = c->session;
	struct bgp_notification n;
	char text[256];
	s->counters.notifications_received++;
	if (!bgp_notification_decode(body, len, &n))
		return; /* the header's least length already rules this out */
	struct bgp_event ev = { .kind = BGP_EV_NOTIFICATION,
				.error = { .code = n.code, .subcode = n.subcode } };
	log_limited(&s->b->input_limit, BURST, SEC(1), LOG_WARN, s->name, "peerNotification", "%s",
		    bgp_notification_text(&n, text, sizeof text));
	session_step(c, &ev);
}

#ifdef INGOT_TEST_HOOKS
/* A message that ends the daemon, for the test that it comes back without it. */
static void crash_on_demand(const struct bgp_update_in *u)
{
	static const char word[] = "ingot: crash";
	size_t len = cur_left(&u->attributes);
	if (len >= sizeof word - 1 && memmem(u->attributes.p, len, word, sizeof word - 1))
		abort();
}
#endif

static void on_update(struct conn *c, const uint8_t *body, size_t len)
{
	struct session *s = c->session;
	struct bgp_update_in u;
	struct bgp_event ev = { .kind = BGP_EV_UPDATE };
	s->counters.updates_received++;
	bgp_update_decode(body, len, c->fsm.n.as4, &u);
#ifdef INGOT_TEST_HOOKS
	crash_on_demand(&u);
#endif
	if (u.outcome != BGP_UPDATE_OK) {
		(*s->b->updates_bad)++;
		log_limited(&s->b->input_limit, BURST, SEC(1), LOG_WARN, s->name, "badUpdate",
			    u.outcome == BGP_UPDATE_RESET ? "it cannot be parsed: the session is reset"
							  : "a malformed attribute in an UPDATE is ignored");
	}
	if (u.outcome == BGP_UPDATE_RESET && c->fsm.state == BGP_ESTABLISHED) {
		ev.kind = BGP_EV_BAD;
		ev.error = u.error;
	}
	session_step(c, &ev);
}

static void on_refresh(struct conn *c, const uint8_t *body, size_t len)
{
	struct session *s = c->session;
	struct bgp_refresh r;
	struct bgp_event ev = { .kind = BGP_EV_REFRESH };
	s->counters.refreshes_received++;
	if (!bgp_refresh_decode(body, len, &r, &ev.error))
		ev.kind = BGP_EV_BAD;
	else if (r.subtype == 0)
		ev.refresh_family = r.family;
	session_step(c, &ev);
}

void session_message(struct conn *c, const struct bgp_header *h, const uint8_t *bytes)
{
	const uint8_t *body = bytes + BGP_HEADER;
	size_t len = h->len - (size_t)BGP_HEADER;
	int64_t now = loop_now(c->session->b->loop).us;
	c->store->last_input_us = now;
	switch ((enum bgp_type)h->type) {
	case BGP_OPEN: on_open(c, body, len); break;
	case BGP_UPDATE: on_update(c, body, len); break;
	case BGP_NOTIFICATION: on_notification(c, body, len); break;
	case BGP_KEEPALIVE:
		c->session->counters.keepalives_received++;
		session_event(c, BGP_EV_KEEPALIVE);
		break;
	case BGP_ROUTE_REFRESH: on_refresh(c, body, len); break;
	}
}
