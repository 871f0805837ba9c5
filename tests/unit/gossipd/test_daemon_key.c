/* The real gossipd and its key: without one it owns nothing and says nothing; it takes it from the Secret
 * when that comes, and a rotation in three steps loses nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/gossipd/house.h"

static bool all_ready(struct house *h)
{
	return h->node[0].ready && h->node[1].ready && h->node[2].ready;
}

static bool all_own_together(struct house *h)
{
	for (size_t s = 0; s < HOUSE_SERVICES; s++) {
		unsigned mine = 0;
		for (size_t i = 0; i < HOUSE_NODES; i++) {
			const struct house_owner *o = house_owner(h, i, s), *first = house_owner(h, 0, s);
			if (!o || !first || !o->owner[0] || strcmp(o->owner, first->owner) != 0)
				return false;
			mine += o->mine;
		}
		if (mine != 1)
			return false;
	}
	return true;
}

static int setup(void **state)
{
	struct house *h = house_new();
	h->use_secret = true;
	for (size_t i = 0; i < HOUSE_NODES; i++)
		house_start(h, i, false);
	*state = h;
	return 0;
}

static int teardown(void **state)
{
	house_free(*state);
	return 0;
}

static void test_without_key_nothing_is_owned(void **state)
{
	struct house *h = *state;
	assert_true(house_wait(h, all_ready, 20000) >= 0);
	house_run(h, 1500);
	for (size_t i = 0; i < HOUSE_NODES; i++) {
		assert_false(h->node[i].owners_synced);
		assert_int_equal(map_len(&h->node[i].owners), 0);
	}
}

static void test_the_secret_comes(void **state)
{
	struct house *h = *state;
	house_put_secret(h, "first\n");
	assert_true(house_wait(h, all_own_together, 10000) >= 0);
}

static void test_rotation_loses_nobody(void **state)
{
	struct house *h = *state;
	static const char *const steps[] = { "first\nsecond\n", "second\nfirst\n", "second" };
	house_run(h, 500);
	house_reset_counts(h);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		house_put_secret(h, steps[i]);
		house_run(h, 1000);
		assert_true(all_own_together(h));
	}
	for (size_t i = 0; i < HOUSE_NODES; i++) {
		assert_int_equal(h->node[i].deaths, 0);
		assert_int_equal(h->node[i].owner_changes, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_key_nothing_is_owned),
		cmocka_unit_test(test_the_secret_comes),
		cmocka_unit_test(test_rotation_loses_nobody),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
