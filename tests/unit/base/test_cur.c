/* Cursor and writer: every field, every way to run out, and that a failure stays. */
#include "lib/base/cur.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

static void test_fields(void **state)
{
	(void)state;
	struct cur c = cur_of(bytes, sizeof bytes);
	assert_int_equal(cur_u8(&c), 1);
	assert_int_equal(cur_u16(&c), 0x0203);
	assert_int_equal(cur_u32(&c), 0x04050607);
	assert_int_equal(cur_left(&c), 9);
	assert_true(cur_u64(&c) == 0x08090a0b0c0d0e0f);
	assert_int_equal(cur_u8(&c), 16);
	assert_int_equal(cur_left(&c), 0);
	assert_false(c.bad);
	assert_non_null(cur_take(&c, 0));
	assert_int_equal(cur_u8(&c), 0);
	assert_true(c.bad);
}

/* For every field and every buffer that is too short: zero, bad, and bad for good. */
static void test_short(void **state)
{
	(void)state;
	static const size_t size[] = { 1, 2, 4, 8 };
	for (size_t k = 0; k < 4; k++)
		for (size_t n = 0; n <= size[k]; n++) {
			struct cur c = cur_of(bytes, n);
			uint64_t v = k == 0   ? cur_u8(&c)
				     : k == 1 ? cur_u16(&c)
				     : k == 2 ? cur_u32(&c)
					      : cur_u64(&c);
			assert_int_equal(c.bad, n < size[k]);
			assert_int_equal(v == 0, n < size[k]);
			assert_int_equal(cur_left(&c), 0);
			if (c.bad) {
				assert_null(cur_take(&c, 0));
				assert_int_equal(cur_u8(&c), 0);
			}
		}
}

static void test_take(void **state)
{
	(void)state;
	struct cur c = cur_of(bytes, 4);
	uint8_t to[8];
	assert_ptr_equal(cur_take(&c, 1), bytes);
	cur_skip(&c, 1);
	cur_copy(&c, to, 2);
	assert_memory_equal(to, bytes + 2, 2);
	assert_false(c.bad);
	memset(to, 0xff, sizeof to);
	cur_copy(&c, to, 3);
	assert_true(c.bad);
	assert_memory_equal(to, "\0\0\0\xff", 4);

	c = cur_of(bytes, 4);
	assert_null(cur_take(&c, SIZE_MAX));
	assert_true(c.bad);
	c = cur_of(NULL, 0);
	assert_non_null(cur_take(&c, 0));
	assert_false(c.bad);
	cur_copy(&c, NULL, 0);
	assert_false(c.bad);
}

static void test_sub(void **state)
{
	(void)state;
	struct cur c = cur_of(bytes, 6);
	struct cur in = cur_sub(&c, 4);
	assert_int_equal(cur_left(&in), 4);
	assert_int_equal(cur_u32(&in), 0x01020304);
	assert_int_equal(cur_u8(&in), 0);
	assert_true(in.bad);
	assert_false(c.bad);
	assert_int_equal(cur_u8(&c), 5);
	in = cur_sub(&c, 2);
	assert_true(in.bad && c.bad);
	assert_int_equal(cur_u16(&in), 0);
	assert_int_equal(cur_left(&in), 0);
}

static void test_write(void **state)
{
	(void)state;
	uint8_t out[18];
	memset(out, 0xff, sizeof out);
	struct wbuf w = wbuf_of(out, 16);
	size_t at = wbuf_reserve(&w, 2);
	wbuf_u8(&w, 1);
	wbuf_u16(&w, 0x0203);
	wbuf_u32(&w, 0x04050607);
	assert_int_equal(wbuf_left(&w), 7);
	wbuf_put(&w, "abc", 3);
	wbuf_put(&w, NULL, 0);
	wbuf_patch_u16(&w, at, 0xbeef);
	wbuf_patch_u8(&w, w.len - 1, 'z');
	assert_false(w.bad);
	assert_int_equal(w.len, 12);
	assert_memory_equal(out, "\xbe\xef\1\2\3\4\5\6\7abz\xff", 13);
	wbuf_u64(&w, 1);
	assert_true(w.bad);
	assert_int_equal(w.len, 12);
	assert_int_equal(wbuf_left(&w), 0);
	wbuf_u8(&w, 9);
	assert_int_equal(out[12], 0xff);
}

static void test_write_full(void **state)
{
	(void)state;
	uint8_t out[9];
	for (size_t cap = 0; cap <= 8; cap++) {
		memset(out, 0xee, sizeof out);
		struct wbuf w = wbuf_of(out, cap);
		wbuf_u64(&w, 0x0102030405060708);
		assert_int_equal(w.bad, cap < 8);
		assert_int_equal(w.len, cap < 8 ? 0 : 8);
		assert_int_equal(out[8], 0xee);
	}
	assert_memory_equal(out, "\1\2\3\4\5\6\7\10", 8);
	struct wbuf w = wbuf_of(out, 4);
	size_t at = wbuf_reserve(&w, 5);
	wbuf_patch_u16(&w, at, 0x1122);
	wbuf_patch_u8(&w, 100, 1);
	assert_true(w.bad);
	assert_int_equal(out[0], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields), cmocka_unit_test(test_short),
		cmocka_unit_test(test_take),   cmocka_unit_test(test_sub),
		cmocka_unit_test(test_write),  cmocka_unit_test(test_write_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
