/* The envelopes of the API's protobuf encoding, read in place: an object or a list is large, and what is
 * around it says only what it is. Pure; private to decode. */
#ifndef INGOT_WATCHER_K8S_WIRE_H
#define INGOT_WATCHER_K8S_WIRE_H

#include "lib/base/cur.h"

/* One field of a message. */
struct wire_field {
	uint32_t number;
	struct cur bytes; /* what a length-delimited field holds; bad for any other */
};
/* The next field; false at the end, or when c->bad says that this is no message. */
bool wire_next(struct cur *c, struct wire_field *ret);
bool wire_is_whole(struct cur message);
/* The last length-delimited field with this number, as far as the message can be read; bad when there is
 * none. */
struct cur wire_get(struct cur message, uint32_t number);

/* A text of at most size - 1 bytes of UTF-8 without NUL; false, and an empty one, when it is none. */
bool wire_text(struct cur value, char *buf, size_t size);

enum { WIRE_NAME = 128 };
struct wire_object {
	char api_version[WIRE_NAME], kind[WIRE_NAME]; /* printable */
	struct cur raw;				      /* the message */
};
/* "k8s\0" and runtime.Unknown. NULL; or why it cannot be read. */
const char *wire_open(const void *data, size_t len, struct wire_object *ret);

#endif
