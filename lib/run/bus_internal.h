/* What the files of the bus share: bus.c (sockets, metrics, timer), bus_publish.c, bus_subscribe.c,
 * bus_request.c. */
#ifndef INGOT_RUN_BUS_INTERNAL_H
#define INGOT_RUN_BUS_INTERNAL_H

#include <stdatomic.h>

#include <nng/nng.h>

#include "lib/base/map.h"
#include "lib/run/bus.h"
#include "lib/run/bus_wire.h"
#include "proto/bus.pb-c.h"

enum {
	BUS_TURN = 64,		  /* frames taken from one socket per turn of the loop */
	BUS_MAX_EXCHANGES = 1024, /* requests that wait for our answer */
	BUS_MAX_PENDING = 4096,	  /* requests of ours that wait for an answer */
};

/* A socket and what its connections tell. Data flows one way on each: docs/bus.md, "What nng is spared". */
struct bus_socket {
	struct bus *bus;
	nng_socket s;
	bool is_open;
	struct loop_fd *watch;
	/* Connections made so far, and how many stand: written by nng's threads, read by ours. */
	atomic_uint connects;
	atomic_int pipes;
	uint32_t allowed; /* READS() mask of who may connect; constant once it listens */
};

/* The connections to one other daemon. */
struct bus_link {
	struct bus *bus;
	enum daemon_id daemon;
	struct bus_socket frames;		       /* SUB: its topics */
	struct bus_socket asks;			       /* PUSH: our requests */
	struct bus_socket answers;		       /* SUB: its replies to us */
	unsigned frames_seen, asks_seen, answers_seen; /* connections we know of */
	/* Asks and answers both arrive: a greeting came back over the connections that stand now. */
	bool is_greeted;
	unsigned greeting; /* how many came back so far; 0 = none */
	uint32_t greeting_id;
	mono_t greet_at;
	int64_t greet_delay;
	struct bus_pending *pending, **pending_tail;
};

struct bus_access {
	uid_t uid_base, self;
	atomic_uint refused; /* connections, counted by nng's threads */
};

struct bus_handler_slot {
	bus_handler fn;
	void *ctx;
};

struct bus {
	struct loop *loop;
	char *run_dir;
	enum daemon_id self;
	unsigned daemons;
	uint64_t epoch;
	struct bus_access access;	   /* nng's threads read it: constant once the sockets listen */
	struct bus_socket pub;		   /* PUB: our topics */
	struct bus_socket rep;		   /* PULL: requests of others */
	struct bus_socket reply[DAEMON_N]; /* PUB: our replies, one socket per caller */
	uint64_t instance;		   /* random */
	int wake_fd;			   /* eventfd: a connection was made */
	struct loop_fd *wake_watch;
	struct loop_timer *timer;
	mono_t timer_at;
	mono_t repeat_at; /* of the latest sequences; MONO_NEVER without publishers */
	struct bus_link *link[DAEMON_N];
	struct publisher *publisher[TOPIC_N];
	struct subscriber *subscriber[TOPIC_N];
	struct bus_handler_slot handler[REQUEST_N];
	struct exchange *exchanges;
	size_t n_exchanges, n_pending;
	uint64_t last_id;
	uint8_t hash_key[16];
	struct metric *dropped, *gaps, *resyncs;
};

/* Counts a message that was dropped. */
void bus_drop(struct bus *b, enum bus_reason reason);
void bus_count(struct bus *b, struct metric *m, enum topic t);
/* Makes sure the timer fires no later than at. */
void bus_wake_at(struct bus *b, mono_t at);
/* The link to d, dialled as far as asked; NULL with errno (EHOSTUNREACH: does not run in this role). */
struct bus_link *bus_link_to(struct bus *b, enum daemon_id d, bool frames, bool requests);
/* Does nothing, but links bus_spare.c into the program. */
void bus_spare_nng(void);
/* Opens what this daemon serves. 0 or a negative errno. */
int bus_listen(struct bus *b);
void bus_close_sockets(struct bus *b);
/* Sends m, or frees it when that would have to wait; true when it was taken. */
bool socket_send(struct bus_socket *s, nng_msg *m);
/* Daemons that may run as uid, as READS() mask. */
uint32_t bus_daemons_of(const struct bus_access *a, uint64_t uid);
/* What a daemon does when it exits: frees our memory, leaves the sockets to the end of the process. */
void bus_leave(struct bus *b);
/* A message with room for size bytes; NULL when out of memory. */
nng_msg *bus_message(size_t size);

mono_t publishers_tick(struct bus *b, mono_t now); /* returns when it wants the next */
void publisher_free(struct publisher *p);
void publisher_since(struct bus *b, const Ingot__SinceRequest *ask, struct exchange *x);

/* The subscriber gets the value's ownership with upsert_owned instead of a loan. */
typedef void (*bus_upsert_owned)(void *ctx, const char *key, ProtobufCMessage *value);
struct subscriber *bus_subscribe_owned(struct bus *b, enum topic t, const struct topic_reader *reader,
				       bus_upsert_owned upsert, void *ctx);
mono_t subscriber_tick(struct subscriber *s, mono_t now);
void subscriber_connected(struct subscriber *s);
void subscriber_free(struct subscriber *s);
void link_read_frames(void *socket, unsigned events);

mono_t link_tick(struct bus_link *l, mono_t now);
void link_connected(struct bus_link *l); /* asks or answers are connected anew */
void link_free_pending(struct bus_link *l);
void link_read_replies(void *socket, unsigned events);
void exchanges_free(struct bus *b);
void exchanges_read(void *socket, unsigned events);
uint32_t exchange_callers(const struct exchange *x); /* daemons that the caller may be */

#endif
