/* Publishing: the table of one topic in the order of its last changes, frames to whoever listens, and answers
 * to `since`. Runs in every daemon that publishes. Never waits for a reader: a frame that a reader has no
 * room for is lost, and the reader asks for what it missed. docs/bus.md describes the rules. */
#include "lib/run/bus_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/hashtab.h"

enum {
	IDLE_US = 2000000,  /* repeat of the latest sequence while nothing happens */
	SETTLE_US = 200000, /* first repeat after a change: its frame may have been the one that was lost */
	INLINE_MAX =
	    16 << 10, /* larger values are fetched with `since`: queues for stopped readers stay small */
	TOMBSTONES_MIN = 4096, /* kept before any is forgotten */
};

/* One key: its value, or the fact that it was deleted. */
struct entry {
	struct hashtab_node node;
	struct entry *next, *prev; /* by last change, oldest first */
	uint64_t sequence;
	uint32_t len; /* of the value */
	bool is_deleted;
	char key[]; /* NUL-terminated; then the packed value */
};

struct publisher {
	struct bus *bus;
	enum topic topic;
	struct hashtab entries;
	struct entry *oldest, *newest;
	size_t n_live, n_deleted;
	uint64_t sequence;
	uint64_t floor; /* deletions up to here are forgotten */
	bool synced;
	uint8_t *scratch;
	size_t scratch_size;
};

static void list_append(struct publisher *p, struct entry *e)
{
	e->next = NULL;
	e->prev = p->newest;
	*(p->newest ? &p->newest->next : &p->oldest) = e;
	p->newest = e;
}

static void list_remove(struct publisher *p, struct entry *e)
{
	*(e->prev ? &e->prev->next : &p->oldest) = e->next;
	*(e->next ? &e->next->prev : &p->newest) = e->prev;
}

static struct entry *find(const struct publisher *p, const char *key)
{
	return hashtab_get(&p->entries, key);
}

static uint8_t *data_of(struct entry *e)
{
	return (uint8_t *)e->key + e->node.key_len + 1;
}

static void publisher_send(struct publisher *p, Ingot__Op op, struct entry *e)
{
	struct bus *b = p->bus;
	Ingot__Envelope envelope = INGOT__ENVELOPE__INIT;
	envelope.version = BUS_VERSION;
	envelope.epoch = b->epoch;
	envelope.sequence = p->sequence;
	envelope.op = op;
	envelope.synced = p->synced;
	if (e && e->len > INLINE_MAX) {
		envelope.op = INGOT__OP__OP_IDLE; /* a gap: readers ask */
	} else if (e) {
		envelope.key = e->key;
		envelope.payload = (ProtobufCBinaryData){ e->len, data_of(e) };
	}
	nng_msg *m = bus_message(1 + ingot__envelope__get_packed_size(&envelope));
	if (!m)
		return; /* as good as lost on the way */
	uint8_t *body = nng_msg_body(m);
	body[0] = bus_wire_topic_id(p->topic);
	ingot__envelope__pack(&envelope, body + 1);
	socket_send(&b->pub, m);
}

/* The latest numbers of all topics, in one frame: waking every reader for every topic would be most of what
 * an idle system does. */
static void publishers_send_idle(struct bus *b)
{
	Ingot__IdleTopic rows[TOPIC_N], *pointers[TOPIC_N];
	Ingot__Idle idle = INGOT__IDLE__INIT;
	idle.version = BUS_VERSION;
	idle.epoch = b->epoch;
	idle.topics = pointers;
	for (unsigned t = 0; t < TOPIC_N; t++) {
		const struct publisher *p = b->publisher[t];
		if (!p)
			continue;
		Ingot__IdleTopic *row = &rows[idle.n_topics];
		ingot__idle_topic__init(row);
		row->topic = bus_wire_topic_id((enum topic)t);
		row->sequence = p->sequence;
		row->synced = p->synced;
		pointers[idle.n_topics++] = row;
	}
	nng_msg *m = bus_message(1 + ingot__idle__get_packed_size(&idle));
	if (!m)
		return;
	uint8_t *body = nng_msg_body(m);
	body[0] = BUS_IDLE_ID;
	ingot__idle__pack(&idle, body + 1);
	socket_send(&b->pub, m);
}

static void publisher_changed(struct publisher *p, Ingot__Op op, struct entry *e)
{
	struct bus *b = p->bus;
	mono_t settled = mono_add(loop_now(b->loop), SETTLE_US);
	publisher_send(p, op, e);
	b->repeat_at = mono_min(b->repeat_at, settled);
	bus_wake_at(b, b->repeat_at);
}

