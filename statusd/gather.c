/* Questions that statusd passes on to every other running daemon: metrics and decisions. Each daemon has the
 * deadline of the request; one that is away just adds nothing. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/strbuf.h"
#include "proto/bus.pb-c.h"
#include "statusd/documents.h"
#include "statusd/scrape.h"
#include "statusd/statusd.h"

enum { DECISIONS_PER_DAEMON = 20 };

struct gather {
	struct statusd *statusd;
	unsigned waiting;
	gather_done done;
	void *ctx;
	struct scrape scrape; /* metrics */
	json_t *document;     /* decisions: the document they belong to */
	struct member {
		struct gather *gather;
		enum daemon_id from;
	} member[DAEMON_N];
};

static struct gather *gather_new(struct statusd *s, gather_done done, void *ctx)
{
	struct gather *g = calloc(1, sizeof *g);
	if (!g)
		return NULL;
	g->statusd = s;
	g->done = done;
	g->ctx = ctx;
	scrape_init(&g->scrape);
	return g;
}

static bool is_asked(const struct statusd *s, int d)
{
	return d != DAEMON_STATUSD && d != DAEMON_SUPERVISOR && d != DAEMON_CTL &&
	       (s->daemon->daemons & (1u << d));
}

/* Ask every daemon of this role; finish() runs when the last has answered. */
static void ask_all(struct gather *g, enum request_kind r, const ProtobufCMessage *payload, bus_answer answer)
{
	for (int d = 0; d < DAEMON_N; d++) {
		if (!is_asked(g->statusd, d))
			continue;
		g->member[d] = (struct member){ g, (enum daemon_id)d };
		if (bus_request(g->statusd->daemon->bus, (enum daemon_id)d, r, payload, answer,
				&g->member[d]))
			g->waiting++;
	}
}

static void metrics_finish(struct gather *g)
{
	struct strbuf out = { 0 }, own = { 0 };

	metrics_print(g->statusd->daemon->metrics, &own);
	scrape_add(&g->scrape, strbuf_get(&own));
	scrape_print(&g->scrape, &out);
	strbuf_fini(&own);
	g->done(g->ctx, strbuf_take(&out));
	scrape_fini(&g->scrape);
	free(g);
}

static void on_metrics(void *ctx, int error, const char *message, const ProtobufCMessage *payload)
{
	struct member *m = ctx;
	struct gather *g = m->gather;

	(void)message;
	if (error == 0)
		scrape_add(&g->scrape, ((const Ingot__StateReply *)payload)->json);
	if (--g->waiting == 0)
		metrics_finish(g);
}

int gather_metrics(struct statusd *s, gather_done done, void *ctx)
{
	Ingot__StateRequest request = INGOT__STATE_REQUEST__INIT;
	struct gather *g = gather_new(s, done, ctx);
	if (!g)
		return -ENOMEM;
	ask_all(g, REQUEST_METRICS, &request.base, on_metrics);
	if (g->waiting == 0)
		metrics_finish(g);
	return 0;
}

static void time_text(int64_t at_ms, char *buf, size_t size)
{
	time_t s = (time_t)(at_ms / 1000);
	struct tm tm;
	char seconds[32];

	gmtime_r(&s, &tm);
	strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &tm);
	str_fmt(buf, size, "%s.%03dZ", seconds, (int)(at_ms % 1000));
}

static void add_decisions(struct gather *g, enum daemon_id from, const Ingot__ExplainReply *reply)
{
	json_t *list = json_object_get(g->document, "decisions");
	for (size_t i = 0; i < reply->n_decisions; i++) {
		const Ingot__Decision *d = reply->decisions[i];
		char at[64];
		time_text(d->at_ms, at, sizeof at);
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "at", at, "daemon",
						      daemon_name(from), "subject", d->subject, "fact",
						      d->fact, "reason", d->reason));
	}
	if (*reply->now)
		json_object_set_new(json_object_get(g->document, "now"), daemon_name(from),
				    json_string(reply->now));
}

static int newest_first(const void *a, const void *b)
{
	const char *x = json_string_value(json_object_get(*(json_t *const *)a, "at"));
	const char *y = json_string_value(json_object_get(*(json_t *const *)b, "at"));
	return strcmp(y ? y : "", x ? x : "");
}

static void sort_decisions(json_t *document)
{
	json_t *list = json_object_get(document, "decisions"), *sorted = json_array();
	size_t n = json_array_size(list);
	json_t **v = calloc(n + 1, sizeof *v);

	for (size_t i = 0; v && i < n; i++)
		v[i] = json_array_get(list, i);
	if (v)
		qsort(v, n, sizeof(json_t *), newest_first);
	for (size_t i = 0; v && i < n; i++)
		json_array_append(sorted, v[i]);
	if (v)
		json_object_set(document, "decisions", sorted);
	json_decref(sorted);
	free(v);
}

static void decisions_finish(struct gather *g)
{
	sort_decisions(g->document);
	g->done(g->ctx, json_dumps(g->document, JSON_COMPACT | JSON_PRESERVE_ORDER));
	json_decref(g->document);
	scrape_fini(&g->scrape);
	free(g);
}

static void on_decisions(void *ctx, int error, const char *message, const ProtobufCMessage *payload)
{
	struct member *m = ctx;
	struct gather *g = m->gather;

	(void)message;
	if (error == 0)
		add_decisions(g, m->from, (const Ingot__ExplainReply *)payload);
	if (--g->waiting == 0)
		decisions_finish(g);
}

int gather_decisions(struct statusd *s, void *document, const char *subject, gather_done done, void *ctx)
{
	Ingot__ExplainRequest request = INGOT__EXPLAIN_REQUEST__INIT;
	struct gather *g = gather_new(s, done, ctx);
	char *copy = strdup(subject);
	if (!g || !copy) {
		free(g);
		free(copy);
		json_decref(document);
		return -ENOMEM;
	}
	g->document = document;
	json_object_set_new(g->document, "now", json_object());
	request.subject = copy;
	request.limit = DECISIONS_PER_DAEMON;
	ask_all(g, REQUEST_EXPLAIN, &request.base, on_decisions);
	free(copy);
	if (g->waiting == 0)
		decisions_finish(g);
	return 0;
}
