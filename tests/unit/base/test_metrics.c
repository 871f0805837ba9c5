/* The text a scraper sees, the life of a series, and the cap. */
#include "lib/base/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect_text(const struct metrics *m, const char *text)
{
	struct strbuf out = { 0 };
	metrics_print(m, &out);
	assert_string_equal(strbuf_get(&out), text);
	strbuf_fini(&out);
}

static const char *const two[] = { "peer", "why", NULL };
static const char *const one[] = { "name", NULL };

static void test_print(void **state)
{
	(void)state;
	struct metrics *m = metrics_new();
	assert_non_null(m);
	expect_text(m, "");
	struct metric *up = metrics_add(m, "up_seconds", "Help with a \\ and a\nnew line and \"quotes\".",
					METRIC_GAUGE, NULL);
	struct metric *sent = metrics_add(m, "sent_total", "Sent.", METRIC_COUNTER, two);
	*metric_value(up) = -5;
	++*metric_series(sent, (const char *const[]){ "10.0.0.1", "b" });
	*metric_series(sent, (const char *const[]){ "10.0.0.1", "a" }) += INT64_MAX;
	++*metric_series(sent, (const char *const[]){ "10.0.0.1", "b" });
	assert_ptr_equal(metrics_add(m, "sent_total", "Other.", METRIC_GAUGE, NULL), sent);
	metrics_add(m, "unused_total", "No series yet.", METRIC_COUNTER, one);
	metrics_add(m, "zero_total", "Zero.", METRIC_COUNTER, NULL);
	expect_text(m, "# HELP up_seconds Help with a \\\\ and a\\nnew line and \"quotes\".\n"
		       "# TYPE up_seconds gauge\n"
		       "up_seconds -5\n"
		       "# HELP sent_total Sent.\n"
		       "# TYPE sent_total counter\n"
		       "sent_total{peer=\"10.0.0.1\",why=\"b\"} 2\n"
		       "sent_total{peer=\"10.0.0.1\",why=\"a\"} 9223372036854775807\n"
		       "# HELP zero_total Zero.\n"
		       "# TYPE zero_total counter\n"
		       "zero_total 0\n");
	metrics_free(m);
	metrics_free(NULL);
}

static void test_escapes(void **state)
{
	(void)state;
	static const struct {
		const char *value, *text;
	} cases[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "a\\b", "a\\\\b" },
		{ "say \"no\"", "say \\\"no\\\"" },
		{ "two\nlines", "two\\nlines" },
		{ "\\n", "\\\\n" },
		{ "\\\"\n", "\\\\\\\"\\n" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "bad\xff\n", "bad?\\n" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char want[256];
		struct metrics *m = metrics_new();
		struct metric *v = metrics_add(m, "m", "h", METRIC_GAUGE, one);
		*metric_series(v, &cases[i].value) = 1;
		snprintf(want, sizeof want, "# HELP m h\n# TYPE m gauge\nm{name=\"%s\"} 1\n", cases[i].text);
		expect_text(m, want);
		metrics_free(m);
	}
}

/* Values are told apart by their limits, not by their concatenation. */
static void test_series(void **state)
{
	(void)state;
	struct metrics *m = metrics_new();
	struct metric *v = metrics_add(m, "m", "h", METRIC_GAUGE, two);
	int64_t *a = metric_series(v, (const char *const[]){ "ab", "c" });
	int64_t *b = metric_series(v, (const char *const[]){ "a", "bc" });
	assert_ptr_not_equal(a, b);
	assert_true(*a == 0);
	*a = 1;
	*b = 2;
	metric_delete(v, (const char *const[]){ "ab", "c" });
	metric_delete(v, (const char *const[]){ "absent", "" });
	expect_text(m, "# HELP m h\n# TYPE m gauge\nm{peer=\"a\",why=\"bc\"} 2\n");
	assert_true(*metric_series(v, (const char *const[]){ "ab", "c" }) == 0);
	metric_clear(v);
	expect_text(m, "");
	assert_true(*metric_series(v, (const char *const[]){ "a", "bc" }) == 0);
	metrics_free(m);
}

static void test_cap(void **state)
{
	(void)state;
	struct metrics *m = metrics_new();
	struct metric *v = metrics_add(m, "m", "h", METRIC_COUNTER, one);
	int64_t *first = NULL;
	for (int i = 0; i < METRIC_MAX_SERIES; i++) {
		char name[16];
		snprintf(name, sizeof name, "%d", i);
		int64_t *s = metric_series(v, (const char *const[]){ name });
		assert_non_null(s);
		first = first ? first : s;
	}
	assert_null(metric_series(v, (const char *const[]){ "one too many" }));
	assert_null(metric_series(v, (const char *const[]){ "and another" }));
	assert_ptr_equal(metric_series(v, (const char *const[]){ "0" }), first);
	metric_delete(v, (const char *const[]){ "1" });
	assert_non_null(metric_series(v, (const char *const[]){ "one too many" }));
	struct strbuf out = { 0 };
	metrics_print(m, &out);
	assert_non_null(strstr(strbuf_get(&out), "\n# TYPE ingot_metrics_refused_total counter\n"
						 "ingot_metrics_refused_total{metric=\"m\"} 2\n"));
	strbuf_fini(&out);
	metrics_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_print), cmocka_unit_test(test_escapes),
					    cmocka_unit_test(test_series), cmocka_unit_test(test_cap) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
