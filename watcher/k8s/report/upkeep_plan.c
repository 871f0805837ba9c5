/* What to write next about one object, and what became of it. Pure; run by the watcher. */
#include "watcher/k8s/report/upkeep_internal.h"

#include <stddef.h>
#include <stdlib.h>

enum { FUTILE_MOST = 9 };
#define API "/apis/metallb.io/v1beta1"

static bool meta_agrees(const struct upkeep *u, const struct slot *s)
{
	if (!u->kind->creates)
		return true;
	return s->main->labelled && (!u->owners || s->main->owners == u->owners);
}

static enum request erase(struct slot *s, struct seen *target)
{
	s->target = target;
	return REQUEST_DELETE;
}

static enum request plan_create(struct upkeep *u, struct slot *s, mono_t now)
{
	if (!u->kind->creates)
		return REQUEST_NONE;
	if (mono_reached(now, s->await))
		return REQUEST_CREATE;
	jobs_look(&u->jobs, &s->job, s->await);
	return REQUEST_NONE;
}

/* The slot may be gone when the answer is REQUEST_NONE. */
static enum request plan(struct upkeep *u, struct slot *s, mono_t now)
{
	if (!s->wanted) {
		if (!s->main)
			upkeep_slot_free(u, s);
		else if (u->kind->removes && u->whole)
			return erase(s, s->others ? s->others : s->main);
		return REQUEST_NONE;
	}
	if (!s->main)
		return plan_create(u, s, now);
	if (s->main->foreign && u->kind->removes)
		return erase(s, s->main);
	if (!meta_agrees(u, s))
		return REQUEST_META;
	if (!upkeep_status_agrees(u, s))
		return REQUEST_STATUS;
	s->futile = 0;
	return s->others && u->kind->removes ? erase(s, s->others) : REQUEST_NONE;
}

static void describe(const struct upkeep *u, const struct slot *s, enum request r, char *buf, size_t size)
{
	static const char *const verbs[] = { [REQUEST_NONE] = "",
					     [REQUEST_CREATE] = "create",
					     [REQUEST_META] = "labels and owner",
					     [REQUEST_STATUS] = "status",
					     [REQUEST_DELETE] = "delete" };
	str_fmt(buf, size, "%s %s: %s", u->kind->kind, s->key, verbs[r]);
}

static void fill(const struct upkeep *u, const struct slot *s, enum request r, struct write *w)
{
	const char *plural = u->kind->plural;
	*w = (struct write){ .method = WRITE_PATCH };
	switch (r) {
	case REQUEST_CREATE:
		w->method = WRITE_POST;
		w->path = path_object(API, u->ns, plural, NULL, NULL);
		w->body = upkeep_body_create(u, s);
		break;
	case REQUEST_META:
		w->path = path_object(API, u->ns, plural, s->main->name, NULL);
		w->body = upkeep_body_meta(u, s);
		break;
	case REQUEST_STATUS:
		w->path = path_object(API, u->ns, plural, s->main->name, "/status");
		w->body = upkeep_body_status(u, s);
		break;
	case REQUEST_DELETE:
		w->method = WRITE_DELETE;
		w->path = path_object(API, u->ns, plural, s->target->name, NULL);
		w->body = upkeep_body_delete(upkeep_uid(s->target));
		break;
	case REQUEST_NONE: break;
	}
	describe(u, s, r, w->what, sizeof w->what);
}

static struct slot *slot_of(struct job *j)
{
	return (struct slot *)((char *)j - offsetof(struct slot, job));
}

static bool upkeep_next(void *desk, mono_t now, struct write *ret)
{
	struct upkeep *u = desk;
	struct job *j;
	while (!u->held && u->synced && (j = jobs_pop(&u->jobs, now))) {
		struct slot *s = slot_of(j);
		struct write w;
		enum request r = plan(u, s, now);
		if (r == REQUEST_NONE)
			continue;
		fill(u, s, r, &w);
		if (jobs_start(&u->jobs, j, now, &w) < 0)
			continue;
		s->request = (uint8_t)r;
		s->lost = false;
		s->sent = s->wanted_hash;
		if (r == REQUEST_CREATE)
			s->creating = true;
		*ret = w;
		return true;
	}
	return false;
}

/* Whether it exists is for the watch to show, within a while that grows; its showing ends the wait. */
static void await(struct slot *s, mono_t now)
{
	int64_t wait = mono_sub(s->job.not_before, now);
	s->await = mono_add(now, wait > UPKEEP_AWAIT ? wait : UPKEEP_AWAIT);
	s->job.not_before = (mono_t){ 0 };
}

static void done_create(struct upkeep *u, struct slot *s, enum verdict v, const struct write_outcome *o,
			mono_t now)
{
	bool exists = v == VERDICT_CONFLICT && !u->kind->generate;
	if (v == VERDICT_DONE && o->object && !s->lost)
		(void)upkeep_see_own(u, o->object, now); /* else the watch will show it */
	if (v != VERDICT_DONE && v != VERDICT_MAYBE)
		s->creating = false;
	if (!s->main && (v == VERDICT_DONE || v == VERDICT_MAYBE || exists))
		await(s, now);
}

/* A server that accepts a patch and keeps something else must not be asked again and again. */
static void done_patch(struct upkeep *u, struct slot *s, enum request r, const struct write_outcome *o,
		       mono_t now)
{
	int64_t wait = UPKEEP_AWAIT;
	if (s->lost)
		return; /* nobody would ever say again that it is gone */
	if (o->object && upkeep_see_own(u, o->object, now) == 0) {
		bool agrees = !s->main || !s->wanted || s->sent != s->wanted_hash ||
			      (r == REQUEST_META ? meta_agrees(u, s) : upkeep_status_agrees(u, s));
		if (agrees) {
			if (r == REQUEST_STATUS && u->kind->pause_us)
				s->job.not_before = mono_add(now, u->kind->pause_us);
			return;
		}
		if (s->futile < FUTILE_MOST)
			s->futile++;
		wait = SEC(1) << s->futile;
	}
	s->job.not_before = mono_add(now, wait);
}

static void upkeep_done(void *desk, uint64_t id, const struct write_outcome *o, mono_t now)
{
	struct upkeep *u = desk;
	enum verdict v;
	struct job *j = jobs_done(&u->jobs, id, o, now, &v);
	if (!j)
		return;
	struct slot *s = slot_of(j);
	struct seen *target = s->target;
	enum request r = (enum request)s->request;
	s->target = NULL;
	if (v == VERDICT_REFUSED || (v == VERDICT_GONE && r == REQUEST_CREATE)) {
		char what[320];
		describe(u, s, r, what, sizeof what);
		jobs_tell(&u->jobs, what, &o->error, now);
	}
	bool gone = v == VERDICT_DONE || v == VERDICT_GONE;
	if (r == REQUEST_CREATE)
		done_create(u, s, v, o, now);
	else if (r == REQUEST_DELETE && target && gone)
		upkeep_gone(u, target);
	else if (r != REQUEST_DELETE && v == VERDICT_DONE)
		done_patch(u, s, r, o, now);
	s->request = REQUEST_NONE;
	upkeep_settle(u, s);
}

static mono_t upkeep_wake(const void *desk)
{
	const struct upkeep *u = desk;
	return u->held || !u->synced ? MONO_NEVER : jobs_wake(&u->jobs);
}

const struct desk_ops upkeep_desk = { upkeep_next, upkeep_done, upkeep_wake };
