/* For the fuzz targets of the decoder: what must hold for every item. */
#ifndef INGOT_TESTS_FUZZ_K8S_CHECK_H
#define INGOT_TESTS_FUZZ_K8S_CHECK_H

#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/model/limits.h"
#include "watcher/k8s/decode/decode.h"

/* The first byte of the input: kind in the low bits, encoding in the high ones. */
static inline enum kind fuzz_kind(uint8_t b)
{
	return (enum kind)((b & 0x1f) % (KIND_N + 1));
}
static inline enum encoding fuzz_encoding(uint8_t b)
{
	return b >> 5 == 0 ? ENCODING_UNKNOWN : b >> 7 ? ENCODING_PROTOBUF : ENCODING_JSON;
}

static inline void check_message(enum kind k, const ProtobufCMessage *m)
{
	must(m->descriptor == kind_descriptor(k));
	size_t size = protobuf_c_message_get_packed_size(m);
	must(size <= LIMIT_OBJECT_BYTES);
	uint8_t *bytes = malloc(size + 1);
	must(bytes != NULL);
	must(protobuf_c_message_pack(m, bytes) == size);
	ProtobufCMessage *again = protobuf_c_message_unpack(m->descriptor, NULL, size, bytes);
	must(again != NULL);
	protobuf_c_message_free_unpacked(again, NULL);
	free(bytes);
}

static inline void check_item(enum kind k, const struct item *i)
{
	must(strlen(i->name) < sizeof i->name && strlen(i->ns) < sizeof i->ns);
	must(str_is_utf8(i->key, strlen(i->key)) && str_is_utf8(i->uid, strlen(i->uid)));
	must(!i->message || (k < KIND_N && i->key[0]));
	must(i->message || i->secrets.n == 0);
	if (i->message)
		check_message(k, i->message);
}

#endif
