/* Subscribing: frames of one topic applied in order, gaps filled with `since`, and a publisher's restart
 * bridged without forgetting anything until its successor's table is complete. Runs in every daemon that
 * reads a topic. Must not trust a frame: everything is checked, and what is wrong is counted and skipped.
 * docs/bus.md describes the rules. */
#include "lib/run/bus_internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <nng/protocol/pubsub0/sub.h>

#include "lib/base/must.h"
#include "lib/base/hashtab.h"
#include "lib/model/limits.h"
#include "lib/model/row.h"

enum {
	HOLD_FRAMES = 64, /* kept while a since is under way */
	MAX_KEYS = 2 * LIMIT_OBJECTS,
	CALM_US = 100000,	 /* gaps further apart than this are asked for at once */
	GAP_DELAY_MIN_US = 1000, /* else after this, doubling */
	GAP_DELAY_MAX_US = 20000,
	FAIL_DELAY_MIN_US = 20000,
	FAIL_DELAY_MAX_US = 320000,
	CLOCK_SLACK_US = 1000000,
};

enum subscriber_state {
	SUBSCRIBER_WAIT,   /* will ask at ask_at, or when the connection stands */
	SUBSCRIBER_ASK,	   /* a since is under way */
	SUBSCRIBER_STREAM, /* frames apply */
};

struct subscriber {
	struct bus *bus;
	struct bus_link *link;
	enum topic topic;
	struct topic_reader reader;
	bus_upsert_owned upsert_owned; /* instead of reader.upsert */
	bool keeps;		       /* values, not only their hashes */
	void *ctx;
	enum subscriber_state state;
	uint64_t epoch, applied;
	uint64_t synced_epoch; /* the last one with a complete table; 0 = none yet */
	bool sweep;	       /* keys with another mark go once the table is complete */
	bool missed;	       /* frames were lost while a since was under way: ask once more */
	uint32_t mark;
	/* Of struct row: enough to know an unchanged value (hash) and a key that did not come again (mark);
	 * with `keeps` the value too. */
	struct hashtab known;
	uint64_t ask_id;
	mono_t ask_at, calm_at;
	int64_t gap_delay, fail_delay;
	Ingot__Envelope *held[HOLD_FRAMES];
	size_t n_held;
};

static void subscriber_ask(struct subscriber *s);

static void subscriber_wait(struct subscriber *s, mono_t at)
{
	s->state = SUBSCRIBER_WAIT;
	s->ask_at = at;
	bus_wake_at(s->bus, at);
}

static void subscriber_failed(struct subscriber *s)
{
	s->fail_delay = s->fail_delay == 0 ? FAIL_DELAY_MIN_US : 2 * s->fail_delay;
	if (s->fail_delay > FAIL_DELAY_MAX_US)
		s->fail_delay = FAIL_DELAY_MAX_US;
	subscriber_wait(s, mono_add(loop_now(s->bus->loop), s->fail_delay));
}

/* Something is missing. One question at a time, and not more often than makes sense while we are too slow
 * anyway. */
static void subscriber_gap(struct subscriber *s)
{
	mono_t now = loop_now(s->bus->loop);
	if (mono_reached(now, s->calm_at)) {
		s->gap_delay = 0;
		subscriber_ask(s);
		return;
	}
	s->gap_delay = s->gap_delay == 0 ? GAP_DELAY_MIN_US : 2 * s->gap_delay;
	if (s->gap_delay > GAP_DELAY_MAX_US)
		s->gap_delay = GAP_DELAY_MAX_US;
	subscriber_wait(s, mono_add(now, s->gap_delay));
}

static void subscriber_remove(struct subscriber *s, struct row *row)
{
	hashtab_remove(&s->known, &row->node);
	if (s->reader.remove)
		s->reader.remove(s->ctx, row->key);
	free(row);
}

static struct row *row_known(const struct subscriber *s, const char *key)
{
	return hashtab_get(&s->known, key);
}

static void subscriber_complete(struct subscriber *s)
{
	if (s->sweep) {
		s->sweep = false;
		hashtab_each (&s->known, node) {
			struct row *row = (struct row *)node;
			if (row->mark != s->mark)
				subscriber_remove(s, row);
		}
	}
	if (s->synced_epoch == s->epoch)
		return;
	s->synced_epoch = s->epoch;
	if (s->reader.synced)
		s->reader.synced(s->ctx);
}

