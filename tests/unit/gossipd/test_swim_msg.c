/* The codec of gossip packets: what goes in comes out; what is malformed is refused whole. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gossipd/swim_msg.h"
#include "lib/base/must.h"

static struct swim_node node_of(const char *name, size_t links)
{
	struct swim_node n = { .state = SWIM_ALIVE, .incarnation = 7, .flags = SWIM_FLAG_DRAINING };
	snprintf(n.name, sizeof n.name, "%s", name);
	assert_true(addr_parse("2001:db8::1", &n.addr.ip));
	n.addr.port = 7946;
	n.n_links = (uint8_t)links;
	for (size_t i = 0; i < links; i++) {
		snprintf(n.links[i].name, sizeof n.links[i].name, "interface-%05u", (unsigned)i % 100000);
		n.links[i].mac[5] = (uint8_t)i;
		n.links[i].up = i % 2 == 0;
	}
	return n;
}

static struct swim_msg message(enum swim_type type)
{
	struct swim_msg m = { .type = type, .seq = 0x01020304, .ping = SWIM_PING_FIRST, .from = 99 };
	m.node = node_of("node-a.example", 3);
	if (type == SWIM_MSG_STATE)
		m.node.state = SWIM_SUSPECT;
	return m;
}

static const enum swim_type all_types[] = {
#define X(constant, number, meaning) SWIM_MSG_##constant,
	SWIM_MESSAGES(X)
#undef X
};

static size_t packet_with_all(uint8_t *buf, size_t cap)
{
	struct wbuf w = wbuf_of(buf, cap);
	assert_true(swim_packet_begin(&w, "node-b", 5));
	for (size_t i = 0; i < ARRAY_LEN(all_types); i++) {
		struct swim_msg m = message(all_types[i]);
		assert_true(swim_packet_add(&w, &m));
	}
	return w.len;
}

static void check_message(const struct swim_msg *got)
{
	struct swim_msg want = message(got->type);
	switch (got->type) {
	case SWIM_MSG_PING: assert_int_equal(got->ping, want.ping);		    /* fall through */
	case SWIM_MSG_RELAYED: assert_string_equal(got->node.name, want.node.name); /* fall through */
	case SWIM_MSG_ACK:
	case SWIM_MSG_RELAYING: assert_int_equal(got->seq, want.seq); break;
	case SWIM_MSG_PING_REQ:
		assert_int_equal(got->seq, want.seq);
		assert_string_equal(got->node.name, want.node.name);
		assert_true(swim_addr_eq(&got->node.addr, &want.node.addr));
		break;
	case SWIM_MSG_STATE:
		assert_string_equal(got->node.name, want.node.name);
		assert_int_equal(got->node.state, SWIM_SUSPECT);
		assert_int_equal(got->node.incarnation, 7);
		assert_int_equal(got->from, 99);
		break;
	case SWIM_MSG_ALIVE: assert_memory_equal(&got->node, &want.node, sizeof want.node); break;
	case SWIM_MSG_LEFT_ACK: assert_int_equal(got->node.incarnation, 7); break;
	}
}

static void test_round_trip(void **state)
{
	(void)state;
	uint8_t buf[SWIM_PACKET];
	size_t len = packet_with_all(buf, sizeof buf);
	struct swim_packet p;
	assert_int_equal(swim_packet_open(buf, len, &p), 0);
	assert_string_equal(p.sender, "node-b");
	assert_int_equal(p.incarnation, 5);
	size_t n = 0;
	for (struct swim_msg m; swim_packet_next(&p, &m); n++) {
		assert_int_equal(m.type, all_types[n]);
		check_message(&m);
	}
	assert_int_equal(n, ARRAY_LEN(all_types));
}

/* Every cut of a packet ends in a message or is refused; nothing is read past the end (sanitizers watch). */
static void test_cut(void **state)
{
	(void)state;
	uint8_t buf[SWIM_PACKET];
	size_t len = packet_with_all(buf, sizeof buf), whole = 0;
	for (size_t n = 0; n < len; n++) {
		uint8_t *copy = malloc(n ? n : 1);
		assert_non_null(copy);
		memcpy(copy, buf, n);
		struct swim_packet p;
		whole += swim_packet_open(copy, n, &p) == 0;
		free(copy);
	}
	/* Only the cuts between messages are packets. */
	assert_int_equal(whole, ARRAY_LEN(all_types));
}

