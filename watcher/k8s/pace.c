/* Carries out writes. When the server says that it has enough (429, 5xx with Retry-After) or does not answer,
 * everything waits a little; each desk waits for its own failures besides. Runs in the watcher. */
#include "watcher/k8s/pace.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/run/loop.h"

enum { MOST_DESKS = 8, PAUSE_US = 200000, MOST_PAUSE_US = 10000000 };

struct job {
	struct pace *pace;
	struct job *next, **link;
	const struct pace_desk *desk;
	unsigned *busy;
	struct write write;
	struct http_call *call;
};
struct pace {
	struct loop *loop;
	struct http *http;
	const struct pace_desk *desks;
	size_t n_desks;
	unsigned busy[MOST_DESKS]; /* by desk */
	int64_t *sent[MOST_DESKS], *failed[MOST_DESKS];
	struct job *jobs;
	struct loop_defer *defer;
	struct loop_timer *timer;
	mono_t paused_until;
	struct backoff backoff;
};

static void job_free(struct job *j)
{
	*j->link = j->next;
	if (j->next)
		j->next->link = j->link;
	--*j->busy;
	write_fini(&j->write);
	free(j);
}

/* The server cannot keep up, or is away. */
static void hold_back(struct pace *p, const struct write_outcome *o)
{
	bool away = o->status == 0 || o->status == 429 || o->status >= 500;
	mono_t now = loop_now(p->loop);
	if (!away) {
		backoff_reset(&p->backoff);
		return;
	}
	if (!mono_reached(now, p->paused_until))
		return; /* others of the same moment */
	int64_t wait = backoff_next(&p->backoff);
	if (o->retry_after_us > wait)
		wait = o->retry_after_us < MOST_PAUSE_US ? o->retry_after_us : MOST_PAUSE_US;
	p->paused_until = mono_add(now, wait);
}

static void on_done(void *ctx, const struct http_answer *a)
{
	struct job *j = ctx;
	struct pace *p = j->pace;
	struct write_outcome o = { .status = a->status, .retry_after_us = -1, .failure = a->error };
	bool good = a->status >= 200 && a->status < 300 && a->failure == HTTP_OK;
	json_t *object = NULL;
	j->call = NULL;
	if (a->failure != HTTP_OK)
		o.status = 0;
	if (a->retry_after_ms >= 0)
		o.retry_after_us = MS(a->retry_after_ms);
	if (good)
		object = json_loadb((const char *)a->body, a->len, 0, NULL);
	else if (o.status)
		decode_status(a->status, a->content_type, a->body, a->len, &o.error);
	o.object = object;
	hold_back(p, &o);
	if (!good) {
		++*p->failed[j->desk - p->desks];
		if (j->desk->failed)
			j->desk->failed(j->desk->ctx, &j->write, &o);
	}
	j->desk->ops->done(j->desk->desk, j->write.id, &o, loop_now(p->loop));
	json_decref(object);
	job_free(j);
	pace_ask(p);
}

static const char *method_of(enum write_method m)
{
	static const char *const names[] = { "POST", "PATCH", "PUT", "DELETE", "GET" };
	return names[m];
}

static const char *type_of(const struct write *w)
{
	if (!w->body)
		return NULL;
	return w->method == WRITE_PATCH ? "application/merge-patch+json" : "application/json";
}

static bool start(struct pace *p, size_t i, struct write *w)
{
	static const struct http_events events = { .done = on_done };
	struct http_request q = { .method = method_of(w->method),
				  .path = w->path,
				  .content_type = type_of(w),
				  .body = w->body,
				  .body_len = w->body ? strlen(w->body) : 0,
				  .timeout_ms =
				      p->desks[i].timeout_ms ? p->desks[i].timeout_ms : WRITE_TIMEOUT_MS };
	struct job *j = calloc(1, sizeof *j);
	if (j) {
		*j = (struct job){ .pace = p, .desk = &p->desks[i], .busy = &p->busy[i], .write = *w };
		j->call = http_start(p->http, &q, &events, j);
	}
	if (!j || !j->call) {
		free(j);
		return false;
	}
	j->next = p->jobs;
	j->link = &p->jobs;
	if (j->next)
		j->next->link = &j->next;
	p->jobs = j;
	++*j->busy;
	++*p->sent[i];
	return true;
}

