/* List and watch of one resource over HTTP. Runs in the watcher. */
#include "watcher/k8s/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/run/log.h"

enum {
	LIST_TIMEOUT_MS = 60000,
	/* A server sends a bookmark about every minute; older ones end the watch after its time. */
	SILENCE_MS = 150000,
	OLD_SILENCE_MS = (REFLECTOR_WATCH_S + 180) * 1000,
};

struct watch {
	struct loop *loop;
	struct http *http;
	enum resource resource;
	const struct watch_sink *sink;
	void *ctx;
	const struct watch_counters *counters;
	struct reflector reflector;
	uint64_t seed;
	char *path, *selector;
	struct loop_timer *timer;
	struct http_call *call;
	struct frames frames;
	bool is_watch, answered, bookmarks;
	struct log_limit complaints;
};

static void step(struct watch *w);

static void state_changed(struct watch *w)
{
	w->sink->state(w->ctx, w->resource);
}

static void on_gone(void *ctx, const char *key)
{
	struct watch *w = ctx;
	w->sink->gone(w->ctx, w->resource, key);
}

static void sweep(struct watch *w)
{
	++*w->counters->relists;
	reflector_sweep(&w->reflector, on_gone, w);
}

/* An object of a page or an event. Broken ones exist too: they keep their former version. */
static void take_item(struct watch *w, struct item *item, const struct diags *diags)
{
	bool only_json = resource_row(w->resource)->kind == KIND_N;
	if (!*item->key || reflector_saw(&w->reflector, item->key, item->resource_version) < 0) {
		++*w->counters->too_large;
		log_limited(&w->complaints, 3, SEC(60), LOG_ERROR, w->path, "objectDropped",
			    "%s: it has no name, or there are too many",
			    *item->key ? item->key : "an object");
		return;
	}
	if (item->message || only_json) {
		w->sink->item(w->ctx, w->resource, item);
		return;
	}
	++*w->counters->broken;
	w->sink->broken(w->ctx, w->resource, item->key, diags);
}

struct page {
	struct watch *w;
	struct diags diags;
};

static void on_page_item(void *ctx, struct item *item)
{
	struct page *p = ctx;
	++*p->w->counters->events;
	take_item(p->w, item, &p->diags);
	diags_fini(&p->diags);
	if (item->message)
		protobuf_c_message_free_unpacked(item->message, NULL);
	manifest_secrets_fini(&item->secrets);
}

static void fail(struct watch *w, const struct api_status *status, const char *why, int64_t retry_after_us)
{
	char text[400];
	if (status)
		str_fmt(text, sizeof text, "%d %s", status->code, status->message);
	reflector_failed(&w->reflector, status, status ? text : why, retry_after_us, loop_now(w->loop));
	state_changed(w);
}

static void take_page(struct watch *w, const struct http_answer *a)
{
	struct page p = { .w = w };
	struct list_meta meta = { 0 };
	int rc = decode_list(resource_row(w->resource)->kind, encoding_of(a->content_type), a->body, a->len,
			     &p.diags, on_page_item, &p, &meta);
	if (rc < 0) {
		struct api_status s;
		decode_status(a->status, a->content_type, a->body, a->len, &s);
		char text[400];
		str_fmt(text, sizeof text, "the answer is no list: %.300s",
			p.diags.n ? p.diags.v[0].message : s.message);
		diags_fini(&p.diags);
		free(meta.continue_token);
		fail(w, NULL, text, -1);
		return;
	}
	diags_fini(&p.diags);
	bool last = reflector_page(&w->reflector, meta.resource_version, meta.continue_token);
	if (last)
		sweep(w);
	reflector_ended(&w->reflector, loop_now(w->loop));
	if (last)
		state_changed(w);
}

/* A whole event. False when the stream has to end because of it. */
static bool take_event(struct watch *w, struct event *e, const struct diags *diags)
{
	struct reflector *r = &w->reflector;
	switch (e->type) {
	case EVENT_ADDED:
	case EVENT_MODIFIED: take_item(w, &e->item, diags); return true;
	case EVENT_DELETED:
		if (!*e->item.key)
			return true;
		reflector_deleted(r, e->item.key, e->item.resource_version);
		w->sink->gone(w->ctx, w->resource, e->item.key);
		return true;
	case EVENT_BOOKMARK:
		w->bookmarks = true;
		if (reflector_bookmark(r, e->resource_version, e->initial_end)) {
			sweep(w);
			state_changed(w);
		}
		return true;
	case EVENT_ERROR: break;
	}
	return false;
}

static void end_call(struct watch *w)
{
	w->call = NULL;
	frames_fini(&w->frames);
}

static bool on_frame(void *ctx, const void *frame, size_t len)
{
	struct watch *w = ctx;
	struct event e;
	struct diags diags = { 0 };
	++*w->counters->events;
	int rc = decode_event(resource_row(w->resource)->kind, w->frames.encoding, frame, len, &diags, &e);
	if (rc < 0) {
		++*w->counters->broken;
		log_limited(&w->complaints, 3, SEC(60), LOG_WARN, w->path, "eventDropped",
			    "a watch event cannot be read: %s",
			    rc == -ENOMEM ? "out of memory"
			    : diags.n	  ? diags.v[0].message
					  : "");
		diags_fini(&diags);
		/* What it said is not known, so what we know may be wrong: compare everything. */
		struct http_call *call = w->call;
		w->call = NULL;
		http_cancel(call);
		reflector_failed(&w->reflector, &(struct api_status){ .code = 410 }, "", -1,
				 loop_now(w->loop));
		return false;
	}
	bool goes_on = take_event(w, &e, &diags);
	if (!goes_on) {
		struct http_call *call = w->call;
		w->call = NULL;
		http_cancel(call);
		fail(w, &e.status, "", e.status.retry_after_s >= 0 ? SEC(e.status.retry_after_s) : -1);
	}
	diags_fini(&diags);
	event_fini(&e);
	return goes_on;
}

