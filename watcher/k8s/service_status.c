/* Addresses of Services, from the allocator's word to the API server. Pure; run by the watcher. */
#include "watcher/k8s/service_status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/model/service.h"
#include "watcher/k8s/service_row.h"
#include "watcher/k8s/version.h"

enum { FIRST_WAIT_US = 250000, MOST_WAIT_US = 30000000, REFUSED_WAIT_US = 60000000 };

void service_status_init(struct service_status_desk *d, uint64_t seed)
{
	*d = (struct service_status_desk){ .seed = seed, .paused = true, .next_later = MONO_NEVER };
	map_init(&d->services);
	map_init(&d->under_way);
	d->due_tail = &d->due_head;
	d->later_tail = &d->later_head;
}

void service_status_fini(struct service_status_desk *d)
{
	map_fini(&d->services, service_row_free);
	map_fini(&d->under_way, NULL);
}

static struct row *row_get(struct service_status_desk *d, const char *key)
{
	struct row *r = map_get(&d->services, key);
	if (r)
		return r;
	r = calloc(1, sizeof *r);
	if (!r || map_set(&d->services, key, r, NULL) < 0) {
		free(r);
		return NULL;
	}
	r->key = map_find_n(&d->services, key, strlen(key))->key;
	return r;
}

static void make_due(struct service_status_desk *d, struct row *r)
{
	if (r->queued != ROW_IDLE)
		return;
	r->queued = ROW_DUE;
	r->next = NULL;
	*d->due_tail = r;
	d->due_tail = &r->next;
}

static void make_later(struct service_status_desk *d, struct row *r, mono_t at)
{
	r->queued = ROW_LATER;
	r->not_before = at;
	r->next = NULL;
	*d->later_tail = r;
	d->later_tail = &r->next;
	d->next_later = mono_min(d->next_later, at);
}

/* Something about it changed: compare, at once. */
static void look(struct service_status_desk *d, struct row *r)
{
	if (d->paused || !service_row_differs(r))
		return;
	if (r->queued == ROW_LATER)
		d->next_later = r->not_before = (mono_t){ INT64_MIN };
	make_due(d, r);
}

static void unlink_row(struct service_status_desk *d, struct row *r)
{
	for (struct row **p = &d->due_head; *p; p = &(*p)->next) {
		if (*p != r)
			continue;
		*p = r->next;
		d->due_tail = *p ? d->due_tail : p;
		return;
	}
	for (struct row **p = &d->later_head; *p; p = &(*p)->next) {
		if (*p != r)
			continue;
		*p = r->next;
		d->later_tail = *p ? d->later_tail : p;
		return;
	}
}

/* Nobody knows it any more. */
static void settle(struct service_status_desk *d, struct row *r)
{
	if (r->exists || r->wanted)
		return;
	if (r->queued == ROW_UNDER_WAY)
		map_del_n(&d->under_way, &r->id, sizeof r->id);
	else if (r->queued != ROW_IDLE)
		unlink_row(d, r);
	map_del(&d->services, r->key);
	service_row_free(r);
}

int service_status_saw(struct service_status_desk *d, const char *key, const char *uid, const char *rv,
		       const Ingot__Service *s)
{
	struct row *r = row_get(d, key);
	if (!r)
		return -ENOMEM;
	/* An echo of what an answer has told already. */
	if (r->exists && strcmp(r->uid, uid) == 0 && version_is_older(rv, r->rv))
		return 0;
	int rc = service_row_saw(r, uid, rv, s);
	if (rc == 0)
		look(d, r);
	return rc;
}

void service_status_gone(struct service_status_desk *d, const char *key)
{
	struct row *r = map_get(&d->services, key);
	if (!r)
		return;
	r->exists = false;
	settle(d, r);
}

int service_status_want(struct service_status_desk *d, const char *key, const Ingot__Assignment *a)
{
	struct row *r = row_get(d, key);
	int rc = r ? service_row_want(r, a) : -ENOMEM;
	if (rc == 0)
		look(d, r);
	return rc;
}

void service_status_unwant(struct service_status_desk *d, const char *key)
{
	struct row *r = map_get(&d->services, key);
	if (!r)
		return;
	r->wanted = false;
	settle(d, r);
}

void service_status_pause(struct service_status_desk *d, bool paused)
{
	if (d->paused == paused)
		return;
	d->paused = paused;
	if (paused)
		return;
	map_each (&d->services, e)
		look(d, e->value);
}

