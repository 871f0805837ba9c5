/* Community text, both ways, against a table. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "lib/model/community.h"

static const struct {
	const char *text;
	int rc;
	community_t want;
	const char *shown; /* NULL = like text */
} table[] = {
	{ "0:0", 0, { false, { 0, 0, 0 } }, NULL },
	{ "64512:1234", 0, { false, { 64512u << 16 | 1234, 0, 0 } }, NULL },
	{ "65535:65535", 0, { false, { 0xffffffff, 0, 0 } }, NULL },
	{ "large:123:64512:1234", 0, { true, { 123, 64512, 1234 } }, "123:64512:1234" },
	{ "large:4294967295:0:4294967295",
	  0,
	  { true, { 4294967295, 0, 4294967295 } },
	  "4294967295:0:4294967295" },
	{ "65536:1", -EINVAL, { 0 }, NULL },
	{ "1:65536", -EINVAL, { 0 }, NULL },
	{ "99999999:1", -EINVAL, { 0 }, NULL },
	{ "99999999999999999999999:1", -EINVAL, { 0 }, NULL },
	{ ":", -EINVAL, { 0 }, NULL },
	{ "1:", -EINVAL, { 0 }, NULL },
	{ ":1", -EINVAL, { 0 }, NULL },
	{ "+1:1", -EINVAL, { 0 }, NULL },
	{ "-1:1", -EINVAL, { 0 }, NULL },
	{ " 1:1", -EINVAL, { 0 }, NULL },
	{ "1:1 ", -EINVAL, { 0 }, NULL },
	{ "0x1:1", -EINVAL, { 0 }, NULL },
	{ "11111:11aaaa", -EINVAL, { 0 }, NULL },
	{ "large:4294967296:0:0", -EINVAL, { 0 }, NULL },
	{ "larg:12345:12345:12345", -EINVAL, { 0 }, NULL },
	{ "Large:1:2:3", -EINVAL, { 0 }, NULL },
	{ "large:::", -EINVAL, { 0 }, NULL },
	{ "", -EDOM, { 0 }, NULL },
	{ "1234", -EDOM, { 0 }, NULL },
	{ "flavour", -EDOM, { 0 }, NULL },
	{ "1:2:3", -EDOM, { 0 }, NULL },
	{ "large:1:2:3:4", -EDOM, { 0 }, NULL },
	{ "1:2:3:4:5:6:7:8", -EDOM, { 0 }, NULL },
};

static void test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		community_t got = { true, { 9, 9, 9 } };
		char text[COMMUNITY_TEXT];
		assert_int_equal(community_parse(table[i].text, &got), table[i].rc);
		if (table[i].rc < 0) {
			assert_true(got.large && got.v[0] == 9);
			continue;
		}
		assert_int_equal(community_cmp(got, table[i].want), 0);
		assert_int_equal(got.large, table[i].want.large);
		assert_string_equal(community_text(got, text),
				    table[i].shown ? table[i].shown : table[i].text);
	}
}

static community_t parsed(const char *text)
{
	community_t c;
	assert_int_equal(community_parse(text, &c), 0);
	return c;
}

static void test_order(void **state)
{
	(void)state;
	static const char *const ascending[] = {
		"0:0",	      "0:1", "1:0", "large:65536:0:1", "1:1", "65535:0", "large:4294901760:0:1",
		"65535:65535"
	};
	for (size_t i = 0; i < ARRAY_LEN(ascending); i++)
		for (size_t j = 0; j < ARRAY_LEN(ascending); j++) {
			int c = community_cmp(parsed(ascending[i]), parsed(ascending[j]));
			assert_int_equal(c < 0, i < j);
			assert_int_equal(c > 0, i > j);
		}
	/* A large community with the numbers of a small one is another community. */
	assert_int_not_equal(community_cmp(parsed("0:7"), parsed("large:7:0:0")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_parse), cmocka_unit_test(test_order) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
