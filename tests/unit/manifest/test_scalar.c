/* Scalars: durations, times, base64, and the types of plain YAML texts. */
#include "lib/manifest/scalar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"

static void test_duration(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool good;
		int64_t ns;
	} cases[] = {
		{ "90s", true, 90000000000 },
		{ "1m30s", true, 90000000000 },
		{ "1h", true, 3600000000000 },
		{ "1.5h", true, 5400000000000 },
		{ "0", true, 0 },
		{ "0s", true, 0 },
		{ "-2ms", true, -2000000 },
		{ "+2ms", true, 2000000 },
		{ "100us", true, 100000 },
		{ "100\xc2\xb5s", true, 100000 },
		{ "7ns", true, 7 },
		{ ".5s", true, 500000000 },
		{ "1.s", true, 1000000000 },
		{ "0.0000000001h", true, 360 },
		{ "1h1m1s1ms1us1ns", true, 3661001001001 },
		{ "2562047h47m16.854775807s", true, INT64_MAX },
		{ "2562047h47m16.854775808s", false, 0 },
		{ "99999999999999999999s", false, 0 },
		{ "", false, 0 },
		{ "-", false, 0 },
		{ "90", false, 0 },
		{ "s", false, 0 },
		{ ".s", false, 0 },
		{ "1d", false, 0 },
		{ "1 s", false, 0 },
		{ "1s ", false, 0 },
		{ "1sx", false, 0 },
		{ "--1s", false, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t ns = 42;
		if (scalar_duration(cases[i].text, &ns) != cases[i].good ||
		    ns != (cases[i].good ? cases[i].ns : 42))
			fail_msg("\"%s\": %lld", cases[i].text, (long long)ns);
	}
}

static void test_time(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool good;
		int64_t ms;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", true, 0 },
		{ "2024-02-29T12:34:56Z", true, 1709210096000 },
		{ "2024-02-29T12:34:56.789Z", true, 1709210096789 },
		{ "2024-02-29T12:34:56.7891234Z", true, 1709210096789 },
		{ "2024-02-29T14:34:56+02:00", true, 1709210096000 },
		{ "2024-02-29T12:04:56-00:30", true, 1709210096000 },
		{ "1969-12-31T23:59:59Z", true, -1000 },
		{ "2024-02-29", false, 0 },
		{ "2024-02-29T12:34:56", false, 0 },
		{ "2024-13-29T12:34:56Z", false, 0 },
		{ "2024-02-29T24:34:56Z", false, 0 },
		{ "2024-02-29T12:34:56.Z", false, 0 },
		{ "2024-02-29T12:34:56Zx", false, 0 },
		{ "", false, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t ms = 42;
		if (scalar_time(cases[i].text, &ms) != cases[i].good ||
		    ms != (cases[i].good ? cases[i].ms : 42))
			fail_msg("\"%s\": %lld", cases[i].text, (long long)ms);
	}
}

static void test_base64(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool good;
		const char *bytes;
	} cases[] = {
		{ "", true, "" },
		{ "Zg==", true, "f" },
		{ "Zm8=", true, "fo" },
		{ "Zm9v", true, "foo" },
		{ "Zm9v\nYmFy\n", true, "foobar" },
		{ "+/+/", true, "\xfb\xff\xbf" },
		{ "Zg", false, "" },
		{ "Zg=", false, "" },
		{ "Z===", false, "" },
		{ "Zg==Zg==", false, "" },
		{ "Zm9v!", false, "" },
		{ "-_-_", false, "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t out[64];
		size_t n = 0;
		bool good = scalar_base64(cases[i].text, strlen(cases[i].text), out, &n);
		if (good != cases[i].good ||
		    (good && (n != strlen(cases[i].bytes) || memcmp(out, cases[i].bytes, n) != 0)))
			fail_msg("\"%s\"", cases[i].text);
	}
}

static void test_plain(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum node_type type;
		int64_t value;
	} cases[] = {
		{ "", NODE_NULL, 0 },
		{ "~", NODE_NULL, 0 },
		{ "null", NODE_NULL, 0 },
		{ "true", NODE_BOOL, 1 },
		{ "Yes", NODE_BOOL, 1 },
		{ "off", NODE_BOOL, 0 },
		{ "n", NODE_BOOL, 0 },
		{ "tRue", NODE_STRING, 0 },
		{ "0", NODE_INT, 0 },
		{ "42", NODE_INT, 42 },
		{ "-42", NODE_INT, -42 },
		{ "+7", NODE_INT, 7 },
		{ "1_000", NODE_INT, 1000 },
		{ "0x1F", NODE_INT, 31 },
		{ "0o17", NODE_INT, 15 },
		{ "017", NODE_INT, 15 },
		{ "0b101", NODE_INT, 5 },
		{ "089", NODE_FLOAT, 0 },
		{ "1.5", NODE_FLOAT, 0 },
		{ "1e3", NODE_FLOAT, 0 },
		{ ".inf", NODE_FLOAT, 0 },
		{ "-", NODE_STRING, 0 },
		{ "1.2.3.4", NODE_STRING, 0 },
		{ "10.0.0.0/8", NODE_STRING, 0 },
		{ "0x", NODE_STRING, 0 },
		{ "9223372036854775807", NODE_INT, INT64_MAX },
		{ "9223372036854775808", NODE_FLOAT, 0 },
		{ "-9223372036854775808", NODE_INT, INT64_MIN },
		{ "12:30", NODE_STRING, 0 },
		{ "1e", NODE_STRING, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct node n = { .type = NODE_STRING, .text = cases[i].text, .n = strlen(cases[i].text) };
		scalar_resolve(&n);
		int64_t value = n.type == NODE_INT ? n.integer : n.type == NODE_BOOL ? n.truth : 0;
		if (n.type != cases[i].type || value != cases[i].value)
			fail_msg("\"%s\": type %d value %lld", cases[i].text, (int)n.type, (long long)value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_duration), cmocka_unit_test(test_time),
					    cmocka_unit_test(test_base64), cmocka_unit_test(test_plain) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
