/* The common part of the desks that write events and status objects. Pure; run by the watcher. */
#include "watcher/k8s/report/jobs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"

enum { RETRY_AFTER_MOST_S = 300, TOLD_S = 600 };

void jobs_init(struct jobs *js, const struct desk_tell *tell)
{
	*js = (struct jobs){ 0 };
	heap_init(&js->heap);
	map_init(&js->flying);
	backoff_init(&js->brake, MS(500), SEC(30), 1);
	if (tell)
		js->tell = *tell;
}

void jobs_fini(struct jobs *js)
{
	heap_fini(&js->heap);
	map_fini(&js->flying, NULL);
}

int jobs_add(struct jobs *js, struct job *j, uint64_t seed)
{
	*j = (struct job){ 0 };
	backoff_init(&j->backoff, SEC(1), SEC(60), seed);
	return heap_set(&js->heap, &j->due, MONO_NEVER);
}

void jobs_remove(struct jobs *js, struct job *j)
{
	must(j->id == 0);
	heap_remove(&js->heap, &j->due);
}

void jobs_look(struct jobs *js, struct job *j, mono_t at)
{
	if (j->id)
		return; /* jobs_done looks anyway */
	if (mono_before(at, j->not_before))
		at = j->not_before;
	must(heap_set(&js->heap, &j->due, at) == 0);
}

void jobs_touch(struct jobs *js, struct job *j)
{
	jobs_look(js, j, (mono_t){ 0 });
}

struct job *jobs_pop(struct jobs *js, mono_t now)
{
	if (js->tripped && (map_len(&js->flying) > 0 || !mono_reached(now, js->closed_until)))
		return NULL;
	struct heap_node *n = heap_pop_due(&js->heap, now);
	if (!n)
		return NULL;
	/* It was in the heap a moment ago, so there is room. */
	must(heap_set(&js->heap, n, MONO_NEVER) == 0);
	return (struct job *)((char *)n - offsetof(struct job, due));
}

int jobs_start(struct jobs *js, struct job *j, mono_t now, struct write *w)
{
	uint64_t id = js->last_id + 1;
	must(j->id == 0);
	if (!w->path || map_set_n(&js->flying, &id, sizeof id, j, NULL) < 0) {
		write_fini(w);
		jobs_look(js, j, mono_add(now, SEC(1)));
		return -ENOMEM;
	}
	js->last_id = w->id = j->id = id;
	js->counts.writes++;
	return 0;
}

/* The API names objects in quotes: `pods "a" not found`; of a kind that it does not know it says otherwise.
 */
static bool is_missing_kind(const struct write_outcome *o)
{
	return o->status == 404 && !strstr(o->error.message, "\" not found");
}

/* RBAC: `User "u" cannot patch resource "events" ...`. Admission and ending namespaces use other words. */
static bool is_missing_right(const struct write_outcome *o)
{
	return o->status == 401 || (o->status == 403 && strstr(o->error.message, " cannot "));
}

bool jobs_is_general(const struct write_outcome *o)
{
	return is_missing_kind(o) || is_missing_right(o);
}

static enum verdict judge(const struct write_outcome *o)
{
	int s = o->status;
	if (s >= 200 && s < 300)
		return VERDICT_DONE;
	if (s == 404 && !is_missing_kind(o))
		return VERDICT_GONE;
	if (s == 409)
		return VERDICT_CONFLICT;
	if (s == 429)
		return VERDICT_WAIT;
	return s == 0 || s == 408 || s >= 500 ? VERDICT_MAYBE : VERDICT_REFUSED;
}

/* The same refusal for many objects differs in their names only, which stand before this. */
static uint64_t hash_of(const struct api_status *why)
{
	static const uint8_t salt[16] = "ingot desk tells";
	const char *tail = strstr(why->message, " is forbidden: ");
	tail = tail ? tail : why->message;
	return siphash24(salt, tail, strlen(tail));
}

void jobs_tell(struct jobs *js, const char *what, const struct api_status *why, mono_t now)
{
	uint64_t hash = hash_of(why);
	size_t free = JOBS_TOLD;
	for (size_t i = 0; i < JOBS_TOLD; i++) {
		bool over = mono_reached(now, js->told[i].until);
		if (!over && js->told[i].hash == hash)
			return;
		if (over)
			free = i;
	}
	if (free == JOBS_TOLD) {
		js->counts.untold++;
		return;
	}
	js->told[free].hash = hash;
	js->told[free].until = mono_add(now, SEC(TOLD_S));
	if (js->tell.tell)
		js->tell.tell(js->tell.ctx, what, why);
}

/* Whether the whole desk waits, and how long the object does. */
static int64_t wait_after(struct jobs *js, struct job *j, enum verdict v, const struct write_outcome *o,
			  mono_t now)
{
	int64_t most = SEC(RETRY_AFTER_MOST_S);
	int64_t after = o->retry_after_us < most ? o->retry_after_us : most, wait = backoff_next(&j->backoff);
	bool general = v == VERDICT_WAIT || v == VERDICT_MAYBE || jobs_is_general(o);
	if (after > wait)
		wait = after;
	if (!general) {
		js->tripped = false;
		backoff_reset(&js->brake);
	} else if (!js->tripped || mono_reached(now, js->closed_until)) {
		/* Many may come back with the same failure: that is one. */
		int64_t brake = backoff_next(&js->brake);
		js->tripped = true;
		js->closed_until = mono_add(now, after > brake ? after : brake);
	}
	return wait;
}

struct job *jobs_done(struct jobs *js, uint64_t id, const struct write_outcome *o, mono_t now,
		      enum verdict *ret)
{
	struct job *j = map_del_n(&js->flying, &id, sizeof id);
	if (!j)
		return NULL;
	must(j->id == id);
	*ret = judge(o);
	j->id = 0;
	if (*ret == VERDICT_DONE) {
		js->counts.written++;
		js->tripped = false;
		backoff_reset(&js->brake);
		backoff_reset(&j->backoff);
		j->not_before = (mono_t){ 0 };
	} else {
		*(*ret == VERDICT_REFUSED ? &js->counts.refused : &js->counts.failures) += 1;
		j->not_before = mono_add(now, wait_after(js, j, *ret, o, now));
	}
	jobs_touch(js, j);
	return j;
}

mono_t jobs_wake(const struct jobs *js)
{
	mono_t at = heap_next(&js->heap);
	if (!js->tripped || at.us == MONO_NEVER.us)
		return at;
	if (map_len(&js->flying) > 0)
		return MONO_NEVER;
	return mono_before(at, js->closed_until) ? js->closed_until : at;
}

void path_segment(struct strbuf *b, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
	for (; *text; text++)
		if (strchr(plain, *text))
			strbuf_char(b, *text);
		else
			strbuf_fmt(b, "%%%02X", (unsigned)(unsigned char)*text);
}

char *path_object(const char *api, const char *ns, const char *plural, const char *name, const char *tail)
{
	struct strbuf b = { 0 };
	strbuf_fmt(&b, "%s/namespaces/", api);
	path_segment(&b, ns);
	strbuf_fmt(&b, "/%s", plural);
	if (name) {
		strbuf_char(&b, '/');
		path_segment(&b, name);
	}
	strbuf_add(&b, tail ? tail : "");
	return strbuf_take(&b);
}
