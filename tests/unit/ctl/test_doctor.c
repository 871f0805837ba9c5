/* The rules of `ingotctl doctor`, on documents as supervisor and statusd give them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/doctor.h"
#include "lib/base/must.h"

#define LIVE   "\"source\": {\"state\": \"live\", \"text\": \"all is watched\"}"
#define LOADED "\"config\": {\"loaded\": true, \"stale\": false, \"errors\": [], \"warnings\": []}"
#define READY  "\"daemons\": [{\"name\": \"watcher\", \"state\": \"ready\"}]"
static const char healthy[] = "{" LIVE "," LOADED "," READY "}";

static json_t *load(const char *text)
{
	json_t *o = text ? json_loads(text, 0, NULL) : NULL;
	assert_true(o || !text);
	return o;
}

struct documents {
	const char *status, *services, *peers, *owners, *members;
};

/* The findings as text: "error subject: message;...". */
static char *judge(const struct documents *d, bool *is_healthy)
{
	static char text[4096];
	json_t *v[] = { load(d->status), load(d->services), load(d->peers), load(d->owners),
			load(d->members) };
	struct doctor_input in = { v[0], v[1], v[2], v[3], v[4] };
	json_t *document = doctor_judge(&in), *f;
	size_t i, n = 0;
	text[0] = 0;
	json_array_foreach(json_object_get(document, "findings"), i, f)
	{
		n += (size_t)snprintf(text + n, sizeof text - n, "%s %s: %s;",
				      json_string_value(json_object_get(f, "severity")),
				      json_string_value(json_object_get(f, "subject")),
				      json_string_value(json_object_get(f, "message")));
		assert_non_null(json_string_value(json_object_get(f, "hint")));
	}
	*is_healthy = json_is_true(json_object_get(document, "healthy"));
	json_decref(document);
	for (i = 0; i < ARRAY_LEN(v); i++)
		json_decref(v[i]);
	return text;
}

static void a_healthy_node_has_no_findings(void **unused)
{
	bool is_healthy;
	struct documents d = {
		healthy,
		"{\"services\": [{\"namespace\": \"a\", \"name\": \"web\", \"addresses\": [\"192.0.2.1\"], "
		"\"reason\": "
		"\"\"}, {\"namespace\": \"a\", \"name\": \"foreign\", \"addresses\": [], \"reason\": \"\"}]}",
		"{\"peers\": [{\"name\": \"tor\", \"state\": \"Established\"}]}",
		"{\"owners\": [{\"address\": \"192.0.2.1\", \"owner\": \"n1\", \"conflict_mac\": \"\"}]}",
		"{\"members\": [{\"name\": \"n1\", \"state\": \"alive\"}, {\"name\": \"n2\", \"state\": "
		"\"left\"}]}",
	};
	(void)unused;
	assert_string_equal(judge(&d, &is_healthy), "");
	assert_true(is_healthy);
	d = (struct documents){ .status = healthy };
	assert_string_equal(judge(&d, &is_healthy), "");
	assert_true(is_healthy);
}

