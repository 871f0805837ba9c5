/* Rows of a topic's table. Pure; run by the bus for its readers, and by who reads such a table. */
#include "lib/model/row.h"

#include <stdlib.h>
#include <string.h>

struct row *row_new(const char *key, const void *value, size_t len)
{
	size_t size = strlen(key) + 1;
	if (size > UINT16_MAX || len > UINT32_MAX)
		return NULL;
	struct row *r = malloc(sizeof *r + size + len);
	if (!r)
		return NULL;
	*r = (struct row){ .node.key_len = (uint16_t)(size - 1), .len = (uint32_t)len };
	memcpy(r->key, key, size);
	if (len > 0)
		memcpy(r->key + size, value, len);
	return r;
}

ProtobufCMessage *row_open(const struct row *r, const ProtobufCMessageDescriptor *type)
{
	return protobuf_c_message_unpack(type, NULL, r->len, (const uint8_t *)r->key + r->node.key_len + 1);
}

const struct row *row_find(const struct hashtab *t, const char *key)
{
	return hashtab_get(t, key);
}
