/* Joining of metrics texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "statusd/scrape.h"

static const struct {
	const char *name, *a, *b, *want;
	size_t dropped;
} cases[] = {
	{ "one name in two daemons", "# HELP m h\n# TYPE m counter\nm{x=\"1\"} 1\n",
	  "# HELP m h\n# TYPE m counter\nm{x=\"2\"} 2\n",
	  "# HELP m h\n# TYPE m counter\nm{x=\"1\"} 1\nm{x=\"2\"} 2\n", 0 },
	{ "order of first appearance", "a 1\nb 2\n", "a{d=\"x\"} 3\n", "a 1\na{d=\"x\"} 3\nb 2\n", 0 },
	{ "no newline at the end", "a 1", "", "a 1\n", 0 },
	{ "what is no sample is dropped", "a 1\n?no sample\n9b 1\n{} 2\nc\n", "# free comment\n", "a 1\n",
	  4 },
};

static void test_joining(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct scrape s;
		struct strbuf out = { 0 };
		scrape_init(&s);
		size_t dropped = scrape_add(&s, cases[i].a) + scrape_add(&s, cases[i].b);
		scrape_print(&s, &out);
		assert_string_equal(strbuf_get(&out), cases[i].want);
		assert_int_equal(dropped, cases[i].dropped);
		strbuf_fini(&out);
		scrape_fini(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_joining) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
