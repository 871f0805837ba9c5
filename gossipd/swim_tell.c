/* Packets and the spreading of news: at once to some (or all, when they are few), who pass it on; then in
 * rounds and on the back of every packet until each piece was sent often enough. Part of the pure SWIM core
 * of gossipd. */
#include "gossipd/swim_internal.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"

enum { GOSSIP_TARGETS = 3, COPIES_PER_DOUBLING = 3 };

void swim_pack_begin(struct swim *s, struct swim_pack *p)
{
	p->w = wbuf_of(p->data, sizeof p->data);
	must(swim_packet_begin(&p->w, s->self->node.name, s->self->node.incarnation));
}

bool swim_pack_member(struct swim_pack *p, const struct swim_member *m, uint64_t from)
{
	struct swim_msg g;
	g.from = from;
	g.node = m->node;
	g.type = m->node.state == SWIM_ALIVE ? SWIM_MSG_ALIVE : SWIM_MSG_STATE;
	return swim_packet_add(&p->w, &g);
}

void swim_untell(struct swim *s, struct swim_member *m)
{
	if (!m->tell)
		return;
	m->tell = 0;
	s->telling[m->tell_at] = s->telling[--s->n_telling];
	s->telling[m->tell_at]->tell_at = m->tell_at;
}

static void told_once(struct swim *s, struct swim_member *m)
{
	if (m->tell == 1)
		swim_untell(s, m);
	else if (m->tell)
		m->tell--;
}

/* Add news to a packet until it is full, beginning where the last packet ended. */
static void fill(struct swim *s, struct swim_pack *p, const struct swim_member *about)
{
	for (size_t left = s->n_telling; left && s->n_telling; left--) {
		struct swim_member *m = s->telling[s->gossip_at % s->n_telling];
		if (m != about) {
			if (!swim_pack_member(p, m, m->tell_from))
				return;
			told_once(s, m);
			if (!m->tell)
				continue; /* another one took its place */
		}
		s->gossip_at++;
	}
}

void swim_pack_send(struct swim *s, struct swim_pack *p, const struct swim_addr *to,
		    const struct swim_member *about)
{
	if (s->n_telling)
		fill(s, p, about);
	must(!p->w.bad);
	/* A packet that finds no memory is a lost packet. */
	if (!swim_grow((void **)&s->out, &s->cap_out, s->n_out + p->w.len, 1))
		return;
	memcpy(s->out + s->n_out, p->data, p->w.len);
	swim_act(s, SWIM_SEND, NULL, 0, to);
	s->actions[s->n_actions - 1].at = s->n_out;
	s->actions[s->n_actions - 1].len = p->w.len;
	s->n_out += p->w.len;
}

struct swim_member *swim_pick(struct swim *s, const struct swim_member *not_this)
{
	for (size_t tries = 0; tries < 16; tries++) {
		struct swim_member *m = s->ring[swim_random(s) % s->n_ring];
		if (!m->self && m != not_this)
			return m;
	}
	return NULL;
}

static void tell_one(struct swim *s, struct swim_member *m, const struct swim_member *to)
{
	struct swim_pack p;
	swim_pack_begin(s, &p);
	if (!swim_pack_member(&p, m, m->tell_from))
		return;
	swim_pack_send(s, &p, &to->node.addr, m);
	told_once(s, m);
}

/* m changed: tell it on. A whole table that came in, and a flood of news, is told in rounds only, many to a
 * packet. */
void swim_tell(struct swim *s, mono_t now, struct swim_member *m, uint64_t from)
{
	size_t targets = s->n_ring <= SWIM_ALL + 1 ? s->n_ring - 1 : SWIM_FANOUT, copies = targets;
	for (size_t n = s->n_ring; n; n /= 2)
		copies += COPIES_PER_DOUBLING;
	if (!m->tell) {
		must(swim_grow((void **)&s->telling, &s->cap_telling, s->n_telling + 1,
			       sizeof(struct swim_member *)));
		m->tell_at = s->n_telling;
		s->telling[s->n_telling++] = m;
	}
	if (s->n_telling == 1 || !mono_before(now, s->next_gossip))
		s->next_gossip = mono_add(now, s->t.gossip);
	m->tell = (uint16_t)copies;
	m->tell_from = from;
	if (s->bulk || s->n_telling > SWIM_ALL)
		return;
	if (targets == SWIM_FANOUT && s->n_ring > SWIM_ALL + 1) {
		for (size_t i = 0; i < SWIM_FANOUT; i++) {
			struct swim_member *to = swim_pick(s, NULL);
			if (to)
				tell_one(s, m, to);
		}
		return;
	}
	for (size_t i = 0; i < s->n_ring; i++)
		if (!s->ring[i]->self)
			tell_one(s, m, s->ring[i]);
}

void swim_gossip_round(struct swim *s, mono_t now)
{
	s->next_gossip = mono_add(now, s->t.gossip);
	size_t targets = s->n_telling > SWIM_ALL ? SWIM_FANOUT : GOSSIP_TARGETS;
	for (size_t i = 0; i < targets && s->n_telling; i++) {
		struct swim_member *to = swim_pick(s, NULL);
		if (!to) {
			/* Alone: nobody to tell. Whoever comes asks for the whole table. */
			while (s->n_telling)
				swim_untell(s, s->telling[0]);
			return;
		}
		struct swim_pack p;
		swim_pack_begin(s, &p);
		swim_pack_send(s, &p, &to->node.addr, NULL);
	}
}

void swim_goodbye_round(struct swim *s, mono_t now)
{
	s->next_goodbye = mono_add(now, s->t.leave_again);
	for (size_t i = 0; i < s->n_ring; i++) {
		const struct swim_member *m = s->ring[i];
		if (m->self || m->goodbye_heard)
			continue;
		struct swim_pack p;
		swim_pack_begin(s, &p);
		swim_pack_member(&p, s->self, s->self->hash);
		swim_pack_send(s, &p, &m->node.addr, NULL);
	}
}

void swim_goodbye_done(struct swim *s, mono_t now, struct swim_member *m)
{
	m->left_acked = m->node.incarnation + 1;
	struct swim_msg g = { .type = SWIM_MSG_LEFT_ACK };
	g.node.incarnation = m->node.incarnation;
	struct swim_pack p;
	swim_pack_begin(s, &p);
	swim_packet_add(&p.w, &g);
	swim_pack_send(s, &p, &m->node.addr, NULL);
	swim_set_due(s, now);
}

size_t swim_table_frame(const struct swim *s, size_t *cursor, uint8_t *buf, size_t cap)
{
	if (*cursor >= s->n)
		return 0;
	struct wbuf w = wbuf_of(buf, cap);
	if (!swim_packet_begin(&w, s->self->node.name, s->self->node.incarnation))
		return 0;
	size_t before = *cursor;
	for (; *cursor < s->n; (*cursor)++) {
		const struct swim_member *m = s->v[*cursor];
		struct swim_msg g;
		g.from = s->self->hash;
		g.node = m->node;
		g.type = m->node.state == SWIM_ALIVE ? SWIM_MSG_ALIVE : SWIM_MSG_STATE;
		if (!swim_packet_add(&w, &g))
			break;
	}
	return *cursor > before ? w.len : 0;
}
