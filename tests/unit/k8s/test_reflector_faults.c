/* The list/watch machine when the server refuses, breaks off or is away: when it asks again, and what it
 * says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "tests/unit/k8s/lister.h"

static void a_refused_field_selector_is_left_out(void **unused)
{
	struct world w = begin(true);
	(void)unused;
	ask(&w);
	refuse(&w, 400, "BadRequest",
	       "field label not supported: spec.type"); /* takes it for the stream at first */
	assert_int_equal(ask(&w), 0);
	assert_string_equal(w.path, "/api/v1/services?" SELECTOR "&limit=500");
	/* As Kubernetes 1.24 says it. */
	refuse(&w, 400, "BadRequest",
	       "\"spec.type\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"");
	assert_int_equal(ask(&w), 0);
	assert_string_equal(w.path, "/api/v1/services?limit=500");
	/* Without it, the same words are a fault like any other. */
	refuse(&w, 400, "BadRequest", "field label not supported: spec.type");
	assert_int_equal(w.r.trouble, TROUBLE_REFUSED);
	assert_true(ask(&w) > 0);
	page(&w, "a", "3", NULL);
	ask(&w);
	assert_non_null(strstr(w.path, "services?watch=true"));
	end(&w);
}

static void a_watch_that_ends_at_once_is_no_storm(void **unused)
{
	struct world w = watching("a");
	int64_t waited = 0;
	(void)unused;
	reflector_ended(&w.r, w.now);
	assert_int_equal(ask(&w), 0);
	for (int i = 0; i < 14; i++) {
		reflector_answered(&w.r);
		if (i % 2)
			see(&w, "a", "101"); /* the same again is no progress */
		reflector_ended(&w.r, w.now);
		waited = ask(&w);
		assert_true(waited > 0);
		assert_true(w.is_watch);
	}
	assert_in_range(waited, SEC(6), SEC(10));
	w.now = mono_add(w.now, SEC(2));
	reflector_ended(&w.r, w.now);
	assert_int_equal(ask(&w), 0);
	end(&w);
}

static void a_watch_that_breaks_goes_on_from_its_version(void **unused)
{
	struct world w = watching("a");
	(void)unused;
	see(&w, "b", "105");
	breaks(&w);
	assert_false(w.r.current);
	assert_int_equal(w.r.trouble, TROUBLE_UNREACHABLE);
	assert_string_equal(w.r.why, "connection reset");
	assert_int_equal(ask(&w), 0);
	assert_non_null(strstr(w.path, "&resourceVersion=105"));
	breaks(&w); /* refused: now it waits */
	int64_t first = ask(&w), waited = 0;
	assert_in_range(first, MS(30), MS(70));
	for (int i = 0; i < 10; i++) {
		breaks(&w);
		waited = ask(&w);
	}
	assert_in_range(waited, SEC(6), SEC(10));
	assert_string_equal(known(&w), "ab");
	reflector_answered(&w.r);
	assert_true(w.r.current);
	assert_int_equal(w.r.trouble, TROUBLE_NONE);
	assert_string_equal(w.r.why, "");
	assert_int_equal(w.r.relists, 1);
	end(&w);
}

static void answers_have_their_trouble_and_their_wait(void **unused)
{
	static const struct {
		int code;
		enum reflector_trouble trouble;
	} cases[] = { { 401, TROUBLE_UNAUTHORIZED }, { 403, TROUBLE_FORBIDDEN },
		      { 404, TROUBLE_MISSING },	     { 408, TROUBLE_UNREACHABLE },
		      { 409, TROUBLE_REFUSED },	     { 429, TROUBLE_UNREACHABLE },
		      { 500, TROUBLE_UNREACHABLE },  { 503, TROUBLE_UNREACHABLE },
		      { 504, TROUBLE_UNREACHABLE },  { 302, TROUBLE_REFUSED },
		      { 400, TROUBLE_REFUSED },	     { 0, TROUBLE_UNREACHABLE } };
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (int from_watch = 0; from_watch < 2; from_watch++) {
			struct world w = from_watch ? watching("a") : begin(false);
			int64_t waited = 0;
			if (!from_watch)
				ask(&w);
			for (int n = 0; n < 12; n++) {
				refuse(&w, cases[i].code, "", "words");
				assert_int_equal(w.r.trouble, cases[i].trouble);
				assert_string_equal(w.r.why, "words");
				assert_false(w.r.current);
				waited = ask(&w);
				assert_true(waited > 0);
				assert_int_equal(w.is_watch, from_watch);
			}
			/* Roles are often completed a little later: that is noticed soon. */
			assert_in_range(waited, SEC(4), cases[i].code == 403 ? SEC(5) : SEC(10));
			assert_string_equal(known(&w), from_watch ? "a" : "");
			end(&w);
		}
	}
}

static void retry_after_is_heeded(void **unused)
{
	struct world w = begin(false);
	struct api_status s = api_error(429, "TooManyRequests", "later");
	(void)unused;
	ask(&w);
	reflector_failed(&w.r, &s, "later", SEC(3), w.now);
	assert_int_equal(ask(&w), SEC(3));
	reflector_failed(&w.r, &s, "later", SEC(86400), w.now); /* within reason */
	assert_int_equal(ask(&w), SEC(60));
	reflector_failed(&w.r, &s, "later", 0, w.now);
	assert_true(ask(&w) > 0);
	page(&w, "a", "1", NULL);
	assert_int_equal(w.r.trouble, TROUBLE_NONE);
	assert_int_equal(ask(&w), 0);
	end(&w);
}

static void a_page_that_fails_is_asked_for_again(void **unused)
{
	struct world w = begin(false);
	(void)unused;
	ask(&w);
	page(&w, "a", "10", "token");
	ask(&w);
	see(&w, "b", ""); /* the answer broke off in the middle */
	breaks(&w);
	assert_true(ask(&w) > 0);
	assert_non_null(strstr(w.path, "&continue=token"));
	assert_true(page(&w, "bc", "11", NULL));
	assert_string_equal(known(&w), "abc");
	ask(&w);
	assert_string_equal(strstr(w.path, "&resourceVersion="), "&resourceVersion=10");
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_field_selector_is_left_out),
		cmocka_unit_test(a_watch_that_ends_at_once_is_no_storm),
		cmocka_unit_test(a_watch_that_breaks_goes_on_from_its_version),
		cmocka_unit_test(answers_have_their_trouble_and_their_wait),
		cmocka_unit_test(retry_after_is_heeded),
		cmocka_unit_test(a_page_that_fails_is_asked_for_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
