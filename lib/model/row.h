/* A row of a topic's table as the bus keeps it: key and packed value in one piece, a third or less of what
 * the message takes unpacked. Pure. */
#ifndef INGOT_MODEL_ROW_H
#define INGOT_MODEL_ROW_H

#include <protobuf-c/protobuf-c.h>

#include "lib/base/hashtab.h"

struct row {
	struct hashtab_node node; /* by key */
	uint64_t hash;		  /* hash and mark are the bus's own */
	uint32_t mark;
	uint32_t len; /* of the value */
	char key[];   /* NUL-terminated; then the value */
};

/* Not in a table yet; free() it. NULL on out of memory, or when a length does not fit. */
struct row *row_new(const char *key, const void *value, size_t len);
/* The message; the caller frees it with protobuf_c_message_free_unpacked. NULL on out of memory, or when the
 * value is none of this type. */
ProtobufCMessage *row_open(const struct row *r, const ProtobufCMessageDescriptor *type);
const struct row *row_find(const struct hashtab *t, const char *key); /* NULL when absent */

#endif
