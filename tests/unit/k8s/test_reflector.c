/* The list/watch machine, case by case: what it asks, and what it says is gone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "lib/model/limits.h"
#include "tests/unit/k8s/lister.h"

static void pages_then_a_watch(void **unused)
{
	struct world w = begin(false);
	(void)unused;
	assert_int_equal(ask(&w), 0);
	assert_false(w.is_watch);
	assert_string_equal(w.path, "/api/v1/services?" SELECTOR "&limit=500");
	assert_false(page(&w, "ab", "100", "t/o=ken+"));
	assert_false(w.r.complete || w.r.current);
	assert_int_equal(ask(&w), 0);
	assert_string_equal(w.path, "/api/v1/services?" SELECTOR "&limit=500&continue=t%2Fo%3Dken%2B");
	assert_false(page(&w, "cd", "100", "next"));
	assert_int_equal(ask(&w), 0);
	/* The version is that of the first page: what happened since is for the watch to say. */
	assert_true(page(&w, "e", "117", NULL));
	assert_true(w.r.complete && w.r.current);
	assert_string_equal(known(&w), "abcde");
	assert_gone(&w, "");
	assert_int_equal(ask(&w), 0);
	assert_true(w.is_watch);
	assert_non_null(strstr(w.path, "/api/v1/services?" SELECTOR "&watch=true&allowWatchBookmarks=true"));
	assert_non_null(strstr(w.path, "&timeoutSeconds="));
	assert_non_null(strstr(w.path, "&resourceVersion=100"));
	assert_null(strstr(w.path, "limit"));
	assert_null(strstr(w.path, "continue"));
	assert_int_equal(w.r.relists, 1);
	end(&w);
}

/* An empty token is none, as the API's Go types print it. */
static void an_empty_token_ends_the_list(void **unused)
{
	struct world w = begin(false);
	(void)unused;
	ask(&w);
	assert_true(page(&w, "", "5", ""));
	assert_true(w.r.complete);
	end(&w);
}

static void an_expired_token_begins_the_list_again(void **unused)
{
	struct world w = watching("xyz");
	(void)unused;
	refuse(&w, 410, "Expired", "too old resource version");
	assert_int_equal(ask(&w), 0);
	assert_false(page(&w, "xa", "200", "token"));
	ask(&w);
	refuse(&w, 410, "Expired", "The provided continue parameter is too old");
	assert_gone(&w, "");
	assert_true(ask(&w) > 0);
	assert_string_equal(w.path, "/api/v1/services?" SELECTOR "&limit=500");
	assert_string_equal(known(&w), "axyz");
	/* "a" was only in the page that does not count any more. */
	assert_true(page(&w, "xz", "201", NULL));
	assert_gone(&w, "y,a,");
	assert_string_equal(known(&w), "xz");
	ask(&w);
	assert_non_null(strstr(w.path, "&resourceVersion=201"));
	end(&w);
}

/* A list that never comes to its end must not be begun anew in a tight circle, however well its first page
 * goes. */
static void a_list_that_expires_for_ever_slows_down(void **unused)
{
	struct world w = begin(false);
	int64_t wait = 0;
	(void)unused;
	for (int i = 0; i < 12; i++) {
		assert_int_equal(ask(&w) > 0, i > 0);
		page(&w, "a", "1", "token");
		ask(&w);
		refuse(&w, 410, "Expired", "too old");
		wait = mono_sub(reflector_wake(&w.r), w.now);
	}
	assert_in_range(wait, SEC(6), SEC(10));
	end(&w);
}

static void a_watch_that_expires_lists_anew_at_once(void **unused)
{
	struct world w = watching("abc");
	(void)unused;
	see(&w, "d", "101");
	reflector_deleted(&w.r, "b", "102");
	assert_string_equal(known(&w), "acd");
	/* Either as an answer or as an event of the stream. */
	refuse(&w, 0, "Expired", "too old resource version");
	assert_false(w.r.current);
	assert_true(w.r.complete);
	assert_int_equal(ask(&w), 0);
	assert_false(w.is_watch);
	assert_null(strstr(w.path, "resourceVersion"));
	assert_true(page(&w, "acz", "300", NULL));
	assert_gone(&w, "d,");
	assert_string_equal(known(&w), "acz");
	assert_int_equal(w.r.relists, 2);
	end(&w);
}

