/* The state machine: scripts as tables (event in, state and actions out), timers, and two machines back to
 * back over a transport that breaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bgpd/bgp_fsm.h"
#include "lib/base/must.h"

static const struct bgp_fsm_config base = { .local_as = 64501,
					    .peer_as = 64500,
					    .router_id = 0x0a000001,
					    .hold_s = 90,
					    .connect_s = 30,
					    .families = BGP_V4 };
static const struct bgp_open good = { .version = 4,
				      .hold_s = 30,
				      .as = 64500,
				      .id = 0x0a000002,
				      .families = BGP_V4,
				      .as4 = true,
				      .refresh = true };

static const char letters[] = { [BGP_ACT_CONNECT] = 'c',	[BGP_ACT_SEND_OPEN] = 'o',
				[BGP_ACT_SEND_KEEPALIVE] = 'k', [BGP_ACT_SEND_NOTIFICATION] = 'n',
				[BGP_ACT_CLOSE] = 'x',		[BGP_ACT_UP] = 'U',
				[BGP_ACT_DOWN] = 'D',		[BGP_ACT_RESEND] = 'r' };

static const char *step(struct bgp_fsm *f, struct bgp_event ev, mono_t now, struct bgp_actions *out)
{
	static char text[BGP_MAX_ACTIONS + 1];
	bgp_fsm_step(f, &ev, now, out);
	for (unsigned i = 0; i < out->n; i++)
		text[i] = letters[out->v[i].kind];
	text[out->n] = '\0';
	return text;
}

/* Bring a machine into a state by the events that lead there. */
static struct bgp_fsm in_state(enum bgp_state s, const struct bgp_fsm_config *c, mono_t now)
{
	struct bgp_fsm f;
	struct bgp_actions out;
	bgp_fsm_init(&f, c, 1);
	if (s == BGP_IDLE)
		return f;
	step(&f, (struct bgp_event){ .kind = BGP_EV_START }, now, &out);
	if (s == BGP_ACTIVE)
		step(&f, (struct bgp_event){ .kind = BGP_EV_TCP_DOWN }, now, &out);
	if (s >= BGP_OPEN_SENT)
		step(&f, (struct bgp_event){ .kind = BGP_EV_TCP_UP }, now, &out);
	if (s >= BGP_OPEN_CONFIRM)
		step(&f, (struct bgp_event){ .kind = BGP_EV_OPEN, .open = &good }, now, &out);
	if (s >= BGP_ESTABLISHED)
		step(&f, (struct bgp_event){ .kind = BGP_EV_KEEPALIVE }, now, &out);
	assert_int_equal(f.state, s);
	return f;
}

