/* What the files of the SWIM core share; nobody else includes it. */
#ifndef INGOT_GOSSIPD_SWIM_INTERNAL_H
#define INGOT_GOSSIPD_SWIM_INTERNAL_H

#include "gossipd/swim.h"

struct swim_relay {
	uint32_t seq, asker_seq;
	struct swim_addr asker;
	struct swim_member *target; /* NULL = free */
};
/* A node that the caller named, with the way to reach it. */
struct swim_seed_entry {
	char name[LIMIT_NODE_NAME + 1];
	struct swim_addr addr;
	mono_t contacted;
	uint32_t contacts;
};

struct swim {
	struct swim_timing t;
	struct swim_member *self;
	struct map by_name;
	struct swim_member **v; /* all, in order of arrival; v[0] is self */
	size_t n, cap;
	struct swim_member **ring; /* alive or suspect, self included, by hash then name */
	size_t n_ring, cap_ring;
	struct swim_seed_entry *seeds;
	size_t n_seeds, contact_at;
	struct heap probes, suspicions;
	uint64_t random;
	struct swim_relay relays[SWIM_RELAYS];
	uint32_t relay_seq;
	/* rounds */
	mono_t next_round, next_gossip, next_contact, next_sync, last_sync, next_goodbye, left_at;
	size_t round_at, gossip_at;
	struct swim_member **telling; /* those with news to tell */
	size_t n_telling, cap_telling;
	struct map seed_names;
	bool ring_changed;
	bool leaving;
	bool bulk; /* a whole table is coming in */
	/* how well we ourselves do */
	mono_t due;   /* what swim_next said last */
	mono_t proof; /* last proof of life of anybody */
	const struct swim_member *proof_of;
	mono_t proof_other; /* of anybody else than proof_of */
	unsigned health, good;
	uint32_t loss; /* share of first tries without an answer, 16-bit fraction */
	int64_t rtt;   /* smoothed, microseconds */
	struct swim_stats stats;
	/* out */
	struct swim_action *actions;
	size_t n_actions, cap_actions;
	uint8_t *out;
	size_t n_out, cap_out;
	struct swim_member **graves;
	size_t n_graves, cap_graves;
};

/* swim.c */
void swim_set_due(struct swim *s, mono_t now); /* last in every event */
uint64_t swim_random(struct swim *s);
void swim_act(struct swim *s, enum swim_action_type type, struct swim_member *m, int was,
	      const struct swim_addr *to);
bool swim_grow(void **v, size_t *cap, size_t need, size_t size);

/* swim_table.c: who is a member, and what is believed of it */
struct swim_member *swim_member_add(struct swim *s, mono_t now, const char *name);
void swim_member_drop(struct swim *s, struct swim_member *m);
void swim_member_state(struct swim *s, mono_t now, struct swim_member *m, enum swim_state state,
		       uint64_t incarnation);
void swim_ring_insert(struct swim *s, struct swim_member *m);
void swim_ring_remove(struct swim *s, struct swim_member *m);
void swim_rewatch(struct swim *s, mono_t now);
void swim_hear_alive(struct swim *s, mono_t now, const struct swim_node *n, const struct swim_addr *source);
void swim_hear_state(struct swim *s, mono_t now, const struct swim_msg *m, bool second_hand);
void swim_suspect(struct swim *s, mono_t now, struct swim_member *m, uint64_t from, bool tell);
void swim_bury(struct swim *s, mono_t now, struct swim_member *m, bool tell);
void swim_refute(struct swim *s, mono_t now, uint64_t incarnation);

/* swim_probe.c: finding out who is alive */
void swim_proof(struct swim *s, mono_t now, struct swim_member *m);
void swim_probe_due(struct swim *s, mono_t now, struct swim_member *m);
void swim_probe_start(struct swim *s, mono_t now, struct swim_member *m);
void swim_round(struct swim *s, mono_t now);
void swim_contact_round(struct swim *s, mono_t now);
void swim_contact(struct swim *s, const struct swim_addr *to, const char *name);
void swim_forgive(struct swim *s, mono_t now, int64_t late);
bool swim_isolated(const struct swim *s, const struct swim_member *m);

/* swim_tell.c: packets, and spreading news */
struct swim_pack {
	uint8_t data[SWIM_PACKET];
	struct wbuf w;
};
void swim_pack_begin(struct swim *s, struct swim_pack *p);
bool swim_pack_alive(struct swim_pack *p, const struct swim_member *m);
bool swim_pack_member(struct swim_pack *p, const struct swim_member *m, uint64_t from);
/* Fill what room is left with news, then send. */
void swim_pack_send(struct swim *s, struct swim_pack *p, const struct swim_addr *to,
		    const struct swim_member *about);
void swim_tell(struct swim *s, mono_t now, struct swim_member *m, uint64_t from);
void swim_untell(struct swim *s, struct swim_member *m);
void swim_gossip_round(struct swim *s, mono_t now);
struct swim_member *swim_pick(struct swim *s, const struct swim_member *not_this);
void swim_goodbye_round(struct swim *s, mono_t now);

#endif
