/* One peer: performs what the state machine says, and keeps the peer's stream of UPDATEs going. Runs in bgpd.
 * Decides nothing about routes (rib.c) nor about the protocol (bgp_fsm.c). */
#include "bgpd/bgpd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"

enum { RESTARTED_S = 120 }; /* as long as routers may keep our stale routes for us (RFC 4724) */

bool session_is_up(const struct session *s)
{
	return s->up != NULL;
}

static void on_timer(void *ctx)
{
	struct session *s = ctx;
	mono_t now = loop_now(s->b->loop);
	struct conn *both[] = { &s->dialled, &s->accepted };
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		struct conn *c = both[i];
		/* What was sent in time counts, even when we come late to read it. */
		if (mono_reached(now, c->fsm.hold) && c->fd >= 0 && c->store)
			conn_readable(c);
		if (mono_reached(now, bgp_fsm_next(&c->fsm)))
			session_event(c, BGP_EV_TICK);
	}
	session_arm(s);
}

void session_arm(struct session *s)
{
	loop_timer_set(s->timer, mono_min(bgp_fsm_next(&s->dialled.fsm), bgp_fsm_next(&s->accepted.fsm)));
}

struct session *session_new(struct bgpd *b, const char *name)
{
	struct session *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->b = b;
	str_fmt(s->name, sizeof s->name, "%s", name);
	conn_init(&s->dialled, s, false);
	conn_init(&s->accepted, s, true);
	struct bgp_fsm_config none = { 0 };
	bgp_fsm_init(&s->dialled.fsm, &none, b->seed++);
	none.passive = true;
	bgp_fsm_init(&s->accepted.fsm, &none, b->seed++);
	s->timer = loop_timer_new(b->loop, on_timer, s);
	int slot = s->timer ? rib_peer_add(b->rib, name) : -ENOMEM;
	if (slot < 0) {
		loop_timer_free(s->timer);
		free(s);
		errno = -slot;
		return NULL;
	}
	s->slot = (unsigned)slot;
	b->sessions[slot] = s;
	return s;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	secrets_cancel(s);
	conn_close(&s->dialled);
	conn_close(&s->accepted);
	rib_peer_del(s->b->rib, s->slot);
	s->b->sessions[s->slot] = NULL;
	loop_timer_free(s->timer);
	loop_timer_free(s->secret_timer);
	explicit_bzero(s->password, sizeof s->password);
	free(s);
}

static void configure_fsm(struct session *s, struct conn *c)
{
	bool passive = c == &s->accepted;
	c->fsm.config = s->settings.fsm;
	c->fsm.config.passive = passive;
	mono_t now = loop_now(s->b->loop);
	c->fsm.config.restarted = s->b->restarted && mono_sub(now, s->b->started) < SEC(RESTARTED_S);
	if (c->fd >= 0 && !c->connecting)
		c->fsm.config.router_id = settings_router_id(&s->settings, c->local, s->b->d->options.node);
}

void session_try(struct session *s)
{
	if (!s->configured || s->b->stopping || s->dialled.fsm.started)
		return;
	if (s->settings.has_password && !s->secret_known) {
		secrets_want(s);
		return;
	}
	s->waiting[0] = '\0';
	configure_fsm(s, &s->dialled);
	session_event(&s->dialled, BGP_EV_START);
}

void session_event(struct conn *c, enum bgp_event_kind kind)
{
	session_step(c, &(struct bgp_event){ .kind = kind });
}

static void send_message(struct conn *c, enum bgp_action_kind kind, const struct bgp_error *error)
{
	uint8_t buf[BGP_MAX];
	struct wbuf w = wbuf_of(buf, sizeof buf);
	struct session *s = c->session;
	uint64_t *counter = &s->counters.keepalives_sent;
	if (kind == BGP_ACT_SEND_OPEN) {
		struct bgp_open o;
		bgp_fsm_open(&c->fsm, &o);
		bgp_open_encode(&w, &o);
		counter = &s->counters.opens_sent;
	} else if (kind == BGP_ACT_SEND_NOTIFICATION) {
		bgp_notification_encode(&w, error);
		counter = &s->counters.notifications_sent;
	} else {
		bgp_keepalive_encode(&w);
	}
	if (w.bad || !conn_put(c, buf, w.len))
		return; /* the peer does not read: what waits in the ring will tell it that we live */
	(*counter)++;
	if (kind == BGP_ACT_SEND_KEEPALIVE)
		c->store->last_keepalive_us = loop_now(s->b->loop).us;
	conn_flush(c);
}

