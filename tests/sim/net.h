/* A simulated network of SWIM members in one process: seeded, so every run of a seed is the same. Time is
 * simulated. Packets can be lost, delayed, blocked one way; nodes can be killed, paused (as by SIGSTOP),
 * started again, or wake late. */
#ifndef INGOT_TESTS_SIM_NET_H
#define INGOT_TESTS_SIM_NET_H

#include "gossipd/swim.h"

enum { SIM_MAX = 2000, SIM_QUEUE = 700 };

struct sim_packet {
	struct heap_node at; /* first */
	struct sim_packet *next;
	uint16_t from, to;
	uint16_t len;  /* 0 = exchange of tables */
	uint32_t life; /* of the receiver */
	uint8_t data[SWIM_PACKET];
};
struct sim_node {
	struct heap_node tick; /* first */
	struct swim *swim;
	char name[32];
	bool up, paused;
	uint32_t life, late_us;
	struct sim_packet *waiting, **waiting_tail;
	size_t n_waiting;
};
struct sim {
	mono_t now;
	size_t n;
	struct sim_node node[SIM_MAX];
	uint8_t *blocked; /* n x n, from -> to */
	struct heap packets, ticks;
	struct sim_packet *spare;
	uint64_t random;
	unsigned loss_percent;
	int64_t delay_min, delay_max;
	uint64_t sent, lost, delivered, false_failures, suspicions;
	bool expect_failures; /* deaths that are no mistake are not counted as false */
	/* called when a node changes its mind about a member */
	void (*changed)(void *ctx, size_t node, const struct swim_member *m, int was);
	void *ctx;
};

struct sim *sim_new(size_t n, uint64_t seed);
void sim_free(struct sim *s);
/* Start all nodes with each other as seeds, and let them meet. */
void sim_start(struct sim *s);
void sim_run(struct sim *s, int64_t us);
uint64_t sim_random(struct sim *s);
void sim_kill(struct sim *s, size_t node);
void sim_revive(struct sim *s, size_t node); /* with a lost memory */
void sim_pause(struct sim *s, size_t node, bool on);
void sim_block(struct sim *s, size_t from, size_t to, bool on);
/* Split into nodes below and from `cut`; cut 0 heals. */
void sim_partition(struct sim *s, size_t cut);
/* What node believes of member. */
bool sim_sees(const struct sim *s, size_t node, size_t member);
/* Every running node sees exactly the running ones. */
bool sim_agrees(const struct sim *s);
/* Carry out what an event left behind in a node. */
void sim_act(struct sim *s, size_t node);

#endif
