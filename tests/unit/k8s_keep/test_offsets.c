/* The index without keys: against a plain array, with tags that are equal for different objects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "watcher/k8s/keep/offsets.h"

enum { OBJECTS = 400, STEPS = 40000 };

struct world {
	struct offsets o;
	uint32_t at[OBJECTS]; /* 0: it is not there */
	unsigned wanted;
};

static bool is_wanted(void *ctx, uint32_t at)
{
	struct world *w = ctx;
	return w->at[w->wanted] == at;
}

/* Only so many homes, and some tags twice. */
static uint32_t tag_of(unsigned i)
{
	return (i % 37 * 4099u) << 8 | i % KIND_N;
}

static struct offset *find(struct world *w, unsigned i)
{
	w->wanted = i;
	return offsets_find(&w->o, tag_of(i), is_wanted, w);
}

static void assert_sorted(const struct world *w)
{
	struct offset **v = offsets_sorted(&w->o);
	assert_non_null(v);
	for (size_t i = 1; i < w->o.n; i++) {
		enum kind a = offsets_kind(v[i - 1]), b = offsets_kind(v[i]);
		assert_true(a < b || (a == b && v[i - 1]->at < v[i]->at));
	}
	free(v);
}

static void any_sequence(void **state)
{
	(void)state;
	static struct world w;
	unsigned dice = 1;
	uint32_t next = 24;
	for (unsigned step = 0; step < STEPS; step++) {
		dice = dice * 1103515245 + 12345;
		unsigned i = (dice >> 16) % OBJECTS, what = (dice >> 12) % 3;
		struct offset *x = find(&w, i);
		assert_int_equal(x != NULL, w.at[i] != 0);
		next += 16;
		if (x && what == 0) {
			offsets_remove(&w.o, x);
			w.at[i] = 0;
		} else if (x) {
			x->at = w.at[i] = next;
		} else {
			assert_int_equal(offsets_add(&w.o, tag_of(i), next), 0);
			w.at[i] = next;
		}
		if (step % 100)
			continue;
		size_t n = 0;
		for (unsigned k = 0; k < OBJECTS; k++) {
			assert_int_equal(find(&w, k) != NULL, w.at[k] != 0);
			n += w.at[k] != 0;
		}
		assert_int_equal(w.o.n, n);
		assert_sorted(&w);
	}
	offsets_fini(&w.o);
	assert_null(find(&w, 0));
}

static void tags_tell_kinds_and_keys_apart(void **state)
{
	(void)state;
	struct offset x = { offsets_tag(KIND_ENDPOINTS, "a/b"), 1 };
	assert_int_equal(offsets_kind(&x), KIND_ENDPOINTS);
	assert_int_not_equal(x.tag, offsets_tag(KIND_ENDPOINTS, "a/c"));
	assert_int_not_equal(x.tag, offsets_tag(KIND_SERVICE, "a/b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_sequence),
		cmocka_unit_test(tags_tell_kinds_and_keys_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