/* A server whose every watch is too old, even that of the list it has just given. */
static void watches_that_expire_for_ever_slow_down(void **unused)
{
	struct world w = watching("a");
	int64_t waited = 0;
	(void)unused;
	for (int i = 0; i < 14; i++) {
		refuse(&w, 410, "Expired", "too old");
		waited = ask(&w);
		assert_false(w.is_watch);
		page(&w, "a", "1", NULL);
		ask(&w);
		assert_true(w.is_watch);
		reflector_answered(&w.r);
	}
	assert_in_range(waited, SEC(6), SEC(10));
	/* It lasts at last: the next time is the first again. */
	w.now = mono_add(w.now, SEC(5));
	refuse(&w, 410, "Expired", "too old");
	assert_int_equal(ask(&w), 0);
	end(&w);
}

static void bookmarks_move_the_version(void **unused)
{
	struct world w = watching("a");
	(void)unused;
	see(&w, "a", "101");
	assert_false(reflector_bookmark(&w.r, "150", false));
	/* Nobody streams here, so the mark of a streamed list is a bookmark like any other. */
	assert_false(reflector_bookmark(&w.r, "151", true));
	reflector_ended(&w.r, w.now);
	assert_int_equal(ask(&w), 0);
	assert_non_null(strstr(w.path, "&resourceVersion=151"));
	assert_true(w.r.current);
	end(&w);
}

static void a_streamed_list(void **unused)
{
	struct world w = begin(true);
	(void)unused;
	ask(&w);
	assert_true(w.is_watch);
	assert_non_null(strstr(w.path, "&watch=true"));
	assert_non_null(strstr(w.path, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"));
	assert_null(strstr(w.path, "resourceVersion="));
	reflector_answered(&w.r);
	see(&w, "abc", "7");
	assert_false(reflector_bookmark(&w.r, "50", false));
	assert_false(w.r.complete || w.r.current);
	assert_true(reflector_bookmark(&w.r, "90", true));
	reflector_sweep(&w.r, on_gone, &w);
	assert_gone(&w, "");
	assert_true(w.r.complete && w.r.current);
	/* The same stream goes on as a watch. */
	see(&w, "d", "91");
	w.now = mono_add(w.now, SEC(300));
	reflector_ended(&w.r, w.now);
	assert_int_equal(ask(&w), 0);
	assert_non_null(strstr(w.path, "&resourceVersion=91"));
	assert_null(strstr(w.path, "sendInitialEvents"));
	/* Expired: streamed anew, and compared. */
	refuse(&w, 410, "Expired", "too old");
	assert_int_equal(ask(&w), 0);
	assert_non_null(strstr(w.path, "sendInitialEvents"));
	see(&w, "bd", "95");
	assert_gone(&w, "");
	assert_true(reflector_bookmark(&w.r, "400", true));
	reflector_sweep(&w.r, on_gone, &w);
	assert_gone(&w, "a,c,");
	end(&w);
}

static void a_server_that_cannot_stream_is_asked_for_pages(void **unused)
{
	static const int codes[] = { 400, 406, 422 };
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct world w = begin(true);
		ask(&w);
		refuse(&w, codes[i], "Invalid",
		       "sendInitialEvents is forbidden for watch unless the feature is on");
		assert_int_equal(w.r.trouble, TROUBLE_NONE);
		assert_int_equal(ask(&w), 0);
		assert_false(w.is_watch);
		assert_true(page(&w, "a", "1", NULL));
		end(&w);
	}
}

static void streams_that_end_or_break_half_way_become_pages(void **unused)
{
	(void)unused;
	for (int how = 0; how < 2; how++) {
		struct world w = begin(true);
		ask(&w);
		see(&w, "ab", "7");
		if (how == 0)
			reflector_ended(&w.r, w.now);
		else
			breaks(&w);
		assert_true(ask(&w) > 0);
		assert_false(w.is_watch);
		assert_true(page(&w, "bc", "9", NULL));
		assert_gone(&w, "a,");
		end(&w);
	}
	/* One that has brought nothing says nothing about streams. */
	struct world w = begin(true);
	ask(&w);
	breaks(&w);
	assert_true(ask(&w) > 0);
	assert_true(w.is_watch);
	end(&w);
}

/* What a stream has shown before it failed counts for nothing in the list that takes its place. */
static void a_stream_that_fails_half_way_is_forgotten(void **unused)
{
	struct world w = begin(true);
	(void)unused;
	ask(&w);
	see(&w, "ab", "7");
	refuse(&w, 500, "InternalError", "etcd cannot tell how far it is");
	assert_int_equal(ask(&w), 0);
	assert_false(w.is_watch);
	assert_true(page(&w, "bc", "9", NULL));
	assert_gone(&w, "a,");
	end(&w);
}

/* The shell gives up on a stream whose event it cannot read in the words of a version that is too old. */
static void a_stream_that_cannot_be_read_becomes_pages(void **unused)
{
	struct world w = begin(true);
	(void)unused;
	ask(&w);
	refuse(&w, 410, "", "");
	assert_true(ask(&w) > 0);
	assert_false(w.is_watch);
	end(&w);
}

static void pages_that_are_too_large_become_smaller(void **unused)
{
	static const char *const limits[] = { "&limit=62", "&limit=7", "&limit=1" };
	struct world w = begin(false);
	char expected[40];
	(void)unused;
	ask(&w);
	page(&w, "a", "10", "token");
	ask(&w);
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		assert_true(reflector_too_large(&w.r, w.now));
		assert_int_equal(ask(&w), 0);
		str_fmt(expected, sizeof expected, "%s&continue=token", limits[i]);
		assert_string_equal(strstr(w.path, "&limit="), expected);
	}
	assert_false(reflector_too_large(&w.r, w.now));
	page(&w, "b", "10", NULL);
	ask(&w);
	assert_true(w.is_watch);
	assert_false(reflector_too_large(&w.r, w.now));
	end(&w);
}

