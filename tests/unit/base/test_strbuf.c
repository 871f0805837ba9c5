/* Growing text, and the string functions that see foreign bytes. */
#include "lib/base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"

static void test_add(void **state)
{
	(void)state;
	struct strbuf b = { 0 };
	assert_string_equal(strbuf_get(&b), "");
	strbuf_reset(&b);
	strbuf_add(&b, "one");
	strbuf_char(&b, ' ');
	strbuf_add_n(&b, "twofold", 3);
	strbuf_fmt(&b, " %d%s", 3, "!");
	assert_string_equal(strbuf_get(&b), "one two 3!");
	assert_int_equal(b.len, 10);
	strbuf_reset(&b);
	assert_string_equal(strbuf_get(&b), "");
	strbuf_add_n(&b, "a\0b", 3);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.s, "a\0b", 4);
	strbuf_fini(&b);
	strbuf_fini(&b);
	strbuf_fini(NULL);
}

/* Formats of every length around the points where the buffer grows. */
static void test_grow(void **state)
{
	(void)state;
	for (int n = 0; n < 600; n++) {
		struct strbuf b = { 0 };
		strbuf_fmt(&b, "%*s", n, "");
		strbuf_fmt(&b, "%s|%*s", "", n, "");
		assert_int_equal(b.len, 2 * n + 1);
		assert_int_equal(strlen(strbuf_get(&b)), b.len);
		assert_int_equal(b.s[n], '|');
		assert_true(b.cap > b.len && b.cap <= 4 * b.len + 64);
		assert_false(b.oom);
		strbuf_fini(&b);
	}
}

static void test_take(void **state)
{
	(void)state;
	struct strbuf b = { 0 };
	char *s = strbuf_take(&b);
	assert_string_equal(s, "");
	free(s);
	strbuf_add(&b, "mine");
	s = strbuf_take(&b);
	assert_string_equal(s, "mine");
	free(s);
	assert_null(b.s);
	strbuf_add(&b, "kept");
	strbuf_add_n(&b, "", SIZE_MAX / 2);
	assert_true(b.oom);
	strbuf_add(&b, "lost");
	strbuf_fmt(&b, "%d", 1);
	assert_string_equal(strbuf_get(&b), "kept");
	assert_null(strbuf_take(&b));
	assert_false(b.oom);
	strbuf_add(&b, "again");
	assert_string_equal(strbuf_get(&b), "again");
	strbuf_fini(&b);
}

static void test_fmt(void **state)
{
	(void)state;
	char buf[5];
	memset(buf, 'x', sizeof buf);
	assert_true(str_fmt(buf, sizeof buf, "%d", 1234));
	assert_string_equal(buf, "1234");
	assert_false(str_fmt(buf, sizeof buf, "%d", 12345));
	assert_string_equal(buf, "1234");
	assert_false(str_fmt(buf, 1, "%d", 7));
	assert_string_equal(buf, "");
	assert_true(str_starts("metallb.io/pool", "metallb.io/"));
	assert_true(str_starts("x", ""));
	assert_false(str_starts("met", "metal"));
	assert_false(str_starts("Met", "met"));
}

