/* The shell of gossipd: its life, and the turn after every event: carry out what the SWIM core wants, hand
 * live members to the ownership core, publish, retain, set the timers. Runs in gossipd.
 *
 * Ownership is in force once objects are complete, there is a key (or nobody to talk to), and the first round
 * of membership is over: at once with a former life's memory, else when all known nodes answered, at the
 * latest after one second. What is in force stays so; nothing is taken back because something is missing
 * later. */
#include "gossipd/gossip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/base/strbuf.h"

enum { FIRST_ROUND_MS = 1000, HOLD_MS = 500, GOODBYE_MS = 300, PRIORITY = -10 };

static void on_swim_timer(void *ctx)
{
	struct gossip *g = ctx;
	swim_tick(g->swim, loop_now(g->d->loop));
	gossip_pump(g);
}

static void on_owner_timer(void *ctx)
{
	struct gossip *g = ctx;
	owner_expire(g->owner, loop_now(g->d->loop));
	gossip_pump(g);
}

static void on_join_timer(void *ctx)
{
	struct gossip *g = ctx;
	g->joined = true;
	gossip_pump(g);
}

static void on_goodbye_timer(void *ctx)
{
	struct gossip *g = ctx;
	gossip_check_goodbyes(g);
	gossip_pump(g);
}

static void on_settle(void *ctx)
{
	struct gossip *g = ctx;
	if (g->links_known)
		inputs_self(g);
	gossip_pump(g);
}

static int parse_options(struct gossip *g)
{
	const struct options *o = &g->d->options;
	unsigned long long port = 0;
	if (!str_to_u64(o->gossip_port, strlen(o->gossip_port), 65535, &port) || port == 0) {
		log_line(LOG_ERROR, "gossip", "option", "--gossip-port is not a port: %s", o->gossip_port);
		return -EINVAL;
	}
	g->port = (uint16_t)port;
	addr_t bind = { 0 };
	if (o->gossip_bind[0] && !addr_parse(o->gossip_bind, &bind)) {
		log_line(LOG_ERROR, "gossip", "option", "--gossip-bind is not an address: %s",
			 o->gossip_bind);
		return -EINVAL;
	}
	/* The unspecified address means every address, as none does. */
	g->bound = o->gossip_bind[0] && !addr_is_unspecified(bind);
	if (g->bound)
		g->own.ip = bind;
	if (!swim_name_is_valid(o->node)) {
		log_line(LOG_ERROR, "gossip", "option", "--node is not a host name: %s", o->node);
		return -EINVAL;
	}
	g->own.port = g->port;
	return 0;
}

int gossip_open(struct daemon *d)
{
	struct gossip *g = d->self;
	g->d = d;
	map_init(&g->link_table);
	map_init(&g->announced);
	map_init(&g->announcing);
	int err = parse_options(g);
	if (err)
		return err;
	/* Others judge us by how fast we answer. Without the right to it we are merely slower under load. */
	(void)setpriority(PRIO_PROCESS, 0, PRIORITY);
	err = net_open(g);
	if (err) {
		char text[SWIM_ADDR_TEXT];
		log_line(LOG_ERROR, "gossip", "listen", "cannot bind %s: %s", swim_addr_text(&g->own, text),
			 strerror(-err));
		return err;
	}
	err = keep_open(g);
	g->key_from_file = d->options.gossip_key_file[0];
	return err;
}

static int make_owner(struct gossip *g, const struct objects *objects)
{
	const struct options *o = &g->d->options;
	struct owner_config c = {
		.own_node = o->node,
		.lb_class = o->lb_class,
		.ignore_exclude = options_bool(o->ignore_exclude_lb),
		.hold = MS(HOLD_MS),
	};
	g->owner = owner_new(&c, objects);
	if (!g->owner)
		return -ENOMEM;
	keep_restore_owners(g);
	return 0;
}

int gossip_join(struct daemon *d)
{
	struct gossip *g = d->self;
	g->swim_timer = loop_timer_new(d->loop, on_swim_timer, g);
	g->owner_timer = loop_timer_new(d->loop, on_owner_timer, g);
	g->join_timer = loop_timer_new(d->loop, on_join_timer, g);
	g->goodbye_timer = loop_timer_new(d->loop, on_goodbye_timer, g);
	g->settle = loop_defer_new(d->loop, on_settle, g);
	if (!g->swim_timer || !g->owner_timer || !g->join_timer || !g->goodbye_timer || !g->settle)
		return -ENOMEM;
	int err = outputs_open(g);
	err = err ? err : inputs_join(g);
	err = err ? err : make_owner(g, feed_objects(g->feed));
	err = err ? err : net_watch(g);
	if (err)
		return err;
	if (g->key_from_file)
		inputs_read_key_file(g);
	gossip_pump(g);
	return 0;
}

