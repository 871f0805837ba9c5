/* The restart policy as scripts: events and times in, actions and states out. */
#include "supervisor/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"

static mono_t at(int64_t us)
{
	return (mono_t){ us };
}

/* Actions as letters, in order: e(mpty store) s(pawn) t(ell to stop) k(ill). */
static const char *step(struct policy *p, enum policy_event e, uint64_t value, int64_t us)
{
	static char text[8];
	struct policy_actions a;
	policy_step(p, e, value, at(us), &a);
	memset(text, 0, sizeof text);
	for (unsigned i = 0; i < a.n; i++)
		text[i] = "estk"[a.v[i]];
	return text;
}

struct line {
	int64_t us;
	enum policy_event event;
	uint64_t value;
	const char *actions;
	enum policy_state state;
};

static void run_lines(const struct line *lines, size_t n)
{
	struct policy p;
	policy_init(&p, 1000, at(0));
	for (size_t i = 0; i < n; i++) {
		const char *got = step(&p, lines[i].event, lines[i].value, lines[i].us);
		if (strcmp(got, lines[i].actions) != 0 || p.state != lines[i].state)
			fail_msg("line %zu: actions \"%s\" state %s, expected \"%s\" %s", i, got,
				 policy_state_name(p.state), lines[i].actions,
				 policy_state_name(lines[i].state));
	}
}
#define RUN(lines) run_lines(lines, ARRAY_LEN(lines))

static void test_ready_for_a_while_is_replaced_at_once(void **state)
{
	(void)state;
	static const struct line lines[] = {
		{ 0, POLICY_START, 0, "s", POLICY_DOWN },
		{ 0, POLICY_SPAWNED, 0, "", POLICY_STARTING },
		{ MS(5), POLICY_SAID_READY, 0, "", POLICY_READY },
		{ SEC(2), POLICY_DIED, 137, "s", POLICY_DOWN },
		{ SEC(2), POLICY_SPAWNED, 0, "", POLICY_STARTING },
		{ SEC(2), POLICY_SAID_READY, 0, "", POLICY_READY },
		/* A status of 0 that nobody asked for is a death like any other. */
		{ SEC(4), POLICY_DIED, 0, "s", POLICY_DOWN },
	};
	RUN(lines);
}

static void test_unready_lives_back_off_and_lose_the_store(void **state)
{
	(void)state;
	struct policy p;
	int64_t now = 0, wait = SEC(1);
	policy_init(&p, 1000, at(0));
	assert_string_equal(step(&p, POLICY_START, 0, 0), "s");
	for (unsigned life = 1; life <= 10; life++) {
		step(&p, POLICY_SPAWNED, 0, now);
		assert_string_equal(step(&p, POLICY_DIED, 1, now), "");
		assert_int_equal(p.state, POLICY_BACKOFF);
		assert_int_equal(p.unready_lives, life);
		assert_int_equal(mono_sub(p.deadline, at(now)), wait);
		assert_string_equal(step(&p, POLICY_TICK, 0, now + wait - 1), "");
		now += wait;
		assert_string_equal(step(&p, POLICY_TICK, 0, now), life >= 2 ? "es" : "s");
		wait = wait * 2 > SEC(60) ? SEC(60) : wait * 2;
	}
	/* One good life forgives all. */
	step(&p, POLICY_SPAWNED, 0, now);
	step(&p, POLICY_SAID_READY, 0, now);
	now += SEC(1);
	assert_string_equal(step(&p, POLICY_DIED, 139, now), "s");
	assert_int_equal(p.unready_lives, 0);
	step(&p, POLICY_SPAWNED, 0, now);
	step(&p, POLICY_DIED, 139, now);
	assert_int_equal(mono_sub(p.deadline, at(now)), SEC(1));
}

static void test_short_lives_run_out(void **state)
{
	(void)state;
	/* Ready but soon crashed; and killed by somebody else before it was ready. */
	for (unsigned ready = 0; ready < 2; ready++) {
		struct policy p;
		uint64_t status = ready ? 139 : 137;
		policy_init(&p, 1000, at(0));
		step(&p, POLICY_START, 0, 0);
		for (unsigned life = 1; life <= POLICY_SHORT_LIVES; life++) {
			step(&p, POLICY_SPAWNED, 0, 0);
			if (ready)
				step(&p, POLICY_SAID_READY, 0, 0);
			assert_string_equal(step(&p, POLICY_DIED, status, MS(900)), "s");
		}
		assert_int_equal(p.unready_lives, 0);
		step(&p, POLICY_SPAWNED, 0, 0);
		if (ready)
			step(&p, POLICY_SAID_READY, 0, 0);
		assert_string_equal(step(&p, POLICY_DIED, status, MS(900)), "");
		assert_int_equal(p.state, POLICY_BACKOFF);
		assert_int_equal(p.unready_lives, ready ? 0 : 1);
	}
}

