/* Requests: ours to other daemons, with ids, deadlines and resends over raw REQ sockets; and theirs to us
 * over one raw REP socket, answered now or later. Runs in every daemon. Never waits. docs/bus.md describes
 * the rules. */
#include "lib/run/bus_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"

enum { RETRY_US = 5000, ID_FLAG = 31, MAX_MESSAGE = 256 };

struct bus_pending {
	struct bus_pending *next;
	uint64_t id; /* the low 31 bits are the id on the wire */
	enum request_kind kind;
	nng_msg *message; /* body alone; a duplicate is sent, so that it can be sent again */
	unsigned sent_on; /* number of the connection it was sent on; 0 = not sent */
	mono_t deadline;
	bus_answer fn;
	void *ctx;
};

/* A request that somebody waits for. */
struct exchange {
	struct bus *bus;
	struct exchange *next, *prev;
	nng_msg *message; /* its header is the way back */
	enum request_kind kind;
	uint32_t callers;
};

static uint32_t wire_id(uint64_t id)
{
	return (uint32_t)id | 1u << ID_FLAG;
}

static void pending_free(struct bus *b, struct bus_pending *p)
{
	b->n_pending--;
	nng_msg_free(p->message);
	free(p);
}

static void link_append(struct bus_link *l, struct bus_pending *p)
{
	p->next = NULL;
	*l->pending_tail = p;
	l->pending_tail = &p->next;
}

static struct bus_pending *link_unlink(struct bus_link *l, struct bus_pending **at)
{
	struct bus_pending *p = *at;
	*at = p->next;
	if (!p->next)
		l->pending_tail = at;
	return p;
}

/* Sends when a connection stands; else the next connection's wake does. */
static void pending_send(struct bus_link *l, struct bus_pending *p)
{
	nng_msg *copy;
	unsigned connection = atomic_load(&l->req_connects);
	if (connection == p->sent_on || atomic_load(&l->req_pipes) <= 0)
		return;
	p->sent_on = 0;
	if (nng_msg_dup(&copy, p->message) == 0) {
		if (nng_msg_header_append_u32(copy, wire_id(p->id)) == 0 &&
		    nng_sendmsg(l->req, copy, NNG_FLAG_NONBLOCK) == 0) {
			p->sent_on = connection;
			return;
		}
		nng_msg_free(copy);
	}
	bus_wake_at(l->bus, mono_add(loop_now(l->bus->loop), RETRY_US)); /* the socket's queue is full */
}

void link_resend(struct bus_link *l)
{
	for (struct bus_pending *p = l->pending; p; p = p->next)
		pending_send(l, p);
}

mono_t link_tick(struct bus_link *l, mono_t now)
{
	mono_t next = MONO_NEVER;
	/* Callbacks may ask and cancel, so those that are due leave the list first, one at a time. */
	for (struct bus_pending **at = &l->pending; *at;) {
		if (!mono_reached(now, (*at)->deadline)) {
			if ((*at)->sent_on == 0)
				pending_send(l, *at);
			next = mono_min(next, (*at)->deadline);
			at = &(*at)->next;
			continue;
		}
		struct bus_pending *p = link_unlink(l, at);
		p->fn(p->ctx, -ETIMEDOUT, "no answer within the deadline", NULL);
		pending_free(l->bus, p);
		at = &l->pending;
		next = MONO_NEVER;
	}
	return next;
}

void link_free_pending(struct bus_link *l)
{
	while (l->pending)
		pending_free(l->bus, link_unlink(l, &l->pending));
}

/* kind and payload as a Request, in a message's body. */
static nng_msg *request_message(enum request_kind kind, const ProtobufCMessage *payload)
{
	size_t len = protobuf_c_message_get_packed_size(payload);
	uint8_t *packed = len <= BUS_MAX_VALUE ? malloc(len ? len : 1) : NULL;
	if (!packed)
		return NULL;
	Ingot__Request request = INGOT__REQUEST__INIT;
	request.version = BUS_VERSION;
	request.kind = kind;
	request.payload = (ProtobufCBinaryData){ protobuf_c_message_pack(payload, packed), packed };
	nng_msg *m = bus_message(ingot__request__get_packed_size(&request));
	if (m)
		ingot__request__pack(&request, nng_msg_body(m));
	free(packed);
	return m;
}