static void remember(struct session *s, const struct bgp_error *e, bool received)
{
	char text[128];
	if (e->code)
		str_fmt(s->last_error, sizeof s->last_error, "%s %s", received ? "received" : "sent",
			bgp_error_text(e->code, e->subcode, text, sizeof text));
}

void session_next_hops(struct session *s)
{
	struct conn *c = s->up;
	const struct bgp_negotiated *n = &c->fsm.n;
	struct bgp_encoding *e = &c->encoding;
	addr_t v4 = c->local.family == FAMILY_V4 ? c->local : links_next_hop(s->b, c->local, FAMILY_V4);
	addr_t v6 = c->local.family == FAMILY_V6 ? c->local : links_next_hop(s->b, c->local, FAMILY_V6);
	if (c->local.family == FAMILY_V6 && addr_is_link_local(c->local)) {
		addr_t global = links_next_hop(s->b, c->local, FAMILY_V6);
		v6 = global.family ? global : c->local;
	}
	/* Absence of news is not news: what was found once stays until something better is known. */
	v4 = v4.family ? v4 : e->next_hop_v4;
	v6 = v6.family ? v6 : e->next_hop_v6;
	unsigned changed =
	    (addr_eq(v4, e->next_hop_v4) ? 0 : BGP_V4) | (addr_eq(v6, e->next_hop_v6) ? 0 : BGP_V6);
	if ((changed & BGP_V6) && n->next_hop_v6_for_v4)
		changed |= BGP_V4;
	e->next_hop_v4 = v4;
	e->next_hop_v6 = v6;
	if (changed)
		store_set_next_hops(c->store, v4, v6);
	unsigned usable = n->families;
	if (!v6.family)
		usable &= ~(unsigned)BGP_V6;
	if (n->next_hop_v6_for_v4 ? !v6.family : !v4.family)
		usable &= ~(unsigned)BGP_V4;
	rib_session_resend(s->b->rib, s->slot, changed & usable);
	rib_session_families(s->b->rib, s->slot, usable);
	if (usable != n->families)
		log_line(LOG_WARN, s->name, "nextHop", "no local address to announce %s with",
			 usable & BGP_V4 ? "IPv6" : "IPv4");
}

static void set_encoding(struct conn *c)
{
	const struct bgp_negotiated *n = &c->fsm.n;
	c->encoding = (struct bgp_encoding){ .local_as = c->fsm.config.local_as,
					     .ibgp = n->ibgp,
					     .as4 = n->as4,
					     .next_hop_v6_for_v4 = n->next_hop_v6_for_v4,
					     .graceful_shutdown = c->session->b->stage == SHUTTING };
}

static void fill_params(const struct conn *c, struct store_params *p)
{
	const struct session *s = c->session;
	const struct bgp_negotiated *n = &c->fsm.n;
	memset(p, 0, sizeof *p);
	str_fmt(p->peer, sizeof p->peer, "%s", s->name);
	str_fmt(p->vrf, sizeof p->vrf, "%s", s->settings.vrf);
	p->local_family = c->local.family;
	p->remote_family = c->remote.family;
	memcpy(p->local, c->local.bytes, sizeof p->local);
	memcpy(p->remote, c->remote.bytes, sizeof p->remote);
	p->remote_port = c->remote_port;
	p->scope = c->scope;
	p->local_as = c->fsm.config.local_as;
	p->router_id = c->fsm.config.router_id;
	p->peer_as = n->peer_as;
	p->peer_id = n->peer_id;
	p->hold_s = n->hold_s;
	p->keepalive_s = n->keepalive_s;
	p->families = n->families;
	p->ibgp = n->ibgp;
	p->as4 = n->as4;
	p->refresh = n->refresh;
	p->next_hop_v6_for_v4 = n->next_hop_v6_for_v4;
	p->graceful = n->graceful;
	p->peer_graceful = n->peer_graceful;
	p->digest = settings_digest(&s->settings);
	p->base = c->base;
	p->established_us = loop_now(s->b->loop).us;
	if (s->settings.has_password) {
		for (size_t i = 0; i < sizeof p->password_key; i++)
			p->password_key[i] = (uint8_t)(s->b->seed >> (8 * (i % 8)));
		p->password_digest = siphash24(p->password_key, s->password, strlen(s->password));
	}
}

