/* Ownership of L2 addresses: events, the two queues of Services to decide (urgent: their owner went), and
 * what the caller is told. Runs in gossipd. Pure. The decision itself is in owner_decide.c. */
#include "gossipd/owner_internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/model/name_set.h"

enum { QUEUED_NOT, QUEUED_USUAL, QUEUED_URGENT };

int owner_push(struct owner_list *l, void *p)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		void **v = realloc(l->v, cap * sizeof *v);
		if (!v)
			return -ENOMEM;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = p;
	return 0;
}

const char *owner_intern(struct owner *o, const char *name)
{
	struct map_entry *e = map_find_n(&o->names, name, strlen(name));
	if (!e) {
		if (map_set(&o->names, name, o, NULL) < 0)
			return NULL;
		e = map_find_n(&o->names, name, strlen(name));
	}
	return e->key;
}

struct owner *owner_new(const struct owner_config *c, const struct objects *objects)
{
	struct owner *o = calloc(1, sizeof *o);
	if (!o || strlen(c->own_node) > LIMIT_NODE_NAME) {
		free(o);
		return NULL;
	}
	memcpy(o->own, c->own_node, strlen(c->own_node) + 1);
	o->lb_class = strdup(c->lb_class ? c->lb_class : "");
	o->ignore_exclude = c->ignore_exclude;
	o->hold = c->hold;
	o->objects = objects;
	map_init(&o->names);
	map_init(&o->restored);
	if (!o->lb_class || !owner_intern(o, "") || !owner_intern(o, o->own)) {
		owner_free(o);
		return NULL;
	}
	return o;
}

static void free_service(void *p)
{
	struct owner_service *s = p;
	name_set_fini(&s->interfaces);
	free(s->object);
	free(s->why);
	free(s);
}

static void free_entry(void *p)
{
	struct owner_entry *e = p;
	name_set_fini(&e->interfaces);
	free(e->services);
	free(e);
}

void owner_free(struct owner *o)
{
	if (!o)
		return;
	owner_changes_clear(o);
	hashtab_fini(&o->entries, free_entry);
	hashtab_fini(&o->services, free_service);
	owner_slices_free(o);
	map_fini(&o->restored, free);
	map_fini(&o->names, NULL);
	free(o->members);
	free(o->live);
	free(o->urgent.v);
	free(o->usual.v);
	free(o->entries_changed.v);
	free(o->services_changed.v);
	free(o->holding.v);
	free(o->lb_class);
	free(o);
}

static int enqueue(struct owner *o, struct owner_service *s, uint8_t how)
{
	if (s->queued >= how)
		return 0;
	struct owner_queue *q = how == QUEUED_URGENT ? &o->urgent : &o->usual;
	if (q->at == q->n)
		q->at = q->n = 0;
	if (q->n == q->cap) {
		size_t cap = q->cap ? q->cap * 2 : 64;
		struct owner_service **v = realloc(q->v, cap * sizeof(struct owner_service *));
		if (!v)
			return -ENOMEM;
		q->v = v;
		q->cap = cap;
	}
	q->v[q->n++] = s;
	s->queued = how;
	return 0;
}

/* NULL on out of memory. */
static struct owner_service *service_get(struct owner *o, const char *key)
{
	bool fresh;
	struct owner_service *s =
	    hashtab_get_or_add(&o->services, key, offsetof(struct owner_service, key), &fresh);
	if (s && fresh) {
		s->owner = s->successor = owner_intern(o, "");
		s->reason = WITHDRAW_N;
	}
	return s;
}

static int keep_object(struct owner_service *s, const Ingot__Service *object)
{
	size_t len = object ? ingot__service__get_packed_size(object) : 0;
	uint8_t *packed = object ? malloc(len ? len : 1) : NULL;
	if (object && (!packed || len > UINT32_MAX)) {
		free(packed);
		return -ENOMEM;
	}
	if (object)
		ingot__service__pack(object, packed);
	free(s->object);
	s->object = packed;
	s->object_len = (uint32_t)len;
	return 0;
}

int owner_service_changed(struct owner *o, const char *key, const Ingot__Service *object)
{
	struct owner_service *s = object ? service_get(o, key) : hashtab_get(&o->services, key);
	if (!s && !object)
		return 0;
	int err = s ? keep_object(s, object) : -ENOMEM;
	return err ? err : enqueue(o, s, QUEUED_URGENT);
}

int owner_mark(struct owner *o, const char *service)
{
	struct owner_service *s = hashtab_get(&o->services, service);
	return s ? enqueue(o, s, QUEUED_URGENT) : 0;
}

static void mark_all(struct owner *o)
{
	hashtab_each (&o->services, node) {
		/* Without memory for the queue the Service keeps its verdict until its next event. */
		(void)enqueue(o, (struct owner_service *)node, QUEUED_USUAL);
	}
}

static void find_nodes(struct owner *o)
{
	for (size_t i = 0; i < o->n_members; i++)
		o->live[i].object =
		    (const Ingot__Node *)(const void *)objects_get(o->objects, KIND_NODE, o->members[i].name);
}

void owner_nodes_changed(struct owner *o)
{
	find_nodes(o);
	mark_all(o);
}

void owner_set_config(struct owner *o, const struct config *c)
{
	o->config = c;
	mark_all(o);
}