uint64_t bus_request(struct bus *b, enum daemon_id server, enum request_kind r,
		     const ProtobufCMessage *payload, bus_answer fn, void *ctx)
{
	const struct bus_request_type *type = bus_wire_request_type(r);
	must(payload->descriptor == type->request);
	if (type->server != server && type->server != DAEMON_N) {
		errno = EINVAL;
		return 0;
	}
	if (b->n_pending >= BUS_MAX_PENDING) {
		bus_drop(b, BUS_DROP_FULL);
		errno = ENOBUFS;
		return 0;
	}
	struct bus_link *l = bus_link_to(b, server, false, true);
	if (!l)
		return 0;
	struct bus_pending *p = calloc(1, sizeof(*p));
	nng_msg *m = p ? request_message(r, payload) : NULL;
	if (!m) {
		free(p);
		errno = ENOMEM;
		return 0;
	}
	p->id = ++b->last_id;
	p->kind = r;
	p->message = m;
	p->deadline = mono_add(loop_now(b->loop), type->deadline_us);
	p->fn = fn;
	p->ctx = ctx;
	b->n_pending++;
	link_append(l, p);
	pending_send(l, p);
	bus_wake_at(b, p->deadline);
	return p->id;
}

void bus_cancel(struct bus *b, uint64_t id)
{
	for (unsigned d = 0; d < DAEMON_N; d++) {
		struct bus_link *l = b->link[d];
		for (struct bus_pending **at = l ? &l->pending : NULL; at && *at; at = &(*at)->next) {
			if ((*at)->id != id)
				continue;
			pending_free(b, link_unlink(l, at));
			return;
		}
	}
}

static void pending_answer(struct bus *b, struct bus_pending *p, const uint8_t *data, size_t len)
{
	Ingot__Reply *reply = ingot__reply__unpack(NULL, len, data);
	const ProtobufCMessageDescriptor *type = bus_wire_request_type(p->kind)->reply;
	ProtobufCMessage *payload = NULL;
	if (reply && reply->error == 0)
		payload = bus_wire_unpack(type, &reply->payload);
	if (payload) {
		p->fn(p->ctx, 0, "", payload);
	} else if (reply && reply->error != 0) {
		/* A positive number is a mistake of the server, not a success. */
		p->fn(p->ctx, reply->error < 0 ? reply->error : -EPROTO, reply->message, NULL);
	} else {
		bus_drop(b, BUS_DROP_MALFORMED);
		p->fn(p->ctx, -EBADMSG, "the answer cannot be read", NULL);
	}
	if (payload)
		protobuf_c_message_free_unpacked(payload, NULL);
	if (reply)
		ingot__reply__free_unpacked(reply, NULL);
}

static void link_reply(struct bus_link *l, nng_msg *m)
{
	uint32_t id;
	if (nng_msg_header_trim_u32(m, &id) != 0) {
		bus_drop(l->bus, BUS_DROP_MALFORMED);
		return;
	}
	struct bus_pending **at = &l->pending;
	while (*at && wire_id((*at)->id) != id)
		at = &(*at)->next;
	if (!*at) {
		bus_drop(l->bus,
			 BUS_DROP_STRAY); /* cancelled, too late, or the second answer after a resend */
		return;
	}
	struct bus_pending *p = link_unlink(l, at);
	pending_answer(l->bus, p, nng_msg_body(m), nng_msg_len(m));
	pending_free(l->bus, p);
}

void link_read_replies(void *link, unsigned events)
{
	struct bus_link *l = link;
	nng_msg *m;
	(void)events;
	for (int i = 0; i < BUS_TURN && nng_recvmsg(l->req, &m, NNG_FLAG_NONBLOCK) == 0; i++) {
		link_reply(l, m);
		nng_msg_free(m);
	}
}

int bus_serve(struct bus *b, enum request_kind r, bus_handler fn, void *ctx)
{
	enum daemon_id server = bus_wire_request_type(r)->server;
	if ((server != b->self && server != DAEMON_N) || r == REQUEST_SINCE || !b->rep_open)
		return -EINVAL;
	b->handler[r] = (struct bus_handler_slot){ fn, ctx };
	return 0;
}

