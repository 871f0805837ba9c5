/* SWIM membership with Lifeguard's extensions, as a state machine: packets, addresses to join and the time go
 * in, actions come out (packets to send, members that changed, exchanges to start). docs/swim.md explains the
 * numbers. */
#ifndef INGOT_GOSSIPD_SWIM_H
#define INGOT_GOSSIPD_SWIM_H

#include "gossipd/swim_msg.h"
#include "lib/base/heap.h"
#include "lib/base/map.h"
#include "lib/base/mono.h"

/* Timing, microseconds. swim_timing_default() gives the values of docs/swim.md. */
struct swim_timing {
	int64_t interval;	/* a member not heard for so long is probed */
	int64_t first_retry;	/* from the first try to the second */
	int64_t retry;		/* between later tries */
	int64_t indirect_after; /* from the first try to the first request to others */
	int64_t window;		/* from the first try to suspicion */
	int64_t suspicion_min, suspicion_max;
	int64_t gossip;	     /* between rounds of updates that are still to be told */
	int64_t contact;     /* between tries to reach one that is dead or not met yet */
	int64_t sync;	     /* between exchanges of the whole table with a random member */
	int64_t late;	     /* a tick that comes later than this means: we slept, not they */
	int64_t forget;	     /* a dead member without a seed is forgotten after this */
	int64_t leave;	     /* longest wait for the others when leaving */
	int64_t leave_again; /* between repeats of the goodbye */
};
struct swim_timing swim_timing_default(void);

enum {
	SWIM_RING = 4,	  /* ring neighbours that a member watches: two on either side */
	SWIM_HELPERS = 3, /* asked to probe for us */
	SWIM_ALL = 16,	  /* up to so many others, news go to all of them at once */
	SWIM_FANOUT = 8,  /* above: to so many at random, who pass it on */
	SWIM_CONFIRM = 2, /* others that must agree before the short suspicion holds */
	SWIM_HEALTH_MAX = 4,
	SWIM_RELAYS = 256, /* probes for others under way; the oldest gives way */
};

struct swim_member {
	struct swim_node node;
	uint64_t hash;
	mono_t since;		   /* last change of node.state here */
	mono_t heard;		   /* last proof of life that went both ways; 0 = never */
	bool self, watched, known; /* known: we have its address and links from itself, not only its name */
	bool seed;
	/* probing */
	struct heap_node probe;
	mono_t began;
	uint32_t seq, tries;
	/* suspicion */
	struct heap_node suspicion;
	mono_t suspected;
	uint64_t accusers[SWIM_CONFIRM + 1];
	uint8_t n_accusers;
	/* telling others */
	uint16_t tell;	/* copies still to send; 0 = not in the queue */
	size_t tell_at; /* in the queue */
	uint64_t tell_from;
	/* contact while dead, leaving */
	mono_t contacted;
	uint32_t contacts;
	bool goodbye_heard;  /* it acknowledged ours */
	uint64_t left_acked; /* incarnation of its goodbye that we acknowledged + 1 */
};

enum swim_action_type {
	SWIM_SEND,	/* send data to `to` */
	SWIM_CHANGED,	/* member is new or differs: state, incarnation, address or links; was = former state,
			   -1 = new */
	SWIM_FORGOTTEN, /* member is gone; the pointer is good until swim_actions_clear */
	SWIM_SYNC,	/* exchange whole tables with `to` over TCP */
	SWIM_GOODBYE, /* member says that it leaves: answer with swim_goodbye_done when its load is taken over
		       */
};
struct swim_action {
	enum swim_action_type type;
	int was;
	struct swim_addr to;
	size_t at, len; /* into the buffer: swim_action_data */
	struct swim_member *member;
};

struct swim_stats {
	uint64_t pings, acks, tries_failed, indirect, relays, suspicions, failures, refutations, late,
	    isolated, syncs, rejected_name, rejected_full, rejected_target, links_dropped;
};

struct swim_config {
	const char *name;
	struct swim_addr addr; /* told to others; family NONE = they take the source address */
	uint64_t incarnation;  /* to start with, at least 1 */
	const struct swim_node
	    *former;   /* what a former life told of itself: incarnation, links; NULL = none */
	uint64_t seed; /* of the order of random choices */
	struct swim_timing timing;
};
struct swim_seed {
	const char *name;
	struct swim_addr addr;
};

struct swim;
struct swim *swim_new(const struct swim_config *c, mono_t now); /* NULL on out of memory or an invalid name */
void swim_free(struct swim *s);

/* Events. Each may leave actions behind. */
void swim_tick(struct swim *s, mono_t now);
/* The deadline of the next tick; MONO_NEVER is possible. */
mono_t swim_next(const struct swim *s);
/* A packet that seal.h found to be genuine. 0, -EBADMSG, -EPROTONOSUPPORT, -EEXIST (it claims our name). */
int swim_receive(struct swim *s, mono_t now, const struct swim_addr *from, const void *data, size_t len);
/* A member (or one to be) proved its session to us: what we had to say to it can be said now. */
void swim_hello(struct swim *s, mono_t now, const struct swim_addr *from, const char *name);
/* One frame of a table that another member sent over TCP. */
int swim_receive_table(struct swim *s, mono_t now, const void *data, size_t len);
/* Fill buf with the next frame of our table; *cursor starts at 0. Returns its length, 0 at the end. */
size_t swim_table_frame(const struct swim *s, size_t *cursor, uint8_t *buf, size_t cap);
/* Everybody who could be a member (the other nodes); replaces the former list. */
int swim_seeds(struct swim *s, mono_t now, const struct swim_seed *v, size_t n);
/* Contact all seeds and probe all members now: what was sent before may have gone nowhere. */
void swim_reintroduce(struct swim *s, mono_t now);
/* Our own address, links and flags; told to all when they differ. Links over SWIM_MAX_LINKS are dropped and
 * counted. */
void swim_set_self(struct swim *s, mono_t now, const struct swim_addr *addr, const struct swim_link *links,
		   size_t n_links, uint8_t flags);
/* Put back a member that a former life knew; before the first tick. */
int swim_restore(struct swim *s, mono_t now, const struct swim_node *n);
/* Say goodbye until all have acknowledged it or timing.leave is over. */
void swim_leave(struct swim *s, mono_t now);
bool swim_has_left(const struct swim *s, mono_t now);
void swim_goodbye_done(struct swim *s, mono_t now, struct swim_member *m);

/* Actions since the last clear, in order. */
const struct swim_action *swim_actions(const struct swim *s, size_t *n);
const uint8_t *swim_action_data(const struct swim *s, const struct swim_action *a);
void swim_actions_clear(struct swim *s);

/* Looking. */
size_t swim_count(const struct swim *s); /* self included, whatever the state */
struct swim_member *swim_at(const struct swim *s, size_t index);
struct swim_member *swim_find(const struct swim *s, const char *name);
struct swim_member *swim_self(const struct swim *s);
size_t swim_live(const struct swim *s); /* alive or suspect, self included */
/* Every seed was met, or there is none: the first round is over early. */
bool swim_met_all(const struct swim *s);
const struct swim_stats *swim_statistics(const struct swim *s);
unsigned swim_health(const struct swim *s);	  /* 0 = good */
unsigned swim_loss_percent(const struct swim *s); /* of first tries, lately */

static inline bool swim_member_is_live(const struct swim_member *m)
{
	return m->node.state == SWIM_ALIVE || m->node.state == SWIM_SUSPECT;
}

#endif
