/* Finding out who is alive: rounds of direct tries, help from others, the step to suspicion, and how much of
 * a silence is our own fault. Part of the pure SWIM core of gossipd. docs/swim.md derives the numbers. */
#include "gossipd/swim_internal.h"

#include <string.h>

#include "lib/base/must.h"

/* Further tries that keep the chance of silence from a living member below 1e-12, by the share of tries that
 * fail (sixteenths): ln(1e-12) / ln(share), less the 23 that the plain window and shortest suspicion hold. */
static const uint8_t extra_tries[16] = { 0, 0, 0, 0, 0, 0, 5, 10, 17, 25, 36, 51, 73, 101, 101, 101 };

static int64_t extra_window(const struct swim *s)
{
	int64_t rtt = s->rtt > MS(5) ? s->rtt * 4 : 0;
	return extra_tries[s->loss >> 12 & 15] * s->t.retry + (rtt > SEC(1) ? SEC(1) : rtt);
}

static int64_t window(const struct swim *s)
{
	return (s->t.window + extra_window(s)) * (2 + s->health) / 2;
}

static void note_first_try(struct swim *s, bool failed)
{
	int64_t sample = failed ? 65535 : 0;
	s->loss = (uint32_t)((int64_t)s->loss + (sample - (int64_t)s->loss) / 32);
}

void swim_probe_start(struct swim *s, mono_t now, struct swim_member *m)
{
	mono_t at =
	    mono_add(m->heard, s->t.interval + (int64_t)(swim_random(s) % (uint64_t)(s->t.interval / 10)));
	must(heap_set(&s->probes, &m->probe, mono_before(at, now) ? now : at) == 0);
}

/* m is alive, and packets pass both ways. */
void swim_proof(struct swim *s, mono_t now, struct swim_member *m)
{
	if (m->tries == 1)
		note_first_try(s, false);
	m->heard = now;
	m->tries = 0;
	if (s->proof_of != m) {
		s->proof_other = s->proof;
		s->proof_of = m;
	}
	s->proof = now;
	if (++s->good >= 10) {
		s->good = 0;
		s->health -= s->health > 0;
	}
	if (m->node.state == SWIM_SUSPECT) {
		swim_untell(s, m);
		swim_member_state(s, now, m, SWIM_ALIVE, m->node.incarnation);
	}
	if (m->watched)
		swim_probe_start(s, now, m);
	else
		heap_remove(&s->probes, &m->probe);
}

/* Since this round of probing began nobody else proved to be alive either: then the fault may be here, and
 * our opinion is not worth telling. With only two members there is nobody else. */
bool swim_isolated(const struct swim *s, const struct swim_member *m)
{
	if (s->n_ring < 3)
		return false;
	mono_t other = s->proof_of == m ? s->proof_other : s->proof;
	return mono_before(other, m->began);
}

static void ask_helpers(struct swim *s, const struct swim_member *m)
{
	const struct swim_member *asked[SWIM_HELPERS] = { 0 };
	struct swim_msg g = { .type = SWIM_MSG_PING_REQ, .seq = m->seq };
	memcpy(g.node.name, m->node.name, sizeof g.node.name);
	g.node.addr = m->node.addr;
	for (size_t i = 0; i < SWIM_HELPERS; i++) {
		struct swim_member *helper = swim_pick(s, m);
		bool twice = !helper;
		for (size_t j = 0; j < i; j++)
			twice |= asked[j] == helper;
		if (twice)
			continue;
		asked[i] = helper;
		struct swim_pack p;
		swim_pack_begin(s, &p);
		swim_packet_add(&p.w, &g);
		swim_pack_send(s, &p, &helper->node.addr, NULL);
		s->stats.indirect++;
	}
}

static void send_try(struct swim *s, mono_t now, struct swim_member *m)
{
	struct swim_msg g = { .type = SWIM_MSG_PING };
	memcpy(g.node.name, m->node.name, sizeof g.node.name);
	m->seq = (m->seq + 1) & 0x7fffffffu;
	g.seq = m->seq;
	if (m->tries == 0 && mono_sub(now, m->heard) <= s->t.interval * 2)
		g.ping = SWIM_PING_FIRST;
	m->tries++;
	s->stats.pings++;
	struct swim_pack p;
	swim_pack_begin(s, &p);
	swim_packet_add(&p.w, &g);
	/* The accused hears it from us first, and can contradict. */
	if (m->node.state == SWIM_SUSPECT)
		swim_pack_member(&p, m, s->self->hash);
	swim_pack_send(s, &p, &m->node.addr, m);
	if (mono_sub(now, m->began) >= s->t.indirect_after && m->tries % 2 == 1)
		ask_helpers(s, m);
}

