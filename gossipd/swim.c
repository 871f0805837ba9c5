/* The SWIM state machine: its life, its clock, and the dispatch of packets. Runs in gossipd and in the
 * simulator. Pure: it never sends, it leaves actions. The other parts are swim_table.c (beliefs),
 * swim_probe.c (detection) and swim_tell.c (spreading news). */
#include "gossipd/swim_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"

struct swim_timing swim_timing_default(void)
{
	return (struct swim_timing){
		.interval = MS(100),
		.first_retry = MS(20),
		.retry = MS(10),
		.indirect_after = MS(40),
		.window = MS(150),
		.suspicion_min = MS(100),
		.suspicion_max = MS(600),
		.gossip = MS(50),
		.contact = MS(200),
		.sync = SEC(30),
		.late = MS(50),
		.forget = SEC(60),
		.leave = MS(500),
		.leave_again = MS(40),
	};
}

uint64_t swim_random(struct swim *s)
{
	s->random ^= s->random >> 12;
	s->random ^= s->random << 25;
	s->random ^= s->random >> 27;
	return s->random * 0x2545f4914f6cdd1du;
}

bool swim_grow(void **v, size_t *cap, size_t need, size_t size)
{
	if (need <= *cap)
		return true;
	size_t more = *cap ? *cap * 2 : 16;
	while (more < need)
		more *= 2;
	void *p = realloc(*v, more * size);
	if (!p)
		return false;
	*v = p;
	*cap = more;
	return true;
}

void swim_act(struct swim *s, enum swim_action_type type, struct swim_member *m, int was,
	      const struct swim_addr *to)
{
	/* A change that nobody hears of would be a lie for ever; a new life begins with the truth. */
	must(swim_grow((void **)&s->actions, &s->cap_actions, s->n_actions + 1, sizeof *s->actions));
	struct swim_action *a = &s->actions[s->n_actions++];
	*a = (struct swim_action){ .type = type, .was = was, .member = m };
	if (to)
		a->to = *to;
}

void swim_set_due(struct swim *s, mono_t now)
{
	if (s->ring_changed)
		swim_rewatch(s, now);
	mono_t next = s->next_goodbye;
	if (!s->leaving) {
		next = mono_min(heap_next(&s->probes), heap_next(&s->suspicions));
		next = mono_min(next, mono_min(s->next_round, s->next_contact));
		next = mono_min(next, s->next_sync);
	}
	if (s->n_telling)
		next = mono_min(next, s->next_gossip);
	s->due = next;
}

mono_t swim_next(const struct swim *s)
{
	return s->due;
}

struct swim *swim_new(const struct swim_config *c, mono_t now)
{
	if (!swim_name_is_valid(c->name))
		return NULL;
	struct swim *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->t = c->timing;
	s->random = c->seed | 1;
	map_init(&s->by_name);
	map_init(&s->seed_names);
	heap_init(&s->probes);
	heap_init(&s->suspicions);
	s->self = swim_member_add(s, now, c->name);
	if (!s->self) {
		swim_free(s);
		return NULL;
	}
	s->self->self = s->self->known = true;
	s->self->node.state = SWIM_ALIVE;
	s->self->node.incarnation = c->incarnation ? c->incarnation : 1;
	if (c->former) {
		s->self->node = *c->former;
		memset(s->self->node.name, 0, sizeof s->self->node.name);
		memcpy(s->self->node.name, c->name, strlen(c->name));
		s->self->node.state = SWIM_ALIVE;
		s->self->node.flags = 0;
	}
	s->self->node.addr = c->addr;
	s->self->since = now;
	swim_ring_insert(s, s->self);
	s->next_round = s->next_contact = now;
	s->next_sync = mono_add(now, s->t.sync);
	s->next_gossip = s->next_goodbye = MONO_NEVER;
	s->last_sync.us = now.us - s->t.sync;
	swim_set_due(s, now);
	return s;
}

void swim_free(struct swim *s)
{
	if (!s)
		return;
	swim_actions_clear(s);
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	map_fini(&s->by_name, NULL);
	map_fini(&s->seed_names, NULL);
	heap_fini(&s->probes);
	heap_fini(&s->suspicions);
	free(s->v);
	free(s->ring);
	free(s->telling);
	free(s->seeds);
	free(s->actions);
	free(s->out);
	free(s->graves);
	free(s);
}