/* A SIGKILL of our own is the watchdog's: a life that hung before it was ready counts as one that crashed. */
static void test_own_kills_are_no_excuse(void **state)
{
	(void)state;
	static const struct line lines[] = {
		{ 0, POLICY_START, 0, "s", POLICY_DOWN },
		{ 0, POLICY_SPAWNED, 0, "", POLICY_STARTING },
		{ SEC(10), POLICY_TICK, 0, "k", POLICY_DYING },
		{ SEC(10), POLICY_DIED, 137, "", POLICY_BACKOFF },
		{ SEC(11), POLICY_TICK, 0, "s", POLICY_BACKOFF },
		{ SEC(11), POLICY_SPAWNED, 0, "", POLICY_STARTING },
		{ SEC(21), POLICY_TICK, 0, "k", POLICY_DYING },
		{ SEC(21), POLICY_DIED, 137, "", POLICY_BACKOFF },
		{ SEC(23), POLICY_TICK, 0, "es", POLICY_BACKOFF },
	};
	RUN(lines);
}

/* Killed at random moments a thousand times, also before it is ready: at once every time, with all it had
 * retained. */
static void test_random_kills_are_replaced_at_once(void **state)
{
	(void)state;
	struct policy p;
	uint64_t seed = 1;
	int64_t now = 0;
	policy_init(&p, 1000, at(0));
	step(&p, POLICY_START, 0, 0);
	for (unsigned i = 0; i < 1000; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		int64_t life = (int64_t)(seed >> 33) % MS(150);
		step(&p, POLICY_SPAWNED, 0, now);
		if (life >= MS(50))
			step(&p, POLICY_SAID_READY, 0, now + MS(50));
		now += life;
		assert_string_equal(step(&p, POLICY_DIED, 137, now), "s");
	}
}

static void test_exit_config_is_final_until_asked(void **state)
{
	(void)state;
	static const struct line lines[] = {
		{ 0, POLICY_START, 0, "s", POLICY_DOWN },
		{ 0, POLICY_SPAWNED, 0, "", POLICY_STARTING },
		{ 1, POLICY_DIED, 78, "", POLICY_REFUSED },
		{ SEC(100), POLICY_TICK, 0, "", POLICY_REFUSED },
		{ SEC(100), POLICY_RESTART, 0, "s", POLICY_REFUSED },
		{ SEC(100), POLICY_SPAWNED, 0, "", POLICY_STARTING },
	};
	RUN(lines);
}

static void test_watchdog(void **state)
{
	(void)state;
	static const struct line lines[] = {
		{ 0, POLICY_START, 0, "s", POLICY_DOWN },
		{ 0, POLICY_SPAWNED, 0, "", POLICY_STARTING },
		/* Generous until the first one. */
		{ SEC(10) - 1, POLICY_TICK, 0, "", POLICY_STARTING },
		{ SEC(10) - 1, POLICY_HEARTBEAT, 100, "", POLICY_STARTING },
		{ SEC(10), POLICY_SAID_READY, 0, "", POLICY_READY },
		{ SEC(10) + MS(299), POLICY_TICK, 0, "", POLICY_READY },
		{ SEC(10) + MS(300), POLICY_TICK, 0, "k", POLICY_DYING },
		{ SEC(11), POLICY_TICK, 0, "", POLICY_DYING },
		{ SEC(11), POLICY_DIED, 137, "s", POLICY_DOWN },
		{ SEC(11), POLICY_SPAWNED, 0, "", POLICY_STARTING },
		{ SEC(21), POLICY_TICK, 0, "k", POLICY_DYING },
	};
	RUN(lines);
}