/* ---- leaving members: acknowledge when what they owned is announced here ---- */

static void count_silent(void *ctx, const struct owner_entry *e)
{
	struct {
		struct gossip *g;
		size_t n;
	} *x = ctx;
	x->n += e->mine && !map_get(&x->g->announced, e->key);
}

void gossip_check_goodbyes(struct gossip *g)
{
	struct {
		struct gossip *g;
		size_t n;
	} silent = { g, 0 };
	if (g->n_goodbyes == 0)
		return;
	mono_t now = loop_now(g->d->loop);
	if (g->in_force)
		owner_each(g->owner, count_silent, &silent);
	for (size_t i = g->n_goodbyes; i-- > 0;) {
		if (silent.n && !mono_reached(now, g->goodbyes[i].until))
			continue;
		struct swim_member *m = swim_find(g->swim, g->goodbyes[i].name);
		if (m)
			swim_goodbye_done(g->swim, now, m);
		g->goodbyes[i] = g->goodbyes[--g->n_goodbyes];
	}
	loop_timer_set(g->goodbye_timer, g->n_goodbyes ? mono_add(now, MS(10)) : MONO_NEVER);
	loop_defer_ask(g->settle);
}

static void note_goodbye(struct gossip *g, const struct swim_member *m)
{
	mono_t now = loop_now(g->d->loop);
	for (size_t i = 0; i < g->n_goodbyes; i++)
		if (strcmp(g->goodbyes[i].name, m->node.name) == 0)
			return;
	if (g->n_goodbyes == GOSSIP_GOODBYES)
		return; /* it repeats itself */
	memcpy(g->goodbyes[g->n_goodbyes].name, m->node.name, sizeof m->node.name);
	g->goodbyes[g->n_goodbyes++].until = mono_add(now, MS(GOODBYE_MS));
	loop_timer_set(g->goodbye_timer, now);
}

/* ---- the turn ---- */

static void note_change(struct gossip *g, const struct swim_member *m, int was)
{
	static const char *const words[] = { "alive", "suspect", "dead", "left" };
	g->live_dirty = true;
	outputs_member(g, m);
	if (was == (int)m->node.state)
		g->state_dirty = true;
	if (was == (int)m->node.state || m->node.state == SWIM_SUSPECT)
		return;
	bool cleared = was == SWIM_SUSPECT && m->node.state == SWIM_ALIVE;
	if (cleared)
		return;
	g->state_dirty = true;
	char text[SWIM_ADDR_TEXT];
	log_limited(&g->owner_log, 100, MS(100), LOG_INFO, m->node.name, "member",
		    "%s (%s), incarnation %llu", words[m->node.state], swim_addr_text(&m->node.addr, text),
		    (unsigned long long)m->node.incarnation);
	daemon_decided(g->d, m->node.name, words[m->node.state], "was %s", was < 0 ? "unknown" : words[was]);
	if (m->node.state == SWIM_LEFT || m->node.state == SWIM_DEAD)
		outputs_statistics(g);
}

static void act(struct gossip *g)
{
	size_t n;
	const struct swim_action *a = swim_actions(g->swim, &n);
	for (size_t i = 0; i < n; i++) {
		switch (a[i].type) {
		case SWIM_SEND: net_send(g, &a[i].to, swim_action_data(g->swim, &a[i]), a[i].len); break;
		case SWIM_CHANGED: note_change(g, a[i].member, a[i].was); break;
		case SWIM_FORGOTTEN:
			outputs_forgotten(g, a[i].member);
			seal_forget(g->seal, a[i].member->node.name);
			g->state_dirty = true;
			break;
		case SWIM_SYNC: sync_dial(g, &a[i].to); break;
		case SWIM_GOODBYE: note_goodbye(g, a[i].member); break;
		}
	}
	swim_actions_clear(g->swim);
}

