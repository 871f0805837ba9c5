/* How calls end when they do not end well: no route, half answers, silence, cancelling, a server that
 * restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

static void assert_has(const char *text, const char *piece)
{
	if (!strstr(text, piece))
		fail_msg("\"%s\" is not in: %s", piece, text);
}

static void test_nobody_listens(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	house_client(h, "https", 1, "", "");
	house_get(h, &o, "/echo");
	assert_int_equal(o.answer.failure, HTTP_NO_ROUTE);
	assert_int_equal(o.answer.status, 0);
	assert_has(o.error, "https://127.0.0.1:1: ");
	assert_int_equal(house_metric(h, "ingot_kube_failures_total{reason=\"no_route\"}"), 1);
	assert_int_equal(house_metric(h, "ingot_kube_requests_total{method=\"GET\",code=\"0\"}"), 1);
	outcome_fini(&o);
}

static void test_half_an_answer(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	house_client_to(h, PLAIN);
	const struct http_request r = { .method = "GET", .path = "/truncated", .silence_ms = 5000 };
	house_call(h, &o, &r, true);
	assert_int_equal(o.answer.failure, HTTP_BROKEN);
	assert_int_equal(o.answer.status, 200);
	assert_string_equal(strbuf_get(&o.data), "half of it");
	assert_has(o.error, "http://127.0.0.1:");
	outcome_fini(&o);
	house_get(h, &o, "/truncated");
	assert_int_equal(o.answer.failure, HTTP_BROKEN);
	outcome_fini(&o);
	house_get(h, &o, "/garbage");
	assert_int_equal(o.answer.failure, HTTP_BROKEN);
	outcome_fini(&o);
}

static void test_a_stream_that_falls_silent(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	house_client_to(h, PLAIN);
	mono_t start = loop_clock();
	const struct http_request r = { .method = "GET", .path = "/silent", .silence_ms = 300 };
	house_call(h, &o, &r, true);
	assert_int_equal(o.answer.failure, HTTP_TIMEOUT);
	assert_string_equal(strbuf_get(&o.data), "first\n");
	assert_has(o.error, "no byte came for 300 ms");
	assert_true(mono_sub(loop_clock(), start) >= MS(300));
	outcome_fini(&o);
}

static void test_no_answer_in_time(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	house_client_to(h, PLAIN);
	const struct http_request r = { .method = "GET", .path = "/hang", .timeout_ms = 200 };
	house_call(h, &o, &r, false);
	assert_int_equal(o.answer.failure, HTTP_TIMEOUT);
	assert_int_equal(o.answer.status, 0);
	assert_has(o.error, "no whole answer for 200 ms");
	outcome_fini(&o);
	/* The time counts from the start, also for those that still wait for a connection. */
	enum { N = 40 };
	struct outcome many[N] = { 0 };
	size_t left = N;
	for (int i = 0; i < N; i++) {
		many[i].left = &left;
		house_begin(h, &many[i], &r, false);
	}
	mono_t start = loop_clock();
	house_wait(h, &left);
	assert_true(mono_sub(loop_clock(), start) < SEC(5));
	for (int i = 0; i < N; i++) {
		assert_int_equal(many[i].answer.failure, HTTP_TIMEOUT);
		outcome_fini(&many[i]);
	}
}

static void cancel_itself(struct outcome *o)
{
	http_cancel(o->call);
	--*o->left;
	loop_stop(o->loop);
}

static void test_cancel_in_data(void **state)
{
	struct house *h = *state;
	struct outcome o = { .on_data = cancel_itself };
	size_t left = 1;
	const struct http_request r = { .method = "GET", .path = "/chunks?n=100", .silence_ms = 5000 };
	house_client_to(h, PLAIN);
	o.left = &left;
	house_begin(h, &o, &r, true);
	house_wait(h, &left);
	assert_int_equal(http_in_flight(h->http), 0);
	assert_int_equal(o.n_data, 1);
	assert_int_equal(house_metric(h, "ingot_kube_streams"), 0);
	/* Nothing more of it comes while others go on. */
	assert_true(house_count(h, "requests") > 0);
	assert_int_equal(o.n_data, 1);
	assert_false(o.done);
	outcome_fini(&o);
}

static void cancel_the_other(struct outcome *o)
{
	struct outcome *other = o->more;
	http_cancel(other->call);
	other->call = NULL;
}

static void cancel_all(struct outcome *o)
{
	/* Its own end is being told: that is nothing to cancel. */
	http_cancel(o->call);
	cancel_the_other(o);
}

