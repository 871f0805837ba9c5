/* Address text both ways (RFC 4291 section 2.2, RFC 5952), strictness, and arithmetic on single addresses. */
#include "lib/base/addr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"

static addr_t parsed(const char *text)
{
	addr_t a = { 0 };
	if (!addr_parse(text, &a))
		fail_msg("does not parse: %s", text);
	return a;
}

static void expect_addr(addr_t a, const char *text)
{
	char buf[ADDR_TEXT];
	assert_string_equal(addr_text(a, buf), text);
}

static void test_text(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out; /* out NULL: the same */
	} cases[] = {
		{ "0.0.0.0", NULL },
		{ "1.2.3.4", NULL },
		{ "10.20.99.100", NULL },
		{ "255.255.255.255", NULL },
		{ "::", NULL },
		{ "::1", NULL },
		{ "1::", NULL },
		{ "0:0:0:0:0:0:0:0", "::" },
		{ "0:0:0:0:0:0:0:1", "::1" },
		{ "1:2:3:4:5:6:7:8", NULL },
		{ "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" },
		{ "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
		/* RFC 5952 sections 1 and 2 */
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:db8::1:0:0:1", NULL },
		{ "2001:db8::0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:0db8::1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:db8:0:0:1::1", "2001:db8::1:0:0:1" },
		{ "2001:db8:0000:0:1::1", "2001:db8::1:0:0:1" },
		{ "2001:DB8:0:0:1::1", "2001:db8::1:0:0:1" },
		{ "2001:db8:aaaa:bbbb:cccc:dddd:eeee:0001", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1" },
		{ "2001:db8:aaaa:bbbb:cccc:dddd::1", "2001:db8:aaaa:bbbb:cccc:dddd:0:1" },
		{ "2001:db8:0:0:0::1", "2001:db8::1" },
		/* RFC 5952 section 4 */
		{ "2001:0db8::0001", "2001:db8::1" },
		{ "2001:db8::0:1", "2001:db8::1" },
		{ "2001:db8:0:0:0:0:2:1", "2001:db8::2:1" },
		{ "2001:db8:0:1:1:1:1:1", NULL },
		{ "2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:DB8:AaAa::FfFf", "2001:db8:aaaa::ffff" },
		{ "0:0:1:0:0:0:0:0", "0:0:1::" },
		{ "1:0:0:2:0:0:3:4", "1::2:0:0:3:4" },
		/* embedded IPv4 */
		{ "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
		{ "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304" },
		{ "::1.2.3.4", "::102:304" },
		{ "::ffff:1.2.3.4", "1.2.3.4" },
		{ "::FFFF:102:304", "1.2.3.4" },
		{ "0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4" },
		{ "::fffe:1.2.3.4", "::fffe:102:304" },
		{ "1::ffff:1.2.3.4", "1::ffff:102:304" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		addr_t a = parsed(cases[i].in);
		const char *out = cases[i].out ? cases[i].out : cases[i].in;
		expect_addr(a, out);
		assert_true(addr_eq(parsed(out), a));
		assert_int_equal(a.family, strchr(out, ':') ? FAMILY_V6 : FAMILY_V4);
	}
}

static const char *const refused[] = {
	"",
	" ",
	".",
	"...",
	"1",
	"1.2.3",
	"1.2.3.",
	".1.2.3.4",
	"1.2.3.4.",
	"1.2.3.4.5",
	"1..2.3",
	"01.2.3.4",
	"1.2.3.04",
	"1.2.3.00",
	"000.0.0.0",
	"256.1.1.1",
	"1.2.3.256",
	"1.2.3.1000",
	"1.2.3.4294967297",
	" 1.2.3.4",
	"1.2.3.4 ",
	"1.2. 3.4",
	"1.2.3.4\n",
	"+1.2.3.4",
	"1.2.3.-4",
	"0x1.2.3.4",
	"1.2.3.a",
	"1.2.3.4/24",
	"1,2,3,4",
	"127.1",
	"localhost",
	"\xd9\xa1.2.3.4",
	":",
	":::",
	"1",
	"1:",
	":1",
	"1:2",
	"1:2:3:4:5:6:7",
	"1:2:3:4:5:6:7:8:9",
	"1:2:3:4:5:6:7:8:",
	":1:2:3:4:5:6:7:8",
	"1:2:3:4:5:6:7:8::",
	"::1:2:3:4:5:6:7:8",
	"1:2:3:4::5:6:7:8",
	"1::2::3",
	"::1::",
	"1:::2",
	"12345::",
	"::00001",
	"::g",
	"::1g",
	"fe80::1%eth0",
	"fe80::1%",
	"[::1]",
	" ::1",
	"::1 ",
	"::1/64",
	"::1.2.3",
	"::1.2.3.4.5",
	"::1.2.3.256",
	"::01.2.3.4",
	"::1.2.3.4:5",
	"1:2:3:4:5:6:7:1.2.3.4",
	"1:2:3:4:5:1.2.3.4",
	"1:2:3:4:5:6::1.2.3.4:",
	"1.2.3.4::",
	"::ffff:1.2.3.04",
	"1:2:3:4:5:6:7::1.2.3.4",
	"::-1",
	"::+1",
	"::0x1",
	"2001:db8::1\n",
};

static void test_refused(void **state)
{
	(void)state;
	const addr_t before = addr_v4(0x01020304);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		addr_t a = before;
		if (addr_parse(refused[i], &a))
			fail_msg("parses: '%s'", refused[i]);
		assert_memory_equal(&a, &before, sizeof a);
	}
	addr_t a;
	assert_false(addr_parse_n("1.2.3.4\0", 8, &a));
	assert_false(addr_parse_n("\0"
				  "1.2.3.4",
				  8, &a));
	assert_true(addr_parse_n("1.2.3.45", 7, &a));
	expect_addr(a, "1.2.3.4");
	assert_true(addr_parse_n("::1.2.3.4", 3, &a));
	expect_addr(a, "::1");
	assert_false(addr_parse_n(NULL, 0, &a));
}

/* Random addresses, rich in zero groups, against the C library's reader. */
static void test_random(void **state)
{
	(void)state;
	uint64_t r = 88172645463325252;
	for (int i = 0; i < 20000; i++) {
		uint8_t b[16];
		for (int k = 0; k < 16; k += 2) {
			r ^= r << 13;
			r ^= r >> 7;
			r ^= r << 17;
			unsigned v = (unsigned)(r >> 32) & 0xffff;
			v = r & 3 ? v >> (r >> 2 & 15) : 0;
			b[k] = (uint8_t)(v >> 8);
			b[k + 1] = (uint8_t)v;
		}
		addr_t six = addr_from_bytes(FAMILY_V6, b), four = addr_from_bytes(FAMILY_V4, b);
		char text[ADDR_TEXT];
		uint8_t back[16];
		assert_int_equal(inet_pton(AF_INET6, addr_text(six, text), back), 1);
		assert_memory_equal(back, b, 16);
		assert_true(addr_eq(parsed(text), six));
		assert_int_equal(inet_pton(AF_INET, addr_text(four, text), back), 1);
		assert_memory_equal(back, b, 4);
		assert_true(addr_eq(parsed(text), four));
		assert_int_equal(inet_pton(AF_INET6, inet_ntop(AF_INET6, b, text, sizeof text), back), 1);
		assert_true(addr_eq(parsed(text), six));
	}
}

static void test_bytes(void **state)
{
	(void)state;
	static const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff, 1, 2, 3, 4 };
	addr_t a = addr_from_bytes(FAMILY_V6, mapped);
	expect_addr(a, "::ffff:1.2.3.4");
	assert_int_equal(a.family, FAMILY_V6);
	assert_false(addr_eq(a, addr_v4(0x01020304)));
	assert_true(addr_v4_value(parsed("1.2.3.4")) == 0x01020304);
	assert_memory_equal(parsed("1.2.3.4").bytes, "\1\2\3\4\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(addr_bits(addr_v4(0)), 32);
	assert_int_equal(addr_size(addr_v4(0)), 4);
	assert_int_equal(addr_bits(a), 128);
	assert_int_equal(addr_size(a), 16);
	expect_addr((addr_t){ 0 }, "");
}

static void test_order(void **state)
{
	(void)state;
	static const char *const ascending[] = { "0.0.0.0",   "0.0.0.1",	 "0.0.1.0", "127.255.255.255",
						 "128.0.0.0", "255.255.255.255", "::",	    "::1",
						 "1::",	      "7fff::",		 "8000::",  "ff00::" };
	for (size_t i = 0; i < ARRAY_LEN(ascending); i++)
		for (size_t k = 0; k < ARRAY_LEN(ascending); k++) {
			int c = addr_cmp(parsed(ascending[i]), parsed(ascending[k]));
			assert_int_equal((c > 0) - (c < 0), (i > k) - (i < k));
		}
}

static void test_next(void **state)
{
	(void)state;
	static const struct {
		const char *a, *next; /* NULL: the last of its family */
	} cases[] = {
		{ "0.0.0.0", "0.0.0.1" },
		{ "1.2.3.255", "1.2.4.0" },
		{ "1.255.255.255", "2.0.0.0" },
		{ "255.255.255.255", NULL },
		{ "::", "::1" },
		{ "::ff", "::100" },
		{ "2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:1::" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		addr_t a = parsed(cases[i].a);
		assert_int_equal(addr_next(&a), cases[i].next != NULL);
		expect_addr(a, cases[i].next ? cases[i].next : cases[i].a);
		if (cases[i].next) {
			assert_true(addr_prev(&a));
			expect_addr(a, cases[i].a);
		}
	}
	addr_t first[] = { parsed("0.0.0.0"), parsed("::"), { 0 } };
	for (size_t i = 0; i < ARRAY_LEN(first); i++) {
		addr_t a = first[i];
		assert_false(addr_prev(&a));
		assert_true(addr_eq(a, first[i]));
	}
	addr_t none = { 0 };
	assert_false(addr_next(&none));
}

static void test_add(void **state)
{
	(void)state;
	static const struct {
		const char *a;
		uint64_t n;
		const char *sum; /* NULL: leaves the family */
	} cases[] = {
		{ "1.2.3.4", 0, "1.2.3.4" },
		{ "1.2.3.4", 256, "1.2.4.4" },
		{ "0.0.0.0", UINT32_MAX, "255.255.255.255" },
		{ "0.0.0.1", UINT32_MAX, NULL },
		{ "0.0.0.0", (uint64_t)UINT32_MAX + 1, NULL },
		{ "255.255.255.255", UINT64_MAX, NULL },
		{ "::", UINT64_MAX, "::ffff:ffff:ffff:ffff" },
		{ "::1", UINT64_MAX, "0:0:0:1::" },
		{ "::ffff:ffff:ffff:ffff", UINT64_MAX, "::1:ffff:ffff:ffff:fffe" },
		{ "ffff:ffff:ffff:ffff::", UINT64_MAX, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "ffff:ffff:ffff:ffff::1", UINT64_MAX, NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		addr_t a = parsed(cases[i].a), sum = addr_v4(7);
		assert_int_equal(addr_add(a, cases[i].n, &sum), cases[i].sum != NULL);
		if (!cases[i].sum) {
			assert_true(addr_eq(sum, addr_v4(7)));
			continue;
		}
		expect_addr(sum, cases[i].sum);
		assert_true(addr_distance(a, sum) == cases[i].n);
	}
	assert_true(addr_distance(parsed("::"), parsed("0:0:0:1::")) == UINT64_MAX);
	assert_true(addr_distance(parsed("::2"), parsed("0:0:0:1::")) == UINT64_MAX - 1);
	assert_true(addr_distance(parsed("::"), parsed("ffff::")) == UINT64_MAX);
}

static void test_mask(void **state)
{
	(void)state;
	static const struct {
		const char *a;
		unsigned len;
		const char *out;
	} cases[] = {
		{ "255.255.255.255", 0, "0.0.0.0" },
		{ "255.255.255.255", 1, "128.0.0.0" },
		{ "255.255.255.255", 8, "255.0.0.0" },
		{ "255.255.255.255", 31, "255.255.255.254" },
		{ "255.255.255.255", 32, "255.255.255.255" },
		{ "ffff:ffff:ffff::1", 0, "::" },
		{ "ffff:ffff:ffff::1", 33, "ffff:ffff:8000::" },
		{ "ffff:ffff:ffff::1", 127, "ffff:ffff:ffff::" },
		{ "ffff:ffff:ffff::1", 128, "ffff:ffff:ffff::1" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_addr(addr_mask(parsed(cases[i].a), cases[i].len), cases[i].out);
}

static void test_kinds(void **state)
{
	(void)state;
	static const struct {
		const char *a;
		bool link_local, multicast, unspecified, loopback, buggy;
	} cases[] = {
		{ "169.253.255.255", false, false, false, false, true },
		{ "169.254.0.1", true, false, false, false, false },
		{ "169.255.0.1", false, false, false, false, false },
		{ "223.255.255.254", false, false, false, false, false },
		{ "224.0.0.1", false, true, false, false, false },
		{ "239.255.255.250", false, true, false, false, false },
		{ "240.0.0.1", false, false, false, false, false },
		{ "0.0.0.0", false, false, true, false, true },
		{ "0.0.0.1", false, false, false, false, false },
		{ "127.0.0.1", false, false, false, true, false },
		{ "127.9.9.255", false, false, false, true, true },
		{ "128.0.0.0", false, false, false, false, true },
		{ "10.255.0.1", false, false, false, false, false },
		{ "::", false, false, true, false, false },
		{ "::1", false, false, false, true, false },
		{ "1::1", false, false, false, false, false },
		{ "fe7f::1", false, false, false, false, false },
		{ "fe80::1", true, false, false, false, false },
		{ "febf::1", true, false, false, false, false },
		{ "fec0::1", false, false, false, false, false },
		{ "ff02::1", false, true, false, false, false },
		{ "2001:db8::ff", false, false, false, false, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		addr_t a = parsed(cases[i].a);
		assert_int_equal(addr_is_link_local(a), cases[i].link_local);
		assert_int_equal(addr_is_multicast(a), cases[i].multicast);
		assert_int_equal(addr_is_unspecified(a), cases[i].unspecified);
		assert_int_equal(addr_is_loopback(a), cases[i].loopback);
		assert_int_equal(addr_is_buggy(a), cases[i].buggy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),  cmocka_unit_test(test_refused), cmocka_unit_test(test_random),
		cmocka_unit_test(test_bytes), cmocka_unit_test(test_order),   cmocka_unit_test(test_next),
		cmocka_unit_test(test_add),   cmocka_unit_test(test_mask),    cmocka_unit_test(test_kinds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
