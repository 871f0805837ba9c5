/* The real gossipd, three of them: they agree on one owner for each address, survive kill -9 without anybody
 * noticing, take over when one is gone, stopped or leaves. Times are printed; limits are generous because
 * test machines are busy. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/gossipd/house.h"

enum { A, B, C };

static bool is_running(const struct house_node *n)
{
	return n->pid > 0;
}

/* All nodes in the mask agree, each address is owned by one of them, and it knows so itself. */
static bool one_owner_among(struct house *h, unsigned mask)
{
	for (size_t s = 0; s < HOUSE_SERVICES; s++) {
		const char *owner = NULL;
		unsigned mine = 0;
		for (size_t i = 0; i < HOUSE_NODES; i++) {
			if (!(mask >> i & 1))
				continue;
			const struct house_owner *o = house_owner(h, i, s);
			if (!o || !o->owner[0] || (owner && strcmp(owner, o->owner) != 0))
				return false;
			owner = o->owner;
			mine += o->mine && strcmp(o->owner, h->node[i].name) == 0;
		}
		if (mine != 1)
			return false;
	}
	return true;
}

static bool all_agree(struct house *h)
{
	return one_owner_among(h, 7) && h->node[A].ready && h->node[B].ready && h->node[C].ready;
}

static bool b_and_c_agree(struct house *h)
{
	return one_owner_among(h, 6);
}

static bool a_and_b_agree(struct house *h)
{
	return one_owner_among(h, 3);
}

static bool a_is_ready(struct house *h)
{
	return h->node[A].ready;
}

static bool c_is_gone(struct house *h)
{
	return h->node[C].pair < 0;
}

static int setup(void **state)
{
	struct house *h = house_new();
	for (size_t i = 0; i < HOUSE_NODES; i++)
		house_start(h, i, false);
	*state = h;
	int64_t us = house_wait(h, all_agree, 20000);
	printf("three nodes agree after %lld ms\n", (long long)us / 1000);
	return us < 0;
}

static int teardown(void **state)
{
	house_free(*state);
	return 0;
}

static void test_everybody_owns_something(void **state)
{
	struct house *h = *state;
	unsigned owned[HOUSE_NODES] = { 0 };
	for (size_t s = 0; s < HOUSE_SERVICES; s++)
		for (size_t i = 0; i < HOUSE_NODES; i++)
			owned[i] += house_owner(h, i, s)->mine;
	for (size_t i = 0; i < HOUSE_NODES; i++) {
		assert_true(owned[i] > 0);
		for (size_t k = 0; k < HOUSE_NODES; k++)
			assert_int_equal(house_member(h, i, k), INGOT__MEMBER_STATE__MEMBER_ALIVE);
	}
}

/* Back before the others can have noticed. A machine that is too busy for that gets more rounds. */
static void test_killed_and_back_is_not_noticed(void **state)
{
	struct house *h = *state;
	int quick = 0;
	house_run(h, 300);
	for (int i = 0; i < 20 && quick < 5; i++) {
		house_reset_counts(h);
		house_kill(h, A);
		house_start(h, A, true);
		int64_t us = house_wait(h, a_is_ready, 10000);
		printf("killed, back after %lld ms\n", (long long)us / 1000);
		assert_true(us >= 0);
		house_run(h, 700);
		assert_true(house_wait(h, all_agree, 10000) >= 0);
		if (us > 100000)
			continue;
		quick++;
		for (size_t k = 0; k < HOUSE_NODES; k++) {
			assert_int_equal(h->node[k].owner_changes, 0);
			assert_int_equal(h->node[k].deaths, 0);
		}
	}
	assert_true(quick > 0);
}

static void test_dead_node_is_replaced(void **state)
{
	struct house *h = *state;
	house_run(h, 500);
	assert_true(is_running(&h->node[A]));
	house_kill(h, A);
	int64_t us = house_wait(h, b_and_c_agree, 10000);
	printf("killed for good: the others agree after %lld ms\n", (long long)us / 1000);
	assert_in_range(us, 100000, 5000000);
	assert_int_equal(house_member(h, B, A), INGOT__MEMBER_STATE__MEMBER_DEAD);
	/* It comes back without any memory. */
	house_start(h, A, false);
	us = house_wait(h, all_agree, 10000);
	printf("started again without memory: all agree after %lld ms\n", (long long)us / 1000);
	assert_true(us >= 0);
}

static void test_stopped_process_is_replaced_and_yields(void **state)
{
	struct house *h = *state;
	house_run(h, 500);
	house_signal(h, A, SIGSTOP);
	int64_t us = house_wait(h, b_and_c_agree, 10000);
	printf("SIGSTOP: the others agree after %lld ms\n", (long long)us / 1000);
	assert_true(us >= 0);
	house_run(h, 1500);
	house_reset_counts(h);
	house_signal(h, A, SIGCONT);
	us = house_wait(h, all_agree, 10000);
	printf("SIGCONT: all agree after %lld ms\n", (long long)us / 1000);
	assert_true(us >= 0);
	house_run(h, 1000);
	assert_true(one_owner_among(h, 7));
	assert_int_equal(h->node[A].deaths, 0);
}

static void test_leave_is_handed_over(void **state)
{
	struct house *h = *state;
	house_run(h, 500);
	house_reset_counts(h);
	house_ask_stop(h, C);
	int64_t us = house_wait(h, c_is_gone, 10000);
	printf("asked to stop: gone after %lld ms\n", (long long)us / 1000);
	assert_true(us >= 0);
	assert_true(h->node[C].stopped);
	assert_true(h->node[C].saw_hold);
	assert_true(house_wait(h, a_and_b_agree, 1000) >= 0);
	assert_int_equal(house_member(h, A, C), INGOT__MEMBER_STATE__MEMBER_LEFT);
	house_run(
	    h, 500); /* until it has freed all and is a zombie: a kill does not touch its exit status then */
	house_kill(h, C);
	assert_int_equal(h->node[C].exit_status, 0);
	house_start(h, C, false);
	assert_true(house_wait(h, all_agree, 10000) >= 0);
}

static void test_idle_is_cheap(void **state)
{
	struct house *h = *state;
	house_run(h, 1000);
	int64_t before = house_cpu_ns(h, B);
	house_run(h, 3000);
	int64_t used = house_cpu_ns(h, B) - before;
	printf("idle: %.3f %% of a core\n", (double)used / 3e9 * 100);
	/* Sanitizers and a virtual machine may cost ten times the budget; a loop that spins costs a hundred
	 * times. */
	assert_true(used < 300000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everybody_owns_something),
		cmocka_unit_test(test_killed_and_back_is_not_noticed),
		cmocka_unit_test(test_dead_node_is_replaced),
		cmocka_unit_test(test_stopped_process_is_replaced_and_yields),
		cmocka_unit_test(test_idle_is_cheap),
		cmocka_unit_test(test_leave_is_handed_over),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