static void test_widest_node_fits(void **state)
{
	(void)state;
	uint8_t buf[SWIM_PACKET];
	char name[LIMIT_NODE_NAME + 1];
	memset(name, 'a', LIMIT_NODE_NAME);
	name[LIMIT_NODE_NAME] = 0;
	struct wbuf w = wbuf_of(buf, sizeof buf);
	struct swim_msg m = { .type = SWIM_MSG_ALIVE };
	m.node = node_of(name, SWIM_MAX_LINKS);
	assert_true(swim_packet_begin(&w, name, UINT64_MAX));
	assert_true(swim_packet_add(&w, &m));
	size_t len = w.len;
	/* What does not fit leaves the packet as it was. */
	assert_false(swim_packet_add(&w, &m));
	assert_int_equal(w.len, len);
	struct swim_packet p;
	assert_int_equal(swim_packet_open(buf, len, &p), 0);
}

static const struct {
	const char *what;
	const char *bytes;
	size_t len;
	int error;
} refused[] = {
	{ "empty", "", 0, -EBADMSG },
	{ "another version",
	  "\x02\x01"
	  "a"
	  "\0\0\0\0\0\0\0\1",
	  11, -EPROTONOSUPPORT },
	{ "no name", "\x01\x00\0\0\0\0\0\0\0\1", 10, -EBADMSG },
	{ "name with a blank",
	  "\x01\x01"
	  " "
	  "\0\0\0\0\0\0\0\1",
	  11, -EBADMSG },
	{ "name with a zero",
	  "\x01\x03"
	  "a\0b"
	  "\0\0\0\0\0\0\0\1",
	  13, -EBADMSG },
	{ "only a head",
	  "\x01\x01"
	  "a"
	  "\0\0\0\0\0\0\0\1",
	  11, 0 },
	{ "message of unknown type",
	  "\x01\x01"
	  "a"
	  "\0\0\0\0\0\0\0\1"
	  "\xfe\0\2xx",
	  16, 0 },
	{ "message over the end",
	  "\x01\x01"
	  "a"
	  "\0\0\0\0\0\0\0\1"
	  "\xfe\0\3xx",
	  16, -EBADMSG },
	{ "ACK too long",
	  "\x01\x01"
	  "a"
	  "\0\0\0\0\0\0\0\1"
	  "\x02\0\5"
	  "12345",
	  19, -EBADMSG },
	{ "ACK too short",
	  "\x01\x01"
	  "a"
	  "\0\0\0\0\0\0\0\1"
	  "\x02\0\3"
	  "123",
	  17, -EBADMSG },
	{ "STATE that says alive",
	  "\x01\x01"
	  "a"
	  "\0\0\0\0\0\0\0\1"
	  "\x06\0\x13\1b\0"
	  "\0\0\0\0\0\0\0\1"
	  "\0\0\0\0\0\0\0\1",
	  33, -EBADMSG },
	{ "STATE that says dead",
	  "\x01\x01"
	  "a"
	  "\0\0\0\0\0\0\0\1"
	  "\x06\0\x13\1b\2"
	  "\0\0\0\0\0\0\0\1"
	  "\0\0\0\0\0\0\0\1",
	  33, 0 },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct swim_packet p;
		print_message("%s\n", refused[i].what);
		assert_int_equal(swim_packet_open(refused[i].bytes, refused[i].len, &p), refused[i].error);
	}
}

static void test_node_fields(void **state)
{
	(void)state;
	/* One byte of an encoded node is changed; it must be refused. */
	static const struct {
		const char *what;
		size_t at;
		uint8_t value;
	} cases[] = {
		{ "name with a space", 1, ' ' },
		{ "state", 1 + 6, 4 },
		{ "family", 1 + 6 + 1 + 8 + 1, 5 },
		{ "too many links", 1 + 6 + 1 + 8 + 1 + 19, SWIM_MAX_LINKS + 1 },
		{ "link name with a slash", 1 + 6 + 1 + 8 + 1 + 19 + 2, '/' },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t buf[SWIM_PACKET];
		struct wbuf w = wbuf_of(buf, sizeof buf);
		struct swim_node n = node_of("node-a", 1), got;
		assert_true(swim_node_put(&w, &n));
		struct cur c = cur_of(buf, w.len);
		assert_int_equal(swim_node_get(&c, &got), 0);
		print_message("%s\n", cases[i].what);
		buf[cases[i].at] = cases[i].value;
		c = cur_of(buf, w.len);
		assert_int_equal(swim_node_get(&c, &got), -EBADMSG);
	}
}

static void test_names(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool valid;
	} cases[] = { { "a", true },	{ "node-1.example", true }, { "", false },   { "-a", false },
		      { "a-", false },	{ "Node", true },	    { "a_b", true }, { "_a", false },
		      { "a/b", false }, { "a b", false },	    { "1", true },   { ".a", false } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(swim_name_is_valid(cases[i].name), cases[i].valid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),	 cmocka_unit_test(test_cut),
		cmocka_unit_test(test_widest_node_fits), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_node_fields),	 cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