static void on_up(struct conn *c)
{
	struct session *s = c->session;
	struct conn *other = c == &s->dialled ? &s->accepted : &s->dialled;
	if (other->fd >= 0) { /* the rest of a collision */
		struct bgp_event stop = { .kind = BGP_EV_STOP,
					  .error = { .code = BGP_ERR_CEASE,
						     .subcode = BGP_CEASE_COLLISION } };
		session_step(other, &stop);
	} else if (other == &s->dialled) {
		session_event(other, BGP_EV_STOP);
	}
	s->up = c;
	s->established_at = loop_now(s->b->loop);
	s->counters.times_established++;
	s->last_error[0] = '\0';
	c->store->end_of_rib = c->fsm.n.families;
	c->store->last_input_us = c->store->last_keepalive_us = s->established_at.us;
	set_encoding(c);
	rib_session_up(s->b->rib, s->slot, c->store->bits, c->fsm.n.families);
	session_next_hops(s);
	if (s->b->stage == WITHDRAWING)
		rib_session_drain(s->b->rib, s->slot, true);
	/* Nothing of the input that led here is left to be done, and what follows is much work: a kill from
	 * now on is no verdict on the input. */
	store_noted(c->store);
	struct store_params p;
	fill_params(c, &p);
	store_commit(c->store, &p);
	int rc = conn_retain(c);
	if (rc < 0)
		log_line(LOG_WARN, s->name, "retain", "a restart of this daemon will end the session: %s",
			 strerror(-rc));
	log_line(LOG_INFO, s->name, "sessionUp", "AS %u, hold time %u s%s", c->fsm.n.peer_as, c->fsm.n.hold_s,
		 c == &s->accepted ? ", the peer connected" : "");
	daemon_decided(s->b->d, s->name, "sessionUp", "AS %u, families %s%s", c->fsm.n.peer_as,
		       c->fsm.n.families & BGP_V4 ? "ipv4 " : "", c->fsm.n.families & BGP_V6 ? "ipv6" : "");
	s->b->everything_stale = true;
	bgpd_ask_work(s->b);
}

static void on_down(struct conn *c)
{
	struct session *s = c->session;
	if (s->up != c)
		return;
	s->up = NULL;
	s->counters.drops++;
	remember(s, &c->fsm.last_error, c->fsm.last_received);
	log_line(LOG_WARN, s->name, "sessionDown", "%s",
		 s->last_error[0] ? s->last_error : "the connection ended");
	daemon_decided(s->b->d, s->name, "sessionDown", "%s", s->last_error);
	s->b->everything_stale = true;
	bgpd_ask_work(s->b);
}

static void connect_now(struct conn *c)
{
	struct session *s = c->session;
	char why[160];
	configure_fsm(s, c);
	int rc = conn_dial(c, why, sizeof why);
	if (rc == 0)
		return;
	str_fmt(s->last_error, sizeof s->last_error, "%s", why);
	log_line(LOG_DEBUG, s->name, "connect", "%s", why);
	session_event(c, BGP_EV_TCP_DOWN);
}

static void perform(struct conn *c, const struct bgp_action *a)
{
	struct session *s = c->session;
	switch (a->kind) {
	case BGP_ACT_CONNECT: connect_now(c); break;
	case BGP_ACT_SEND_OPEN:
	case BGP_ACT_SEND_KEEPALIVE: send_message(c, a->kind, NULL); break;
	case BGP_ACT_SEND_NOTIFICATION:
		send_message(c, a->kind, &a->error);
		remember(s, &a->error, false);
		log_line(LOG_INFO, s->name, "notificationSent", "%s", s->last_error);
		break;
	case BGP_ACT_CLOSE:
		if (s->up == c)
			rib_session_down(s->b->rib, s->slot);
		conn_close(c);
		break;
	case BGP_ACT_UP: on_up(c); break;
	case BGP_ACT_DOWN: on_down(c); break;
	case BGP_ACT_RESEND:
		rib_session_resend(s->b->rib, s->slot, a->family);
		c->store->end_of_rib |= a->family;
		bgpd_ask_work(s->b);
		break;
	}
}

