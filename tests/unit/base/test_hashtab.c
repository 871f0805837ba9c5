/* The table of objects that carry their key: against a map, in any order. */
#include "lib/base/hashtab.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/map.h"

struct thing {
	struct hashtab_node node;
	int number;
	char key[];
};

static struct thing *thing_new(const char *key, int number)
{
	struct thing *t = malloc(sizeof *t + strlen(key) + 1);
	assert_non_null(t);
	t->number = number;
	memcpy(t->key, key, strlen(key) + 1);
	return t;
}

static struct thing *find(const struct hashtab *t, const char *key)
{
	return (struct thing *)hashtab_find(t, key, strlen(key));
}

static void keys_are_bytes(void **state)
{
	(void)state;
	static const char keys[][4] = { "a", "ab", "a\0c", "" };
	static const size_t lens[] = { 1, 2, 3, 0 };
	struct {
		struct hashtab_node node;
		char key[4];
	} v[4];
	struct hashtab t;
	hashtab_init(&t);
	assert_null(hashtab_find(&t, "a", 1));
	assert_null(hashtab_next(&t, NULL));
	for (int i = 0; i < 4; i++) {
		memcpy(v[i].key, keys[i], sizeof v[i].key);
		assert_int_equal(hashtab_add(&t, &v[i].node, v[i].key, lens[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		assert_ptr_equal(hashtab_find(&t, keys[i], lens[i]), &v[i].node);
	assert_null(hashtab_find(&t, "a\0d", 3));
	assert_int_equal(hashtab_add(&t, &v[0].node, v[0].key, UINT16_MAX + 1), -EINVAL);
	assert_int_equal(hashtab_len(&t), 4);
	hashtab_fini(&t, NULL);
}

static void made_where_they_are_missing(void **state)
{
	(void)state;
	struct hashtab t = { 0 };
	bool fresh;
	struct thing *a = hashtab_get_or_add(&t, "a", offsetof(struct thing, key), &fresh);
	assert_true(a && fresh);
	assert_int_equal(a->number, 0);
	assert_string_equal(a->key, "a");
	assert_ptr_equal(hashtab_get_or_add(&t, "a", offsetof(struct thing, key), &fresh), a);
	assert_false(fresh);
	assert_ptr_equal(hashtab_get(&t, "a"), a);
	assert_null(hashtab_get(&t, "b"));
	char *long_key = malloc(UINT16_MAX + 2);
	assert_non_null(long_key);
	memset(long_key, 'x', UINT16_MAX + 1);
	long_key[UINT16_MAX + 1] = 0;
	assert_null(hashtab_get_or_add(&t, long_key, offsetof(struct thing, key), NULL));
	assert_int_equal(hashtab_len(&t), 1);
	free(long_key);
	hashtab_fini(&t, free);
}

static void any_sequence(void **state)
{
	(void)state;
	struct hashtab t;
	struct map model;
	unsigned dice = 1;
	char key[16];
	hashtab_init(&t);
	map_init(&model);
	for (int step = 0; step < 20000; step++) {
		dice = dice * 1103515245 + 12345;
		snprintf(key, sizeof key, "k%u", (dice >> 16) % 1500);
		struct thing *x = find(&t, key);
		assert_ptr_equal(map_get(&model, key), x);
		if (x && (dice >> 8) % 2) {
			hashtab_remove(&t, &x->node);
			map_del(&model, key);
			free(x);
		} else if (!x) {
			x = thing_new(key, step);
			assert_int_equal(hashtab_add(&t, &x->node, x->key, strlen(key)), 0);
			assert_int_equal(map_set(&model, key, x, NULL), 0);
		}
		assert_int_equal(hashtab_len(&t), map_len(&model));
	}
	size_t n = 0, left = 0;
	hashtab_each (&t, node) {
		struct thing *x = (struct thing *)node;
		assert_ptr_equal(map_get(&model, x->key), x);
		n++;
		if (x->number % 2) {
			hashtab_remove(&t, &x->node);
			free(x);
		} else {
			left++;
		}
	}
	assert_int_equal(n, map_len(&model));
	assert_int_equal(hashtab_len(&t), left);
	hashtab_each (&t, node)
		assert_int_equal(((struct thing *)node)->number % 2, 0);
	hashtab_fini(&t, free);
	map_fini(&model, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_bytes),
		cmocka_unit_test(made_where_they_are_missing),
		cmocka_unit_test(any_sequence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