/* The first thing in every event: were we asleep? Then nobody else is to blame for the silence. */
static void enter(struct swim *s, mono_t now)
{
	int64_t late = s->due.us == INT64_MAX ? 0 : mono_sub(now, s->due);
	if (late > s->t.late)
		swim_forgive(s, now, late);
}

static void sync_due(struct swim *s, mono_t now)
{
	s->next_sync = mono_add(now, s->t.sync / 2 + (int64_t)(swim_random(s) % (uint64_t)s->t.sync));
	struct swim_member *m = swim_pick(s, NULL);
	if (!m)
		return;
	s->last_sync = now;
	s->stats.syncs++;
	swim_act(s, SWIM_SYNC, m, 0, &m->node.addr);
}

#define MEMBER_OF(n, field) ((struct swim_member *)(void *)((char *)(n)-offsetof(struct swim_member, field)))

void swim_tick(struct swim *s, mono_t now)
{
	enter(s, now);
	if (s->leaving) {
		if (mono_reached(now, s->next_goodbye))
			swim_goodbye_round(s, now);
	} else {
		for (struct heap_node *n; (n = heap_pop_due(&s->suspicions, now));) {
			struct swim_member *m = MEMBER_OF(n, suspicion);
			swim_bury(s, now, m, !swim_isolated(s, m));
		}
		for (struct heap_node *n; (n = heap_pop_due(&s->probes, now));)
			swim_probe_due(s, now, MEMBER_OF(n, probe));
		if (mono_reached(now, s->next_round))
			swim_round(s, now);
		if (mono_reached(now, s->next_contact))
			swim_contact_round(s, now);
		if (mono_reached(now, s->next_sync))
			sync_due(s, now);
	}
	if (s->n_telling && mono_reached(now, s->next_gossip))
		swim_gossip_round(s, now);
	swim_set_due(s, now);
}

static void hear_relayed(struct swim *s, mono_t now, const struct swim_msg *g, struct swim_member *sender)
{
	struct swim_member *m = swim_find(s, g->node.name);
	if (m && !m->self && swim_member_is_live(m) && m->seq - g->seq < 64)
		swim_proof(s, now, m);
	if (sender)
		swim_proof(s, now, sender);
}

/* The way of a probe that we make for another: ask the target with a number of ours, pass its answer on. */
#define RELAY_BIT 0x80000000u

static void hear_ping_req(struct swim *s, const struct swim_msg *g, const struct swim_addr *from)
{
	struct swim_member *m = swim_find(s, g->node.name);
	if (!m || m->self) {
		s->stats.rejected_target++;
		return;
	}
	struct swim_relay *r = &s->relays[s->relay_seq % SWIM_RELAYS];
	*r = (struct swim_relay){
		.seq = (s->relay_seq & 0x7fffffffu) | RELAY_BIT,
		.asker_seq = g->seq,
		.asker = *from,
		.target = m,
	};
	s->relay_seq++;
	s->stats.relays++;
	struct swim_pack p;
	struct swim_msg ping = { .type = SWIM_MSG_PING, .seq = r->seq };
	memcpy(ping.node.name, m->node.name, sizeof ping.node.name);
	swim_pack_begin(s, &p);
	swim_packet_add(&p.w, &ping);
	swim_pack_send(s, &p, &g->node.addr, NULL);
	struct swim_msg answer = { .type = SWIM_MSG_RELAYING, .seq = g->seq };
	swim_pack_begin(s, &p);
	swim_packet_add(&p.w, &answer);
	swim_pack_send(s, &p, from, NULL);
}

