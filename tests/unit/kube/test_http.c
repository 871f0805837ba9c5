/* Requests and answers over HTTP/1.1: what is sent, what is collected, what is capped, how streams end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

static void assert_has(const char *text, const char *piece)
{
	if (!strstr(text, piece))
		fail_msg("\"%s\" is not in: %s", piece, text);
}

static void test_a_request(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	house_client(h, "http", h->port[PLAIN], "", "token: secret-word");
	const struct http_request r = { .method = "PATCH",
					.path = "/echo?fieldManager=ingot&x=a%2Fb",
					.accept = "application/json;as=Table",
					.content_type = "application/merge-patch+json",
					.body = "{\"a\":1}",
					.body_len = 7,
					.timeout_ms = 5000 };
	house_call(h, &o, &r, false);
	assert_int_equal(o.answer.failure, HTTP_OK);
	assert_int_equal(o.answer.status, 200);
	assert_string_equal(o.error, "");
	assert_string_equal(o.content_type, "application/json");
	assert_int_equal(o.answer.retry_after_ms, -1);
	assert_has(o.body, "\"method\": \"PATCH\"");
	assert_has(o.body, "\"target\": \"/echo?fieldManager=ingot&x=a%2Fb\"");
	assert_has(o.body, "\"authorization\": \"Bearer secret-word\"");
	assert_has(o.body, "\"accept\": \"application/json;as=Table\"");
	assert_has(o.body, "\"content-type\": \"application/merge-patch+json\"");
	assert_has(o.body, "\"user-agent\": \"ingot/" INGOT_VERSION "\"");
	assert_has(o.body, "\"body\": \"{\\\"a\\\":1}\"");
	assert_null(strstr(o.body, "expect"));
	assert_null(strstr(o.body, "accept-encoding"));
	outcome_fini(&o);
	house_get(h, &o, "/echo");
	assert_has(o.body, "\"accept\": \"application/json\"");
	assert_null(strstr(o.body, "content-type"));
	outcome_fini(&o);
	assert_int_equal(house_metric(h, "ingot_kube_requests_total{method=\"PATCH\",code=\"200\"}"), 1);
	assert_int_equal(house_metric(h, "ingot_kube_connections_total"), 1);
}

static void test_methods_with_and_without_body(void **state)
{
	struct house *h = *state;
	static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
	house_client_to(h, PLAIN);
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		for (size_t len = 0; len < 6; len += 5) {
			struct outcome o = { 0 };
			char want[64];
			const struct http_request r = { .method = methods[i],
							.path = "/echo",
							.body = "hello",
							.body_len = len,
							.timeout_ms = 5000 };
			house_call(h, &o, &r, false);
			assert_int_equal(o.answer.status, 200);
			snprintf(want, sizeof want, "\"method\": \"%s\"", methods[i]);
			assert_has(o.body, want);
			assert_has(o.body, len ? "\"body\": \"hello\"" : "\"body\": \"\"");
			outcome_fini(&o);
		}
}

static void test_a_large_body_goes_out_at_once(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	size_t len = 2 << 20;
	char *body = malloc(len);
	assert_non_null(body);
	memset(body, 'x', len);
	house_client_to(h, PLAIN);
	const struct http_request r = {
		.method = "PUT", .path = "/echo", .body = body, .body_len = len, .timeout_ms = 10000
	};
	house_call(h, &o, &r, false);
	assert_int_equal(o.answer.status, 200);
	assert_true(o.answer.len > len);
	assert_null(strstr(o.body, "\"expect\""));
	outcome_fini(&o);
	free(body);
}

static void test_basic_credentials(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	house_client(h, "http", h->port[PLAIN], "", "username: me, password: 'a:b'");
	house_get(h, &o, "/echo");
	assert_has(o.body, "\"authorization\": \"Basic bWU6YTpi\"");
	outcome_fini(&o);
}

static void test_a_stream(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	house_client_to(h, PLAIN);
	const struct http_request r = { .method = "GET", .path = "/chunks?n=1000", .silence_ms = 5000 };
	house_call(h, &o, &r, true);
	assert_int_equal(o.answer.failure, HTTP_OK);
	assert_int_equal(o.answer.len, 0);
	assert_string_equal(o.content_type, "application/json;stream=watch");
	assert_has(strbuf_get(&o.data), "{\"n\": 0}\n{\"n\": 1}\n");
	assert_has(strbuf_get(&o.data), "{\"n\": 999}\n");
	assert_int_equal(house_metric(h, "ingot_kube_streams"), 0);
	outcome_fini(&o);
}

static void test_errors_are_collected_and_capped(void **state)
{
	struct house *h = *state;
	static const struct {
		const char *path;
		int status;
		size_t len;
		int64_t retry_ms;
	} cases[] = {
		{ "/status?code=404", 404, 10, -1 },
		{ "/status?code=409&size=65536", 409, HTTP_MAX_ERROR, -1 },
		{ "/status?code=500&size=65537", 500, HTTP_MAX_ERROR, -1 },
		{ "/status?code=503&size=1000000&retry=7", 503, HTTP_MAX_ERROR, 7000 },
		{ "/status?code=429&retry=1", 429, 10, 1000 },
		{ "/status?code=429&retry=99999999", 429, 10, 86400000 },
		{ "/redirect", 302, 0, -1 },
	};
	house_client_to(h, PLAIN);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (int streamed = 0; streamed < 2; streamed++) {
			struct outcome o = { 0 };
			const struct http_request r = { .method = "GET",
							.path = cases[i].path,
							.timeout_ms = 5000 };
			house_call(h, &o, &r, streamed);
			assert_int_equal(o.answer.failure, HTTP_OK);
			assert_int_equal(o.answer.status, cases[i].status);
			assert_int_equal(o.answer.len, cases[i].len);
			assert_int_equal(o.answer.retry_after_ms, cases[i].retry_ms);
			assert_int_equal(o.n_data, 0);
			outcome_fini(&o);
		}
	assert_int_equal(house_metric(h, "ingot_kube_failures_total{reason=\"broken\"}"), -1);
}

static void test_an_answer_for_browsers(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	house_client_to(h, PLAIN);
	house_get(h, &o, "/html");
	assert_int_equal(o.answer.status, 200);
	assert_string_equal(o.content_type, "text/html; charset=utf-8");
	assert_has(o.body, "<html>");
	outcome_fini(&o);
}

static void test_an_answer_that_is_too_large(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	char path[64];
	house_client_to(h, PLAIN);
	snprintf(path, sizeof path, "/big?bytes=%d", HTTP_MAX_BODY);
	house_get(h, &o, path);
	assert_int_equal(o.answer.failure, HTTP_OK);
	assert_int_equal(o.answer.len, HTTP_MAX_BODY);
	outcome_fini(&o);
	snprintf(path, sizeof path, "/big?bytes=%d", HTTP_MAX_BODY + 1);
	house_get(h, &o, path);
	assert_int_equal(o.answer.failure, HTTP_TOO_LARGE);
	assert_has(o.error, "the answer has more than 64 MiB");
	assert_int_equal(house_metric(h, "ingot_kube_failures_total{reason=\"too_large\"}"), 1);
	outcome_fini(&o);
}

static void test_a_new_token(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	house_write(h, "token", " old-word \n");
	house_write(h, "accepted", "Bearer old-word");
	house_client(h, "http", h->port[PLAIN], "", "tokenFile: token");
	long before = house_count(h, "requests");
	house_get(h, &o, "/auth");
	assert_int_equal(o.answer.status, 200);
	outcome_fini(&o);
	/* Within the second in which nobody looks at the file: the server's refusal is what makes us look. */
	house_write(h, "token", "new-word");
	house_write(h, "accepted", "Bearer new-word");
	house_get(h, &o, "/auth");
	assert_int_equal(o.answer.status, 200);
	outcome_fini(&o);
	/* Three requests so far, of which one was refused, and the two questions. */
	assert_int_equal(house_count(h, "requests") - before, 4);
	/* No newer token: the caller is told, and nothing is asked twice. */
	house_write(h, "accepted", "Bearer another");
	house_get(h, &o, "/auth");
	assert_int_equal(o.answer.status, 401);
	outcome_fini(&o);
	assert_int_equal(house_count(h, "requests") - before, 6);
	/* A newer one that is refused as well: once is enough. */
	house_write(h, "token", "newer-word");
	house_get(h, &o, "/auth");
	assert_int_equal(o.answer.status, 401);
	outcome_fini(&o);
	assert_int_equal(house_count(h, "requests") - before, 9);
}