uint32_t exchange_callers(const struct exchange *x)
{
	return x->callers;
}

static void exchange_free(struct exchange *x)
{
	struct bus *b = x->bus;
	*(x->prev ? &x->prev->next : &b->exchanges) = x->next;
	if (x->next)
		x->next->prev = x->prev;
	b->n_exchanges--;
	if (x->message)
		nng_msg_free(x->message);
	free(x);
}

void exchanges_free(struct bus *b)
{
	while (b->exchanges)
		exchange_free(b->exchanges);
}

static void exchange_send(struct exchange *x, const Ingot__Reply *reply)
{
	size_t len = ingot__reply__get_packed_size(reply);
	nng_msg *m = x->message;
	nng_msg_clear(m); /* the body; the header is the way back */
	if (nng_msg_realloc(m, len) == 0) {
		ingot__reply__pack(reply, nng_msg_body(m));
		if (nng_sendmsg(x->bus->rep, m, NNG_FLAG_NONBLOCK) == 0)
			x->message = NULL;
		else
			bus_drop(x->bus, BUS_DROP_FULL);
	}
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

/* Who sent it, as READS() mask. */
static uint32_t message_callers(const struct bus *b, const nng_msg *m)
{
	uint64_t uid;
	if (nng_pipe_get_uint64(nng_msg_get_pipe(m), NNG_OPT_IPC_PEER_UID, &uid) != 0)
		return 0; /* gone already: nobody to answer */
	return bus_daemons_of(&b->access, uid);
}

struct refusal {
	enum bus_reason reason;
	int error;
	const char *message;
};

static struct refusal request_check(const struct bus *b, const Ingot__Request *request, uint32_t callers)
{
	if (request->version + 1 < BUS_VERSION || request->version > BUS_VERSION + 1)
		return (struct refusal){ BUS_DROP_VERSION, -EPROTONOSUPPORT,
					 "this daemon is of another release" };
	if (request->kind >= REQUEST_N)
		return (struct refusal){ BUS_DROP_KIND, -ENOSYS, "unknown request" };
	if (!(bus_wire_request_type((enum request_kind)request->kind)->callers & callers))
		return (struct refusal){ BUS_DROP_CALLER, -EACCES, "the caller may not ask that" };
	if (b->n_exchanges > BUS_MAX_EXCHANGES)
		return (struct refusal){ BUS_DROP_FULL, -EBUSY, "too many requests wait for an answer" };
	return (struct refusal){ BUS_DROP_NONE, 0, NULL };
}

/* Takes m. */
static struct exchange *exchange_new(struct bus *b, nng_msg *m, const Ingot__Request *request)
{
	struct exchange *x = calloc(1, sizeof(*x));
	if (!x) {
		nng_msg_free(m);
		return NULL;
	}
	x->bus = b;
	x->message = m;
	x->kind = (enum request_kind)request->kind;
	x->callers = message_callers(b, m);
	x->next = b->exchanges;
	if (x->next)
		x->next->prev = x;
	b->exchanges = x;
	b->n_exchanges++;
	return x;
}

/* Takes m. */
static void exchange_read(struct bus *b, nng_msg *m)
{
	size_t len = nng_msg_len(m);
	Ingot__Request *request =
	    len <= BUS_MAX_FRAME ? ingot__request__unpack(NULL, len, nng_msg_body(m)) : NULL;
	if (!request) {
		bus_drop(b, BUS_DROP_MALFORMED);
		nng_msg_free(m);
		return;
	}
	struct exchange *x = exchange_new(b, m, request);
	if (x) {
		struct refusal no = request_check(b, request, x->callers);
		if (no.reason == BUS_DROP_NONE) {
			exchange_serve(x, request);
		} else {
			bus_drop(b, no.reason);
			bus_reply_error(x, no.error, no.message);
		}
	}
	ingot__request__free_unpacked(request, NULL);
}

void exchanges_read(void *bus, unsigned events)
{
	struct bus *b = bus;
	nng_msg *m;
	(void)events;
	for (int i = 0; i < BUS_TURN && nng_recvmsg(b->rep, &m, NNG_FLAG_NONBLOCK) == 0; i++)
		exchange_read(b, m);
}
