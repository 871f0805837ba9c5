/* Simulated days in the life of gossipd's membership: how fast a death is noticed, that nobody alive is
 * declared dead, and that all agree again after what networks do. Prints its figures. Arguments:
 * false=SECONDS (at 100 nodes with 30 % loss; a day is 86400), large=NODES, trials=N, seed=N, only=PATTERN
 * (tests). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/model/announce.h"
#include "tests/sim/net.h"

struct arguments {
	long false_s, trials, large;
	uint64_t seed;
};
#ifdef SIM_SHORT
static struct arguments args = { .false_s = 15, .trials = 50, .seed = 1 };
#else
static struct arguments args = { .false_s = 120, .trials = 200, .seed = 1 };
#endif

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

/* ---- how fast a death is noticed by all ---- */

static bool nobody_sees(const struct sim *s, size_t victim)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->node[i].up && sim_sees(s, i, victim))
			return false;
	return true;
}

static int64_t one_detection(struct sim *s)
{
	size_t victim = sim_random(s) % s->n;
	sim_run(s, (int64_t)(sim_random(s) % MS(300)));
	mono_t start = s->now;
	s->expect_failures = false;
	sim_kill(s, victim);
	while (!nobody_sees(s, victim) && mono_sub(s->now, start) < SEC(30))
		sim_run(s, MS(1));
	int64_t took = mono_sub(s->now, start);
	assert_true(sim_agrees(s));
	sim_revive(s, victim);
	for (int i = 0; i < 100 && !sim_agrees(s); i++)
		sim_run(s, MS(100));
	assert_true(sim_agrees(s));
	sim_run(s, SEC(1));
	return took;
}

static void detection(size_t n, unsigned loss, long trials, int64_t p99_limit, int64_t worst_limit)
{
	struct sim *s = sim_new(n, args.seed + n + loss);
	int64_t *t = calloc((size_t)trials, sizeof *t);
	assert_non_null(t);
	s->loss_percent = loss;
	sim_start(s);
	assert_true(sim_agrees(s));
	for (long i = 0; i < trials; i++)
		t[i] = one_detection(s);
	qsort(t, (size_t)trials, sizeof *t, by_value);
	int64_t p99 = t[(trials * 99 + 99) / 100 - 1];
	printf("death noticed by all, %3zu nodes, %2u %% loss: p50 %3lld ms, p99 %3lld ms, worst %3lld ms "
	       "(%ld trials); "
	       "false failures %llu\n",
	       n, loss, (long long)t[trials / 2] / 1000, (long long)p99 / 1000,
	       (long long)t[trials - 1] / 1000, trials, (unsigned long long)s->false_failures);
	assert_true(p99 <= p99_limit);
	assert_true(t[trials - 1] <= worst_limit);
	assert_int_equal(s->false_failures, 0);
	free(t);
	sim_free(s);
}

static void test_detection_3(void **state)
{
	(void)state;
	detection(3, 0, args.trials * 3, MS(400), MS(450));
}

static void test_detection_3_loss(void **state)
{
	(void)state;
	detection(3, 30, args.trials, MS(900), SEC(2));
}

static void test_detection_2(void **state)
{
	(void)state;
	detection(2, 0, args.trials, MS(400), MS(450));
}

static void test_detection_100(void **state)
{
	(void)state;
	detection(100, 0, args.trials / 5, MS(700), MS(950));
}

static void test_detection_100_loss(void **state)
{
	(void)state;
	detection(100, 30, args.trials / 10, SEC(1), SEC(2));
}

static void many_die(size_t n, size_t deaths, int64_t limit)
{
	int64_t worst = 0;
	for (uint64_t round = 0; round < 10; round++) {
		struct sim *s = sim_new(n, args.seed * 13 + round);
		sim_start(s);
		sim_run(s, (int64_t)(sim_random(s) % MS(300)));
		for (size_t i = 0; i < deaths;) {
			size_t victim = sim_random(s) % n;
			i += s->node[victim].up;
			if (s->node[victim].up)
				sim_kill(s, victim);
		}
		mono_t start = s->now;
		while (!sim_agrees(s) && mono_sub(s->now, start) < SEC(30))
			sim_run(s, MS(5));
		int64_t took = mono_sub(s->now, start);
		worst = took > worst ? took : worst;
		assert_int_equal(s->false_failures, 0);
		sim_free(s);
	}
	printf("%zu of %zu die at once: all agree after at most %lld ms\n", deaths, n,
	       (long long)worst / 1000);
	assert_true(worst <= limit);
}

static void test_many_die_at_once(void **state)
{
	(void)state;
	many_die(3, 2, MS(1200));
	many_die(20, 10, SEC(2));
	many_die(60, 40, SEC(3));
}

