/* What is wanted and what is seen, by key. Pure; run by the watcher. */
#include "watcher/k8s/report/upkeep_internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/limits.h"

enum { TIME_BYTES = 32 }; /* of a creationTimestamp that is one */

struct upkeep_place upkeep_place(const struct upkeep *u)
{
	return (struct upkeep_place){ u->ns, u->node };
}

struct upkeep *upkeep_new(const struct upkeep_kind *kind, const struct upkeep_place *p,
			  const struct desk_tell *tell, upkeep_created created, void *ctx)
{
	struct upkeep *u = calloc(1, sizeof *u);
	if (!u)
		return NULL;
	*u = (struct upkeep){ .kind = kind, .ns = strdup(p->ns), .node = strdup(p->node) };
	u->created = created;
	u->ctx = ctx;
	jobs_init(&u->jobs, tell);
	hashtab_init(&u->slots);
	hashtab_init(&u->seen);
	map_init(&u->texts);
	if (u->ns && u->node && upkeep_owner(u, "", "") == 0)
		return u;
	upkeep_free(u);
	return NULL;
}

static void seen_destroy(void *object)
{
	struct seen *s = object;
	json_decref(s->kept);
	free(s);
}

void upkeep_free(struct upkeep *u)
{
	if (!u)
		return;
	jobs_fini(&u->jobs);
	hashtab_fini(&u->slots, free);
	hashtab_fini(&u->seen, seen_destroy);
	map_fini(&u->texts, NULL);
	free(u->ns);
	free(u->node);
	free(u->pod);
	free(u->pod_uid);
	free(u);
}

int upkeep_owner(struct upkeep *u, const char *pod, const char *uid)
{
	char *texts[] = { strdup(pod), strdup(uid) };
	if (!texts[0] || !texts[1]) {
		free(texts[0]);
		free(texts[1]);
		return -ENOMEM;
	}
	free(u->pod);
	free(u->pod_uid);
	u->pod = texts[0];
	u->pod_uid = texts[1];
	json_t *owners = upkeep_owners(u);
	char *text = owners ? upkeep_canonical(owners) : NULL;
	u->owners = text ? upkeep_hash(text) : 0;
	free(text);
	json_decref(owners);
	hashtab_each (&u->slots, n)
		jobs_touch(&u->jobs, &((struct slot *)n)->job);
	return *pod && *uid && !u->owners ? -ENOMEM : 0;
}

void upkeep_hold(struct upkeep *u, bool held)
{
	u->held = held;
}

static struct slot *slot_find(const struct upkeep *u, const char *key)
{
	return hashtab_get(&u->slots, key);
}

static int slot_get(struct upkeep *u, const char *key, struct slot **ret)
{
	struct slot *s = slot_find(u, key);
	if (!s && hashtab_len(&u->slots) >= LIMIT_OBJECTS) {
		u->ignored++;
		return -ENOSPC;
	}
	if (!s) {
		s = hashtab_get_or_add(&u->slots, key, offsetof(struct slot, key), NULL);
		if (!s)
			return -ENOMEM;
		if (jobs_add(&u->jobs, &s->job, upkeep_hash(key)) < 0) {
			hashtab_remove(&u->slots, &s->node);
			free(s);
			return -ENOMEM;
		}
	}
	*ret = s;
	return 0;
}

static void unwant(struct upkeep *u, struct slot *s)
{
	struct map_entry *e = s->wanted ? map_find_n(&u->texts, s->wanted, strlen(s->wanted)) : NULL;
	s->wanted = NULL;
	if (e && (uintptr_t)e->value > 1)
		e->value = (void *)((uintptr_t)e->value - 1);
	else if (e)
		map_del_n(&u->texts, e->key, e->key_len);
}

/* Another text is wanted; it is copied. */
static int rewant(struct upkeep *u, struct slot *s, const char *text)
{
	size_t len = strlen(text);
	const struct map_entry *e = map_find_n(&u->texts, text, len);
	uintptr_t users = e ? (uintptr_t)e->value : 0;
	int rc = map_set_n(&u->texts, text, len, (void *)(users + 1), NULL);
	if (rc < 0)
		return rc;
	unwant(u, s);
	s->wanted = map_find_n(&u->texts, text, len)->key;
	return 0;
}

void upkeep_slot_free(struct upkeep *u, struct slot *s)
{
	jobs_remove(&u->jobs, &s->job);
	hashtab_remove(&u->slots, &s->node);
	unwant(u, s);
	free(s);
}

void upkeep_settle(struct upkeep *u, struct slot *s)
{
	if (!s->wanted && !s->main && s->request == REQUEST_NONE)
		upkeep_slot_free(u, s);
	else
		jobs_touch(&u->jobs, &s->job);
}

