/* The heap against a plain array: every operation in random order, with the same answers. */
#include "lib/base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { NODES = 300, STEPS = 60000 };

struct model {
	struct heap heap;
	struct heap_node node[NODES];
	bool in[NODES];
	int64_t at[NODES];
	uint32_t random;
};

static uint32_t next_random(struct model *m)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 17;
	m->random ^= m->random << 5;
	return m->random;
}

static int64_t earliest(const struct model *m)
{
	int64_t best = INT64_MAX;
	for (size_t i = 0; i < NODES; i++)
		if (m->in[i] && m->at[i] < best)
			best = m->at[i];
	return best;
}

static void check(const struct model *m)
{
	size_t n = 0;
	for (size_t i = 0; i < NODES; i++) {
		assert_int_equal(m->in[i], m->node[i].slot != 0);
		if (!m->in[i])
			continue;
		n++;
		assert_ptr_equal(m->heap.v[m->node[i].slot], &m->node[i]);
		assert_true(m->node[i].at.us == m->at[i]);
	}
	assert_int_equal(m->heap.n, n);
}

static void step(struct model *m)
{
	size_t i = next_random(m) % NODES;
	int64_t at = (int64_t)(next_random(m) % 1000) - 500;
	switch (next_random(m) % 8) {
	case 0:
	case 1:
	case 2:
	case 3:
		assert_int_equal(heap_set(&m->heap, &m->node[i], (mono_t){ at }), 0);
		m->in[i] = true;
		m->at[i] = at;
		break;
	case 4:
	case 5:
		heap_remove(&m->heap, &m->node[i]);
		m->in[i] = false;
		break;
	default: {
		int64_t best = earliest(m);
		struct heap_node *n = heap_pop_due(&m->heap, (mono_t){ at });
		assert_int_equal(n != NULL, best <= at);
		if (!n)
			break;
		size_t popped = (size_t)(n - m->node);
		assert_true(m->in[popped] && m->at[popped] == best);
		m->in[popped] = false;
	}
	}
}

static void test_model(void **state)
{
	(void)state;
	static struct model m;
	m = (struct model){ .random = 2463534242 };
	heap_init(&m.heap);
	for (int i = 0; i < STEPS; i++) {
		step(&m);
		assert_true(heap_next(&m.heap).us == earliest(&m));
		if (i % 64 == 0)
			check(&m);
	}
	check(&m);
	heap_fini(&m.heap);
}

static void test_order(void **state)
{
	(void)state;
	enum { N = 1000 };
	static struct heap_node node[N];
	struct heap h;
	heap_init(&h);
	assert_true(heap_next(&h).us == INT64_MAX);
	assert_null(heap_pop_due(&h, MONO_NEVER));
	for (size_t i = 0; i < N; i++)
		assert_int_equal(heap_set(&h, &node[i], (mono_t){ (int64_t)(i * 7919 % N) }), 0);
	for (int64_t t = 0; t < N; t++) {
		assert_null(heap_pop_due(&h, (mono_t){ t - 1 }));
		struct heap_node *n = heap_pop_due(&h, (mono_t){ t });
		assert_non_null(n);
		assert_true(n->at.us == t);
		assert_int_equal(n->slot, 0);
	}
	assert_int_equal(h.n, 0);
	heap_fini(&h);
	heap_fini(&h);
	heap_fini(NULL);
}

static void test_time(void **state)
{
	(void)state;
	assert_true(mono_add((mono_t){ 5 }, MS(2)).us == 2005);
	assert_true(mono_add((mono_t){ 5 }, -5).us == 0);
	assert_true(mono_add((mono_t){ 5 }, INT64_MAX).us == INT64_MAX);
	assert_true(mono_add(MONO_NEVER, SEC(1)).us == INT64_MAX);
	assert_true(mono_sub((mono_t){ 7 }, (mono_t){ 9 }) == -2);
	assert_true(mono_reached((mono_t){ 7 }, (mono_t){ 7 }));
	assert_false(mono_before((mono_t){ 7 }, (mono_t){ 7 }));
	assert_true(mono_min((mono_t){ 7 }, (mono_t){ 3 }).us == 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_model), cmocka_unit_test(test_order),
					    cmocka_unit_test(test_time) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
