/* What a real API server (1.34) said: recorded/NAME.{list,page,watch}.{json,pb} give exactly NAME.*.expected,
 * in both encodings where there are both. INGOT_GOLDEN_WRITE=1 writes them anew; a reviewer reads them. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "tests/unit/k8s_decode/dump.h"
#include "tests/unit/k8s_decode/sample.h"

#define FOLDER "tests/unit/k8s_decode/recorded"

static const struct {
	const char *resource;
	enum kind kind;
} resources[] = {
	{ "services", KIND_SERVICE },
	{ "endpointslices", KIND_ENDPOINTS },
	{ "endpoints", KIND_ENDPOINTS },
	{ "nodes", KIND_NODE },
	{ "namespaces", KIND_NAMESPACE },
	{ "secrets", KIND_SECRET },
	{ "configmaps", KIND_CONFIG_MAP },
	{ "ipaddresspools", KIND_POOL },
	{ "l2advertisements", KIND_L2_ADVERTISEMENT },
	{ "bgpadvertisements", KIND_BGP_ADVERTISEMENT },
	{ "bgppeers", KIND_BGP_PEER },
	{ "bfdprofiles", KIND_BFD_PROFILE },
	{ "communities", KIND_COMMUNITY },
	{ "too-old", KIND_SERVICE },
	{ "stream-refused", KIND_SERVICE },
};

static void write_expected(const char *path, const struct strbuf *text)
{
	char full[4096];
	const char *root = getenv("INGOT_SOURCE_DIR");
	str_fmt(full, sizeof full, "%s/%s", root ? root : ".", path);
	FILE *f = fopen(full, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(strbuf_get(text), 1, text->len, f), text->len);
	fclose(f);
}

/* False: there is no such recording. */
static bool check(const char *resource, enum kind k, const char *what, enum encoding e)
{
	char path[512], expected_path[512];
	struct strbuf data = { 0 }, out = { 0 }, expected = { 0 };
	str_fmt(path, sizeof path, FOLDER "/%s.%s.%s", resource, what, e == ENCODING_JSON ? "json" : "pb");
	str_fmt(expected_path, sizeof expected_path, FOLDER "/%s.%s.expected", resource, what);
	if (!sample_read(path, &data))
		return false;
	(strcmp(what, "watch") == 0 ? dump_stream : dump_list)(k, e, strbuf_get(&data), data.len, &out);
	if (getenv("INGOT_GOLDEN_WRITE"))
		write_expected(expected_path, &out);
	assert_true(sample_read(expected_path, &expected));
	if (strcmp(strbuf_get(&out), strbuf_get(&expected)) != 0)
		fail_msg("%s: got\n%s\nexpected\n%s", path, strbuf_get(&out), strbuf_get(&expected));
	strbuf_fini(&data);
	strbuf_fini(&out);
	strbuf_fini(&expected);
	return true;
}

static void test_recorded(void **state)
{
	(void)state;
	static const char *const what[] = { "list", "page", "watch" };
	size_t n_json = 0, n_protobuf = 0;
	for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
		for (size_t w = 0; w < ARRAY_LEN(what); w++) {
			n_json += check(resources[i].resource, resources[i].kind, what[w], ENCODING_JSON);
			n_protobuf +=
			    check(resources[i].resource, resources[i].kind, what[w], ENCODING_PROTOBUF);
		}
	}
	assert_int_equal(n_json, 26);
	assert_int_equal(n_protobuf, 17);
}

static void test_status(void **state)
{
	(void)state;
	static const struct {
		const char *name, *status;
		int code;
	} cases[] = {
		{ "missing", "status 404, reason NotFound, retry -1: services \"nobody\" not found\n", 404 },
		{ "unauthorized", "status 401, reason Unauthorized, retry -1: Unauthorized\n", 401 },
	};
	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		char path[512];
		struct strbuf data = { 0 }, out = { 0 };
		struct api_status s;
		bool json = i % 2;
		str_fmt(path, sizeof path, FOLDER "/%s.status.%s", cases[i / 2].name, json ? "json" : "pb");
		assert_true(sample_read(path, &data));
		decode_status(599, json ? "application/json" : "application/vnd.kubernetes.protobuf",
			      strbuf_get(&data), data.len, &s);
		dump_status(&s, &out);
		assert_string_equal(strbuf_get(&out), cases[i / 2].status);
		assert_int_equal(s.code, cases[i / 2].code);
		strbuf_fini(&data);
		strbuf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_recorded), cmocka_unit_test(test_status) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
