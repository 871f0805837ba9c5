/* Requests of other daemons to us: who may ask, and the answers, now or later. Runs in every daemon. Never
 * waits, and trusts nothing in a request but what the user id of its connection confirms. docs/bus.md
 * describes the rules. */
#include "lib/run/bus_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"

enum { MAX_MESSAGE = 256 };

/* A request that somebody waits for. */
struct exchange {
	struct bus *bus;
	struct exchange *next, *prev;
	enum request_kind kind;
	enum daemon_id caller;
	uint64_t instance; /* of the caller's life */
	uint32_t id;
};

int bus_serve(struct bus *b, enum request_kind r, bus_handler fn, void *ctx)
{
	enum daemon_id server = bus_wire_request_type(r)->server;
	if ((server != b->self && server != DAEMON_N) || r == REQUEST_SINCE || !b->rep.is_open)
		return -EINVAL;
	b->handler[r] = (struct bus_handler_slot){ fn, ctx };
	return 0;
}

uint32_t exchange_callers(const struct exchange *x)
{
	return 1u << x->caller;
}

static void exchange_free(struct exchange *x)
{
	struct bus *b = x->bus;
	*(x->prev ? &x->prev->next : &b->exchanges) = x->next;
	if (x->next)
		x->next->prev = x->prev;
	b->n_exchanges--;
	free(x);
}

void exchanges_free(struct bus *b)
{
	for (struct exchange *x = b->exchanges, *next; x; x = next) {
		next = x->next;
		exchange_free(x);
	}
}

/* Sends the packed reply in parts. What the caller's queue has no room for is lost; it asks again or gives
 * up. */
static void exchange_send_parts(const struct exchange *x, const uint8_t *data, size_t len)
{
	struct bus_part part = { .instance = x->instance, .id = x->id };
	do {
		part.len = len > BUS_MAX_PART ? BUS_MAX_PART : len;
		part.is_last = part.len == len;
		nng_msg *m = bus_message(BUS_PART_HEAD + part.len);
		if (!m)
			return;
		uint8_t *body = nng_msg_body(m);
		bus_wire_put_part(&part, body);
		memcpy(body + BUS_PART_HEAD, data, part.len);
		socket_send(&x->bus->reply[x->caller], m);
		data += part.len;
		len -= part.len;
		part.number++;
	} while (!part.is_last);
}

static void exchange_send(struct exchange *x, const Ingot__Reply *reply)
{
	uint8_t *packed = malloc(ingot__reply__get_packed_size(reply) + 1);
	if (packed)
		exchange_send_parts(x, packed, ingot__reply__pack(reply, packed));
	free(packed);
	exchange_free(x);
}

void bus_reply_error(struct exchange *x, int error, const char *message)
{
	char text[MAX_MESSAGE];
	Ingot__Reply reply = INGOT__REPLY__INIT;
	reply.error = error < 0 ? error : -EIO;
	str_fmt(text, sizeof(text), "%s", message);
	reply.message = text;
	exchange_send(x, &reply);
}

void bus_reply(struct exchange *x, const ProtobufCMessage *payload)
{
	must(payload->descriptor == bus_wire_request_type(x->kind)->reply);
	size_t len = protobuf_c_message_get_packed_size(payload);
	uint8_t *packed = len < BUS_MAX_FRAME - 1024 ? malloc(len ? len : 1) : NULL;
	if (!packed) {
		bus_reply_error(x, -EMSGSIZE, "the answer is too large");
		return;
	}
	Ingot__Reply reply = INGOT__REPLY__INIT;
	reply.payload = (ProtobufCBinaryData){ protobuf_c_message_pack(payload, packed), packed };
	exchange_send(x, &reply);
	free(packed);
}

