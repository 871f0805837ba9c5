/* Objects one by one: each is given as JSON and, where its kind has that, in protobuf; both say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "tests/unit/k8s_decode/dump.h"
#include "tests/unit/k8s_decode/sample.h"
#include "tests/unit/manifest/dump.h"
#include "watcher/k8s/decode/strip.h"

#define META(more)	  "\"metadata\":{\"name\":\"x\",\"namespace\":\"n\",\"resourceVersion\":\"7\"" more "}"
#define SEEN(kind, state) kind " n/x" state " (name x, namespace n, uid , version 7)\n"
#define SEEN_META	  "  meta: \n    namespace: \"n\"\n    name: \"x\"\n"

enum { ONLY_JSON = 1, ONLY_PROTOBUF = 2 };

static const struct {
	enum kind kind;
	const char *api_version, *kind_name, *members;
	const char *expected;
	int only;
} cases[] = {
	/* Texts of protobuf that are empty are absent; defaults as in manifests, but no cluster IPs. */
	{ KIND_SERVICE, "v1", "Service",
	  META("") ",\"spec\":{\"type\":\"LoadBalancer\",\"clusterIP\":\"\",\"loadBalancerIP\":\"\","
		   "\"ipFamilyPolicy\":\"\","
		   "\"externalTrafficPolicy\":\"\",\"ports\":[{\"name\":\"\",\"port\":80,\"nodePort\":0}]}",
	  SEEN("Service", "") SEEN_META "  type: \"LoadBalancer\"\n  external_traffic_policy: \"Cluster\"\n"
					"  ports: \n    protocol: \"TCP\"\n    port: 80\n",
	  ONLY_PROTOBUF },
	{ KIND_SERVICE, "v1", "Service",
	  META(
	      ",\"generation\":3,\"labels\":{\"b\":\"2\",\"a\":\"1\"},\"annotations\":{\"x/y\":\"z\","
	      "\"metallb.io/"
	      "address-pool\":\"p\"},\"deletionTimestamp\":\"2026-01-01T00:00:00Z\",\"uid\":\"u\","
	      "\"creationTimestamp\":\"1970-01-01T00:00:02Z\"") ","
								"\"spec\":{\"clusterIP\":\"10.0.0.1\","
								"\"externalTrafficPolicy\":\"Local\","
								"\"newField\":{\"a\":[1.5,null]},"
								"\"ports\":[{\"name\":\"http\",\"port\":80,"
								"\"nodePort\":30000,\"protocol\":\"SCTP\"}]}",
	  "Service n/x (name x, namespace n, uid u, version 7)\n"
	  "  meta: \n    namespace: \"n\"\n    name: \"x\"\n    uid: \"u\"\n    creation_ms: 2000\n"
	  "    labels: \n      key: \"a\"\n      value: \"1\"\n    labels: \n      key: \"b\"\n      value: "
	  "\"2\"\n"
	  "    annotations: \n      key: \"metallb.io/address-pool\"\n      value: \"p\"\n"
	  "  type: \"ClusterIP\"\n  cluster_ips: \"10.0.0.1\"\n  external_traffic_policy: \"Local\"\n"
	  "  ports: \n    protocol: \"SCTP\"\n    port: 80\n",
	  0 },
	/* clusterIPs wins over clusterIP. */
	{ KIND_SERVICE, "v1", "Service",
	  META("") ",\"spec\":{\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":[\"10.0.0.1\",\"fd00::1\"]}",
	  SEEN("Service", "") SEEN_META
	  "  type: \"ClusterIP\"\n  cluster_ips: \"10.0.0.1\"\n  cluster_ips: \"fd00::1\"\n"
	  "  external_traffic_policy: \"Cluster\"\n",
	  0 },
	/* Broken ones are named, with the field. */
	{ KIND_SERVICE, "v1", "Service",
	  META("") ",\"spec\":{\"type\":\"Nonsense\",\"ports\":[{\"port\":70000}]}",
	  SEEN("Service", " broken") "ERROR Service n/x: spec.ports[0].port: expected an integer from 1 to "
				     "65535, found the number 70000\n"
				     "ERROR Service n/x: spec.type: expected one of ClusterIP, NodePort, "
				     "LoadBalancer, ExternalName, found the text \"Nonsense\"\n",
	  ONLY_PROTOBUF },
	{ KIND_SERVICE, "v1", "Service", META("") ",\"spec\":{\"clusterIPs\":[\"1\",\"2\",\"3\"]}",
	  SEEN("Service", " broken") "ERROR Service n/x: spec.clusterIPs: 3 entries, at most 2 are allowed\n",
	  0 },
	{ KIND_SERVICE, "v1", "Service",
	  "\"metadata\":{\"name\":\"A_b\",\"namespace\":\"n\",\"resourceVersion\":\"9\"}",
	  "Service ? broken (name A_b, namespace n, uid , version 9)\n"
	  "ERROR Service n/A_b: metadata.name: \"A_b\" is not a name (RFC 1123: a-z, 0-9, -, at most 63 "
	  "bytes)\n",
	  0 },
	{ KIND_SERVICE, "v1", "Service", "\"spec\":{}",
	  "Service ? broken (name , namespace , uid , version )\nERROR Service: metadata: required, but "
	  "missing\n",
	  0 },
	{ KIND_SERVICE, "v1", "Service",
	  "\"metadata\":{\"name\":\"x\",\"namespace\":\"n\",\"resourceVersion\":"
	  "\"0123456789012345678901234567890123456789012345678901234567890123\"}",
	  "Service n/x broken (name x, namespace n, uid , version "
	  "012345678901234567890123456789012345678901234567890123456789012)\n"
	  "ERROR Service n/x: name, namespace, uid or resourceVersion is no text, or too long\n",
	  0 },
	{ KIND_SERVICE, "v1", "Pod", META(""),
	  "Service ? broken (name x, namespace n, uid , version 7)\n"
	  "ERROR Pod: \"v1\" has no such kind that is read\n",
	  ONLY_JSON },
	{ KIND_SERVICE, "v1", "Secret", META(""),
	  "Service ? broken (name x, namespace n, uid , version 7)\n"
	  "ERROR Service: the server sent something else: Secret\n",
	  0 },
	/* Texts that are none: an error where they would be kept, else nobody cares. */
	{ KIND_SERVICE, "v1", "Service", META(",\"annotations\":{\"metallb.io/address-pool\":\"a\\u0000b\"}"),
	  SEEN("Service", " broken") "ERROR Service n/x: metadata.annotations.metallb.io/address-pool: "
				     "expected a text, found bytes that are no text\n",
	  ONLY_JSON },
	{ KIND_SERVICE, "v1", "Service", META(",\"annotations\":{\"other\":\"a\\u0000b\"}"),
	  SEEN("Service", "") SEEN_META "  type: \"ClusterIP\"\n  external_traffic_policy: \"Cluster\"\n",
	  ONLY_JSON },
	/* What JSON can say and jansson cannot read is one broken object. */
	{ KIND_POOL, "metallb.io/v1beta1", "IPAddressPool", META("") ",\"spec\":{\"addresses\":[1e999]}",
	  SEEN("IPAddressPool", " broken") "ERROR IPAddressPool n/x: real number overflow\n", ONLY_JSON },
	{ KIND_POOL, "metallb.io/v1beta1", "IPAddressPool",
	  META("") ",\"spec\":{\"addresses\":[99999999999999999999]}",
	  SEEN("IPAddressPool", " broken") "ERROR IPAddressPool n/x: too big integer\n", ONLY_JSON },
	{ KIND_POOL, "metallb.io/v1beta1", "IPAddressPool",
	  META("") ",\"spec\":{\"addresses\":[],\"a\\u0000b\":1}",
	  SEEN("IPAddressPool", " broken") "ERROR IPAddressPool n/x: NUL byte in object key not supported\n",
	  ONLY_JSON },
	{ KIND_POOL, "metallb.io/v1beta1", "IPAddressPool", META("") ",\"spec\":{\"addresses\":[\"\xff\"]}",
	  SEEN("IPAddressPool", " broken") "ERROR IPAddressPool n/x: unable to decode byte 0xff\n",
	  ONLY_JSON },
	/* Wrong types in custom resources; unknown fields are no news. */
	{ KIND_POOL, "metallb.io/v1beta1", "IPAddressPool",
	  META(",\"managedFields\":[{\"f\":1}],\"selfLink\":\"/\"") ",\"status\":{\"x\":1},\"more\":2,"
								    "\"spec\":{\"addresses\":\"192.0.2.0/"
								    "24\",\"new\":1}",
	  SEEN("IPAddressPool", " broken") "ERROR IPAddressPool n/x: spec.addresses: expected a list of "
					   "texts, found the text \"192.0.2.0/24\"\n",
	  ONLY_JSON },
	{ KIND_POOL, "metallb.io/v1beta1", "IPAddressPool",
	  META(",\"managedFields\":[{\"f\":1}]") ",\"status\":{\"x\":1},\"spec\":{\"addresses\":[\"192.0.2.0/"
						 "24\"],\"serviceAllocation\":{\"priority\":1.5}}",
	  SEEN("IPAddressPool",
	       " broken") "ERROR IPAddressPool n/x: spec.serviceAllocation.priority: expected an integer "
			  "from -2147483648 to 2147483647, found the number 1.5\n",
	  ONLY_JSON },
	{ KIND_POOL, "metallb.io/v1beta1", "IPAddressPool",
	  META(",\"generation\":4") ",\"spec\":{\"addresses\":[\"a\"],\"addresses\":[\"b\"],\"autoAssign\":"
				    "null}",
	  SEEN("IPAddressPool", "") SEEN_META "  addresses: \"b\"\n", ONLY_JSON },
	{ KIND_BGP_PEER, "metallb.io/v1beta2", "BGPPeer",
	  META("") ",\"spec\":{\"myASN\":1,\"peerASN\":2,\"peerAddress\":\"192.0.2.1\",\"holdTime\":\"1d\"}",
	  SEEN("BGPPeer", " broken") "ERROR BGPPeer n/x: spec.holdTime: expected a duration such as \"90s\" "
				     "or \"1m30s\", found the text \"1d\"\n",
	  ONLY_JSON },
	/* Endpoints that are the same for us are one, whatever their order. */
	{ KIND_ENDPOINTS, "discovery.k8s.io/v1beta1", "EndpointSlice",
	  META(
	      ",\"labels\":{\"kubernetes.io/service-name\":\"web\",\"app\":\"web\"}") ",\"addressType\":"
										      "\"IPv4\","
										      "\"endpoints\":["
										      "{\"addresses\":[\"10."
										      "0.0.3\"],\"topology\":"
										      "{\"kubernetes.io/"
										      "hostname\":\"b\"},"
										      "\"conditions\":{"
										      "\"ready\":true}},"
										      "{\"addresses\":[\"10."
										      "0.0.9\",\"10.0.0.2\","
										      "\"10.0.0.5\"],"
										      "\"nodeName\":\"a\"},"
										      "{\"addresses\":[\"10."
										      "0.0.1\"],\"nodeName\":"
										      "\"a\",\"conditions\":{"
										      "\"ready\":false,"
										      "\"serving\":true,"
										      "\"terminating\":true}}"
										      ","
										      "{\"addresses\":[\"10."
										      "0.0.4\"],\"nodeName\":"
										      "\"a\",\"conditions\":{"
										      "\"ready\":false}},"
										      "{\"nodeName\":\"a\","
										      "\"conditions\":{"
										      "\"ready\":true}},"
										      "{\"addresses\":[\"10."
										      "0.0.6\"],"
										      "\"conditions\":{"
										      "\"ready\":false,"
										      "\"serving\":false}}]",
	  SEEN("EndpointSlice", "") SEEN_META
	  "  service_name: \"web\"\n  address_type: \"IPv4\"\n"
	  "  endpoints: \n    addresses: \"10.0.0.6\"\n    ready: NO\n"
	  "  endpoints: \n    addresses: \"10.0.0.1\"\n    ready: YES\n    node_name: \"a\"\n    count: 2\n"
	  "  endpoints: \n    ready: YES\n    node_name: \"a\"\n"
	  "  endpoints: \n    addresses: \"10.0.0.4\"\n    ready: NO\n    node_name: \"a\"\n"
	  "  endpoints: \n    addresses: \"10.0.0.3\"\n    ready: YES\n    node_name: \"b\"\n",
	  0 },
	{ KIND_ENDPOINTS, "v1", "Endpoints",
	  META("") ",\"subsets\":[{\"addresses\":[{\"ip\":\"fd00::2\",\"nodeName\":\"a\"},{\"ip\":\"fd00::"
		   "1\",\"nodeName\":\"a\"}],\"notReadyAddresses\":[{\"ip\":\"fd00::3\"}]}]",
	  "EndpointSlice n/endpoints:x (name x, namespace n, uid , version 7)\n" SEEN_META
	  "  service_name: \"x\"\n  address_type: \"IPv6\"\n"
	  "  endpoints: \n    addresses: \"fd00::3\"\n    ready: NO\n"
	  "  endpoints: \n    addresses: \"fd00::1\"\n    ready: YES\n    node_name: \"a\"\n    count: 2\n",
	  0 },
	{ KIND_NODE, "v1", "Node",
	  "\"metadata\":{\"name\":\"x\",\"labels\":{\"a\":\"\"}},\"status\":{\"phase\":\"p\",\"addresses\":[{"
	  "\"type\":\"InternalIP\",\"address\":\"10.0.0.1\"}],"
	  "\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"},{\"type\":\"NetworkUnavailable\","
	  "\"status\":\"True\"}]}",
	  "Node x (name x, namespace , uid , version )\n  meta: \n    name: \"x\"\n    labels: \n      key: "
	  "\"a\"\n"
	  "  addresses: \n    type: \"InternalIP\"\n    address: \"10.0.0.1\"\n  network_unavailable: YES\n",
	  0 },
	{ KIND_NAMESPACE, "v1", "Namespace",
	  "\"metadata\":{\"name\":\"x\",\"labels\":{\"kubernetes.io/metadata.name\":\"x\"}}",
	  "Namespace x (name x, namespace , uid , version )\n  meta: \n    name: \"x\"\n    labels: \n      "
	  "key: \"kubernetes.io/metadata.name\"\n      value: \"x\"\n",
	  0 },
	/* Of Secrets only what somebody may ask for, and never for a message. */
	{ KIND_SECRET, "v1", "Secret",
	  META("") ",\"type\":\"kubernetes.io/basic-auth\",\"data\":{\"username\":\"dQ==\",\"password\":\"/"
		   "wA=\",\"secretkey\":\"\"}",
	  SEEN("Secret", "") "  meta: \n    namespace: \"n\"\n    name: \"x\"\n    resource_version: \"7\"\n"
			     "  type: \"kubernetes.io/basic-auth\"\n  keys: \"password\"\n  keys: "
			     "\"secretkey\"\n  keys: \"username\"\n"
			     "  (secret password: \\xff\\x00)\n  (secret secretkey: )\n",
	  0 },
	{ KIND_SECRET, "v1", "Secret", META("") ",\"data\":{\"password\":\"AQ==\"}",
	  SEEN("Secret", "") "  meta: \n    namespace: \"n\"\n    name: \"x\"\n    resource_version: \"7\"\n "
			     " type: \"Opaque\"\n  keys: \"password\"\n",
	  0 },
	{ KIND_SECRET, "v1", "Secret", META("") ",\"data\":{\"password\":\"!\"}",
	  SEEN("Secret", " broken") "ERROR Secret n/x: data.password: not base64\n", ONLY_JSON },
	{ KIND_CONFIG_MAP, "v1", "ConfigMap",
	  META("") ",\"data\":{\"a\":\"b\",\"config.json\":\"{}\",\"excludel2.yaml\":\"\",\"extras\":\"e\"}",
	  SEEN("ConfigMap", "") SEEN_META
	  "  data: \n    key: \"config.json\"\n    value: \"{}\"\n  data: \n    key: \"excludel2.yaml\"\n"
	  "  data: \n    key: \"extras\"\n    value: \"e\"\n",
	  0 },
	/* Kinds of others: who they are, nothing else. */
	{ KIND_N, "v1", "Pod", META(",\"uid\":\"u\"") ",\"spec\":{\"x\":[1]}",
	  "other n/x (name x, namespace n, uid u, version 7)\n", ONLY_JSON },
	{ KIND_N, "v1", "Pod", META("") ",\"spec\":{\"x\":99999999999999999999}",
	  "other n/x (name x, namespace n, uid , version 7)\nERROR Pod x: too big integer\n", ONLY_JSON },
};

