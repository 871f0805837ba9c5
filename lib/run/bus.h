/* The bus: keyed tables published as streams, and requests that are answered later as events. Over nng, which
 * only lib/run/bus*.c includes. docs/bus.md has the protocol.
 *
 * A topic is a keyed table owned by its publisher. A reader is told upserts and removals in the publisher's
 * order, and when the table is complete (`synced`). Frames may be lost, readers and publishers may be killed:
 * gaps are found by sequence numbers and filled with `since` requests. After a publisher's restart its
 * readers keep what they had until the new one says synced; only then are keys that did not come again
 * removed. Absence of news is not news. */
#ifndef INGOT_RUN_BUS_H
#define INGOT_RUN_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <protobuf-c/protobuf-c.h>

#include "lib/base/metrics.h"
#include "lib/base/hashtab.h"
#include "lib/run/loop.h"
#include "lib/run/topics.h"

enum { BUS_VERSION = 1, BUS_MAX_FRAME = 4 << 20, BUS_QUEUE = 512, BUS_CHUNK = 256 << 10 };

struct bus;
struct publisher;
struct subscriber;
struct exchange;

struct bus_config {
	const char *run_dir; /* sockets are RUN/<daemon>/pub and RUN/<daemon>/rep */
	enum daemon_id self;
	unsigned daemons; /* READS() mask of daemons that run in this role; others are never dialled */
	uid_t uid_base;	  /* daemon d runs as uid_base + its offset; (uid_t)-1: all run as getuid() */
	struct metrics *metrics;
};

/* Opens nothing for a daemon that publishes nothing. NULL with errno on failure. */
struct bus *bus_new(struct loop *l, const struct bus_config *config);
void bus_free(struct bus *b);

/* Publish a topic of this daemon's. Put is a no-op when the packed value equals the current one. */
struct publisher *bus_publish(struct bus *b, enum topic t);
int publisher_put(struct publisher *p, const char *key, const ProtobufCMessage *value);
void publisher_delete(struct publisher *p, const char *key);
void publisher_synced(struct publisher *p); /* the table is complete from now on */
size_t publisher_count(const struct publisher *p);
bool publisher_has(const struct publisher *p, const char *key);
/* The packed value, lent until the next change; NULL: there is none. */
const void *publisher_get(const struct publisher *p, const char *key, size_t *len);

struct topic_reader {
	/* value is lent for the call. */
	void (*upsert)(void *ctx, const char *key, const ProtobufCMessage *value);
	void (*remove)(void *ctx, const char *key);
	void (*synced)(
	    void *ctx); /* complete: at first, and again after each restart of the publisher; may be NULL */
};
/* NULL when the topic's publisher does not run in this role (then nothing will ever come) or on failure with
 * errno. */
struct subscriber *bus_subscribe(struct bus *b, enum topic t, const struct topic_reader *reader, void *ctx);
/* The same, and the bus keeps the topic's table: *table (on success) has its struct row, and is good
 * until bus_free. It has a change before the reader is told. reader->upsert may be NULL. */
struct subscriber *bus_subscribe_table(struct bus *b, enum topic t, const struct topic_reader *reader,
				       void *ctx, const struct hashtab **table);
bool subscriber_synced(const struct subscriber *s);    /* a complete table was received once */
uint64_t subscriber_epoch(const struct subscriber *s); /* the publisher's, 0 = none yet */

/* Serve a request of this daemon's. payload is lent; answer now or later, exactly once, with bus_reply*. */
typedef void (*bus_handler)(void *ctx, const ProtobufCMessage *payload, struct exchange *x);
int bus_serve(struct bus *b, enum request_kind r, bus_handler fn, void *ctx);
void bus_reply(struct exchange *x, const ProtobufCMessage *payload);
void bus_reply_error(struct exchange *x, int error, const char *message); /* error: negative errno */

/* Ask. The callback comes exactly once, never from inside this call: error 0 and the payload (lent), or a
 * negative errno (-ETIMEDOUT after the deadline) and a message. Returns an id for bus_cancel, 0 on failure
 * (no callback then). */
typedef void (*bus_answer)(void *ctx, int error, const char *message, const ProtobufCMessage *payload);
uint64_t bus_request(struct bus *b, enum daemon_id server, enum request_kind r,
		     const ProtobufCMessage *payload, bus_answer fn, void *ctx);
void bus_cancel(struct bus *b, uint64_t id);

#endif
