/* The requests that every daemon answers: explain (its newest decisions), log-level, metrics. Runs in every
 * daemon; statusd asks. Changes nothing but the log level. */
#include "lib/run/daemon_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "proto/bus.pb-c.h"

enum { EXPLAIN_DEFAULT = 20, EXPLAIN_NOW = 2048 };

static void serve_explain(void *ctx, const ProtobufCMessage *payload, struct exchange *x)
{
	struct daemon *d = ctx;
	const Ingot__ExplainRequest *ask = (const Ingot__ExplainRequest *)(const void *)payload;
	size_t limit = ask->limit == 0 ? EXPLAIN_DEFAULT : ask->limit;
	if (limit > DECISIONS_CAP)
		limit = DECISIONS_CAP;
	const struct decision **found = calloc(limit, sizeof(*found));
	Ingot__Decision *decisions = calloc(limit, sizeof(*decisions));
	Ingot__Decision **pointers = calloc(limit, sizeof(*pointers));
	if (found && decisions && pointers) {
		char now[EXPLAIN_NOW] = "";
		Ingot__ExplainReply reply = INGOT__EXPLAIN_REPLY__INIT;
		reply.n_decisions = decisions_find(&d->decisions, ask->subject, found, limit);
		reply.decisions = pointers;
		for (size_t i = 0; i < reply.n_decisions; i++) {
			ingot__decision__init(&decisions[i]);
			decisions[i].at_ms = found[i]->at_ms;
			/* Never written to: the generated structs just do not know const. */
			memcpy(&decisions[i].subject, &(const char *){ found[i]->subject }, sizeof(char *));
			memcpy(&decisions[i].fact, &(const char *){ found[i]->fact }, sizeof(char *));
			memcpy(&decisions[i].reason, &(const char *){ found[i]->reason }, sizeof(char *));
			pointers[i] = &decisions[i];
		}
		if (d->priv->ops->explain)
			d->priv->ops->explain(d, ask->subject, now, sizeof(now));
		reply.now = now;
		bus_reply(x, &reply.base);
	} else {
		bus_reply_error(x, -ENOMEM, "out of memory");
	}
	free(found);
	free(decisions);
	free(pointers);
}

static void serve_log_level(void *ctx, const ProtobufCMessage *payload, struct exchange *x)
{
	const Ingot__LogLevelRequest *ask = (const Ingot__LogLevelRequest *)(const void *)payload;
	enum log_level level;
	char previous[16];
	(void)ctx;
	if (!log_level_parse(ask->level, &level)) {
		bus_reply_error(x, -EINVAL, "not a log level: all, debug, info, warn, error or none");
		return;
	}
	str_fmt(previous, sizeof(previous), "%s", log_level_name(log_get_level()));
	log_set_level(level);
	Ingot__LogLevelReply reply = INGOT__LOG_LEVEL_REPLY__INIT;
	reply.previous = previous;
	bus_reply(x, &reply.base);
}

static void serve_metrics(void *ctx, const ProtobufCMessage *payload, struct exchange *x)
{
	struct daemon *d = ctx;
	struct strbuf text = { 0 };
	Ingot__StateReply reply = INGOT__STATE_REPLY__INIT;
	(void)payload;
	metrics_print(d->metrics, &text);
	char *json = text.oom ? NULL : strbuf_take(&text);
	if (json) {
		reply.json = json;
		bus_reply(x, &reply.base);
	} else if (!text.oom) {
		bus_reply(x, &reply.base); /* no metrics yet */
	} else {
		bus_reply_error(x, -ENOMEM, "out of memory");
	}
	free(json);
	strbuf_fini(&text);
}

int daemon_serve(struct daemon *d)
{
	int r = bus_serve(d->bus, REQUEST_EXPLAIN, serve_explain, d);
	r = r < 0 ? r : bus_serve(d->bus, REQUEST_LOG_LEVEL, serve_log_level, d);
	return r < 0 ? r : bus_serve(d->bus, REQUEST_METRICS, serve_metrics, d);
}