static void json_event(size_t i, struct strbuf *out)
{
	struct strbuf b = { 0 };
	strbuf_fmt(&b, "{\"type\":\"ADDED\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\",%s}}",
		   cases[i].kind_name, cases[i].api_version, cases[i].members);
	dump_event(cases[i].kind, ENCODING_JSON, b.s, b.len, out);
	strbuf_fini(&b);
}

static void message_of(size_t i, struct strbuf *out)
{
	struct strbuf json = { 0 };
	strbuf_fmt(&json, "{%s}", cases[i].members);
	sample_message(json.s, cases[i].kind_name, out);
	strbuf_fini(&json);
}

static void proto_event(size_t i, struct strbuf *out)
{
	struct strbuf message = { 0 }, envelope = { 0 }, event = { 0 };
	message_of(i, &message);
	sample_envelope(cases[i].api_version, cases[i].kind_name, &message, &envelope);
	sample_event("ADDED", &envelope, &event);
	dump_event(cases[i].kind, ENCODING_PROTOBUF, event.s, event.len, out);
	strbuf_fini(&message);
	strbuf_fini(&envelope);
	strbuf_fini(&event);
}

/* Twice in a typed list, whose items do not say what they are. */
static void json_list(size_t i, struct strbuf *out)
{
	struct strbuf b = { 0 };
	strbuf_fmt(&b,
		   " { \"items\" : [{%s} , {%s}],\"apiVersion\":\"%s\",\"kind\":\"%sList\",\"metadata\":"
		   "{\"resourceVersion\":\"9\",\"continue\":\"c\"}}\n",
		   cases[i].members, cases[i].members, cases[i].api_version, cases[i].kind_name);
	dump_list(cases[i].kind, ENCODING_JSON, b.s, b.len, out);
	strbuf_fini(&b);
}