static void test_number(void **state)
{
	(void)state;
	static const struct {
		const char *s;
		unsigned long long max, v;
		bool good;
	} cases[] = {
		{ "0", 0, 0, true },
		{ "1", 0, 0, false },
		{ "007", 10, 7, true },
		{ "255", 255, 255, true },
		{ "256", 255, 0, false },
		{ "2550", 255, 0, false },
		{ "18446744073709551615", UINT64_MAX, UINT64_MAX, true },
		{ "18446744073709551616", UINT64_MAX, 0, false },
		{ "99999999999999999999", UINT64_MAX, 0, false },
		{ "", 9, 0, false },
		{ " 1", 9, 0, false },
		{ "1 ", 9, 0, false },
		{ "+1", 9, 0, false },
		{ "-1", 9, 0, false },
		{ "0x1", 99, 0, false },
		{ "1.0", 99, 0, false },
		{ "/", 99, 0, false },
		{ ":", 99, 0, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned long long v = 42;
		assert_int_equal(str_to_u64(cases[i].s, strlen(cases[i].s), cases[i].max, &v), cases[i].good);
		assert_true(v == (cases[i].good ? cases[i].v : 42));
	}
	unsigned long long v = 0;
	assert_true(str_to_u64("123", 2, 99, &v));
	assert_true(v == 12);
	assert_false(str_to_u64("1\0", 2, 99, &v));
}

static void test_utf8(void **state)
{
	(void)state;
	static const struct {
		const char *s;
		bool good;
	} cases[] = {
		{ "", true },
		{ "plain", true },
		{ "\x7f", true },
		{ "\xc2\x80", true },
		{ "\xdf\xbf", true },
		{ "\xe0\xa0\x80", true },
		{ "\xed\x9f\xbf", true },
		{ "\xee\x80\x80", true },
		{ "\xef\xbf\xbf", true },
		{ "\xf0\x90\x80\x80", true },
		{ "\xf4\x8f\xbf\xbf", true },
		{ "\x80", false },
		{ "\xbf", false },
		{ "\xc0\x80", false },
		{ "\xc1\xbf", false },
		{ "\xc2", false },
		{ "\xc2"
		  "a",
		  false },
		{ "\xe0\x9f\xbf", false },
		{ "\xe0\xa0", false },
		{ "\xed\xa0\x80", false },
		{ "\xed\xbf\xbf", false },
		{ "\xf0\x8f\xbf\xbf", false },
		{ "\xf0\x90\x80", false },
		{ "\xf4\x90\x80\x80", false },
		{ "\xf5\x80\x80\x80", false },
		{ "\xff", false },
		{ "a\xff"
		  "b",
		  false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(str_is_utf8(cases[i].s, strlen(cases[i].s)), cases[i].good);
	assert_true(str_is_utf8("a\0b", 3));
	assert_true(str_is_utf8(NULL, 0));
	assert_false(str_is_utf8("\xc3\xa9", 1));
}

static void test_escape(void **state)
{
	(void)state;
	static const struct {
		const char *s;
		size_t cap;
		const char *out;
	} cases[] = {
		{ "", 8, "" },
		{ "plain text", 64, "plain text" },
		{ "gr\xc3\xbc\xc3\x9f", 64, "gr\xc3\xbc\xc3\x9f" },
		{ "a\nb\tc\x7f", 64, "a\\x0ab\\x09c\\x7f" },
		{ "\x1b[31m", 64, "\\x1b[31m" },
		{ "\xff\xc3", 64, "\\xff\\xc3" },
		{ "\xc2\x85", 64, "\\xc2\\x85" },
		{ "\xe2\x80\xae", 64, "\\xe2\\x80\\xae" },
		{ "\xe2\x80\xa8", 64, "\\xe2\\x80\\xa8" },
		{ "abcdef", 4, "abc" },
		{ "abcdef", 1, "" },
		{ "abc", 4, "abc" },
		{ "a\n", 5, "a" },
		{ "a\n", 6, "a\\x0a" },
		{ "ab\xc3\xbc", 4, "ab" },
		{ "ab\xc3\xbc", 5, "ab\xc3\xbc" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char buf[65];
		memset(buf, '#', sizeof buf);
		const char *s = str_escape(cases[i].s, strlen(cases[i].s), buf, cases[i].cap);
		assert_ptr_equal(s, buf);
		assert_string_equal(buf, cases[i].out);
		assert_int_equal(buf[cases[i].cap], '#');
	}
	char buf[16];
	assert_string_equal(str_escape("a\0b", 3, buf, sizeof buf), "a\\x00b");
	assert_string_equal(str_escape(NULL, 0, buf, sizeof buf), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),    cmocka_unit_test(test_grow),   cmocka_unit_test(test_take),
		cmocka_unit_test(test_fmt),    cmocka_unit_test(test_number), cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_escape),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
