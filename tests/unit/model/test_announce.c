/* The election order against vectors computed elsewhere, its properties, and the spread of 255 addresses. The
 * cases of eligibility are in tests/conformance/model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "lib/model/announce.h"
#include "lib/model/election.h"
#include "tests/unit/model/build.h"

static addr_t addr(const char *text)
{
	addr_t a;
	assert_true(addr_parse(text, &a));
	return a;
}

static void test_digests(void **state)
{
	(void)state;
	static const struct {
		const char *ip, *node;
		uint32_t head;
	} table[] = {
		{ "10.0.0.1", "node-b", 0x2acae885 },	  { "10.0.0.1", "node-a", 0xdd41591f },
		{ "10.0.0.1", "node-c", 0xf949561f },	  { "10.0.0.2", "node-b", 0x48a0dc88 },
		{ "10.0.0.2", "node-c", 0xc71d9fee },	  { "10.0.0.2", "node-a", 0xd12599e5 },
		{ "10.20.30.1", "node-b", 0x0867af7f },	  { "10.20.30.1", "edge-b", 0x3e7a4988 },
		{ "10.20.30.1", "worker-a", 0x734e3469 }, { "10.20.30.1", "node-a", 0x9689afd5 },
		{ "10.20.30.1", "iris2", 0xaf6cb4e7 },	  { "10.20.30.1", "edge-a", 0xc4464d2e },
		{ "10.20.30.1", "worker-b", 0xc907072e }, { "10.20.30.1", "iris1", 0xe42ad61a },
		{ "10.20.30.2", "iris1", 0x610c5b6d },	  { "10.20.30.2", "iris2", 0x6429fb4c },
		{ "1000::1", "iris1", 0x503dc275 },	  { "1000::1", "iris2", 0x8b8741df },
		{ "1000:0:0::1", "iris1", 0x503dc275 },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct election_digest d = election_digest(table[i].node, addr(table[i].ip));
		uint32_t head = (uint32_t)d.bytes[0] << 24 | (uint32_t)d.bytes[1] << 16 |
				(uint32_t)d.bytes[2] << 8 | d.bytes[3];
		assert_int_equal(head, table[i].head);
	}
}

enum { MAX_NODES = 8 };

static const struct {
	const char *ip;
	size_t n;
	const char *in[MAX_NODES];
	int64_t scores[MAX_NODES];
	const char *want[MAX_NODES];
} orders[] = {
	{ "10.0.0.1", 0, { NULL }, { 0 }, { NULL } },
	{ "10.0.0.1", 1, { "x" }, { 0 }, { "x" } },
	{ "10.0.0.1", 3, { "node-a", "node-b", "node-c" }, { 0 }, { "node-b", "node-a", "node-c" } },
	{ "10.0.0.1", 3, { "node-c", "node-b", "node-a" }, { 0 }, { "node-b", "node-a", "node-c" } },
	{ "10.0.0.2", 3, { "node-a", "node-b", "node-c" }, { 0 }, { "node-b", "node-c", "node-a" } },
	{ "10.20.30.1",
	  4,
	  { "worker-b", "edge-b", "worker-a", "edge-a" },
	  { 0, 0, 0, 100 },
	  { "edge-a", "edge-b", "worker-a", "worker-b" } },
	{ "10.20.30.1", 2, { "node-a", "node-b" }, { 100, 100 }, { "node-b", "node-a" } },
	{ "10.20.30.1",
	  3,
	  { "edge-a", "worker-a", "edge-b" },
	  { 100, 0, 100 },
	  { "edge-b", "edge-a", "worker-a" } },
};

static void test_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		const char *names[MAX_NODES];
		memcpy(names, orders[i].in, sizeof names);
		assert_int_equal(election_sort(names, orders[i].scores, orders[i].n, addr(orders[i].ip)), 0);
		for (size_t j = 0; j < orders[i].n; j++)
			assert_string_equal(names[j], orders[i].want[j]);
	}
}

/* A node that joins takes only the addresses that it now sorts first for; nothing else moves. */
static void test_stability(void **state)
{
	(void)state;
	size_t moved = 0;
	for (uint32_t i = 0; i < 500; i++) {
		const char *three[] = { "a", "b", "c" }, *four[] = { "d", "b", "c", "a" };
		addr_t ip = addr_v4(0x0a000000 + i);
		election_sort(three, NULL, 3, ip);
		election_sort(four, NULL, 4, ip);
		if (strcmp(four[0], "d") == 0)
			moved++;
		else
			assert_string_equal(four[0], three[0]);
	}
	assert_in_range(moved, 60, 200);
}

