/* Collects what gossipd, bgpd and the allocator say about this node and hands it to the source as documents,
 * at most five times a second and only when something changed. Runs in the watcher. */
#include "watcher/reports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "watcher/reports_json.h"

enum { COALESCE_US = 200000 };

struct source_topic {
	struct reports *reports;
	enum report report;
};
struct reports {
	struct watcher *w;
	struct map values[REPORT_N]; /* key -> message */
	struct source_topic topics[REPORT_N];
	struct config_report controller, speaker;
	struct loop_timer *timer;
	bool waiting;
	unsigned changed; /* bits of enum node_status */
	mono_t last;
};

static const struct {
	enum topic topic;
	enum node_status status;
	const ProtobufCMessageDescriptor *type;
} table[REPORT_N] = {
	[REPORT_L2] = { TOPIC_L2_SERVICES, NODE_STATUS_L2, &ingot__l2_service_state__descriptor },
	[REPORT_BGP] = { TOPIC_BGP_SERVICES, NODE_STATUS_BGP, &ingot__bgp_service_state__descriptor },
	[REPORT_POOL] = { TOPIC_POOL_STATUS, NODE_STATUS_N, &ingot__pool_status__descriptor },
	[REPORT_ALLOCATOR] = { TOPIC_ALLOCATOR_CONFIG, NODE_STATUS_CONFIGURATION,
			       &ingot__config_status__descriptor },
	[REPORT_GOSSIPD] = { TOPIC_GOSSIPD_CONFIG, NODE_STATUS_CONFIGURATION,
			     &ingot__config_status__descriptor },
	[REPORT_BGPD] = { TOPIC_BGPD_CONFIG, NODE_STATUS_CONFIGURATION, &ingot__config_status__descriptor },
};

static void message_free(void *message)
{
	protobuf_c_message_free_unpacked(message, NULL);
}

static void changed(struct source_topic *t)
{
	struct reports *r = t->reports;
	enum node_status s = table[t->report].status;
	if (s == NODE_STATUS_N || (s != NODE_STATUS_CONFIGURATION && !r->w->ops->node_status))
		return;
	r->changed |= 1u << s;
	if (r->waiting)
		return;
	r->waiting = true;
	/* The first change goes out at once; more wait for the next turn of the clock. */
	loop_timer_set(r->timer, mono_add(r->last, COALESCE_US));
}

static void on_upsert(void *ctx, const char *key, const ProtobufCMessage *value)
{
	struct source_topic *t = ctx;
	const struct source_ops *ops = t->reports->w->ops;
	void *old = NULL;
	if (ops->report)
		ops->report(t->reports->w->source, t->report, key, value);
	/* Kept only for documents that hold all of them. */
	enum node_status status = table[t->report].status;
	if (status == NODE_STATUS_N || (!ops->node_status && status != NODE_STATUS_CONFIGURATION))
		return;
	ProtobufCMessage *copy = message_copy(value);
	if (!copy || map_set(&t->reports->values[t->report], key, copy, &old) < 0) {
		message_free(copy);
		return;
	}
	message_free(old);
	changed(t);
}

static void on_remove(void *ctx, const char *key)
{
	struct source_topic *t = ctx;
	const struct source_ops *ops = t->reports->w->ops;
	if (ops->report)
		ops->report(t->reports->w->source, t->report, key, NULL);
	message_free(map_del(&t->reports->values[t->report], key));
	changed(t);
}

static void on_synced(void *ctx)
{
	struct source_topic *t = ctx;
	const struct source_ops *ops = t->reports->w->ops;
	if (ops->report)
		ops->report(t->reports->w->source, t->report, NULL, NULL);
}

/* Add what one daemon thinks of the configuration. */
static void judge(const struct map *values, struct config_report *ret, struct strbuf *errors)
{
	map_each (values, e) {
		const Ingot__ConfigStatus *s = e->value;
		ret->exists = true;
		for (size_t i = 0; i < s->n_errors; i++)
			if (!errors->s ||
			    !strstr(errors->s, s->errors[i])) /* two daemons often say the same */
				strbuf_fmt(errors, "%s%s", errors->len ? "\n" : "", s->errors[i]);
	}
}

static void settle(struct config_report *r, struct config_report now, struct strbuf *errors)
{
	now.valid = errors->len == 0;
	now.errors = strbuf_take(errors);
	if (!now.errors)
		return;
	bool same = r->exists == now.exists && r->errors && strcmp(r->errors, now.errors) == 0;
	now.since_ms = same ? r->since_ms : loop_wall_ms();
	free(r->errors);
	*r = now;
}

static void gather_config(struct reports *r)
{
	struct config_report controller = { 0 }, speaker = { 0 };
	struct strbuf errors = { 0 };
	judge(&r->values[REPORT_ALLOCATOR], &controller, &errors);
	settle(&r->controller, controller, &errors);
	judge(&r->values[REPORT_GOSSIPD], &speaker, &errors);
	judge(&r->values[REPORT_BGPD], &speaker, &errors);
	settle(&r->speaker, speaker, &errors);
	if (r->w->ops->configuration)
		r->w->ops->configuration(r->w->source, &r->controller, &r->speaker);
}

static char *print(struct reports *r, enum node_status s)
{
	const struct options *o = &r->w->d->options;
	switch (s) {
	case NODE_STATUS_L2: return reports_json_l2(o->node, o->namespace, &r->values[REPORT_L2]);
	case NODE_STATUS_BGP: return reports_json_bgp(o->node, o->namespace, &r->values[REPORT_BGP]);
	case NODE_STATUS_CONFIGURATION:
		return reports_json_config(o->node, o->namespace, &r->controller, &r->speaker);
	case NODE_STATUS_N: break;
	}
	return NULL;
}

static void on_timer(void *ctx)
{
	struct reports *r = ctx;
	r->waiting = false;
	r->last = loop_now(r->w->d->loop);
	if (r->changed & 1u << NODE_STATUS_CONFIGURATION)
		gather_config(r);
	for (unsigned s = 0; s < NODE_STATUS_N && r->w->ops->node_status; s++) {
		char *text = r->changed & 1u << s ? print(r, (enum node_status)s) : NULL;
		if (text)
			r->w->ops->node_status(r->w->source, (enum node_status)s, text);
		free(text);
	}
	r->changed = 0;
}

struct reports *reports_new(struct watcher *w)
{
	static const struct topic_reader reader = { .upsert = on_upsert,
						    .remove = on_remove,
						    .synced = on_synced };
	struct reports *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	r->w = w;
	r->timer = loop_timer_new(w->d->loop, on_timer, r);
	for (int i = 0; i < REPORT_N; i++) {
		map_init(&r->values[i]);
		r->topics[i] = (struct source_topic){ r, (enum report)i };
		if (w->d->daemons & 1u << topic_publisher(table[i].topic))
			(void)bus_subscribe(w->d->bus, table[i].topic, &reader, &r->topics[i]);
	}
	if (r->timer)
		return r;
	free(r);
	return NULL;
}

void reports_free(struct reports *r)
{
	if (!r)
		return;
	loop_timer_free(r->timer);
	for (int i = 0; i < REPORT_N; i++)
		map_fini(&r->values[i], message_free);
	free(r->controller.errors);
	free(r->speaker.errors);
	free(r);
}

void reports_event(struct reports *r, const char *key, const Ingot__ServiceEvent *e)
{
	daemon_decided(r->w->d, key, e->reason, "%s", e->message);
	if (r->w->ops->event)
		r->w->ops->event(r->w->source, key, e);
}
