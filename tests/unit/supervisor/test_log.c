/* Log lines as they leave stderr: logfmt and JSON, escaping, cutting, levels, rate limits. */
#include "lib/run/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/must.h"

static char caught[16384];

static int saved_stderr = -1, pipe_ends[2];

static void catch_begin(void)
{
	assert_int_equal(pipe(pipe_ends), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(pipe_ends[1], STDERR_FILENO);
}

/* What was written, without the time stamp of the first line: the text after `level`. */
static const char *catch_end(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(pipe_ends[1]);
	ssize_t n = read(pipe_ends[0], caught, sizeof caught - 1);
	close(pipe_ends[0]);
	caught[n > 0 ? n : 0] = 0;
	const char *level = strstr(caught, "level");
	return level ? level : caught;
}

static const char *line_of(const char *format, const char *subject, const char *event, const char *msg)
{
	log_open("l2d", format, "info");
	catch_begin();
	log_line(LOG_INFO, subject, event, "%s", msg);
	return catch_end();
}

static void test_logfmt(void **state)
{
	(void)state;
	static const struct {
		const char *subject, *event, *msg, *line;
	} cases[] = {
		{ "service a/b", "serviceAnnounced", "why not",
		  "level=info daemon=l2d subject=\"service a/b\" event=serviceAnnounced msg=\"why not\"\n" },
		{ NULL, NULL, "plain", "level=info daemon=l2d msg=plain\n" },
		{ "", "e", "", "level=info daemon=l2d event=e\n" },
		{ "x", "e", "a\"b\\c\nd\te",
		  "level=info daemon=l2d subject=x event=e msg=\"a\\\"b\\\\c\\nd\\te\"\n" },
		{ "x=y", "e", "a\x1b[31m\x7f\xff",
		  "level=info daemon=l2d subject=\"x=y\" event=e "
		  "msg=\"a\\x1b[31m\\x7f\\xff\"\n" },
		{ "\xc3\xa9", "e", "\xe2\x80\xae.",
		  "level=info daemon=l2d subject=\"\xc3\xa9\" event=e "
		  "msg=\"\\xe2\\x80\\xae.\"\n" },
	};
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(line_of("logfmt", cases[i].subject, cases[i].event, cases[i].msg),
				    cases[i].line);
	assert_memory_equal(caught, "ts=2", 4);
	assert_memory_equal(caught + strlen("ts=2026-01-01T00:00:00.000"), "Z ", 2);
}

static void test_json(void **state)
{
	(void)state;
	static const struct {
		const char *msg, *line;
	} cases[] = {
		{ "why \"not\"",
		  "level\":\"info\",\"daemon\":\"l2d\",\"subject\":\"s\",\"event\":\"e\",\"msg\":"
		  "\"why \\\"not\\\"\"}\n" },
		{ "\x01\\\n\t\xff\x7f",
		  "level\":\"info\",\"daemon\":\"l2d\",\"subject\":\"s\",\"event\":\"e\",\"msg\":"
		  "\"\\u0001\\\\\\n\\t\\ufffd\\u007f\"}\n" },
		{ "\xe2\x80\xae\xc3\xa9",
		  "level\":\"info\",\"daemon\":\"l2d\",\"subject\":\"s\",\"event\":\"e\","
		  "\"msg\":\"\\u202e\xc3\xa9\"}\n" },
	};
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(line_of("json", "s", "e", cases[i].msg), cases[i].line);
	assert_memory_equal(caught, "{\"ts\":\"2", 8);
}

/* However long the words are: one line, at most a pipe's atom, still well-formed. */
static void test_long_lines_are_cut(void **state)
{
	(void)state;
	static char longest[9000];
	memset(longest, '"', sizeof longest - 1);
	for (unsigned json = 0; json < 2; json++) {
		line_of(json ? "json" : "logfmt", longest, longest, longest);
		size_t n = strlen(caught);
		assert_true(n > 3000 && n <= 4096);
		assert_ptr_equal(strchr(caught, '\n'), caught + n - 1);
		assert_string_equal(caught + n - (json ? 3 : 2), json ? "\"}\n" : "\"\n");
	}
}

static void test_levels(void **state)
{
	(void)state;
	enum log_level l = LOG_NONE;
	for (unsigned i = LOG_ALL; i <= LOG_NONE; i++) {
		assert_true(log_level_parse(log_level_name((enum log_level)i), &l));
		assert_int_equal(l, i);
	}
	assert_false(log_level_parse("loud", &l));
	assert_false(log_level_parse(NULL, &l));
	log_open("x", NULL, "warn");
	assert_false(log_wants(LOG_INFO));
	assert_true(log_wants(LOG_WARN));
	catch_begin();
	log_line(LOG_INFO, "s", "e", "hidden");
	assert_string_equal(catch_end(), "");
	log_set_level(LOG_NONE);
	assert_false(log_wants(LOG_ERROR));
	assert_int_equal(log_get_level(), LOG_NONE);
	log_open("x", NULL, "nonsense");
	assert_int_equal(log_get_level(), LOG_INFO);
}

static unsigned count_lines(const char *text)
{
	unsigned n = 0;
	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void test_limit(void **state)
{
	(void)state;
	struct log_limit limit = { 0 };
	log_open("x", NULL, "info");
	catch_begin();
	for (unsigned i = 0; i < 100; i++)
		log_limited(&limit, 3, INT64_C(3600000000), LOG_INFO, "s", "e", "line %u", i);
	catch_end();
	assert_int_equal(count_lines(caught), 3);
	/* As if an hour had passed. */
	limit.last_us -= INT64_C(3600000000);
	catch_begin();
	log_limited(&limit, 3, INT64_C(3600000000), LOG_INFO, "s", "e", "later");
	log_limited(&limit, 3, INT64_C(3600000000), LOG_INFO, "s", "e", "too much again");
	assert_string_equal(
	    catch_end(),
	    "level=info daemon=x subject=s event=e msg=\"later (97 more like this were not logged)\"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logfmt),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_long_lines_are_cut),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