/* What a former life knew is believed until a list says otherwise. */
static void start_again_keeps_what_is_known(void **unused)
{
	struct world w = watching("abc");
	(void)unused;
	reflector_stop(&w.r);
	assert_int_equal(reflector_wake(&w.r).us, INT64_MAX);
	assert_false(w.r.current);
	reflector_start(&w.r, w.now);
	assert_string_equal(known(&w), "abc");
	assert_int_equal(ask(&w), 0);
	assert_true(page(&w, "c", "200", NULL));
	assert_gone(&w, "a,b,");
	end(&w);
}

static void there_is_a_cap(void **unused)
{
	struct world w = begin(false);
	char key[32];
	(void)unused;
	ask(&w);
	for (int i = 0; i < LIMIT_OBJECTS; i++) {
		str_fmt(key, sizeof key, "ns/%d", i);
		assert_int_equal(reflector_saw(&w.r, key, ""), 0);
	}
	assert_int_equal(reflector_saw(&w.r, "ns/more", ""), -ENOSPC);
	assert_int_equal(reflector_saw(&w.r, "ns/5", ""), 0);
	reflector_deleted(&w.r, "ns/5", "");
	assert_int_equal(reflector_saw(&w.r, "ns/more", ""), 0);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_then_a_watch),
		cmocka_unit_test(an_empty_token_ends_the_list),
		cmocka_unit_test(an_expired_token_begins_the_list_again),
		cmocka_unit_test(a_list_that_expires_for_ever_slows_down),
		cmocka_unit_test(a_watch_that_expires_lists_anew_at_once),
		cmocka_unit_test(watches_that_expire_for_ever_slow_down),
		cmocka_unit_test(bookmarks_move_the_version),
		cmocka_unit_test(a_streamed_list),
		cmocka_unit_test(a_server_that_cannot_stream_is_asked_for_pages),
		cmocka_unit_test(streams_that_end_or_break_half_way_become_pages),
		cmocka_unit_test(a_stream_that_fails_half_way_is_forgotten),
		cmocka_unit_test(a_stream_that_cannot_be_read_becomes_pages),
		cmocka_unit_test(pages_that_are_too_large_become_smaller),
		cmocka_unit_test(start_again_keeps_what_is_known),
		cmocka_unit_test(there_is_a_cap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