/* Every state meets every event. */
static const struct {
	enum bgp_state from;
	enum bgp_event_kind event;
	enum bgp_state to;
	const char *actions;
	uint8_t code, subcode; /* of the NOTIFICATION */
} rows[] = {
	{ BGP_IDLE, BGP_EV_START, BGP_CONNECT, "c", 0, 0 },
	{ BGP_IDLE, BGP_EV_STOP, BGP_IDLE, "", 0, 0 },
	{ BGP_IDLE, BGP_EV_TCP_UP, BGP_IDLE, "", 0, 0 },
	{ BGP_IDLE, BGP_EV_TCP_DOWN, BGP_IDLE, "", 0, 0 },
	{ BGP_IDLE, BGP_EV_OPEN, BGP_IDLE, "", 0, 0 },
	{ BGP_IDLE, BGP_EV_KEEPALIVE, BGP_IDLE, "", 0, 0 },
	{ BGP_IDLE, BGP_EV_UPDATE, BGP_IDLE, "", 0, 0 },
	{ BGP_IDLE, BGP_EV_REFRESH, BGP_IDLE, "", 0, 0 },
	{ BGP_IDLE, BGP_EV_NOTIFICATION, BGP_IDLE, "", 0, 0 },
	{ BGP_IDLE, BGP_EV_BAD, BGP_IDLE, "", 0, 0 },
	{ BGP_CONNECT, BGP_EV_START, BGP_CONNECT, "", 0, 0 },
	{ BGP_CONNECT, BGP_EV_STOP, BGP_IDLE, "x", 0, 0 },
	{ BGP_CONNECT, BGP_EV_TCP_UP, BGP_OPEN_SENT, "o", 0, 0 },
	{ BGP_CONNECT, BGP_EV_TCP_DOWN, BGP_ACTIVE, "x", 0, 0 },
	{ BGP_CONNECT, BGP_EV_OPEN, BGP_CONNECT, "", 0, 0 },
	{ BGP_CONNECT, BGP_EV_NOTIFICATION, BGP_CONNECT, "", 0, 0 },
	{ BGP_ACTIVE, BGP_EV_START, BGP_ACTIVE, "", 0, 0 },
	{ BGP_ACTIVE, BGP_EV_STOP, BGP_IDLE, "", 0, 0 },
	{ BGP_ACTIVE, BGP_EV_TCP_UP, BGP_ACTIVE, "", 0, 0 },
	{ BGP_ACTIVE, BGP_EV_TCP_DOWN, BGP_ACTIVE, "", 0, 0 },
	{ BGP_OPEN_SENT, BGP_EV_STOP, BGP_IDLE, "nx", 6, 2 },
	{ BGP_OPEN_SENT, BGP_EV_TCP_DOWN, BGP_ACTIVE, "x", 0, 0 },
	{ BGP_OPEN_SENT, BGP_EV_TCP_UP, BGP_IDLE, "nx", 5, 1 },
	{ BGP_OPEN_SENT, BGP_EV_OPEN, BGP_OPEN_CONFIRM, "k", 0, 0 },
	{ BGP_OPEN_SENT, BGP_EV_KEEPALIVE, BGP_IDLE, "nx", 5, 1 },
	{ BGP_OPEN_SENT, BGP_EV_UPDATE, BGP_IDLE, "nx", 5, 1 },
	{ BGP_OPEN_SENT, BGP_EV_REFRESH, BGP_IDLE, "nx", 5, 1 },
	{ BGP_OPEN_SENT, BGP_EV_NOTIFICATION, BGP_IDLE, "x", 0, 0 },
	{ BGP_OPEN_SENT, BGP_EV_BAD, BGP_IDLE, "nx", 6, 2 },
	{ BGP_OPEN_CONFIRM, BGP_EV_STOP, BGP_IDLE, "nx", 6, 2 },
	{ BGP_OPEN_CONFIRM, BGP_EV_TCP_DOWN, BGP_IDLE, "x", 0, 0 },
	{ BGP_OPEN_CONFIRM, BGP_EV_OPEN, BGP_IDLE, "nx", 5, 2 },
	{ BGP_OPEN_CONFIRM, BGP_EV_KEEPALIVE, BGP_ESTABLISHED, "U", 0, 0 },
	{ BGP_OPEN_CONFIRM, BGP_EV_UPDATE, BGP_IDLE, "nx", 5, 2 },
	{ BGP_OPEN_CONFIRM, BGP_EV_REFRESH, BGP_IDLE, "nx", 5, 2 },
	{ BGP_OPEN_CONFIRM, BGP_EV_NOTIFICATION, BGP_IDLE, "x", 0, 0 },
	{ BGP_OPEN_CONFIRM, BGP_EV_BAD, BGP_IDLE, "nx", 6, 2 },
	{ BGP_ESTABLISHED, BGP_EV_START, BGP_ESTABLISHED, "", 0, 0 },
	{ BGP_ESTABLISHED, BGP_EV_STOP, BGP_IDLE, "nxD", 6, 2 },
	{ BGP_ESTABLISHED, BGP_EV_TCP_DOWN, BGP_IDLE, "xD", 0, 0 },
	{ BGP_ESTABLISHED, BGP_EV_OPEN, BGP_IDLE, "nxD", 5, 3 },
	{ BGP_ESTABLISHED, BGP_EV_KEEPALIVE, BGP_ESTABLISHED, "", 0, 0 },
	{ BGP_ESTABLISHED, BGP_EV_UPDATE, BGP_ESTABLISHED, "", 0, 0 },
	{ BGP_ESTABLISHED, BGP_EV_REFRESH, BGP_ESTABLISHED, "r", 0, 0 },
	{ BGP_ESTABLISHED, BGP_EV_NOTIFICATION, BGP_IDLE, "xD", 0, 0 },
	{ BGP_ESTABLISHED, BGP_EV_BAD, BGP_IDLE, "nxD", 6, 2 },
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const mono_t now = { SEC(100) };
		struct bgp_fsm f = in_state(rows[i].from, &base, now);
		struct bgp_actions out;
		struct bgp_event ev = { .kind = rows[i].event, .open = &good, .refresh_family = BGP_V4 };
		if (ev.kind == BGP_EV_STOP || ev.kind == BGP_EV_BAD)
			ev.error = (struct bgp_error){ BGP_ERR_CEASE, BGP_CEASE_SHUTDOWN, 0, { 0 } };
		const char *actions = step(&f, ev, now, &out);
		if (f.state != rows[i].to || strcmp(actions, rows[i].actions) != 0)
			fail_msg("%s, event %d: %s \"%s\"", bgp_state_name(rows[i].from), rows[i].event,
				 bgp_state_name(f.state), actions);
		for (unsigned k = 0; k < out.n; k++) {
			if (out.v[k].kind != BGP_ACT_SEND_NOTIFICATION)
				continue;
			assert_int_equal(out.v[k].error.code, rows[i].code);
			assert_int_equal(out.v[k].error.subcode, rows[i].subcode);
		}
	}
}