/* Far past the machines at hand, on request. */
static void test_detection_large(void **state)
{
	(void)state;
	assert_in_range(args.large, 2, SIM_MAX);
	detection((size_t)args.large, 0, 3, SEC(1), SEC(1));
}

/* ---- nobody alive is declared dead ---- */

static void quiet(size_t n, unsigned loss, int64_t seconds)
{
	struct sim *s = sim_new(n, args.seed * 7 + n);
	sim_start(s);
	s->loss_percent = loss;
	uint64_t before = s->sent;
	sim_run(s, SEC(seconds));
	printf("%3zu nodes, %2u %% loss, %lld s simulated: %llu false failures, %llu suspicions, %.0f "
	       "packets/s sent by "
	       "each\n",
	       n, loss, (long long)seconds, (unsigned long long)s->false_failures,
	       (unsigned long long)s->suspicions, (double)(s->sent - before) / (double)seconds / (double)n);
	assert_int_equal(s->false_failures, 0);
	assert_true(sim_agrees(s));
	sim_free(s);
}

static void test_quiet(void **state)
{
	(void)state;
	quiet(2, 0, 60);
	quiet(3, 0, 60);
	quiet(100, 0, args.false_s / 10 + 1);
}

static void test_false_failures_few(void **state)
{
	(void)state;
	quiet(2, 30, args.false_s * 10);
	quiet(3, 30, args.false_s * 10);
	quiet(8, 30, args.false_s);
}

static void test_false_failures_100(void **state)
{
	(void)state;
	quiet(100, 30, args.false_s);
}

/* ---- partitions ---- */

enum { ADDRESSES = 64 };

/* Every running node elects the same owner for each address. */
static bool one_owner_each(const struct sim *s)
{
	static const char *names[SIM_MAX];
	for (uint32_t a = 0; a < ADDRESSES; a++) {
		char owner[32] = "";
		for (size_t i = 0; i < s->n; i++) {
			size_t n = 0;
			for (size_t k = 0; k < s->n; k++)
				if (sim_sees(s, i, k))
					names[n++] = s->node[k].name;
			election_sort(names, NULL, n, addr_v4(0xc0a80000u + a));
			if (owner[0] && strcmp(owner, names[0]) != 0)
				return false;
			snprintf(owner, sizeof owner, "%s", names[0]);
		}
	}
	return true;
}

static void heal(size_t n, size_t cut, unsigned loss, int64_t limit)
{
	struct sim *s = sim_new(n, args.seed * 11 + n);
	s->expect_failures = true;
	s->loss_percent = loss;
	sim_start(s);
	int64_t worst = 0;
	for (int round = 0; round < 5; round++) {
		sim_partition(s, cut);
		sim_run(s, SEC(5));
		for (size_t a = 0; a < n; a++)
			for (size_t b = 0; b < n; b++)
				assert_int_equal(sim_sees(s, a, b), (a < cut) == (b < cut));
		sim_partition(s, 0);
		mono_t start = s->now;
		while (!sim_agrees(s) && mono_sub(s->now, start) < SEC(20))
			sim_run(s, MS(5));
		int64_t took = mono_sub(s->now, start);
		worst = took > worst ? took : worst;
		sim_run(s, SEC(2));
		assert_true(sim_agrees(s));
		assert_true(one_owner_each(s));
	}
	printf("partition of %zu nodes at %zu healed, %u %% loss: all agree after at most %lld ms\n", n, cut,
	       loss, (long long)worst / 1000);
	assert_true(worst <= limit);
	sim_free(s);
}

static void test_partition(void **state)
{
	(void)state;
	heal(2, 1, 0, MS(300));
	heal(3, 1, 0, MS(300));
	heal(3, 1, 30, SEC(1));
	heal(40, 20, 0, SEC(1));
	heal(40, 3, 0, SEC(1));
}

/* ---- pauses ---- */

static void test_pause(void **state)
{
	(void)state;
	struct sim *s = sim_new(3, args.seed);
	sim_start(s);
	for (int i = 0; i < 20; i++) {
		sim_pause(s, 0, true);
		sim_run(s, SEC(10));
		assert_false(sim_sees(s, 1, 0));
		assert_false(sim_sees(s, 2, 0));
		sim_pause(s, 0, false);
		mono_t woke = s->now;
		while (!sim_agrees(s) && mono_sub(s->now, woke) < SEC(5))
			sim_run(s, MS(1));
		assert_true(mono_sub(s->now, woke) <= MS(500));
		sim_run(s, SEC(1) + (int64_t)(sim_random(s) % MS(100)));
		assert_true(sim_agrees(s));
	}
	/* The woken one blamed nobody. */
	assert_int_equal(s->false_failures, 0);
	sim_free(s);
}

