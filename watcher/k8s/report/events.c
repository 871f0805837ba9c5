/* The desk of events: what waits, what is known, what became of it. Pure; run by the watcher. */
#include "watcher/k8s/report/events_internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char combined_prefix[] = "(combined from similar events): ";

/* One object in the API. It has words as long as something about it is to be written. */
struct entry {
	struct cache_node node; /* pinned while it has words */
	struct job job;
	struct words *words;
	char *name;	      /* of the object */
	uint64_t count, sent; /* seen; in the request in flight */
	uint64_t written;     /* what the API has */
	int64_t first_ms, last_ms;
	bool created, creating; /* the object is there; the request in flight makes it */
	bool doubtful;		/* a creation got no answer */
};

struct events {
	enum events_api api;
	bool (*exists)(void *ctx, const char *ns, const char *service, const char *uid);
	void *ctx;
	struct jobs jobs;
	struct rules rules;
	struct cache known; /* key -> struct entry */
	size_t waiting;
	uint64_t last_ns; /* in the name of the newest object */
	struct events_counts counts;
};

static struct events *events_of(struct cache *c)
{
	return (struct events *)((char *)c - offsetof(struct events, known));
}

static void entry_free(struct cache *c, struct cache_node *n)
{
	struct entry *x = (struct entry *)n;
	jobs_remove(&events_of(c)->jobs, &x->job);
	words_free(x->words);
	free(x->name);
	free(x);
}

struct events *events_new(const struct desk_tell *tell,
			  bool (*exists)(void *ctx, const char *ns, const char *service, const char *uid),
			  void *ctx)
{
	struct events *e = calloc(1, sizeof *e);
	if (!e)
		return NULL;
	e->exists = exists;
	e->ctx = ctx;
	jobs_init(&e->jobs, tell);
	rules_init(&e->rules);
	cache_init(&e->known, EVENTS_KNOWN, entry_free);
	return e;
}

void events_free(struct events *e)
{
	if (!e)
		return;
	hashtab_each (&e->known.nodes, n)
		((struct entry *)n)->job.id = 0; /* nobody will answer */
	cache_fini(&e->known);
	rules_fini(&e->rules);
	jobs_fini(&e->jobs);
	free(e);
}

void events_api(struct events *e, enum events_api api)
{
	e->api = api;
}

/* "<service>.<hex of wall clock in ns>". The clock gives milliseconds: the rest tells nodes apart that speak
 * about a Service at the same time, and no two of ours are equal. */
static int entry_name(struct events *e, struct entry *x, const struct words *w, int64_t wall_ms)
{
	static const uint8_t salt[16] = "ingot event name";
	struct strbuf b = { 0 };
	uint64_t ns =
	    (uint64_t)wall_ms * 1000000 + siphash24(salt, w->instance, strlen(w->instance)) % 1000000;
	if (ns <= e->last_ns)
		ns = e->last_ns + 1;
	e->last_ns = ns;
	strbuf_fmt(&b, "%s.%llx", w->service, (unsigned long long)ns);
	char *name = strbuf_take(&b);
	if (!name)
		return -ENOMEM;
	free(x->name);
	x->name = name;
	return 0;
}

static void entry_drop(struct events *e, struct entry *x)
{
	e->waiting -= x->words != NULL;
	cache_drop(&e->known, &x->node);
}

/* Takes words. */
static void entry_wake(struct events *e, struct entry *x, struct words *w)
{
	if (!x->words) {
		e->waiting++;
		cache_pin(&e->known, &x->node);
	}
	words_free(x->words);
	x->words = w;
	jobs_touch(&e->jobs, &x->job);
}

/* Takes words, also on failure. */
static int entry_new(struct events *e, const char *key, const struct service_event *ev, struct words *w)
{
	static const uint8_t salt[16] = "ingot event wait";
	struct entry *x = calloc(1, sizeof *x);
	if (!x || jobs_add(&e->jobs, &x->job, siphash24(salt, key, strlen(key))) < 0 ||
	    entry_name(e, x, w, ev->wall_ms) < 0) {
		if (x)
			jobs_remove(&e->jobs, &x->job);
		free(x);
		words_free(w);
		return -ENOMEM;
	}
	x->words = w;
	x->count = 1;
	x->first_ms = x->last_ms = ev->wall_ms;
	if (cache_put(&e->known, key, &x->node, true) < 0)
		return -ENOMEM;
	e->waiting++;
	/* In the order in which they happened. */
	jobs_look(&e->jobs, &x->job, ev->at);
	return 0;
}

/* Whether something may be written for ev; what stands in the way is counted. 1, 0, -ENOMEM. */
static int admit(struct events *e, const struct service_event *ev, const struct entry *x)
{
	int rc = rules_admit(&e->rules, ev);
	if (rc == 0)
		e->counts.spam++;
	if (rc == 1 && !(x && x->words) && e->waiting >= EVENTS_QUEUE) {
		e->counts.full++;
		rc = 0;
	}
	return rc;
}

static int enter(struct events *e, const char *key, const struct service_event *ev, const char *note)
{
	struct entry *x = (struct entry *)cache_get(&e->known, key);
	if (x) {
		e->counts.repeated++;
		x->count++;
		x->last_ms = ev->wall_ms;
	}
	int rc = admit(e, ev, x);
	if (rc <= 0)
		return rc;
	struct words *w = words_new(ev, note);
	if (!w)
		return -ENOMEM;
	if (!x)
		return entry_new(e, key, ev, w);
	entry_wake(e, x, w);
	return 0;
}