static void hear_ack(struct swim *s, mono_t now, const struct swim_msg *g, struct swim_member *sender)
{
	if (!sender)
		return;
	if (!(g->seq & RELAY_BIT)) {
		if (swim_member_is_live(sender) && sender->seq - g->seq < 64) {
			s->stats.acks++;
			if (sender->tries == 1)
				s->rtt += (mono_sub(now, sender->began) - s->rtt) / 8;
			swim_proof(s, now, sender);
		}
		return;
	}
	struct swim_relay *r = &s->relays[g->seq % SWIM_RELAYS];
	if (r->seq != g->seq || r->target != sender)
		return;
	struct swim_pack p;
	struct swim_msg answer = { .type = SWIM_MSG_RELAYED, .seq = r->asker_seq };
	memcpy(answer.node.name, sender->node.name, sizeof answer.node.name);
	swim_pack_begin(s, &p);
	swim_packet_add(&p.w, &answer);
	swim_pack_send(s, &p, &r->asker, NULL);
	r->target = NULL;
	if (swim_member_is_live(sender))
		swim_proof(s, now, sender);
}

/* What a packet made us want to answer. */
struct answer {
	bool ack, introduce;
	uint32_t seq;
};

static void hear_ping(struct swim *s, mono_t now, const struct swim_msg *g, struct swim_member *sender,
		      struct answer *a)
{
	if (strcmp(g->node.name, s->self->node.name) != 0) {
		s->stats.rejected_target++;
		return;
	}
	a->ack = true;
	a->seq = g->seq;
	a->introduce = g->ping & SWIM_PING_INTRODUCE;
	if ((g->ping & SWIM_PING_FIRST) && sender && swim_member_is_live(sender))
		swim_proof(s, now, sender);
}

static void hear_left(struct swim *s, mono_t now, const struct swim_msg *g, struct swim_member *sender)
{
	bool own_words = sender && strcmp(sender->node.name, g->node.name) == 0;
	swim_hear_state(s, now, g, false);
	if (!own_words || sender->node.state != SWIM_LEFT)
		return;
	if (sender->left_acked == sender->node.incarnation + 1)
		swim_goodbye_done(s, now, sender);
	else
		swim_act(s, SWIM_GOODBYE, sender, 0, NULL);
}

static void hear(struct swim *s, mono_t now, const struct swim_msg *g, const struct swim_packet *p,
		 const struct swim_addr *from, struct answer *a)
{
	struct swim_member *sender = swim_find(s, p->sender);
	switch (g->type) {
	case SWIM_MSG_PING: hear_ping(s, now, g, sender, a); break;
	case SWIM_MSG_ACK: hear_ack(s, now, g, sender); break;
	case SWIM_MSG_PING_REQ: hear_ping_req(s, g, from); break;
	case SWIM_MSG_RELAYING:
		if (sender && swim_member_is_live(sender))
			swim_proof(s, now, sender);
		break;
	case SWIM_MSG_RELAYED:
		hear_relayed(s, now, g, sender && swim_member_is_live(sender) ? sender : NULL);
		break;
	case SWIM_MSG_STATE:
		if (g->node.state == SWIM_LEFT)
			hear_left(s, now, g, sender);
		else
			swim_hear_state(s, now, g, false);
		break;
	case SWIM_MSG_ALIVE:
		swim_hear_alive(s, now, &g->node, strcmp(g->node.name, p->sender) == 0 ? from : NULL);
		break;
	case SWIM_MSG_LEFT_ACK:
		if (sender && s->leaving && g->node.incarnation == s->self->node.incarnation)
			sender->goodbye_heard = true;
		break;
	}
}

/* Answer, and tell the sender what is wrong between us: that it is thought suspect or dead, that it talks of
 * itself with an incarnation we have overtaken, or that we do not know (enough of) it. */
static void reply(struct swim *s, const struct swim_packet *p, const struct swim_addr *from,
		  const struct answer *a)
{
	struct swim_member *sender = swim_find(s, p->sender);
	bool strange = !sender || sender->node.incarnation < p->incarnation;
	bool correct =
	    sender && (sender->node.state != SWIM_ALIVE || sender->node.incarnation > p->incarnation);
	if (!a->ack && !strange && !correct)
		return;
	struct swim_pack pack;
	swim_pack_begin(s, &pack);
	if (a->ack) {
		struct swim_msg ack = { .type = SWIM_MSG_ACK, .seq = a->seq };
		swim_packet_add(&pack.w, &ack);
	}
	if (strange && !s->leaving) {
		struct swim_msg ping = { .type = SWIM_MSG_PING, .ping = SWIM_PING_INTRODUCE };
		memcpy(ping.node.name, p->sender, sizeof ping.node.name);
		swim_packet_add(&pack.w, &ping);
	}
	if (correct)
		swim_pack_member(&pack, sender, s->self->hash);
	if (a->introduce || strange)
		swim_pack_member(&pack, s->self, s->self->hash);
	swim_pack_send(s, &pack, from, NULL);
}