void swim_probe_due(struct swim *s, mono_t now, struct swim_member *m)
{
	if (!swim_member_is_live(m) || m->self)
		return;
	int64_t pause = s->t.retry > s->rtt / 2 ? s->t.retry : s->rtt / 2;
	if (m->tries == 0) {
		m->began = now;
		pause = s->t.first_retry > s->rtt * 2 ? s->t.first_retry : s->rtt * 2;
	} else if (m->tries == 1) {
		note_first_try(s, true);
		s->stats.tries_failed++;
	}
	bool silent = mono_sub(now, m->began) >= window(s);
	if (m->tries && m->node.state == SWIM_ALIVE && silent) {
		bool isolated = swim_isolated(s, m);
		if (isolated) {
			s->stats.isolated++;
			s->good = 0;
			s->health += s->health < SWIM_HEALTH_MAX;
		}
		if (!isolated || s->health >= 2)
			swim_suspect(s, now, m, s->self->hash, !isolated);
	} else if (m->tries && silent) {
		swim_suspect(s, now, m, s->self->hash, !swim_isolated(s, m));
	}
	send_try(s, now, m);
	must(heap_set(&s->probes, &m->probe, mono_add(now, pause)) == 0);
}

/* We woke late: what was silent meanwhile was not listened to. Every wait gets the lost time back, and a try.
 */
void swim_forgive(struct swim *s, mono_t now, int64_t late)
{
	s->stats.late++;
	s->good = 0;
	if (late > s->t.late * 2 && s->health < SWIM_HEALTH_MAX)
		s->health++;
	for (size_t i = 0; i < s->n_ring; i++) {
		struct swim_member *m = s->ring[i];
		if (m->tries) {
			m->began = now;
			m->tries = 2;
			must(heap_set(&s->probes, &m->probe, now) == 0);
		}
		if (m->suspicion.slot) {
			m->suspected = mono_add(m->suspected, late + s->t.window);
			must(heap_set(&s->suspicions, &m->suspicion,
				      mono_add(m->suspicion.at, late + s->t.window)) == 0);
		}
	}
}

static void forget_old(struct swim *s, mono_t now)
{
	for (size_t i = s->n; i-- > 0;) {
		struct swim_member *m = s->v[i];
		if (!m->self && !m->seed && !swim_member_is_live(m) && mono_sub(now, m->since) > s->t.forget)
			swim_member_drop(s, m);
	}
}

/* Besides the ring, one other member at a time: so everybody is looked at by everybody now and then. */
void swim_round(struct swim *s, mono_t now)
{
	s->next_round = mono_add(now, s->t.interval * (s->n_ring > SWIM_RING + 1 ? 2 : 10));
	forget_old(s, now);
	for (size_t i = 0; i < s->n_ring && s->n_ring > SWIM_RING + 1; i++) {
		/* A stride that is a random start each time round, then one after the other. */
		if (s->round_at++ % (s->n_ring + 1) == s->n_ring)
			s->round_at = (size_t)swim_random(s) % s->n_ring;
		struct swim_member *m = s->ring[s->round_at % s->n_ring];
		if (m->self || m->watched || m->probe.slot)
			continue;
		must(heap_set(&s->probes, &m->probe, now) == 0);
		swim_probe_due(s, now, m);
		return;
	}
}

void swim_contact(struct swim *s, const struct swim_addr *to, const char *name)
{
	struct swim_msg g = { .type = SWIM_MSG_PING, .ping = SWIM_PING_INTRODUCE };
	memcpy(g.node.name, name, strlen(name) + 1);
	struct swim_pack p;
	swim_pack_begin(s, &p);
	swim_packet_add(&p.w, &g);
	struct swim_member *m = swim_find(s, name);
	if (m && m->known && !swim_member_is_live(m))
		swim_pack_member(&p, m, s->self->hash);
	swim_pack_member(&p, s->self, s->self->hash);
	swim_pack_send(s, &p, to, m);
}

/* The longer one does not answer the less often it is tried. */
static bool contact_is_due(const struct swim *s, mono_t now, mono_t last, uint32_t tries)
{
	int64_t pause = tries < 300 ? s->t.contact : tries < 1500 ? s->t.contact * 5 : s->t.contact * 25;
	return mono_sub(now, last) >= pause;
}

/* One that is dead or was never met, in turn; 1 = contacted, 0 = not its time, -1 = needs none. */
static int contact_one(struct swim *s, mono_t now, size_t index)
{
	if (index < s->n) {
		struct swim_member *m = s->v[index];
		if (m->self || m->node.state != SWIM_DEAD)
			return -1;
		if (!contact_is_due(s, now, m->contacted, m->contacts))
			return 0;
		m->contacted = now;
		m->contacts++;
		swim_contact(s, &m->node.addr, m->node.name);
		return 1;
	}
	struct swim_seed_entry *e = &s->seeds[index - s->n];
	const struct swim_member *m = swim_find(s, e->name);
	if (m && (swim_member_is_live(m) || swim_addr_eq(&m->node.addr, &e->addr)))
		return -1;
	if (!contact_is_due(s, now, e->contacted, e->contacts))
		return 0;
	e->contacted = now;
	e->contacts++;
	swim_contact(s, &e->addr, e->name);
	return 1;
}

void swim_contact_round(struct swim *s, mono_t now)
{
	size_t all = s->n + s->n_seeds;
	bool any = false;
	for (size_t i = 0; i < all; i++) {
		int done = contact_one(s, now, s->contact_at++ % all);
		any |= done >= 0;
		if (done == 1)
			break;
	}
	s->next_contact = mono_add(now, any ? s->t.contact : s->t.contact * 5);
}