static const struct owner_member *find_member(const struct owner_member *v, size_t n, const char *name)
{
	for (size_t lo = 0, hi = n; lo < hi;) {
		size_t mid = (lo + hi) / 2;
		int cmp = strcmp(v[mid].name, name);
		if (cmp == 0)
			return &v[mid];
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static bool same_member(const struct owner_member *a, const struct owner_member *b)
{
	if (a->n_links != b->n_links)
		return false;
	for (size_t i = 0; i < a->n_links; i++)
		if (strcmp(a->links[i].name, b->links[i].name) != 0 || a->links[i].up != b->links[i].up)
			return false;
	return true;
}

static bool is_worse(const struct owner *o, const struct owner_member *v, size_t n, const char *name)
{
	const struct owner_member *before = find_member(o->members, o->n_members, name);
	const struct owner_member *now = find_member(v, n, name);
	return before && (!now || !same_member(before, now));
}

int owner_set_members(struct owner *o, const struct owner_member *v, size_t n)
{
	bool same = n == o->n_members;
	for (size_t i = 0; same && i < n; i++)
		same = strcmp(v[i].name, o->members[i].name) == 0 && same_member(&v[i], &o->members[i]);
	if (same)
		return 0;
	struct owner_member *members = calloc(n ? n : 1, sizeof *members);
	struct l2_node *live = calloc(n ? n : 1, sizeof *live);
	if (!members || !live) {
		free(members);
		free(live);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		members[i] = v[i];
		live[i].name = members[i].name;
	}
	const char *asked = NULL;
	bool worse = false;
	hashtab_each (&o->services, node) {
		struct owner_service *s = (struct owner_service *)node;
		if (s->owner != asked) {
			asked = s->owner;
			worse = is_worse(o, members, n, asked);
		}
		if (worse || is_worse(o, members, n, s->successor))
			(void)enqueue(o, s, QUEUED_URGENT);
		else
			(void)enqueue(o, s, QUEUED_USUAL);
	}
	free(o->members);
	free(o->live);
	o->members = members;
	o->live = live;
	o->n_members = n;
	find_nodes(o);
	return 0;
}

int owner_restore(struct owner *o, const char *address, const char *owner, uint64_t term)
{
	struct owner_restored *r = calloc(1, sizeof *r);
	void *old = NULL;
	if (r) {
		r->owner = owner_intern(o, owner);
		r->term = term;
	}
	if (!r || !r->owner || map_set(&o->restored, address, r, &old) < 0) {
		free(r);
		return -ENOMEM;
	}
	free(old);
	return 0;
}

static struct owner_service *take(struct owner_queue *q, uint8_t how)
{
	while (q->at < q->n) {
		struct owner_service *s = q->v[q->at++];
		if (s && s->queued == how)
			return s;
	}
	return NULL;
}

/* A Service that is gone may stand in both queues. */
static void purge(struct owner_queue *q, const struct owner_service *s)
{
	for (size_t i = q->at; i < q->n; i++)
		if (q->v[i] == s)
			q->v[i] = NULL;
}

bool owner_run(struct owner *o, mono_t now, size_t max)
{
	for (size_t i = 0; i < max; i++) {
		struct owner_service *s = take(&o->urgent, QUEUED_URGENT);
		if (!s)
			s = take(&o->usual, QUEUED_USUAL);
		if (!s)
			return false;
		s->queued = QUEUED_NOT;
		if (owner_decide(o, now, s) < 0) {
			(void)enqueue(o, s, QUEUED_USUAL);
			return true;
		}
		if (s->gone) {
			purge(&o->urgent, s);
			purge(&o->usual, s);
			hashtab_remove(&o->services, &s->node);
		}
	}
	return true;
}

void owner_expire(struct owner *o, mono_t now)
{
	size_t kept = 0;
	for (size_t i = 0; i < o->holding.n; i++) {
		struct owner_entry *e = o->holding.v[i];
		if (e->hold && !mono_reached(now, e->hold_until)) {
			o->holding.v[kept++] = e;
			continue;
		}
		if (e->hold && !e->changed && !e->gone) {
			if (owner_push(&o->entries_changed, e) < 0) {
				o->holding.v[kept++] = e;
				continue;
			}
			e->changed = true;
		}
		e->hold = false;
	}
	o->holding.n = kept;
}

mono_t owner_next(const struct owner *o)
{
	mono_t next = MONO_NEVER;
	for (size_t i = 0; i < o->holding.n; i++)
		next = mono_min(next, ((const struct owner_entry *)o->holding.v[i])->hold_until);
	return next;
}

struct owner_entry *const *owner_entries_changed(const struct owner *o, size_t *n)
{
	*n = o->entries_changed.n;
	return (struct owner_entry *const *)(void *)o->entries_changed.v;
}

struct owner_service *const *owner_services_changed(const struct owner *o, size_t *n)
{
	*n = o->services_changed.n;
	return (struct owner_service *const *)(void *)o->services_changed.v;
}

void owner_changes_clear(struct owner *o)
{
	for (size_t i = 0; i < o->entries_changed.n; i++) {
		struct owner_entry *e = o->entries_changed.v[i];
		e->changed = false;
		e->was = e->owner;
		if (e->gone)
			free_entry(e);
	}
	o->entries_changed.n = 0;
	for (size_t i = 0; i < o->services_changed.n; i++) {
		struct owner_service *s = o->services_changed.v[i];
		s->changed = false;
		if (s->gone)
			free_service(s);
	}
	o->services_changed.n = 0;
}

const struct owner_service *owner_service(const struct owner *o, const char *key)
{
	return hashtab_get(&o->services, key);
}

const struct owner_entry *owner_entry(const struct owner *o, const char *address)
{
	return hashtab_get(&o->entries, address);
}

size_t owner_count(const struct owner *o)
{
	return hashtab_len(&o->entries);
}

void owner_each(const struct owner *o, void (*each)(void *ctx, const struct owner_entry *e), void *ctx)
{
	hashtab_each (&o->entries, node)
		each(ctx, (const struct owner_entry *)node);
}
