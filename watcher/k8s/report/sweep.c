/* Deletes what other nodes left. Pure; run by the watcher. */
#include "watcher/k8s/report/sweep.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/limits.h"

#define API   "/apis/metallb.io/v1beta1"
#define PAUSE SEC(1)

struct victim {
	struct job job;
	char uid[DECODE_UID];
	char key[OBJECT_KEY]; /* of the Service */
	char name[];
};

struct sweep {
	const struct upkeep_kind *kind;
	char *ns, *node;
	bool (*ours)(void *ctx, const char *key);
	void *ctx;
	struct jobs jobs;
	struct job list;
	struct map victims; /* name -> struct victim */
	bool wanted, running;
	char *token; /* of the next page */
	uint64_t postponed;
};

struct sweep *sweep_new(const struct upkeep_kind *kind, const struct upkeep_place *p,
			const struct desk_tell *tell, bool (*ours)(void *ctx, const char *key), void *ctx)
{
	struct sweep *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	*s = (struct sweep){ .kind = kind, .ns = strdup(p->ns), .node = strdup(p->node), .ours = ours };
	s->ctx = ctx;
	jobs_init(&s->jobs, tell);
	map_init(&s->victims);
	if (s->ns && s->node && jobs_add(&s->jobs, &s->list, 1) == 0)
		return s;
	sweep_free(s);
	return NULL;
}

void sweep_free(struct sweep *s)
{
	if (!s)
		return;
	jobs_fini(&s->jobs);
	map_fini(&s->victims, free);
	free(s->ns);
	free(s->node);
	free(s->token);
	free(s);
}

void sweep_took(struct sweep *s)
{
	s->wanted = true;
	jobs_touch(&s->jobs, &s->list);
}

static void victim_free(struct sweep *s, struct victim *v)
{
	jobs_remove(&s->jobs, &v->job);
	map_del(&s->victims, v->name);
	free(v);
	jobs_touch(&s->jobs, &s->list); /* it may have waited for room */
}

/* Enough room is left to learn of more. */
static bool has_room(const struct sweep *s)
{
	return map_len(&s->victims) <= SWEEP_VICTIMS / 2;
}

static char *list_path(const struct sweep *s)
{
	struct strbuf b = { 0 };
	char *path = path_object(API, s->ns, s->kind->plural, NULL, NULL);
	strbuf_fmt(&b, "%s?labelSelector=metallb.io%%2Fnode%%21%%3D", path ? path : "");
	path_segment(&b, s->node);
	strbuf_fmt(&b, "&limit=%d", SWEEP_PAGE);
	if (s->token) {
		strbuf_add(&b, "&continue=");
		path_segment(&b, s->token);
	}
	b.oom = b.oom || !path;
	free(path);
	return strbuf_take(&b);
}

static void describe_list(const struct sweep *s, char *buf, size_t size)
{
	str_fmt(buf, size, "%s of other nodes: list", s->kind->kind);
}

static bool plan_list(struct sweep *s, struct write *w)
{
	if (!s->running && (!s->wanted || !has_room(s)))
		return false;
	if (!s->running) {
		s->wanted = false;
		s->running = true;
	}
	*w = (struct write){ .method = WRITE_GET, .path = list_path(s) };
	describe_list(s, w->what, sizeof w->what);
	return true;
}

static void describe(const struct sweep *s, const struct victim *v, char *buf, size_t size)
{
	str_fmt(buf, size, "%s %s of another node: delete", s->kind->kind, v->key);
}

/* The victim is freed when it is none any more. */
static bool plan_victim(struct sweep *s, struct victim *v, struct write *w)
{
	if (!s->ours(s->ctx, v->key)) {
		victim_free(s, v);
		return false;
	}
	json_t *body = json_pack("{s:s, s:s, s:{s:s}}", "kind", "DeleteOptions", "apiVersion", "v1",
				 "preconditions", "uid", v->uid);
	*w = (struct write){ .method = WRITE_DELETE };
	w->body = body ? json_dumps(body, JSON_COMPACT) : NULL;
	w->path = w->body ? path_object(API, s->ns, s->kind->plural, v->name, NULL) : NULL;
	json_decref(body);
	describe(s, v, w->what, sizeof w->what);
	return true;
}

static struct victim *victim_of(struct job *j)
{
	return (struct victim *)((char *)j - offsetof(struct victim, job));
}

