/* Builders of topic messages for the tests of statusd. Messages are put into the state, which copies them. */
#ifndef INGOT_TESTS_STATUSD_MAKE_H
#define INGOT_TESTS_STATUSD_MAKE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "statusd/state.h"

/* Texts in messages are char *; the state copies them and nobody writes. */
static inline char *text(const char *s)
{
	union {
		const char *in;
		char *out;
	} u = { s };
	return u.out;
}

/* A Service of type LoadBalancer; ip NULL = no status yet. */
static inline void put_service(struct state *s, const char *name, const char *ip)
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
	assert_int_equal(state_put(s, TOPIC_SERVICES, key, &service.base), 0);
}

static inline void put_assignment(struct state *s, const char *key, const char *reason, const char *message)
{
	Ingot__Assignment a = INGOT__ASSIGNMENT__INIT;
	a.reason = text(reason);
	a.message = text(message);
	assert_int_equal(state_put(s, TOPIC_ASSIGNMENTS, key, &a.base), 0);
}

static inline void put_endpoint(struct state *s, const char *service, const char *node)
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
	assert_int_equal(state_put(s, TOPIC_ENDPOINTS, key, &slice.base), 0);
}

static inline void put_l2(struct state *s, const char *key, const char *owner, const char *reason)
{
	Ingot__L2ServiceState l2 = INGOT__L2_SERVICE_STATE__INIT;
	l2.owner = text(owner);
	l2.reason = text(reason);
	l2.announcing = !*reason;
	assert_int_equal(state_put(s, TOPIC_L2_SERVICES, key, &l2.base), 0);
}

static inline void put_bgp(struct state *s, const char *key, const char *peer, const char *reason)
{
	Ingot__BgpServiceState b = INGOT__BGP_SERVICE_STATE__INIT;
	char *peers[] = { text(peer) }, *prefixes[] = { text("192.0.2.1/32") };
	b.reason = text(reason);
	if (*peer) {
		b.n_peers = b.n_prefixes = 1;
		b.peers = peers;
		b.prefixes = prefixes;
	}
	assert_int_equal(state_put(s, TOPIC_BGP_SERVICES, key, &b.base), 0);
}

static inline void put_peer(struct state *s, const char *name, const char *peer_state, const char *reason)
{
	Ingot__BgpPeerState p = INGOT__BGP_PEER_STATE__INIT;
	p.state = text(peer_state);
	p.reason = text(reason);
	p.address = text("10.50.0.1:179");
	assert_int_equal(state_put(s, TOPIC_BGP_PEERS, name, &p.base), 0);
}

#endif
