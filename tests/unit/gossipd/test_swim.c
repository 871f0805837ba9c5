/* The SWIM core, event by event: probing, blame, and what is said about whom. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "tests/unit/gossipd/swim_world.h"

/* ---- probing ---- */

static void test_silence_becomes_suspicion_then_death(void **state)
{
	(void)state;
	struct world w = world_of(2);
	pass(&w, MS(500), 6);
	assert_int_equal(belief(&w, 1), SWIM_ALIVE);
	/* node-b falls silent; node-c answers, but cannot say anything of node-b. */
	pass(&w, MS(130), 4);
	assert_int_equal(belief(&w, 1), SWIM_ALIVE);
	pass(&w, MS(140), 4);
	assert_int_equal(belief(&w, 1), SWIM_SUSPECT);
	assert_int_equal(belief(&w, 2), SWIM_ALIVE);
	/* Nobody agrees, so it takes the long wait. */
	pass(&w, MS(450), 4);
	assert_int_equal(belief(&w, 1), SWIM_SUSPECT);
	pass(&w, MS(160), 4);
	assert_int_equal(belief(&w, 1), SWIM_DEAD);
	assert_int_equal(swim_live(w.s), 2);
	swim_free(w.s);
}

static void test_another_accuser_shortens_the_wait(void **state)
{
	(void)state;
	struct world w = world_of(2);
	pass(&w, MS(500), 6);
	pass(&w, MS(300), 4);
	assert_int_equal(belief(&w, 1), SWIM_SUSPECT);
	/* The same accuser again changes nothing. */
	state_of(&w, 2, 1, SWIM_SUSPECT, 1, swim_hash(names[0]));
	swim_actions_clear(w.s);
	pass(&w, MS(110), 4);
	assert_int_equal(belief(&w, 1), SWIM_SUSPECT);
	state_of(&w, 2, 1, SWIM_SUSPECT, 1, swim_hash(names[2]));
	assert_true(sent(&w, SWIM_MSG_STATE, -1, NULL) > 0); /* passed on */
	swim_actions_clear(w.s);
	pass(&w, MS(1), 4);
	assert_int_equal(belief(&w, 1), SWIM_DEAD);
	swim_free(w.s);
}

static void test_an_answer_clears_the_suspicion(void **state)
{
	(void)state;
	struct world w = world_of(2);
	pass(&w, MS(500), 6);
	pass(&w, MS(300), 4);
	assert_int_equal(belief(&w, 1), SWIM_SUSPECT);
	pass(&w, MS(30), 6);
	assert_int_equal(belief(&w, 1), SWIM_ALIVE);
	swim_free(w.s);
}

static void test_others_are_asked_for_help(void **state)
{
	(void)state;
	struct world w = world_of(2);
	pass(&w, MS(500), 6);
	bool asked = false;
	for (int i = 0; i < 300 && !asked; i++) {
		w.now = mono_add(w.now, MS(1));
		swim_tick(w.s, w.now);
		struct swim_msg ping, request;
		asked = sent(&w, SWIM_MSG_PING_REQ, 2, &request) > 0;
		if (asked) {
			assert_string_equal(request.node.name, names[1]);
			struct swim_addr b = address(1);
			assert_true(swim_addr_eq(&request.node.addr, &b));
			/* It reached node-b for us. */
			struct swim_msg relayed = { .type = SWIM_MSG_RELAYED, .seq = request.seq };
			named(&relayed, 1);
			hear(&w, 2, &relayed);
		} else if (sent(&w, SWIM_MSG_PING, 2, &ping)) {
			struct swim_msg ack = { .type = SWIM_MSG_ACK, .seq = ping.seq };
			hear(&w, 2, &ack);
		}
		swim_actions_clear(w.s);
	}
	assert_true(asked);
	assert_int_equal(mono_sub(w.now, swim_find(w.s, names[1])->heard), 0);
	swim_free(w.s);
}

