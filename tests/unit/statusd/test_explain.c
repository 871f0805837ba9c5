/* ingotctl explain: the fact that people look for is there, whatever is wrong. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statusd/documents.h"
#include "tests/unit/statusd/make.h"

static void ready_service(void)
{
	put_service("web", "192.0.2.1");
	put_endpoint("web", "n2");
}
static void unassigned(const char *reason, const char *message)
{
	put_service("web", NULL);
	put_endpoint("web", "n2");
	put_assignment("default/web", reason, message);
}
static void case_no_pool(void)
{
	unassigned("unknownPool", "unknown pool \"gold\"");
}
static void case_full(void)
{
	unassigned("poolFull", "no available IPs in pool \"tiny\"");
}
static void case_family(void)
{
	unassigned("wrongFamily", "pool \"v4\" has no IPv6 addresses");
}
static void case_excluded(void)
{
	unassigned("poolExcludedBySelector", "pool \"pinned\" does not admit this Service");
}
static void case_no_endpoints(void)
{
	put_service("web", "192.0.2.1");
	put_bgp("default/web", "", "noEndpoints");
}
static void case_not_owner(void)
{
	ready_service();
	put_l2("default/web", "n2", "notOwner");
}
static void case_nobody(void)
{
	ready_service();
	put_l2("default/web", "", "noMatchingAdvertisement");
}
static void case_peer_down(void)
{
	ready_service();
	put_bgp("default/web", "tor1", "");
	put_peer("tor1", "Connect", "connection refused");
}
static void case_well(void)
{
	ready_service();
	put_l2("default/web", "n1", "");
	put_bgp("default/web", "tor1", "");
	put_peer("tor1", "Established", "");
}
static void case_l2_only(void)
{
	ready_service();
	put_l2("default/web", "n1", "");
	put_bgp("default/web", "", "noMatchingAdvertisement");
}
static void case_not_load_balancer(void)
{
	Ingot__ObjectMeta meta = INGOT__OBJECT_META__INIT;
	Ingot__Service service = INGOT__SERVICE__INIT;
	service.meta = &meta;
	service.type = text("ClusterIP");
	put(TOPIC_SERVICES, "default/web", &service.base);
}
static void case_conflict(void)
{
	uint8_t mac[6] = { 2, 0, 0, 0, 0xbe, 0xef };
	Ingot__L2Announcement a = INGOT__L2_ANNOUNCEMENT__INIT;
	ready_service();
	a.announcing = true;
	a.conflict_mac = (ProtobufCBinaryData){ sizeof mac, mac };
	put(TOPIC_L2, "192.0.2.1%eth0", &a.base);
}

static const struct {
	const char *name;
	void (*make)(void);
	const char *what, *why; /* a fact with this name whose reason contains why */
	bool ok;		/* that fact, and the summary */
} cases[] = {
	{ "no pool", case_no_pool, "address", "unknown pool \"gold\"", false },
	{ "pool full", case_full, "address", "tiny", false },
	{ "wrong family", case_family, "address", "IPv6", false },
	{ "excluded by selector", case_excluded, "address", "does not admit", false },
	{ "no endpoints", case_no_endpoints, "endpoints", "no endpoint can serve", false },
	{ "not the owner", case_not_owner, "layer2", "node n2 answers", true },
	{ "nobody announces", case_nobody, "layer2", "noMatchingAdvertisement", false },
	{ "peer down", case_peer_down, "bgp peer tor1", "connection refused", false },
	{ "all is well", case_well, "layer2", "this node answers", true },
	{ "one protocol is enough", case_l2_only, "bgp", "noMatchingAdvertisement", true },
	{ "not a load balancer", case_not_load_balancer, "type", "ClusterIP", false },
	{ "conflict", case_conflict, "conflict", "02:00:00:00:be:ef also answers", false },
};

static void check(const char *name, const json_t *document, const char *what, const char *why, bool ok)
{
	const json_t *f;
	size_t i;
	bool well = strcmp(json_string_value(json_object_get(document, "summary")), "all is well") == 0;

	json_array_foreach(json_object_get(document, "facts"), i, f)
	{
		if (strcmp(json_string_value(json_object_get(f, "what")), what) == 0 &&
		    strstr(json_string_value(json_object_get(f, "why")), why)) {
			assert_int_equal(json_is_true(json_object_get(f, "ok")), ok);
			assert_int_equal(well, ok);
			return;
		}
	}
	char *all = json_dumps(document, 0);
	fail_msg("%s: no fact %s with %s in %s", name, what, why, all);
}

static void test_every_reason_is_told(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct state s;
		char *error = NULL;
		state_begin(&s, "n1");
		cases[i].make();
		json_t *document = document_explain(&s, "default/web", &error);
		assert_non_null(document);
		check(cases[i].name, document, cases[i].what, cases[i].why, cases[i].ok);
		json_decref(document);
		state_end();
	}
}

static void test_unknown_service_names_near_ones(void **unused)
{
	struct state s;
	char *error = NULL;

	(void)unused;
	state_begin(&s, "n1");
	put_service("website", NULL);
	assert_null(document_explain(&s, "default/web", &error));
	assert_non_null(strstr(error, "no Service default/web"));
	assert_non_null(strstr(error, "default/website"));
	free(error);
	state_end();
}

static void test_a_bare_name_is_enough_when_it_is_unique(void **unused)
{
	struct state s;
	char *error = NULL;

	(void)unused;
	state_begin(&s, "n1");
	put_service("web", NULL);
	json_t *document = document_explain(&s, "web", &error);
	assert_string_equal(json_string_value(json_object_get(document, "service")), "default/web");
	json_decref(document);
	Ingot__Service other = INGOT__SERVICE__INIT;
	put(TOPIC_SERVICES, "shop/web", &other.base);
	assert_null(document_explain(&s, "web", &error));
	assert_non_null(strstr(error, "several namespaces"));
	free(error);
	state_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_reason_is_told),
		cmocka_unit_test(test_unknown_service_names_near_ones),
		cmocka_unit_test(test_a_bare_name_is_enough_when_it_is_unique),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
