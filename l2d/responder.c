/* The responder's state: ownership joined with links. Pure; runs in l2d. It decides where each address is
 * answered and when it is announced; it may not send, and it never decides who owns an address, only whether
 * to yield one while gossipd is silent. Frames are in responder_frames.c, rounds and timers in announce.c. */
#include "l2d/responder.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"

static const char *const ip_label[] = { "ip", NULL };

void responder_init(struct responder *r, struct metrics *metrics, const struct members *members)
{
	*r = (struct responder){ .members = members };
	heap_init(&r->timers);
	map_init(&r->groups);
	if (!metrics)
		return;
	r->m_requests = metrics_add(metrics, "metallb_layer2_requests_received",
				    "Requests accepted for an address that this node announces",
				    METRIC_COUNTER, ip_label);
	r->m_responses =
	    metrics_add(metrics, "metallb_layer2_responses_sent", "Answers sent", METRIC_COUNTER, ip_label);
	r->m_gratuitous = metrics_add(metrics, "metallb_layer2_gratuitous_sent", "Gratuitous packets sent",
				      METRIC_COUNTER, ip_label);
}

void responder_act(struct responder *r, enum action_kind kind, const struct vip_if *v, const uint8_t *mac)
{
	if (r->n_actions == r->cap_actions) {
		size_t cap = r->cap_actions ? r->cap_actions * 2 : 32;
		struct action *a = realloc(r->actions, cap * sizeof *a);
		if (!a) {
			r->oom = true;
			return;
		}
		r->actions = a;
		r->cap_actions = cap;
	}
	struct action *a = &r->actions[r->n_actions++];
	*a = (struct action){ .kind = kind };
	if (v) {
		a->addr = v->vip->o.addr;
		a->index = v->link->index;
		memcpy(a->name, v->link->name, sizeof a->name);
	}
	if (mac)
		memcpy(a->mac, mac, MAC_LEN);
}

static void act_address(struct responder *r, enum action_kind kind, addr_t addr)
{
	responder_act(r, kind, NULL, NULL);
	if (!r->oom)
		r->actions[r->n_actions - 1].addr = addr;
}

void responder_clear_actions(struct responder *r)
{
	enum { KEEP = 1024 };
	r->n_actions = 0;
	if (r->cap_actions <= KEEP)
		return;
	free(r->actions);
	r->actions = NULL;
	r->cap_actions = 0;
}

static void undirty(struct vip_if *v)
{
	struct vip_list *l = v->dirty;
	if (!l)
		return;
	*(v->dirty_prev ? &v->dirty_prev->dirty_next : &l->head) = v->dirty_next;
	*(v->dirty_next ? &v->dirty_next->dirty_prev : &l->tail) = v->dirty_prev;
	v->dirty = NULL;
}

void responder_dirty(struct responder *r, struct vip_if *v, struct vip_list *list)
{
	if (v->dirty == list || v->dirty == &r->urgent)
		return;
	undirty(v);
	v->dirty = list;
	v->dirty_next = NULL;
	v->dirty_prev = list->tail;
	*(list->tail ? &list->tail->dirty_next : &list->head) = v;
	list->tail = v;
}

struct vip_if *responder_take_dirty(struct responder *r, bool counters)
{
	struct vip_if *v = r->urgent.head;
	if (!v && counters)
		v = r->counters.head;
	if (v)
		undirty(v);
	return v;
}

bool vip_if_announcing(const struct vip_if *v)
{
	return !v->vip->yielded;
}

struct vip_if *vip_on(const struct vip *v, uint32_t index)
{
	struct vip_if *f = v->ifs;
	while (f && f->link->index != index)
		f = f->next;
	return f;
}

/* Members of a multicast group on one interface, counted: addresses share a group when their last three bytes
 * agree. */
static void group(struct responder *r, const struct vip_if *v, int change)
{
	uint8_t key[7], mac[MAC_LEN];
	if (v->vip->o.addr.family != FAMILY_V6)
		return;
	memcpy(key, &v->link->index, 4);
	memcpy(key + 4, v->vip->o.addr.bytes + 13, 3);
	ndp_group_mac(ndp_solicited_node(v->vip->o.addr), mac);
	uintptr_t n = (uintptr_t)map_get_n(&r->groups, key, sizeof key);
	if (change > 0) {
		if (n == 0)
			responder_act(r, ACTION_JOIN, v, mac);
		if (map_set_n(&r->groups, key, sizeof key, (void *)(n + 1), NULL) < 0)
			r->oom = true;
	} else if (n == 1) {
		responder_act(r, ACTION_LEAVE, v, mac);
		map_del_n(&r->groups, key, sizeof key);
	} else if (n > 1) {
		map_set_n(&r->groups, key, sizeof key, (void *)(n - 1), NULL);
	}
}