static const struct {
	const char *name;
	uint32_t peer_as;
	enum dynamic_asn dynamic;
	struct bgp_open o;
	uint8_t subcode;
} opens[] = {
	{ "right", 64500, DYNAMIC_ASN_NONE, { .as = 64500, .id = 2, .families = BGP_V4 }, 0 },
	{ "wrong AS", 64500, DYNAMIC_ASN_NONE, { .as = 64502, .id = 2, .families = BGP_V4 }, 2 },
	{ "internal, same AS", 0, DYNAMIC_ASN_INTERNAL, { .as = 64501, .id = 2, .families = BGP_V4 }, 0 },
	{ "internal, other AS", 0, DYNAMIC_ASN_INTERNAL, { .as = 64500, .id = 2, .families = BGP_V4 }, 2 },
	{ "external, other AS", 0, DYNAMIC_ASN_EXTERNAL, { .as = 64500, .id = 2, .families = BGP_V4 }, 0 },
	{ "external, same AS", 0, DYNAMIC_ASN_EXTERNAL, { .as = 64501, .id = 2, .families = BGP_V4 }, 2 },
	{ "neither", 0, DYNAMIC_ASN_NONE, { .as = 64500, .id = 2, .families = BGP_V4 }, 2 },
	{ "own identifier, internal",
	  64501,
	  DYNAMIC_ASN_NONE,
	  { .as = 64501, .id = 0x0a000001, .families = BGP_V4 },
	  3 },
	{ "own identifier, external",
	  64500,
	  DYNAMIC_ASN_NONE,
	  { .as = 64500, .id = 0x0a000001, .families = BGP_V4 },
	  0 },
	{ "no family in common", 64500, DYNAMIC_ASN_NONE, { .as = 64500, .id = 2, .families = BGP_V6 }, 7 },
};

static void test_opens(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(opens); i++) {
		struct bgp_fsm_config c = base;
		struct bgp_actions out;
		c.peer_as = opens[i].peer_as;
		c.dynamic_asn = opens[i].dynamic;
		struct bgp_fsm f = in_state(BGP_OPEN_SENT, &c, (mono_t){ 0 });
		step(&f, (struct bgp_event){ .kind = BGP_EV_OPEN, .open = &opens[i].o }, (mono_t){ 0 }, &out);
		if (opens[i].subcode == 0) {
			if (f.state != BGP_OPEN_CONFIRM)
				fail_msg("%s: refused", opens[i].name);
			continue;
		}
		if (out.v[0].kind != BGP_ACT_SEND_NOTIFICATION || out.v[0].error.code != BGP_ERR_OPEN ||
		    out.v[0].error.subcode != opens[i].subcode)
			fail_msg("%s: 2/%u", opens[i].name, out.v[0].error.subcode);
	}
}