/* Each kill doubles its patience; a minute of being ready forgives. */
static void test_watchdog_grows_patient(void **state)
{
	(void)state;
	struct policy p;
	int64_t now = 0;
	policy_init(&p, 1000, at(0));
	step(&p, POLICY_START, 0, 0);
	for (unsigned i = 0, patience = 1; i < 8; i++, patience = patience < 16 ? patience * 2 : 16) {
		step(&p, POLICY_SPAWNED, 0, now);
		step(&p, POLICY_HEARTBEAT, 100, now);
		assert_int_equal(p.deadline.us - now,
				 patience * MS(300) > SEC(3) ? patience * MS(300) : SEC(3));
		step(&p, POLICY_SAID_READY, 0, now);
		assert_int_equal(p.deadline.us - now, patience * MS(300));
		now = p.deadline.us;
		assert_string_equal(step(&p, POLICY_TICK, 0, now), "k");
		step(&p, POLICY_DIED, 137, now);
	}
	step(&p, POLICY_SPAWNED, 0, now);
	step(&p, POLICY_SAID_READY, 0, now);
	now += SEC(60);
	step(&p, POLICY_HEARTBEAT, 100, now);
	assert_int_equal(p.deadline.us - now, MS(300));
}

static void test_heartbeat_intervals_are_clamped(void **state)
{
	(void)state;
	static const struct {
		uint64_t ms;
		int64_t deadline;
	} cases[] = {
		{ 0, SEC(3) }, { 1, MS(30) }, { 100, MS(300) }, { 1000, SEC(3) }, { UINT64_MAX, SEC(180) }
	};
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct policy p;
		policy_init(&p, 1000, at(0));
		step(&p, POLICY_START, 0, 0);
		step(&p, POLICY_SPAWNED, 0, 0);
		step(&p, POLICY_SAID_READY, 0, 0);
		step(&p, POLICY_HEARTBEAT, cases[i].ms, 0);
		assert_int_equal(p.deadline.us, cases[i].deadline);
	}
}

static void test_a_held_up_supervisor_judges_nobody(void **state)
{
	(void)state;
	struct policy p;
	policy_init(&p, 100, at(0));
	policy_forgive(&p, SEC(5));
	assert_int_equal(p.deadline.us, INT64_MAX);
	step(&p, POLICY_START, 0, 0);
	step(&p, POLICY_SPAWNED, 0, 0);
	step(&p, POLICY_SAID_READY, 0, 0);
	step(&p, POLICY_HEARTBEAT, 0, 0);
	policy_forgive(&p, SEC(5));
	assert_string_equal(step(&p, POLICY_TICK, 0, SEC(5)), "");
	assert_string_equal(step(&p, POLICY_TICK, 0, SEC(5) + MS(300)), "k");
}

static void test_restart_on_request(void **state)
{
	(void)state;
	static const struct line lines[] = {
		{ 0, POLICY_START, 0, "s", POLICY_DOWN },
		{ 0, POLICY_SPAWNED, 0, "", POLICY_STARTING },
		{ 1, POLICY_RESTART, 0, "t", POLICY_STOPPING },
		{ 2, POLICY_RESTART, 0, "", POLICY_STOPPING },
		/* Late words change nothing. */
		{ 3, POLICY_SAID_READY, 0, "", POLICY_STOPPING },
		{ SEC(5), POLICY_TICK, 0, "", POLICY_STOPPING },
		{ SEC(5) + 1, POLICY_TICK, 0, "k", POLICY_DYING },
		{ SEC(6), POLICY_DIED, 137, "s", POLICY_DOWN },
		{ SEC(6), POLICY_SPAWNED, 0, "", POLICY_STARTING },
	};
	RUN(lines);
}

static void test_restart_while_waiting_starts_at_once(void **state)
{
	(void)state;
	static const struct line lines[] = {
		{ 0, POLICY_START, 0, "s", POLICY_DOWN },      { 0, POLICY_SPAWNED, 0, "", POLICY_STARTING },
		{ 1, POLICY_DIED, 1, "", POLICY_BACKOFF },     { 2, POLICY_RESTART, 0, "s", POLICY_BACKOFF },
		{ 2, POLICY_SPAWNED, 0, "", POLICY_STARTING }, { 3, POLICY_SAID_READY, 0, "", POLICY_READY },
	};
	RUN(lines);
}

