/* Tables of ingotctl: widths, colours, escapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl/table.h"

static const char *const headers[] = { "NAME", "STATE", NULL };

static void expect(struct table *t, bool colours, const char *want)
{
	struct strbuf out = { 0 };

	table_print(t, colours, &out);
	assert_string_equal(strbuf_get(&out), want);
	strbuf_fini(&out);
	table_free(t);
}

static void test_columns_are_as_wide_as_their_widest_cell(void **state)
{
	(void)state;
	struct table *t = table_new(headers);
	table_cell(t, CELL_PLAIN, "a");
	table_cell(t, CELL_PLAIN, "up");
	table_cell(t, CELL_PLAIN, "longer-name");
	table_cell_fmt(t, CELL_PLAIN, "%d", 7);
	assert_int_equal(table_rows(t), 2);
	expect(t, false, "NAME         STATE\na            up\nlonger-name  7\n");
}

static void test_width_counts_code_points(void **state)
{
	(void)state;
	struct table *t = table_new(headers);
	table_cell(t, CELL_PLAIN, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f-x");
	table_cell(t, CELL_PLAIN, "1");
	expect(t, false, "NAME    STATE\n\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f-x  1\n");
}

static void test_colours_only_when_asked(void **state)
{
	(void)state;
	for (int colours = 0; colours < 2; colours++) {
		struct table *t = table_new(headers);
		table_cell(t, CELL_PLAIN, "n");
		table_cell(t, CELL_BAD, "down");
		expect(t, colours,
		       colours ? "\033[2mNAME\033[0m  \033[2mSTATE\033[0m\nn     \033[31mdown\033[0m\n"
			       : "NAME  STATE\nn     down\n");
	}
}

static void test_control_bytes_do_not_reach_the_terminal(void **state)
{
	(void)state;
	struct table *t = table_new(headers);
	table_cell(t, CELL_PLAIN, "a\033[2Jb");
	table_cell(t, CELL_PLAIN, "x");
	expect(t, false, "NAME       STATE\na\\x1b[2Jb  x\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_are_as_wide_as_their_widest_cell),
		cmocka_unit_test(test_width_counts_code_points),
		cmocka_unit_test(test_colours_only_when_asked),
		cmocka_unit_test(test_control_bytes_do_not_reach_the_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