static void test_negotiation(void **state)
{
	(void)state;
	static const struct {
		uint32_t ours, keepalive, hold, want_keepalive;
		uint16_t theirs;
	} cases[] = { { 90, 0, 30, 10, 30 },  { 30, 0, 30, 10, 90 }, { 90, 5, 30, 5, 30 },
		      { 90, 20, 30, 10, 30 }, { 0, 0, 0, 0, 90 },    { 90, 0, 0, 0, 0 },
		      { 3, 0, 3, 1, 3 } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bgp_fsm_config c = base;
		struct bgp_open o = good;
		struct bgp_actions out;
		c.hold_s = cases[i].ours;
		c.keepalive_s = cases[i].keepalive;
		o.hold_s = cases[i].theirs;
		struct bgp_fsm f = in_state(BGP_OPEN_SENT, &c, (mono_t){ 0 });
		step(&f, (struct bgp_event){ .kind = BGP_EV_OPEN, .open = &o }, (mono_t){ 0 }, &out);
		assert_int_equal(f.n.hold_s, cases[i].hold);
		assert_int_equal(f.n.keepalive_s, cases[i].want_keepalive);
		assert_int_equal(f.hold.us == INT64_MAX, cases[i].hold == 0);
		assert_int_equal(f.keepalive.us == INT64_MAX, cases[i].hold == 0);
	}
}

static void test_hold_timer(void **state)
{
	(void)state;
	struct bgp_fsm f = in_state(BGP_ESTABLISHED, &base, (mono_t){ 0 });
	struct bgp_actions out;
	const struct bgp_event tick = { .kind = BGP_EV_TICK };
	unsigned keepalives = 0;
	mono_t now = { 0 };
	/* Keepalives go every 7.5 to 10 s; input moves the deadline. */
	for (int i = 0; i < 3; i++) {
		now = bgp_fsm_next(&f);
		assert_true(now.us > 0 && now.us <= SEC(30));
		assert_string_equal(step(&f, tick, now, &out), "k");
		keepalives++;
		assert_int_equal(f.state, BGP_ESTABLISHED);
	}
	step(&f, (struct bgp_event){ .kind = BGP_EV_UPDATE }, now, &out);
	assert_int_equal(f.hold.us, now.us + SEC(30));
	mono_t deadline = f.hold;
	while (f.state == BGP_ESTABLISHED) {
		now = bgp_fsm_next(&f);
		step(&f, tick, now, &out);
		assert_true(now.us <= deadline.us);
	}
	assert_int_equal(now.us, deadline.us);
	assert_int_equal(out.v[0].error.code, BGP_ERR_HOLD);
	assert_int_equal(keepalives, 3);
	/* In OpenSent the deadline is four minutes. */
	f = in_state(BGP_OPEN_SENT, &base, (mono_t){ 0 });
	assert_int_equal(bgp_fsm_next(&f).us, SEC(240));
}

static void test_retry(void **state)
{
	(void)state;
	struct bgp_fsm f = in_state(BGP_ACTIVE, &base, (mono_t){ 0 });
	struct bgp_actions out;
	static const int64_t most_s[] = { 1, 2, 4, 8, 16, 30, 30, 30 };
	mono_t now = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(most_s); i++) {
		int64_t pause = mono_sub(bgp_fsm_next(&f), now);
		assert_in_range((uint64_t)pause, (uint64_t)SEC(most_s[i]) * 3 / 4, (uint64_t)SEC(most_s[i]));
		now = bgp_fsm_next(&f);
		assert_string_equal(step(&f, (struct bgp_event){ .kind = BGP_EV_TICK }, now, &out), "c");
		step(&f, (struct bgp_event){ .kind = BGP_EV_TCP_DOWN }, now, &out);
	}
	/* An attempt that hangs is given up after ten seconds. */
	now = bgp_fsm_next(&f);
	step(&f, (struct bgp_event){ .kind = BGP_EV_TICK }, now, &out);
	assert_int_equal(mono_sub(bgp_fsm_next(&f), now), SEC(10));
	assert_string_equal(step(&f, (struct bgp_event){ .kind = BGP_EV_TICK }, bgp_fsm_next(&f), &out), "x");
	assert_int_equal(f.state, BGP_ACTIVE);
	/* A session that lasted begins its retries anew; one that did not, does not. */
	for (int lasted = 0; lasted < 2; lasted++) {
		f = in_state(BGP_ESTABLISHED, &base, (mono_t){ 0 });
		f.failures = 4;
		now = (mono_t){ lasted ? SEC(11) : SEC(1) };
		step(&f, (struct bgp_event){ .kind = BGP_EV_TCP_DOWN }, now, &out);
		assert_int_equal(mono_sub(bgp_fsm_next(&f), now) <= SEC(1), lasted);
	}
}

