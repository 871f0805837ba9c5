/* statusd: the tables of all topics, documents for ingotctl, metrics and health over HTTP. Runs in the
 * process statusd; it changes no state anywhere and sees no secret. */
#include "statusd/statusd.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/addr.h"
#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "proto/bus.pb-c.h"
#include "statusd/documents.h"
#include "statusd/http.h"
#include "statusd/listener.h"

static void on_synced(void *ctx)
{
	struct reader *r = ctx;
	r->statusd->state.synced[r->topic] = true;
}

static const struct {
	const char *name;
	json_t *(*make)(const struct state *s);
} documents[] = {
	{ "status", document_status }, { "services", document_services }, { "pools", document_pools },
	{ "peers", document_peers },   { "members", document_members },	  { "owners", document_owners },
};

char *statusd_document(const struct statusd *s, const char *what)
{
	for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
		if (strcmp(documents[i].name, what) != 0)
			continue;
		json_t *document = documents[i].make(&s->state);
		char *text = document ? json_dumps(document, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
		json_decref(document);
		return text;
	}
	return NULL;
}

/* The answer to ingotctl; takes json. */
static void reply_text(void *ctx, char *json)
{
	Ingot__StateReply reply = INGOT__STATE_REPLY__INIT;

	if (!json) {
		bus_reply_error(ctx, -ENOMEM, "out of memory");
		return;
	}
	reply.json = json;
	bus_reply(ctx, &reply.base);
	free(json);
}

static void on_state(void *ctx, const ProtobufCMessage *payload, struct exchange *x)
{
	struct statusd *s = ctx;
	const Ingot__StateRequest *request = (const Ingot__StateRequest *)payload;

	if (strcmp(request->what, "explain") != 0) {
		char *text = statusd_document(s, request->what);
		if (text)
			reply_text(x, text);
		else
			bus_reply_error(x, -EINVAL, "statusd has no such document");
		return;
	}
	char *why = NULL;
	json_t *document = document_explain(&s->state, request->subject, &why);
	if (!document)
		bus_reply_error(x, -ENOENT, why ? why : "out of memory");
	else if (gather_decisions(s, document, json_string_value(json_object_get(document, "service")),
				  reply_text, x) < 0)
		bus_reply_error(x, -ENOMEM, "out of memory");
	free(why);
}

static void announced_by(struct statusd *s, const Ingot__Service *service, const char *key,
			 const char *protocol)
{
	for (size_t i = 0; i < service->n_ingress; i++) {
		int64_t *v = metric_series(s->announced, (const char *const[]){ key, protocol, s->state.node,
										service->ingress[i]->ip });
		if (v)
			*v = 1;
	}
}

static void announced_service(struct statusd *s, struct look *l, const struct row *r)
{
	const Ingot__BgpServiceState *bgp = look_at(l, TOPIC_BGP_SERVICES, r->key);
	const Ingot__L2ServiceState *l2 = look_at(l, TOPIC_L2_SERVICES, r->key);
	bool by_bgp = bgp && !*bgp->reason && bgp->n_prefixes, by_l2 = l2 && !*l2->reason;
	const Ingot__Service *service = by_bgp || by_l2 ? look_into(l, TOPIC_SERVICES, r) : NULL;
	if (service && by_bgp)
		announced_by(s, service, r->key, "bgp");
	if (service && by_l2)
		announced_by(s, service, r->key, "layer2");
}

/* metallb_speaker_announced: what this node announces right now, and how fresh its knowledge is; rebuilt for
 * each scrape. */
static void announced_series(struct statusd *s)
{
	metric_clear(s->announced);
	hashtab_each (s->state.table[TOPIC_SERVICES], node) {
		struct look l;
		look_begin(&l, &s->state);
		announced_service(s, &l, (const struct row *)node);
		look_end(&l);
	}
	struct config_summary sum = config_summary(&s->state);
	*metric_value(s->loaded) = sum.loaded;
	*metric_value(s->stale) = sum.stale;
	*metric_value(s->source_stale) = source_is_stale(&s->state);
}

static void on_metrics_text(void *ctx, char *text)
{
	http_answer(ctx, text ? 200 : 500, "text/plain; version=0.0.4; charset=utf-8", text);
}