static bool applies(const struct vip *v, const struct rlink *k)
{
	if (!(v->o.addr.family == FAMILY_V6 ? k->ndp : k->arp))
		return false;
	if (v->o.all_interfaces)
		return true;
	for (size_t i = 0; i < v->o.n_names; i++)
		if (strcmp(v->o.names[i], k->name) == 0)
			return true;
	return false;
}

static void start_series(struct responder *r, struct vip_if *f, mono_t now)
{
	f->rounds_left = ROUNDS;
	f->round_at = now;
	f->probe = true;
	responder_arm(r, f);
}

static struct vip_if *vip_if_add(struct responder *r, struct vip *v, struct rlink *k)
{
	struct vip_if *f = NULL;
	if (r->n_ifs >= VIP_IFS_MAX) {
		r->refused++;
		return NULL;
	}
	if (!(f = calloc(1, sizeof *f))) {
		r->oom = true;
		return NULL;
	}
	f->vip = v;
	f->link = k;
	f->next = v->ifs;
	v->ifs = f;
	r->n_ifs++;
	r->changed = true;
	group(r, f, 1);
	responder_dirty(r, f, &r->urgent);
	return f;
}

static void vip_if_remove(struct responder *r, struct vip_if *f)
{
	struct vip_if **at = &f->vip->ifs;
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	responder_act(r, ACTION_GONE, f, NULL);
	group(r, f, -1);
	heap_remove(&r->timers, &f->timer);
	undirty(f);
	free(f);
	r->n_ifs--;
	r->changed = true;
}

/* Bring the set of interfaces of one address in line with its ownership and the links; new ones are
 * announced. */
static void match_links(struct responder *r, struct vip *v, mono_t now)
{
	bool had = v->ifs != NULL;
	for (struct vip_if *f = v->ifs, *next; f; f = next) {
		next = f->next;
		if (!applies(v, f->link))
			vip_if_remove(r, f);
	}
	for (struct rlink *k = r->links; k; k = k->next) {
		if (!applies(v, k) || vip_on(v, k->index))
			continue;
		struct vip_if *f = vip_if_add(r, v, k);
		if (f && !v->yielded) {
			start_series(r, f, now);
			responder_act(r, ACTION_ANNOUNCE, f, NULL);
		}
	}
	if (had && !v->ifs)
		act_address(r, ACTION_NOWHERE, v->o.addr);
}

static void vip_free(struct vip *v)
{
	if (v)
		free(v->o.names);
	free(v);
}

static void forget_metric(struct metric *m, const char *const *values)
{
	if (m)
		metric_delete(m, values);
}

static void vip_remove(struct responder *r, struct vip *v)
{
	char text[ADDR_TEXT];
	const char *values[] = { addr_text(v->o.addr, text) };
	while (v->ifs) {
		responder_act(r, ACTION_WITHDRAW, v->ifs, NULL);
		vip_if_remove(r, v->ifs);
	}
	if (v->requests)
		forget_metric(r->m_requests, values);
	if (v->responses)
		forget_metric(r->m_responses, values);
	if (v->gratuitous)
		forget_metric(r->m_gratuitous, values);
	r->n_yielded -= v->yielded;
	vips_remove(r, v);
	vip_free(v);
	r->changed = true;
}

/* Copy the names of o into v's record; the rest is taken over by the caller. */
static bool set_names(struct vip *v, const struct ownership *o)
{
	size_t n = o->all_interfaces ? 0 : o->n_names;
	must(n <= VIP_MAX_NAMES);
	char(*names)[LINK_NAME] = NULL;
	if (n) {
		if (!(names = calloc(n, LINK_NAME)))
			return false;
		memcpy(names, o->names, n * LINK_NAME);
	}
	free(v->o.names);
	v->o.names = names;
	v->o.n_names = n;
	v->o.all_interfaces = o->all_interfaces;
	return true;
}

static struct vip *vip_new(struct responder *r, const struct ownership *o)
{
	struct vip *v = calloc(1, sizeof *v);
	if (v) {
		v->o = *o;
		v->o.names = NULL;
	}
	if (!v || !set_names(v, o)) {
		r->oom = true;
		vip_free(v);
		return NULL;
	}
	int e = vips_insert(r, v);
	if (e < 0) {
		r->oom |= r->n_vips < VIPS_MAX;
		vip_free(v);
		return NULL;
	}
	r->changed = true;
	return v;
}

