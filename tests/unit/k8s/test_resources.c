/* What each role lists and watches: paths and selectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "watcher/k8s/resources.h"

#define OURS	 "/namespaces/ingot-system/"
#define CUSTOM	 "/apis/metallb.io/v1beta1" OURS
#define IN_SPEAK "%20in%20%28controller%2Cspeaker%29"
#define PLAIN	 "labelSelector=app%3Dmetallb%2Ccomponent" IN_SPEAK
#define CHART	 "labelSelector=app.kubernetes.io%2Fname%3Dmetallb%2Capp.kubernetes.io%2Fcomponent" IN_SPEAK
#define SECRETS                                                                                              \
	"fieldSelector=type%21%3Dhelm.sh%2Frelease.v1%2Ctype%21%3Dkubernetes.io%2Fservice-account-token"

static const struct resource_context node = { "ingot-system", "n1", "ingot-controller", "memberlist",
					      READS(GOSSIPD) | READS(L2D) | READS(BGPD) },
				     controller = { "ingot-system", "n1", "ingot-controller", "memberlist",
						    READS(ALLOCATOR) },
				     both = { "ingot-system", "n1", "ingot-controller", "memberlist",
					      READS(ALLOCATOR) | READS(GOSSIPD) | READS(L2D) | READS(BGPD) };

/* NULL as selector: the role does not need it. */
struct expected {
	const char *path, *node, *controller, *both;
};
#define LOAD_BALANCERS "fieldSelector=spec.type%3DLoadBalancer"
static const struct expected all[RESOURCE_N] = {
	[RESOURCE_SERVICE] = { "/api/v1/services", LOAD_BALANCERS, "", "" },
	[RESOURCE_ENDPOINTS] = { "/apis/discovery.k8s.io/v1/endpointslices", "", NULL, "" },
	[RESOURCE_NODE] = { "/api/v1/nodes", "", NULL, "" },
	[RESOURCE_NAMESPACE] = { "/api/v1/namespaces", NULL, "", "" },
	[RESOURCE_SECRET] = { "/api/v1" OURS "secrets", SECRETS, "fieldSelector=metadata.name%3Dmemberlist",
			      SECRETS },
	[RESOURCE_CONFIG_MAP] = { "/api/v1" OURS "configmaps", "", NULL, "" },
	[RESOURCE_POOL] = { CUSTOM "ipaddresspools", "", "", "" },
	[RESOURCE_L2_AD] = { CUSTOM "l2advertisements", "", "", "" },
	[RESOURCE_BGP_AD] = { CUSTOM "bgpadvertisements", "", "", "" },
	[RESOURCE_BGP_PEER] = { "/apis/metallb.io/v1beta2" OURS "bgppeers", "", "", "" },
	[RESOURCE_BFD_PROFILE] = { CUSTOM "bfdprofiles", "", "", "" },
	[RESOURCE_COMMUNITY] = { CUSTOM "communities", "", "", "" },
	[RESOURCE_LEASE] = { "/apis/coordination.k8s.io/v1" OURS "leases", NULL,
			     "fieldSelector=metadata.name%3Dingot-controller",
			     "fieldSelector=metadata.name%3Dingot-controller" },
	[RESOURCE_L2_STATUS] = { CUSTOM "servicel2statuses", "labelSelector=metallb.io%2Fnode%3Dn1", NULL,
				 "labelSelector=metallb.io%2Fnode%3Dn1" },
	[RESOURCE_BGP_STATUS] = { CUSTOM "servicebgpstatuses", "labelSelector=metallb.io%2Fnode%3Dn1", NULL,
				  "labelSelector=metallb.io%2Fnode%3Dn1" },
	[RESOURCE_CONFIG_STATE] = { CUSTOM "configurationstates", "fieldSelector=metadata.name%3Dspeaker-n1",
				    "fieldSelector=metadata.name%3Dcontroller", "" },
	[RESOURCE_METALLB_POD] = { "/api/v1" OURS "pods", PLAIN, PLAIN, PLAIN },
	[RESOURCE_METALLB_CHART_POD] = { "/api/v1" OURS "pods", CHART, CHART, CHART },
	[RESOURCE_METALLB_POD_2] = { "/api/v1/namespaces/metallb-system/pods", PLAIN, PLAIN, PLAIN },
	[RESOURCE_METALLB_CHART_POD_2] = { "/api/v1/namespaces/metallb-system/pods", CHART, CHART, CHART },
};

static void assert_role(enum resource r, const struct resource_context *c, const char *selector)
{
	assert_int_equal(resource_is_needed(r, c), selector != NULL);
	if (!selector)
		return;
	char *path = resource_path(r, &resource_row(r)->apis[0], c), *found = resource_selector(r, c);
	assert_string_equal(path, all[r].path);
	assert_string_equal(found ? found : "", selector);
	free(path);
	free(found);
}

static void every_role(void **unused)
{
	(void)unused;
	for (unsigned r = 0; r < RESOURCE_N; r++) {
		assert_role((enum resource)r, &node, all[r].node);
		assert_role((enum resource)r, &controller, all[r].controller);
		assert_role((enum resource)r, &both, all[r].both);
	}
}

/* An empty selector is a text: only out of memory is none. */
static void no_selector_is_a_text(void **unused)
{
	(void)unused;
	for (unsigned r = 0; r < RESOURCE_N; r++) {
		char *found = resource_selector((enum resource)r, &both);
		assert_non_null(found);
		free(found);
	}
}

static void in_the_namespace_of_metallb(void **unused)
{
	struct resource_context c = node;
	(void)unused;
	c.ns = "metallb-system";
	/* Once is enough. */
	assert_true(resource_is_needed(RESOURCE_METALLB_POD, &c));
	assert_false(resource_is_needed(RESOURCE_METALLB_POD_2, &c));
	assert_false(resource_is_needed(RESOURCE_METALLB_CHART_POD_2, &c));
}

static void the_older_apis(void **unused)
{
	static const struct {
		enum resource r;
		unsigned n;
		const char *path;
	} cases[] = {
		{ RESOURCE_ENDPOINTS, 1, "/apis/discovery.k8s.io/v1beta1/endpointslices" },
		{ RESOURCE_ENDPOINTS, 2, "/api/v1/endpoints" },
		{ RESOURCE_LEASE, 1, "/apis/coordination.k8s.io/v1beta1" OURS "leases" },
		{ RESOURCE_BGP_PEER, 1, CUSTOM "bgppeers" },
	};
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *path = resource_path(cases[i].r, &resource_row(cases[i].r)->apis[cases[i].n], &node);
		assert_string_equal(path, cases[i].path);
		free(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_role),
		cmocka_unit_test(no_selector_is_a_text),
		cmocka_unit_test(in_the_namespace_of_metallb),
		cmocka_unit_test(the_older_apis),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