static void test_stop(void **state)
{
	(void)state;
	static const struct line orderly[] = {
		{ 0, POLICY_START, 0, "s", POLICY_DOWN },      { 0, POLICY_SPAWNED, 0, "", POLICY_STARTING },
		{ 1, POLICY_SAID_READY, 0, "", POLICY_READY }, { 2, POLICY_LET_GO, 0, "", POLICY_READY },
		{ 2, POLICY_STOP, 0, "t", POLICY_STOPPING },   { 3, POLICY_DIED, 0, "", POLICY_DOWN },
		{ SEC(99), POLICY_TICK, 0, "", POLICY_DOWN },
	};
	static const struct line let_go[] = {
		{ 0, POLICY_START, 0, "s", POLICY_DOWN },      { 0, POLICY_SPAWNED, 0, "", POLICY_STARTING },
		{ 1, POLICY_SAID_READY, 0, "", POLICY_READY }, { SEC(2), POLICY_LET_GO, 0, "", POLICY_READY },
		{ SEC(2), POLICY_DIED, 137, "", POLICY_DOWN }, { SEC(2), POLICY_STOP, 0, "", POLICY_DOWN },
	};
	static const struct line waiting[] = {
		{ 0, POLICY_START, 0, "s", POLICY_DOWN },    { 0, POLICY_SPAWNED, 0, "", POLICY_STARTING },
		{ 1, POLICY_DIED, 1, "", POLICY_BACKOFF },   { 2, POLICY_LET_GO, 0, "", POLICY_DOWN },
		{ SEC(2), POLICY_TICK, 0, "", POLICY_DOWN },
	};
	static const struct line killed[] = {
		{ 0, POLICY_START, 0, "s", POLICY_DOWN },    { 0, POLICY_SPAWNED, 0, "", POLICY_STARTING },
		{ 1, POLICY_STOP, 0, "t", POLICY_STOPPING }, { 2, POLICY_KILL, 0, "k", POLICY_DYING },
		{ 3, POLICY_KILL, 0, "", POLICY_DYING },     { 4, POLICY_DIED, 137, "", POLICY_DOWN },
	};
	RUN(orderly);
	RUN(let_go);
	RUN(waiting);
	RUN(killed);
}

static void test_missing_and_failing_programs(void **state)
{
	(void)state;
	static const struct line missing[] = {
		{ 0, POLICY_START, 0, "s", POLICY_DOWN },
		{ 0, POLICY_NO_PROGRAM, 0, "", POLICY_MISSING },
		{ SEC(100), POLICY_TICK, 0, "", POLICY_MISSING },
		{ SEC(100), POLICY_RESTART, 0, "s", POLICY_MISSING },
	};
	static const struct line failing[] = {
		{ 0, POLICY_START, 0, "s", POLICY_DOWN },
		{ 0, POLICY_SPAWN_FAILED, 0, "", POLICY_BACKOFF },
		{ SEC(1), POLICY_TICK, 0, "s", POLICY_BACKOFF },
		{ SEC(1), POLICY_SPAWN_FAILED, 0, "", POLICY_BACKOFF },
		{ SEC(2), POLICY_TICK, 0, "", POLICY_BACKOFF },
		{ SEC(3), POLICY_TICK, 0, "s", POLICY_BACKOFF },
		{ SEC(3), POLICY_SPAWNED, 0, "", POLICY_STARTING },
	};
	RUN(missing);
	RUN(failing);
}

static void test_closed_pair_gets_a_second(void **state)
{
	(void)state;
	static const struct line lines[] = {
		{ 0, POLICY_START, 0, "s", POLICY_DOWN },
		{ 0, POLICY_SPAWNED, 0, "", POLICY_STARTING },
		{ 0, POLICY_HEARTBEAT, 60000, "", POLICY_STARTING },
		{ 1, POLICY_CLOSED, 0, "", POLICY_STARTING },
		{ SEC(1) + 1, POLICY_TICK, 0, "k", POLICY_DYING },
		{ SEC(1) + 2, POLICY_CLOSED, 0, "", POLICY_DYING },
	};
	RUN(lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ready_for_a_while_is_replaced_at_once),
		cmocka_unit_test(test_unready_lives_back_off_and_lose_the_store),
		cmocka_unit_test(test_short_lives_run_out),
		cmocka_unit_test(test_own_kills_are_no_excuse),
		cmocka_unit_test(test_random_kills_are_replaced_at_once),
		cmocka_unit_test(test_exit_config_is_final_until_asked),
		cmocka_unit_test(test_watchdog),
		cmocka_unit_test(test_watchdog_grows_patient),
		cmocka_unit_test(test_heartbeat_intervals_are_clamped),
		cmocka_unit_test(test_a_held_up_supervisor_judges_nobody),
		cmocka_unit_test(test_restart_on_request),
		cmocka_unit_test(test_restart_while_waiting_starts_at_once),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_missing_and_failing_programs),
		cmocka_unit_test(test_closed_pair_gets_a_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
