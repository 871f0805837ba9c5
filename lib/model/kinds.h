/* The kinds of object that Ingot reads: one table for the watcher's decoders, the object store and the
 * topics. */
#ifndef INGOT_MODEL_KINDS_H
#define INGOT_MODEL_KINDS_H

#include <stdbool.h>

#include <protobuf-c/protobuf-c.h>

/*  constant         C type                  message descriptor prefix    Kubernetes kind      scope */
#define MODEL_KINDS(X)                                                                                       \
	X(KIND_SERVICE, Ingot__Service, ingot__service, "Service", NAMESPACED)                               \
	X(KIND_ENDPOINTS, Ingot__EndpointSlice, ingot__endpoint_slice, "EndpointSlice", NAMESPACED)          \
	X(KIND_NODE, Ingot__Node, ingot__node, "Node", CLUSTER)                                              \
	X(KIND_NAMESPACE, Ingot__Namespace, ingot__namespace, "Namespace", CLUSTER)                          \
	X(KIND_SECRET, Ingot__Secret, ingot__secret, "Secret", NAMESPACED)                                   \
	X(KIND_CONFIG_MAP, Ingot__ConfigMap, ingot__config_map, "ConfigMap", NAMESPACED)                     \
	X(KIND_POOL, Ingot__IPAddressPool, ingot__ipaddress_pool, "IPAddressPool", NAMESPACED)               \
	X(KIND_L2_ADVERTISEMENT, Ingot__L2Advertisement, ingot__l2_advertisement, "L2Advertisement",         \
	  NAMESPACED)                                                                                        \
	X(KIND_BGP_ADVERTISEMENT, Ingot__BGPAdvertisement, ingot__bgpadvertisement, "BGPAdvertisement",      \
	  NAMESPACED)                                                                                        \
	X(KIND_BGP_PEER, Ingot__BGPPeer, ingot__bgppeer, "BGPPeer", NAMESPACED)                              \
	X(KIND_BFD_PROFILE, Ingot__BFDProfile, ingot__bfdprofile, "BFDProfile", NAMESPACED)                  \
	X(KIND_COMMUNITY, Ingot__Community, ingot__community, "Community", NAMESPACED)

enum kind {
#define X(constant, type, prefix, name, scope) constant,
	MODEL_KINDS(X)
#undef X
	    KIND_N
};

const char *kind_name(enum kind k); /* "IPAddressPool" */
const ProtobufCMessageDescriptor *kind_descriptor(enum kind k);
bool kind_is_namespaced(enum kind k);

/* A deep copy of a message of any type, by way of its wire form; the caller frees it with
 * protobuf_c_message_free_unpacked. NULL on out of memory. What the bus lends has to be copied to be kept. */
ProtobufCMessage *message_copy(const ProtobufCMessage *m);

#endif
