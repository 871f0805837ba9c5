/* Decoding of Service, EndpointSlice and Endpoints, with the defaults that the API server would fill in.
 * Pure; run by the watcher and ingotctl. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/manifest/decode.h"
#include "lib/model/limits.h"

#define SERVICE(member) AT(Ingot__Service, member)

static const char *const types[] = { "ClusterIP", "NodePort", "LoadBalancer", "ExternalName", NULL };
static const char *const families[] = { "IPv4", "IPv6", NULL };
static const char *const family_policies[] = { "SingleStack", "PreferDualStack", "RequireDualStack", NULL };
static const char *const traffic_policies[] = { "Cluster", "Local", NULL };
static const char *const protocols[] = { "TCP", "UDP", "SCTP", NULL };
static const char *const address_types[] = { "IPv4", "IPv6", "FQDN", NULL };

static const struct field port_fields[] = {
	{ .name = "name", .type = FIELD_STRING, .offset = AT(Ingot__ServicePort, name) },
	{ .name = "protocol",
	  .type = FIELD_STRING,
	  .choices = protocols,
	  .offset = AT(Ingot__ServicePort, protocol) },
	{ .name = "port",
	  .type = FIELD_U32,
	  .flags = FIELD_REQUIRED,
	  .offset = AT(Ingot__ServicePort, port),
	  .min = 1,
	  .max = 65535 },
	{ .name = "nodePort", .type = FIELD_U32, .offset = AT(Ingot__ServicePort, node_port), .max = 65535 },
	{ .name = "targetPort" },
	{ .name = "appProtocol" },
};
static const struct table port_table = MESSAGE_TABLE(port_fields, ingot__service_port__descriptor);

static void append_text(struct decoder *d, char ***list, size_t *n, const char *text)
{
	char *copy = strdup(text);
	if (!copy || !decode_append(d, list, n, copy)) {
		d->oom = true;
		free(copy);
	}
}

/* clusterIP counts only when clusterIPs is absent. */
static void decode_cluster_ip(struct decoder *d, const struct where *at, void *message)
{
	Ingot__Service *s = message;
	const struct node *list = node_get(at->up->node, "clusterIPs");
	const char *text = decode_text(d, at);
	if (!text || !*text || (list && list->type == NODE_LIST && list->n > 0))
		return;
	append_text(d, &s->cluster_ips, &s->n_cluster_ips, text);
}

static const struct field service_spec_fields[] = {
	{ .name = "type", .type = FIELD_STRING, .choices = types, .offset = SERVICE(type) },
	{ .name = "loadBalancerClass", .type = FIELD_STRING, .offset = SERVICE(load_balancer_class) },
	{ .name = "loadBalancerIP", .type = FIELD_STRING, .offset = SERVICE(load_balancer_ip) },
	{ .name = "clusterIP", .type = FIELD_CUSTOM, .custom = decode_cluster_ip },
	{ .name = "clusterIPs", .type = FIELD_STRINGS, .max = 2, LIST_AT(Ingot__Service, cluster_ips) },
	{ .name = "ipFamilies",
	  .type = FIELD_STRINGS,
	  .choices = families,
	  .max = 2,
	  LIST_AT(Ingot__Service, ip_families) },
	{ .name = "ipFamilyPolicy",
	  .type = FIELD_STRING,
	  .choices = family_policies,
	  .offset = SERVICE(ip_family_policy) },
	{ .name = "externalTrafficPolicy",
	  .type = FIELD_STRING,
	  .choices = traffic_policies,
	  .offset = SERVICE(external_traffic_policy) },
	{ .name = "selector", .type = FIELD_KEYS, LIST_AT(Ingot__Service, selector) },
	{ .name = "ports",
	  .type = FIELD_MESSAGES,
	  .sub = &port_table,
	  .max = LIMIT_PORTS,
	  LIST_AT(Ingot__Service, ports) },
	{ .name = "sessionAffinity" },
	{ .name = "sessionAffinityConfig" },
	{ .name = "externalIPs" },
	{ .name = "loadBalancerSourceRanges" },
	{ .name = "externalName" },
	{ .name = "healthCheckNodePort" },
	{ .name = "publishNotReadyAddresses" },
	{ .name = "allocateLoadBalancerNodePorts" },
	{ .name = "internalTrafficPolicy" },
	{ .name = "trafficDistribution" },
};
static const struct table service_spec = TABLE(service_spec_fields);

static const struct field ingress_fields[] = {
	{ .name = "ip", .type = FIELD_STRING, .offset = AT(Ingot__LoadBalancerIngress, ip) },
	{ .name = "hostname", .type = FIELD_STRING, .offset = AT(Ingot__LoadBalancerIngress, hostname) },
	{ .name = "ipMode", .type = FIELD_STRING, .offset = AT(Ingot__LoadBalancerIngress, ip_mode) },
	{ .name = "ports" },
};
static const struct table ingress_table =
    MESSAGE_TABLE(ingress_fields, ingot__load_balancer_ingress__descriptor);