static void test_we_help_others(void **state)
{
	(void)state;
	struct world w = world_of(2);
	struct swim_msg request = { .type = SWIM_MSG_PING_REQ, .seq = 77 }, ping, answer;
	named(&request, 2);
	request.node.addr = address(2);
	hear(&w, 1, &request);
	assert_int_equal(sent(&w, SWIM_MSG_RELAYING, 1, &answer), 1);
	assert_int_equal(answer.seq, 77);
	assert_int_equal(sent(&w, SWIM_MSG_PING, 2, &ping), 1);
	swim_actions_clear(w.s);
	struct swim_msg ack = { .type = SWIM_MSG_ACK, .seq = ping.seq };
	/* Only the target can answer. */
	hear(&w, 1, &ack);
	assert_int_equal(sent(&w, SWIM_MSG_RELAYED, -1, NULL), 0);
	hear(&w, 2, &ack);
	assert_int_equal(sent(&w, SWIM_MSG_RELAYED, 1, &answer), 1);
	assert_int_equal(answer.seq, 77);
	assert_string_equal(answer.node.name, names[2]);
	swim_actions_clear(w.s);
	/* Once; and for members only. */
	hear(&w, 2, &ack);
	assert_int_equal(sent(&w, SWIM_MSG_RELAYED, -1, NULL), 0);
	snprintf(request.node.name, sizeof request.node.name, "stranger");
	hear(&w, 1, &request);
	assert_int_equal(swim_statistics(w.s)->rejected_target, 1);
	swim_free(w.s);
}

static void test_a_ping_for_another_is_not_answered(void **state)
{
	(void)state;
	struct world w = world_of(2);
	struct swim_msg ping = { .type = SWIM_MSG_PING, .seq = 5 };
	named(&ping, 2);
	hear(&w, 1, &ping);
	assert_int_equal(sent(&w, SWIM_MSG_ACK, -1, NULL), 0);
	named(&ping, 0);
	hear(&w, 1, &ping);
	assert_int_equal(sent(&w, SWIM_MSG_ACK, 1, NULL), 1);
	swim_free(w.s);
}

/* ---- who is to blame ---- */

static void test_after_a_sleep_nobody_is_blamed(void **state)
{
	(void)state;
	struct world w = world_of(2);
	pass(&w, MS(500), 6);
	/* In the middle of a round with node-b we sleep for a minute. */
	pass(&w, MS(150), 4);
	w.now = mono_add(w.now, SEC(60));
	swim_tick(w.s, w.now);
	assert_int_equal(belief(&w, 1), SWIM_ALIVE);
	assert_int_equal(belief(&w, 2), SWIM_ALIVE);
	assert_int_equal(swim_statistics(w.s)->late, 1);
	assert_true(swim_health(w.s) > 0);
	swim_actions_clear(w.s);
	pass(&w, SEC(2), 6);
	assert_int_equal(belief(&w, 1), SWIM_ALIVE);
	assert_int_equal(swim_health(w.s), 0);
	assert_int_equal(swim_statistics(w.s)->failures, 0);
	swim_free(w.s);
}

static void test_alone_we_do_not_accuse_aloud(void **state)
{
	(void)state;
	struct world w = world_of(3);
	pass(&w, MS(500), 14);
	size_t told = 0;
	/* Nobody at all answers. */
	mono_t end = mono_add(w.now, SEC(4));
	while (mono_before(w.now, end)) {
		w.now = mono_add(w.now, MS(1));
		swim_tick(w.s, w.now);
		struct swim_msg m;
		for (int to = 1; to <= 3; to++)
			/* The accused may hear it, as it must be able to contradict. */
			told += sent(&w, SWIM_MSG_STATE, to, &m) > 0 && strcmp(m.node.name, names[to]) != 0;
		swim_actions_clear(w.s);
	}
	assert_int_equal(told, 0);
	assert_int_equal(swim_live(w.s), 1);
	swim_free(w.s);
}

static void test_accused_and_heard_lately(void **state)
{
	(void)state;
	struct world w = world_of(3);
	pass(&w, MS(500), 14);
	struct swim_msg m;
	/* node-b was heard less than a round ago: the accusation is handed to it, not believed. */
	struct swim_msg ping = { .type = SWIM_MSG_PING, .seq = 1, .ping = SWIM_PING_FIRST };
	named(&ping, 0);
	hear(&w, 1, &ping);
	swim_actions_clear(w.s);
	state_of(&w, 2, 1, SWIM_DEAD, 1, swim_hash(names[2]));
	assert_int_equal(belief(&w, 1), SWIM_ALIVE);
	assert_int_equal(sent(&w, SWIM_MSG_STATE, 1, &m), 1);
	assert_int_equal(m.node.state, SWIM_DEAD);
	swim_free(w.s);
}

