/* Prefixes and ranges: text, containment, counts, and the split of a range into prefixes. */
#include "lib/base/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"

static prefix_t parsed(const char *text)
{
	prefix_t p = { 0 };
	if (!prefix_parse(text, &p))
		fail_msg("does not parse: %s", text);
	return p;
}

static addr_t address(const char *text)
{
	addr_t a = { 0 };
	if (!addr_parse(text, &a))
		fail_msg("does not parse: %s", text);
	return a;
}

static void test_text(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "255.255.255.255/0", "0.0.0.0/0" },
		{ "10.1.2.3/8", "10.0.0.0/8" },
		{ "10.1.2.3/32", "10.1.2.3/32" },
		{ "10.1.2.3/031", "10.1.2.2/31" },
		{ "::/0", "::/0" },
		{ "2001:DB8:1::1/47", "2001:db8::/47" },
		{ "2001:db8::1/128", "2001:db8::1/128" },
		{ "::ffff:10.1.2.3/104", "10.0.0.0/8" },
		{ "::ffff:10.1.2.3/96", "0.0.0.0/0" },
		{ "::ffff:10.1.2.3/128", "10.1.2.3/32" },
		{ "::ffff:10.1.2.3/95", "::fffe:0:0/95" },
		{ "::ffff:10.1.2.3/80", "::/80" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[PREFIX_TEXT];
		prefix_t p = parsed(cases[i].in);
		assert_string_equal(prefix_text(p, text), cases[i].out);
		assert_true(prefix_eq(parsed(text), p));
	}
	char longest[PREFIX_TEXT];
	prefix_t p = parsed("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
	assert_string_equal(prefix_text(p, longest), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
}

static void test_refused(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"",
		"/",
		"/8",
		"10.0.0.0",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/+8",
		"10.0.0.0/ 8",
		"10.0.0.0/8 ",
		" 10.0.0.0/8",
		"10.0.0.0 /8",
		"10.0.0.0/8/8",
		"10.0.0.0/a",
		"10.0.0.0/4294967304",
		"10.0.0.0/18446744073709551624",
		"10.0.0/8",
		"010.0.0.0/8",
		"10.0.0.0/255.0.0.0",
		"::/129",
		"::",
		"::1%eth0/64",
		"fe80::%1/64",
		"1.2.3.4-1.2.3.5",
		"::ffff:1.2.3.4/129",
	};
	const prefix_t before = parsed("1.2.3.0/24");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		prefix_t p = before;
		if (prefix_parse(cases[i], &p))
			fail_msg("parses: '%s'", cases[i]);
		assert_memory_equal(&p, &before, sizeof p);
	}
}

