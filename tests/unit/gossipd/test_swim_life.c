/* The SWIM core, event by event: leaving, being forgotten, coming back with a former life's memory. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gossipd/snapshot.h"
#include "tests/unit/gossipd/swim_world.h"

/* ---- leaving, coming back ---- */

static void test_leave(void **state)
{
	(void)state;
	struct world w = world_of(2);
	swim_leave(w.s, w.now);
	assert_false(swim_has_left(w.s, w.now));
	struct swim_msg m;
	assert_int_equal(sent(&w, SWIM_MSG_STATE, 1, &m), 1);
	assert_int_equal(m.node.state, SWIM_LEFT);
	swim_actions_clear(w.s);
	struct swim_msg ack = { .type = SWIM_MSG_LEFT_ACK };
	ack.node.incarnation = 4;
	hear(&w, 1, &ack);
	assert_false(swim_has_left(w.s, w.now));
	swim_actions_clear(w.s);
	/* Repeated for the one who has not answered. */
	w.now = mono_add(w.now, MS(40));
	swim_tick(w.s, w.now);
	assert_int_equal(sent(&w, SWIM_MSG_STATE, 1, NULL), 0);
	assert_int_equal(sent(&w, SWIM_MSG_STATE, 2, NULL), 1);
	hear(&w, 2, &ack);
	assert_true(swim_has_left(w.s, w.now));
	swim_free(w.s);
}

static void test_a_goodbye(void **state)
{
	(void)state;
	struct world w = world_of(2);
	struct swim_msg m = { .type = SWIM_MSG_STATE };
	named(&m, 1);
	m.node.state = SWIM_LEFT;
	m.node.incarnation = 1;
	hear(&w, 1, &m);
	assert_int_equal(belief(&w, 1), SWIM_LEFT);
	assert_int_equal(actions_of(&w, SWIM_GOODBYE), 1);
	assert_int_equal(sent(&w, SWIM_MSG_LEFT_ACK, -1, NULL), 0);
	swim_actions_clear(w.s);
	swim_goodbye_done(w.s, w.now, swim_find(w.s, names[1]));
	assert_int_equal(sent(&w, SWIM_MSG_LEFT_ACK, 1, NULL), 1);
	swim_actions_clear(w.s);
	/* It did not hear us: again, at once. */
	hear(&w, 1, &m);
	assert_int_equal(actions_of(&w, SWIM_GOODBYE), 0);
	assert_int_equal(sent(&w, SWIM_MSG_LEFT_ACK, 1, NULL), 1);
	swim_actions_clear(w.s);
	/* It is neither probed nor contacted any more. */
	pass(&w, SEC(1), 4);
	assert_int_equal(belief(&w, 2), SWIM_ALIVE);
	swim_free(w.s);
}

static void test_the_dead_are_called_and_forgotten(void **state)
{
	(void)state;
	struct world w = world_of(2);
	const struct swim_seed seeds[] = { { names[0], address(0) }, { names[1], address(1) } };
	assert_int_equal(swim_seeds(w.s, w.now, seeds, 2), 0);
	swim_actions_clear(w.s);
	for (int i = 0; i < 3000; i++) {
		w.now = mono_add(w.now, MS(1));
		swim_tick(w.s, w.now);
		swim_actions_clear(w.s);
	}
	assert_int_equal(swim_live(w.s), 1);
	size_t calls = 0;
	for (int i = 0; i < 1000; i++) {
		w.now = mono_add(w.now, MS(1));
		swim_tick(w.s, w.now);
		calls += sent(&w, SWIM_MSG_PING, 1, NULL);
		swim_actions_clear(w.s);
	}
	assert_in_range(calls, 2, 6);
	/* node-b is a node of the cluster, node-c is not. */
	for (int i = 0; i < 65000; i++) {
		w.now = mono_add(w.now, MS(1));
		swim_tick(w.s, w.now);
		swim_actions_clear(w.s);
	}
	assert_non_null(swim_find(w.s, names[1]));
	assert_null(swim_find(w.s, names[2]));
	swim_free(w.s);
}

static void test_snapshot(void **state)
{
	(void)state;
	struct world w = world_of(3);
	struct swim_link link = { .name = "eth0", .mac = { 2, 0, 0, 0, 0, 1 }, .up = true };
	struct swim_addr own = address(0);
	swim_set_self(w.s, w.now, &own, &link, 1, 0);
	pass(&w, SEC(1), 6); /* node-d dies */
	struct snapshot_head h = { .session = 9, .counter = 77, .in_force = true }, got;
	size_t len;
	uint8_t *data = snapshot_members(&h, w.s, &len);
	assert_non_null(data);
	assert_int_equal(snapshot_read_head(data, len, &got), 0);
	assert_int_equal(got.session, 9);
	assert_int_equal(got.counter, 77);
	assert_true(got.in_force);
	struct swim_config c = {
		.name = names[0], .addr = own, .former = &got.self, .seed = 8, .timing = swim_timing_default()
	};
	struct swim *again = swim_new(&c, w.now);
	assert_int_equal(snapshot_read_members(data, len, w.now, again), 0);
	assert_int_equal(swim_self(again)->node.incarnation, 5);
	assert_int_equal(swim_self(again)->node.n_links, 1);
	assert_int_equal(swim_count(again), 4);
	assert_int_equal(swim_live(again), 3);
	assert_int_equal(swim_find(again, names[3])->node.state, SWIM_DEAD);
	/* Telling the same links as before is no news, so nobody hears of the restart. */
	swim_actions_clear(again);
	swim_set_self(again, w.now, &own, &link, 1, 0);
	size_t n;
	(void)swim_actions(again, &n);
	assert_int_equal(n, 0);
	swim_free(again);
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1);
		memcpy(copy, data, cut);
		struct swim *fresh = swim_new(&c, w.now);
		assert_true(snapshot_read_head(copy, cut, &got) < 0 ||
			    snapshot_read_members(copy, cut, w.now, fresh) < 0);
		swim_free(fresh);
		free(copy);
	}
	free(data);
	swim_free(w.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leave),
		cmocka_unit_test(test_a_goodbye),
		cmocka_unit_test(test_the_dead_are_called_and_forgotten),
		cmocka_unit_test(test_snapshot),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
