/* Leaving in order: routes are first marked (RFC 8326), so that routers move traffic while they still
 * forward, then withdrawn, then the session ends with Cease. Peers with graceful restart are left silently:
 * they keep our routes on purpose. Drain is the same without the end. Runs in bgpd. */
#include <errno.h>

#include "bgpd/bgpd.h"

enum { MARKED_MS = 1000, WITHDRAWN_MS = 300 };

static void each_up(struct bgpd *b, void (*fn)(struct session *s))
{
	for (unsigned i = 0; i < RIB_MAX_PEERS; i++)
		if (b->sessions[i] && b->sessions[i]->up)
			fn(b->sessions[i]);
}

static bool leaves_silently(const struct session *s)
{
	return s->b->stopping && s->up->fsm.n.graceful;
}

static void mark(struct session *s)
{
	if (leaves_silently(s))
		return;
	s->up->encoding.graceful_shutdown = true;
	rib_session_resend(s->b->rib, s->slot, BGP_V4 | BGP_V6);
	session_pump(s);
}

static void withdraw(struct session *s)
{
	if (leaves_silently(s))
		return;
	rib_session_drain(s->b->rib, s->slot, true);
	session_pump(s);
}

static void announce_again(struct session *s)
{
	s->up->encoding.graceful_shutdown = false;
	rib_session_drain(s->b->rib, s->slot, false);
	rib_session_resend(s->b->rib, s->slot, BGP_V4 | BGP_V6);
	session_pump(s);
}

static void finish(struct bgpd *b)
{
	for (unsigned i = 0; i < RIB_MAX_PEERS; i++) {
		struct session *s = b->sessions[i];
		if (s)
			session_end(s, s->up && leaves_silently(s) ? 0 : BGP_CEASE_SHUTDOWN);
	}
	daemon_stopped(b->d);
}

static void next_stage(void *ctx)
{
	struct bgpd *b = ctx;
	mono_t now = loop_now(b->loop);
	if (b->stage == SHUTTING) {
		b->stage = WITHDRAWING;
		each_up(b, withdraw);
		if (b->stopping)
			loop_timer_set(b->stage_timer, mono_add(now, MS(WITHDRAWN_MS)));
	} else if (b->stage == WITHDRAWING && b->stopping) {
		b->stage = CLOSING;
		finish(b);
	}
}

int stop_open(struct bgpd *b)
{
	b->stage_timer = loop_timer_new(b->loop, next_stage, b);
	return b->stage_timer ? 0 : -ENOMEM;
}

static bool anything_sent(const struct bgpd *b)
{
	for (unsigned i = 0; i < RIB_MAX_PEERS; i++)
		if (b->sessions[i] && b->sessions[i]->up && !leaves_silently(b->sessions[i]) &&
		    rib_counts(b->rib, i).sent > 0)
			return true;
	return false;
}

static void begin(struct bgpd *b)
{
	if (b->stage == SERVING) {
		b->stage = SHUTTING;
		each_up(b, mark);
	}
	mono_t now = loop_now(b->loop);
	loop_timer_set(b->stage_timer, anything_sent(b) ? mono_add(now, MS(MARKED_MS)) : now);
}

void stop_begin(struct daemon *d)
{
	struct bgpd *b = d->self;
	b->stopping = true;
	begin(b);
}

void stop_drain(struct daemon *d, bool on)
{
	struct bgpd *b = d->self;
	if (b->stopping)
		return;
	if (on) {
		begin(b);
		return;
	}
	b->stage = SERVING;
	loop_timer_set(b->stage_timer, MONO_NEVER);
	each_up(b, announce_again);
}
