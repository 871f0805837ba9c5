/* Decoding of BGPPeer (metallb.io/v1beta2, and v1beta1 converted to it) and BFDProfile (v1beta1), with the
 * checks of their schemas. Pure; run by the watcher and ingotctl. */
#include <stdint.h>
#include <string.h>

#include "lib/manifest/decode.h"

#define PEER(member) AT(Ingot__BGPPeer, member)

/* The bytes stay with the watcher; readers learn only that there is one. */
static void decode_password(struct decoder *d, const struct where *at, void *message)
{
	Ingot__BGPPeer *p = message;
	const char *text = decode_text(d, at);
	if (!text || !*text)
		return;
	p->has_password = true;
	decode_secret(d, "password", text, strlen(text));
}

static void decode_connect_time(struct decoder *d, const struct where *at, void *message)
{
	static const struct field connect = { .name = "connectTime",
					      .type = FIELD_DURATION,
					      .offset = PEER(connect_time_ns) };
	static const struct table one = { .fields = &connect, .n = 1, .open = true };
	Ingot__BGPPeer *p = message;
	decode_table(d, at->up, &one, message);
	if (!p->connect_time_ns)
		return;
	int64_t ns = p->connect_time_ns->value;
	if (ns % 1000000000 != 0 || ns < 1000000000 || ns > INT64_C(65535) * 1000000000)
		decode_error(
		    d, at, "connect time should be between 1 seconds to 65535 in whole seconds, found \"%s\"",
		    at->node->text);
}

static const struct field secret_ref_fields[] = {
	{ .name = "name", .type = FIELD_STRING, .offset = PEER(password_secret) },
	{ .name = "namespace" }, /* ignored by the reference behaviour too: the Secret is looked up at home */
};
static const struct table secret_ref = TABLE(secret_ref_fields);

static const char *const dynamic_asns[] = { "internal", "external", NULL };

#define PEER_ASN(flags_)                                                                                     \
	{                                                                                                    \
		.name = "peerASN", .type = FIELD_I64, .flags = flags_, .offset = PEER(peer_asn),             \
		.max = UINT32_MAX                                                                            \
	}
#define PEER_ADDRESS(flags_)                                                                                 \
	{                                                                                                    \
		.name = "peerAddress", .type = FIELD_STRING, .flags = flags_, .offset = PEER(peer_address)   \
	}
#define PEER_PORT(min_)                                                                                      \
	{                                                                                                    \
		.name = "peerPort", .type = FIELD_U32, .offset = PEER(peer_port), .min = min_, .max = 16384  \
	}
/* What both versions have with the same rules. */
#define PEER_COMMON                                                                                          \
	{ .name = "myASN",                                                                                   \
	  .type = FIELD_I64,                                                                                 \
	  .flags = FIELD_REQUIRED,                                                                           \
	  .offset = PEER(my_asn),                                                                            \
	  .max = UINT32_MAX },                                                                               \
	    { .name = "sourceAddress", .type = FIELD_STRING, .offset = PEER(source_address) },               \
	    { .name = "holdTime", .type = FIELD_DURATION, .offset = PEER(hold_time_ns) },                    \
	    { .name = "keepaliveTime", .type = FIELD_DURATION, .offset = PEER(keepalive_time_ns) },          \
	    { .name = "routerID", .type = FIELD_STRING, .offset = PEER(router_id) },                         \
	    { .name = "password", .type = FIELD_CUSTOM, .custom = decode_password },                         \
	    { .name = "bfdProfile", .type = FIELD_STRING, .offset = PEER(bfd_profile) },                     \
	{                                                                                                    \
		.name = "ebgpMultiHop", .type = FIELD_TRISTATE, .offset = PEER(ebgp_multi_hop)               \
	}

static const struct field peer_spec_fields[] = {
	PEER_COMMON,
	PEER_ASN(0),
	PEER_ADDRESS(0),
	PEER_PORT(1),
	{ .name = "localASN", .type = FIELD_OPT_INT, .offset = PEER(local_asn), .min = 1, .max = UINT32_MAX },
	{ .name = "dynamicASN", .type = FIELD_STRING, .choices = dynamic_asns, .offset = PEER(dynamic_asn) },
	{ .name = "interface", .type = FIELD_STRING, .offset = PEER(interface) },
	{ .name = "connectTime", .type = FIELD_CUSTOM, .custom = decode_connect_time },
	{ .name = "nodeSelectors",
	  .type = FIELD_MESSAGES,
	  .sub = &decode_selector_table,
	  LIST_AT(Ingot__BGPPeer, node_selectors) },
	{ .name = "passwordSecret", .type = FIELD_SCOPE, .sub = &secret_ref },
	{ .name = "enableGracefulRestart", .type = FIELD_TRISTATE, .offset = PEER(enable_graceful_restart) },
	{ .name = "vrf", .type = FIELD_STRING, .offset = PEER(vrf) },
	{ .name = "disableMP", .type = FIELD_BOOL, .offset = PEER(disable_mp) },
	{ .name = "dualStackAddressFamily", .type = FIELD_BOOL, .offset = PEER(dual_stack_address_family) },
};
static const struct table peer_spec = TABLE(peer_spec_fields);
static const struct field peer_fields[] = { OBJECT_FIELDS(0, peer_spec) };
static const struct table peer_table = TABLE(peer_fields);

