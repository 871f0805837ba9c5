/* The SWIM core, event by event: one member under test, its peers played by hand. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gossipd/snapshot.h"
#include "gossipd/swim.h"
#include "lib/base/must.h"

static struct swim_addr address(size_t i)
{
	return (struct swim_addr){ .ip = addr_v4(0x0a000001u + (uint32_t)i), .port = 7946 };
}

static const char *const names[] = { "node-a", "node-b", "node-c", "node-d", "node-e" };

struct world {
	struct swim *s;
	mono_t now;
};

/* node-a, who knows the next n. */
static struct world world_of(size_t n)
{
	struct world w = { .now = { SEC(100) } };
	struct swim_config c = { .name = names[0],
				 .addr = address(0),
				 .incarnation = 4,
				 .seed = 3,
				 .timing = swim_timing_default() };
	w.s = swim_new(&c, w.now);
	assert_non_null(w.s);
	for (size_t i = 1; i <= n; i++) {
		struct swim_node m = { .state = SWIM_ALIVE, .incarnation = 1, .addr = address(i) };
		snprintf(m.name, sizeof m.name, "%s", names[i]);
		assert_int_equal(swim_restore(w.s, w.now, &m), 0);
	}
	swim_actions_clear(w.s);
	return w;
}

/* How many messages of a type the actions hold for peer `to` (-1 = anybody); the last one is copied out. */
static size_t sent(const struct world *w, enum swim_type type, int to, struct swim_msg *last)
{
	size_t n, found = 0;
	const struct swim_action *a = swim_actions(w->s, &n);
	for (size_t i = 0; i < n; i++) {
		struct swim_packet p;
		struct swim_msg m;
		struct swim_addr peer = address((size_t)(to < 0 ? 0 : to));
		if (a[i].type != SWIM_SEND || (to >= 0 && !swim_addr_eq(&a[i].to, &peer)))
			continue;
		assert_int_equal(swim_packet_open(swim_action_data(w->s, &a[i]), a[i].len, &p), 0);
		while (swim_packet_next(&p, &m)) {
			if (m.type != type)
				continue;
			found++;
			if (last)
				*last = m;
		}
	}
	return found;
}

static size_t actions_of(const struct world *w, enum swim_action_type type)
{
	size_t n, found = 0;
	const struct swim_action *a = swim_actions(w->s, &n);
	for (size_t i = 0; i < n; i++)
		found += a[i].type == type;
	return found;
}

static void hear_at(struct world *w, size_t from, uint64_t incarnation, const struct swim_msg *m)
{
	uint8_t buf[SWIM_PACKET];
	struct wbuf b = wbuf_of(buf, sizeof buf);
	struct swim_addr a = address(from);
	assert_true(swim_packet_begin(&b, names[from], incarnation));
	if (m)
		assert_true(swim_packet_add(&b, m));
	assert_int_equal(swim_receive(w->s, w->now, &a, buf, b.len), 0);
}

static void hear(struct world *w, size_t from, const struct swim_msg *m)
{
	hear_at(w, from, 1, m);
}

static void named(struct swim_msg *m, size_t i)
{
	snprintf(m->node.name, sizeof m->node.name, "%s", names[i]);
}

static void state_of(struct world *w, size_t from, size_t about, enum swim_state state, uint64_t incarnation,
		     uint64_t by)
{
	struct swim_msg m = { .type = SWIM_MSG_STATE, .from = by };
	named(&m, about);
	m.node.state = state;
	m.node.incarnation = incarnation;
	hear(w, from, &m);
}

/* Let time pass; peers in the mask answer every probe at once. */
static void pass(struct world *w, int64_t us, unsigned answering)
{
	mono_t end = mono_add(w->now, us);
	while (!mono_before(end, swim_next(w->s))) {
		w->now = swim_next(w->s);
		swim_tick(w->s, w->now);
		for (size_t i = 1; i < ARRAY_LEN(names); i++) {
			struct swim_msg ping;
			if (!(answering >> i & 1) || !sent(w, SWIM_MSG_PING, (int)i, &ping))
				continue;
			struct swim_msg ack = { .type = SWIM_MSG_ACK, .seq = ping.seq };
			swim_actions_clear(w->s);
			hear(w, i, &ack);
		}
		swim_actions_clear(w->s);
	}
	w->now = end;
}

static enum swim_state belief(const struct world *w, size_t i)
{
	return swim_find(w->s, names[i])->node.state;
}

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
		cmocka_unit_test(test_leave),
		cmocka_unit_test(test_a_goodbye),
		cmocka_unit_test(test_the_dead_are_called_and_forgotten),
		cmocka_unit_test(test_snapshot),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