static void test_passive(void **state)
{
	(void)state;
	struct bgp_fsm_config c = base;
	struct bgp_fsm f;
	struct bgp_actions out;
	c.passive = true;
	bgp_fsm_init(&f, &c, 1);
	assert_string_equal(step(&f, (struct bgp_event){ .kind = BGP_EV_TCP_UP }, (mono_t){ 0 }, &out), "o");
	step(&f, (struct bgp_event){ .kind = BGP_EV_TCP_DOWN }, (mono_t){ 0 }, &out);
	assert_int_equal(bgp_fsm_next(&f).us, INT64_MAX);
}

static void test_adopt(void **state)
{
	(void)state;
	struct bgp_fsm f, old = in_state(BGP_ESTABLISHED, &base, (mono_t){ 0 });
	struct bgp_actions out;
	mono_t now = { SEC(29) };
	bgp_fsm_init(&f, &base, 2);
	bgp_fsm_adopt(&f, &old.n, (mono_t){ 0 }, (mono_t){ SEC(1) }, now);
	assert_int_equal(f.state, BGP_ESTABLISHED);
	assert_int_equal(f.hold.us, SEC(30)); /* it goes on counting from the last input */
	assert_true(mono_reached(now, f.keepalive));
	assert_string_equal(step(&f, (struct bgp_event){ .kind = BGP_EV_TICK }, now, &out), "k");
	/* Long away: the input gets a second to be read before anything expires. */
	now = (mono_t){ SEC(100) };
	bgp_fsm_adopt(&f, &old.n, (mono_t){ 0 }, (mono_t){ 0 }, now);
	assert_string_equal(step(&f, (struct bgp_event){ .kind = BGP_EV_TICK }, now, &out), "k");
	assert_int_equal(f.hold.us, now.us + SEC(1));
}

static void test_collision(void **state)
{
	(void)state;
	assert_true(bgp_collision_close_dialled(1, 2, 9, 9));
	assert_false(bgp_collision_close_dialled(2, 1, 9, 9));
	assert_true(bgp_collision_close_dialled(1, 1, 8, 9));
	assert_false(bgp_collision_close_dialled(1, 1, 9, 8));
	/* Both sides close the same connection, whatever the identifiers. */
	for (uint32_t a = 1; a < 5; a++)
		for (uint32_t b = 1; b < 5; b++)
			if (a != b)
				assert_int_not_equal(bgp_collision_close_dialled(a, b, 1, 2),
						     bgp_collision_close_dialled(b, a, 2, 1));
}

/* Two machines over a pipe that breaks at random: what one sends as bytes the other decodes. */
struct side {
	struct bgp_fsm f;
	uint8_t inbox[1 << 14];
	size_t n;
	unsigned ups, downs;
};
struct pair {
	struct side side[2];
	bool tcp;
	mono_t now;
	uint64_t rng;
};

static unsigned roll(struct pair *p, unsigned n)
{
	p->rng ^= p->rng << 13;
	p->rng ^= p->rng >> 7;
	p->rng ^= p->rng << 17;
	return (unsigned)(p->rng % n);
}

static void drive(struct pair *p, int who, struct bgp_event ev);

static void drop(struct pair *p)
{
	if (!p->tcp)
		return;
	p->tcp = false;
	for (int i = 0; i < 2; i++)
		p->side[i].n = 0;
	for (int i = 0; i < 2; i++)
		drive(p, i, (struct bgp_event){ .kind = BGP_EV_TCP_DOWN });
}

static void deliver(struct pair *p, int to, enum bgp_action_kind kind, const struct bgp_error *e)
{
	struct side *s = &p->side[to];
	struct wbuf w = wbuf_of(s->inbox + s->n, sizeof s->inbox - s->n);
	struct bgp_open o;
	if (!p->tcp)
		return;
	bgp_fsm_open(&p->side[!to].f, &o);
	if (kind == BGP_ACT_SEND_OPEN)
		bgp_open_encode(&w, &o);
	else if (kind == BGP_ACT_SEND_KEEPALIVE)
		bgp_keepalive_encode(&w);
	else
		bgp_notification_encode(&w, e);
	assert_false(w.bad);
	s->n += w.len;
}

