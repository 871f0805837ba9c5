/* The list documents of statusd: shapes and joins. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statusd/documents.h"
#include "tests/unit/statusd/make.h"

static const char *string_at(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "(none)";
}

static void test_services_join_all_that_is_known(void **unused)
{
	struct state s;
	(void)unused;
	state_begin(&s, "n1");
	put_service("web", "192.0.2.1");
	put_service("api", NULL);
	put_assignment("default/api", "poolFull", "no available IPs");
	put_endpoint("web", "n1");
	put_endpoint("web", "n2");
	put_l2("default/web", "n1", "");
	json_t *document = document_services(&s), *list = json_object_get(document, "services");
	assert_int_equal(json_array_size(list), 2);
	const json_t *api = json_array_get(list, 0), *web = json_array_get(list, 1);
	assert_string_equal(string_at(api, "name"), "api"); /* in key order */
	assert_string_equal(string_at(api, "reason"), "poolFull");
	assert_int_equal(json_array_size(json_object_get(api, "addresses")), 0);
	assert_true(json_is_true(json_object_get(web, "confirmed")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(web, "addresses"), 0)),
			    "192.0.2.1");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(web, "endpoints"), "serving")),
			 2);
	assert_string_equal(string_at(json_object_get(web, "l2"), "owner"), "n1");
	json_decref(document);
	state_end();
}

static void test_owners_join_what_l2d_really_does(void **unused)
{
	struct state s;
	Ingot__Ownership o = INGOT__OWNERSHIP__INIT;
	Ingot__L2Announcement a = INGOT__L2_ANNOUNCEMENT__INIT;

	(void)unused;
	state_begin(&s, "n1");
	o.owner = text("n1");
	o.mine = true;
	a.announcing = true;
	put(TOPIC_OWNERSHIP, "192.0.2.1", &o.base);
	put(TOPIC_OWNERSHIP, "192.0.2.10", &o.base);
	put(TOPIC_L2, "192.0.2.1%eth0", &a.base);
	json_t *document = document_owners(&s), *list = json_object_get(document, "owners");
	assert_true(json_is_true(json_object_get(json_array_get(list, 0), "announcing")));
	assert_false(
	    json_is_true(json_object_get(json_array_get(list, 1), "announcing"))); /* .10 is not .1 */
	json_decref(document);
	state_end();
}

static void test_status_says_each_error_once(void **unused)
{
	struct state s;
	Ingot__ConfigStatus c = INGOT__CONFIG_STATUS__INIT;
	char *errors[] = { text("IPAddressPool x: invalid CIDR") };

	(void)unused;
	state_begin(&s, "n1");
	assert_false(config_summary(&s).loaded);
	c.loaded = true;
	c.stale = true;
	c.n_errors = 1;
	c.errors = errors;
	put(TOPIC_BGPD_CONFIG, "bgpd", &c.base);
	put(TOPIC_GOSSIPD_CONFIG, "gossipd", &c.base);
	assert_true(config_summary(&s).loaded && config_summary(&s).stale);
	json_t *document = document_status(&s);
	assert_int_equal(json_array_size(json_object_get(json_object_get(document, "config"), "errors")), 1);
	json_decref(document);
	state_end();
}

static void test_status_says_how_the_source_is(void **unused)
{
	struct state s;
	Ingot__SourceStatus m = INGOT__SOURCE_STATUS__INIT;

	(void)unused;
	state_begin(&s, "n1");
	json_t *document = document_status(&s);
	assert_string_equal(string_at(json_object_get(document, "source"), "state"), "unknown");
	assert_false(source_is_stale(&s));
	json_decref(document);
	m.state = INGOT__SOURCE_STATE__SOURCE_STALE;
	m.text = text("the API server is away, says \xff");
	m.server = text("https://10.0.0.1:6443");
	m.since_ms = 1700000000000;
	put(TOPIC_SOURCE, "source", &m.base);
	assert_true(source_is_stale(&s));
	document = document_status(&s);
	const json_t *source = json_object_get(document, "source");
	assert_string_equal(string_at(source, "state"), "stale");
	assert_true(json_is_true(json_object_get(source, "stale")));
	assert_string_equal(string_at(source, "text"), "the API server is away, says \\xff");
	assert_string_equal(string_at(source, "server"), "https://10.0.0.1:6443");
	assert_int_equal(json_integer_value(json_object_get(source, "since_ms")), 1700000000000);
	json_decref(document);
	m.state = INGOT__SOURCE_STATE__SOURCE_HELD;
	put(TOPIC_SOURCE, "source", &m.base);
	document = document_status(&s);
	assert_string_equal(string_at(json_object_get(document, "source"), "state"), "held");
	assert_false(source_is_stale(&s));
	json_decref(document);
	state_end();
}

static void test_removed_and_replaced_entries(void **unused)
{
	struct state s;
	(void)unused;
	state_begin(&s, "n1");
	put_peer("tor1", "Connect", "");
	put_peer("tor1", "Established", "");
	json_t *document = document_peers(&s);
	assert_string_equal(string_at(json_array_get(json_object_get(document, "peers"), 0), "state"),
			    "Established");
	json_decref(document);
	drop(TOPIC_BGP_PEERS, "tor1");
	drop(TOPIC_BGP_PEERS, "never-there");
	document = document_peers(&s);
	assert_int_equal(json_array_size(json_object_get(document, "peers")), 0);
	json_decref(document);
	state_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_services_join_all_that_is_known),
		cmocka_unit_test(test_owners_join_what_l2d_really_does),
		cmocka_unit_test(test_status_says_each_error_once),
		cmocka_unit_test(test_status_says_how_the_source_is),
		cmocka_unit_test(test_removed_and_replaced_entries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