static const struct field load_balancer_fields[] = {
	{ .name = "ingress",
	  .type = FIELD_MESSAGES,
	  .sub = &ingress_table,
	  .max = 64,
	  LIST_AT(Ingot__Service, ingress) },
};
static const struct table load_balancer = TABLE(load_balancer_fields);
static const struct field service_status_fields[] = {
	{ .name = "loadBalancer", .type = FIELD_SCOPE, .sub = &load_balancer },
	{ .name = "conditions" },
};
static const struct table service_status = TABLE(service_status_fields);

static const struct field service_fields[] = {
	COMMON_FIELDS,
	{ .name = "spec", .type = FIELD_SCOPE, .sub = &service_spec },
	{ .name = "status", .type = FIELD_SCOPE, .sub = &service_status },
};
static const struct table service_table = TABLE(service_fields);

static void default_text(struct decoder *d, char **member, const char *text)
{
	if (!**member)
		decode_set(d, member, text);
}

/* A manifest has no cluster IPs, which an API server would have allocated; all that anybody reads from them
 * is the family, so the unspecified address of each family stands in. */
static void default_families(struct decoder *d, Ingot__Service *s)
{
	bool dual = strcmp(s->ip_family_policy, "PreferDualStack") == 0 ||
		    strcmp(s->ip_family_policy, "RequireDualStack") == 0;
	if (s->n_cluster_ips || strcmp(s->type, "LoadBalancer") != 0)
		return;
	if (s->n_ip_families == 0)
		append_text(d, &s->ip_families, &s->n_ip_families, "IPv4");
	if (!d->oom && s->n_ip_families == 1 && dual) {
		bool v4 = strcmp(s->ip_families[0], "IPv4") == 0;
		append_text(d, &s->ip_families, &s->n_ip_families, v4 ? "IPv6" : "IPv4");
	}
	for (size_t i = 0; i < s->n_ip_families && !d->oom; i++) {
		bool v4 = strcmp(s->ip_families[i], "IPv4") == 0;
		append_text(d, &s->cluster_ips, &s->n_cluster_ips, v4 ? "0.0.0.0" : "::");
	}
}

static void service_finish(struct decoder *d, const struct where *at, void *message)
{
	(void)at;
	Ingot__Service *s = message;
	default_text(d, &s->type, "ClusterIP");
	default_text(d, &s->external_traffic_policy, "Cluster");
	for (size_t i = 0; i < s->n_ports; i++)
		default_text(d, &s->ports[i]->protocol, "TCP");
	if (d->n_errors == 0 && !d->oom && !decode_is_served(d))
		default_families(d, s);
}

static const struct field condition_fields[] = {
	{ .name = "ready", .type = FIELD_TRISTATE, .offset = AT(Ingot__Endpoint, ready) },
	{ .name = "serving", .type = FIELD_TRISTATE, .offset = AT(Ingot__Endpoint, serving) },
	{ .name = "terminating", .type = FIELD_TRISTATE, .offset = AT(Ingot__Endpoint, terminating) },
};
static const struct table conditions = TABLE(condition_fields);

/* Before EndpointSlice v1 the node's name was a topology label. */
static void decode_topology(struct decoder *d, const struct where *at, void *message)
{
	Ingot__Endpoint *e = message;
	const struct node *host = node_get(at->node, "kubernetes.io/hostname");
	if (host && host->type == NODE_STRING && !*e->node_name)
		decode_set(d, &e->node_name, host->text);
}

static const struct field endpoint_fields[] = {
	{ .name = "addresses", .type = FIELD_STRINGS, .max = 100, LIST_AT(Ingot__Endpoint, addresses) },
	{ .name = "conditions", .type = FIELD_SCOPE, .sub = &conditions },
	{ .name = "nodeName", .type = FIELD_STRING, .offset = AT(Ingot__Endpoint, node_name) },
	{ .name = "topology", .type = FIELD_CUSTOM, .custom = decode_topology },
	{ .name = "deprecatedTopology" },
	{ .name = "hostname" },
	{ .name = "targetRef" },
	{ .name = "zone" },
	{ .name = "hints" },
};
static const struct table endpoint_table = MESSAGE_TABLE(endpoint_fields, ingot__endpoint__descriptor);
static const struct field slice_fields[] = {
	COMMON_FIELDS,
	{ .name = "addressType",
	  .type = FIELD_STRING,
	  .flags = FIELD_REQUIRED,
	  .choices = address_types,
	  .offset = AT(Ingot__EndpointSlice, address_type) },
	{ .name = "endpoints",
	  .type = FIELD_MESSAGES,
	  .sub = &endpoint_table,
	  .max = LIMIT_ENDPOINTS,
	  LIST_AT(Ingot__EndpointSlice, endpoints) },
	{ .name = "ports" },
};
static const struct table slice_table = TABLE(slice_fields);