static void proto_list(size_t i, struct strbuf *out)
{
	struct strbuf message = { 0 }, list = { 0 }, envelope = { 0 };
	char kind[64];
	message_of(i, &message);
	str_fmt(kind, sizeof kind, "%sList", cases[i].kind_name);
	sample_field(&list, 1,
		     "\x12\x01"
		     "9"
		     "\x1a\x01"
		     "c",
		     6);
	sample_field(&list, 2, strbuf_get(&message), message.len);
	sample_field(&list, 2, strbuf_get(&message), message.len);
	sample_envelope(cases[i].api_version, kind, &list, &envelope);
	dump_list(cases[i].kind, ENCODING_PROTOBUF, envelope.s, envelope.len, out);
	strbuf_fini(&message);
	strbuf_fini(&list);
	strbuf_fini(&envelope);
}

/* What an item says, and what is said about it. */
static void split(size_t i, struct strbuf *item, struct strbuf *errors)
{
	const char *e = strstr(cases[i].expected, "\nERROR");
	size_t n = e ? (size_t)(e - cases[i].expected) + 1 : strlen(cases[i].expected);
	strbuf_add_n(item, cases[i].expected, n);
	strbuf_add(errors, cases[i].expected + n);
}

static void check(size_t i, void (*event)(size_t i, struct strbuf *out),
		  void (*list)(size_t i, struct strbuf *out))
{
	struct strbuf got = { 0 }, wanted = { 0 }, item = { 0 }, errors = { 0 };
	split(i, &item, &errors);
	const char *version = strstr(strbuf_get(&item), "version ") + strlen("version ");
	event(i, &got);
	strbuf_fmt(&wanted, "ADDED at %.*s\n%s%s", (int)strcspn(version, ")"), version, strbuf_get(&item),
		   strbuf_get(&errors));
	assert_string_equal(strbuf_get(&got), strbuf_get(&wanted));
	strbuf_reset(&got);
	strbuf_reset(&wanted);
	list(i, &got);
	strbuf_fmt(&wanted, "%s%slist 0 (version 9, c)\n%s%s", strbuf_get(&item), strbuf_get(&item),
		   strbuf_get(&errors), strbuf_get(&errors));
	assert_string_equal(strbuf_get(&got), strbuf_get(&wanted));
	strbuf_fini(&got);
	strbuf_fini(&wanted);
	strbuf_fini(&item);
	strbuf_fini(&errors);
}

