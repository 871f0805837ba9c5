/* What comes in over the bus, decoded and checked: pure functions over bytes. Another daemon is not trusted.
 */
#ifndef INGOT_RUN_BUS_WIRE_H
#define INGOT_RUN_BUS_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/run/bus.h"
#include "proto/bus.pb-c.h"

enum {
	BUS_MAX_KEY = 600,
	BUS_MAX_VALUE = 1 << 20,
	/* No frame is larger: a Unix socket takes or refuses up to some 36 kB whole, so nng never has a frame
	 * half sent when the other side dies (docs/bus.md, "What nng is spared"). */
	BUS_MAX_PART = 30 << 10,
	BUS_MAX_REQUEST = 24 << 10,
	BUS_GREETING = 1 << 16, /* a request's kind */
};

/* Why a message was dropped: the label of ingot_bus_dropped_total. */
#define BUS_REASONS(X)                                                                                       \
	X(MALFORMED, "malformed")                                                                            \
	X(OVERSIZE, "oversize")                                                                              \
	X(VERSION, "version")                                                                                \
	X(TOPIC, "unknown_topic")                                                                            \
	X(KEY, "bad_key")                                                                                    \
	X(PAYLOAD, "bad_payload")                                                                            \
	X(OLD_EPOCH, "old_epoch")                                                                            \
	X(ORDER, "bad_order")                                                                                \
	X(KIND, "unknown_request")                                                                           \
	X(CALLER, "caller_not_allowed")                                                                      \
	X(PEER, "peer_not_allowed")                                                                          \
	X(STRAY, "stray_reply")                                                                              \
	X(FULL, "full")
enum bus_reason {
	BUS_DROP_NONE,
#define X(constant, text) BUS_DROP_##constant,
	BUS_REASONS(X)
#undef X
	    BUS_DROP_N
};
const char *bus_reason_text(enum bus_reason r);

/* The topic with this id byte, or TOPIC_N. */
enum topic bus_wire_topic(uint8_t id);
uint8_t bus_wire_topic_id(enum topic t);
uint32_t bus_wire_readers(enum topic t); /* READS() mask */
const ProtobufCMessageDescriptor *bus_wire_value_type(enum topic t);
struct bus_request_type {
	const ProtobufCMessageDescriptor *request, *reply;
	uint32_t callers;      /* READS() mask */
	enum daemon_id server; /* DAEMON_N: every daemon */
	int64_t deadline_us;
};
const struct bus_request_type *bus_wire_request_type(enum request_kind r);

/* uid of a daemon = --uid-base + this. */
unsigned bus_wire_uid_offset(enum daemon_id d);

/* A frame of a PUB socket. BUS_DROP_NONE: *topic is known, *ret is checked (version, op, key) and the
 * caller's to free. */
enum bus_reason bus_wire_frame(const uint8_t *data, size_t len, enum topic *topic, Ingot__Envelope **ret);
/* The first byte of a frame that holds an Idle instead of an Envelope. */
enum { BUS_IDLE_ID = '.' };
enum bus_reason bus_wire_idle(const uint8_t *data, size_t len, Ingot__Idle **ret);
/* One change: version, op, key and sizes. */
enum bus_reason bus_wire_check(const Ingot__Envelope *e);
/* A since reply as a whole: sequences ascend and none is above covered. Each change is checked when it is
 * applied. */
enum bus_reason bus_wire_since_check(const Ingot__SinceReply *reply);
/* A frame of a reply: instance of the caller (8 bytes, big endian; what SUB sockets match), id of the
 * exchange (4), number of this part (2), 1 = the last part (1), then a piece of the packed Reply. */
enum { BUS_PART_HEAD = 15 };
struct bus_part {
	uint64_t instance;
	uint32_t id;
	unsigned number;
	bool is_last;
	const uint8_t *data;
	size_t len;
};
void bus_wire_put_part(const struct bus_part *part, uint8_t head[static BUS_PART_HEAD]);
enum bus_reason bus_wire_part(const uint8_t *frame, size_t len, struct bus_part *ret);

/* Unpack within limits; the caller frees. NULL when it is not a message of this type. */
ProtobufCMessage *bus_wire_unpack(const ProtobufCMessageDescriptor *type, const ProtobufCBinaryData *data);

#endif