static void set_yielded(struct responder *r, struct vip *v, bool yielded)
{
	if (v->yielded == yielded)
		return;
	v->yielded = yielded;
	r->n_yielded += yielded ? 1 : (size_t)-1;
	r->changed = true;
	for (struct vip_if *f = v->ifs; f; f = f->next) {
		if (yielded)
			f->rounds_left = 0;
		responder_arm(r, f);
		responder_dirty(r, f, &r->urgent);
	}
}

void responder_yield(struct responder *r, struct vip_if *f, const uint8_t mac[static MAC_LEN], mono_t now)
{
	struct vip *v = f->vip;
	bool fresh = r->heard_gossipd && mono_sub(now, r->alive_at) < ALIVE_FOR;
	if (v->yielded || (fresh && !v->o.hold))
		return;
	responder_act(r, ACTION_YIELD, f, mac);
	set_yielded(r, v, true);
	if (!v->o.hold)
		responder_act(r, ACTION_ASK, f, NULL);
}

static void announce_once(struct responder *r, struct vip_if *f, mono_t now)
{
	f->defended = true;
	f->defended_at = f->round_at = now;
	f->rounds_left = 1;
	responder_arm(r, f);
}

/* Where members stay of two minds (each side's gossip is cut off), announcing in turns would move the
 * neighbours to and fro for ever: each time we wait twice as long. */
static bool may_announce_again(struct vip_if *f, mono_t now)
{
	int64_t gap = RESUME_GAP << f->fights,
		since = f->defended ? mono_sub(now, f->defended_at) : INT64_MAX;
	if (since < gap)
		return false;
	f->fights = since / 16 > gap ? 0 : f->fights < 16 ? (uint8_t)(f->fights + 1) : f->fights;
	return true;
}

static void resume(struct responder *r, struct vip *v, mono_t now)
{
	if (!v->yielded || !v->o.mine || v->o.hold)
		return;
	set_yielded(r, v, false);
	for (struct vip_if *f = v->ifs; f; f = f->next) {
		responder_act(r, ACTION_RESUME, f, NULL);
		if (may_announce_again(f, now))
			announce_once(r, f, now);
	}
}

void responder_remind(struct responder *r, mono_t now)
{
	for (struct vip *v = r->vips; v; v = v->next)
		for (struct vip_if *f = v->yielded ? NULL : v->ifs; f; f = f->next)
			if (f->rounds_left == 0 && may_announce_again(f, now))
				announce_once(r, f, now);
}

void responder_alive(struct responder *r, mono_t now)
{
	r->heard_gossipd = true;
	r->alive_at = now;
	for (struct vip *v = r->n_yielded ? r->vips : NULL; v; v = v->next)
		resume(r, v, now);
}

static void restart_series(struct responder *r, struct vip *v, mono_t now)
{
	set_yielded(r, v, false);
	for (struct vip_if *f = v->ifs; f; f = f->next) {
		start_series(r, f, now);
		responder_act(r, ACTION_ANNOUNCE, f, NULL);
	}
}

static bool same_interfaces(const struct ownership *a, const struct ownership *b)
{
	if (a->all_interfaces || b->all_interfaces)
		return a->all_interfaces && b->all_interfaces;
	return a->n_names == b->n_names &&
	       (a->n_names == 0 || memcmp(a->names, b->names, a->n_names * LINK_NAME) == 0);
}

/* A known address: what changed decides what happens. The same record again changes nothing (no new
 * announcement). */
static void update(struct responder *r, struct vip *v, const struct ownership *o, mono_t now)
{
	bool regained = o->mine && ((o->epoch == v->o.epoch && o->term > v->o.term) || !v->o.mine);
	bool moved = !same_interfaces(&v->o, o);
	r->changed |= moved || regained || o->term != v->o.term || o->epoch != v->o.epoch ||
		      o->hold != v->o.hold || o->mine != v->o.mine;
	if (moved && !set_names(v, o))
		r->oom = true;
	v->o.mine = o->mine;
	v->o.hold = o->hold;
	v->o.term = o->term;
	v->o.epoch = o->epoch;
	if (regained)
		restart_series(r, v, now);
	else
		resume(r, v, now);
	if (moved)
		match_links(r, v, now);
}

void responder_own(struct responder *r, const struct ownership *o, mono_t now)
{
	struct vip *v = responder_find(r, o->addr);
	r->heard_gossipd = true;
	r->alive_at = now;
	if (!o->mine && !(o->hold && v)) {
		if (v)
			vip_remove(r, v);
		return;
	}
	if (v) {
		v->confirmed = true;
		update(r, v, o, now);
		return;
	}
	if (!(v = vip_new(r, o)))
		return;
	v->confirmed = true;
	match_links(r, v, now);
	if (!v->ifs)
		act_address(r, ACTION_NOWHERE, v->o.addr);
}

