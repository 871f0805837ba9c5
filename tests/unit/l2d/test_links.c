/* Link table: which interface may announce, what counts as a change, dumps, the exclude list, caps. */
#include "l2d/links.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { UP = IFF_UP | IFF_LOWER_UP | IFF_RUNNING | IFF_BROADCAST | IFF_MULTICAST };

static const mono_t t0 = { 1000000 };

static struct link_msg ether(uint32_t index, const char *name)
{
	struct link_msg m = { .index = index,
			      .flags = UP,
			      .type = ARPHRD_ETHER,
			      .has_mac = true,
			      .mac = { 2, 0, 0, 0, 0, (uint8_t)index } };
	snprintf(m.name, sizeof m.name, "%s", name);
	return m;
}

static struct addr_msg address(uint32_t index, const char *text, uint8_t len, uint32_t flags)
{
	struct addr_msg m = { .index = index, .prefix_len = len, .flags = flags };
	assert_true(addr_parse(text, &m.addr));
	return m;
}

static unsigned count_changed(struct links *l)
{
	unsigned n = 0;
	while (links_take_changed(l))
		n++;
	return n;
}

static void test_usable(void **state)
{
	(void)state;
	static const struct {
		const char *why;
		uint32_t clear, set, master;
		uint16_t type;
		bool no_mac, up, arp, ndp;
	} rows[] = {
		{ "plain Ethernet", 0, 0, 0, ARPHRD_ETHER, false, true, true, true },
		{ "administratively down", IFF_UP, 0, 0, ARPHRD_ETHER, false, false, false, false },
		{ "no carrier", IFF_LOWER_UP, 0, 0, ARPHRD_ETHER, false, false, false, false },
		{ "enslaved", 0, 0, 7, ARPHRD_ETHER, false, true, false, false },
		{ "NOARP", 0, IFF_NOARP, 0, ARPHRD_ETHER, false, true, false, false },
		{ "loopback", 0, IFF_LOOPBACK, 0, ARPHRD_LOOPBACK, false, true, false, false },
		{ "not broadcast", IFF_BROADCAST, 0, 0, ARPHRD_ETHER, false, true, false, true },
		{ "tunnel", 0, 0, 0, ARPHRD_TUNNEL, false, true, false, false },
		{ "no hardware address", 0, 0, 0, ARPHRD_ETHER, true, true, false, false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct links l;
		links_init(&l, true);
		struct link_msg m = ether(3, "eth0");
		m.flags = (m.flags & ~rows[i].clear) | rows[i].set;
		m.master = rows[i].master;
		m.type = rows[i].type;
		m.has_mac = !rows[i].no_mac;
		struct addr_msg a = address(3, "fe80::1", 64, IFA_F_PERMANENT);
		assert_int_equal(links_new(&l, &m), 0);
		links_new_addr(&l, &a);
		const struct link *k = links_get(&l, 3);
		if (k->up != rows[i].up || k->arp != rows[i].arp || k->ndp != rows[i].ndp)
			fail_msg("%s: up %d arp %d ndp %d", rows[i].why, k->up, k->arp, k->ndp);
		links_fini(&l);
	}
}

static void test_without_sockets(void **state)
{
	(void)state;
	struct links l;
	struct link_msg m = ether(3, "eth0");
	links_init(&l, false);
	links_new(&l, &m);
	assert_true(links_get(&l, 3)->up);
	assert_false(links_get(&l, 3)->arp);
	links_fini(&l);
}

static void test_link_local(void **state)
{
	(void)state;
	struct links l;
	struct link_msg m = ether(3, "eth0");
	links_init(&l, true);
	links_new(&l, &m);
	struct addr_msg global = address(3, "fd00::5", 64, 0),
			ll = address(3, "fe80::9", 64, IFA_F_TENTATIVE),
			v4 = address(3, "169.254.1.1", 16, 0);
	links_new_addr(&l, &global);
	links_new_addr(&l, &v4);
	links_new_addr(&l, &ll);
	assert_false(links_get(&l, 3)->ndp); /* while duplicate detection runs */
	ll.flags = IFA_F_DADFAILED | IFA_F_TENTATIVE;
	links_new_addr(&l, &ll);
	assert_false(links_get(&l, 3)->ndp);
	count_changed(&l);
	ll.flags = IFA_F_PERMANENT;
	links_new_addr(&l, &ll);
	assert_true(links_get(&l, 3)->ndp);
	assert_int_equal(count_changed(&l), 1);
	links_new_addr(&l, &ll);
	assert_int_equal(count_changed(&l), 0);
	assert_int_equal(links_get(&l, 3)->n_addrs, 3);
	links_del_addr(&l, &ll);
	assert_false(links_get(&l, 3)->ndp);
	assert_int_equal(count_changed(&l), 1);
	links_del_addr(&l, &ll);
	assert_int_equal(count_changed(&l), 0);
	links_fini(&l);
}

static void test_changes(void **state)
{
	(void)state;
	struct links l;
	struct link_msg a = ether(3, "eth0"), b = ether(4, "eth1");
	links_init(&l, true);
	links_new(&l, &a);
	links_new(&l, &b);
	assert_int_equal(count_changed(&l), 2);
	a.flags |= IFF_ALLMULTI; /* nobody's business */
	links_new(&l, &a);
	assert_int_equal(count_changed(&l), 0);
	a.mac[5] = 99;
	links_new(&l, &a);
	snprintf(b.name, sizeof b.name, "uplink");
	links_new(&l, &b);
	links_new(&l, &b);
	assert_int_equal(count_changed(&l), 2);
	assert_string_equal(links_get(&l, 4)->name, "uplink");
	a.flags &= ~(uint32_t)IFF_LOWER_UP;
	links_new(&l, &a);
	links_del(&l, 3); /* with a change pending */
	links_del(&l, 3);
	assert_null(links_get(&l, 3));
	assert_int_equal(count_changed(&l), 0);
	links_fini(&l);
}

static void test_dump(void **state)
{
	(void)state;
	struct links l;
	struct link_msg a = ether(3, "eth0"), b = ether(4, "eth1");
	struct addr_msg a1 = address(3, "10.0.0.1", 24, 0), a2 = address(3, "10.0.0.2", 24, 0);
	links_init(&l, true);
	links_new(&l, &a);
	links_new(&l, &b);
	links_new_addr(&l, &a1);
	links_new_addr(&l, &a2);
	count_changed(&l);
	links_dump_begin(&l);
	links_new(&l, &a);
	links_new_addr(&l, &a2);
	links_dump_end(&l);
	assert_int_equal(links_get(&l, 3)->n_addrs, 1);
	assert_true(addr_eq(links_get(&l, 3)->addrs[0].addr, a2.addr));
	assert_int_equal(links_unseen(&l)->index, 4);
	links_del(&l, 4);
	assert_null(links_unseen(&l));
	assert_int_equal(count_changed(&l), 1);
	links_fini(&l);
}

static void test_exclude(void **state)
{
	(void)state;
	struct links l;
	struct exclude *e = NULL;
	char error[200] = "";
	static const char yaml[] = "announcedInterfacesToExclude: [\"^docker.*\", '^cali.*', \"th1$\"]\n";
	struct link_msg a = ether(3, "eth0"), b = ether(4, "eth1"), c = ether(5, "docker0");
	links_init(&l, true);
	links_new(&l, &a);
	links_new(&l, &b);
	count_changed(&l);
	assert_int_equal(exclude_parse(yaml, sizeof yaml - 1, &e, error, sizeof error), 0);
	links_set_exclude(&l, e);
	assert_int_equal(count_changed(&l), 1);
	links_new(&l, &c);
	assert_true(links_get(&l, 3)->arp);
	assert_false(links_get(&l, 4)->arp);
	assert_true(links_get(&l, 5)->excluded && !links_get(&l, 5)->arp && links_get(&l, 5)->up);
	links_set_exclude(&l, NULL);
	assert_true(links_get(&l, 4)->arp && links_get(&l, 5)->arp);
	exclude_free(e);
	links_fini(&l);
}

static void test_exclude_errors(void **state)
{
	(void)state;
	static const struct {
		const char *yaml, *error;
	} rows[] = {
		{ "announcedInterfacesToExclude: []", NULL },
		{ "other: 1", NULL },
		{ "announcedInterfacesToExclude: [\"a{2}\"]", NULL },
		{ "- a", "not a mapping" },
		{ "", "not a mapping" },
		{ "a: [", "line " },
		{ "announcedInterfacesToExclude: eth0", "not a list" },
		{ "announcedInterfacesToExclude: [[a]]", "not a text" },
		{ "announcedInterfacesToExclude: [\"\"]", "expression 1 is empty" },
		{ "announcedInterfacesToExclude: [a, \"(b\"]", "\"(b\" has ( without )" },
		{ "announcedInterfacesToExclude: [\"((a{64}){64}){64}\"]", "too" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct exclude *e = NULL;
		char error[200] = "";
		int r = exclude_parse(rows[i].yaml, strlen(rows[i].yaml), &e, error, sizeof error);
		if (r != (rows[i].error ? -EINVAL : 0) || (rows[i].error && !strstr(error, rows[i].error)))
			fail_msg("%s: %d %s", rows[i].yaml, r, error);
		exclude_free(e);
	}
	char *big = calloc(1, EXCLUDE_MAX_TEXT + 1), error[100] = "";
	struct exclude *e = NULL;
	assert_int_equal(exclude_parse(big, EXCLUDE_MAX_TEXT + 1, &e, error, sizeof error), -EINVAL);
	free(big);
}

static void test_routers(void **state)
{
	(void)state;
	struct links l;
	struct link_msg a = ether(3, "eth0");
	addr_t r1, r;
	links_init(&l, true);
	links_new(&l, &a);
	count_changed(&l);
	assert_true(addr_parse("fe80::1", &r1));
	links_router(&l, 3, r1, 0, t0);
	assert_int_equal(count_changed(&l), 1);
	links_router(&l, 3, r1, 1800, mono_add(t0, SEC(50)));
	assert_int_equal(count_changed(&l), 0);
	r = r1;
	for (int i = 1; i < LINK_MAX_ROUTERS + 3; i++) {
		assert_true(addr_next(&r));
		links_router(&l, 3, r, 60, mono_add(t0, SEC(50)));
	}
	assert_int_equal(links_get(&l, 3)->n_routers, LINK_MAX_ROUTERS);
	assert_int_equal(l.refused, 3);
	/* The short-lived ones are over, the refreshed one is not. */
	links_router(&l, 3, r1, 1800, mono_add(t0, SEC(111)));
	assert_int_equal(links_get(&l, 3)->n_routers, 1);
	links_router(&l, 77, r1, 1800, t0);
	links_fini(&l);
}

static void test_caps(void **state)
{
	(void)state;
	struct links l;
	links_init(&l, true);
	for (uint32_t i = 1; i <= LINKS_MAX; i++) {
		struct link_msg m = ether(i, "x");
		assert_int_equal(links_new(&l, &m), 0);
	}
	struct link_msg m = ether(LINKS_MAX + 1, "x");
	assert_int_equal(links_new(&l, &m), -ENOSPC);
	for (int i = 0; i < LINK_MAX_ADDRS + 5; i++) {
		struct addr_msg a = { .index = 1,
				      .addr = addr_v4((uint32_t)(0x0a000000 + i)),
				      .prefix_len = 24 };
		links_new_addr(&l, &a);
	}
	assert_int_equal(links_get(&l, 1)->n_addrs, LINK_MAX_ADDRS);
	assert_int_equal(l.refused, 6);
	links_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usable),	       cmocka_unit_test(test_without_sockets),
		cmocka_unit_test(test_link_local),     cmocka_unit_test(test_changes),
		cmocka_unit_test(test_dump),	       cmocka_unit_test(test_exclude),
		cmocka_unit_test(test_exclude_errors), cmocka_unit_test(test_routers),
		cmocka_unit_test(test_caps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
