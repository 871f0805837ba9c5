/* Packed messages for the tests of what is kept. The caller frees data. */
#ifndef INGOT_TESTS_K8S_KEEP_MAKE_H
#define INGOT_TESTS_K8S_KEEP_MAKE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/must.h"
#include "proto/objects.pb-c.h"

struct packed {
	uint8_t *data;
	size_t len;
};

static inline struct packed pack_message(const ProtobufCMessage *m)
{
	struct packed p = { NULL, protobuf_c_message_get_packed_size(m) };
	p.data = malloc(p.len + 1);
	must(p.data && protobuf_c_message_pack(m, p.data) == p.len);
	return p;
}

/* Texts in messages are char *; nobody writes to them. */
static inline char *text(const char *s)
{
	union {
		const char *in;
		char *out;
	} u = { s };
	return u.out;
}

static inline struct packed pack_service(const char *ns, const char *name, const char *ip)
{
	Ingot__ObjectMeta meta = INGOT__OBJECT_META__INIT;
	Ingot__Service service = INGOT__SERVICE__INIT;
	Ingot__LoadBalancerIngress ingress = INGOT__LOAD_BALANCER_INGRESS__INIT, *list[] = { &ingress };
	meta.namespace_ = text(ns);
	meta.name = text(name);
	ingress.ip = text(ip);
	service.meta = &meta;
	service.n_ingress = 1;
	service.ingress = list;
	return pack_message(&service.base);
}

static inline struct packed pack_slice(const char *ns, const char *name, const char *service)
{
	Ingot__ObjectMeta meta = INGOT__OBJECT_META__INIT;
	Ingot__EndpointSlice slice = INGOT__ENDPOINT_SLICE__INIT;
	meta.namespace_ = text(ns);
	meta.name = text(name);
	slice.meta = &meta;
	slice.service_name = text(service);
	return pack_message(&slice.base);
}

#endif