static void slice_finish(struct decoder *d, const struct where *at, void *message)
{
	Ingot__EndpointSlice *s = message;
	const char *name = kv_get(s->meta->labels, s->meta->n_labels, "kubernetes.io/service-name");
	struct where here = where_child(at, "metadata.labels", at->node);
	if (name)
		decode_set(d, &s->service_name, name);
	else if (!decode_is_served(d))
		decode_warning(d, &here, "no label kubernetes.io/service-name: it belongs to no Service");
}

/* Core Endpoints: each address is an endpoint of its own, ready or not by the list that it stands in. */
static void decode_subset_ip(struct decoder *d, const struct where *at, void *message)
{
	Ingot__Endpoint *e = message;
	const char *text = decode_text(d, at);
	if (text)
		append_text(d, &e->addresses, &e->n_addresses, text);
}
static const struct field subset_address_fields[] = {
	{ .name = "ip", .type = FIELD_CUSTOM, .flags = FIELD_REQUIRED, .custom = decode_subset_ip },
	{ .name = "nodeName", .type = FIELD_STRING, .offset = AT(Ingot__Endpoint, node_name) },
	{ .name = "hostname" },
	{ .name = "targetRef" },
};
static const struct table subset_address = TABLE(subset_address_fields);

static void decode_subset_addresses(struct decoder *d, const struct where *at, Ingot__EndpointSlice *s,
				    Ingot__Tristate ready)
{
	if (at->node->type != NODE_LIST) {
		decode_mismatch(d, at, "a list");
		return;
	}
	for (size_t i = 0; i < at->node->n && !d->oom; i++) {
		struct where here = where_item(at, i);
		/* Old servers keep all endpoints of a Service in one object; its size is the limit then. */
		if (s->n_endpoints >= LIMIT_ENDPOINTS && !decode_is_served(d)) {
			decode_error(d, &here, "more than %d addresses", LIMIT_ENDPOINTS);
			return;
		}
		Ingot__Endpoint *e = decode_new(d, &ingot__endpoint__descriptor);
		if (!e)
			return;
		e->ready = ready;
		decode_table(d, &here, &subset_address, e);
		if (!decode_append(d, &s->endpoints, &s->n_endpoints, e))
			ingot__endpoint__free_unpacked(e, NULL);
	}
}
static void decode_ready(struct decoder *d, const struct where *at, void *message)
{
	decode_subset_addresses(d, at, message, INGOT__TRISTATE__YES);
}
static void decode_not_ready(struct decoder *d, const struct where *at, void *message)
{
	decode_subset_addresses(d, at, message, INGOT__TRISTATE__NO);
}
static const struct field subset_fields[] = {
	{ .name = "addresses", .type = FIELD_CUSTOM, .custom = decode_ready },
	{ .name = "notReadyAddresses", .type = FIELD_CUSTOM, .custom = decode_not_ready },
	{ .name = "ports" },
};
static const struct table subset_table = TABLE(subset_fields);
static void decode_subsets(struct decoder *d, const struct where *at, void *message)
{
	if (at->node->type != NODE_LIST) {
		decode_mismatch(d, at, "a list");
		return;
	}
	for (size_t i = 0; i < at->node->n && !d->oom; i++) {
		struct where here = where_item(at, i);
		decode_table(d, &here, &subset_table, message);
	}
}
static const struct field endpoints_fields[] = {
	COMMON_FIELDS,
	{ .name = "subsets", .type = FIELD_CUSTOM, .custom = decode_subsets },
};
static const struct table endpoints_table = TABLE(endpoints_fields);

static void endpoints_finish(struct decoder *d, const struct where *at, void *message)
{
	(void)at;
	Ingot__EndpointSlice *s = message;
	const char *first =
	    s->n_endpoints && s->endpoints[0]->n_addresses ? s->endpoints[0]->addresses[0] : "";
	decode_set(d, &s->service_name, s->meta->name);
	decode_set(d, &s->address_type, strchr(first, ':') ? "IPv6" : "IPv4");
}

const struct kind_decoder decode_service_kinds[] = {
	{ "v1", "Service", KIND_SERVICE, &service_table, service_finish, "", NULL },
	{ "v1", "Endpoints", KIND_ENDPOINTS, &endpoints_table, endpoints_finish, "endpoints:", NULL },
	{ "discovery.k8s.io/v1", "EndpointSlice", KIND_ENDPOINTS, &slice_table, slice_finish, "", NULL },
	{ "discovery.k8s.io/v1beta1", "EndpointSlice", KIND_ENDPOINTS, &slice_table, slice_finish, "", NULL },
	{ 0 },
};