/* ---- what is said about us and others ---- */

static void test_refutation(void **state)
{
	(void)state;
	static const struct {
		enum swim_state state;
		uint64_t incarnation, after;
	} cases[] = {
		{ SWIM_SUSPECT, 3, 4 }, { SWIM_SUSPECT, 4, 5 }, { SWIM_DEAD, 9, 10 }, { SWIM_LEFT, 4, 5 }
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w = world_of(2);
		struct swim_msg m;
		state_of(&w, 1, 0, cases[i].state, cases[i].incarnation, 7);
		assert_int_equal(swim_self(w.s)->node.incarnation, cases[i].after);
		assert_int_equal(swim_self(w.s)->node.state, SWIM_ALIVE);
		assert_int_equal(sent(&w, SWIM_MSG_ALIVE, 2, &m), cases[i].after > 4);
		swim_free(w.s);
	}
}

static void test_a_former_life_with_other_links(void **state)
{
	(void)state;
	struct world w = world_of(1);
	/* Somebody still has us with the same incarnation and other links. */
	struct swim_msg m = { .type = SWIM_MSG_ALIVE };
	m.node = swim_self(w.s)->node;
	hear(&w, 1, &m);
	assert_int_equal(swim_self(w.s)->node.incarnation, 4);
	m.node.n_links = 1;
	snprintf(m.node.links[0].name, sizeof m.node.links[0].name, "eth7");
	hear(&w, 1, &m);
	assert_int_equal(swim_self(w.s)->node.incarnation, 5);
	swim_free(w.s);
}

static void test_incarnations(void **state)
{
	(void)state;
	struct world w = world_of(2);
	pass(&w, SEC(1), 2); /* node-c is dead by now */
	assert_int_equal(belief(&w, 2), SWIM_DEAD);
	struct swim_msg m = { .type = SWIM_MSG_ALIVE };
	m.node = swim_find(w.s, names[2])->node;
	m.node.state = SWIM_ALIVE;
	hear(&w, 1, &m);
	assert_int_equal(belief(&w, 2), SWIM_DEAD); /* old news */
	m.node.incarnation = 2;
	m.node.addr = address(9);
	hear(&w, 1, &m);
	assert_int_equal(belief(&w, 2), SWIM_ALIVE);
	struct swim_addr moved = address(9);
	assert_true(swim_addr_eq(&swim_find(w.s, names[2])->node.addr, &moved));
	state_of(&w, 1, 2, SWIM_SUSPECT, 1, 5); /* of a former incarnation */
	assert_int_equal(belief(&w, 2), SWIM_ALIVE);
	swim_free(w.s);
}

static void test_a_stranger_is_asked_who_it_is(void **state)
{
	(void)state;
	struct world w = world_of(1);
	struct swim_msg ping = { .type = SWIM_MSG_PING, .seq = 5 }, m;
	named(&ping, 0);
	hear(&w, 3, &ping);
	assert_null(swim_find(w.s, names[3]));
	assert_int_equal(sent(&w, SWIM_MSG_PING, 3, &m), 1);
	assert_int_equal(m.ping & SWIM_PING_INTRODUCE, SWIM_PING_INTRODUCE);
	assert_int_equal(sent(&w, SWIM_MSG_ALIVE, 3, NULL), 1);
	swim_actions_clear(w.s);
	/* It says so without an address: the packet's source is taken. */
	struct swim_msg alive = { .type = SWIM_MSG_ALIVE };
	named(&alive, 3);
	alive.node.incarnation = 1;
	hear(&w, 3, &alive);
	struct swim_addr source = address(3);
	assert_true(swim_addr_eq(&swim_find(w.s, names[3])->node.addr, &source));
	assert_int_equal(actions_of(&w, SWIM_CHANGED), 1);
	assert_int_equal(actions_of(&w, SWIM_SYNC), 1);
	swim_free(w.s);
}

