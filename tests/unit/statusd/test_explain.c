/* ingotctl explain: the fact that people look for is there, whatever is wrong. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statusd/documents.h"
#include "tests/unit/statusd/make.h"

static void ready_service(struct state *s)
{
	put_service(s, "web", "192.0.2.1");
	put_endpoint(s, "web", "n2");
}
static void unassigned(struct state *s, const char *reason, const char *message)
{
	put_service(s, "web", NULL);
	put_endpoint(s, "web", "n2");
	put_assignment(s, "default/web", reason, message);
}
static void case_no_pool(struct state *s)
{
	unassigned(s, "unknownPool", "unknown pool \"gold\"");
}
static void case_full(struct state *s)
{
	unassigned(s, "poolFull", "no available IPs in pool \"tiny\"");
}
static void case_family(struct state *s)
{
	unassigned(s, "wrongFamily", "pool \"v4\" has no IPv6 addresses");
}
static void case_excluded(struct state *s)
{
	unassigned(s, "poolExcludedBySelector", "pool \"pinned\" does not admit this Service");
}
static void case_no_endpoints(struct state *s)
{
	put_service(s, "web", "192.0.2.1");
	put_bgp(s, "default/web", "", "noEndpoints");
}
static void case_not_owner(struct state *s)
{
	ready_service(s);
	put_l2(s, "default/web", "n2", "notOwner");
}
static void case_nobody(struct state *s)
{
	ready_service(s);
	put_l2(s, "default/web", "", "noMatchingAdvertisement");
}
static void case_peer_down(struct state *s)
{
	ready_service(s);
	put_bgp(s, "default/web", "tor1", "");
	put_peer(s, "tor1", "Connect", "connection refused");
}
static void case_well(struct state *s)
{
	ready_service(s);
	put_l2(s, "default/web", "n1", "");
	put_bgp(s, "default/web", "tor1", "");
	put_peer(s, "tor1", "Established", "");
}
static void case_l2_only(struct state *s)
{
	ready_service(s);
	put_l2(s, "default/web", "n1", "");
	put_bgp(s, "default/web", "", "noMatchingAdvertisement");
}
static void case_not_load_balancer(struct state *s)
{
	Ingot__ObjectMeta meta = INGOT__OBJECT_META__INIT;
	Ingot__Service service = INGOT__SERVICE__INIT;
	service.meta = &meta;
	service.type = text("ClusterIP");
	assert_int_equal(state_put(s, TOPIC_SERVICES, "default/web", &service.base), 0);
}
static void case_conflict(struct state *s)
{
	uint8_t mac[6] = { 2, 0, 0, 0, 0xbe, 0xef };
	Ingot__L2Announcement a = INGOT__L2_ANNOUNCEMENT__INIT;
	ready_service(s);
	a.announcing = true;
	a.conflict_mac = (ProtobufCBinaryData){ sizeof mac, mac };
	assert_int_equal(state_put(s, TOPIC_L2, "192.0.2.1%eth0", &a.base), 0);
}

static const struct {
	const char *name;
	void (*make)(struct state *s);
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
		state_init(&s, "n1");
		cases[i].make(&s);
		json_t *document = document_explain(&s, "default/web", &error);
		assert_non_null(document);
		check(cases[i].name, document, cases[i].what, cases[i].why, cases[i].ok);
		json_decref(document);
		state_fini(&s);
	}
}

static void test_unknown_service_names_near_ones(void **unused)
{
	struct state s;
	char *error = NULL;

	(void)unused;
	state_init(&s, "n1");
	put_service(&s, "website", NULL);
	assert_null(document_explain(&s, "default/web", &error));
	assert_non_null(strstr(error, "no Service default/web"));
	assert_non_null(strstr(error, "default/website"));
	free(error);
	state_fini(&s);
}

static void test_a_bare_name_is_enough_when_it_is_unique(void **unused)
{
	struct state s;
	char *error = NULL;

	(void)unused;
	state_init(&s, "n1");
	put_service(&s, "web", NULL);
	json_t *document = document_explain(&s, "web", &error);
	assert_string_equal(json_string_value(json_object_get(document, "service")), "default/web");
	json_decref(document);
	Ingot__Service other = INGOT__SERVICE__INIT;
	assert_int_equal(state_put(&s, TOPIC_SERVICES, "shop/web", &other.base), 0);
	assert_null(document_explain(&s, "web", &error));
	assert_non_null(strstr(error, "several namespaces"));
	free(error);
	state_fini(&s);
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