static void drive(struct pair *p, int who, struct bgp_event ev)
{
	struct side *s = &p->side[who];
	struct bgp_actions out;
	bgp_fsm_step(&s->f, &ev, p->now, &out);
	for (unsigned i = 0; i < out.n; i++) {
		switch (out.v[i].kind) {
		case BGP_ACT_CONNECT: break;
		case BGP_ACT_SEND_OPEN:
		case BGP_ACT_SEND_KEEPALIVE:
		case BGP_ACT_SEND_NOTIFICATION: deliver(p, !who, out.v[i].kind, &out.v[i].error); break;
		case BGP_ACT_CLOSE: drop(p); break;
		case BGP_ACT_UP: s->ups++; break;
		case BGP_ACT_DOWN: s->downs++; break;
		case BGP_ACT_RESEND: break;
		}
	}
}

static void read_one(struct pair *p, int who)
{
	struct side *s = &p->side[who];
	struct bgp_header h;
	struct bgp_error e;
	struct bgp_open o;
	struct bgp_event ev = { .open = &o };
	if (s->n < BGP_HEADER)
		return;
	assert_true(bgp_header_decode(s->inbox, &h, &e));
	assert_true(s->n >= h.len);
	if (h.type == BGP_OPEN) {
		ev.kind = BGP_EV_OPEN;
		assert_true(bgp_open_decode(s->inbox + BGP_HEADER, h.len - (size_t)BGP_HEADER, &o, &e));
	} else {
		ev.kind = h.type == BGP_KEEPALIVE ? BGP_EV_KEEPALIVE : BGP_EV_NOTIFICATION;
	}
	memmove(s->inbox, s->inbox + h.len, s->n - h.len);
	s->n -= h.len;
	drive(p, who, ev);
}

static void turn(struct pair *p, bool lossy)
{
	for (int i = 0; i < 2; i++) {
		if (mono_reached(p->now, bgp_fsm_next(&p->side[i].f)))
			drive(p, i, (struct bgp_event){ .kind = BGP_EV_TICK });
		if (roll(p, 3))
			read_one(p, i);
	}
	if (!p->tcp && p->side[0].f.state == BGP_CONNECT && roll(p, 4) == 0) {
		if (lossy && roll(p, 3) == 0) {
			drive(p, 0, (struct bgp_event){ .kind = BGP_EV_TCP_DOWN });
			return;
		}
		p->tcp = true;
		drive(p, 0, (struct bgp_event){ .kind = BGP_EV_TCP_UP });
		drive(p, 1, (struct bgp_event){ .kind = BGP_EV_TCP_UP });
	}
	if (lossy && roll(p, 200) == 0)
		drop(p);
	if (lossy && roll(p, 400) == 0)
		drive(p, (int)roll(p, 2),
		      (struct bgp_event){ .kind = BGP_EV_BAD, .error = { BGP_ERR_UPDATE, 1, 0, { 0 } } });
}

static void test_back_to_back(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		static struct pair p;
		struct bgp_fsm_config a = base, b = base;
		memset(&p, 0, sizeof p);
		p.rng = seed * 0x9e3779b97f4a7c15u;
		b.local_as = base.peer_as;
		b.peer_as = base.local_as;
		b.router_id++;
		b.passive = true;
		a.hold_s = 9;
		bgp_fsm_init(&p.side[0].f, &a, seed);
		bgp_fsm_init(&p.side[1].f, &b, seed + 1);
		drive(&p, 0, (struct bgp_event){ .kind = BGP_EV_START });
		for (int i = 0; i < 20000; i++, p.now.us += MS(50))
			turn(&p, i < 15000);
		assert_int_equal(p.side[0].f.state, BGP_ESTABLISHED);
		assert_int_equal(p.side[1].f.state, BGP_ESTABLISHED);
		assert_true(p.side[0].ups > 1);
		for (int i = 0; i < 2; i++)
			assert_int_equal(p.side[i].ups, p.side[i].downs + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	     cmocka_unit_test(test_opens),
		cmocka_unit_test(test_negotiation),  cmocka_unit_test(test_hold_timer),
		cmocka_unit_test(test_retry),	     cmocka_unit_test(test_passive),
		cmocka_unit_test(test_adopt),	     cmocka_unit_test(test_collision),
		cmocka_unit_test(test_back_to_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
