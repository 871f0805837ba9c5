/* Quarantine notes, and the JSON of the status store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "watcher/quarantine.h"
#include "watcher/reports_json.h"
#include "watcher/status_json.h"

static struct quarantine_mark mark;

/* A life that dies while it reads: its notes are what the next one begins with. */
static void next_life(struct quarantine *q)
{
	struct strbuf text = { 0 };
	quarantine_print(q, &text);
	quarantine_fini(q);
	quarantine_init(q);
	quarantine_parse(q, strbuf_get(&text), text.len);
	quarantine_resume(q, &mark);
	strbuf_fini(&text);
}

static void test_two_deaths(void **state)
{
	(void)state;
	struct quarantine q;
	quarantine_init(&q);
	q.files = 3;
	assert_true(quarantine_enter(&q, &mark, "good.yaml", "g", 1));
	quarantine_leave(&q, &mark, "good.yaml");
	assert_true(quarantine_enter(&q, &mark, "sub/bad one.yaml", "poison", 6));
	next_life(&q);
	assert_int_equal(q.files, 3);
	assert_true(quarantine_enter(&q, &mark, "good.yaml", "g", 1));
	quarantine_leave(&q, &mark, "good.yaml");
	assert_true(quarantine_enter(&q, &mark, "sub/bad one.yaml", "poison", 6));
	next_life(&q);
	for (int life = 0; life < 3; life++) {
		assert_true(quarantine_enter(&q, &mark, "good.yaml", "g", 1));
		quarantine_leave(&q, &mark, "good.yaml");
		assert_false(quarantine_enter(&q, &mark, "sub/bad one.yaml", "poison", 6));
		next_life(&q);
	}
	/* Changed: it gets its two chances again. */
	assert_true(quarantine_enter(&q, &mark, "sub/bad one.yaml", "cured", 5));
	quarantine_leave(&q, &mark, "sub/bad one.yaml");
	assert_true(quarantine_enter(&q, &mark, "sub/bad one.yaml", "poison", 6));
	quarantine_fini(&q);
}

static void test_one_death(void **state)
{
	(void)state;
	struct quarantine q;
	quarantine_init(&q);
	assert_true(quarantine_enter(&q, &mark, "a.yaml", "x", 1));
	next_life(&q);
	assert_true(quarantine_enter(&q, &mark, "a.yaml", "x", 1));
	quarantine_leave(&q, &mark, "a.yaml");
	next_life(&q);
	assert_true(quarantine_enter(&q, &mark, "a.yaml", "x", 1));
	next_life(&q);
	assert_true(quarantine_enter(&q, &mark, "a.yaml", "x", 1));
	quarantine_fini(&q);
}

static void test_foreign_notes(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"",
		"files x\n",
		"files 99999999999999999999\n",
		"0123456789abcdef\n",
		"0123456789abcdef 2\n",
		"0123456789abcdef 2 \n",
		"0123456789ABCDEF 2 a\n",
		"0123456789abcdef -2 a\n",
		"0123456789abcdef 9999 a\n",
		"0123456789abcdef 2 a",
		"\n\n \n",
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct quarantine q;
		quarantine_init(&q);
		quarantine_parse(&q, cases[i], strlen(cases[i]));
		assert_int_equal(map_len(&q.notes), 0);
		assert_int_equal(q.files, 0);
		quarantine_fini(&q);
	}
	struct strbuf b = { 0 };
	struct quarantine q;
	quarantine_init(&q);
	for (int i = 0; i < 1000; i++)
		strbuf_fmt(&b, "0123456789abcdef 2 file%d\n", i);
	quarantine_parse(&q, strbuf_get(&b), b.len);
	assert_int_equal(map_len(&q.notes), QUARANTINE_NOTES);
	/* No path, an endless one, a line break: not usable, not harmful. */
	mark = (struct quarantine_mark){ .valid = 1, .attempts = 7 };
	quarantine_resume(&q, &mark);
	mark.valid = 1;
	memset(mark.path, 'x', sizeof mark.path);
	quarantine_resume(&q, &mark);
	assert_int_equal(mark.valid, 0);
	/* Full: files are read without a note rather than not at all. */
	assert_true(quarantine_enter(&q, &mark, "another", "x", 1));
	quarantine_fini(&q);
	strbuf_fini(&b);
}