int upkeep_want(struct upkeep *u, const char *key, const json_t *status)
{
	struct slot *s = slot_find(u, key);
	bool is_partial = false;
	if (!status) {
		if (s) {
			unwant(u, s);
			s->told = false;
			upkeep_settle(u, s);
		}
		return 0;
	}
	if (!json_is_object(status))
		return -EINVAL;
	char *text = upkeep_canonical(status), *kept = upkeep_partial(u, key, status, &is_partial);
	int rc = text && kept ? slot_get(u, key, &s) : -ENOMEM;
	if (rc == 0) {
		rc = rewant(u, s, kept);
		if (rc == 0) {
			s->is_partial = is_partial;
			s->wanted_hash = upkeep_hash(text);
			s->told = s->told || s->main;
		}
		upkeep_settle(u, s);
	}
	free(text);
	free(kept);
	return rc;
}

void upkeep_whole(struct upkeep *u)
{
	if (u->whole)
		return;
	u->whole = true;
	hashtab_each (&u->slots, n)
		upkeep_settle(u, (struct slot *)n);
}

bool upkeep_has(const struct upkeep *u, const char *key)
{
	const struct slot *s = slot_find(u, key);
	return s && s->wanted;
}

const char *upkeep_uid(const struct seen *s)
{
	return s->name + s->node.key_len + 1;
}

static const char *created_at(const struct seen *s)
{
	const char *uid = upkeep_uid(s);
	return uid + strlen(uid) + 1;
}

/* By creation time, then by name: every observer agrees on the oldest. */
static bool is_older(const struct seen *a, const struct seen *b)
{
	int r = strcmp(created_at(a), created_at(b));
	return r < 0 || (r == 0 && strcmp(a->name, b->name) < 0);
}

static void others_add(struct slot *slot, struct seen *s)
{
	s->next = slot->others;
	slot->others = s;
}

static void others_remove(struct slot *slot, struct seen *s)
{
	struct seen **at = &slot->others;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->next = NULL;
}

static void attach(struct upkeep *u, struct slot *slot, struct seen *s)
{
	s->slot = slot;
	if (slot->main && is_older(s, slot->main)) {
		others_add(slot, slot->main);
		slot->main = s;
	} else if (slot->main) {
		others_add(slot, s);
	} else {
		slot->main = s;
	}
	slot->await = (mono_t){ 0 };
	bool made = slot->creating && slot->wanted && !slot->told;
	slot->creating = false;
	slot->told = slot->wanted != NULL;
	if (made && u->created)
		u->created(u->ctx, slot->key);
}

/* Its slot keeps it no longer; whether the slot is still needed is for the caller. */
static void detach(struct seen *s)
{
	struct slot *slot = s->slot;
	s->slot = NULL;
	if (!slot)
		return;
	if (slot->main != s) {
		others_remove(slot, s);
		return;
	}
	struct seen *oldest = slot->others;
	for (struct seen *o = oldest; o; o = o->next)
		if (is_older(o, oldest))
			oldest = o;
	if (oldest)
		others_remove(slot, oldest);
	slot->main = oldest;
}

void upkeep_gone(struct upkeep *u, struct seen *s)
{
	struct slot *slot = s->slot;
	detach(s);
	if (slot)
		jobs_touch(&u->jobs, &slot->job);
}

static void drop(struct upkeep *u, struct seen *s)
{
	struct slot *slot = s->slot;
	detach(s);
	hashtab_remove(&u->seen, &s->node);
	if (slot) {
		if (slot->target == s)
			slot->target = NULL;
		upkeep_settle(u, slot);
	}
	seen_destroy(s);
}

/* What see needs of an object, lent. */
struct view {
	const json_t *metadata;
	const char *name, *uid, *created;
	uint64_t version, status, owners;
	const json_t *kept;
	char key[OBJECT_KEY];
};

static int view_identity(const json_t *object, struct view *v)
{
	unsigned long long version = 0;
	v->metadata = json_object_get(object, "metadata");
	v->name = json_string_value(json_object_get(v->metadata, "name"));
	v->uid = json_string_value(json_object_get(v->metadata, "uid"));
	v->created = json_string_value(json_object_get(v->metadata, "creationTimestamp"));
	const char *text = json_string_value(json_object_get(v->metadata, "resourceVersion"));
	if (!v->name || strlen(v->name) > LIMIT_NAME || !v->uid || strlen(v->uid) >= DECODE_UID)
		return -EINVAL;
	if (!v->created || strlen(v->created) > TIME_BYTES)
		v->created = "";
	if (text && str_to_u64(text, strlen(text), UINT64_MAX, &version))
		v->version = version;
	return 0;
}