static void test_objects(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (cases[i].only != ONLY_PROTOBUF)
			check(i, json_event, json_list);
		if (cases[i].only != ONLY_JSON)
			check(i, proto_event, proto_list);
	}
}

static void node_item(void *ctx, struct item *item)
{
	strip_for_node(item->message->descriptor == kind_descriptor(KIND_SERVICE) ? KIND_SERVICE
										  : KIND_ENDPOINTS,
		       item->message);
	dump_message(item->message, 2, ctx);
	protobuf_c_message_free_unpacked(item->message, NULL);
}

/* What a node does not look at goes; what its daemons decide by stays. */
static void test_node(void **state)
{
	(void)state;
	static const char head[] = "{\"metadata\":{\"resourceVersion\":\"9\"},\"apiVersion\":\"%s\",\"kind\":"
				   "\"%sList\",\"items\":[{\"metadata\":{\"name\":\"x\",\"namespace\":\"n\","
				   "\"uid\":\"u\",\"creationTimestamp\":\"1970-01-01T00:00:02Z\",\"labels\":{"
				   "\"kubernetes.io/service-name\":\"web\"},\"annotations\":{"
				   "\"metallb.io/ip-allocated-from-pool\":\"p\"}},%s}]}";
	static const struct {
		enum kind kind;
		const char *api_version, *name, *members, *expected;
	} v[] = {
		{ KIND_SERVICE, "v1", "Service",
		  "\"spec\":{\"type\":\"LoadBalancer\",\"clusterIPs\":[\"10.0.0.1\"],\"ipFamilies\":["
		  "\"IPv4\"],"
		  "\"ipFamilyPolicy\":\"SingleStack\",\"loadBalancerIP\":\"192.0.2.1\",\"loadBalancerClass\":"
		  "\"c\","
		  "\"externalTrafficPolicy\":\"Local\",\"selector\":{\"a\":\"b\"},\"ports\":[{\"port\":80}]},"
		  "\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"}]}}",
		  "  meta: \n    namespace: \"n\"\n    name: \"x\"\n    uid: \"u\"\n    labels: \n      key: "
		  "\"kubernetes.io/service-name\"\n      value: \"web\"\n    annotations: \n      key: "
		  "\"metallb.io/ip-allocated-from-pool\"\n      value: \"p\"\n  type: \"LoadBalancer\"\n  "
		  "load_balancer_class: \"c\"\n  external_traffic_policy: \"Local\"\n  ingress: \n    ip: "
		  "\"192.0.2.1\"\n" },
		{ KIND_ENDPOINTS, "discovery.k8s.io/v1", "EndpointSlice",
		  "\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.1.0.1\"],\"nodeName\":\"a\"},"
		  "{\"addresses\":[],\"nodeName\":\"b\",\"conditions\":{\"ready\":false}}]",
		  "  meta: \n    namespace: \"n\"\n    name: \"x\"\n    annotations: \n      key: "
		  "\"metallb.io/ip-allocated-from-pool\"\n      value: \"p\"\n  service_name: \"web\"\n  "
		  "endpoints: \n    addresses: \"\"\n    ready: YES\n    node_name: \"a\"\n  endpoints: \n   "
		  " "
		  "ready: NO\n    node_name: \"b\"\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct strbuf text = { 0 }, got = { 0 };
		struct diags diags = { 0 };
		struct list_meta meta;
		strbuf_fmt(&text, head, v[i].api_version, v[i].name, v[i].members);
		assert_int_equal(
		    decode_list(v[i].kind, ENCODING_JSON, text.s, text.len, &diags, node_item, &got, &meta),
		    0);
		assert_string_equal(strbuf_get(&got), v[i].expected);
		diags_fini(&diags);
		strbuf_fini(&text);
		strbuf_fini(&got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_objects), cmocka_unit_test(test_node) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