static void test_our_own_name_is_refused(void **state)
{
	(void)state;
	struct world w = world_of(1);
	uint8_t buf[SWIM_PACKET];
	struct wbuf b = wbuf_of(buf, sizeof buf);
	struct swim_addr a = address(1);
	assert_true(swim_packet_begin(&b, names[0], 9));
	assert_int_equal(swim_receive(w.s, w.now, &a, buf, b.len), -EEXIST);
	assert_int_equal(swim_statistics(w.s)->rejected_name, 1);
	swim_free(w.s);
}

static void test_members_are_capped(void **state)
{
	(void)state;
	struct world w = world_of(0);
	for (unsigned i = 0; i < LIMIT_MEMBERS + 10; i++) {
		struct swim_msg m = { .type = SWIM_MSG_ALIVE };
		snprintf(m.node.name, sizeof m.node.name, "other-%u", i);
		m.node.incarnation = 1;
		m.node.addr = address(i + 10);
		uint8_t buf[SWIM_PACKET];
		struct wbuf b = wbuf_of(buf, sizeof buf);
		assert_true(swim_packet_begin(&b, names[1], 1));
		assert_true(swim_packet_add(&b, &m));
		assert_int_equal(swim_receive_table(w.s, w.now, buf, b.len), 0);
		swim_actions_clear(w.s);
	}
	assert_int_equal(swim_count(w.s), LIMIT_MEMBERS);
	assert_int_equal(swim_statistics(w.s)->rejected_full, 11);
	swim_free(w.s);
}

/* Each piece of news is sent so often and no more; nothing is sent when there is none. */
static void test_news_are_told_a_limited_number_of_times(void **state)
{
	(void)state;
	struct world w = world_of(3);
	pass(&w, SEC(1), 14);
	struct swim_link link = { .name = "eth0", .up = true };
	struct swim_addr own = address(0);
	swim_set_self(w.s, w.now, &own, &link, 1, 0);
	assert_int_equal(swim_self(w.s)->node.incarnation, 5);
	size_t told = sent(&w, SWIM_MSG_ALIVE, -1, NULL);
	assert_int_equal(told, 3); /* all at once */
	swim_actions_clear(w.s);
	mono_t end = mono_add(w.now, SEC(2));
	while (mono_before(w.now, end)) {
		w.now = mono_add(w.now, MS(1));
		swim_tick(w.s, w.now);
		told += sent(&w, SWIM_MSG_ALIVE, -1, NULL);
		for (size_t i = 1; i <= 3; i++) {
			struct swim_msg ping;
			if (sent(&w, SWIM_MSG_PING, (int)i, &ping)) {
				struct swim_msg ack = { .type = SWIM_MSG_ACK, .seq = ping.seq };
				hear(&w, i, &ack);
			}
		}
		swim_actions_clear(w.s);
	}
	assert_in_range(told, 6, 16);
	/* The same again is no news. */
	swim_set_self(w.s, w.now, &own, &link, 1, 0);
	assert_int_equal(swim_self(w.s)->node.incarnation, 5);
	swim_free(w.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silence_becomes_suspicion_then_death),
		cmocka_unit_test(test_another_accuser_shortens_the_wait),
		cmocka_unit_test(test_an_answer_clears_the_suspicion),
		cmocka_unit_test(test_others_are_asked_for_help),
		cmocka_unit_test(test_we_help_others),
		cmocka_unit_test(test_a_ping_for_another_is_not_answered),
		cmocka_unit_test(test_after_a_sleep_nobody_is_blamed),
		cmocka_unit_test(test_alone_we_do_not_accuse_aloud),
		cmocka_unit_test(test_accused_and_heard_lately),
		cmocka_unit_test(test_refutation),
		cmocka_unit_test(test_a_former_life_with_other_links),
		cmocka_unit_test(test_incarnations),
		cmocka_unit_test(test_a_stranger_is_asked_who_it_is),
		cmocka_unit_test(test_our_own_name_is_refused),
		cmocka_unit_test(test_members_are_capped),
		cmocka_unit_test(test_news_are_told_a_limited_number_of_times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