/* Remember this value of a key; was is its row, NULL = none yet. False when that was not possible: then
 * nothing has changed. */
static bool subscriber_remember(struct subscriber *s, struct row *was, const Ingot__Envelope *e,
				uint64_t hash)
{
	if (was && !s->keeps) {
		was->hash = hash;
		return true;
	}
	struct row *row = NULL;
	if (was || hashtab_len(&s->known) < MAX_KEYS)
		row = row_new(e->key, e->payload.data, s->keeps ? e->payload.len : 0);
	if (row && hashtab_add(&s->known, &row->node, row->key, row->node.key_len) < 0) {
		free(row);
		row = NULL;
	}
	if (!row) {
		bus_drop(s->bus, BUS_DROP_FULL);
		return false;
	}
	row->hash = hash;
	row->mark = s->mark;
	if (was)
		hashtab_remove(&s->known, &was->node);
	free(was);
	return true;
}

static void subscriber_upsert(struct subscriber *s, const Ingot__Envelope *e)
{
	uint64_t hash = siphash24(s->bus->hash_key, e->payload.data, e->payload.len);
	struct row *row = row_known(s, e->key);
	if (row) {
		row->mark = s->mark; /* it is still there, even if its new value turns out unreadable */
		if (row->hash == hash)
			return;
	}
	ProtobufCMessage *value = bus_wire_unpack(bus_wire_value_type(s->topic), &e->payload);
	if (!value) {
		bus_drop(s->bus, BUS_DROP_PAYLOAD);
		return;
	}
	bool remembered = subscriber_remember(s, row, e, hash);
	if (remembered && s->upsert_owned) {
		s->upsert_owned(s->ctx, e->key, value);
		return;
	}
	if (remembered && s->reader.upsert)
		s->reader.upsert(s->ctx, e->key, value);
	protobuf_c_message_free_unpacked(value, NULL);
}

static void subscriber_apply(struct subscriber *s, const Ingot__Envelope *e)
{
	struct row *row;
	if (e->op == INGOT__OP__OP_UPSERT)
		subscriber_upsert(s, e);
	else if (e->op == INGOT__OP__OP_SYNCED)
		subscriber_complete(s);
	else if (e->op == INGOT__OP__OP_DELETE && (row = row_known(s, e->key)))
		subscriber_remove(s, row);
}

/* In state STREAM. */
static void subscriber_frame(struct subscriber *s, const Ingot__Envelope *e)
{
	if (e->epoch == s->epoch && e->sequence <= s->applied)
		return;
	if (e->epoch == s->epoch && e->sequence == s->applied + 1 && e->op != INGOT__OP__OP_IDLE) {
		s->applied = e->sequence;
		subscriber_apply(s, e);
		return;
	}
	bus_count(s->bus, s->bus->gaps, s->topic);
	subscriber_gap(s);
}

static void subscriber_hold(struct subscriber *s, Ingot__Envelope *e)
{
	if (e->op == INGOT__OP__OP_IDLE || s->n_held == HOLD_FRAMES) {
		s->missed |= e->op != INGOT__OP__OP_IDLE;
		ingot__envelope__free_unpacked(e, NULL);
		return;
	}
	s->held[s->n_held++] = e;
}

static void subscriber_drop_held(struct subscriber *s)
{
	while (s->n_held > 0)
		ingot__envelope__free_unpacked(s->held[--s->n_held], NULL);
}

/* Applies what came while a since was under way, until that leaves the stream again. */
static void subscriber_replay(struct subscriber *s)
{
	for (size_t i = 0; i < s->n_held && s->state == SUBSCRIBER_STREAM; i++)
		if (s->held[i]->epoch >= s->epoch)
			subscriber_frame(s, s->held[i]);
	subscriber_drop_held(s);
	if (s->state == SUBSCRIBER_STREAM && s->missed)
		subscriber_gap(s);
}

/* Epochs are readings of this machine's clock. One from the future would make every later life of that
 * publisher look old. */
static bool epoch_is_future(const struct bus *b, uint64_t epoch)
{
	return epoch > (uint64_t)loop_now(b->loop).us + CLOCK_SLACK_US;
}