/* v1beta1's own node selector: every part of an expression is required, and values may not be empty. */
static void check_values(struct decoder *d, const struct where *at, void *message)
{
	(void)message;
	if (at->node->type == NODE_LIST && at->node->n == 0)
		decode_error(d, at, "at least one value is required");
}
static const struct field legacy_expression_fields[] = {
	{ .name = "key",
	  .type = FIELD_STRING,
	  .flags = FIELD_REQUIRED,
	  .offset = AT(Ingot__LabelSelectorRequirement, key) },
	{ .name = "operator",
	  .type = FIELD_STRING,
	  .flags = FIELD_REQUIRED,
	  .offset = AT(Ingot__LabelSelectorRequirement, operator_) },
	{ .name = "values",
	  .type = FIELD_STRINGS,
	  .flags = FIELD_REQUIRED,
	  LIST_AT(Ingot__LabelSelectorRequirement, values) },
};
static const struct field legacy_values_field = { .name = "values",
						  .type = FIELD_CUSTOM,
						  .custom = check_values };
static const struct table legacy_values = { .fields = &legacy_values_field, .n = 1, .open = true };
static const struct table legacy_expression =
    MESSAGE_TABLE(legacy_expression_fields, ingot__label_selector_requirement__descriptor);

static void decode_legacy_expressions(struct decoder *d, const struct where *at, void *message)
{
	static const struct field expressions = { .name = "matchExpressions",
						  .type = FIELD_MESSAGES,
						  .sub = &legacy_expression,
						  LIST_AT(Ingot__LabelSelector, match_expressions) };
	static const struct table one = { .fields = &expressions, .n = 1, .open = true };
	decode_table(d, at->up, &one, message);
	for (size_t i = 0; at->node->type == NODE_LIST && i < at->node->n; i++) {
		struct where here = where_item(at, i);
		if (here.node->type == NODE_MAP)
			decode_table(d, &here, &legacy_values, NULL);
	}
}
static const struct field legacy_selector_fields[] = {
	{ .name = "matchLabels", .type = FIELD_KEYS, LIST_AT(Ingot__LabelSelector, match_labels) },
	{ .name = "matchExpressions", .type = FIELD_CUSTOM, .custom = decode_legacy_expressions },
};
static const struct table legacy_selector =
    MESSAGE_TABLE(legacy_selector_fields, ingot__label_selector__descriptor);

static const struct field legacy_spec_fields[] = {
	PEER_COMMON,
	PEER_ASN(FIELD_REQUIRED),
	PEER_ADDRESS(FIELD_REQUIRED),
	PEER_PORT(0),
	{ .name = "nodeSelectors",
	  .type = FIELD_MESSAGES,
	  .sub = &legacy_selector,
	  LIST_AT(Ingot__BGPPeer, node_selectors) },
};
static const struct table legacy_spec = TABLE(legacy_spec_fields);
static const struct field legacy_fields[] = { OBJECT_FIELDS(0, legacy_spec) };
static const struct table legacy_table = TABLE(legacy_fields);

static void explicit_zero(struct decoder *d, Ingot__OptInt **timer)
{
	if (!*timer)
		*timer = decode_new(d, &ingot__opt_int__descriptor);
}

/* v1beta1 cannot say "unset" for its timers: what is absent there is 0s, timers off, in v1beta2. */
static void convert_legacy(struct decoder *d, const struct where *at, void *message)
{
	(void)at;
	Ingot__BGPPeer *p = message;
	explicit_zero(d, &p->hold_time_ns);
	explicit_zero(d, &p->keepalive_time_ns);
}

#define BFD(name_, member, min_, max_)                                                                       \
	{                                                                                                    \
		.name = name_, .type = FIELD_OPT_INT, .offset = AT(Ingot__BFDProfile, member), .min = min_,  \
		.max = max_                                                                                  \
	}
static const struct field bfd_spec_fields[] = {
	BFD("receiveInterval", receive_interval_ms, 10, 60000),
	BFD("transmitInterval", transmit_interval_ms, 10, 60000),
	BFD("detectMultiplier", detect_multiplier, 2, 255),
	BFD("echoInterval", echo_interval_ms, 10, 60000),
	BFD("minimumTtl", minimum_ttl, 1, 254),
	{ .name = "echoMode", .type = FIELD_TRISTATE, .offset = AT(Ingot__BFDProfile, echo_mode) },
	{ .name = "passiveMode", .type = FIELD_TRISTATE, .offset = AT(Ingot__BFDProfile, passive_mode) },
};
static const struct table bfd_spec = TABLE(bfd_spec_fields);
static const struct field bfd_fields[] = { OBJECT_FIELDS(0, bfd_spec) };
static const struct table bfd_table = TABLE(bfd_fields);

/* A peer without spec has no myASN, which the schema wants; said once, at the object. */
static void peer_finish(struct decoder *d, const struct where *at, void *message)
{
	(void)message;
	const struct node *spec = node_get(at->node, "spec");
	struct where here = where_child(at, "spec.myASN", at->node);
	if (!spec || spec->type == NODE_NULL)
		decode_error(d, &here, "required, but missing");
}

static void legacy_finish(struct decoder *d, const struct where *at, void *message)
{
	peer_finish(d, at, message);
	convert_legacy(d, at, message);
}

const struct kind_decoder decode_peer_kinds[] = {
	{ "metallb.io/v1beta2", "BGPPeer", KIND_BGP_PEER, &peer_table, peer_finish, "", NULL },
	{ "metallb.io/v1beta1", "BGPPeer", KIND_BGP_PEER, &legacy_table, legacy_finish, "",
	  "v1beta1 is deprecated, please use v1beta2" },
	{ "metallb.io/v1beta1", "BFDProfile", KIND_BFD_PROFILE, &bfd_table, NULL, "", NULL },
	{ 0 },
};
