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
	*d = (struct service_status_desk){ .seed = seed, .paused = true, .closed_until = { INT64_MIN } };
	map_init(&d->services);
	map_init(&d->under_way);
	heap_init(&d->later);
	backoff_init(&d->brake, FIRST_WAIT_US, MOST_WAIT_US, seed);
	d->due_tail = &d->due_head;
}

void service_status_fini(struct service_status_desk *d)
{
	map_fini(&d->services, service_row_free);
	map_fini(&d->under_way, NULL);
	heap_fini(&d->later);
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
	r->queued = ROW_DUE;
	r->next = NULL;
	r->link = d->due_tail;
	*d->due_tail = r;
	d->due_tail = &r->next;
}

static void make_later(struct service_status_desk *d, struct row *r, mono_t at)
{
	r->queued = ROW_LATER;
	if (heap_set(&d->later, &r->later, at) < 0)
		make_due(d, r); /* out of memory: sooner than it should be */
}

static void leave_due(struct service_status_desk *d, struct row *r)
{
	*r->link = r->next;
	*(r->next ? &r->next->link : &d->due_tail) = r->link;
	r->queued = ROW_IDLE;
}

/* Out of whatever it stands in; the answer to a request under way is for nobody then. */
static void leave(struct service_status_desk *d, struct row *r)
{
	if (r->queued == ROW_DUE)
		leave_due(d, r);
	else if (r->queued == ROW_LATER)
		heap_remove(&d->later, &r->later);
	else if (r->queued == ROW_UNDER_WAY)
		map_del_n(&d->under_way, &r->id, sizeof r->id);
	r->queued = ROW_IDLE;
}

/* What is known about the way to this Service was about a former one. */
static void forget(struct service_status_desk *d, struct row *r)
{
	leave(d, r);
	r->exists = r->look_first = false;
	r->attempts = 0;
}

/* Something about it changed: compare, at once. */
static void look(struct service_status_desk *d, struct row *r)
{
	r->news |= r->queued == ROW_UNDER_WAY;
	if (d->paused || !service_row_differs(r))
		return;
	if (r->queued == ROW_LATER)
		leave(d, r);
	if (r->queued == ROW_IDLE)
		make_due(d, r);
}

/* Nobody knows it any more. */
static void settle(struct service_status_desk *d, struct row *r)
{
	if (r->exists || r->wanted)
		return;
	leave(d, r);
	map_del(&d->services, r->key);
	service_row_free(r);
}

int service_status_saw(struct service_status_desk *d, const char *key, const char *uid, const char *rv,
		       const Ingot__Service *s)
{
	struct row *r = row_get(d, key);
	if (!r)
		return -ENOMEM;
	if (r->exists && strcmp(r->uid, uid) != 0)
		forget(d, r);
	/* An echo of what an answer has told already. */
	if (r->exists && version_is_older(rv, r->rv))
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
	forget(d, r);
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

static bool write_out(struct service_status_desk *d, struct row *r, struct write *ret)
{
	struct strbuf path = { 0 };
	const char *slash = strchr(r->key, '/');
	must(slash);
	bool reading = r->look_first;
	strbuf_fmt(&path, "/api/v1/namespaces/%.*s/services/%s%s", (int)(slash - r->key), r->key, slash + 1,
		   reading ? "" : "/status");
	*ret = (struct write){ .id = d->last_id + 1,
			       .method = reading ? WRITE_GET : WRITE_PATCH,
			       .path = strbuf_take(&path),
			       .body = reading ? NULL : service_row_patch(r) };
	str_fmt(ret->what, sizeof ret->what, "Service %.250s %s", r->key, reading ? "" : "status");
	if (!ret->path || (!reading && !ret->body) ||
	    map_set_n(&d->under_way, &ret->id, sizeof ret->id, r, NULL) < 0) {
		write_fini(ret);
		return false;
	}
	r->id = ++d->last_id;
	r->queued = ROW_UNDER_WAY;
	r->look_first = false;
	r->reading = reading;
	r->news = false;
	d->writes += !reading;
	return true;
}

bool service_status_next(void *desk, mono_t now, struct write *ret)
{
	struct service_status_desk *d = desk;
	if (d->paused || !mono_reached(now, d->closed_until))
		return false;
	for (struct heap_node *n; (n = heap_pop_due(&d->later, now));)
		make_due(d, (struct row *)n);
	while (d->due_head) {
		struct row *r = d->due_head;
		leave_due(d, r);
		if (!service_row_differs(r)) {
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
	mono_t due = d->due_head ? (mono_t){ INT64_MIN } : heap_next(&d->later);
	return mono_before(due, d->closed_until) ? d->closed_until : due;
}

static bool may_pass_soon(int status)
{
	switch (status) {
	case 401:
	case 403:
	case 408:
	case 409:
	case 429: return true;
	default: return status < 400 || status >= 500;
	}
}

/* How long the next attempt has to wait. What was refused stays so, unless something changes. */
static int64_t wait_of(struct service_status_desk *d, const struct row *r, const struct write_outcome *o)
{
	struct backoff b;
	backoff_init(&b, FIRST_WAIT_US, MOST_WAIT_US, d->seed += 0x9e3779b97f4a7c15);
	for (unsigned i = 0; i < r->attempts; i++)
		backoff_next(&b);
	int64_t wait = may_pass_soon(o->status) ? backoff_next(&b) : REFUSED_WAIT_US;
	if (o->retry_after_us > wait)
		wait = o->retry_after_us < REFUSED_WAIT_US ? o->retry_after_us : REFUSED_WAIT_US;
	return wait;
}

static void fail(struct service_status_desk *d, struct row *r, const struct write_outcome *o, mono_t now)
{
	/* What was refused is not what is wanted any more. */
	if (r->news && !may_pass_soon(o->status)) {
		look(d, r);
		return;
	}
	if ((o->status == 401 || o->status == 403) && mono_reached(now, d->closed_until))
		d->closed_until = mono_add(now, backoff_next(&d->brake));
	make_later(d, r, mono_add(now, wait_of(d, r, o)));
	r->attempts += r->attempts < 16;
}

/* Somebody has changed it: read and write again, at once the first time. */
static void conflict(struct service_status_desk *d, struct row *r, const struct write_outcome *o, mono_t now)
{
	d->conflicts++;
	if (r->attempts == 0)
		look(d, r);
	else
		make_later(d, r, mono_add(now, wait_of(d, r, o)));
	r->attempts += r->attempts < 16;
}

void service_status_done(void *desk, uint64_t id, const struct write_outcome *o, mono_t now)
{
	struct service_status_desk *d = desk;
	struct row *r = map_del_n(&d->under_way, &id, sizeof id);
	if (!r)
		return;
	r->queued = ROW_IDLE;
	bool good = o->status >= 200 && o->status < 300;
	if (good && o->object && service_row_saw_json(r, o->object) == 0) {
		backoff_reset(&d->brake);
		if (!r->reading || !service_row_differs(r))
			r->attempts = 0;
		look(d, r);
		return;
	}
	/* No answer, or one that says nothing about the object: it may have been written all the same. */
	r->look_first = o->status == 0 || good || o->status == 404 || o->status == 409;
	if (o->status == 409)
		conflict(d, r, o, now);
	else if (o->status == 404) /* gone, which the watch is about to say */
		make_later(d, r, mono_add(now, wait_of(d, r, o)));
	else
		fail(d, r, o, now);
}
