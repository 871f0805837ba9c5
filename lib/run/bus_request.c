/* Requests: ours to other daemons, with ids, deadlines and resends over raw REQ sockets; and theirs to us
 * over one raw REP socket, answered now or later. Runs in every daemon. Never waits. docs/bus.md describes
 * the rules. */
#include "lib/run/bus_internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"

/* In the id of an exchange: a greeting. Requests have the other half of the numbers. */
#define GREETING_FLAG 0x80000000u

enum { RETRY_US = 5000, GREET_MIN_US = 5000, GREET_MAX_US = 80000 };

struct bus_pending {
	struct bus_pending *next;
	uint64_t id; /* the low 31 bits are the id on the wire */
	enum request_kind kind;
	uint8_t *message; /* the packed Request, to be sent again after a reconnect */
	size_t message_len;
	unsigned sent_in; /* number of the greeting it was sent after; 0 = not sent */
	uint8_t *answer;  /* parts that came */
	size_t answer_len, answer_size;
	unsigned n_parts;
	mono_t deadline;
	bus_answer fn;
	void *ctx;
};

static uint32_t wire_id(const struct bus_pending *p)
{
	return (uint32_t)p->id & ~GREETING_FLAG;
}

static void pending_free(struct bus *b, struct bus_pending *p)
{
	b->n_pending--;
	free(p->message);
	free(p->answer);
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

static bool link_send(struct bus_link *l, const uint8_t *data, size_t len)
{
	nng_msg *m = bus_message(len);
	if (!m)
		return false;
	memcpy(nng_msg_body(m), data, len);
	return socket_send(&l->asks, m);
}

/* Sends when the server is known to hear and to be heard; else the greeting's answer does. */
static void pending_send(struct bus_link *l, struct bus_pending *p)
{
	if (!l->is_greeted || p->sent_in == l->greeting)
		return;
	p->n_parts = 0;
	p->answer_len = 0;
	if (link_send(l, p->message, p->message_len))
		p->sent_in = l->greeting;
	else
		bus_wake_at(l->bus, mono_add(loop_now(l->bus->loop), RETRY_US)); /* the queue is full */
}

/* A connection of our side may stand a moment before the server's side knows it: an answer would be lost in
 * between. So the server is greeted until it answers. */
static void link_greet(struct bus_link *l)
{
	Ingot__Request request = INGOT__REQUEST__INIT;
	uint8_t packed[128];
	request.version = BUS_VERSION;
	request.kind = BUS_GREETING;
	request.caller = l->bus->self;
	request.instance = l->bus->instance;
	request.id = l->greeting_id;
	must(ingot__request__get_packed_size(&request) <= sizeof(packed));
	link_send(l, packed, ingot__request__pack(&request, packed));
	l->greet_at = mono_add(loop_now(l->bus->loop), l->greet_delay);
	l->greet_delay = 2 * l->greet_delay > GREET_MAX_US ? GREET_MAX_US : 2 * l->greet_delay;
	bus_wake_at(l->bus, l->greet_at);
}

void link_connected(struct bus_link *l)
{
	l->is_greeted = false;
	l->greet_at = MONO_NEVER;
	if (atomic_load(&l->asks.pipes) <= 0 || atomic_load(&l->answers.pipes) <= 0)
		return; /* the other connection's arrival greets */
	l->greeting_id = GREETING_FLAG | (l->greeting_id + 1);
	l->greet_delay = GREET_MIN_US;
	link_greet(l);
}

static void link_greeted(struct bus_link *l)
{
	l->is_greeted = true;
	l->greeting++;
	l->greet_at = MONO_NEVER;
	for (struct bus_pending *p = l->pending; p; p = p->next)
		pending_send(l, p);
}

mono_t link_tick(struct bus_link *l, mono_t now)
{
	mono_t next = MONO_NEVER;
	if (mono_reached(now, l->greet_at))
		link_greet(l);
	/* Callbacks may ask and cancel, so those that are due leave the list first, one at a time. */
	for (struct bus_pending **at = &l->pending; *at;) {
		if (!mono_reached(now, (*at)->deadline)) {
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
	return mono_min(next, l->greet_at);
}

void link_free_pending(struct bus_link *l)
{
	while (l->pending)
		pending_free(l->bus, link_unlink(l, &l->pending));
}

/* Packs kind and payload as a Request into p->message. */
static int pending_pack(struct bus *b, struct bus_pending *p, const ProtobufCMessage *payload)
{
	size_t len = protobuf_c_message_get_packed_size(payload);
	if (len > BUS_MAX_REQUEST)
		return -EMSGSIZE;
	uint8_t *packed = malloc(len + 1);
	if (!packed)
		return -ENOMEM;
	Ingot__Request request = INGOT__REQUEST__INIT;
	request.version = BUS_VERSION;
	request.kind = p->kind;
	request.payload = (ProtobufCBinaryData){ protobuf_c_message_pack(payload, packed), packed };
	request.caller = b->self;
	request.instance = b->instance;
	request.id = wire_id(p);
	p->message = malloc(ingot__request__get_packed_size(&request));
	if (p->message)
		p->message_len = ingot__request__pack(&request, p->message);
	free(packed);
	return p->message ? 0 : -ENOMEM;
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
	if (!p)
		return 0;
	p->id = ++b->last_id;
	p->kind = r;
	int error = pending_pack(b, p, payload);
	if (error < 0) {
		free(p);
		errno = -error;
		return 0;
	}
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

static void pending_answer(struct bus *b, struct bus_pending *p)
{
	Ingot__Reply *reply = ingot__reply__unpack(NULL, p->answer_len, p->answer);
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

/* Appends a part. 0, or a negative errno: what came so far is worth nothing. */
static int pending_add_part(struct bus_pending *p, const struct bus_part *part)
{
	if (part->number != p->n_parts)
		return -EILSEQ;
	if (p->answer_len + part->len > BUS_MAX_FRAME)
		return -EMSGSIZE;
	if (p->answer_len + part->len > p->answer_size || !p->answer) {
		size_t size =
		    part->is_last ? p->answer_len + part->len + 1 : 2 * p->answer_size + BUS_MAX_PART + 1;
		uint8_t *grown = realloc(p->answer, size);
		if (!grown)
			return -ENOMEM;
		p->answer = grown;
		p->answer_size = size;
	}
	memcpy(p->answer + p->answer_len, part->data, part->len);
	p->answer_len += part->len;
	p->n_parts++;
	return 0;
}

static struct bus_pending **link_find(struct bus_link *l, uint32_t id)
{
	struct bus_pending **at = &l->pending;
	while (*at && wire_id(*at) != id)
		at = &(*at)->next;
	return at;
}

static void link_part(struct bus_link *l, const struct bus_part *part)
{
	if (part->id & GREETING_FLAG) {
		if (part->id == l->greeting_id && !l->is_greeted)
			link_greeted(l);
		return;
	}
	struct bus_pending **at = link_find(l, part->id);
	struct bus_pending *p = *at;
	if (!p) {
		bus_drop(l->bus,
			 BUS_DROP_STRAY); /* cancelled, too late, or the second answer after a resend */
		return;
	}
	int r = pending_add_part(p, part);
	if (r == -EILSEQ && part->number > 0) {
		/* A part was lost, or this is the rest of an answer that a reconnect cut off: the deadline or
		 * the next connection decides. */
		bus_drop(l->bus, BUS_DROP_ORDER);
		p->sent_in = part->is_last ? 0 : p->sent_in;
		pending_send(l, p);
		return;
	}
	if (r == -EILSEQ) { /* from the beginning: the answer to a resend */
		p->n_parts = 0;
		p->answer_len = 0;
		r = pending_add_part(p, part);
	}
	if (r == 0 && !part->is_last)
		return;
	link_unlink(l, at);
	if (r == 0)
		pending_answer(l->bus, p);
	else
		p->fn(p->ctx, r, "the answer is too large", NULL);
	pending_free(l->bus, p);
}

void link_read_replies(void *socket, unsigned events)
{
	struct bus_socket *s = socket;
	struct bus_link *l = (struct bus_link *)(void *)((char *)s - offsetof(struct bus_link, answers));
	nng_msg *m;
	(void)events;
	for (int i = 0; i < BUS_TURN && nng_recvmsg(s->s, &m, NNG_FLAG_NONBLOCK) == 0; i++) {
		struct bus_part part;
		enum bus_reason reason = bus_wire_part(nng_msg_body(m), nng_msg_len(m), &part);
		if (reason == BUS_DROP_NONE && part.instance == l->bus->instance)
			link_part(l, &part);
		else
			bus_drop(l->bus, reason == BUS_DROP_NONE ? BUS_DROP_STRAY : reason);
		nng_msg_free(m);
	}
}