mono_t publishers_tick(struct bus *b, mono_t now)
{
	if (mono_reached(now, b->repeat_at)) {
		publishers_send_idle(b);
		b->repeat_at = mono_add(now, IDLE_US);
	}
	return b->repeat_at;
}

struct publisher *bus_publish(struct bus *b, enum topic t)
{
	if (topic_publisher(t) != b->self || b->publisher[t] || !b->pub.is_open) {
		errno = EINVAL;
		return NULL;
	}
	struct publisher *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->bus = b;
	p->topic = t;
	hashtab_init(&p->entries);
	b->publisher[t] = p;
	b->repeat_at = mono_min(b->repeat_at, mono_add(loop_now(b->loop), SETTLE_US));
	bus_wake_at(b, b->repeat_at);
	return p;
}

void publisher_free(struct publisher *p)
{
	if (!p)
		return;
	hashtab_fini(&p->entries, free);
	free(p->scratch);
	free(p);
}

/* Packs value into the scratch buffer. */
static int publisher_pack(struct publisher *p, const ProtobufCMessage *value, size_t *len)
{
	size_t n = protobuf_c_message_get_packed_size(value);
	if (n > BUS_MAX_VALUE)
		return -EMSGSIZE;
	if (n > p->scratch_size || !p->scratch) {
		size_t size = n < 1024 ? 1024 : n + n / 2;
		uint8_t *grown = realloc(p->scratch, size);
		if (!grown)
			return -ENOMEM;
		p->scratch = grown;
		p->scratch_size = size;
	}
	*len = protobuf_c_message_pack(value, p->scratch);
	return 0;
}

static void entry_leave(struct publisher *p, struct entry *e)
{
	*(e->is_deleted ? &p->n_deleted : &p->n_live) -= 1;
	hashtab_remove(&p->entries, &e->node);
	list_remove(p, e);
	free(e);
}

/* The newest change: this value, or (data NULL) a deletion, in the place of old (may be NULL). NULL: out of
 * memory, all is as before. */
static struct entry *entry_enter(struct publisher *p, struct entry *old, const char *key, const uint8_t *data,
				 size_t len)
{
	size_t key_len = strlen(key);
	struct entry *e = malloc(sizeof *e + key_len + 1 + len);
	if (!e)
		return NULL;
	memcpy(e->key, key, key_len + 1);
	if (old)
		entry_leave(p, old);
	if (hashtab_add(&p->entries, &e->node, e->key, key_len) < 0) {
		must(!old); /* there was a place for that one */
		free(e);
		return NULL;
	}
	e->len = (uint32_t)len;
	e->is_deleted = data == NULL;
	if (len > 0)
		memcpy(data_of(e), data, len);
	*(e->is_deleted ? &p->n_deleted : &p->n_live) += 1;
	list_append(p, e);
	e->sequence = ++p->sequence;
	return e;
}

int publisher_put(struct publisher *p, const char *key, const ProtobufCMessage *value)
{
	must(value->descriptor == bus_wire_value_type(p->topic));
	size_t key_len = strlen(key), len;
	if (key_len == 0 || key_len > BUS_MAX_KEY)
		return -EINVAL;
	int r = publisher_pack(p, value, &len);
	if (r < 0)
		return r;
	struct entry *e = find(p, key);
	if (e && !e->is_deleted && e->len == len && (len == 0 || memcmp(data_of(e), p->scratch, len) == 0))
		return 0;
	e = entry_enter(p, e, key, p->scratch, len);
	if (!e)
		return -ENOMEM;
	publisher_changed(p, INGOT__OP__OP_UPSERT, e);
	return 0;
}

/* Forgets the older half of the deletions once there are too many. Who was away for longer reads the whole
 * table. */
static void publisher_prune(struct publisher *p)
{
	size_t cap = 2 * p->n_live > TOMBSTONES_MIN ? 2 * p->n_live : TOMBSTONES_MIN;
	if (p->n_deleted <= cap)
		return;
	for (struct entry *e = p->oldest, *next; e && p->n_deleted > cap / 2; e = next) {
		next = e->next;
		if (!e->is_deleted)
			continue;
		p->floor = e->sequence;
		entry_leave(p, e);
	}
}