/* Applies a chunk; false when it cannot be meant. */
static bool subscriber_chunk(struct subscriber *s, const Ingot__SinceReply *reply)
{
	enum bus_reason reason = bus_wire_since_check(reply);
	if (reason == BUS_DROP_NONE && epoch_is_future(s->bus, reply->epoch))
		reason = BUS_DROP_MALFORMED;
	else if (reason == BUS_DROP_NONE && reply->epoch < s->epoch)
		reason = BUS_DROP_OLD_EPOCH;
	else if (reason == BUS_DROP_NONE && !reply->restart &&
		 (reply->epoch != s->epoch || reply->covered < s->applied ||
		  (reply->more && reply->covered == s->applied)))
		reason = BUS_DROP_ORDER;
	if (reason != BUS_DROP_NONE) {
		bus_drop(s->bus, reason);
		return false;
	}
	if (reply->restart) {
		s->epoch = reply->epoch;
		s->mark++;
		s->sweep = true;
		bus_count(s->bus, s->bus->resyncs, s->topic);
	}
	for (size_t i = 0; i < reply->n_changes; i++) {
		enum bus_reason bad = bus_wire_check(reply->changes[i]);
		if (bad == BUS_DROP_NONE)
			subscriber_apply(s, reply->changes[i]);
		else
			bus_drop(s->bus, bad);
	}
	s->applied = reply->covered;
	return true;
}

static void on_since(void *ctx, int error, const char *message, const ProtobufCMessage *payload)
{
	struct subscriber *s = ctx;
	const Ingot__SinceReply *reply = (const Ingot__SinceReply *)(const void *)payload;
	(void)message;
	s->ask_id = 0;
	if (error != 0 || !subscriber_chunk(s, reply)) {
		subscriber_failed(s);
		return;
	}
	s->fail_delay = 0;
	if (reply->more) {
		subscriber_ask(s);
		return;
	}
	if (reply->synced)
		subscriber_complete(s);
	s->state = SUBSCRIBER_STREAM;
	s->calm_at = mono_add(loop_now(s->bus->loop), CALM_US);
	subscriber_replay(s);
}

static void subscriber_ask(struct subscriber *s)
{
	Ingot__SinceRequest ask = INGOT__SINCE_REQUEST__INIT;
	ask.topic = bus_wire_topic_id(s->topic);
	ask.epoch = s->epoch;
	ask.sequence = s->applied;
	s->state = SUBSCRIBER_ASK;
	s->missed = false;
	s->ask_id = bus_request(s->bus, s->link->daemon, REQUEST_SINCE, &ask.base, on_since, s);
	if (s->ask_id == 0)
		subscriber_failed(s);
}

mono_t subscriber_tick(struct subscriber *s, mono_t now)
{
	if (s->state != SUBSCRIBER_WAIT)
		return MONO_NEVER;
	if (!mono_reached(now, s->ask_at))
		return s->ask_at;
	subscriber_ask(s);
	return s->state == SUBSCRIBER_WAIT ? s->ask_at : MONO_NEVER;
}

/* Frames flow from now on; what was published before may have been missed. */
void subscriber_connected(struct subscriber *s)
{
	if (s->state == SUBSCRIBER_ASK)
		s->missed = true;
	else
		subscriber_ask(s);
}

static void link_idle(struct bus_link *l, const uint8_t *data, size_t len)
{
	struct bus *b = l->bus;
	Ingot__Idle *idle;
	enum bus_reason reason = bus_wire_idle(data, len, &idle);
	if (reason != BUS_DROP_NONE) {
		bus_drop(b, reason);
		return;
	}
	if (epoch_is_future(b, idle->epoch))
		bus_drop(b, BUS_DROP_MALFORMED);
	for (size_t i = 0; i < idle->n_topics && !epoch_is_future(b, idle->epoch); i++) {
		const Ingot__IdleTopic *row = idle->topics[i];
		enum topic t = row->topic <= UINT8_MAX ? bus_wire_topic((uint8_t)row->topic) : TOPIC_N;
		struct subscriber *s = t == TOPIC_N ? NULL : b->subscriber[t];
		/* Topics that this daemon does not read, or that are not the sender's. */
		if (!s || topic_publisher(t) != l->daemon || s->state != SUBSCRIBER_STREAM ||
		    idle->epoch < s->epoch)
			continue;
		Ingot__Envelope e = INGOT__ENVELOPE__INIT;
		e.epoch = idle->epoch;
		e.sequence = row->sequence;
		subscriber_frame(s, &e);
	}
	ingot__idle__free_unpacked(idle, NULL);
}