static void exchange_serve(struct exchange *x, const Ingot__Request *request)
{
	struct bus *b = x->bus;
	const struct bus_request_type *type = bus_wire_request_type(x->kind);
	ProtobufCMessage *payload = bus_wire_unpack(type->request, &request->payload);
	if (!payload) {
		bus_drop(b, BUS_DROP_PAYLOAD);
		bus_reply_error(x, -EBADMSG, "the request cannot be read");
		return;
	}
	if (x->kind == REQUEST_SINCE)
		publisher_since(b, (const Ingot__SinceRequest *)(const void *)payload, x);
	else if (b->handler[x->kind].fn)
		b->handler[x->kind].fn(b->handler[x->kind].ctx, payload, x);
	else
		bus_reply_error(x, -ENOSYS, "nobody serves that request here");
	protobuf_c_message_free_unpacked(payload, NULL);
}

struct refusal {
	enum bus_reason reason;
	int error;
	const char *message;
};

static struct refusal request_check(const struct bus *b, const Ingot__Request *request)
{
	if (request->version + 1 < BUS_VERSION || request->version > BUS_VERSION + 1)
		return (struct refusal){ BUS_DROP_VERSION, -EPROTONOSUPPORT,
					 "this daemon is of another release" };
	if (request->kind >= REQUEST_N)
		return (struct refusal){ BUS_DROP_KIND, -ENOSYS, "unknown request" };
	if (!(bus_wire_request_type((enum request_kind)request->kind)->callers & 1u << request->caller))
		return (struct refusal){ BUS_DROP_CALLER, -EACCES, "the caller may not ask that" };
	if (b->n_exchanges > BUS_MAX_EXCHANGES)
		return (struct refusal){ BUS_DROP_FULL, -EBUSY, "too many requests wait for an answer" };
	return (struct refusal){ BUS_DROP_NONE, 0, NULL };
}

static struct exchange *exchange_new(struct bus *b, const Ingot__Request *request)
{
	struct exchange *x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	x->bus = b;
	x->caller = (enum daemon_id)request->caller;
	x->instance = request->instance;
	x->id = request->id;
	x->kind = (enum request_kind)request->kind;
	x->next = b->exchanges;
	if (x->next)
		x->next->prev = x;
	b->exchanges = x;
	b->n_exchanges++;
	return x;
}

/* Whether the connection's user may be who the request says it is from. */
static bool is_from(const struct bus *b, const nng_msg *m, uint32_t caller)
{
	uint64_t uid;
	return caller < DAEMON_N && b->reply[caller].is_open &&
	       nng_pipe_get_uint64(nng_msg_get_pipe(m), NNG_OPT_IPC_PEER_UID, &uid) == 0 &&
	       (bus_daemons_of(&b->access, uid) & 1u << caller);
}

static void request_read(struct bus *b, const nng_msg *m, const Ingot__Request *request)
{
	if (!is_from(b, m, request->caller)) {
		bus_drop(b, BUS_DROP_CALLER); /* nobody to answer */
		return;
	}
	struct exchange *x = exchange_new(b, request);
	if (!x)
		return;
	if (request->kind == BUS_GREETING) {
		bus_reply_error(x, -ENOMSG, "");
		return;
	}
	struct refusal no = request_check(b, request);
	if (no.reason == BUS_DROP_NONE) {
		exchange_serve(x, request);
	} else {
		bus_drop(b, no.reason);
		bus_reply_error(x, no.error, no.message);
	}
}

void exchanges_read(void *socket, unsigned events)
{
	struct bus_socket *s = socket;
	nng_msg *m;
	(void)events;
	for (int i = 0; i < BUS_TURN && nng_recvmsg(s->s, &m, NNG_FLAG_NONBLOCK) == 0; i++) {
		Ingot__Request *request = ingot__request__unpack(NULL, nng_msg_len(m), nng_msg_body(m));
		if (request) {
			request_read(s->bus, m, request);
			ingot__request__free_unpacked(request, NULL);
		} else {
			bus_drop(s->bus, BUS_DROP_MALFORMED);
		}
		nng_msg_free(m);
	}
}
