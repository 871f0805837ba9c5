/* The simulated network. Part of the simulator of membership. */
#include "tests/sim/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"

uint64_t sim_random(struct sim *s)
{
	s->random += 0x9e3779b97f4a7c15u;
	uint64_t z = s->random;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static struct swim_addr addr_of(size_t node)
{
	return (struct swim_addr){ .ip = addr_v4(0x0a000001u + (uint32_t)node), .port = 7946 };
}

static size_t node_of(const struct swim_addr *a)
{
	return addr_v4_value(a->ip) - 0x0a000001u;
}

static struct swim *new_swim(struct sim *s, size_t i)
{
	struct swim_config c = {
		.name = s->node[i].name,
		.addr = addr_of(i),
		.incarnation = 1,
		.seed = sim_random(s),
		.timing = swim_timing_default(),
	};
	struct swim *w = swim_new(&c, s->now);
	must(w);
	return w;
}

struct sim *sim_new(size_t n, uint64_t seed)
{
	struct sim *s = calloc(1, sizeof *s);
	must(s && n <= SIM_MAX);
	s->blocked = calloc(n, n);
	must(s->blocked);
	s->n = n;
	s->random = seed;
	s->now.us = SEC(1000);
	s->delay_min = 100;
	s->delay_max = 600;
	heap_init(&s->packets);
	heap_init(&s->ticks);
	for (size_t i = 0; i < n; i++) {
		struct sim_node *x = &s->node[i];
		snprintf(x->name, sizeof x->name, "node-%zu", i);
		x->waiting_tail = &x->waiting;
		x->up = true;
	}
	return s;
}

static void free_list(struct sim_packet *p)
{
	while (p) {
		struct sim_packet *next = p->next;
		free(p);
		p = next;
	}
}

void sim_free(struct sim *s)
{
	for (size_t i = 0; i < s->n; i++) {
		swim_free(s->node[i].swim);
		free_list(s->node[i].waiting);
	}
	for (struct heap_node *p; (p = heap_pop_due(&s->packets, MONO_NEVER));)
		free(p);
	free_list(s->spare);
	heap_fini(&s->packets);
	heap_fini(&s->ticks);
	free(s->blocked);
	free(s);
}

static void set_tick(struct sim *s, size_t i)
{
	struct sim_node *x = &s->node[i];
	if (!x->up || x->paused) {
		heap_remove(&s->ticks, &x->tick);
		return;
	}
	mono_t at = swim_next(x->swim);
	if (x->late_us)
		at = mono_add(at, (int64_t)(sim_random(s) % x->late_us));
	must(heap_set(&s->ticks, &x->tick, mono_before(at, s->now) ? s->now : at) == 0);
}

static void post(struct sim *s, size_t from, const struct swim_addr *to, const uint8_t *data, size_t len)
{
	size_t t = node_of(to);
	s->sent++;
	must(t < s->n && len <= SWIM_PACKET);
	if (s->blocked[from * s->n + t] || !s->node[t].up || (len && sim_random(s) % 100 < s->loss_percent)) {
		s->lost++;
		return;
	}
	struct sim_packet *p = s->spare;
	if (p)
		s->spare = p->next;
	else
		p = malloc(sizeof *p);
	must(p);
	p->at.slot = 0;
	p->next = NULL;
	p->from = (uint16_t)from;
	p->to = (uint16_t)t;
	p->len = (uint16_t)len;
	p->life = s->node[t].life;
	if (len)
		memcpy(p->data, data, len);
	uint64_t spread = (uint64_t)(s->delay_max - s->delay_min) + 1;
	int64_t delay = s->delay_min + (int64_t)(sim_random(s) % spread);
	must(heap_set(&s->packets, &p->at, mono_add(s->now, delay)) == 0);
}

static void judge(struct sim *s, size_t i, const struct swim_action *a)
{
	size_t who = node_of(&a->member->node.addr);
	if (a->member->node.state == SWIM_SUSPECT)
		s->suspicions++;
	bool can_talk = s->node[who].up && !s->node[who].paused && !s->blocked[i * s->n + who];
	if (a->member->node.state == SWIM_DEAD && a->was >= 0 && a->was != SWIM_DEAD && can_talk &&
	    !s->expect_failures)
		s->false_failures++;
	if (s->changed)
		s->changed(s->ctx, i, a->member, a->was);
}

void sim_act(struct sim *s, size_t i)
{
	struct swim *w = s->node[i].swim;
	size_t n;
	const struct swim_action *a = swim_actions(w, &n);
	for (size_t k = 0; k < n; k++) {
		if (a[k].type == SWIM_SEND)
			post(s, i, &a[k].to, swim_action_data(w, &a[k]), a[k].len);
		else if (a[k].type == SWIM_SYNC)
			post(s, i, &a[k].to, NULL, 0);
		else if (a[k].type == SWIM_CHANGED)
			judge(s, i, &a[k]);
	}
	swim_actions_clear(w);
	set_tick(s, i);
}

static void answer_goodbyes(struct sim *s, size_t i)
{
	struct swim *w = s->node[i].swim;
	size_t n;
	const struct swim_action *a = swim_actions(w, &n);
	struct swim_member *leaver[8];
	size_t n_leavers = 0;
	for (size_t k = 0; k < n && n_leavers < 8; k++)
		if (a[k].type == SWIM_GOODBYE)
			leaver[n_leavers++] = a[k].member;
	for (size_t k = 0; k < n_leavers; k++)
		swim_goodbye_done(w, s->now, leaver[k]);
}

static void exchange(struct sim *s, size_t from, size_t to)
{
	if (s->blocked[to * s->n + from] || !s->node[from].up || s->node[from].paused)
		return;
	uint8_t buf[SWIM_PACKET];
	struct swim *a = s->node[from].swim, *b = s->node[to].swim;
	for (size_t cursor = 0, n; (n = swim_table_frame(a, &cursor, buf, sizeof buf)) > 0;)
		must(swim_receive_table(b, s->now, buf, n) == 0);
	for (size_t cursor = 0, n; (n = swim_table_frame(b, &cursor, buf, sizeof buf)) > 0;)
		must(swim_receive_table(a, s->now, buf, n) == 0);
	sim_act(s, from);
	sim_act(s, to);
}

static void deliver(struct sim *s, struct sim_packet *p)
{
	struct sim_node *x = &s->node[p->to];
	if (!x->up || x->life != p->life)
		return;
	s->delivered++;
	if (p->len == 0) {
		exchange(s, p->from, p->to);
		return;
	}
	struct swim_addr from = addr_of(p->from);
	must(swim_receive(x->swim, s->now, &from, p->data, p->len) == 0);
	answer_goodbyes(s, p->to);
	sim_act(s, p->to);
}

static void spare(struct sim *s, struct sim_packet *p)
{
	p->next = s->spare;
	s->spare = p;
}

/* A stopped process loses nothing until its socket is full. */
static bool queue(struct sim *s, struct sim_packet *p)
{
	struct sim_node *x = &s->node[p->to];
	if (!x->paused || !x->up)
		return false;
	if (x->n_waiting >= SIM_QUEUE || p->len == 0) {
		spare(s, p);
		return true;
	}
	p->next = NULL;
	*x->waiting_tail = p;
	x->waiting_tail = &p->next;
	x->n_waiting++;
	return true;
}

void sim_run(struct sim *s, int64_t us)
{
	mono_t end = mono_add(s->now, us);
	for (;;) {
		mono_t tick = heap_next(&s->ticks), packet = heap_next(&s->packets),
		       next = mono_min(tick, packet);
		if (!mono_before(next, end))
			break;
		s->now = next;
		if (mono_before(packet, tick)) {
			struct sim_packet *p = (struct sim_packet *)(void *)heap_pop_due(&s->packets, s->now);
			if (queue(s, p))
				continue;
			deliver(s, p);
			spare(s, p);
		} else {
			struct sim_node *x = (struct sim_node *)(void *)heap_pop_due(&s->ticks, s->now);
			swim_tick(x->swim, s->now);
			sim_act(s, (size_t)(x - s->node));
		}
	}
	s->now = end;
}

static void seed_node(struct sim *s, size_t i)
{
	struct swim_seed *v = calloc(s->n, sizeof *v);
	must(v);
	for (size_t k = 0; k < s->n; k++)
		v[k] = (struct swim_seed){ .name = s->node[k].name, .addr = addr_of(k) };
	must(swim_seeds(s->node[i].swim, s->now, v, s->n) == 0);
	free(v);
	sim_act(s, i);
}

void sim_start(struct sim *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->node[i].swim = new_swim(s, i);
	for (size_t i = 0; i < s->n; i++)
		seed_node(s, i);
	for (int k = 0; k < 200 && !sim_agrees(s); k++)
		sim_run(s, MS(100));
}

void sim_kill(struct sim *s, size_t i)
{
	struct sim_node *x = &s->node[i];
	x->up = false;
	x->life++;
	set_tick(s, i);
}

void sim_revive(struct sim *s, size_t i)
{
	struct sim_node *x = &s->node[i];
	must(!x->up);
	swim_free(x->swim);
	x->swim = new_swim(s, i);
	x->up = true;
	seed_node(s, i);
}

void sim_pause(struct sim *s, size_t i, bool on)
{
	struct sim_node *x = &s->node[i];
	x->paused = on;
	if (on) {
		set_tick(s, i);
		return;
	}
	/* Timers first: the worse order. */
	swim_tick(x->swim, s->now);
	sim_act(s, i);
	struct sim_packet *p = x->waiting;
	x->waiting = NULL;
	x->waiting_tail = &x->waiting;
	x->n_waiting = 0;
	while (p) {
		struct sim_packet *next = p->next;
		deliver(s, p);
		spare(s, p);
		p = next;
	}
}

void sim_block(struct sim *s, size_t from, size_t to, bool on)
{
	s->blocked[from * s->n + to] = on;
}

void sim_partition(struct sim *s, size_t cut)
{
	for (size_t a = 0; a < s->n; a++)
		for (size_t b = 0; b < s->n; b++)
			s->blocked[a * s->n + b] = cut && (a < cut) != (b < cut);
}

bool sim_sees(const struct sim *s, size_t node, size_t member)
{
	const struct swim_member *m = swim_find(s->node[node].swim, s->node[member].name);
	return m && swim_member_is_live(m);
}

bool sim_agrees(const struct sim *s)
{
	for (size_t a = 0; a < s->n; a++)
		for (size_t b = 0; s->node[a].up && !s->node[a].paused && b < s->n; b++)
			if (sim_sees(s, a, b) != s->node[b].up)
				return false;
	return true;
}
