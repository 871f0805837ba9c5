/* The table of object kinds as lookups. Pure; used by every daemon that reads objects. */
#include "lib/model/kinds.h"

#include <stdlib.h>

#include "lib/base/must.h"
#include "proto/objects.pb-c.h"

enum scope { CLUSTER, NAMESPACED };

static const struct {
	const char *name;
	const ProtobufCMessageDescriptor *descriptor;
	enum scope scope;
} kinds[KIND_N] = {
#define X(constant, type, prefix, text, scope_of_kind)                                                       \
	[constant] = { text, &prefix##__descriptor, scope_of_kind },
	MODEL_KINDS(X)
#undef X
};

const char *kind_name(enum kind k)
{
	must(k < KIND_N);
	return kinds[k].name;
}

const ProtobufCMessageDescriptor *kind_descriptor(enum kind k)
{
	must(k < KIND_N);
	return kinds[k].descriptor;
}

bool kind_is_namespaced(enum kind k)
{
	must(k < KIND_N);
	return kinds[k].scope == NAMESPACED;
}

ProtobufCMessage *message_copy(const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *packed = malloc(len ? len : 1);
	if (!packed)
		return NULL;
	protobuf_c_message_pack(m, packed);
	ProtobufCMessage *copy = protobuf_c_message_unpack(m->descriptor, NULL, len, packed);
	free(packed);
	return copy;
}
