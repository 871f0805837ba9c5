/* The bytes of the bus: tables derived from lib/run/topics.h, and the checks of everything that arrives. Used
 * by the bus in every daemon. Pure: no socket, no clock, no log. docs/bus.md describes the messages. */
#include "lib/run/bus_wire.h"

#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "proto/objects.pb-c.h"
#include "proto/state.pb-c.h"

static const char *const reason_texts[] = { [BUS_DROP_NONE] = "ok",
#define X(constant, text) [BUS_DROP_##constant] = text,
					    BUS_REASONS(X)
#undef X
};
_Static_assert(ARRAY_LEN(reason_texts) == BUS_DROP_N, "every reason has a text");

static const struct {
	uint8_t id;
	uint32_t readers;
	const ProtobufCMessageDescriptor *type;
} topics[] = {
#define X(constant, id, name, publisher, payload, readers)                                                   \
	[TOPIC_##constant] = { id, readers, &payload##__descriptor },
	TOPICS(X)
#undef X
};
_Static_assert(ARRAY_LEN(topics) == TOPIC_N, "every topic has a row");
#define X(constant, id, name, publisher, payload, readers) _Static_assert((id) != BUS_IDLE_ID, "taken");
TOPICS(X)
#undef X

static const unsigned uid_offset[] = {
#define X(constant, name, offset) [DAEMON_##constant] = offset,
	DAEMONS(X)
#undef X
};
_Static_assert(ARRAY_LEN(uid_offset) == DAEMON_N, "every daemon has an offset");

/* In the server column: every daemon. */
#define DAEMON_ROOM DAEMON_N
static const struct bus_request_type requests[] = {
#define X(constant, name, server, callers, request, reply, deadline, idempotence)                            \
	[REQUEST_##constant] = { &request##__descriptor, &reply##__descriptor, callers, DAEMON_##server,     \
				 MS(deadline) },
	REQUESTS(X)
#undef X
};
_Static_assert(ARRAY_LEN(requests) == REQUEST_N, "every request has a row");

const char *bus_reason_text(enum bus_reason r)
{
	return r < BUS_DROP_N ? reason_texts[r] : "unknown";
}

enum topic bus_wire_topic(uint8_t id)
{
	unsigned t = 0;
	while (t < TOPIC_N && topics[t].id != id)
		t++;
	return (enum topic)t;
}

unsigned bus_wire_uid_offset(enum daemon_id d)
{
	return uid_offset[d];
}

uint8_t bus_wire_topic_id(enum topic t)
{
	return topics[t].id;
}

uint32_t bus_wire_readers(enum topic t)
{
	return topics[t].readers;
}

const ProtobufCMessageDescriptor *bus_wire_value_type(enum topic t)
{
	return topics[t].type;
}

const struct bus_request_type *bus_wire_request_type(enum request_kind r)
{
	return &requests[r];
}

ProtobufCMessage *bus_wire_unpack(const ProtobufCMessageDescriptor *type, const ProtobufCBinaryData *data)
{
	static const uint8_t nothing;
	if (data->len > BUS_MAX_FRAME)
		return NULL;
	return protobuf_c_message_unpack(type, NULL, data->len, data->data ? data->data : &nothing);
}

enum bus_reason bus_wire_check(const Ingot__Envelope *e)
{
	if (e->version + 1 < BUS_VERSION || e->version > BUS_VERSION + 1)
		return BUS_DROP_VERSION;
	if (e->epoch == 0 || e->epoch > INT64_MAX || e->sequence > INT64_MAX)
		return BUS_DROP_MALFORMED;
	if (e->payload.len > BUS_MAX_VALUE)
		return BUS_DROP_OVERSIZE;
	bool has_key = e->key[0] != '\0';
	switch (e->op) {
	case INGOT__OP__OP_IDLE:
	case INGOT__OP__OP_SYNCED: return has_key || e->payload.len > 0 ? BUS_DROP_MALFORMED : BUS_DROP_NONE;
	case INGOT__OP__OP_UPSERT:
	case INGOT__OP__OP_DELETE: break;
	default: return BUS_DROP_MALFORMED;
	}
	size_t len = strnlen(e->key, BUS_MAX_KEY + 1);
	if (!has_key || len > BUS_MAX_KEY || !str_is_utf8(e->key, len))
		return BUS_DROP_KEY;
	return BUS_DROP_NONE;
}

enum bus_reason bus_wire_frame(const uint8_t *data, size_t len, enum topic *topic, Ingot__Envelope **ret)
{
	if (len < 1)
		return BUS_DROP_MALFORMED;
	if (len > BUS_MAX_FRAME)
		return BUS_DROP_OVERSIZE;
	enum topic t = bus_wire_topic(data[0]);
	if (t == TOPIC_N)
		return BUS_DROP_TOPIC;
	Ingot__Envelope *e = ingot__envelope__unpack(NULL, len - 1, data + 1);
	if (!e)
		return BUS_DROP_MALFORMED;
	enum bus_reason reason = bus_wire_check(e);
	if (reason != BUS_DROP_NONE) {
		ingot__envelope__free_unpacked(e, NULL);
		return reason;
	}
	*topic = t;
	*ret = e;
	return BUS_DROP_NONE;
}

enum bus_reason bus_wire_idle(const uint8_t *data, size_t len, Ingot__Idle **ret)
{
	if (len < 1 || data[0] != BUS_IDLE_ID)
		return BUS_DROP_MALFORMED;
	Ingot__Idle *idle = ingot__idle__unpack(NULL, len - 1, data + 1);
	if (!idle)
		return BUS_DROP_MALFORMED;
	enum bus_reason reason = BUS_DROP_NONE;
	if (idle->version + 1 < BUS_VERSION || idle->version > BUS_VERSION + 1)
		reason = BUS_DROP_VERSION;
	else if (idle->epoch == 0 || idle->epoch > INT64_MAX || idle->n_topics > UINT8_MAX)
		reason = BUS_DROP_MALFORMED;
	for (size_t i = 0; reason == BUS_DROP_NONE && i < idle->n_topics; i++)
		if (idle->topics[i]->sequence > INT64_MAX)
			reason = BUS_DROP_MALFORMED;
	if (reason != BUS_DROP_NONE) {
		ingot__idle__free_unpacked(idle, NULL);
		return reason;
	}
	*ret = idle;
	return BUS_DROP_NONE;
}

void bus_wire_put_part(const struct bus_part *part, uint8_t head[static BUS_PART_HEAD])
{
	for (unsigned i = 0; i < 8; i++)
		head[i] = (uint8_t)(part->instance >> (56 - 8 * i));
	for (unsigned i = 0; i < 4; i++)
		head[8 + i] = (uint8_t)(part->id >> (24 - 8 * i));
	head[12] = (uint8_t)(part->number >> 8);
	head[13] = (uint8_t)part->number;
	head[14] = part->is_last;
}

enum bus_reason bus_wire_part(const uint8_t *frame, size_t len, struct bus_part *ret)
{
	struct bus_part part = { 0 };
	if (len < BUS_PART_HEAD || frame[14] > 1)
		return BUS_DROP_MALFORMED;
	if (len > BUS_PART_HEAD + BUS_MAX_PART)
		return BUS_DROP_OVERSIZE;
	for (unsigned i = 0; i < 8; i++)
		part.instance = part.instance << 8 | frame[i];
	for (unsigned i = 8; i < 12; i++)
		part.id = part.id << 8 | frame[i];
	part.number = (unsigned)frame[12] << 8 | frame[13];
	part.is_last = frame[14] == 1;
	part.data = frame + BUS_PART_HEAD;
	part.len = len - BUS_PART_HEAD;
	*ret = part;
	return BUS_DROP_NONE;
}

enum bus_reason bus_wire_since_check(const Ingot__SinceReply *reply)
{
	uint64_t last = 0;
	if (reply->epoch == 0 || reply->epoch > INT64_MAX || reply->covered > INT64_MAX)
		return BUS_DROP_MALFORMED;
	for (size_t i = 0; i < reply->n_changes; i++) {
		const Ingot__Envelope *e = reply->changes[i];
		if (e->sequence <= last || e->sequence > reply->covered)
			return BUS_DROP_ORDER;
		last = e->sequence;
	}
	return BUS_DROP_NONE;
}
