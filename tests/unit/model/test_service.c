/* Services: annotations, families, reasons, readiness. The gates are in tests/conformance/model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "lib/model/service.h"
#include "tests/unit/model/build.h"

static const Ingot__Service *build(struct objects *o, const char *fields)
{
	char line[512];
	objects_init(o);
	str_fmt(line, sizeof line, "Service s %s", fields);
	build_line(o, line);
	return (const Ingot__Service *)objects_get(o, KIND_SERVICE, "default/s");
}

static void test_annotation(void **state)
{
	(void)state;
	static const struct {
		const char *fields, *want;
	} table[] = {
		{ "", NULL },
		{ "annotations=metallb.io/address-pool=a", "a" },
		{ "annotations=metallb.universe.tf/address-pool=b", "b" },
		{ "annotations=metallb.io/address-pool=a,metallb.universe.tf/address-pool=b", "a" },
		{ "annotations=metallb.io/address-pool=,metallb.universe.tf/address-pool=b", "" },
		{ "annotations=metallb.io/loadBalancerIPs=b", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct objects o;
		const char *got = service_annotation(build(&o, table[i].fields), ANNOTATION_POOL);
		assert_int_equal(got == NULL, table[i].want == NULL);
		if (got)
			assert_string_equal(got, table[i].want);
		objects_fini(&o);
	}
	Ingot__Service bare;
	ingot__service__init(&bare);
	assert_null(service_annotation(&bare, ANNOTATION_POOL));
}

static void test_family(void **state)
{
	(void)state;
	static const struct {
		const char *ips;
		enum service_family want;
	} table[] = {
		{ "", SERVICE_FAMILY_NONE },
		{ "10.0.0.1", SERVICE_FAMILY_V4 },
		{ "fd00::1", SERVICE_FAMILY_V6 },
		{ "10.0.0.1,fd00::1", SERVICE_FAMILY_DUAL },
		{ "fd00::1,10.0.0.1", SERVICE_FAMILY_DUAL },
		{ "10.0.0.1,10.0.0.2", SERVICE_FAMILY_NONE },
		{ "10.0.0.1,fd00::1,10.0.0.3", SERVICE_FAMILY_NONE },
		{ "None", SERVICE_FAMILY_NONE },
		{ "10.0.0.1,None", SERVICE_FAMILY_NONE },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct objects o;
		char fields[128];
		str_fmt(fields, sizeof fields, "cluster_ips=%s", table[i].ips);
		assert_int_equal(service_family(build(&o, fields)), table[i].want);
		objects_fini(&o);
	}
}

static void test_policy_and_class(void **state)
{
	(void)state;
	struct objects o;
	const Ingot__Service *s = build(&o, "external_traffic_policy=Local load_balancer_class=x");
	assert_true(service_is_local(s));
	assert_true(service_class_matches(s, "x"));
	assert_false(service_class_matches(s, ""));
	assert_false(service_class_matches(s, NULL));
	objects_fini(&o);
	s = build(&o, "type=NodePort");
	assert_false(service_is_local(s));
	assert_true(service_class_matches(s, ""));
	assert_true(service_class_matches(s, NULL));
	assert_false(service_class_matches(s, "x"));
	assert_false(service_is_load_balancer(s));
	objects_fini(&o);
}

static void test_reasons(void **state)
{
	(void)state;
	assert_string_equal(withdraw_reason_text(WITHDRAW_ANNOUNCE), "");
	assert_string_equal(withdraw_reason_text(WITHDRAW_NO_LOCAL_ENDPOINTS), "noLocalEndpoints");
	for (int r = 0; r < WITHDRAW_N; r++) {
		assert_non_null(withdraw_reason_sentence((enum withdraw_reason)r));
		assert_int_equal(*withdraw_reason_text((enum withdraw_reason)r) == '\0',
				 r == WITHDRAW_ANNOUNCE);
	}
}

static void test_can_serve(void **state)
{
	(void)state;
	static const struct {
		Ingot__Tristate ready, serving;
		bool want;
	} table[] = {
		{ INGOT__TRISTATE__UNSET, INGOT__TRISTATE__UNSET, true },
		{ INGOT__TRISTATE__UNSET, INGOT__TRISTATE__NO, true },
		{ INGOT__TRISTATE__YES, INGOT__TRISTATE__NO, true },
		{ INGOT__TRISTATE__YES, INGOT__TRISTATE__YES, true },
		{ INGOT__TRISTATE__NO, INGOT__TRISTATE__YES, true },
		{ INGOT__TRISTATE__NO, INGOT__TRISTATE__NO, false },
		{ INGOT__TRISTATE__NO, INGOT__TRISTATE__UNSET, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		Ingot__Endpoint e;
		ingot__endpoint__init(&e);
		e.ready = table[i].ready;
		e.serving = table[i].serving;
		assert_int_equal(endpoint_can_serve(&e), table[i].want);
	}
}

static void test_no_endpoints(void **state)
{
	(void)state;
	struct endpoints e;
	assert_int_equal(endpoints_collect(NULL, 0, &e), 0);
	assert_false(e.any_serving || e.any_serving_address);
	endpoints_fini(&e);
	endpoints_fini(NULL);
}

static void test_bare_messages(void **state)
{
	(void)state;
	struct service_addresses a;
	Ingot__Service s;
	Ingot__Node n;
	ingot__service__init(&s);
	ingot__node__init(&n);
	assert_int_equal(service_gate(NULL, NULL, "", &a), WITHDRAW_SERVICE_DELETED);
	assert_int_equal(service_gate(NULL, &s, "", &a), WITHDRAW_NOT_LOAD_BALANCER);
	assert_false(node_is_excluded(NULL) || node_is_excluded(&n));
	assert_false(node_network_unavailable(NULL) || node_network_unavailable(&n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_annotation),	 cmocka_unit_test(test_family),
		cmocka_unit_test(test_policy_and_class), cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_can_serve),	 cmocka_unit_test(test_no_endpoints),
		cmocka_unit_test(test_bare_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
