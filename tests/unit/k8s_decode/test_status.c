/* Answers that are no success: from API servers, from proxies, from nobody in particular. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "tests/unit/k8s_decode/dump.h"
#include "tests/unit/k8s_decode/sample.h"

#define JSON	 "application/json"
#define PROTOBUF "application/vnd.kubernetes.protobuf"

static const struct {
	int status;
	const char *type, *body, *expected;
} cases[] = {
	{ 403, JSON,
	  "{\"kind\":\"Status\",\"message\":\"services is forbidden\",\"reason\":\"Forbidden\",\"code\":403}",
	  "status 403, reason Forbidden, retry -1: services is forbidden\n" },
	{ 429, JSON,
	  "{\"message\":\"slow down\",\"reason\":\"TooManyRequests\",\"details\":{\"retryAfterSeconds\":7},"
	  "\"code\":429}",
	  "status 429, reason TooManyRequests, retry 7: slow down\n" },
	{ 429, JSON, "{\"message\":\"m\",\"details\":{\"retryAfterSeconds\":-5},\"code\":99999999999}",
	  "status 429, reason , retry -1: m\n" },
	{ 409, JSON, "{\"message\":\"a\\nb\\u0000c\\u001b[31m\",\"code\":\"x\",\"details\":[]}",
	  "status 409, reason , retry -1: a\\x0ab\\x00c\\x1b[31m\n" },
	{ 500, JSON, "{\"message\":5}",
	  "status 500, reason , retry -1: not from an API server: {\"message\":5}\n" },
	{ 502, "text/html",
	  "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>Sorry &amp; "
	  "bye</h1>",
	  "status 502, reason , retry -1: not from an API server: 502 Bad Gateway Sorry &amp; bye\n" },
	{ 503, "text/plain", "no healthy upstream\n",
	  "status 503, reason , retry -1: not from an API server: no healthy upstream\n" },
	{ 504, "", "", "status 504, reason , retry -1: no message\n" },
	{ 504, "text/html", "<html", "status 504, reason , retry -1: no message\n" },
	{ 500, JSON, "", "status 500, reason , retry -1: no message\n" },
	{ 500, JSON, "{\"message\":\"cut of",
	  "status 500, reason , retry -1: not from an API server: {\"message\":\"cut of\n" },
	{ 500, PROTOBUF, "\x01\xfe rubbish",
	  "status 500, reason , retry -1: not from an API server: \\x01\\xfe rubbish\n" },
	{ 500, PROTOBUF, "k8s", "status 500, reason , retry -1: not from an API server: k8s\n" },
};

static void check(int status, const char *type, const void *data, size_t len, const char *expected)
{
	struct api_status s;
	struct strbuf out = { 0 };
	decode_status(status, type, data, len, &s);
	dump_status(&s, &out);
	assert_string_equal(strbuf_get(&out), expected);
	strbuf_fini(&out);
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(cases[i].status, cases[i].type, cases[i].body, strlen(cases[i].body),
		      cases[i].expected);
}

static void test_protobuf(void **state)
{
	(void)state;
	struct strbuf raw = { 0 }, out = { 0 };
	sample_message("{\"message\":\"slow down\",\"reason\":\"TooManyRequests\","
		       "\"details\":{\"retryAfterSeconds\":7},\"code\":429}",
		       "Status", &raw);
	sample_envelope("v1", "Status", &raw, &out);
	check(400, PROTOBUF, out.s, out.len, "status 429, reason TooManyRequests, retry 7: slow down\n");
	strbuf_fini(&raw);
	strbuf_fini(&out);
}

/* Nothing is larger than its place. */
static void test_long(void **state)
{
	(void)state;
	struct strbuf b = { 0 };
	struct api_status s;
	strbuf_add(&b, "{\"message\":\"");
	for (int i = 0; i < 10000; i++)
		strbuf_add(&b, "\xc3\xa4");
	strbuf_add(&b, "\",\"reason\":\"");
	for (int i = 0; i < 1000; i++)
		strbuf_add(&b, "r");
	decode_status(500, "text/plain", b.s, b.len, &s);
	assert_true(strlen(s.message) < 512 && str_is_utf8(s.message, strlen(s.message)));
	strbuf_add(&b, "\"}");
	decode_status(500, JSON, b.s, b.len, &s);
	assert_int_equal(strlen(s.message), 510); /* not half a letter */
	assert_int_equal(strlen(s.reason), 63);
	strbuf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_cases), cmocka_unit_test(test_protobuf),
					    cmocka_unit_test(test_long) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
