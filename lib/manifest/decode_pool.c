/* Decoding of IPAddressPool, L2Advertisement, BGPAdvertisement and Community (metallb.io/v1beta1), with the
 * checks of their schemas. Pure; run by the watcher and ingotctl. */
#include <stdint.h>

#include "lib/manifest/decode.h"
#include "lib/model/limits.h"

#define SELECTORS(name_, type_, member)                                                                      \
	{                                                                                                    \
		.name = name_, .type = FIELD_MESSAGES, .sub = &decode_selector_table, LIST_AT(type_, member) \
	}
#define STRINGS(name_, type_, member)                                                                        \
	{                                                                                                    \
		.name = name_, .type = FIELD_STRINGS, LIST_AT(type_, member)                                 \
	}

static const struct field allocation_fields[] = {
	{ .name = "priority",
	  .type = FIELD_I64,
	  .offset = AT(Ingot__ServiceAllocation, priority),
	  .min = INT32_MIN,
	  .max = INT32_MAX },
	STRINGS("namespaces", Ingot__ServiceAllocation, namespaces),
	SELECTORS("namespaceSelectors", Ingot__ServiceAllocation, namespace_selectors),
	SELECTORS("serviceSelectors", Ingot__ServiceAllocation, service_selectors),
};
static const struct table allocation_table =
    MESSAGE_TABLE(allocation_fields, ingot__service_allocation__descriptor);

static const struct field pool_spec_fields[] = {
	{ .name = "addresses",
	  .type = FIELD_STRINGS,
	  .flags = FIELD_REQUIRED,
	  LIST_AT(Ingot__IPAddressPool, addresses) },
	{ .name = "autoAssign", .type = FIELD_TRISTATE, .offset = AT(Ingot__IPAddressPool, auto_assign) },
	{ .name = "avoidBuggyIPs", .type = FIELD_BOOL, .offset = AT(Ingot__IPAddressPool, avoid_buggy_ips) },
	{ .name = "serviceAllocation",
	  .type = FIELD_MESSAGE,
	  .sub = &allocation_table,
	  .offset = AT(Ingot__IPAddressPool, service_allocation) },
};
static const struct table pool_spec = TABLE(pool_spec_fields);

static const struct field pool_fields[] = { OBJECT_FIELDS(FIELD_REQUIRED, pool_spec) };
static const struct table pool_table = TABLE(pool_fields);

static const struct field preferred_fields[] = {
	{ .name = "weight",
	  .type = FIELD_I32,
	  .flags = FIELD_REQUIRED,
	  .offset = AT(Ingot__PreferredNodeSelector, weight),
	  .min = 1,
	  .max = 100 },
	{ .name = "preference",
	  .type = FIELD_MESSAGE,
	  .flags = FIELD_REQUIRED,
	  .sub = &decode_selector_table,
	  .offset = AT(Ingot__PreferredNodeSelector, preference) },
};
static const struct table preferred_table =
    MESSAGE_TABLE(preferred_fields, ingot__preferred_node_selector__descriptor);

static const struct field l2_spec_fields[] = {
	STRINGS("ipAddressPools", Ingot__L2Advertisement, ip_address_pools),
	SELECTORS("ipAddressPoolSelectors", Ingot__L2Advertisement, ip_address_pool_selectors),
	SELECTORS("nodeSelectors", Ingot__L2Advertisement, node_selectors),
	STRINGS("interfaces", Ingot__L2Advertisement, interfaces),
	SELECTORS("serviceSelectors", Ingot__L2Advertisement, service_selectors),
	{ .name = "preferredNodeSelectors",
	  .type = FIELD_MESSAGES,
	  .sub = &preferred_table,
	  LIST_AT(Ingot__L2Advertisement, preferred_node_selectors) },
};
static const struct table l2_spec = TABLE(l2_spec_fields);
static const struct field l2_fields[] = { OBJECT_FIELDS(0, l2_spec) };
static const struct table l2_table = TABLE(l2_fields);

static const struct field bgp_spec_fields[] = {
	{ .name = "aggregationLength",
	  .type = FIELD_OPT_INT,
	  .offset = AT(Ingot__BGPAdvertisement, aggregation_length),
	  .min = 1,
	  .max = INT32_MAX },
	{ .name = "aggregationLengthV6",
	  .type = FIELD_OPT_INT,
	  .offset = AT(Ingot__BGPAdvertisement, aggregation_length_v6),
	  .min = INT32_MIN,
	  .max = INT32_MAX },
	{ .name = "localPref",
	  .type = FIELD_I64,
	  .offset = AT(Ingot__BGPAdvertisement, local_pref),
	  .max = UINT32_MAX },
	STRINGS("communities", Ingot__BGPAdvertisement, communities),
	STRINGS("ipAddressPools", Ingot__BGPAdvertisement, ip_address_pools),
	SELECTORS("ipAddressPoolSelectors", Ingot__BGPAdvertisement, ip_address_pool_selectors),
	SELECTORS("nodeSelectors", Ingot__BGPAdvertisement, node_selectors),
	STRINGS("peers", Ingot__BGPAdvertisement, peers),
	SELECTORS("serviceSelectors", Ingot__BGPAdvertisement, service_selectors),
};
static const struct table bgp_spec = TABLE(bgp_spec_fields);
static const struct field bgp_fields[] = { OBJECT_FIELDS(0, bgp_spec) };
static const struct table bgp_table = TABLE(bgp_fields);

static const struct field alias_fields[] = {
	{ .name = "name", .type = FIELD_STRING, .offset = AT(Ingot__CommunityAlias, name) },
	{ .name = "value", .type = FIELD_STRING, .offset = AT(Ingot__CommunityAlias, value) },
};
static const struct table alias_table = MESSAGE_TABLE(alias_fields, ingot__community_alias__descriptor);
static const struct field community_spec_fields[] = {
	{ .name = "communities",
	  .type = FIELD_MESSAGES,
	  .sub = &alias_table,
	  LIST_AT(Ingot__Community, communities) },
};
static const struct table community_spec = TABLE(community_spec_fields);
static const struct field community_fields[] = { OBJECT_FIELDS(0, community_spec) };
static const struct table community_table = TABLE(community_fields);

const struct kind_decoder decode_pool_kinds[] = {
	{ "metallb.io/v1beta1", "IPAddressPool", KIND_POOL, &pool_table, NULL, "", NULL },
	{ "metallb.io/v1beta1", "L2Advertisement", KIND_L2_ADVERTISEMENT, &l2_table, NULL, "", NULL },
	{ "metallb.io/v1beta1", "BGPAdvertisement", KIND_BGP_ADVERTISEMENT, &bgp_table, NULL, "", NULL },
	{ "metallb.io/v1beta1", "Community", KIND_COMMUNITY, &community_table, NULL, "", NULL },
	{ 0 },
};