static void test_contains(void **state)
{
	(void)state;
	static const struct {
		const char *p, *first, *last, *below, *above;
	} cases[] = {
		{ "0.0.0.0/0", "0.0.0.0", "255.255.255.255", "::", "::1" },
		{ "10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0" },
		{ "10.0.0.4/30", "10.0.0.4", "10.0.0.7", "10.0.0.3", "10.0.0.8" },
		{ "10.0.0.4/32", "10.0.0.4", "10.0.0.4", "10.0.0.3", "10.0.0.5" },
		{ "::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0.0.0.0", "255.255.255.255" },
		{ "2001:db8::/33", "2001:db8::", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff",
		  "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8:8000::" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		prefix_t p = parsed(cases[i].p);
		range_t r = prefix_range(p);
		assert_true(addr_eq(r.first, address(cases[i].first)));
		assert_true(addr_eq(r.last, address(cases[i].last)));
		assert_true(prefix_contains(p, r.first) && prefix_contains(p, r.last));
		assert_true(range_contains(r, r.first) && range_contains(r, r.last));
		assert_false(prefix_contains(p, address(cases[i].below)));
		assert_false(prefix_contains(p, address(cases[i].above)));
		assert_false(range_contains(r, address(cases[i].below)));
		assert_false(range_contains(r, address(cases[i].above)));
	}
}

static void test_overlaps(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool overlap;
	} cases[] = {
		{ "10.0.0.0/8", "10.0.0.0/8", true },
		{ "10.0.0.0/8", "10.255.255.255/32", true },
		{ "10.0.0.0/8", "11.0.0.0/8", false },
		{ "0.0.0.0/0", "255.0.0.0/8", true },
		{ "0.0.0.0/0", "::/0", false },
		{ "10.0.0.0/31", "10.0.0.2/31", false },
		{ "2001:db8::/32", "2001:db8::1/128", true },
		{ "2001:db8::/32", "2001:db9::/32", false },
		{ "::/96", "0.0.0.0/0", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		prefix_t a = parsed(cases[i].a), b = parsed(cases[i].b);
		assert_int_equal(prefix_overlaps(a, b), cases[i].overlap);
		assert_int_equal(prefix_overlaps(b, a), cases[i].overlap);
		assert_int_equal(range_overlaps(prefix_range(a), prefix_range(b)), cases[i].overlap);
		assert_int_equal(range_overlaps(prefix_range(b), prefix_range(a)), cases[i].overlap);
	}
	range_t left = { address("10.0.0.1"), address("10.0.0.5") },
		right = { address("10.0.0.5"), address("10.0.0.9") };
	assert_true(range_overlaps(left, right) && range_overlaps(right, left));
	addr_next(&right.first);
	assert_false(range_overlaps(left, right) || range_overlaps(right, left));
}

static void test_order(void **state)
{
	(void)state;
	static const char *const ascending[] = { "0.0.0.0/0",  "10.0.0.0/8", "10.0.0.0/9", "10.0.0.0/32",
						 "11.0.0.0/8", "::/0",	     "::/128",	   "1::/16" };
	for (size_t i = 0; i < ARRAY_LEN(ascending); i++)
		for (size_t k = 0; k < ARRAY_LEN(ascending); k++) {
			int c = prefix_cmp(parsed(ascending[i]), parsed(ascending[k]));
			assert_int_equal((c > 0) - (c < 0), (i > k) - (i < k));
			assert_int_equal(prefix_eq(parsed(ascending[i]), parsed(ascending[k])), i == k);
		}
}

static void test_count(void **state)
{
	(void)state;
	static const struct {
		const char *first, *last;
		uint64_t n;
	} cases[] = {
		{ "1.2.3.4", "1.2.3.4", 1 },
		{ "1.2.3.4", "1.2.4.3", 256 },
		{ "0.0.0.0", "255.255.255.255", (uint64_t)UINT32_MAX + 1 },
		{ "::1", "::1", 1 },
		{ "::", "::ffff:ffff:ffff:fffd", UINT64_MAX - 1 },
		{ "::", "::ffff:ffff:ffff:fffe", UINT64_MAX },
		{ "::", "::ffff:ffff:ffff:ffff", UINT64_MAX },
		{ "::ffff", "0:0:0:1::", UINT64_MAX - 0xffff + 2 },
		{ "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", UINT64_MAX },
		{ "2001:db8::", "2001:db8:1::", UINT64_MAX },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		range_t r = { address(cases[i].first), address(cases[i].last) };
		assert_true(range_count(r) == cases[i].n);
	}
}

struct list {
	char text[16384];
	size_t n;
	prefix_t v[300];
};

static void collect(void *ctx, prefix_t p)
{
	struct list *l = ctx;
	char text[PREFIX_TEXT];
	size_t len = strlen(l->text);
	snprintf(l->text + len, sizeof l->text - len, "%s%s", l->n ? " " : "", prefix_text(p, text));
	assert_true(l->n < ARRAY_LEN(l->v));
	l->v[l->n++] = p;
}

static void test_split(void **state)
{
	(void)state;
	static const struct {
		const char *first, *last, *out;
	} cases[] = {
		{ "40.0.0.150", "40.0.0.200",
		  "40.0.0.150/31 40.0.0.152/29 40.0.0.160/27 40.0.0.192/29 40.0.0.200/32" },
		{ "1.2.3.4", "1.2.3.4", "1.2.3.4/32" },
		{ "1.2.3.0", "1.2.3.255", "1.2.3.0/24" },
		{ "1.2.3.1", "1.2.3.2", "1.2.3.1/32 1.2.3.2/32" },
		{ "0.0.0.0", "255.255.255.255", "0.0.0.0/0" },
		{ "128.0.0.0", "255.255.255.255", "128.0.0.0/1" },
		{ "255.255.255.254", "255.255.255.255", "255.255.255.254/31" },
		{ "0.0.0.0", "128.0.0.0", "0.0.0.0/1 128.0.0.0/32" },
		{ "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0" },
		{ "2001:db8::1", "2001:db8::8",
		  "2001:db8::1/128 2001:db8::2/127 2001:db8::4/126 2001:db8::8/128" },
		{ "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", "2001:db8::/64" },
	};
	static struct list l;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		l = (struct list){ 0 };
		range_split((range_t){ address(cases[i].first), address(cases[i].last) }, collect, &l);
		assert_string_equal(l.text, cases[i].out);
	}
}

/* The prefixes join without gap from first to last, and none could be merged with its neighbour. */
static void check_split(range_t r, struct list *l)
{
	*l = (struct list){ 0 };
	range_split(r, collect, l);
	addr_t at = r.first;
	for (size_t i = 0; i < l->n; i++) {
		assert_true(addr_eq(l->v[i].addr, at));
		at = prefix_range(l->v[i]).last;
		assert_int_equal(addr_eq(at, r.last), i + 1 == l->n);
		addr_next(&at);
		if (i > 0 && l->v[i].len == l->v[i - 1].len)
			assert_false(
			    prefix_contains(prefix_of(l->v[i].addr, l->v[i].len - 1u), l->v[i - 1].addr));
	}
}

static void test_split_random(void **state)
{
	(void)state;
	static struct list l;
	uint32_t random = 2463534242;
	for (int i = 0; i < 5000; i++) {
		uint32_t v[2];
		for (int k = 0; k < 2; k++) {
			random ^= random << 13;
			random ^= random >> 17;
			random ^= random << 5;
			v[k] = random >> (i % 24);
		}
		check_split(
		    (range_t){ addr_v4(v[0] < v[1] ? v[0] : v[1]), addr_v4(v[0] < v[1] ? v[1] : v[0]) }, &l);
		assert_true(l.n <= 62);
	}
	check_split((range_t){ address("0.0.0.1"), address("255.255.255.254") }, &l);
	assert_int_equal(l.n, 62);
	check_split((range_t){ address("::1"), address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe") }, &l);
	assert_int_equal(l.n, 254);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),	 cmocka_unit_test(test_refused),
		cmocka_unit_test(test_contains), cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_order),	 cmocka_unit_test(test_count),
		cmocka_unit_test(test_split),	 cmocka_unit_test(test_split_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
