/* The restart policy and the watchdog (docs/architecture.md, "What happens when"). Pure; runs in the
 * supervisor. It may not start, kill or ask the time: it says what to do. */
#include "supervisor/policy.h"

#include <signal.h>

#include "lib/base/must.h"
#include "lib/run/fds.h"

const char *policy_state_name(enum policy_state s)
{
	static const char *const names[] = {
#define X(constant, name) [POLICY_##constant] = name,
		POLICY_STATES(X)
#undef X
	};
	_Static_assert(ARRAY_LEN(names) == POLICY_STATE_N, "one name per state");
	must((unsigned)s < POLICY_STATE_N);
	return names[s];
}

bool policy_is_alive(const struct policy *p)
{
	return p->state == POLICY_STARTING || p->state == POLICY_READY || p->state == POLICY_STOPPING ||
	       p->state == POLICY_DYING;
}

void policy_init(struct policy *p, unsigned heartbeat_ms, mono_t now)
{
	*p = (struct policy){ .state = POLICY_DOWN,
			      .since = now,
			      .deadline = MONO_NEVER,
			      .usual_us = MS(heartbeat_ms),
			      .patience = 1 };
}

static void act(struct policy_actions *a, enum policy_action what)
{
	must(a->n < ARRAY_LEN(a->v));
	a->v[a->n++] = what;
}

static void enter(struct policy *p, enum policy_state s, mono_t now, mono_t deadline)
{
	p->state = s;
	p->since = now;
	p->deadline = deadline;
}

/* Two lives that never became ready may have died of what the store holds. */
static void spawn(struct policy *p, struct policy_actions *a)
{
	if (p->unready_lives >= POLICY_UNREADY_LIVES) {
		act(a, POLICY_DO_EMPTY_STORE);
		p->emptied++;
	}
	act(a, POLICY_DO_SPAWN);
}

static void back_off(struct policy *p, mono_t now)
{
	int64_t next = p->backoff_us * 2;
	if (next < POLICY_BACKOFF_LEAST)
		next = POLICY_BACKOFF_LEAST;
	p->backoff_us = next > POLICY_BACKOFF_MOST ? POLICY_BACKOFF_MOST : next;
	enter(p, POLICY_BACKOFF, now, mono_add(now, p->backoff_us));
}

static void on_start(struct policy *p, struct policy_actions *a)
{
	p->wanted = true;
	if (!policy_is_alive(p)) {
		p->backoff_us = 0;
		spawn(p, a);
	}
}

static void on_spawned(struct policy *p, mono_t now)
{
	p->was_ready = false;
	p->asked = false;
	p->heartbeat_at = now;
	p->interval_us = 0;
	p->lives++;
	enter(p, POLICY_STARTING, now, mono_add(now, POLICY_FIRST_HEARTBEAT));
}

/* When the next heartbeat is missing. */
static mono_t late_at(const struct policy *p, mono_t now)
{
	int64_t us = p->interval_us * POLICY_MISSED * p->patience;
	return mono_add(now, p->state == POLICY_STARTING && us < POLICY_STARTING_LEAST ? POLICY_STARTING_LEAST
										       : us);
}

static void on_ready(struct policy *p, mono_t now)
{
	if (p->state != POLICY_STARTING)
		return;
	p->was_ready = true;
	p->unready_lives = 0;
	p->ready_at = now;
	enter(p, POLICY_READY, now, p->deadline);
	if (p->interval_us)
		p->deadline = late_at(p, now);
}

static void on_heartbeat(struct policy *p, uint64_t ms, mono_t now)
{
	p->interval_us = ms == 0 ? p->usual_us : ms > 60000 ? SEC(60) : ms < 10 ? MS(10) : MS(ms);
	p->heartbeat_at = now;
	if (p->state == POLICY_READY && mono_sub(now, p->ready_at) >= POLICY_CALM)
		p->patience = 1;
	if (p->state == POLICY_STARTING || p->state == POLICY_READY)
		p->deadline = late_at(p, now);
}

