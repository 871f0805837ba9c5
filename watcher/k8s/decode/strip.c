/* Strips objects, and merges endpoints that are the same for us. Pure; run by the watcher. */
#include "watcher/k8s/decode/strip.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/model/service.h"

static void clear_text(char **member)
{
	if (*member != protobuf_c_empty_string)
		free(*member);
	/* protobuf-c's own mark for "empty, not ours to free"; its type lacks only the const. */
	*member = (char *)(uintptr_t)protobuf_c_empty_string;
}

static void free_pairs(Ingot__KeyValue **v, size_t from, size_t n)
{
	for (size_t i = from; i < n; i++)
		ingot__key_value__free_unpacked(v[i], NULL);
}

/* The version of an object changes with every status that somebody writes to it. Readers look at it only to
 * notice a changed password, which they do not see themselves. */
static void strip_meta(Ingot__ObjectMeta *m, bool keep_version)
{
	m->generation = 0;
	if (!keep_version)
		clear_text(&m->resource_version);
}

static void strip_service(Ingot__Service *s)
{
	for (size_t i = 0; i < s->n_ports; i++) {
		clear_text(&s->ports[i]->name);
		s->ports[i]->node_port = 0;
	}
}

/* ConfigMaps of a namespace may be many and large; these are the keys of those that Ingot reads. */
static bool is_read(const char *key)
{
	static const char *const keys[] = { "excludel2.yaml", "extras", "config.json" };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return false;
}

static void strip_config_map(Ingot__ConfigMap *m)
{
	size_t kept = 0;
	for (size_t i = 0; i < m->n_data; i++) {
		if (is_read(m->data[i]->key))
			m->data[kept++] = m->data[i];
		else
			ingot__key_value__free_unpacked(m->data[i], NULL);
	}
	m->n_data = kept;
}

/* The password of a peer, the key of the gossip. */
static bool may_be_asked_for(const Ingot__Secret *s, const char *key)
{
	return strcmp(key, "secretkey") == 0 ||
	       (strcmp(key, "password") == 0 && strcmp(s->type, "kubernetes.io/basic-auth") == 0);
}

static void strip_secret(const Ingot__Secret *s, struct manifest_secrets *secrets)
{
	size_t kept = 0;
	for (size_t i = 0; i < secrets->n; i++) {
		struct manifest_secret *one = &secrets->v[i];
		if (may_be_asked_for(s, one->key)) {
			secrets->v[kept++] = *one;
			continue;
		}
		explicit_bzero(one->value, one->len);
		free(one->value);
		free(one->key);
	}
	secrets->n = kept;
}

/* Whether it can serve is all that is asked about its conditions, and whether there is an address all that is
 * asked about those: one stays as witness, the first by text, because the order in a slice means nothing. */
static void strip_endpoint(Ingot__Endpoint *e)
{
	e->ready = endpoint_can_serve(e) ? INGOT__TRISTATE__YES : INGOT__TRISTATE__NO;
	e->serving = e->terminating = INGOT__TRISTATE__UNSET;
	for (size_t i = 1; i < e->n_addresses; i++) {
		if (strcmp(e->addresses[i], e->addresses[0]) < 0) {
			char *first = e->addresses[i];
			e->addresses[i] = e->addresses[0];
			e->addresses[0] = first;
		}
		free(e->addresses[i]);
	}
	e->n_addresses = e->n_addresses > 0;
	e->count = 1;
}

static int same_for_us(const Ingot__Endpoint *a, const Ingot__Endpoint *b)
{
	int c = strcmp(a->node_name, b->node_name);
	if (c == 0)
		c = (int)b->ready - (int)a->ready;
	return c ? c : (b->n_addresses > 0) - (a->n_addresses > 0);
}

static int by_meaning(const void *a, const void *b)
{
	const Ingot__Endpoint *const *x = a, *const *y = b;
	int c = same_for_us(*x, *y);
	return c == 0 && (*x)->n_addresses ? strcmp((*x)->addresses[0], (*y)->addresses[0]) : c;
}

static void strip_slice(Ingot__EndpointSlice *s)
{
	/* They are the Service's labels again; the one that says whose slice it is, is a field of its own. */
	free_pairs(s->meta->labels, 0, s->meta->n_labels);
	s->meta->n_labels = 0;
	for (size_t i = 0; i < s->n_endpoints; i++)
		strip_endpoint(s->endpoints[i]);
	if (s->n_endpoints)
		qsort(s->endpoints, s->n_endpoints, sizeof *s->endpoints, by_meaning);
	size_t kept = 0;
	for (size_t i = 0; i < s->n_endpoints; i++) {
		Ingot__Endpoint *e = s->endpoints[i];
		if (kept && same_for_us(s->endpoints[kept - 1], e) == 0) {
			s->endpoints[kept - 1]->count++;
			ingot__endpoint__free_unpacked(e, NULL);
		} else {
			s->endpoints[kept++] = e;
		}
	}
	s->n_endpoints = kept;
	for (size_t i = 0; i < kept; i++)
		if (s->endpoints[i]->count == 1)
			s->endpoints[i]->count = 0; /* absent */
}

void strip_object(enum kind k, ProtobufCMessage *m, struct manifest_secrets *secrets)
{
	bool keep_version = k == KIND_SECRET || (k == KIND_BGP_PEER && ((Ingot__BGPPeer *)m)->has_password);
	/* The message is ours; object_meta is const for the sake of who only reads. */
	strip_meta((Ingot__ObjectMeta *)(uintptr_t)object_meta(k, m), keep_version);
	if (k == KIND_SERVICE)
		strip_service((Ingot__Service *)m);
	else if (k == KIND_ENDPOINTS)
		strip_slice((Ingot__EndpointSlice *)m);
	else if (k == KIND_CONFIG_MAP)
		strip_config_map((Ingot__ConfigMap *)m);
	else if (k == KIND_SECRET)
		strip_secret((Ingot__Secret *)m, secrets);
}

static void drop_texts(char **v, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		free(v[i]);
	*n = 0;
}

static void strip_node_service(Ingot__Service *s)
{
	clear_text(&s->load_balancer_ip);
	clear_text(&s->ip_family_policy);
	drop_texts(s->cluster_ips, &s->n_cluster_ips);
	drop_texts(s->ip_families, &s->n_ip_families);
	free_pairs(s->selector, 0, s->n_selector);
	s->n_selector = 0;
	for (size_t i = 0; i < s->n_ports; i++)
		ingot__service_port__free_unpacked(s->ports[i], NULL);
	s->n_ports = 0;
}

static void strip_node_slice(Ingot__EndpointSlice *s)
{
	clear_text(&s->meta->uid);
	clear_text(&s->address_type);
	for (size_t i = 0; i < s->n_endpoints; i++)
		for (size_t k = 0; k < s->endpoints[i]->n_addresses; k++)
			*s->endpoints[i]->addresses[k] = 0; /* that there is one is all that is asked */
}

void strip_for_node(enum kind k, ProtobufCMessage *m)
{
	if (k == KIND_SERVICE)
		strip_node_service((Ingot__Service *)m);
	else if (k == KIND_ENDPOINTS)
		strip_node_slice((Ingot__EndpointSlice *)m);
	else
		return;
	((Ingot__ObjectMeta *)(uintptr_t)object_meta(k, m))->creation_ms = 0;
}
