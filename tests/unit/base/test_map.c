/* The map: order, replacement, removal while iterating, size; and SipHash-2-4 by its published vectors. */
#include "lib/base/map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Key 00 01 .. 0f, message 00 01 .. of length 0 to 63 (the reference's vectors, read as little-endian
 * numbers). */
static const uint64_t vectors[64] = {
	0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d, 0xcf2794e0277187b7,
	0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462, 0x9e0082df0ba9e4b0,
	0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7, 0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee,
	0xa129ca6149be45e5, 0x3f2acc7f57c29bdb, 0x699ae9f52cbe4794, 0x4bc1b3f0968dd39c, 0xbb6dc91da77961bd,
	0xbed65cf21aa2ee98, 0xd0f2cbb02e3b67c7, 0x93536795e3a33e88, 0xa80c038ccd5ccec8, 0xb8ad50c6f649af94,
	0xbce192de8a85b8ea, 0x17d835b85bbb15f3, 0x2f2e6163076bcfad, 0xde4daaaca71dc9a5, 0xa6a2506687956571,
	0xad87a3535c49ef28, 0x32d892fad841c342, 0x7127512f72f27cce, 0xa7f32346f95978e3, 0x12e0b01abb051238,
	0x15e034d40fa197ae, 0x314dffbe0815a3b4, 0x027990f029623981, 0xcadcd4e59ef40c4d, 0x9abfd8766a33735c,
	0x0e3ea96b5304a7d0, 0xad0c42d6fc585992, 0x187306c89bc215a9, 0xd4a60abcf3792b95, 0xf935451de4f21df2,
	0xa9538f0419755787, 0xdb9acddff56ca510, 0xd06c98cd5c0975eb, 0xe612a3cb9ecba951, 0xc766e62cfcadaf96,
	0xee64435a9752fe72, 0xa192d576b245165a, 0x0a8787bf8ecb74b2, 0x81b3e73d20b49b6f, 0x7fa8220ba3b2ecea,
	0x245731c13ca42499, 0xb78dbfaf3a8d83bd, 0xea1ad565322a1a0b, 0x60e61c23a3795013, 0x6606d7e446282b93,
	0x6ca4ecb15c5f91e1, 0x9f626da15c9625f3, 0xe51b38608ef25f57, 0x958a324ceb064572,
};

static void test_siphash(void **state)
{
	(void)state;
	uint8_t key[16], message[64];
	for (uint8_t i = 0; i < 16; i++)
		key[i] = i;
	for (size_t n = 0; n < 64; n++) {
		/* At the end of the array, so that a sanitizer sees a read behind the message. */
		uint8_t *end = message + sizeof message - n;
		for (size_t i = 0; i < n; i++)
			end[i] = (uint8_t)i;
		assert_true(siphash24(key, end, n) == vectors[n]);
	}
	assert_true(siphash24(key, NULL, 0) == vectors[0]);
}

static int value[100000];

/* Keys and values in order of insertion, as "a=1 b=2"; walks backwards too and compares. */
static void expect_map(const struct map *m, const char *text)
{
	char forwards[256] = "", *p = forwards;
	size_t n = 0;
	map_each (m, e) {
		p += sprintf(p, "%s%s=%d", n ? " " : "", e->key, (int)((int *)e->value - value));
		assert_int_equal(strlen(e->key), e->key_len);
		assert_ptr_equal(e->next ? e->next->prev : m->tail, e);
		n++;
	}
	assert_string_equal(forwards, text);
	assert_int_equal(map_len(m), n);
}

static void test_set(void **state)
{
	(void)state;
	struct map m;
	void *old = &m;
	map_init(&m);
	assert_null(map_get(&m, "a"));
	assert_null(map_del(&m, "a"));
	expect_map(&m, "");
	assert_int_equal(map_set(&m, "b", &value[1], &old), 0);
	assert_null(old);
	assert_int_equal(map_set(&m, "a", &value[2], NULL), 0);
	assert_int_equal(map_set(&m, "", &value[3], NULL), 0);
	expect_map(&m, "b=1 a=2 =3");
	assert_int_equal(map_set(&m, "b", &value[4], &old), 0);
	assert_ptr_equal(old, &value[1]);
	expect_map(&m, "b=4 a=2 =3");
	assert_ptr_equal(map_get(&m, ""), &value[3]);
	assert_ptr_equal(map_get_n(&m, "abc", 1), &value[2]);
	assert_null(map_get_n(&m, "a\0", 2));
	assert_ptr_equal(map_del(&m, "b"), &value[4]);
	assert_int_equal(map_set(&m, "b", &value[5], NULL), 0);
	expect_map(&m, "a=2 =3 b=5");
	assert_ptr_equal(map_del(&m, "b"), &value[5]);
	assert_ptr_equal(map_del(&m, "a"), &value[2]);
	assert_ptr_equal(map_del(&m, ""), &value[3]);
	expect_map(&m, "");
	map_fini(&m, NULL);
	map_fini(NULL, NULL);
}

