/* Everything that the bus decodes from other daemons: PUB frames with their values, since replies, parts of
 * replies, requests. The first byte chooses. What is accepted must keep its promises and survive being packed
 * again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/run/bus_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void try_value(enum topic t, const Ingot__Envelope *e)
{
	ProtobufCMessage *value = bus_wire_unpack(bus_wire_value_type(t), &e->payload);
	if (!value)
		return;
	must(protobuf_c_message_get_packed_size(value) <= 16 * e->payload.len + 16);
	protobuf_c_message_free_unpacked(value, NULL);
}

/* Without fields of a newer release: those are kept as they came, even with numbers that no message may have.
 */
static void repack_frame(enum topic t, const Ingot__Envelope *e)
{
	enum topic again_t;
	Ingot__Envelope *again;
	size_t size = ingot__envelope__get_packed_size(e);
	uint8_t *copy = malloc(size + 1);
	must(copy);
	copy[0] = bus_wire_topic_id(t);
	ingot__envelope__pack(e, copy + 1);
	must(bus_wire_frame(copy, size + 1, &again_t, &again) == BUS_DROP_NONE);
	must(again_t == t && again->sequence == e->sequence && strcmp(again->key, e->key) == 0);
	ingot__envelope__free_unpacked(again, NULL);
	free(copy);
}

static void try_frame(const uint8_t *data, size_t len)
{
	enum topic t;
	Ingot__Envelope *e;
	if (bus_wire_frame(data, len, &t, &e) != BUS_DROP_NONE)
		return;
	must(t < TOPIC_N && e->epoch > 0 && e->payload.len <= BUS_MAX_VALUE);
	must(strlen(e->key) <= BUS_MAX_KEY && str_is_utf8(e->key, strlen(e->key)));
	if (e->base.n_unknown_fields == 0)
		repack_frame(t, e);
	if (e->op == INGOT__OP__OP_UPSERT)
		try_value(t, e);
	ingot__envelope__free_unpacked(e, NULL);
}

static void try_since(const uint8_t *data, size_t len)
{
	Ingot__SinceReply *reply = ingot__since_reply__unpack(NULL, len, data);
	if (!reply)
		return;
	if (bus_wire_since_check(reply) == BUS_DROP_NONE) {
		uint64_t last = 0;
		for (size_t i = 0; i < reply->n_changes; i++) {
			must(reply->changes[i]->sequence > last &&
			     reply->changes[i]->sequence <= reply->covered);
			last = reply->changes[i]->sequence;
			if (bus_wire_check(reply->changes[i]) == BUS_DROP_NONE)
				try_value(TOPIC_SERVICES, reply->changes[i]);
		}
	}
	ingot__since_reply__free_unpacked(reply, NULL);
}

static void try_part(const uint8_t *data, size_t len)
{
	struct bus_part part;
	uint8_t head[BUS_PART_HEAD];
	if (bus_wire_part(data, len, &part) != BUS_DROP_NONE)
		return;
	must(part.len == len - BUS_PART_HEAD && part.len <= BUS_MAX_PART);
	bus_wire_put_part(&part, head);
	must(memcmp(head, data, sizeof(head)) == 0);
	Ingot__Reply *reply = ingot__reply__unpack(NULL, part.len, part.data);
	if (reply)
		ingot__reply__free_unpacked(reply, NULL);
}

static void try_idle(const uint8_t *data, size_t len)
{
	Ingot__Idle *idle;
	if (bus_wire_idle(data, len, &idle) != BUS_DROP_NONE)
		return;
	must(idle->epoch > 0 && idle->n_topics <= UINT8_MAX);
	ingot__idle__free_unpacked(idle, NULL);
}

static void try_request(const uint8_t *data, size_t len)
{
	Ingot__Request *request = ingot__request__unpack(NULL, len, data);
	if (!request)
		return;
	if (request->kind < REQUEST_N) {
		const struct bus_request_type *type = bus_wire_request_type((enum request_kind)request->kind);
		ProtobufCMessage *payload = bus_wire_unpack(type->request, &request->payload);
		if (payload)
			protobuf_c_message_free_unpacked(payload, NULL);
	}
	ingot__request__free_unpacked(request, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const tries[])(const uint8_t *data, size_t len) = { try_frame, try_since, try_part,
									  try_request, try_idle };
	if (len > 0)
		tries[data[0] % ARRAY_LEN(tries)](data + 1, len - 1);
	return 0;
}