int swim_receive(struct swim *s, mono_t now, const struct swim_addr *from, const void *data, size_t len)
{
	struct swim_packet p;
	int err = swim_packet_open(data, len, &p);
	if (err)
		return err;
	if (strcmp(p.sender, s->self->node.name) == 0) {
		s->stats.rejected_name++;
		return -EEXIST;
	}
	enter(s, now);
	struct answer a = { 0 };
	struct swim_msg m;
	struct swim_packet messages = p;
	while (swim_packet_next(&messages, &m))
		hear(s, now, &m, &p, from, &a);
	reply(s, &p, from, &a);
	swim_set_due(s, now);
	return 0;
}

int swim_receive_table(struct swim *s, mono_t now, const void *data, size_t len)
{
	struct swim_packet p;
	int err = swim_packet_open(data, len, &p);
	if (err)
		return err;
	enter(s, now);
	s->bulk = true;
	struct swim_msg g;
	while (swim_packet_next(&p, &g)) {
		if (g.type == SWIM_MSG_ALIVE)
			swim_hear_alive(s, now, &g.node, NULL);
		else if (g.type == SWIM_MSG_STATE)
			swim_hear_state(s, now, &g, true);
	}
	s->bulk = false;
	swim_set_due(s, now);
	return 0;
}

void swim_hello(struct swim *s, mono_t now, const struct swim_addr *from, const char *name)
{
	struct swim_member *m = swim_find(s, name);
	if (s->leaving || !swim_name_is_valid(name) || (m && m->self))
		return;
	if (!m || !swim_member_is_live(m))
		swim_contact(s, from, name);
	else if (m->tries)
		must(heap_set(&s->probes, &m->probe, now) == 0);
	swim_set_due(s, now);
}

void swim_leave(struct swim *s, mono_t now)
{
	if (s->leaving)
		return;
	s->leaving = true;
	s->left_at = mono_add(now, s->t.leave);
	s->self->node.state = SWIM_LEFT;
	s->self->since = now;
	swim_act(s, SWIM_CHANGED, s->self, SWIM_ALIVE, NULL);
	swim_goodbye_round(s, now);
	swim_set_due(s, now);
}

bool swim_has_left(const struct swim *s, mono_t now)
{
	if (!s->leaving)
		return false;
	if (mono_reached(now, s->left_at))
		return true;
	for (size_t i = 0; i < s->n_ring; i++)
		if (!s->ring[i]->self && !s->ring[i]->goodbye_heard)
			return false;
	return true;
}

const struct swim_action *swim_actions(const struct swim *s, size_t *n)
{
	*n = s->n_actions;
	return s->actions;
}

const uint8_t *swim_action_data(const struct swim *s, const struct swim_action *a)
{
	return s->out + a->at;
}

void swim_actions_clear(struct swim *s)
{
	s->n_actions = 0;
	s->n_out = 0;
	for (size_t i = 0; i < s->n_graves; i++)
		free(s->graves[i]);
	s->n_graves = 0;
}

size_t swim_count(const struct swim *s)
{
	return s->n;
}

struct swim_member *swim_at(const struct swim *s, size_t index)
{
	return s->v[index];
}

struct swim_member *swim_find(const struct swim *s, const char *name)
{
	return map_get(&s->by_name, name);
}

struct swim_member *swim_self(const struct swim *s)
{
	return s->self;
}

size_t swim_live(const struct swim *s)
{
	return s->n_ring;
}

const struct swim_stats *swim_statistics(const struct swim *s)
{
	return &s->stats;
}

unsigned swim_health(const struct swim *s)
{
	return s->health;
}

unsigned swim_loss_percent(const struct swim *s)
{
	return s->loss * 100 / 65536;
}