static void test_bytes(void **state)
{
	(void)state;
	struct map m;
	map_init(&m);
	assert_int_equal(map_set_n(&m, "a\0b", 3, &value[1], NULL), 0);
	assert_int_equal(map_set_n(&m, "a\0c", 3, &value[2], NULL), 0);
	assert_int_equal(map_set_n(&m, NULL, 0, &value[3], NULL), 0);
	assert_ptr_equal(map_get_n(&m, "a\0b", 3), &value[1]);
	assert_ptr_equal(map_del_n(&m, "a\0c", 3), &value[2]);
	assert_null(map_find_n(&m, "a\0c", 3));
	assert_ptr_equal(map_get(&m, ""), &value[3]);
	struct map_entry *e = map_find_n(&m, "a\0b", 3);
	assert_non_null(e);
	assert_int_equal(e->key_len, 3);
	assert_memory_equal(e->key, "a\0b", 4);
	assert_int_equal(map_set_n(&m, "", SIZE_MAX / 2 + 1, NULL, NULL), -ENOMEM);
	assert_int_equal(map_len(&m), 2);
	map_fini(&m, NULL);
}

/* A value that a later lookup cannot tell from "absent" is still an entry. */
static void test_null_value(void **state)
{
	(void)state;
	struct map m;
	map_init(&m);
	assert_int_equal(map_set(&m, "a", NULL, NULL), 0);
	assert_null(map_get(&m, "a"));
	assert_non_null(map_find_n(&m, "a", 1));
	assert_int_equal(map_len(&m), 1);
	map_fini(&m, NULL);
}

static void test_remove_in_loop(void **state)
{
	(void)state;
	char key[8];
	/* Which entries go: none, all, every second, the first, the last. */
	static const unsigned mask[] = { 0, 0xffff, 0x5555, 1, 0x8000, 0xaaaa };
	for (size_t k = 0; k < sizeof mask / sizeof *mask; k++) {
		struct map m;
		map_init(&m);
		for (int i = 0; i < 16; i++) {
			snprintf(key, sizeof key, "%d", i);
			assert_int_equal(map_set(&m, key, &value[i], NULL), 0);
		}
		int visited = 0;
		map_each (&m, e) {
			int i = (int)((int *)e->value - value);
			assert_int_equal(i, visited++);
			if (mask[k] >> i & 1)
				assert_ptr_equal(map_del_n(&m, e->key, e->key_len), &value[i]);
		}
		assert_int_equal(visited, 16);
		int next = 0;
		map_each (&m, e) {
			while (mask[k] >> next & 1)
				next++;
			assert_ptr_equal(e->value, &value[next++]);
		}
		assert_int_equal(map_len(&m), 16 - __builtin_popcount(mask[k]));
		map_fini(&m, NULL);
	}
}

static void test_many(void **state)
{
	(void)state;
	enum { N = sizeof value / sizeof *value };
	struct map m;
	char key[32];
	map_init(&m);
	for (int i = 0; i < N; i++) {
		snprintf(key, sizeof key, "default/service-%d", i);
		assert_int_equal(map_set(&m, key, &value[i], NULL), 0);
	}
	assert_int_equal(map_len(&m), N);
	assert_true(m.n_buckets >= N);
	for (int i = 0; i < N; i++) {
		snprintf(key, sizeof key, "default/service-%d", i);
		assert_ptr_equal(map_get(&m, key), &value[i]);
		if (i % 3 == 0)
			assert_ptr_equal(map_del(&m, key), &value[i]);
	}
	int i = 0;
	map_each (&m, e) {
		i += i % 3 == 0;
		assert_ptr_equal(e->value, &value[i++]);
	}
	assert_int_equal(map_len(&m), N - (N + 2) / 3);
	map_fini(&m, NULL);
	assert_int_equal(map_len(&m), 0);
}

static void test_fini(void **state)
{
	(void)state;
	struct map m;
	map_init(&m);
	assert_int_equal(map_set(&m, "a", malloc(1), NULL), 0);
	assert_int_equal(map_set(&m, "b", malloc(1), NULL), 0);
	map_fini(&m, free);
	assert_null(map_get(&m, "a"));
	assert_int_equal(map_set(&m, "a", &value[1], NULL), 0);
	expect_map(&m, "a=1");
	map_fini(&m, NULL);
}

/* The order that others see does not depend on the key of the hash. Last, because the key is set once per
 * process. */
static void test_seed(void **state)
{
	(void)state;
	static const uint8_t key[16] = { 9, 8, 7, 6, 5, 4, 3, 2, 1 };
	struct map m;
	map_init(&m);
	assert_int_equal(map_set(&m, "x", &value[1], NULL), 0);
	uint32_t before = m.head->hash;
	map_fini(&m, NULL);
	map_seed(key);
	for (int i = 0; i < 3; i++)
		assert_int_equal(map_set(&m, (const char *[]){ "x", "c", "b" }[i], &value[i], NULL), 0);
	expect_map(&m, "x=0 c=1 b=2");
	assert_true(m.head->hash != before);
	assert_true(m.head->hash == (uint32_t)siphash24(key, "x", 1));
	map_fini(&m, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash),	       cmocka_unit_test(test_set),
		cmocka_unit_test(test_bytes),	       cmocka_unit_test(test_null_value),
		cmocka_unit_test(test_remove_in_loop), cmocka_unit_test(test_many),
		cmocka_unit_test(test_fini),	       cmocka_unit_test(test_seed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