/* One desk, as far as its share goes. */
static void serve(struct pace *p, size_t i, mono_t now)
{
	const struct pace_desk *d = &p->desks[i];
	struct write w;
	while (p->busy[i] < d->in_flight && d->ops->next(d->desk, now, &w)) {
		if (start(p, i, &w))
			continue;
		struct write_outcome o = { .failure = "out of memory", .retry_after_us = -1 };
		d->ops->done(d->desk, w.id, &o, now);
		write_fini(&w);
		return;
	}
}

static void work(void *ctx)
{
	struct pace *p = ctx;
	mono_t now = loop_now(p->loop), wake = MONO_NEVER;
	bool paused = !mono_reached(now, p->paused_until);
	if (paused)
		wake = p->paused_until;
	for (size_t i = 0; i < p->n_desks; i++) {
		const bool *blocked = p->desks[i].blocked;
		if ((paused && !p->desks[i].urgent) || (blocked && *blocked))
			continue;
		serve(p, i, now);
		if (p->busy[i] < p->desks[i].in_flight)
			wake = mono_min(wake, p->desks[i].ops->wake(p->desks[i].desk));
	}
	loop_timer_set(p->timer, wake);
}

static bool metrics(struct pace *p, struct metrics *m)
{
	static const char *const labels[] = { "object", NULL };
	struct metric *sent = metrics_add(m, "ingot_kube_writes_total",
					  "Requests that change something, by what.", METRIC_COUNTER, labels);
	struct metric *failed = metrics_add(m, "ingot_kube_write_failures_total",
					    "Those that did not succeed, by what.", METRIC_COUNTER, labels);
	for (size_t i = 0; sent && failed && i < p->n_desks; i++) {
		const char *values[] = { p->desks[i].name, NULL };
		p->sent[i] = metric_series(sent, values);
		p->failed[i] = metric_series(failed, values);
		if (!p->sent[i] || !p->failed[i])
			return false;
	}
	return sent && failed;
}

struct pace *pace_new(struct loop *l, struct http *h, const struct pace_desk *desks, size_t n,
		      struct metrics *m)
{
	struct pace *p = calloc(1, sizeof *p);
	must(n <= MOST_DESKS);
	if (!p)
		return NULL;
	*p = (struct pace){ .loop = l, .http = h, .desks = desks, .n_desks = n };
	p->paused_until = (mono_t){ INT64_MIN };
	backoff_init(&p->backoff, PAUSE_US, MOST_PAUSE_US, (uint64_t)(uintptr_t)p);
	p->defer = loop_defer_new(l, work, p);
	p->timer = loop_timer_new(l, work, p);
	if (p->defer && p->timer && metrics(p, m))
		return p;
	pace_free(p);
	return NULL;
}

void pace_free(struct pace *p)
{
	if (!p)
		return;
	for (struct job *j = p->jobs, *next; j; j = next) {
		next = j->next;
		http_cancel(j->call);
		job_free(j);
	}
	loop_defer_free(p->defer);
	loop_timer_free(p->timer);
	free(p);
}

void pace_ask(struct pace *p)
{
	loop_defer_ask(p->defer);
}

void pace_abort(struct pace *p, const void *desk)
{
	for (struct job *j = p->jobs, *next; j; j = next) {
		next = j->next;
		if (j->desk->desk != desk)
			continue;
		http_cancel(j->call);
		struct write_outcome o = { .failure = "given up: writing has stopped", .retry_after_us = -1 };
		j->desk->ops->done(j->desk->desk, j->write.id, &o, loop_now(p->loop));
		job_free(j);
	}
}

size_t pace_in_flight(const struct pace *p)
{
	size_t n = 0;
	for (const struct job *j = p->jobs; j; j = j->next)
		n++;
	return n;
}