void session_step(struct conn *c, const struct bgp_event *ev)
{
	struct session *s = c->session;
	struct bgp_actions out;
	enum bgp_state before = c->fsm.state;
	if (ev->kind == BGP_EV_TCP_UP)
		configure_fsm(s, c);
	bgp_fsm_step(&c->fsm, ev, loop_now(s->b->loop), &out);
	for (unsigned i = 0; i < out.n; i++)
		perform(c, &out.v[i]);
	session_arm(s);
	if (before != c->fsm.state || ev->kind == BGP_EV_START)
		publish_peer(s);
	else
		publish_counts(s);
	if (!s->up && s->accepted.fd < 0)
		session_try(s); /* an accepted connection took the place of dialling, and is gone */
}

void session_lost(struct conn *c, int error)
{
	struct session *s = c->session;
	if (error)
		str_fmt(s->last_error, sizeof s->last_error, "%s", strerror(error));
	else
		str_fmt(s->last_error, sizeof s->last_error, "the peer closed the connection");
	session_event(c, BGP_EV_TCP_DOWN);
	if (c->fd >= 0) /* the state machine saw no connection: there is none to keep */
		conn_close(c);
}

void session_end(struct session *s, uint8_t cease_subcode)
{
	struct bgp_event stop = { .kind = BGP_EV_STOP };
	if (cease_subcode)
		stop.error = (struct bgp_error){ .code = BGP_ERR_CEASE, .subcode = cease_subcode };
	session_step(&s->dialled, &stop);
	session_step(&s->accepted, &stop);
}

/* End-of-RIB of each family, once everything that was queued before it is in the stream. */
static bool put_end_of_rib(struct conn *c)
{
	uint8_t buf[64];
	for (unsigned f = BGP_V4; f <= BGP_V6; f <<= 1) {
		if (!(c->store->end_of_rib & f))
			continue;
		struct wbuf w = wbuf_of(buf, sizeof buf);
		bgp_end_of_rib_encode(&w, f == BGP_V4 ? FAMILY_V4 : FAMILY_V6);
		if (!conn_put(c, buf, w.len))
			return false;
		c->store->end_of_rib &= ~f;
		c->session->counters.updates_sent++;
	}
	return true;
}

void session_pump(struct session *s)
{
	struct conn *c = s->up;
	struct bgpd *b = s->b;
	uint8_t buf[BGP_MAX];
	if (!c || !b->synced || !s->configured)
		return;
	bool more = true;
	while (more && s->up == c) {
		while (store_room(c->store, c->taken) >= 2 * BGP_MAX) {
			size_t n = rib_next(b->rib, s->slot, &c->encoding, buf);
			more = n > 0;
			if (!more)
				break;
			must(conn_put(c, buf, n));
			rib_sent(b->rib, s->slot);
			s->counters.updates_sent++;
		}
		if (!more && c->store->end_of_rib)
			put_end_of_rib(c);
		conn_flush(c);
		if (store_room(c->store, c->taken) < 2 * BGP_MAX)
			break; /* goes on when the peer has read */
	}
	struct rib_counts counts = rib_counts(b->rib, s->slot);
	bool pending = counts.pending > 0;
	if (s->was_pending && !pending)
		b->everything_stale = true;
	s->was_pending = pending;
	if (memcmp(&counts, &s->counts, sizeof counts) != 0 || s->updates_told != s->counters.updates_sent) {
		s->counts = counts;
		s->updates_told = s->counters.updates_sent;
		publish_peer(s);
	}
	if (b->everything_stale)
		bgpd_ask_work(b);
}

void session_adopted(struct session *s)
{
	struct conn *c = s->up;
	tcp_wake_at(c->fd, BGP_HEADER);
	c->wake_at = BGP_HEADER;
	log_line(LOG_INFO, s->name, "sessionAdopted", "AS %u, %zu bytes of ours were still to be sent",
		 c->fsm.n.peer_as, (size_t)(c->store->head - c->taken));
	store_next_hops(c->store, &c->encoding.next_hop_v4, &c->encoding.next_hop_v6);
	session_next_hops(s);
	conn_flush(c);
	session_arm(s);
}
