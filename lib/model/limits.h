/* Caps on what anybody outside can make Ingot store. Each has a counter where it is enforced. */
#ifndef INGOT_MODEL_LIMITS_H
#define INGOT_MODEL_LIMITS_H

enum {
	LIMIT_NAME = 253, /* RFC 1123 subdomain */
	LIMIT_NODE_NAME = 253,
	LIMIT_OBJECT_BYTES = 1 << 20, /* one object, encoded */
	LIMIT_OBJECTS = 200000,	      /* per kind */
	LIMIT_SERVICE_IPS = 2,
	LIMIT_PORTS = 1024,
	LIMIT_ENDPOINTS = 1000, /* per slice, the Kubernetes API's own maximum */
	LIMIT_MEMBERS = 5000,
	LIMIT_PEERS = 256, /* BGP peers of one node */
	LIMIT_INTERFACES = 4096,
	LIMIT_COMMUNITIES = 63, /* per advertisement, as MetalLB */
};

#endif
