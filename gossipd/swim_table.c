/* Who is a member and what is believed of it: merging what others say, suspicion, death, refutation, the ring
 * of live members. Part of the pure SWIM core of gossipd. */
#include "gossipd/swim_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"

struct swim_member *swim_member_add(struct swim *s, mono_t now, const char *name)
{
	if (s->n >= LIMIT_MEMBERS) {
		s->stats.rejected_full++;
		return NULL;
	}
	struct swim_member *m = calloc(1, sizeof *m);
	if (!m || !swim_grow((void **)&s->v, &s->cap, s->n + 1, sizeof(struct swim_member *)) ||
	    map_set(&s->by_name, name, m, NULL) < 0) {
		free(m);
		return NULL;
	}
	memcpy(m->node.name, name, strlen(name) + 1);
	m->node.state = SWIM_DEAD;
	m->hash = swim_hash(name);
	m->since = now;
	m->seed = map_get(&s->seed_names, name) != NULL;
	s->v[s->n++] = m;
	return m;
}

void swim_member_drop(struct swim *s, struct swim_member *m)
{
	must(!m->self && !swim_member_is_live(m));
	swim_untell(s, m);
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i] != m)
			continue;
		memmove(s->v + i, s->v + i + 1, (s->n - i - 1) * sizeof(struct swim_member *));
		s->n--;
		break;
	}
	for (size_t i = 0; i < SWIM_RELAYS; i++)
		if (s->relays[i].target == m)
			s->relays[i].target = NULL;
	if (s->proof_of == m)
		s->proof_of = NULL;
	map_del(&s->by_name, m->node.name);
	must(swim_grow((void **)&s->graves, &s->cap_graves, s->n_graves + 1, sizeof(struct swim_member *)));
	s->graves[s->n_graves++] = m;
	swim_act(s, SWIM_FORGOTTEN, m, (int)m->node.state, NULL);
}

