/* Waiting after failures, and the order of versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "watcher/k8s/version.h"
#include "watcher/k8s/write.h"

static void doubles_with_jitter(void **unused)
{
	(void)unused;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct backoff b;
		backoff_init(&b, MS(100), SEC(30), seed);
		int64_t expected = MS(100);
		for (int i = 0; i < 20; i++) {
			int64_t wait = backoff_next(&b);
			assert_in_range(wait, expected - expected / 4, expected + expected / 4);
			expected = expected * 2 < SEC(30) ? expected * 2 : SEC(30);
		}
		backoff_reset(&b);
		assert_in_range(backoff_next(&b), MS(75), MS(125));
	}
}

/* Many clients that were thrown out at once come back spread out. */
static void clients_come_back_spread_out(void **unused)
{
	int buckets[10] = { 0 };
	(void)unused;
	for (uint64_t seed = 1; seed <= 1000; seed++) {
		struct backoff b;
		backoff_init(&b, SEC(1), SEC(30), seed * 0x9e3779b97f4a7c15);
		int64_t wait = backoff_next(&b);
		assert_in_range(wait, MS(750), MS(1250));
		buckets[(wait - MS(750)) * 10 / (MS(500) + 1)]++;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(buckets[i], 50, 150);
}

static void a_tiny_wait(void **unused)
{
	struct backoff b;
	(void)unused;
	backoff_init(&b, 1, 1, 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(backoff_next(&b), 1);
}

static void order_of_versions(void **unused)
{
	(void)unused;
	assert_true(version_is_older("9", "10"));
	assert_false(version_is_older("10", "10"));
	assert_false(version_is_older("11", "10"));
	assert_true(version_is_older("18446744073709551614", "18446744073709551615"));
	/* Of anything else nothing is sure. */
	assert_false(version_is_older("", "10"));
	assert_false(version_is_older("9", ""));
	assert_false(version_is_older("9a", "10"));
	assert_false(version_is_older("-9", "10"));
	assert_false(version_is_older("9", "99999999999999999999"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doubles_with_jitter),
		cmocka_unit_test(clients_come_back_spread_out),
		cmocka_unit_test(a_tiny_wait),
		cmocka_unit_test(order_of_versions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