static void on_data(void *ctx, const char *content_type, const void *data, size_t len)
{
	struct watch *w = ctx;
	if (!w->answered) {
		w->answered = true;
		frames_init(&w->frames, encoding_of(content_type));
	}
	size_t dropped = w->frames.too_large;
	int rc = frames_add(&w->frames, data, len, on_frame, w);
	bool lost = w->frames.too_large > dropped;
	*w->counters->too_large += (int64_t)(w->frames.too_large - dropped);
	if (rc == 1 && !w->call) {
		end_call(w);
		step(w);
	} else if (lost) {
		/* Which object it was is not known, so what we know may be wrong: compare everything. */
		http_cancel(w->call);
		end_call(w);
		reflector_failed(&w->reflector, &(struct api_status){ .code = 410 }, "", -1,
				 loop_now(w->loop));
		step(w);
	} else if (rc < 0) {
		http_cancel(w->call);
		end_call(w);
		fail(w, NULL, rc == -ENOMEM ? "out of memory" : "the answer is not a watch", -1);
		step(w);
	}
}

static void on_headers(void *ctx, const char *content_type)
{
	struct watch *w = ctx;
	enum reflector_trouble before = w->reflector.trouble;
	bool current = w->reflector.current;
	(void)content_type;
	reflector_answered(&w->reflector);
	if (before != w->reflector.trouble || current != w->reflector.current)
		state_changed(w);
}

static void on_done(void *ctx, const struct http_answer *a)
{
	struct watch *w = ctx;
	struct api_status status;
	end_call(w);
	if (a->failure == HTTP_TOO_LARGE && reflector_too_large(&w->reflector, loop_now(w->loop))) {
		step(w);
		return;
	}
	if (a->status == 0 || (a->status < 300 && a->failure != HTTP_OK)) {
		fail(w, NULL, a->error, -1);
	} else if (a->status < 200 || a->status > 299) {
		decode_status(a->status, a->content_type, a->body, a->len, &status);
		fail(w, &status, "", a->retry_after_ms >= 0 ? MS(a->retry_after_ms) : -1);
	} else if (w->is_watch) {
		reflector_ended(&w->reflector, loop_now(w->loop));
	} else {
		take_page(w, a);
	}
	step(w);
}

/* Ask for what is due, and wake up for what is not. */
static void step(struct watch *w)
{
	static const struct http_events list = { .done = on_done };
	static const struct http_events stream = { .headers = on_headers, .data = on_data, .done = on_done };
	struct strbuf path = { 0 };
	if (!w->call && reflector_next(&w->reflector, loop_now(w->loop), &path, &w->is_watch)) {
		struct http_request q = { .method = "GET", .path = strbuf_get(&path) };
		bool custom =
		    resource_row(w->resource)->is_custom || resource_row(w->resource)->kind == KIND_N;
		q.accept =
		    custom ? "application/json" : "application/vnd.kubernetes.protobuf, application/json";
		q.timeout_ms = w->is_watch ? 0 : LIST_TIMEOUT_MS;
		q.silence_ms = !w->is_watch ? 0 : w->bookmarks ? SILENCE_MS : OLD_SILENCE_MS;
		w->answered = false;
		w->call = path.oom ? NULL : http_start(w->http, &q, w->is_watch ? &stream : &list, w);
		if (!w->call)
			fail(w, NULL, "out of memory", -1);
	}
	strbuf_fini(&path);
	loop_timer_set(w->timer, reflector_wake(&w->reflector));
}

static void on_timer(void *ctx)
{
	step(ctx);
}

struct watch *watch_new(struct loop *l, struct http *h, enum resource r, const struct watch_sink *sink,
			void *ctx, const struct watch_counters *counters, uint64_t seed)
{
	struct watch *w = calloc(1, sizeof *w);
	if (!w)
		return NULL;
	*w = (struct watch){ .loop = l,
			     .http = h,
			     .resource = r,
			     .sink = sink,
			     .ctx = ctx,
			     .counters = counters,
			     .seed = seed };
	reflector_init(&w->reflector, "", "", false, seed);
	w->timer = loop_timer_new(l, on_timer, w);
	if (w->timer)
		return w;
	watch_free(w);
	return NULL;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	http_cancel(w->call);
	frames_fini(&w->frames);
	reflector_fini(&w->reflector);
	loop_timer_free(w->timer);
	free(w->path);
	free(w->selector);
	free(w);
}

static void drop_call(struct watch *w)
{
	http_cancel(w->call);
	end_call(w);
}

void watch_start(struct watch *w, char *path, char *selector, bool can_stream)
{
	drop_call(w);
	free(w->path);
	free(w->selector);
	w->path = path;
	w->selector = selector;
	w->reflector.path = path;
	w->reflector.selector = selector;
	w->reflector.can_stream = can_stream;
	w->reflector.no_selector = false;
	reflector_start(&w->reflector, loop_now(w->loop));
	step(w);
}

void watch_stop(struct watch *w)
{
	drop_call(w);
	reflector_stop(&w->reflector);
	loop_timer_set(w->timer, MONO_NEVER);
}

void watch_again(struct watch *w)
{
	if (!watch_runs(w))
		return;
	drop_call(w);
	reflector_start(&w->reflector, loop_now(w->loop));
	step(w);
}

bool watch_runs(const struct watch *w)
{
	return w->reflector.state != REFLECTOR_STOPPED;
}

void watch_remember(struct watch *w, const char *key)
{
	reflector_remember(&w->reflector, key);
}

const struct reflector *watch_reflector(const struct watch *w)
{
	return &w->reflector;
}