static void test_short_pauses_and_late_timers(void **state)
{
	(void)state;
	struct sim *s = sim_new(5, args.seed);
	sim_start(s);
	for (int i = 0; i < 200; i++) {
		size_t who = sim_random(s) % s->n;
		sim_pause(s, who, true);
		sim_run(s, (int64_t)(sim_random(s) % MS(120)));
		sim_pause(s, who, false);
		sim_run(s, (int64_t)(sim_random(s) % MS(400)));
	}
	s->node[2].late_us = MS(80);
	sim_run(s, SEC(60));
	assert_int_equal(s->false_failures, 0);
	assert_true(sim_agrees(s));
	sim_free(s);
}

/* ---- crooked networks ---- */

static void test_one_way_link(void **state)
{
	(void)state;
	for (size_t n = 3; n <= 9; n += 3) {
		struct sim *s = sim_new(n, args.seed + n);
		sim_start(s);
		sim_block(s, 0, 1, true);
		sim_run(s, SEC(60));
		assert_int_equal(s->false_failures, 0);
		assert_true(sim_agrees(s));
		sim_free(s);
	}
}

static void test_flaps(void **state)
{
	(void)state;
	struct sim *s = sim_new(3, args.seed);
	sim_start(s);
	for (int i = 0; i < 300; i++) {
		sim_partition(s, 1);
		sim_run(s, MS(20) + (int64_t)(sim_random(s) % MS(80)));
		sim_partition(s, 0);
		sim_run(s, (int64_t)(sim_random(s) % MS(300)));
	}
	assert_int_equal(s->false_failures, 0);
	sim_run(s, SEC(1));
	assert_true(sim_agrees(s));
	sim_free(s);
}

static void test_burst_of_loss(void **state)
{
	(void)state;
	struct sim *s = sim_new(20, args.seed);
	sim_start(s);
	for (int i = 0; i < 20; i++) {
		s->loss_percent = 30;
		sim_run(s, SEC(1));
		s->loss_percent = 0;
		sim_run(s, SEC(1));
	}
	assert_int_equal(s->false_failures, 0);
	sim_free(s);
}

/* ---- leaving ---- */

static void test_leave(void **state)
{
	(void)state;
	const size_t sizes[] = { 2, 3, 40 };
	for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
		struct sim *s = sim_new(sizes[k], args.seed + k);
		sim_start(s);
		uint64_t suspicions = s->suspicions;
		mono_t start = s->now;
		swim_leave(s->node[0].swim, s->now);
		sim_act(s, 0);
		while (!swim_has_left(s->node[0].swim, s->now))
			sim_run(s, MS(1));
		int64_t took = mono_sub(s->now, start);
		for (size_t i = 1; i < s->n; i++)
			assert_false(sim_sees(s, i, 0));
		sim_kill(s, 0);
		sim_run(s, SEC(2));
		assert_int_equal(s->suspicions, suspicions);
		assert_true(took <= MS(100));
		sim_free(s);
	}
}

static long long number(const char *arg, const char *name)
{
	size_t n = strlen(name);
	return strncmp(arg, name, n) == 0 && arg[n] == '=' ? strtoll(arg + n + 1, NULL, 10) : -1;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (number(argv[i], "false") > 0)
			args.false_s = (long)number(argv[i], "false");
		else if (number(argv[i], "trials") > 0)
			args.trials = (long)number(argv[i], "trials");
		else if (number(argv[i], "seed") > 0)
			args.seed = (uint64_t)number(argv[i], "seed");
		else if (number(argv[i], "large") > 0)
			args.large = (long)number(argv[i], "large");
		else if (strncmp(argv[i], "only=", 5) == 0)
			cmocka_set_test_filter(argv[i] + 5);
	}
	const struct CMUnitTest large[] = { cmocka_unit_test(test_detection_large) };
	if (args.large)
		return cmocka_run_group_tests(large, NULL, NULL);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detection_2),
		cmocka_unit_test(test_detection_3),
		cmocka_unit_test(test_detection_3_loss),
		cmocka_unit_test(test_detection_100),
		cmocka_unit_test(test_detection_100_loss),

		cmocka_unit_test(test_many_die_at_once),
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_false_failures_few),
		cmocka_unit_test(test_false_failures_100),
		cmocka_unit_test(test_partition),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_short_pauses_and_late_timers),
		cmocka_unit_test(test_one_way_link),
		cmocka_unit_test(test_flaps),
		cmocka_unit_test(test_burst_of_loss),
		cmocka_unit_test(test_leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
