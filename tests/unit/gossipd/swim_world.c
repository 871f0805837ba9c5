/* Playing the peers of a member under test. Part of the tests of gossipd. */
#include "tests/unit/gossipd/swim_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct swim_addr address(size_t i)
{
	return (struct swim_addr){ .ip = addr_v4(0x0a000001u + (uint32_t)i), .port = 7946 };
}

const char *const names[WORLD_NAMES] = { "node-a", "node-b", "node-c", "node-d", "node-e" };

struct world world_of(size_t n)
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

size_t sent(const struct world *w, enum swim_type type, int to, struct swim_msg *last)
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

size_t actions_of(const struct world *w, enum swim_action_type type)
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

void hear(struct world *w, size_t from, const struct swim_msg *m)
{
	hear_at(w, from, 1, m);
}

void named(struct swim_msg *m, size_t i)
{
	snprintf(m->node.name, sizeof m->node.name, "%s", names[i]);
}

void state_of(struct world *w, size_t from, size_t about, enum swim_state state, uint64_t incarnation,
	      uint64_t by)
{
	struct swim_msg m = { .type = SWIM_MSG_STATE, .from = by };
	named(&m, about);
	m.node.state = state;
	m.node.incarnation = incarnation;
	hear(w, from, &m);
}

void pass(struct world *w, int64_t us, unsigned answering)
{
	mono_t end = mono_add(w->now, us);
	while (!mono_before(end, swim_next(w->s))) {
		w->now = swim_next(w->s);
		swim_tick(w->s, w->now);
		for (size_t i = 1; i < WORLD_NAMES; i++) {
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

enum swim_state belief(const struct world *w, size_t i)
{
	return swim_find(w->s, names[i])->node.state;
}