static void not_found(struct http_exchange *x, const char *served)
{
	struct strbuf b = { 0 };
	strbuf_fmt(&b, "not found; served here: %s\n", served);
	http_answer(x, 404, "text/plain; charset=utf-8", strbuf_take(&b));
}

static void on_metrics_request(void *ctx, const char *path, const char *what, const char *subject,
			       struct http_exchange *x)
{
	struct statusd *s = ctx;

	(void)what;
	(void)subject;
	if (strcmp(path, "/metrics") != 0) {
		not_found(x, "/metrics");
		return;
	}
	announced_series(s);
	if (gather_metrics(s, on_metrics_text, x) < 0)
		http_answer(x, 500, "text/plain; charset=utf-8", NULL);
}

static void answer_document(struct statusd *s, const char *what, struct http_exchange *x)
{
	char *text = statusd_document(s, what);
	if (text)
		http_answer(x, 200, "application/json", text);
	else
		not_found(x, "/state?what=status|services|pools|peers|members|owners");
}

/* Liveness says only that this process, and so the supervisor that watches it, serves: neither an API server,
 * nor peers, nor the configuration may get a Pod killed. Readiness: a configuration was loaded once. */
static void on_health_request(void *ctx, const char *path, const char *what, const char *subject,
			      struct http_exchange *x)
{
	struct statusd *s = ctx;

	(void)subject;
	if (strcmp(path, "/healthz") == 0)
		http_answer(x, 200, "text/plain; charset=utf-8", strdup("ok\n"));
	else if (strcmp(path, "/readyz") == 0 && config_summary(&s->state).loaded)
		http_answer(x, 200, "text/plain; charset=utf-8", strdup("ok\n"));
	else if (strcmp(path, "/readyz") == 0)
		http_answer(x, 503, "text/plain; charset=utf-8", strdup("no configuration was loaded yet\n"));
	else if (strcmp(path, "/state") == 0)
		answer_document(s, *what ? what : "status", x);
	else
		not_found(x, "/healthz /readyz /state");
}

int statusd_open(struct daemon *d)
{
	struct statusd *s = d->self;
	s->daemon = d;
	s->metrics_fd = listener_open(d, "metrics", d->options.metrics);
	s->health_fd = listener_open(d, "health", d->options.health);
	return 0;
}

static void add_metrics(struct statusd *s)
{
	static const char *const labels[] = { "service", "protocol", "node", "ip", NULL };
	struct metrics *m = s->daemon->metrics;
	s->announced =
	    metrics_add(m, "metallb_speaker_announced",
			"1 while this node announces the address of the Service", METRIC_GAUGE, labels);
	s->loaded = metrics_add(m, "metallb_k8s_client_config_loaded_bool",
				"1 once a configuration was accepted", METRIC_GAUGE, NULL);
	s->stale = metrics_add(m, "metallb_k8s_client_config_stale_bool",
			       "1 while the newest configuration is not in force", METRIC_GAUGE, NULL);
	s->source_stale =
	    metrics_add(m, "ingot_source_stale",
			"1 while the source of objects cannot be asked and what it said last is in force",
			METRIC_GAUGE, NULL);
	must(s->announced && s->loaded && s->stale && s->source_stale);
}

static const struct topic_reader reader = { .synced = on_synced };

int statusd_join(struct daemon *d)
{
	struct statusd *s = d->self;

	state_init(&s->state, d->options.node);
	add_metrics(s);
	for (int t = 0; t < TOPIC_N; t++) {
		s->readers[t] = (struct reader){ s, (enum topic)t };
		bus_subscribe_table(d->bus, (enum topic)t, &reader, &s->readers[t], &s->state.table[t]);
	}
	int r = bus_serve(d->bus, REQUEST_STATE, on_state, s);
	if (r < 0)
		return r;
	if (s->metrics_fd >= 0)
		s->metrics = http_new(d->loop, s->metrics_fd, on_metrics_request, s);
	if (s->health_fd >= 0)
		s->health = http_new(d->loop, s->health_fd, on_health_request, s);
	daemon_ready(d);
	return 0;
}

void statusd_close(struct daemon *d)
{
	struct statusd *s = d->self;
	http_free(s->metrics);
	http_free(s->health);
}
