/* What the server offers, and the watches that follow from it. Runs in the watcher. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "watcher/k8s/k8s.h"

enum { ASK_TIMEOUT_MS = 10000, ASK_FIRST_US = 100000, ASK_MOST_US = 5000000, ASK_AGAIN_US = 2000000 };

static void ask(struct k8s *k);

/* The best place that this server has for a resource; NULL: none. */
static const struct resource_api *api_of(const struct k8s *k, enum resource r)
{
	const struct resource_row *row = resource_row(r);
	for (size_t i = 0; i < RESOURCE_APIS && row->apis[i].group_version; i++)
		if (discovery_has(&k->discovery, row->apis[i].group_version))
			return &row->apis[i];
	return NULL;
}

/* These come last: whether they may be published depends on MetalLB's Pods. */
static bool may_start(const struct k8s *k, enum resource r)
{
	return k->hold_known || (r != RESOURCE_SERVICE && r != RESOURCE_BGP_PEER);
}

static void start(struct k8s *k, enum resource r)
{
	const struct resource_api *api = api_of(k, r);
	const struct reflector *now = watch_reflector(k->watches[r]);
	bool misplaced = watch_runs(k->watches[r]) && now->trouble == TROUBLE_MISSING && api != k->apis[r];
	if (!api || !may_start(k, r) || (watch_runs(k->watches[r]) && !misplaced))
		return;
	char *path = resource_path(r, api, &k->context), *selector = resource_selector(r, &k->context);
	if (!path || !selector) {
		free(path);
		free(selector);
		return; /* tried again with the next discovery */
	}
	k->apis[r] = api;
	watch_start(k->watches[r], path, selector, discovery_streams_lists(&k->discovery));
}

static void start_all(struct k8s *k)
{
	for (unsigned r = 0; r < RESOURCE_N; r++)
		if (k->watches[r])
			start(k, (enum resource)r);
}

/* Something that we need is not there (yet). */
static bool lacks(const struct k8s *k)
{
	for (unsigned r = 0; r < RESOURCE_N; r++)
		if (k->watches[r] && (!api_of(k, (enum resource)r) ||
				      watch_reflector(k->watches[r])->trouble == TROUBLE_MISSING))
			return true;
	return false;
}

static void ask_later(struct k8s *k, int64_t wait)
{
	loop_timer_set(k->ask_timer, mono_add(loop_now(k->w->d->loop), wait));
}

static void failed(struct k8s *k, const char *what, const char *why)
{
	str_fmt(k->ask_trouble, sizeof k->ask_trouble, "%s%s%s", what, *what ? ": " : "", why);
	ask_later(k, backoff_next(&k->ask_backoff));
	tell_ask(k);
}

static void took_groups(struct k8s *k)
{
	k->discovered = k->contact = true;
	k->ask_trouble[0] = 0;
	backoff_reset(&k->ask_backoff);
	writing_apis(k);
	start_all(k);
	if (lacks(k))
		ask_later(k, ASK_AGAIN_US);
	tell_ask(k);
}

static void on_answer(void *ctx, const struct http_answer *a)
{
	struct k8s *k = ctx;
	char error[300];
	const char *what = k->asked_version ? "/apis" : "/version";
	k->asking = NULL;
	if (a->failure != HTTP_OK) {
		failed(k, "", a->error);
		return;
	}
	if (a->status != 200) {
		struct api_status s;
		decode_status(a->status, a->content_type, a->body, a->len, &s);
		str_fmt(error, sizeof error, "%d %.250s", a->status, s.message);
		failed(k, what, error);
		return;
	}
	int rc = k->asked_version
		     ? discovery_take_groups(&k->discovery, a->body, a->len, error, sizeof error)
		     : discovery_take_version(&k->discovery, a->body, a->len, error, sizeof error);
	if (rc < 0) {
		failed(k, what, rc == -ENOMEM ? "out of memory" : error);
		return;
	}
	if (k->asked_version) {
		took_groups(k);
		return;
	}
	k->asked_version = true;
	log_line(LOG_INFO, "source", "apiServer", "%s is Kubernetes %s", k->server, k->discovery.version);
	ask(k);
}

static void ask(struct k8s *k)
{
	static const struct http_events events = { .done = on_answer };
	struct http_request q = { .method = "GET",
				  .path = k->asked_version ? "/apis" : "/version",
				  .accept = "application/json",
				  .timeout_ms = ASK_TIMEOUT_MS };
	if (k->asking)
		return;
	loop_timer_set(k->ask_timer, MONO_NEVER);
	k->asking = http_start(k->http, &q, &events, k);
	if (!k->asking)
		failed(k, "", "out of memory");
}

static void on_ask_timer(void *ctx)
{
	ask(ctx);
}