static void test_status_json(void **state)
{
	(void)state;
	static const struct {
		const char *text, *error; /* NULL: good */
		size_t n;
	} cases[] = {
		{ "{\"ingress\":[{\"ip\":\"10.0.0.1\"},{\"ip\":\"fd00::1\"}],\"pool\":\"p\"}\n", NULL, 2 },
		{ "{}", NULL, 0 },
		{ "{\"ingress\":[]}", NULL, 0 },
		{ "", "line 1: '[' or '{' expected near end of file", 0 },
		{ "{\"ingress\":[{\"ip\":\"10.0.0.1\"", "line 1: '}' expected near end of file", 0 },
		{ "[]", "not an object", 0 },
		{ "{\"ingress\":{}}", "ingress is not a list", 0 },
		{ "{\"ingress\":[5]}", "an entry of ingress has no address in \"ip\"", 0 },
		{ "{\"ingress\":[{\"ip\":\"10.0.0\"}]}", "an entry of ingress has no address in \"ip\"", 0 },
		{ "{\"ingress\":[{\"ip\":5}]}", "an entry of ingress has no address in \"ip\"", 0 },
		{ "{\"pool\":5}", "pool is not a text", 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct service_status *s = NULL;
		char error[200] = "";
		int rc = status_json_parse(cases[i].text, strlen(cases[i].text), &s, error, sizeof error);
		assert_int_equal(rc == 0, cases[i].error == NULL);
		assert_string_equal(error, cases[i].error ? cases[i].error : "");
		if (rc == 0)
			assert_int_equal(s->n_ips, cases[i].n);
		service_status_free(s);
	}
	struct service_status *s = NULL;
	char error[200];
	assert_int_equal(status_json_parse(cases[0].text, strlen(cases[0].text), &s, error, sizeof error), 0);
	char *text = status_json_print(s);
	assert_string_equal(text, cases[0].text);
	free(text);
	service_status_free(s);
}

static void test_reports(void **state)
{
	(void)state;
	char iface[] = "eth0", peer1[] = "tor1", peer2[] = "tor2";
	char *ifaces[] = { iface }, *peers[] = { peer1, peer2 };
	Ingot__L2ServiceState on = INGOT__L2_SERVICE_STATE__INIT, off = INGOT__L2_SERVICE_STATE__INIT;
	on.announcing = true;
	on.n_interfaces = 1;
	on.interfaces = ifaces;
	struct map m;
	map_init(&m);
	map_set(&m, "shop/web", &on, NULL);
	map_set(&m, "shop/api", &off, NULL);
	char *text = reports_json_l2("node1", "metallb-system", &m);
	assert_non_null(strstr(text, "\"serviceName\": \"web\""));
	assert_non_null(strstr(text, "\"metallb.io/node\": \"node1\""));
	assert_non_null(strstr(text, "\"name\": \"eth0\""));
	assert_null(strstr(text, "\"api\""));
	free(text);
	map_fini(&m, NULL);
	Ingot__BgpServiceState bgp = INGOT__BGP_SERVICE_STATE__INIT;
	bgp.n_peers = 2;
	bgp.peers = peers;
	map_init(&m);
	map_set(&m, "shop/web", &bgp, NULL);
	text = reports_json_bgp("node1", "metallb-system", &m);
	assert_non_null(strstr(text, "\"tor1\""));
	assert_non_null(strstr(text, "ServiceBGPStatusList"));
	free(text);
	map_fini(&m, NULL);
	char errors[] = "bad pool";
	struct config_report none = { 0 },
			     bad = { .exists = true, .errors = errors, .since_ms = 1709210096000 };
	text = reports_json_config("node1", "metallb-system", &none, &bad);
	assert_non_null(strstr(text, "\"name\": \"speaker-node1\""));
	assert_non_null(strstr(text, "\"result\": \"Invalid\""));
	assert_non_null(strstr(text, "\"errorSummary\": \"configuration error: bad pool\""));
	assert_non_null(strstr(text, "\"lastTransitionTime\": \"2024-02-29T12:34:56Z\""));
	assert_null(strstr(text, "\"controller\""));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_two_deaths),
					    cmocka_unit_test(test_one_death),
					    cmocka_unit_test(test_foreign_notes),
					    cmocka_unit_test(test_status_json),
					    cmocka_unit_test(test_reports) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
