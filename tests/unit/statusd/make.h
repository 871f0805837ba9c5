/* Builders of topic messages for the tests of statusd, and the tables that the bus keeps in real life. */
#ifndef INGOT_TESTS_STATUSD_MAKE_H
#define INGOT_TESTS_STATUSD_MAKE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "statusd/state.h"

static struct hashtab tables[TOPIC_N];

static inline void state_begin(struct state *s, const char *node)
{
	state_init(s, node);
	for (size_t t = 0; t < TOPIC_N; t++)
		s->table[t] = &tables[t];
}

static inline void state_end(void)
{
	for (size_t t = 0; t < TOPIC_N; t++)
		hashtab_fini(&tables[t], free);
}

static inline void drop(enum topic t, const char *key)
{
	struct hashtab_node *row = hashtab_find(&tables[t], key, strlen(key));
	if (row)
		hashtab_remove(&tables[t], row);
	free(row);
}

static inline void put(enum topic t, const char *key, const ProtobufCMessage *m)
{
	uint8_t value[4096];
	assert_true(protobuf_c_message_get_packed_size(m) <= sizeof value);
	struct row *row = row_new(key, value, protobuf_c_message_pack(m, value));
	assert_non_null(row);
	drop(t, key);
	assert_int_equal(hashtab_add(&tables[t], &row->node, row->key, row->node.key_len), 0);
}

/* Texts in messages are char *; they are copied and nobody writes. */
static inline char *text(const char *s)
{
	union {
		const char *in;
		char *out;
	} u = { s };
	return u.out;
}

/* A Service of type LoadBalancer; ip NULL = no status yet. */
static inline void put_service(const char *name, const char *ip)
{
	Ingot__ObjectMeta meta = INGOT__OBJECT_META__INIT;
	Ingot__Service service = INGOT__SERVICE__INIT;
	Ingot__LoadBalancerIngress ingress = INGOT__LOAD_BALANCER_INGRESS__INIT, *list[] = { &ingress };
	char key[128];

	meta.namespace_ = text("default");
	meta.name = text(name);
	service.meta = &meta;
	service.type = text("LoadBalancer");
	if (ip) {
		ingress.ip = text(ip);
		service.n_ingress = 1;
		service.ingress = list;
	}
	snprintf(key, sizeof key, "default/%s", name);
	put(TOPIC_SERVICES, key, &service.base);
}

static inline void put_assignment(const char *key, const char *reason, const char *message)
{
	Ingot__Assignment a = INGOT__ASSIGNMENT__INIT;
	a.reason = text(reason);
	a.message = text(message);
	put(TOPIC_ASSIGNMENTS, key, &a.base);
}

static inline void put_endpoint(const char *service, const char *node)
{
	Ingot__ObjectMeta meta = INGOT__OBJECT_META__INIT;
	Ingot__Endpoint e = INGOT__ENDPOINT__INIT, *list[] = { &e };
	Ingot__EndpointSlice slice = INGOT__ENDPOINT_SLICE__INIT;
	char *addresses[] = { text("10.70.1.2") }, key[128];

	meta.namespace_ = text("default");
	e.n_addresses = 1;
	e.addresses = addresses;
	e.node_name = text(node);
	slice.meta = &meta;
	slice.service_name = text(service);
	slice.n_endpoints = 1;
	slice.endpoints = list;
	snprintf(key, sizeof key, "default/%s-%s", service, node);
	put(TOPIC_ENDPOINTS, key, &slice.base);
}

static inline void put_l2(const char *key, const char *owner, const char *reason)
{
	Ingot__L2ServiceState l2 = INGOT__L2_SERVICE_STATE__INIT;
	l2.owner = text(owner);
	l2.reason = text(reason);
	l2.announcing = !*reason;
	put(TOPIC_L2_SERVICES, key, &l2.base);
}

static inline void put_bgp(const char *key, const char *peer, const char *reason)
{
	Ingot__BgpServiceState b = INGOT__BGP_SERVICE_STATE__INIT;
	char *peers[] = { text(peer) }, *prefixes[] = { text("192.0.2.1/32") };
	b.reason = text(reason);
	if (*peer) {
		b.n_peers = b.n_prefixes = 1;
		b.peers = peers;
		b.prefixes = prefixes;
	}
	put(TOPIC_BGP_SERVICES, key, &b.base);
}

static inline void put_peer(const char *name, const char *peer_state, const char *reason)
{
	Ingot__BgpPeerState p = INGOT__BGP_PEER_STATE__INIT;
	p.state = text(peer_state);
	p.reason = text(reason);
	p.address = text("10.50.0.1:179");
	put(TOPIC_BGP_PEERS, name, &p.base);
}

#endif