void api_state(struct k8s *k, enum resource r)
{
	const struct reflector *f = watch_reflector(k->watches[r]);
	k->contact |= f->complete;
	/* Its definition may have gone, or come as another version. */
	if (f->trouble == TROUBLE_MISSING && !k->asking)
		ask_later(k, ASK_AGAIN_US);
	if (!k->hold_known)
		sinks_hold_known(k);
	if (k->hold_known && k->discovered) {
		start(k, RESOURCE_SERVICE);
		start(k, RESOURCE_BGP_PEER);
	}
	tell_ask(k);
}

/* Nothing more can be had of it: it was listed, or going on without it is right. */
static bool is_done(const struct k8s *k, unsigned r, bool current)
{
	const struct resource_row *row = resource_row((enum resource)r);
	const struct reflector *f = watch_reflector(k->watches[r]);
	if (row->not_needed || (current ? f->current && f->trouble == TROUBLE_NONE : f->complete))
		return true;
	return row->may_lack && (f->trouble == TROUBLE_FORBIDDEN || f->trouble == TROUBLE_MISSING);
}

static bool all(const struct k8s *k, bool current)
{
	for (unsigned r = 0; r < RESOURCE_N; r++)
		if (k->watches[r] && !is_done(k, r, current))
			return false;
	return k->discovered;
}

bool api_complete(const struct k8s *k)
{
	return all(k, false);
}

bool api_current(const struct k8s *k)
{
	return all(k, true);
}

static void add_wait(struct strbuf *out, const char *text)
{
	/* The same words from many watches (the server is away) are said once. */
	if (!out->s || !strstr(out->s, text))
		strbuf_fmt(out, "%s%s", out->len ? "; " : "", text);
}

static void wait_of(const struct k8s *k, enum resource r, struct strbuf *out)
{
	const struct resource_row *row = resource_row(r);
	const struct reflector *f = watch_reflector(k->watches[r]);
	char text[500];
	bool missing = k->discovered && (!api_of(k, r) || f->trouble == TROUBLE_MISSING);
	if (missing && row->is_custom)
		str_fmt(text, sizeof text, "the CustomResourceDefinition %s.metallb.io does not exist",
			row->apis[0].plural);
	else if (missing)
		str_fmt(text, sizeof text, "this API server does not serve %s", row->apis[0].plural);
	else if (f->trouble != TROUBLE_NONE)
		str_fmt(text, sizeof text, "%s", f->why);
	else if (!f->complete && !row->not_needed)
		str_fmt(text, sizeof text, "reading %s", row->apis[0].plural);
	else
		return;
	add_wait(out, text);
}

void api_waits(const struct k8s *k, struct strbuf *out)
{
	if (*k->ask_trouble)
		add_wait(out, k->ask_trouble);
	for (unsigned r = 0; r < RESOURCE_N && k->discovered; r++)
		if (k->watches[r] && !(resource_row((enum resource)r)->may_lack && is_done(k, r, true)))
			wait_of(k, (enum resource)r, out);
	if (!k->discovered && !*k->ask_trouble)
		add_wait(out, "asking the API server what it offers");
}

static bool counters(struct k8s *k)
{
	struct metrics *m = k->w->d->metrics;
	k->counters.events = metric_value(metrics_add(m, "metallb_k8s_client_updates_total",
						      "Objects and events that came from the API server.",
						      METRIC_COUNTER, NULL));
	k->counters.relists = metric_value(
	    metrics_add(m, "ingot_kube_lists_total", "Whole lists that were read.", METRIC_COUNTER, NULL));
	k->counters.broken =
	    metric_value(metrics_add(m, "metallb_k8s_client_update_errors_total",
				     "Objects and events that could not be read.", METRIC_COUNTER, NULL));
	k->counters.too_large = metric_value(metrics_add(m, "ingot_kube_objects_dropped_total",
							 "Objects and events over a limit of size or number.",
							 METRIC_COUNTER, NULL));
	return k->counters.events && k->counters.relists && k->counters.broken && k->counters.too_large;
}

int api_prepare(struct k8s *k)
{
	discovery_init(&k->discovery);
	backoff_init(&k->ask_backoff, ASK_FIRST_US, ASK_MOST_US, k->seed);
	k->ask_timer = loop_timer_new(k->w->d->loop, on_ask_timer, k);
	if (!k->ask_timer || !counters(k))
		return -ENOMEM;
	for (unsigned r = 0; r < RESOURCE_N; r++) {
		if (!resource_is_needed((enum resource)r, &k->context))
			continue;
		k->watches[r] = watch_new(k->w->d->loop, k->http, (enum resource)r, &k8s_sink, k,
					  &k->counters, k->seed + r * 0x9e3779b97f4a7c15);
		if (!k->watches[r])
			return -ENOMEM;
	}
	return 0;
}

void api_join(struct k8s *k)
{
	ask(k);
}

void api_free(struct k8s *k)
{
	http_cancel(k->asking);
	for (unsigned r = 0; r < RESOURCE_N; r++)
		watch_free(k->watches[r]);
	loop_timer_free(k->ask_timer);
	discovery_fini(&k->discovery);
}
