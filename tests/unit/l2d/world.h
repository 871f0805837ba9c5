/* A responder with two interfaces and a clock, for scripted tests. */
#ifndef TESTS_UNIT_L2D_WORLD_H
#define TESTS_UNIT_L2D_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "l2d/responder.h"

struct world {
	struct responder r;
	struct members members;
	struct metrics *metrics;
	struct outbox box;
	mono_t now;
	/* what was sent since world_clear */
	unsigned requests, replies, adverts, probes, answers;
	struct out_frame last;
	unsigned actions[ACTION_RESUME + 1];
	char gone[128]; /* the last address%interface that went */
};

enum { ETH0 = 3, ETH1 = 4 };
extern const uint8_t eth0_mac[6], eth1_mac[6], host_mac[6], member_mac[6];

void world_init(struct world *w); /* eth0 and eth1 up, member "other" known */
void world_fini(struct world *w);
void world_clear(struct world *w);
void world_link(struct world *w, uint32_t index, bool arp, bool ndp);
/* interfaces: "" = all, else "a,b" */
void world_own(struct world *w, const char *ip, bool mine, bool hold, uint64_t term, const char *interfaces);
void world_settle(struct world *w);	      /* send what is due, take the actions */
void world_wait(struct world *w, int64_t us); /* time passes, timers fire at their time */
enum l2_result world_arp(struct world *w, uint32_t index, uint16_t op, const uint8_t *from,
			 const char *sender, const char *target);
enum l2_result world_solicit(struct world *w, uint32_t index, const char *source, const char *target,
			     bool option);
enum l2_result world_advert(struct world *w, uint32_t index, const uint8_t *from, const char *target,
			    bool override);
struct vip_if *world_on(struct world *w, const char *ip, uint32_t index); /* NULL: not announced there */
addr_t world_ip(const char *text);

#endif
