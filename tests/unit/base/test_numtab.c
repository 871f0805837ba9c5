/* The dense table against a plain array: random additions and removals, with hashes that crowd together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/numtab.h"

enum { KEYS = 300, STEPS = 200000 };

static void check(const struct numtab *t, const bool *there, uint64_t spread)
{
	size_t n = 0;
	for (uint64_t k = 0; k < KEYS; k++) {
		const struct numtab_slot *at = numtab_find(t, k * spread, NULL, NULL);
		assert_int_equal(at != NULL, there[k]);
		if (at)
			assert_int_equal(at->value, k + 1);
		n += there[k];
	}
	assert_int_equal(t->n, n);
}

static void test_random(void **state)
{
	(void)state;
	static const uint64_t spreads[] = { 1, 64, 0x9e3779b97f4a7c15u, (uint64_t)1 << 40 };
	for (size_t s = 0; s < sizeof spreads / sizeof spreads[0]; s++) {
		struct numtab t = { 0 };
		bool there[KEYS] = { false };
		uint64_t rng = 88172645463325252u + s;
		for (int i = 0; i < STEPS; i++) {
			rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
			uint64_t k = rng % KEYS;
			if (there[k])
				numtab_remove(&t, numtab_find(&t, k * spreads[s], NULL, NULL));
			else
				assert_int_equal(numtab_add(&t, k * spreads[s], k + 1), 0);
			there[k] = !there[k];
			if (i % 997 == 0)
				check(&t, there, spreads[s]);
		}
		check(&t, there, spreads[s]);
		numtab_fini(&t);
		assert_null(numtab_find(&t, 1, NULL, NULL));
	}
}

static bool same_text(uintptr_t value, const void *key)
{
	return strcmp((const char *)value, key) == 0;
}

/* Equal hashes are told apart by the key. */
static void test_equal_hashes(void **state)
{
	(void)state;
	static const char *const words[] = { "one", "two", "three" };
	struct numtab t = { 0 };
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(numtab_add(&t, 7, (uintptr_t)words[i]), 0);
	for (size_t i = 0; i < 3; i++)
		assert_ptr_equal(numtab_find(&t, 7, same_text, words[i])->value, words[i]);
	numtab_remove(&t, numtab_find(&t, 7, same_text, "one"));
	assert_null(numtab_find(&t, 7, same_text, "one"));
	assert_non_null(numtab_find(&t, 7, same_text, "three"));
	numtab_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random),
					    cmocka_unit_test(test_equal_hashes) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