static void test_cancel_others(void **state)
{
	struct house *h = *state;
	const struct http_request stream = { .method = "GET", .path = "/silent" },
				  chunks = { .method = "GET", .path = "/chunks?n=2", .timeout_ms = 5000 };
	house_client_to(h, PLAIN);
	for (int in_done = 0; in_done < 2; in_done++) {
		size_t left = 1;
		struct outcome victim = { .left = &left }, o = { .left = &left, .more = &victim };
		if (in_done)
			o.on_done = cancel_all;
		else
			o.on_data = cancel_the_other;
		house_begin(h, &victim, &stream, true);
		house_begin(h, &o, &chunks, true);
		house_wait(h, &left);
		assert_true(o.done);
		assert_false(victim.done);
		assert_int_equal(http_in_flight(h->http), 0);
		outcome_fini(&o);
		outcome_fini(&victim);
	}
}

static void test_cancel_before_it_begins(void **state)
{
	struct house *h = *state;
	size_t left = 1;
	struct outcome o = { .left = &left };
	const struct http_request r = { .method = "GET", .path = "/echo", .timeout_ms = 5000 };
	house_client_to(h, PLAIN);
	long before = house_count(h, "requests");
	house_begin(h, &o, &r, false);
	http_cancel(o.call);
	http_cancel(NULL);
	assert_int_equal(http_in_flight(h->http), 0);
	assert_int_equal(house_count(h, "requests") - before, 1);
	assert_false(o.done);
}

struct chain {
	struct house *house;
	size_t left;
	struct outcome next;
};

static void start_the_next(struct outcome *o)
{
	struct chain *c = o->more;
	const struct http_request r = { .method = "GET", .path = "/echo", .timeout_ms = 5000 };
	c->next.left = &c->left;
	house_begin(c->house, &c->next, &r, false);
	assert_false(c->next.done);
	o->on_data = NULL;
}

static void test_start_in_callbacks(void **state)
{
	struct house *h = *state;
	const struct http_request r = { .method = "GET", .path = "/chunks?n=2", .timeout_ms = 5000 };
	house_client_to(h, PLAIN);
	for (int in_done = 0; in_done < 2; in_done++) {
		struct chain c = { .house = h, .left = 2 };
		struct outcome o = { .left = &c.left, .more = &c };
		if (in_done)
			o.on_done = start_the_next;
		else
			o.on_data = start_the_next;
		house_begin(h, &o, &r, true);
		house_wait(h, &c.left);
		assert_int_equal(c.next.answer.status, 200);
		outcome_fini(&c.next);
		outcome_fini(&o);
	}
}

static void test_a_client_that_goes_first(void **state)
{
	struct house *h = *state;
	size_t left = 3;
	struct outcome o[3] = { 0 };
	static const char *const paths[] = { "/silent", "/hang", "/echo" };
	house_client_to(h, PLAIN);
	assert_true(house_count(h, "requests") > 0);
	for (int i = 0; i < 3; i++) {
		const struct http_request r = { .method = "GET", .path = paths[i] };
		o[i].left = &left;
		house_begin(h, &o[i], &r, false);
	}
	house_clear(state);
	for (int i = 0; i < 3; i++)
		assert_false(o[i].done);
}

static void stop_waiting(struct outcome *o)
{
	loop_stop(o->loop);
}

static void test_a_server_that_restarts(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 }, stream = { 0 };
	size_t left;
	const struct http_request r = { .method = "GET", .path = "/silent" };
	static const enum listener both[] = { PLAIN, TLS };
	for (int i = 0; i < 2; i++) {
		house_client_to(h, both[i]);
		house_get(h, &o, "/echo");
		assert_int_equal(o.answer.status, 200);
		outcome_fini(&o);
		left = 1;
		stream.left = &left;
		stream.on_data = stop_waiting;
		house_begin(h, &stream, &r, true);
		loop_run(h->loop);
		assert_int_equal(stream.n_data, 1);
		house_stop(h);
		house_wait(h, &left);
		assert_int_equal(stream.answer.failure, HTTP_BROKEN);
		outcome_fini(&stream);
		house_get(h, &o, "/echo");
		assert_int_equal(o.answer.failure, HTTP_NO_ROUTE);
		outcome_fini(&o);
		house_start(h);
		house_get(h, &o, "/echo");
		assert_int_equal(o.answer.status, 200);
		outcome_fini(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_nobody_listens, house_clear),
		cmocka_unit_test_teardown(test_half_an_answer, house_clear),
		cmocka_unit_test_teardown(test_a_stream_that_falls_silent, house_clear),
		cmocka_unit_test_teardown(test_no_answer_in_time, house_clear),
		cmocka_unit_test_teardown(test_cancel_in_data, house_clear),
		cmocka_unit_test_teardown(test_cancel_others, house_clear),
		cmocka_unit_test_teardown(test_cancel_before_it_begins, house_clear),
		cmocka_unit_test_teardown(test_start_in_callbacks, house_clear),
		cmocka_unit_test_teardown(test_a_client_that_goes_first, house_clear),
		cmocka_unit_test_teardown(test_a_server_that_restarts, house_clear),
	};
	return cmocka_run_group_tests(tests, house_open, house_close);
}