void publisher_delete(struct publisher *p, const char *key)
{
	struct entry *e = find(p, key);
	if (!e || e->is_deleted)
		return;
	struct entry *small = entry_enter(p, e, e->key, NULL, 0);
	if (!small) { /* then the value stays where it was, and only that */
		small = e;
		e->len = 0;
		e->is_deleted = true;
		p->n_live--;
		p->n_deleted++;
		list_remove(p, e);
		list_append(p, e);
		e->sequence = ++p->sequence;
	}
	publisher_changed(p, INGOT__OP__OP_DELETE, small);
	publisher_prune(p);
}

void publisher_synced(struct publisher *p)
{
	if (p->synced)
		return;
	p->synced = true;
	p->sequence++;
	publisher_changed(p, INGOT__OP__OP_SYNCED, NULL);
}

size_t publisher_count(const struct publisher *p)
{
	return p->n_live;
}

bool publisher_has(const struct publisher *p, const char *key)
{
	const struct entry *e = find(p, key);
	return e && !e->is_deleted;
}

const void *publisher_get(const struct publisher *p, const char *key, size_t *len)
{
	struct entry *e = find(p, key);
	if (!e || e->is_deleted)
		return NULL;
	*len = e->len;
	return data_of(e);
}

/* The oldest change that is newer than sequence. From the new end: askers have mostly missed little. */
static struct entry *changes_after(const struct publisher *p, uint64_t sequence)
{
	if (sequence == 0)
		return p->oldest;
	struct entry *e = p->newest, *found = NULL;
	for (; e && e->sequence > sequence; e = e->prev)
		found = e;
	return found;
}

enum { CHUNK_MAX_CHANGES = 4096, ENVELOPE_OVERHEAD = 48 };

/* One chunk from e on: fills envelopes and pointers, returns how many; *next is where the following chunk
 * begins. */
static size_t fill_chunk(const struct publisher *p, struct entry *e, bool restart, Ingot__Envelope *envelopes,
			 Ingot__Envelope **pointers, struct entry **next)
{
	size_t n = 0, bytes = 0;
	for (; e && n < CHUNK_MAX_CHANGES; e = e->next) {
		if (e->is_deleted && restart)
			continue;
		size_t size = e->len + e->node.key_len + ENVELOPE_OVERHEAD;
		if (n > 0 && bytes + size > BUS_CHUNK)
			break;
		bytes += size;
		Ingot__Envelope *v = &envelopes[n];
		ingot__envelope__init(v);
		v->version = BUS_VERSION;
		v->epoch = p->bus->epoch;
		v->sequence = e->sequence;
		v->op = e->is_deleted ? INGOT__OP__OP_DELETE : INGOT__OP__OP_UPSERT;
		v->key = e->key;
		v->payload = (ProtobufCBinaryData){ e->len, data_of(e) };
		v->synced = p->synced;
		pointers[n++] = v;
	}
	*next = e;
	return n;
}

void publisher_since(struct bus *b, const Ingot__SinceRequest *ask, struct exchange *x)
{
	enum topic t = ask->topic <= UINT8_MAX ? bus_wire_topic((uint8_t)ask->topic) : TOPIC_N;
	const struct publisher *p = t == TOPIC_N ? NULL : b->publisher[t];
	if (!p) {
		bus_reply_error(x, -ENOENT, "this daemon does not publish that topic now");
		return;
	}
	if (!(bus_wire_readers(t) & exchange_callers(x))) {
		bus_drop(b, BUS_DROP_CALLER);
		bus_reply_error(x, -EACCES, "the caller is no reader of that topic");
		return;
	}
	bool restart = ask->epoch != b->epoch || ask->sequence == 0 || ask->sequence < p->floor ||
		       ask->sequence > p->sequence;
	struct entry *next;
	Ingot__SinceReply reply = INGOT__SINCE_REPLY__INIT;
	Ingot__Envelope *envelopes = malloc(CHUNK_MAX_CHANGES * sizeof(*envelopes));
	reply.changes = malloc(CHUNK_MAX_CHANGES * sizeof(*reply.changes));
	if (envelopes && reply.changes) {
		reply.n_changes = fill_chunk(p, changes_after(p, restart ? 0 : ask->sequence), restart,
					     envelopes, reply.changes, &next);
		reply.epoch = b->epoch;
		reply.restart = restart;
		reply.more = next != NULL;
		reply.covered = next ? next->prev->sequence : p->sequence;
		reply.synced = p->synced;
		bus_reply(x, &reply.base);
	} else {
		bus_reply_error(x, -ENOMEM, "out of memory");
	}
	free(envelopes);
	free(reply.changes);
}
