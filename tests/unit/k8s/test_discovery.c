/* What API servers of all ages say of themselves, and what others say instead. The answers lie in replay/. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "watcher/k8s/discovery.h"

static char *replay(const char *name, size_t *len)
{
	char path[400], *data = malloc(1 << 16);
	str_fmt(path, sizeof path, "%s/tests/unit/k8s/replay/%s", getenv("INGOT_SOURCE_DIR"), name);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(data);
	*len = fread(data, 1, 1 << 16, f);
	fclose(f);
	return data;
}

static int take(struct discovery *d, bool is_version, const char *name, char error[static 200])
{
	size_t len;
	char *data = replay(name, &len);
	error[0] = 0;
	int rc = is_version ? discovery_take_version(d, data, len, error, 200)
			    : discovery_take_groups(d, data, len, error, 200);
	free(data);
	return rc;
}

static const char *const known[] = {
	"v1",
	"discovery.k8s.io/v1",
	"discovery.k8s.io/v1beta1",
	"coordination.k8s.io/v1",
	"coordination.k8s.io/v1beta1",
	"events.k8s.io/v1",
	"events.k8s.io/v1beta1",
	"apiextensions.k8s.io/v1",
	"metallb.io/v1beta1",
	"metallb.io/v1beta2",
};

static void servers_of_all_ages(void **unused)
{
	static const struct {
		const char *version, *groups, *text;
		unsigned minor;
		bool streams;
		const char *has; /* one digit for each that is known */
	} cases[] = {
		{ "version-1.13.json", "apis-1.13.json", "v1.13.12", 13, false, "1000101000" },
		{ "version-1.19.json", "apis-1.19.json", "v1.19.16-eks-1", 19, false, "1011111110" },
		{ "version-1.34.json", "apis-1.34.json", "v1.34.1", 34, true, "1101010111" },
	};
	struct discovery d;
	char error[200];
	(void)unused;
	discovery_init(&d);
	assert_true(discovery_has(&d, "v1"));
	assert_false(discovery_has(&d, "coordination.k8s.io/v1"));
	assert_false(discovery_streams_lists(&d));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		/* Each replaces the one before it, as after an upgrade. */
		assert_int_equal(take(&d, true, cases[i].version, error), 0);
		assert_int_equal(take(&d, false, cases[i].groups, error), 0);
		assert_string_equal(d.version, cases[i].text);
		assert_int_equal(d.major, 1);
		assert_int_equal(d.minor, cases[i].minor);
		assert_int_equal(discovery_streams_lists(&d), cases[i].streams);
		for (size_t k = 0; k < ARRAY_LEN(known); k++)
			assert_int_equal(discovery_has(&d, known[k]), cases[i].has[k] == '1');
	}
	discovery_fini(&d);
}

static void others_change_nothing(void **unused)
{
	struct discovery d;
	char error[200];
	(void)unused;
	discovery_init(&d);
	assert_int_equal(take(&d, true, "version-1.34.json", error), 0);
	assert_int_equal(take(&d, false, "apis-1.34.json", error), 0);
	assert_int_equal(take(&d, true, "proxy.html", error), -EINVAL);
	assert_non_null(strstr(error, "expected JSON, found \"<html>\\x0d\\x0a<head>"));
	assert_int_equal(take(&d, false, "proxy.html", error), -EINVAL);
	assert_non_null(strstr(error, "<html>"));
	assert_int_equal(take(&d, true, "empty", error), -EINVAL);
	assert_string_equal(error, "expected JSON, found \"\"");
	assert_int_equal(take(&d, false, "empty", error), -EINVAL);
	/* One for the other. */
	assert_int_equal(take(&d, true, "apis-1.19.json", error), -EINVAL);
	assert_string_equal(error, "no gitVersion in the answer to /version");
	assert_int_equal(take(&d, false, "version-1.19.json", error), -EINVAL);
	assert_string_equal(error, "no list of groups in the answer to /apis");
	assert_string_equal(d.version, "v1.34.1");
	assert_true(discovery_has(&d, "metallb.io/v1beta2"));
	/* A server that has no groups is one all the same. */
	assert_int_equal(take(&d, false, "apis-none.json", error), 0);
	assert_false(discovery_has(&d, "metallb.io/v1beta2"));
	assert_true(discovery_has(&d, "v1"));
	discovery_fini(&d);
}

/* Broken in every place: an error, or what is readable. */
static void every_prefix_of_an_answer(void **unused)
{
	struct discovery d;
	char error[200];
	size_t len;
	char *data = replay("apis-1.34.json", &len);
	(void)unused;
	discovery_init(&d);
	while (len > 0 && data[len - 1] == '\n')
		len--;
	for (size_t n = 0; n < len; n += n < 200 ? 1 : 37)
		assert_int_equal(discovery_take_groups(&d, data, n, error, sizeof error), -EINVAL);
	assert_int_equal(discovery_take_groups(&d, data, len, error, sizeof error), 0);
	free(data);
	discovery_fini(&d);
}

static void odd_answers(void **unused)
{
	static const struct {
		const char *json;
		unsigned major, minor;
	} versions[] = {
		{ "{\"gitVersion\":\"v2.0.0\",\"major\":\"2\",\"minor\":\"0\"}", 2, 0 },
		{ "{\"gitVersion\":\"v1.40.0\",\"major\":\"1\",\"minor\":\"40-rc\"}", 1, 40 },
		{ "{\"gitVersion\":\"x\",\"major\":\"\",\"minor\":\"+34\"}", 0, 0 },
		{ "{\"gitVersion\":\"x\",\"major\":1,\"minor\":34}", 0, 0 },
		{ "{\"gitVersion\":\"x\",\"major\":\"1\",\"minor\":\"99999999999999999999\"}", 1, 0 },
	};
	static const char *const groups[] = {
		"{\"groups\":[1,null,{},[],{\"versions\":3},{\"versions\":[7,{}]}]}",
		"{\"groups\":[{\"versions\":[{\"groupVersion\":5},"
		"{\"groupVersion\":\"\"}]}]}"
	};
	struct discovery d;
	char error[200];
	(void)unused;
	discovery_init(&d);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		const char *json = versions[i].json;
		assert_int_equal(discovery_take_version(&d, json, strlen(json), error, sizeof error), 0);
		assert_int_equal(d.major, versions[i].major);
		assert_int_equal(d.minor, versions[i].minor);
	}
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		assert_int_equal(discovery_take_groups(&d, groups[i], strlen(groups[i]), error, sizeof error),
				 0);
	discovery_fini(&d);
}

static void there_is_a_cap(void **unused)
{
	struct discovery d;
	struct strbuf b = { 0 };
	char error[200];
	(void)unused;
	discovery_init(&d);
	strbuf_add(&b, "{\"groups\":[");
	for (int i = 0; i < 5000; i++)
		strbuf_fmt(&b, "%s{\"versions\":[{\"groupVersion\":\"g%d/v1\"}]}", i ? "," : "", i);
	strbuf_add(&b, "]}");
	assert_int_equal(discovery_take_groups(&d, b.s, b.len, error, sizeof error), 0);
	assert_int_equal(map_len(&d.versions), 4096);
	strbuf_fini(&b);
	discovery_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_of_all_ages),
		cmocka_unit_test(others_change_nothing),
		cmocka_unit_test(every_prefix_of_an_answer),
		cmocka_unit_test(odd_answers),
		cmocka_unit_test(there_is_a_cap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
