/* Walks protobuf messages without unpacking them. Pure; run by the watcher. */
#include "watcher/k8s/decode/wire.h"

#include <string.h>

#include "lib/base/strbuf.h"

/* Of runtime.Unknown and TypeMeta, as in proto/kubernetes.proto. */
enum { UNKNOWN_TYPE_META = 1, UNKNOWN_RAW, UNKNOWN_CONTENT_ENCODING, UNKNOWN_CONTENT_TYPE };
enum { TYPE_META_API_VERSION = 1, TYPE_META_KIND };

enum { VARINT, FIXED64, DELIMITED, FIXED32 = 5 };

static uint64_t varint(struct cur *c)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b = cur_u8(c);
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return v;
	}
	c->bad = true;
	return 0;
}

bool wire_next(struct cur *c, struct wire_field *ret)
{
	if (cur_left(c) == 0)
		return false;
	uint64_t tag = varint(c), length;
	*ret = (struct wire_field){ .number = (uint32_t)(tag >> 3), .bytes.bad = true };
	switch (tag & 7) {
	case VARINT: varint(c); break;
	case FIXED64: cur_skip(c, 8); break;
	case FIXED32: cur_skip(c, 4); break;
	case DELIMITED:
		length = varint(c);
		ret->bytes = cur_sub(c, length < SIZE_MAX ? (size_t)length : SIZE_MAX);
		break;
	default: c->bad = true; break;
	}
	return !c->bad;
}

bool wire_is_whole(struct cur message)
{
	for (struct wire_field f; wire_next(&message, &f);)
		;
	return !message.bad;
}

struct cur wire_get(struct cur message, uint32_t number)
{
	struct cur found = { .bad = true };
	for (struct wire_field f; wire_next(&message, &f);)
		if (f.number == number)
			found = f.bytes;
	return found;
}

bool wire_text(struct cur value, char *buf, size_t size)
{
	size_t n = cur_left(&value);
	bool good = !value.bad && n < size && !memchr(value.p, 0, n) && str_is_utf8(value.p, n);
	cur_copy(&value, buf, good ? n : 0);
	buf[good ? n : 0] = 0;
	return good;
}

static void name(struct cur text, char buf[static WIRE_NAME])
{
	str_escape(text.p, cur_left(&text), buf, WIRE_NAME);
}

const char *wire_open(const void *data, size_t len, struct wire_object *ret)
{
	static const uint8_t magic[] = { 'k', '8', 's', 0 };
	struct cur c = cur_of(data, len);
	const uint8_t *p = cur_take(&c, sizeof magic);
	*ret = (struct wire_object){ .raw = { .bad = true } };
	if (!p || memcmp(p, magic, sizeof magic) != 0)
		return "not the API's protobuf encoding";
	struct cur type = wire_get(c, UNKNOWN_TYPE_META);
	struct cur encoding = wire_get(c, UNKNOWN_CONTENT_ENCODING);
	struct cur content = wire_get(c, UNKNOWN_CONTENT_TYPE);
	name(wire_get(type, TYPE_META_API_VERSION), ret->api_version);
	name(wire_get(type, TYPE_META_KIND), ret->kind);
	if (cur_left(&encoding) || cur_left(&content))
		return "an object in an encoding that was not asked for";
	if (!wire_is_whole(c))
		return "a damaged envelope";
	/* An object without any field has no raw. */
	ret->raw = wire_get(c, UNKNOWN_RAW);
	if (ret->raw.bad)
		ret->raw = cur_of(NULL, 0);
	return NULL;
}