/* Failed ones whose time has come. */
static void wake_later(struct service_status_desk *d, mono_t now)
{
	struct row *all = d->later_head;
	if (!mono_reached(now, d->next_later))
		return;
	d->later_head = NULL;
	d->later_tail = &d->later_head;
	d->next_later = MONO_NEVER;
	for (struct row *r = all, *next; r; r = next) {
		next = r->next;
		r->queued = ROW_IDLE;
		if (mono_reached(now, r->not_before))
			make_due(d, r);
		else
			make_later(d, r, r->not_before);
	}
}

static bool write_out(struct service_status_desk *d, struct row *r, struct write *ret)
{
	struct strbuf path = { 0 };
	const char *slash = strchr(r->key, '/');
	must(slash);
	bool look_first = r->look_first;
	strbuf_fmt(&path, "/api/v1/namespaces/%.*s/services/%s%s", (int)(slash - r->key), r->key, slash + 1,
		   look_first ? "" : "/status");
	*ret = (struct write){ .id = d->last_id + 1,
			       .method = look_first ? WRITE_GET : WRITE_PATCH,
			       .path = strbuf_take(&path),
			       .body = look_first ? NULL : service_row_patch(r) };
	str_fmt(ret->what, sizeof ret->what, "Service %.250s %s", r->key, look_first ? "" : "status");
	if (!ret->path || (!look_first && !ret->body) ||
	    map_set_n(&d->under_way, &ret->id, sizeof ret->id, r, NULL) < 0) {
		write_fini(ret);
		return false;
	}
	r->id = ++d->last_id;
	r->queued = ROW_UNDER_WAY;
	r->look_first = false;
	d->writes += !look_first;
	return true;
}

bool service_status_next(void *desk, mono_t now, struct write *ret)
{
	struct service_status_desk *d = desk;
	if (d->paused)
		return false;
	wake_later(d, now);
	while (d->due_head) {
		struct row *r = d->due_head;
		d->due_head = r->next;
		d->due_tail = d->due_head ? d->due_tail : &d->due_head;
		r->queued = ROW_IDLE;
		if (!service_row_differs(r)) {
			d->unchanged++;
			continue;
		}
		if (write_out(d, r, ret))
			return true;
		make_later(d, r, mono_add(now, FIRST_WAIT_US)); /* out of memory */
	}
	return false;
}

mono_t service_status_wake(const void *desk)
{
	const struct service_status_desk *d = desk;
	if (d->paused)
		return MONO_NEVER;
	return d->due_head ? (mono_t){ INT64_MIN } : d->next_later;
}

static void fail(struct service_status_desk *d, struct row *r, const struct write_outcome *o, mono_t now)
{
	struct backoff b;
	bool refused = o->status >= 400 && o->status < 500 && o->status != 429 && o->status != 408;
	d->failures++;
	str_fmt(d->trouble_key, sizeof d->trouble_key, "%s", r->key);
	str_fmt(d->trouble, sizeof d->trouble, "%s",
		o->status ? o->error.message : (o->failure ? o->failure : "no answer"));
	backoff_init(&b, FIRST_WAIT_US, MOST_WAIT_US, d->seed += 0x9e3779b97f4a7c15);
	for (unsigned i = 0; i < r->attempts; i++)
		backoff_next(&b);
	int64_t wait = backoff_next(&b);
	if (refused && o->status != 403 && o->status != 401)
		wait = REFUSED_WAIT_US;
	if (o->retry_after_us > wait)
		wait = o->retry_after_us < REFUSED_WAIT_US ? o->retry_after_us : REFUSED_WAIT_US;
	if (r->attempts < 16)
		r->attempts++;
	r->look_first = o->status == 0;
	make_later(d, r, mono_add(now, wait));
}

void service_status_done(void *desk, uint64_t id, const struct write_outcome *o, mono_t now)
{
	struct service_status_desk *d = desk;
	struct row *r = map_del_n(&d->under_way, &id, sizeof id);
	if (!r)
		return;
	r->queued = ROW_IDLE;
	if (o->status >= 200 && o->status < 300) {
		r->attempts = 0;
		if (o->object && service_row_saw_json(r, o->object) < 0)
			r->look_first = true;
		look(d, r);
	} else if (o->status == 409) {
		d->conflicts++;
		r->look_first = true;
		look(d, r);
	} else if (o->status == 404) {
		/* The watch will say that it is gone, or what there is in its place. */
		r->exists = false;
		settle(d, r);
	} else {
		fail(d, r, o, now);
	}
}
