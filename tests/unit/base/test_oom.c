/* Memory that runs out at every single allocation in turn: the call says so, nothing leaks, what was there
 * stays. Linked with --wrap, so that only the library's own calls fail. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/decisions.h"
#include "lib/base/heap.h"
#include "lib/base/map.h"
#include "lib/base/metrics.h"
#include "lib/base/strbuf.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static int left = -1;  /* allocations that still succeed; -1: all */
static bool only_next; /* the next allocation fails, no other */

static bool fails(void)
{
	if (only_next) {
		only_next = false;
		return true;
	}
	if (left < 0)
		return false;
	return left == 0 || left-- == 0;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

static void test_map(void **state)
{
	(void)state;
	enum { KEYS = 100 };
	int value = 0, refused = 0;
	for (int k = 0; k < KEYS + 8; k++) {
		struct map m;
		char key[8];
		size_t n = 0;
		map_init(&m);
		left = k;
		for (int i = 0; i < KEYS; i++) {
			void *old = &m;
			snprintf(key, sizeof key, "%d", i);
			int err = map_set(&m, key, &value, &old);
			assert_true(err == 0 || err == -ENOMEM);
			assert_ptr_equal(old, err ? (void *)&m : NULL);
			assert_ptr_equal(map_get(&m, key), err ? NULL : &value);
			n += err == 0;
			refused += err != 0;
		}
		assert_int_equal(map_len(&m), n);
		left = -1;
		map_fini(&m, NULL);
	}
	assert_true(refused > 0);
}

/* A table that cannot grow goes on with longer chains; the entry is allocated after the table. */
static void test_map_crowded(void **state)
{
	(void)state;
	struct map m;
	char key[8];
	int value[200];
	map_init(&m);
	for (int i = 0; i < 200; i++) {
		snprintf(key, sizeof key, "%d", i);
		only_next = i > 0 && m.n >= m.n_buckets;
		assert_int_equal(map_set(&m, key, &value[i], NULL), 0);
		assert_false(only_next);
	}
	assert_int_equal(m.n_buckets, 8);
	for (int i = 0; i < 200; i++) {
		snprintf(key, sizeof key, "%d", i);
		assert_ptr_equal(map_get(&m, key), &value[i]);
	}
	assert_ptr_equal(map_del(&m, "7"), &value[7]);
	assert_null(map_get(&m, "7"));
	assert_int_equal(map_len(&m), 199);
	map_fini(&m, NULL);
}

static void test_heap(void **state)
{
	(void)state;
	static struct heap_node node[40];
	struct heap h;
	heap_init(&h);
	left = 1;
	size_t n = 0;
	for (size_t i = 0; i < 40; i++) {
		int err = heap_set(&h, &node[i], (mono_t){ (int64_t)(40 - i) });
		assert_int_equal(node[i].slot != 0, err == 0);
		assert_true(err == 0 || err == -ENOMEM);
		n += err == 0;
	}
	assert_true(n > 0 && n < 40);
	assert_int_equal(h.n, n);
	/* Moving a node needs no memory. */
	assert_int_equal(heap_set(&h, &node[0], (mono_t){ -1 }), 0);
	assert_ptr_equal(heap_pop_due(&h, (mono_t){ 0 }), &node[0]);
	left = -1;
	heap_fini(&h);
}

static void test_metrics(void **state)
{
	(void)state;
	static const char *const labels[] = { "a", NULL };
	for (int k = 0; k < 24; k++) {
		left = k;
		struct metrics *m = metrics_new();
		struct metric *plain = m ? metrics_add(m, "plain", "h", METRIC_GAUGE, NULL) : NULL;
		struct metric *many = m ? metrics_add(m, "many", "h", METRIC_GAUGE, labels) : NULL;
		int64_t *v = many ? metric_series(many, (const char *const[]){ "x" }) : NULL;
		left = -1;
		assert_true(k > 0 || !m);
		assert_true(k < 23 || (plain && v));
		if (many && !v) {
			struct strbuf out = { 0 };
			metrics_print(m, &out);
			assert_non_null(strstr(strbuf_get(&out), "refused_total{metric=\"many\"} 1\n"));
			strbuf_fini(&out);
		}
		metrics_free(m);
	}
}

static void test_text(void **state)
{
	(void)state;
	for (int k = 0; k < 4; k++) {
		struct strbuf b = { 0 };
		left = k;
		strbuf_fmt(&b, "%60s", "");
		strbuf_fmt(&b, "%500s", "");
		strbuf_add(&b, "end");
		left = -1;
		static const size_t len[] = { 0, 60, 563, 563 };
		assert_int_equal(b.len, len[k]);
		assert_int_equal(strlen(strbuf_get(&b)), len[k]);
		assert_int_equal(b.oom, k < 2);
		strbuf_reset(&b);
		strbuf_add(&b, "good again");
		assert_string_equal(strbuf_get(&b), "good again");
		strbuf_fini(&b);
	}
}

static void test_decisions(void **state)
{
	(void)state;
	struct decisions d = { 0 };
	const struct decision *v;
	left = 0;
	decisions_note(&d, 1, "a", "b", "c");
	left = -1;
	assert_int_equal(decisions_find(&d, NULL, &v, 1), 0);
	decisions_note(&d, 2, "a", "b", "c");
	assert_int_equal(decisions_find(&d, NULL, &v, 1), 1);
	assert_int_equal(v->at_ms, 2);
	decisions_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map),  cmocka_unit_test(test_map_crowded),
		cmocka_unit_test(test_heap), cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_text), cmocka_unit_test(test_decisions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