/* The life is over: does the next one begin at once? */
static bool judge_life(struct policy *p, uint64_t status, mono_t now)
{
	bool by_others = status == 128 + SIGKILL && p->state != POLICY_DYING;
	if (p->was_ready && (by_others || mono_sub(now, p->ready_at) >= POLICY_A_WHILE)) {
		p->short_lives = 0;
		p->backoff_us = 0;
		return true;
	}
	if ((p->was_ready || by_others) && ++p->short_lives <= POLICY_SHORT_LIVES)
		return true;
	if (!p->was_ready)
		p->unready_lives++;
	return false;
}

static void on_died(struct policy *p, uint64_t status, mono_t now, struct policy_actions *a)
{
	if (!policy_is_alive(p))
		return;
	if (p->asked || !p->wanted) {
		p->backoff_us = 0;
		enter(p, POLICY_DOWN, now, MONO_NEVER);
		if (p->wanted)
			spawn(p, a);
		return;
	}
	bool at_once = judge_life(p, status, now);
	if (status == EXIT_CONFIG) {
		enter(p, POLICY_REFUSED, now, MONO_NEVER);
	} else if (at_once) {
		enter(p, POLICY_DOWN, now, MONO_NEVER);
		spawn(p, a);
	} else {
		back_off(p, now);
	}
}

static void kill_it(struct policy *p, mono_t now, struct policy_actions *a)
{
	act(a, POLICY_DO_KILL);
	enter(p, POLICY_DYING, now, MONO_NEVER);
}

static void on_tick(struct policy *p, mono_t now, struct policy_actions *a)
{
	if (!mono_reached(now, p->deadline))
		return;
	p->deadline = MONO_NEVER;
	switch (p->state) {
	case POLICY_BACKOFF: spawn(p, a); break;
	case POLICY_STARTING:
	case POLICY_READY:
		p->watchdog_kills++;
		p->patience = p->patience < POLICY_PATIENCE ? p->patience * 2 : POLICY_PATIENCE;
		kill_it(p, now, a);
		break;
	case POLICY_STOPPING: kill_it(p, now, a); break;
	default: break;
	}
}

static void say_stop(struct policy *p, mono_t now, struct policy_actions *a)
{
	p->asked = true;
	if (p->state != POLICY_STARTING && p->state != POLICY_READY)
		return;
	act(a, POLICY_DO_SAY_STOP);
	enter(p, POLICY_STOPPING, now, mono_add(now, POLICY_STOP_DEADLINE));
}

static void let_go(struct policy *p, mono_t now)
{
	p->wanted = false;
	p->asked = false;
	if (p->state == POLICY_BACKOFF)
		enter(p, POLICY_DOWN, now, MONO_NEVER);
}

void policy_step(struct policy *p, enum policy_event event, uint64_t value, mono_t now,
		 struct policy_actions *ret)
{
	struct policy_actions a = { .n = 0 };
	switch (event) {
	case POLICY_START: on_start(p, &a); break;
	case POLICY_SPAWNED: on_spawned(p, now); break;
	case POLICY_NO_PROGRAM: enter(p, POLICY_MISSING, now, MONO_NEVER); break;
	case POLICY_SPAWN_FAILED: back_off(p, now); break;
	case POLICY_SAID_READY: on_ready(p, now); break;
	case POLICY_HEARTBEAT: on_heartbeat(p, value, now); break;
	case POLICY_CLOSED:
		if (policy_is_alive(p) && p->state != POLICY_DYING)
			p->deadline = mono_min(p->deadline, mono_add(now, POLICY_CLOSED_DEADLINE));
		break;
	case POLICY_DIED: on_died(p, value, now, &a); break;
	case POLICY_TICK: on_tick(p, now, &a); break;
	case POLICY_RESTART:
		p->wanted = true;
		if (policy_is_alive(p))
			say_stop(p, now, &a);
		else
			on_start(p, &a);
		break;
	case POLICY_STOP:
		let_go(p, now);
		say_stop(p, now, &a);
		break;
	case POLICY_LET_GO: let_go(p, now); break;
	case POLICY_KILL:
		let_go(p, now);
		if (policy_is_alive(p) && p->state != POLICY_DYING)
			kill_it(p, now, &a);
		break;
	}
	*ret = a;
}

void policy_forgive(struct policy *p, int64_t us)
{
	if (us > 0 && (p->state == POLICY_STARTING || p->state == POLICY_READY) &&
	    p->deadline.us != INT64_MAX)
		p->deadline = mono_add(p->deadline, us);
}