void responder_disown(struct responder *r, addr_t addr)
{
	struct vip *v = responder_find(r, addr);
	if (v)
		vip_remove(r, v);
}

void responder_synced(struct responder *r, mono_t now)
{
	for (struct vip *v = r->vips, *next; v; v = next) {
		next = v->next;
		if (!v->confirmed)
			vip_remove(r, v);
	}
	responder_alive(r, now);
}

/* Rounds that fell into the time without a process are not made up for; they are taken as sent. */
static void restore_series(struct responder *r, struct vip_if *f, const struct restored_if *saved, mono_t now)
{
	mono_t at = saved->round_at;
	uint8_t left = saved->rounds_left <= ROUNDS ? saved->rounds_left : ROUNDS;
	if (left && mono_sub(at, now) > ROUND_GAP)
		at = now;
	while (left > 0 && mono_sub(now, at) >= ROUND_GAP) {
		at = mono_add(at, ROUND_GAP);
		left--;
	}
	f->rounds_left = left;
	f->round_at = at;
	responder_arm(r, f);
}

void responder_restore(struct responder *r, const struct ownership *o, bool yielded,
		       const struct restored_if *ifs, size_t n_ifs, mono_t now)
{
	if (responder_find(r, o->addr))
		return;
	struct vip *v = vip_new(r, o);
	if (!v)
		return;
	set_yielded(r, v, yielded);
	for (size_t i = 0; i < n_ifs; i++) {
		struct rlink *k = r->links;
		while (k && k->index != ifs[i].index)
			k = k->next;
		if (!k || !applies(v, k) || vip_on(v, k->index))
			continue;
		struct vip_if *f = vip_if_add(r, v, k);
		if (f && !yielded)
			restore_series(r, f, &ifs[i], now);
	}
	match_links(r, v, now);
}

static void drop_on_link(struct responder *r, struct rlink *k)
{
	for (struct vip *v = r->vips; v; v = v->next) {
		struct vip_if *f = vip_on(v, k->index);
		if (!f)
			continue;
		vip_if_remove(r, f);
		if (!v->ifs)
			act_address(r, ACTION_NOWHERE, v->o.addr);
	}
}

void responder_link_gone(struct responder *r, uint32_t index)
{
	for (struct rlink **at = &r->links; *at; at = &(*at)->next) {
		struct rlink *k = *at;
		if (k->index != index)
			continue;
		drop_on_link(r, k);
		*at = k->next;
		free(k);
		return;
	}
}

void responder_link(struct responder *r, const struct link *k, mono_t now)
{
	if (!k->arp && !k->ndp) {
		responder_link_gone(r, k->index);
		return;
	}
	struct rlink *mine = r->links;
	while (mine && mine->index != k->index)
		mine = mine->next;
	/* Under another name or hardware address it is another interface: everything is announced again. */
	if (mine && (strcmp(mine->name, k->name) != 0 || !mac_eq(mine->mac, k->mac)))
		drop_on_link(r, mine);
	if (!mine) {
		if (!(mine = calloc(1, sizeof *mine))) {
			r->oom = true;
			return;
		}
		mine->next = r->links;
		r->links = mine;
	}
	mine->index = k->index;
	memcpy(mine->name, k->name, sizeof mine->name);
	memcpy(mine->mac, k->mac, MAC_LEN);
	mine->arp = k->arp;
	mine->ndp = k->ndp;
	mine->link_local = k->link_local;
	for (struct vip *v = r->vips; v; v = v->next)
		match_links(r, v, now);
}

bool responder_is_our_mac(const struct responder *r, const uint8_t mac[static MAC_LEN])
{
	for (const struct rlink *k = r->links; k; k = k->next)
		if (mac_eq(k->mac, mac))
			return true;
	return false;
}

void responder_fini(struct responder *r)
{
	if (!r)
		return;
	for (struct vip *v = r->vips, *next; v; v = next) {
		next = v->next;
		for (struct vip_if *f = v->ifs, *following; f; f = following) {
			following = f->next;
			free(f);
		}
		vip_free(v);
	}
	for (struct rlink *k = r->links, *next; k; k = next) {
		next = k->next;
		free(k);
	}
	heap_fini(&r->timers);
	map_fini(&r->groups, NULL);
	free(r->table);
	free(r->actions);
	*r = (struct responder){ 0 };
}