static int by_member_name(const void *a, const void *b)
{
	const struct owner_member *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static void hand_over_members(struct gossip *g)
{
	if (!g->live_dirty)
		return;
	struct owner_member *v = calloc(swim_count(g->swim), sizeof *v);
	size_t n = 0;
	for (size_t i = 0; v && i < swim_count(g->swim); i++) {
		const struct swim_node *m = &swim_at(g->swim, i)->node;
		if ((m->state != SWIM_ALIVE && m->state != SWIM_SUSPECT) || (m->flags & SWIM_FLAG_DRAINING))
			continue;
		memcpy(v[n].name, m->name, sizeof m->name);
		v[n].n_links = m->n_links;
		memcpy(v[n].links, m->links, m->n_links * sizeof m->links[0]);
		n++;
	}
	if (v)
		qsort(v, n, sizeof *v, by_member_name);
	g->live_dirty = !v || owner_set_members(g->owner, v, n) < 0;
	free(v);
}

static void start(struct gossip *g)
{
	if (g->started || !g->inputs_ready || !seal_has_key(g->seal))
		return;
	g->started = true;
	g->said_no_key = false;
	if (g->others)
		loop_timer_set(g->join_timer, mono_add(loop_now(g->d->loop), MS(FIRST_ROUND_MS)));
	/* What was said before there was a key went nowhere. */
	swim_reintroduce(g->swim, loop_now(g->d->loop));
	act(g);
}

/* Without their links members are no candidates: to decide now would be to decide again in a moment. */
static bool all_told_links(const struct gossip *g)
{
	for (size_t i = 0; i < swim_count(g->swim); i++) {
		const struct swim_member *m = swim_at(g->swim, i);
		if (swim_member_is_live(m) && m->node.n_links == 0)
			return false;
	}
	return true;
}

static void come_into_force(struct gossip *g)
{
	if (g->in_force || !g->inputs_ready)
		return;
	if (!seal_has_key(g->seal) && g->others) {
		if (!g->said_no_key) {
			log_line(LOG_WARN, "gossip", "noKey",
				 "other nodes are known but there is no gossip key (--gossip-key-file, or "
				 "the Secret "
				 "memberlist with field secretkey): this node owns no L2 address");
			daemon_decided(g->d, "", "waiting",
				       "other nodes are known but there is no gossip key");
		}
		g->said_no_key = true;
		daemon_ready(g->d);
		return;
	}
	bool alone = !g->others;
	if (!g->restored && !g->joined && !((alone || swim_met_all(g->swim)) && all_told_links(g)))
		return;
	g->in_force = g->state_dirty = g->owners_dirty = true;
	log_line(LOG_INFO, "gossip", "inForce", "%zu members: %s", swim_live(g->swim),
		 g->restored ? "restored from the former life"
		 : g->joined ? "the first round is over"
		 : alone     ? "no other node is known"
			     : "all known nodes answered");
}

static void decide(struct gossip *g)
{
	if (!g->in_force)
		return;
	g->deciding = owner_run(g->owner, loop_now(g->d->loop), GOSSIP_BATCH);
	outputs_owners(g);
	if (g->deciding) {
		loop_defer_ask(g->settle);
		return;
	}
	publisher_synced(g->ownership_out);
	publisher_synced(g->services_out);
	publisher_synced(g->members_out);
	daemon_ready(g->d);
}

static void check_left(struct gossip *g)
{
	if (!g->stopping || !swim_has_left(g->swim, loop_now(g->d->loop)))
		return;
	g->stopping = false;
	daemon_stopped(g->d);
}

void gossip_pump(struct gossip *g)
{
	act(g);
	if (g->inputs_ready && !g->others && !g->waiting) {
		g->waiting = true;
		loop_timer_set(g->join_timer, mono_add(loop_now(g->d->loop), MS(FIRST_ROUND_MS)));
	}
	start(g);
	hand_over_members(g);
	come_into_force(g);
	decide(g);
	act(g);
	keep_write(g);
	outputs_statistics(g);
	/* Without a key nothing can be sent, so nobody's silence means anything. */
	loop_timer_set(g->swim_timer, g->started ? swim_next(g->swim) : MONO_NEVER);
	loop_timer_set(g->owner_timer, owner_next(g->owner));
	check_left(g);
}

void gossip_stop(struct daemon *d)
{
	struct gossip *g = d->self;
	g->stopping = true;
	if (!g->started) {
		daemon_stopped(d);
		return;
	}
	swim_leave(g->swim, loop_now(d->loop));
	gossip_pump(g);
}

void gossip_drain(struct daemon *d, bool on)
{
	struct gossip *g = d->self;
	g->draining = on;
	inputs_self(g);
	gossip_pump(g);
}

void gossip_reload(struct daemon *d)
{
	struct gossip *g = d->self;
	if (g->key_from_file)
		inputs_read_key_file(g);
}

void gossip_explain(struct daemon *d, const char *subject, char *buf, size_t size)
{
	outputs_explain(d->self, subject, buf, size);
}

void gossip_close(struct daemon *d)
{
	struct gossip *g = d->self;
	net_close(g);
	inputs_close(g);
	loop_timer_free(g->swim_timer);
	loop_timer_free(g->owner_timer);
	loop_timer_free(g->join_timer);
	loop_timer_free(g->goodbye_timer);
	loop_defer_free(g->settle);
	owner_free(g->owner);
	swim_free(g->swim);
	seal_free(g->seal);
	if (g->state_fd >= 0)
		close(g->state_fd);
	if (g->owners_fd >= 0)
		close(g->owners_fd);
}