static void link_frame(struct bus_link *l, const uint8_t *data, size_t len)
{
	struct bus *b = l->bus;
	enum topic t;
	Ingot__Envelope *e;
	enum bus_reason reason = bus_wire_frame(data, len, &t, &e);
	if (reason != BUS_DROP_NONE) {
		bus_drop(b, reason);
		return;
	}
	struct subscriber *s = b->subscriber[t];
	/* A daemon speaks for its own topics only. */
	if (!s || topic_publisher(t) != l->daemon)
		reason = BUS_DROP_TOPIC;
	else if (e->epoch < s->epoch)
		reason = BUS_DROP_OLD_EPOCH;
	else if (epoch_is_future(b, e->epoch))
		reason = BUS_DROP_MALFORMED;
	if (reason != BUS_DROP_NONE) {
		bus_drop(b, reason);
	} else if (s->state != SUBSCRIBER_STREAM) {
		subscriber_hold(s, e);
		return;
	} else {
		subscriber_frame(s, e);
	}
	ingot__envelope__free_unpacked(e, NULL);
}

void link_read_frames(void *socket, unsigned events)
{
	struct bus_socket *s = socket;
	struct bus_link *l = (struct bus_link *)(void *)((char *)s - offsetof(struct bus_link, frames));
	nng_msg *m;
	(void)events;
	for (int i = 0; i < BUS_TURN && nng_recvmsg(s->s, &m, NNG_FLAG_NONBLOCK) == 0; i++) {
		const uint8_t *body = nng_msg_body(m);
		size_t len = nng_msg_len(m);
		if (len > 0 && body[0] == BUS_IDLE_ID)
			link_idle(l, body, len);
		else
			link_frame(l, body, len);
		nng_msg_free(m);
	}
}

static struct subscriber *subscriber_new(struct bus *b, enum topic t, const struct topic_reader *reader,
					 void *ctx)
{
	enum daemon_id publisher = topic_publisher(t);
	uint8_t id = bus_wire_topic_id(t);
	if (b->subscriber[t] || !(bus_wire_readers(t) & (1u << b->self))) {
		errno = b->subscriber[t] ? EBUSY : EACCES;
		return NULL;
	}
	struct bus_link *l = bus_link_to(b, publisher, true, true);
	if (!l)
		return NULL;
	if (nng_socket_set(l->frames.s, NNG_OPT_SUB_SUBSCRIBE, &id, 1) != 0) {
		errno = ENOMEM;
		return NULL;
	}
	struct subscriber *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->bus = b;
	s->link = l;
	s->topic = t;
	s->reader = *reader;
	s->ctx = ctx;
	hashtab_init(&s->known);
	b->subscriber[t] = s;
	/* Without a connection yet, its arrival asks. */
	subscriber_wait(s, l->frames_seen > 0 ? loop_now(b->loop) : MONO_NEVER);
	return s;
}

struct subscriber *bus_subscribe(struct bus *b, enum topic t, const struct topic_reader *reader, void *ctx)
{
	must(reader->upsert);
	return subscriber_new(b, t, reader, ctx);
}

struct subscriber *bus_subscribe_table(struct bus *b, enum topic t, const struct topic_reader *reader,
				       void *ctx, const struct hashtab **table)
{
	struct subscriber *s = subscriber_new(b, t, reader, ctx);
	if (s) {
		s->keeps = true;
		*table = &s->known;
	}
	return s;
}

struct subscriber *bus_subscribe_owned(struct bus *b, enum topic t, const struct topic_reader *reader,
				       bus_upsert_owned upsert, void *ctx)
{
	struct subscriber *s = subscriber_new(b, t, reader, ctx);
	if (s)
		s->upsert_owned = upsert;
	return s;
}

bool subscriber_synced(const struct subscriber *s)
{
	return s->synced_epoch != 0;
}

uint64_t subscriber_epoch(const struct subscriber *s)
{
	return s->epoch;
}

void subscriber_free(struct subscriber *s)
{
	if (!s)
		return;
	if (s->ask_id != 0)
		bus_cancel(s->bus, s->ask_id);
	s->bus->subscriber[s->topic] = NULL;
	subscriber_drop_held(s);
	hashtab_fini(&s->known, free);
	free(s);
}