struct spread {
	struct objects objects;
	struct config *config;
};

static void spread_build(struct spread *s, const char *endpoints)
{
	char line[256];
	struct config_input in = { &s->objects, BUILD_NAMESPACE, false };
	objects_init(&s->objects);
	build_line(&s->objects, "Node iris1");
	build_line(&s->objects, "Node iris2");
	build_line(&s->objects, "IPAddressPool p addresses=10.20.30.0/24");
	build_line(&s->objects, "L2Advertisement a");
	str_fmt(line, sizeof line, "EndpointSlice e service_name=s endpoints=%s", endpoints);
	build_line(&s->objects, line);
	assert_int_equal(config_compile(&in, NULL, &s->config), 0);
}

static enum withdraw_reason decide(const struct spread *s, unsigned octet, const char *node)
{
	struct objects o;
	struct l2_verdict v;
	struct endpoints e;
	struct service_addresses a;
	char line[128];
	const struct l2_node live[] = { { "iris1", NULL, true }, { "iris2", NULL, true } };
	objects_init(&o);
	str_fmt(line, sizeof line, "Service s ingress=10.20.30.%u", octet);
	build_line(&o, line);
	const Ingot__Service *service = (const Ingot__Service *)objects_get(&o, KIND_SERVICE, "default/s");
	const Ingot__EndpointSlice *slice =
	    (const Ingot__EndpointSlice *)objects_get(&s->objects, KIND_ENDPOINTS, "default/e");
	assert_int_equal(service_gate(s->config, service, "", &a), WITHDRAW_ANNOUNCE);
	assert_int_equal(endpoints_collect(&slice, 1, &e), 0);
	assert_int_equal(l2_decide(&a, service, &e, live, 2, node, false, &v), 0);
	enum withdraw_reason r = v.reason;
	endpoints_fini(&e);
	l2_verdict_fini(&v);
	objects_fini(&o);
	return r;
}

/* Exactly one owner each, the same whatever the endpoints, and both nodes own some. */
static void test_spread(void **state)
{
	(void)state;
	struct spread one, both;
	unsigned first = 0;
	spread_build(&one, "iris1@10.1.1.1");
	spread_build(&both, "iris1@10.1.1.1,iris2@10.1.1.2");
	for (unsigned i = 0; i < 255; i++) {
		bool iris1 = decide(&one, i, "iris1") == WITHDRAW_ANNOUNCE;
		assert_int_equal(decide(&one, i, "iris2") == WITHDRAW_ANNOUNCE, !iris1);
		assert_int_equal(decide(&both, i, "iris1") == WITHDRAW_ANNOUNCE, iris1);
		assert_int_equal(decide(&both, i, "iris2") == WITHDRAW_ANNOUNCE, !iris1);
		first += iris1;
	}
	assert_in_range(first, 90, 165);
	config_free(one.config);
	config_free(both.config);
	objects_fini(&one.objects);
	objects_fini(&both.objects);
}

/* A name that no node can have is no candidate, so it cannot be cut into another node's name. */
static void test_long_name(void **state)
{
	(void)state;
	struct spread s;
	struct l2_verdict v;
	struct endpoints e;
	struct service_addresses a;
	char name[LIMIT_NODE_NAME + 2];
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	const struct l2_node live[] = { { name, NULL, true } };
	spread_build(&s, "iris1@10.1.1.1");
	build_line(&s.objects, "Service s ingress=10.20.30.7");
	const Ingot__Service *service =
	    (const Ingot__Service *)objects_get(&s.objects, KIND_SERVICE, "default/s");
	const Ingot__EndpointSlice *slice =
	    (const Ingot__EndpointSlice *)objects_get(&s.objects, KIND_ENDPOINTS, "default/e");
	assert_int_equal(service_gate(s.config, service, "", &a), WITHDRAW_ANNOUNCE);
	assert_int_equal(endpoints_collect(&slice, 1, &e), 0);
	assert_int_equal(l2_decide(&a, service, &e, live, 1, name, false, &v), 0);
	assert_int_equal(v.reason, WITHDRAW_NOT_OWNER);
	assert_int_equal(v.n_candidates, 0);
	assert_string_equal(v.owner, "");
	l2_verdict_fini(&v);
	l2_verdict_fini(NULL);
	bgp_verdict_fini(NULL);
	endpoints_fini(&e);
	config_free(s.config);
	objects_fini(&s.objects);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digests),	  cmocka_unit_test(test_order),
		cmocka_unit_test(test_stability), cmocka_unit_test(test_spread),
		cmocka_unit_test(test_long_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
