/* Deciding one Service and merging it into its addresses. Runs in gossipd. Pure.
 *
 * An address that several Services share has one owner: that of the first of them, by key, that has one.
 * Interfaces and Services are united. So two Services can never make two nodes announce one address. */
#include "gossipd/owner_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/model/name_set.h"

static int note_service(struct owner *o, struct owner_service *s)
{
	if (s->changed)
		return 0;
	int err = owner_push(&o->services_changed, s);
	s->changed = err == 0;
	return err;
}

static int note_entry(struct owner *o, struct owner_entry *e)
{
	if (e->changed)
		return 0;
	int err = owner_push(&o->entries_changed, e);
	e->changed = err == 0;
	return err;
}

static bool any_link(const struct owner_member *m, const struct name_set *allowed)
{
	for (size_t i = 0; i < m->n_links; i++)
		if (m->links[i].up && (!allowed || name_set_has(allowed, m->links[i].name)))
			return true;
	return false;
}

/* Can m announce this Service on some interface: one that an advertisement for it allows there, and that is
 * up. */
static bool link_is_ok(const struct pool *p, const Ingot__Service *s, const struct owner_member *m)
{
	for (size_t i = 0; i < p->n_l2_ads; i++) {
		const struct l2_ad *ad = p->l2_ads[i];
		if (!node_set_has(&ad->nodes, m->name) ||
		    !selectors_match(&ad->services, s->meta ? s->meta->labels : NULL,
				     s->meta ? s->meta->n_labels : 0))
			continue;
		if (any_link(m, ad->all_interfaces ? NULL : &ad->interfaces))
			return true;
	}
	return false;
}

/* What follows for a Service; the owner's two names are interned already. */
struct outcome {
	struct l2_verdict v;
	const char *owner, *successor;
	char *why;
	bool listed; /* people want to see it: it is a load balancer of ours */
	size_t n_addrs;
	addr_t addrs[LIMIT_SERVICE_IPS];
};

static int elect(struct owner *o, const char *key, const Ingot__Service *s, const struct service_addresses *a,
		 struct l2_verdict *ret)
{
	struct endpoints e = { 0 };
	int err = owner_endpoints(o, key, &e);
	if (err)
		return err;
	for (size_t i = 0; i < o->n_members; i++)
		o->live[i].link_ok = link_is_ok(a->pool, s, &o->members[i]);
	err = l2_decide(a, s, &e, o->live, o->n_members, o->own, o->ignore_exclude, ret);
	endpoints_fini(&e);
	return err;
}

static int judge(struct owner *o, const struct owner_service *x, struct outcome *ret)
{
	Ingot__Service *s = NULL;
	struct service_addresses a = { 0 };
	int err = 0;
	if (x->object && !(s = ingot__service__unpack(NULL, x->object_len, x->object)))
		return -ENOMEM;
	*ret = (struct outcome){ 0 };
	if (!s || !o->config)
		ret->v.reason = WITHDRAW_SERVICE_DELETED;
	else
		ret->v.reason = service_gate(o->config, s, o->lb_class, &a);
	ret->listed =
	    ret->v.reason != WITHDRAW_SERVICE_DELETED && ret->v.reason != WITHDRAW_NOT_LOAD_BALANCER;
	if (ret->v.reason == WITHDRAW_ANNOUNCE) {
		err = elect(o, x->key, s, &a, &ret->v);
		/* A pool without L2 advertisements has no L2 addresses. */
		ret->n_addrs = !err && a.pool->n_l2_ads ? a.n : 0;
		memcpy(ret->addrs, a.v, sizeof ret->addrs);
	}
	if (s)
		ingot__service__free_unpacked(s, NULL);
	if (err)
		return err;
	ret->owner = owner_intern(o, ret->v.owner);
	ret->successor = owner_intern(o, ret->v.successor);
	ret->why = strdup(ret->v.why);
	if (ret->owner && ret->successor && ret->why)
		return 0;
	l2_verdict_fini(&ret->v);
	free(ret->why);
	return -ENOMEM;
}

/* First Service that has an owner, else the first. */
static const struct owner_service *lead_of(const struct owner_entry *e)
{
	for (size_t i = 0; i < e->n_services; i++)
		if (e->services[i]->owner[0])
			return e->services[i];
	return e->services[0];
}

static int merge_interfaces(const struct owner_entry *e, bool *all, struct name_set *ret)
{
	int err = 0;
	*all = false;
	for (size_t i = 0; i < e->n_services; i++)
		*all |= e->services[i]->all_interfaces;
	for (size_t i = 0; i < e->n_services && !*all && !err; i++)
		err = name_set_merge(ret, &e->services[i]->interfaces);
	return err;
}

/* What the entry was in a former life of this daemon: not a change when it still is so. */
static void recall(struct owner *o, struct owner_entry *e)
{
	const struct owner_restored *r = map_get(&o->restored, e->key);
	if (!r)
		return;
	e->was = e->owner = r->owner;
	e->mine = strcmp(r->owner, o->own) == 0;
	e->term = r->term;
	free(map_del(&o->restored, e->key));
}

static void change_owner(struct owner *o, mono_t now, struct owner_entry *e, const char *owner)
{
	bool was_mine = e->mine;
	e->was = e->owner;
	e->owner = owner;
	e->mine = strcmp(owner, o->own) == 0;
	e->term++;
	e->hold = false;
	if (!was_mine || e->mine || !owner[0] || o->hold <= 0)
		return;
	e->hold_until = mono_add(now, o->hold);
	e->hold = owner_push(&o->holding, e) == 0;
}