static bool sweep_next(void *desk, mono_t now, struct write *ret)
{
	struct sweep *s = desk;
	struct job *j;
	while ((j = jobs_pop(&s->jobs, now))) {
		struct write w;
		bool due = j == &s->list ? plan_list(s, &w) : plan_victim(s, victim_of(j), &w);
		if (!due || jobs_start(&s->jobs, j, now, &w) < 0)
			continue;
		*ret = w;
		return true;
	}
	return false;
}

static void victim_add(struct sweep *s, const char *name, const char *uid, const char *key)
{
	size_t len = strlen(name);
	if (len > LIMIT_NAME || strlen(uid) >= DECODE_UID || map_get(&s->victims, name))
		return;
	struct victim *v = map_len(&s->victims) < SWEEP_VICTIMS ? calloc(1, sizeof *v + len + 1) : NULL;
	if (v && jobs_add(&s->jobs, &v->job, len) == 0 && map_set(&s->victims, name, v, NULL) == 0) {
		memcpy(v->name, name, len + 1);
		str_fmt(v->uid, sizeof v->uid, "%s", uid);
		str_fmt(v->key, sizeof v->key, "%s", key);
		jobs_touch(&s->jobs, &v->job);
		return;
	}
	/* Another list will find it. */
	s->postponed++;
	s->wanted = true;
	if (v)
		jobs_remove(&s->jobs, &v->job);
	free(v);
}

static void page_item(struct sweep *s, const json_t *item)
{
	struct upkeep_place mine = { s->ns, s->node };
	const json_t *metadata = json_object_get(item, "metadata"),
		     *labels = json_object_get(metadata, "labels");
	const char *name = json_string_value(json_object_get(metadata, "name"));
	const char *uid = json_string_value(json_object_get(metadata, "uid"));
	struct upkeep_place theirs = { s->ns, json_string_value(json_object_get(labels, "metallb.io/node")) };
	char key[OBJECT_KEY];
	if (!name || !uid || !theirs.node || strcmp(theirs.node, mine.node) == 0 ||
	    json_object_get(metadata, "deletionTimestamp"))
		return;
	if (s->kind->key(&theirs, metadata, key) && s->ours(s->ctx, key))
		victim_add(s, name, uid, key);
}

/* 0 or -ENOMEM; -EINVAL: not a list. */
static int page(struct sweep *s, const json_t *list)
{
	const json_t *items = json_object_get(list, "items"), *item;
	const char *token = json_string_value(json_object_get(json_object_get(list, "metadata"), "continue"));
	size_t i;
	free(s->token);
	s->token = token && *token ? strdup(token) : NULL;
	if (!json_is_array(items))
		return -EINVAL;
	json_array_foreach(items, i, item) page_item(s, item);
	if (token && *token && !s->token)
		return -ENOMEM;
	return 0;
}

static void list_done(struct sweep *s, enum verdict v, const struct write_outcome *o, mono_t now)
{
	if (v == VERDICT_DONE && page(s, o->object) == 0) {
		s->running = s->token != NULL;
		if (!s->running)
			s->list.not_before = mono_add(now, PAUSE);
	} else {
		/* From the beginning, after a wait. */
		free(s->token);
		s->token = NULL;
		s->running = false;
		s->wanted = true;
		if (mono_before(s->list.not_before, mono_add(now, PAUSE)))
			s->list.not_before = mono_add(now, PAUSE);
	}
	char what[320];
	describe_list(s, what, sizeof what);
	if (v == VERDICT_REFUSED && o->status != 410) /* 410: the pages took too long */
		jobs_tell(&s->jobs, what, &o->error, now);
	jobs_touch(&s->jobs, &s->list);
}

static void sweep_done(void *desk, uint64_t id, const struct write_outcome *o, mono_t now)
{
	struct sweep *s = desk;
	enum verdict v;
	struct job *j = jobs_done(&s->jobs, id, o, now, &v);
	if (j == &s->list) {
		list_done(s, v, o, now);
	} else if (j) {
		struct victim *victim = victim_of(j);
		char what[320];
		describe(s, victim, what, sizeof what);
		if (v == VERDICT_REFUSED)
			jobs_tell(&s->jobs, what, &o->error, now);
		if (v == VERDICT_DONE || v == VERDICT_GONE || v == VERDICT_CONFLICT)
			victim_free(s, victim);
	}
}

static mono_t sweep_wake(const void *desk)
{
	return jobs_wake(&((const struct sweep *)desk)->jobs);
}

const struct desk_counts *sweep_counts(const struct sweep *s)
{
	return &s->jobs.counts;
}

uint64_t sweep_postponed(const struct sweep *s)
{
	return s->postponed;
}

const struct desk_ops sweep_desk = { sweep_next, sweep_done, sweep_wake };
