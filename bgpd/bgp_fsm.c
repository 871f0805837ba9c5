/* The BGP state machine: one switch over states, one function that enters a state (RFC 4271 section 8; 6608
 * for the subcodes of FSM errors; 6286 for identifiers). Runs in bgpd; pure. Differences from the RFC, all
 * allowed by it: there is no DelayOpen and no manual start; Idle with a running retry timer is the back-off
 * of a peer that refuses us. */
#include "bgpd/bgp_fsm.h"

#include "lib/base/must.h"

enum {
	OPEN_HOLD_S = 240,   /* "a large value": while we wait for the peer's OPEN */
	CONNECT_WAIT_S = 10, /* for one attempt; a lost SYN is worth a fresh one */
	STABLE_S = 10,	     /* a session that lasted this long starts its retries from the beginning */
	RESTART_S = 120,     /* restart time in the graceful restart capability */
};

const char *bgp_state_name(enum bgp_state s)
{
	static const char *const names[] = { "Idle",	 "Connect",	"Active",
					     "OpenSent", "OpenConfirm", "Established" };
	_Static_assert(sizeof names / sizeof names[0] == BGP_STATE_N, "a name for each state");
	return s < BGP_STATE_N ? names[s] : "?";
}

static struct bgp_action *act(struct bgp_actions *out, enum bgp_action_kind kind)
{
	must(out->n < BGP_MAX_ACTIONS);
	struct bgp_action *a = &out->v[out->n++];
	*a = (struct bgp_action){ .kind = kind };
	return a;
}