static void each_fault_is_found(void **unused)
{
	static const struct {
		struct documents d;
		bool is_healthy;
		const char *want;
	} cases[] = {
		{ { .status = "{" LIVE "," LOADED
			      ",\"daemons\": [{\"name\": \"bgpd\", \"state\": \"backoff\", \"last_exit\": "
			      "\"signal 11\"}]}" },
		  false,
		  "error bgpd: it is in state backoff, last exit: signal 11;" },
		{ { .status =
			"{" LIVE "," LOADED ",\"daemons\": [{\"name\": \"bfdd\", \"state\": \"missing\"}]}" },
		  true,
		  "warning bfdd: its program is not installed;" },
		{ { .status = "{" READY ",\"statusd_error\": \"statusd does not answer\"}" },
		  false,
		  "error statusd: statusd does not answer;" },
		{ { .status = "{" LOADED "," READY
			      ",\"source\": {\"state\": \"stale\", \"text\": \"the API server is away\"}}" },
		  false,
		  "error source: stale: the API server is away;" },
		{ { .status = "{" LOADED "," READY ",\"source\": {\"state\": \"waiting\", \"text\": \"\"}}" },
		  false,
		  "error source: waiting: nothing is known yet;" },
		{ { .status = "{" LOADED "," READY
			      ",\"source\": {\"state\": \"held\", \"text\": \"MetalLB runs: Pod "
			      "metallb-system/speaker\"}}" },
		  false,
		  "error source: held: MetalLB runs: Pod metallb-system/speaker;" },
		{ { .status =
			"{" LIVE "," READY ",\"config\": {\"loaded\": false, \"stale\": true, \"errors\": "
			"[\"pool a: bad\"], \"warnings\": "
			"[\"pool b: odd\"]}}" },
		  false,
		  "error configuration: none was loaded yet;error configuration: the newest one is not in "
		  "force, the "
		  "one before it is;error configuration: pool a: bad;warning configuration: pool b: odd;" },
		{ { .status = healthy,
		    .peers = "{\"peers\": [{\"name\": \"tor\", \"state\": \"Active\", \"address\": "
			     "\"10.0.0.1:179\", \"reason\": \"Connection refused\"}]}" },
		  false,
		  "error tor: BGP session with 10.0.0.1:179 is in state Active: Connection refused;" },
		{ { .status = healthy,
		    .owners = "{\"owners\": [{\"address\": \"192.0.2.1\", \"owner\": \"n1\", "
			      "\"conflict_mac\": \"02:00:00:00:00:01\"}]}" },
		  false,
		  "error 192.0.2.1: 02:00:00:00:00:01 answers for it too;" },
		{ { .status = healthy,
		    .owners = "{\"owners\": [{\"address\": \"192.0.2.1\", \"owner\": \"\", \"why\": "
			      "\"no endpoints\"}]}" },
		  true,
		  "warning 192.0.2.1: no node answers for it: no endpoints;" },
		{ { .status = healthy,
		    .members = "{\"members\": [{\"name\": \"n2\", \"state\": \"dead\"}]}" },
		  true,
		  "warning n2: gossip finds this node dead;" },
		{ { .status = healthy,
		    .services =
			"{\"services\": [{\"namespace\": \"a\", \"name\": \"web\", \"addresses\": [], "
			"\"reason\": \"poolFull\", \"message\": \"no free address is left\"}]}" },
		  false,
		  "error a/web: it has no address: no free address is left;" },
	};
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool is_healthy;
		assert_string_equal(judge(&cases[i].d, &is_healthy), cases[i].want);
		assert_int_equal(is_healthy, cases[i].is_healthy);
	}
}

static void errors_come_before_warnings(void **unused)
{
	bool is_healthy;
	struct documents d = { .status = "{" LIVE "," LOADED
					 ",\"daemons\": [{\"name\": \"bfdd\", \"state\": \"missing\"}, "
					 "{\"name\": \"l2d\", \"state\": \"stopped\"}]}" };
	(void)unused;
	assert_string_equal(judge(&d, &is_healthy),
			    "error l2d: it is in state stopped;warning bfdd: its program is not installed;");
	assert_false(is_healthy);
}

/* Another release's statusd, or a broken one. */
static void odd_documents_do_no_harm(void **unused)
{
	bool is_healthy;
	struct documents d = { "{\"daemons\": 7, \"source\": [], \"config\": \"x\"}",
			       "{\"services\": [1, null]}", "[]", "{}", "{\"members\": {}}" };
	(void)unused;
	judge(&d, &is_healthy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_healthy_node_has_no_findings),
		cmocka_unit_test(each_fault_is_found),
		cmocka_unit_test(errors_come_before_warnings),
		cmocka_unit_test(odd_documents_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