static int hash_of(const json_t *value, uint64_t *ret)
{
	char *text = upkeep_canonical(value);
	if (!text)
		return -ENOMEM;
	*ret = upkeep_hash(text);
	free(text);
	return 0;
}

static struct seen *seen_find(const struct upkeep *u, const char *name)
{
	return hashtab_get(&u->seen, name);
}

static int seen_add(struct upkeep *u, const struct view *v, struct seen **ret)
{
	size_t name = strlen(v->name), uid = strlen(v->uid), created = strlen(v->created);
	if (hashtab_len(&u->seen) >= LIMIT_OBJECTS) {
		u->ignored++;
		return -ENOSPC;
	}
	struct seen *s = calloc(1, offsetof(struct seen, name) + name + uid + created + 3);
	if (!s)
		return -ENOMEM;
	memcpy(s->name, v->name, name);
	memcpy(s->name + name + 1, v->uid, uid);
	memcpy(s->name + name + uid + 2, v->created, created);
	if (hashtab_add(&u->seen, &s->node, s->name, name) < 0) {
		free(s);
		return -ENOMEM;
	}
	s->own_since = MONO_NEVER;
	*ret = s;
	return 0;
}

static void fill(const struct upkeep *u, struct seen *s, const struct view *v, const json_t *status)
{
	struct upkeep_place p = upkeep_place(u);
	s->version = v->version;
	s->status = v->status;
	s->owners = v->owners;
	s->labelled = upkeep_is_labelled(u, v->key, v->metadata);
	s->foreign = u->kind->foreign && u->kind->foreign(&p, v->key, status);
	if (!u->kind->settle)
		return;
	json_decref(s->kept);
	s->kept = json_deep_copy(status);
}

/* It is ours: enter it, or what is new about it. old: what is known by this name and uid. */
static int take(struct upkeep *u, struct view *v, const json_t *object, struct seen *old, mono_t own_since)
{
	struct slot *slot = NULL;
	struct seen *s = old;
	const json_t *status = json_object_get(object, "status");
	int rc = hash_of(status, &v->status);
	if (rc == 0)
		rc = hash_of(json_object_get(v->metadata, "ownerReferences"), &v->owners);
	if (rc == 0)
		rc = slot_get(u, v->key, &slot);
	if (rc == 0 && !old && (rc = seen_add(u, v, &s)) == 0)
		s->own_since = own_since;
	if (rc == 0) {
		fill(u, s, v, status);
		if (!old)
			attach(u, slot, s);
	}
	if (slot)
		upkeep_settle(u, slot);
	return rc;
}

/* own_since: when it is the answer to a request of ours; MONO_NEVER: from list or watch. */
static int see(struct upkeep *u, const json_t *object, mono_t own_since)
{
	struct upkeep_place p = upkeep_place(u);
	struct view v = { 0 };
	int rc = view_identity(object, &v);
	if (rc < 0)
		return rc;
	struct seen *old = seen_find(u, v.name);
	bool same = old && strcmp(upkeep_uid(old), v.uid) == 0;
	if (same) {
		if (own_since.us == MONO_NEVER.us)
			old->own_since = MONO_NEVER;
		/* Old news, from before a request of ours or from before it was deleted. */
		if (!old->slot || (v.version && v.version < old->version))
			return 0;
	}
	bool ours = !json_object_get(v.metadata, "deletionTimestamp") && u->kind->key(&p, v.metadata, v.key);
	if (old && (!same || !ours || strcmp(old->slot->key, v.key) != 0)) {
		drop(u, old);
		old = NULL;
	}
	return ours ? take(u, &v, object, old, own_since) : 0;
}

int upkeep_see(struct upkeep *u, const json_t *object)
{
	return see(u, object, MONO_NEVER);
}

int upkeep_see_own(struct upkeep *u, const json_t *object, mono_t now)
{
	return see(u, object, now);
}

void upkeep_unsee(struct upkeep *u, const char *name)
{
	struct seen *s = seen_find(u, name);
	if (!s)
		return;
	if (s->slot)
		s->slot->lost = true;
	drop(u, s);
}

void upkeep_synced(struct upkeep *u, mono_t now)
{
	u->synced = true;
	/* Nobody will ever say that these are gone: the list does not know them. */
	hashtab_each (&u->seen, n) {
		struct seen *s = (struct seen *)n;
		if (s->own_since.us != MONO_NEVER.us && mono_sub(now, s->own_since) >= UPKEEP_AWAIT)
			drop(u, s);
	}
}

const struct desk_counts *upkeep_counts(const struct upkeep *u)
{
	return &u->jobs.counts;
}

uint64_t upkeep_ignored(const struct upkeep *u)
{
	return u->ignored;
}