/* splitmix64: jitter needs no better. */
static uint64_t next_random(uint64_t *rng)
{
	uint64_t z = (*rng += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static int64_t jittered(int64_t us, uint64_t *rng)
{
	return us * 3 / 4 + (int64_t)(next_random(rng) % (uint64_t)(us / 4 + 1));
}

int64_t bgp_retry_delay(unsigned failures, uint32_t connect_s, uint64_t *rng)
{
	int64_t most = SEC(connect_s ? connect_s : 30), us = SEC(1);
	for (unsigned i = 0; i < failures && us < most; i++)
		us *= 2;
	return jittered(us < most ? us : most, rng);
}

bool bgp_collision_close_dialled(uint32_t local_id, uint32_t peer_id, uint32_t local_as, uint32_t peer_as)
{
	if (local_id != peer_id)
		return local_id < peer_id;
	return local_as < peer_as; /* RFC 6286 2.3 */
}

void bgp_fsm_init(struct bgp_fsm *f, const struct bgp_fsm_config *c, uint64_t seed)
{
	*f = (struct bgp_fsm){ .config = *c, .rng = seed };
	f->retry = f->hold = f->keepalive = MONO_NEVER;
}

mono_t bgp_fsm_next(const struct bgp_fsm *f)
{
	return mono_min(f->retry, mono_min(f->hold, f->keepalive));
}

void bgp_fsm_open(const struct bgp_fsm *f, struct bgp_open *ret)
{
	const struct bgp_fsm_config *c = &f->config;
	*ret = (struct bgp_open){
		.version = 4,
		.hold_s = (uint16_t)c->hold_s,
		.as = c->local_as,
		.id = c->router_id,
		.families = c->families,
		.as4 = true,
		.refresh = true,
		.next_hop_v6_for_v4 = c->next_hop_v6_for_v4,
		.graceful = true, /* without families: we only support the restart of the peer (RFC 4724 3) */
	};
	if (c->graceful_restart) {
		ret->restarted = c->restarted;
		ret->restart_s = RESTART_S;
		ret->graceful_families = ret->forwarding_kept = c->families;
	}
}

static void arm_keepalive(struct bgp_fsm *f, mono_t from)
{
	f->keepalive =
	    f->n.keepalive_s ? mono_add(from, jittered(SEC(f->n.keepalive_s), &f->rng)) : MONO_NEVER;
}

static void arm_hold(struct bgp_fsm *f, mono_t now)
{
	f->hold = f->n.hold_s ? mono_add(now, SEC(f->n.hold_s)) : MONO_NEVER;
}

/* Every change of state goes through here: what the state's timers are. */
static void enter(struct bgp_fsm *f, enum bgp_state s, mono_t now)
{
	f->state = s;
	f->retry = f->hold = f->keepalive = MONO_NEVER;
	switch (s) {
	case BGP_IDLE:
	case BGP_ACTIVE:
		if (f->started && !f->config.passive)
			f->retry = mono_add(now, bgp_retry_delay(f->failures, f->config.connect_s, &f->rng));
		break;
	case BGP_CONNECT: f->retry = mono_add(now, SEC(CONNECT_WAIT_S)); break;
	case BGP_OPEN_SENT: f->hold = mono_add(now, SEC(OPEN_HOLD_S)); break;
	case BGP_OPEN_CONFIRM:
	case BGP_ESTABLISHED:
		arm_hold(f, now);
		arm_keepalive(f, now);
		break;
	case BGP_STATE_N: break;
	}
	if (s == BGP_ESTABLISHED)
		f->established_at = now;
}

/* The connection ends, or the attempt at one; when started, another attempt follows after a pause. */
static void fall(struct bgp_fsm *f, enum bgp_state to, const struct bgp_error *send, mono_t now,
		 struct bgp_actions *out)
{
	bool was_up = f->state == BGP_ESTABLISHED;
	if (send && send->code && f->state >= BGP_OPEN_SENT) {
		act(out, BGP_ACT_SEND_NOTIFICATION)->error = *send;
		f->last_error = *send;
		f->last_received = false;
	}
	if (f->state != BGP_IDLE && f->state != BGP_ACTIVE)
		act(out, BGP_ACT_CLOSE);
	if (was_up)
		act(out, BGP_ACT_DOWN);
	if (was_up && mono_sub(now, f->established_at) >= SEC(STABLE_S))
		f->failures = 0;
	enter(f, to, now);
	if (f->failures < 16)
		f->failures++;
}

static void fail(struct bgp_fsm *f, uint8_t code, uint8_t subcode, mono_t now, struct bgp_actions *out)
{
	fall(f, BGP_IDLE, &(struct bgp_error){ .code = code, .subcode = subcode }, now, out);
}

static void unexpected(struct bgp_fsm *f, mono_t now, struct bgp_actions *out)
{
	uint8_t subcode = f->state == BGP_OPEN_SENT ? 1 : f->state == BGP_OPEN_CONFIRM ? 2 : 3;
	fail(f, BGP_ERR_FSM, subcode, now, out);
}

/* 0, or the subcode of the OPEN error that this OPEN calls for. */
static uint8_t judge_open(const struct bgp_fsm *f, const struct bgp_open *o)
{
	const struct bgp_fsm_config *c = &f->config;
	bool internal = o->as == c->local_as;
	bool as_right = c->peer_as				 ? o->as == c->peer_as
			: c->dynamic_asn == DYNAMIC_ASN_INTERNAL ? internal
			: c->dynamic_asn == DYNAMIC_ASN_EXTERNAL ? !internal
								 : false;
	if (!as_right)
		return 2;
	if (internal && o->id == c->router_id)
		return 3;
	if (!(o->families & c->families))
		return 7;
	return 0;
}

static void negotiate(struct bgp_fsm *f, const struct bgp_open *o)
{
	const struct bgp_fsm_config *c = &f->config;
	struct bgp_negotiated *n = &f->n;
	*n = (struct bgp_negotiated){
		.peer_as = o->as,
		.peer_id = o->id,
		.hold_s = o->hold_s < c->hold_s ? o->hold_s : c->hold_s,
		.families = o->families & c->families,
		.ibgp = o->as == c->local_as,
		.as4 = o->as4,
		.refresh = o->refresh,
		.next_hop_v6_for_v4 = c->next_hop_v6_for_v4 && o->next_hop_v6_for_v4,
		.graceful = c->graceful_restart && o->graceful,
		.peer_graceful = o->graceful && o->graceful_families,
	};
	n->keepalive_s = n->hold_s / 3;
	if (c->keepalive_s && c->keepalive_s < n->keepalive_s)
		n->keepalive_s = c->keepalive_s;
}

static void on_open(struct bgp_fsm *f, const struct bgp_open *o, mono_t now, struct bgp_actions *out)
{
	uint8_t subcode = judge_open(f, o);
	if (subcode == 7) { /* RFC 5492: the data are the capabilities that are missing */
		bool v4 = f->config.families & BGP_V4;
		struct bgp_error e = { BGP_ERR_OPEN, 7, 6, { 1, 4, 0, v4 ? 1 : 2, 0, 1 } };
		fall(f, BGP_IDLE, &e, now, out);
		return;
	}
	if (subcode) {
		fail(f, BGP_ERR_OPEN, subcode, now, out);
		return;
	}
	negotiate(f, o);
	act(out, BGP_ACT_SEND_KEEPALIVE);
	enter(f, BGP_OPEN_CONFIRM, now);
}

static void on_tick(struct bgp_fsm *f, mono_t now, struct bgp_actions *out)
{
	if (mono_reached(now, f->hold)) {
		fail(f, BGP_ERR_HOLD, 0, now, out);
		return;
	}
	if (mono_reached(now, f->keepalive)) {
		act(out, BGP_ACT_SEND_KEEPALIVE);
		arm_keepalive(f, now);
	}
	if (!mono_reached(now, f->retry))
		return;
	if (f->state == BGP_CONNECT) {
		fall(f, BGP_ACTIVE, NULL, now, out);
	} else {
		act(out, BGP_ACT_CONNECT);
		enter(f, BGP_CONNECT, now);
	}
}

static void on_start(struct bgp_fsm *f, mono_t now, struct bgp_actions *out)
{
	if (f->started)
		return;
	f->started = true;
	f->failures = 0;
	if (f->config.passive || f->state != BGP_IDLE)
		return;
	act(out, BGP_ACT_CONNECT);
	enter(f, BGP_CONNECT, now);
}

/* Events that mean the same in every state. true = done. */
static bool common(struct bgp_fsm *f, const struct bgp_event *ev, mono_t now, struct bgp_actions *out)
{
	switch (ev->kind) {
	case BGP_EV_START: on_start(f, now, out); return true;
	case BGP_EV_STOP:
		f->started = false;
		fall(f, BGP_IDLE, &ev->error, now, out);
		return true;
	case BGP_EV_TICK: on_tick(f, now, out); return true;
	case BGP_EV_TCP_DOWN:
		if (f->state != BGP_IDLE && f->state != BGP_ACTIVE)
			fall(f, f->state == BGP_CONNECT || f->state == BGP_OPEN_SENT ? BGP_ACTIVE : BGP_IDLE,
			     NULL, now, out);
		return true;
	case BGP_EV_NOTIFICATION:
		if (f->state < BGP_OPEN_SENT)
			return true;
		f->last_error = ev->error;
		f->last_received = true;
		fall(f, BGP_IDLE, NULL, now, out);
		return true;
	case BGP_EV_BAD:
		if (f->state >= BGP_OPEN_SENT)
			fall(f, BGP_IDLE, &ev->error, now, out);
		return true;
	default: return false;
	}
}

void bgp_fsm_step(struct bgp_fsm *f, const struct bgp_event *ev, mono_t now, struct bgp_actions *out)
{
	out->n = 0;
	if (common(f, ev, now, out))
		return;
	switch (f->state) {
	case BGP_IDLE:
	case BGP_CONNECT:
	case BGP_ACTIVE:
		if (ev->kind == BGP_EV_TCP_UP && (f->state == BGP_CONNECT || f->config.passive)) {
			f->last_error = (struct bgp_error){ 0 };
			act(out, BGP_ACT_SEND_OPEN);
			enter(f, BGP_OPEN_SENT, now);
		}
		break;
	case BGP_OPEN_SENT:
		if (ev->kind == BGP_EV_OPEN)
			on_open(f, ev->open, now, out);
		else
			unexpected(f, now, out);
		break;
	case BGP_OPEN_CONFIRM:
		if (ev->kind == BGP_EV_KEEPALIVE) {
			enter(f, BGP_ESTABLISHED, now);
			act(out, BGP_ACT_UP);
		} else {
			unexpected(f, now, out);
		}
		break;
	case BGP_ESTABLISHED:
		if (ev->kind == BGP_EV_OPEN || ev->kind == BGP_EV_TCP_UP) {
			unexpected(f, now, out);
			break;
		}
		arm_hold(f, now);
		if (ev->kind == BGP_EV_REFRESH && (ev->refresh_family & f->n.families))
			act(out, BGP_ACT_RESEND)->family = ev->refresh_family;
		break;
	case BGP_STATE_N: break;
	}
}

void bgp_fsm_adopt(struct bgp_fsm *f, const struct bgp_negotiated *n, mono_t last_input,
		   mono_t last_keepalive, mono_t now)
{
	f->state = BGP_ESTABLISHED;
	f->started = true;
	f->n = *n;
	f->established_at = now;
	f->retry = MONO_NEVER;
	/* What came while nobody was there waits in the socket: give it a second to be read. */
	mono_t soon = mono_add(now, SEC(1));
	arm_hold(f, last_input);
	if (mono_before(f->hold, soon))
		f->hold = soon;
	arm_keepalive(f, last_keepalive);
}