static int remerge(struct owner *o, mono_t now, struct owner_entry *e)
{
	const struct owner_service *lead = lead_of(e);
	struct name_set interfaces = { 0 };
	bool all;
	int err = merge_interfaces(e, &all, &interfaces);
	if (err) {
		name_set_fini(&interfaces);
		return err;
	}
	if (!e->owner)
		recall(o, e);
	if (e->owner != lead->owner)
		change_owner(o, now, e, lead->owner);
	e->successor = lead->successor;
	e->why = lead->why;
	e->all_interfaces = all;
	name_set_fini(&e->interfaces);
	e->interfaces = interfaces;
	return note_entry(o, e);
}

static size_t service_slot(const struct owner_entry *e, const struct owner_service *s)
{
	size_t i = 0;
	while (i < e->n_services && strcmp(e->services[i]->key, s->key) < 0)
		i++;
	return i;
}

/* key receives its text. NULL: nobody has this address. */
static struct owner_entry *entry_at(const struct owner *o, addr_t addr, char key[static ADDR_TEXT])
{
	addr_text(addr, key);
	return hashtab_get(&o->entries, key);
}

static int leave_entry(struct owner *o, mono_t now, addr_t addr, const struct owner_service *s)
{
	char key[ADDR_TEXT];
	struct owner_entry *e = entry_at(o, addr, key);
	if (!e)
		return 0;
	size_t at = service_slot(e, s);
	if (at == e->n_services || e->services[at] != s)
		return 0;
	e->n_services--;
	memmove(e->services + at, e->services + at + 1,
		(e->n_services - at) * sizeof(struct owner_service *));
	if (e->n_services)
		return remerge(o, now, e);
	int err = note_entry(o, e);
	if (err)
		return err;
	e->gone = true;
	e->why = "";
	for (size_t i = 0; i < o->holding.n; i++)
		if (o->holding.v[i] == e)
			o->holding.v[i--] = o->holding.v[--o->holding.n];
	hashtab_remove(&o->entries, &e->node);
	return 0;
}

static int join_entry(struct owner *o, mono_t now, addr_t addr, struct owner_service *s)
{
	char key[ADDR_TEXT];
	struct owner_entry *e = entry_at(o, addr, key);
	if (!e) {
		e = calloc(1, sizeof *e);
		if (!e)
			return -ENOMEM;
		e->addr = addr;
		memcpy(e->key, key, sizeof key);
		if (hashtab_add(&o->entries, &e->node, e->key, strlen(key)) < 0) {
			free(e);
			return -ENOMEM;
		}
	}
	size_t at = service_slot(e, s);
	if (at < e->n_services && e->services[at] == s)
		return remerge(o, now, e);
	if (e->n_services == e->cap_services) {
		size_t cap = e->cap_services ? e->cap_services * 2 : 1;
		struct owner_service **v = realloc(e->services, cap * sizeof(struct owner_service *));
		if (!v)
			return -ENOMEM;
		e->services = v;
		e->cap_services = cap;
	}
	memmove(e->services + at + 1, e->services + at,
		(e->n_services - at) * sizeof(struct owner_service *));
	e->services[at] = s;
	e->n_services++;
	return remerge(o, now, e);
}

static bool same_outcome(const struct owner_service *s, const struct outcome *x)
{
	if (s->reason != x->v.reason || s->lacks_link != x->v.lacks_link || s->owner != x->owner ||
	    s->successor != x->successor || s->all_interfaces != x->v.all_interfaces ||
	    s->n_addrs != x->n_addrs || s->listed != x->listed || !s->why || strcmp(s->why, x->why) != 0 ||
	    !name_set_equal(&s->interfaces, &x->v.interfaces))
		return false;
	for (size_t i = 0; i < s->n_addrs; i++)
		if (!addr_eq(s->addrs[i], x->addrs[i]))
			return false;
	return true;
}

static bool has_addr(const addr_t *v, size_t n, addr_t a)
{
	for (size_t i = 0; i < n; i++)
		if (addr_eq(v[i], a))
			return true;
	return false;
}

int owner_decide(struct owner *o, mono_t now, struct owner_service *s)
{
	struct outcome x;
	int err = judge(o, s, &x);
	if (err)
		return err;
	bool deleted = !s->object;
	if (same_outcome(s, &x) && !deleted) {
		l2_verdict_fini(&x.v);
		free(x.why);
		return 0;
	}
	addr_t before[LIMIT_SERVICE_IPS];
	size_t n_before = s->n_addrs;
	char *old_why = s->why;
	memcpy(before, s->addrs, sizeof before);
	name_set_fini(&s->interfaces);
	s->reason = x.v.reason;
	s->lacks_link = x.v.lacks_link;
	s->owner = x.owner;
	s->successor = x.successor;
	s->why = x.why;
	s->all_interfaces = x.v.all_interfaces;
	s->interfaces = x.v.interfaces;
	s->listed = x.listed;
	s->n_addrs = x.n_addrs;
	memcpy(s->addrs, x.addrs, sizeof s->addrs);
	for (size_t i = 0; i < n_before && !err; i++)
		if (!has_addr(s->addrs, s->n_addrs, before[i]))
			err = leave_entry(o, now, before[i], s);
	for (size_t i = 0; i < s->n_addrs && !err; i++)
		err = join_entry(o, now, s->addrs[i], s);
	/* Half done is not lost: what is there is consistent, and the caller tries again. */
	must(err == 0 || err == -ENOMEM);
	s->gone = deleted;
	if (err)
		return err; /* an address may still point at old_why */
	free(old_why);
	return note_service(o, s);
}