int events_add(struct events *e, const struct service_event *ev)
{
	struct strbuf key = { 0 }, note = { 0 };
	e->counts.taken++;
	int rc = rules_combine(&e->rules, ev);
	bool combined = rc == 1;
	if (combined) {
		e->counts.combined++;
		strbuf_fmt(&note, "%s%s", combined_prefix, ev->note);
	}
	const char *k = combined ? rules_key_similar(ev, &key) : rules_key_event(ev, &key);
	if (rc >= 0)
		rc = k && !note.oom ? enter(e, k, ev, combined ? note.s : ev->note) : -ENOMEM;
	strbuf_fini(&key);
	strbuf_fini(&note);
	return rc;
}

static struct entry *entry_of(struct job *j)
{
	return (struct entry *)((char *)j - offsetof(struct entry, job));
}

static void describe(const struct entry *x, char *buf, size_t size)
{
	str_fmt(buf, size, "event %s of Service %s/%s", x->words->reason, x->words->ns, x->words->service);
}

static void fill(const struct events *e, struct entry *x, struct write *w)
{
	struct written_event v = { x->words, x->name, x->count, x->first_ms, x->last_ms };
	*w = (struct write){ .method = x->created ? WRITE_PATCH : WRITE_POST };
	w->body = x->created ? events_body_repeat(e->api, &v) : events_body_create(e->api, &v);
	w->path = w->body ? path_object(events_path(e->api), x->words->ns, "events",
					x->created ? x->name : NULL, NULL)
			  : NULL;
	describe(x, w->what, sizeof w->what);
}

static bool events_next(void *desk, mono_t now, struct write *ret)
{
	struct events *e = desk;
	struct job *j;
	while (e->api != EVENTS_API_UNKNOWN && (j = jobs_pop(&e->jobs, now))) {
		struct entry *x = entry_of(j);
		if (!x->words)
			continue;
		if (!e->exists(e->ctx, x->words->ns, x->words->service, x->words->uid)) {
			e->counts.gone++;
			entry_drop(e, x);
			continue;
		}
		struct write w;
		fill(e, x, &w);
		if (jobs_start(&e->jobs, j, now, &w) < 0)
			continue;
		x->sent = x->count;
		x->creating = !x->created;
		*ret = w;
		return true;
	}
	return false;
}

/* The API has it as it was sent. Nothing new since: it rests. */
static void stored(struct events *e, struct entry *x)
{
	x->created = true;
	x->doubtful = false;
	x->written = x->sent;
	if (x->written < x->count)
		return;
	words_free(x->words);
	x->words = NULL;
	e->waiting--;
	cache_unpin(&e->known, &x->node);
}

/* It is made, under another name. */
static void again(struct events *e, struct entry *x)
{
	x->created = x->doubtful = false;
	x->job.not_before = (mono_t){ 0 };
	if (entry_name(e, x, x->words, x->first_ms) == 0)
		jobs_touch(&e->jobs, &x->job);
}

static void drop(struct events *e, struct entry *x, uint64_t *counter)
{
	(*counter)++;
	entry_drop(e, x);
}

static void refused(struct events *e, struct entry *x, const struct write_outcome *o, mono_t now)
{
	char what[320];
	if (o->status == 403 && strstr(o->error.message, "being terminated")) {
		drop(e, x, &e->counts.gone); /* its namespace, and soon the Service */
		return;
	}
	describe(x, what, sizeof what);
	jobs_tell(&e->jobs, what, &o->error, now);
	if (!jobs_is_general(o))
		drop(e, x, &e->counts.refused);
}

static void events_done(void *desk, uint64_t id, const struct write_outcome *o, mono_t now)
{
	struct events *e = desk;
	enum verdict v;
	struct job *j = jobs_done(&e->jobs, id, o, now, &v);
	if (!j)
		return;
	struct entry *x = entry_of(j);
	switch (v) {
	case VERDICT_DONE: stored(e, x); break;
	case VERDICT_CONFLICT:
		/* The name is taken: by an earlier attempt of ours, or by somebody else's event. */
		if (x->creating && x->doubtful)
			stored(e, x);
		else if (x->creating)
			again(e, x);
		break;
	case VERDICT_GONE:
		/* The API forgets events after an hour. Without its namespace none can be made. */
		if (x->creating)
			drop(e, x, &e->counts.gone);
		else
			again(e, x);
		break;
	case VERDICT_REFUSED: refused(e, x, o, now); break;
	case VERDICT_MAYBE: x->doubtful = x->creating; break;
	case VERDICT_WAIT: break;
	}
}

static mono_t events_wake(const void *desk)
{
	const struct events *e = desk;
	return e->api == EVENTS_API_UNKNOWN ? MONO_NEVER : jobs_wake(&e->jobs);
}

struct events_counts events_counts(const struct events *e)
{
	struct events_counts c = e->counts;
	c.forgotten = e->known.forgotten + e->rules.similar.forgotten + e->rules.sources.forgotten;
	return c;
}

const struct desk_counts *events_desk_counts(const struct events *e)
{
	return &e->jobs.counts;
}

size_t events_waiting(const struct events *e)
{
	return e->waiting;
}

const struct desk_ops events_desk = { events_next, events_done, events_wake };