/* Position of m in the ring, or where it would be. */
static size_t ring_slot(const struct swim *s, const struct swim_member *m)
{
	size_t lo = 0, hi = s->n_ring;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct swim_member *x = s->ring[mid];
		int cmp = x->hash < m->hash ? -1 : x->hash > m->hash ? 1 : strcmp(x->node.name, m->node.name);
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void swim_ring_insert(struct swim *s, struct swim_member *m)
{
	must(swim_grow((void **)&s->ring, &s->cap_ring, s->n_ring + 1, sizeof(struct swim_member *)));
	size_t at = ring_slot(s, m);
	memmove(s->ring + at + 1, s->ring + at, (s->n_ring - at) * sizeof(struct swim_member *));
	s->ring[at] = m;
	s->n_ring++;
}

void swim_ring_remove(struct swim *s, struct swim_member *m)
{
	size_t at = ring_slot(s, m);
	must(at < s->n_ring && s->ring[at] == m);
	s->n_ring--;
	memmove(s->ring + at, s->ring + at + 1, (s->n_ring - at) * sizeof(struct swim_member *));
}

/* After the ring changed: watch the nearest two on either side that are not suspect. Both ends of a watch
 * agree on it, so one probe and its answer serve both. Suspects are probed on until it is decided; looking
 * past them lets a loss of many be noticed layer after layer. */
static void watch_side(struct swim *s, size_t own, size_t step)
{
	size_t found = 0;
	for (size_t i = 1, at = own; i < s->n_ring && found < SWIM_RING / 2; i++) {
		at = (at + step) % s->n_ring;
		if (s->ring[at]->node.state != SWIM_ALIVE)
			continue;
		s->ring[at]->watched = true;
		found++;
	}
}

void swim_rewatch(struct swim *s, mono_t now)
{
	s->ring_changed = false;
	for (size_t i = 0; i < s->n_ring; i++)
		s->ring[i]->watched = s->n_ring <= SWIM_RING + 1;
	if (s->n_ring > SWIM_RING + 1) {
		size_t own = ring_slot(s, s->self);
		watch_side(s, own, 1);
		watch_side(s, own, s->n_ring - 1);
	}
	s->self->watched = false;
	for (size_t i = 0; i < s->n_ring; i++) {
		struct swim_member *m = s->ring[i];
		if (m->watched && !m->probe.slot)
			swim_probe_start(s, now, m);
		else if (!m->watched && m->probe.slot && m->tries == 0)
			heap_remove(&s->probes, &m->probe);
	}
}

void swim_member_state(struct swim *s, mono_t now, struct swim_member *m, enum swim_state state,
		       uint64_t incarnation)
{
	int was = m->known ? (int)m->node.state : -1;
	bool was_live = m->known && swim_member_is_live(m);
	m->node.incarnation = incarnation;
	if (state != m->node.state || !m->known)
		m->since = now;
	m->node.state = state;
	m->known = true;
	if (state != SWIM_SUSPECT) {
		heap_remove(&s->suspicions, &m->suspicion);
		m->n_accusers = 0;
	}
	bool live = swim_member_is_live(m);
	if (was_live && !live) {
		heap_remove(&s->probes, &m->probe);
		m->tries = m->contacts = 0;
		m->contacted = now;
		m->watched = false;
		swim_ring_remove(s, m);
		s->ring_changed = true;
	} else if (!was_live && live) {
		m->heard = now;
		m->goodbye_heard = false;
		swim_ring_insert(s, m);
		s->ring_changed = true;
	} else if (live && was != (int)state) {
		s->ring_changed = true;
	}
	swim_act(s, SWIM_CHANGED, m, was, NULL);
}

void swim_refute(struct swim *s, mono_t now, uint64_t incarnation)
{
	if (s->leaving)
		return;
	struct swim_member *self = s->self;
	if (incarnation >= self->node.incarnation)
		self->node.incarnation = incarnation + 1;
	s->stats.refutations++;
	swim_act(s, SWIM_CHANGED, self, (int)self->node.state, NULL);
	swim_tell(s, now, self, self->hash);
}

static bool same_content(const struct swim_node *a, const struct swim_node *b)
{
	if (a->flags != b->flags || a->n_links != b->n_links)
		return false;
	for (size_t i = 0; i < a->n_links; i++) {
		const struct swim_link *x = &a->links[i], *y = &b->links[i];
		if (strcmp(x->name, y->name) != 0 || memcmp(x->mac, y->mac, sizeof x->mac) != 0 ||
		    x->up != y->up)
			return false;
	}
	/* Without an address of our own others fill in what they see. */
	return a->addr.ip.family == FAMILY_NONE || swim_addr_eq(&a->addr, &b->addr);
}

static void ask_for_table(struct swim *s, mono_t now, const struct swim_member *m)
{
	if (mono_sub(now, s->last_sync) < s->t.window * 3)
		return;
	s->last_sync = now;
	s->stats.syncs++;
	swim_act(s, SWIM_SYNC, NULL, 0, &m->node.addr);
}

void swim_hear_alive(struct swim *s, mono_t now, const struct swim_node *n, const struct swim_addr *source)
{
	struct swim_member *m = swim_find(s, n->name);
	if (m && m->self) {
		if (n->incarnation > m->node.incarnation ||
		    (n->incarnation == m->node.incarnation && !same_content(&m->node, n)))
			swim_refute(s, now, n->incarnation);
		return;
	}
	if (m && n->incarnation <= m->node.incarnation)
		return;
	struct swim_addr addr = n->addr;
	if (addr.ip.family == FAMILY_NONE && source)
		addr = *source;
	if (addr.ip.family == FAMILY_NONE && m)
		addr = m->node.addr;
	if (addr.ip.family == FAMILY_NONE)
		return;
	if (!m && !(m = swim_member_add(s, now, n->name)))
		return;
	enum swim_state was = m->node.state;
	m->node = *n;
	m->node.addr = addr;
	m->node.state = was;
	bool back = !swim_member_is_live(m);
	swim_member_state(s, now, m, SWIM_ALIVE, n->incarnation);
	swim_tell(s, now, m, s->self->hash);
	if (back && source)
		ask_for_table(s, now, m);
}

/* Heard so lately that an accusation can only be a mistake: let the accused clear itself. */
static bool vouch(struct swim *s, mono_t now, struct swim_member *m, const struct swim_msg *g)
{
	if (m->heard.us == 0 || mono_sub(now, m->heard) > s->t.interval || m->node.state != SWIM_ALIVE)
		return false;
	if (mono_sub(now, m->contacted) < s->t.first_retry)
		return true;
	m->contacted = now;
	struct swim_pack p;
	swim_pack_begin(s, &p);
	swim_packet_add(&p.w, g);
	swim_pack_send(s, &p, &m->node.addr, NULL);
	return true;
}

void swim_hear_state(struct swim *s, mono_t now, const struct swim_msg *g, bool second_hand)
{
	struct swim_member *m = swim_find(s, g->node.name);
	if (!m)
		return;
	if (m->self) {
		if (g->node.incarnation >= m->node.incarnation)
			swim_refute(s, now, g->node.incarnation);
		return;
	}
	if (g->node.incarnation < m->node.incarnation || !swim_member_is_live(m))
		return;
	enum swim_state state = g->node.state;
	/* A table may be old news: give the member time to contradict. */
	if (state == SWIM_DEAD && second_hand)
		state = SWIM_SUSPECT;
	if (state == SWIM_LEFT) {
		swim_member_state(s, now, m, SWIM_LEFT, g->node.incarnation);
		swim_tell(s, now, m, g->from);
		return;
	}
	if (vouch(s, now, m, g))
		return;
	m->node.incarnation = g->node.incarnation;
	if (state == SWIM_SUSPECT)
		swim_suspect(s, now, m, g->from, true);
	else
		swim_bury(s, now, m, true);
}

/* Each other accuser shortens the wait, down to the minimum when as many agree as can be asked for. */
static mono_t suspicion_end(const struct swim *s, const struct swim_member *m)
{
	int64_t wanted = s->n_ring > SWIM_CONFIRM + 2 ? SWIM_CONFIRM
			 : s->n_ring > 2	      ? (int64_t)s->n_ring - 2
						      : 0;
	int64_t agree = m->n_accusers - 1;
	int64_t t = s->t.suspicion_min;
	if (agree < wanted)
		t = s->t.suspicion_max - (s->t.suspicion_max - s->t.suspicion_min) * agree / wanted;
	return mono_add(m->suspected, t);
}

void swim_suspect(struct swim *s, mono_t now, struct swim_member *m, uint64_t from, bool tell)
{
	if (m->node.state == SWIM_ALIVE) {
		swim_member_state(s, now, m, SWIM_SUSPECT, m->node.incarnation);
		m->suspected = now;
		m->n_accusers = 0;
		s->stats.suspicions++;
	}
	for (size_t i = 0; i < m->n_accusers; i++)
		if (m->accusers[i] == from)
			return;
	if (m->n_accusers > SWIM_CONFIRM)
		return;
	m->accusers[m->n_accusers++] = from;
	must(heap_set(&s->suspicions, &m->suspicion, suspicion_end(s, m)) == 0);
	if (tell)
		swim_tell(s, now, m, from);
}

void swim_bury(struct swim *s, mono_t now, struct swim_member *m, bool tell)
{
	s->stats.failures++;
	swim_member_state(s, now, m, SWIM_DEAD, m->node.incarnation);
	if (tell)
		swim_tell(s, now, m, s->self->hash);
	else
		swim_untell(s, m);
}

int swim_restore(struct swim *s, mono_t now, const struct swim_node *n)
{
	if (strcmp(n->name, s->self->node.name) == 0)
		return 0;
	if (swim_find(s, n->name) || n->addr.ip.family == FAMILY_NONE)
		return -EINVAL;
	struct swim_member *m = swim_member_add(s, now, n->name);
	if (!m)
		return -ENOMEM;
	m->node = *n;
	m->node.state = SWIM_DEAD;
	swim_member_state(s, now, m, n->state == SWIM_SUSPECT ? SWIM_ALIVE : n->state, n->incarnation);
	swim_set_due(s, now);
	return 0;
}

void swim_set_self(struct swim *s, mono_t now, const struct swim_addr *addr, const struct swim_link *links,
		   size_t n_links, uint8_t flags)
{
	struct swim_node next = s->self->node;
	if (n_links > SWIM_MAX_LINKS) {
		s->stats.links_dropped += n_links - SWIM_MAX_LINKS;
		n_links = SWIM_MAX_LINKS;
	}
	if (addr)
		next.addr = *addr;
	next.flags = flags;
	next.n_links = (uint8_t)n_links;
	for (size_t i = 0; i < n_links; i++)
		next.links[i] = links[i];
	if (s->leaving ||
	    (same_content(&next, &s->self->node) && swim_addr_eq(&next.addr, &s->self->node.addr)))
		return;
	next.incarnation++;
	s->self->node = next;
	swim_act(s, SWIM_CHANGED, s->self, (int)next.state, NULL);
	swim_tell(s, now, s->self, s->self->hash);
	swim_set_due(s, now);
}

int swim_seeds(struct swim *s, mono_t now, const struct swim_seed *v, size_t n)
{
	if (n > LIMIT_MEMBERS)
		n = LIMIT_MEMBERS;
	struct swim_seed_entry *next = calloc(n ? n : 1, sizeof *next);
	if (!next)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		s->v[i]->seed = false;
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		if (!swim_name_is_valid(v[i].name) || strcmp(v[i].name, s->self->node.name) == 0)
			continue;
		struct swim_seed_entry *e = &next[kept++];
		memcpy(e->name, v[i].name, strlen(v[i].name) + 1);
		e->addr = v[i].addr;
		struct swim_member *m = swim_find(s, e->name);
		if (m)
			m->seed = true;
	}
	free(s->seeds);
	s->seeds = next;
	s->n_seeds = kept;
	map_fini(&s->seed_names, NULL);
	map_init(&s->seed_names);
	for (size_t i = 0; i < kept; i++)
		/* Without memory for it a dead member is forgotten too early; it is called as a seed then. */
		(void)map_set(&s->seed_names, next[i].name, &next[i], NULL);
	/* At start each is tried at once; later ones wait for their turn in the round. */
	for (size_t i = 0; i < kept && i < SWIM_ALL; i++)
		if (!swim_find(s, next[i].name))
			swim_contact(s, &next[i].addr, next[i].name);
	s->next_contact = mono_add(now, s->t.contact);
	swim_set_due(s, now);
	return 0;
}

void swim_reintroduce(struct swim *s, mono_t now)
{
	s->due = now; /* nothing was due: no tick came late */
	for (size_t i = 0; i < s->n_seeds && i < SWIM_ALL; i++)
		if (!swim_find(s, s->seeds[i].name))
			swim_contact(s, &s->seeds[i].addr, s->seeds[i].name);
	for (size_t i = 0; i < s->n_ring; i++) {
		struct swim_member *m = s->ring[i];
		if (m->self)
			continue;
		m->heard = now;
		m->tries = 0;
		if (m->watched)
			must(heap_set(&s->probes, &m->probe, now) == 0);
	}
	s->next_contact = mono_add(now, s->t.contact);
	s->next_round = now;
	swim_set_due(s, now);
}

bool swim_met_all(const struct swim *s)
{
	for (size_t i = 0; i < s->n_seeds; i++) {
		const struct swim_member *m = swim_find(s, s->seeds[i].name);
		if (!m || !swim_member_is_live(m))
			return false;
	}
	return true;
}