static void test_many_at_once(void **state)
{
	struct house *h = *state;
	enum { N = 300 };
	static struct outcome o[N];
	size_t left = N;
	house_client_to(h, PLAIN);
	long before = house_count(h, "connections");
	for (int i = 0; i < N; i++) {
		const struct http_request r = { .method = "GET", .path = "/chunks?n=3", .timeout_ms = 15000 };
		o[i].left = &left;
		house_begin(h, &o[i], &r, i % 2);
	}
	assert_int_equal(http_in_flight(h->http), N);
	house_wait(h, &left);
	assert_int_equal(http_in_flight(h->http), 0);
	for (int i = 0; i < N; i++) {
		assert_int_equal(o[i].answer.failure, HTTP_OK);
		assert_string_equal(i % 2 ? strbuf_get(&o[i].data) : o[i].body,
				    "{\"n\": 0}\n{\"n\": 1}\n{\"n\": 2}\n");
		outcome_fini(&o[i]);
	}
	assert_true(house_count(h, "connections") - before <= 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_a_request, house_clear),
		cmocka_unit_test_teardown(test_methods_with_and_without_body, house_clear),
		cmocka_unit_test_teardown(test_a_large_body_goes_out_at_once, house_clear),
		cmocka_unit_test_teardown(test_basic_credentials, house_clear),
		cmocka_unit_test_teardown(test_a_stream, house_clear),
		cmocka_unit_test_teardown(test_errors_are_collected_and_capped, house_clear),
		cmocka_unit_test_teardown(test_an_answer_for_browsers, house_clear),
		cmocka_unit_test_teardown(test_an_answer_that_is_too_large, house_clear),
		cmocka_unit_test_teardown(test_a_new_token, house_clear),
		cmocka_unit_test_teardown(test_many_at_once, house_clear),
	};
	return cmocka_run_group_tests(tests, house_open, house_close);
}
