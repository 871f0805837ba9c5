/* Publishes the objects and the leadership, and passes assignments on to the source while this watcher leads.
 * Runs in the watcher. */
#include "watcher/publish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/run/feed.h"
#include "watcher/reports.h"

struct publish {
	struct watcher *w;
	struct publisher *kinds[KIND_N], *leader, *findings, *source;
	Ingot__SourceState source_state; /* published last */
	int64_t source_since_ms;	 /* Unix time; 0 = nothing was published */
	int64_t *counts[KIND_N];	 /* metric: how many objects are published */
	struct subscriber *assignments;
	struct map wanted; /* Service key -> struct assigned */
	mono_t started;
};
/* What the allocator said last, packed because there may be many, and how far its events were passed on. */
struct assigned {
	uint8_t *packed;
	size_t len;
	uint64_t epoch; /* of the allocator that said it; its numbers of events begin anew */
	uint64_t last_event;
};

static void assigned_free(void *value)
{
	struct assigned *a = value;
	if (!a)
		return;
	free(a->packed);
	free(a);
}

/* The first snapshot of an allocator that is older than this process: its former life has written these
 * events. */
static bool is_history(const struct publish *p, const struct assigned *a)
{
	return p->w->reborn && !subscriber_synced(p->assignments) && a->epoch < (uint64_t)p->started.us;
}

static void pass_on(struct publish *p, const char *key, struct assigned *a, const Ingot__Assignment *m)
{
	if (!p->w->leading)
		return;
	p->w->ops->assign(p->w->source, key, m);
	for (size_t i = 0; i < m->n_events; i++) {
		const Ingot__ServiceEvent *e = m->events[i];
		if (e->id <= a->last_event)
			continue;
		a->last_event = e->id;
		if (!is_history(p, a))
			reports_event(p->w->reports, key, e);
	}
}

static struct assigned *assigned_get(struct publish *p, const char *key)
{
	struct assigned *a = map_get(&p->wanted, key);
	if (a)
		return a;
	a = calloc(1, sizeof *a);
	if (a && map_set(&p->wanted, key, a, NULL) < 0) {
		free(a);
		return NULL;
	}
	return a;
}

static void on_assignment(void *ctx, const char *key, const ProtobufCMessage *value)
{
	struct publish *p = ctx;
	struct assigned *a = assigned_get(p, key);
	size_t len = protobuf_c_message_get_packed_size(value);
	uint8_t *packed = a ? malloc(len ? len : 1) : NULL;
	if (!packed) {
		log_line(LOG_ERROR, key, "assignment", "out of memory");
		return;
	}
	protobuf_c_message_pack(value, packed);
	free(a->packed);
	a->packed = packed;
	a->len = len;
	if (a->epoch != subscriber_epoch(p->assignments))
		a->last_event = 0;
	a->epoch = subscriber_epoch(p->assignments);
	pass_on(p, key, a, (const Ingot__Assignment *)value);
}

static void on_assignment_removed(void *ctx, const char *key)
{
	struct publish *p = ctx;
	assigned_free(map_del(&p->wanted, key));
	if (p->w->ops->unassign)
		p->w->ops->unassign(p->w->source, key);
}

static bool open_topics(struct publish *p)
{
	static const char *const labels[] = { "kind", NULL };
	struct metric *m = metrics_add(p->w->d->metrics, "ingot_watcher_objects",
				       "Objects that are published.", METRIC_GAUGE, labels);
	for (int k = 0; k < KIND_N; k++) {
		const char *values[] = { kind_name((enum kind)k), NULL };
		p->kinds[k] = bus_publish(p->w->d->bus, feed_topic((enum kind)k));
		p->counts[k] = m ? metric_series(m, values) : NULL;
		if (!p->kinds[k] || !p->counts[k])
			return false;
	}
	p->leader = bus_publish(p->w->d->bus, TOPIC_LEADER);
	p->findings = bus_publish(p->w->d->bus, TOPIC_WATCHER_CONFIG);
	p->source = bus_publish(p->w->d->bus, TOPIC_SOURCE);
	return p->leader && p->findings && p->source;
}

struct publish *publish_new(struct watcher *w)
{
	static const struct topic_reader reader = { .upsert = on_assignment,
						    .remove = on_assignment_removed };
	struct publish *p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->w = w;
	p->started = loop_clock();
	map_init(&p->wanted);
	if (!open_topics(p)) {
		publish_free(p);
		return NULL;
	}
	if (w->d->daemons & READS(ALLOCATOR))
		p->assignments = bus_subscribe(w->d->bus, TOPIC_ASSIGNMENTS, &reader, p);
	return p;
}

void publish_free(struct publish *p)
{
	if (!p)
		return;
	map_fini(&p->wanted, assigned_free);
	free(p);
}

void publish_put(struct publish *p, enum kind k, const char *key, const ProtobufCMessage *m)
{
	int rc = publisher_put(p->kinds[k], key, m);
	if (rc < 0)
		log_line(LOG_ERROR, key, "publish", "%s cannot be published: %s", kind_name(k),
			 strerror(-rc));
	*p->counts[k] = (int64_t)publisher_count(p->kinds[k]);
}

void publish_gone(struct publish *p, enum kind k, const char *key)
{
	publisher_delete(p->kinds[k], key);
	*p->counts[k] = (int64_t)publisher_count(p->kinds[k]);
}

const void *publish_packed(const struct publish *p, enum kind k, const char *key, size_t *len)
{
	return publisher_get(p->kinds[k], key, len);
}

void publish_synced(struct publish *p)
{
	for (int k = 0; k < KIND_N; k++)
		publisher_synced(p->kinds[k]);
	publisher_synced(p->leader);
	publisher_synced(p->findings);
	publisher_synced(p->source);
}

void publish_leader(struct publish *p, bool leading, const char *holder)
{
	Ingot__Leader m = INGOT__LEADER__INIT;
	char name[256];
	str_fmt(name, sizeof name, "%s", holder);
	m.leading = leading;
	m.holder = name;
	int rc = publisher_put(p->leader, "leader", &m.base);
	if (rc < 0)
		log_line(LOG_ERROR, "leader", "publish", "%s", strerror(-rc));
}

void publish_findings(struct publish *p, const Ingot__ConfigStatus *s)
{
	int rc = publisher_put(p->findings, "watcher", &s->base);
	if (rc < 0)
		log_line(LOG_ERROR, "manifests", "publish", "%s", strerror(-rc));
}

void publish_source(struct publish *p, Ingot__SourceState state, const char *server, const char *text)
{
	Ingot__SourceStatus m = INGOT__SOURCE_STATUS__INIT;
	char where[1024], sentence[1024];
	if (p->source_since_ms == 0 || state != p->source_state)
		p->source_since_ms = loop_wall_ms();
	p->source_state = state;
	str_fmt(where, sizeof where, "%s", server);
	str_fmt(sentence, sizeof sentence, "%s", text);
	m.state = state;
	m.server = where;
	m.text = sentence;
	m.since_ms = p->source_since_ms;
	int rc = publisher_put(p->source, "source", &m.base);
	if (rc < 0)
		log_line(LOG_ERROR, "source", "publish", "%s", strerror(-rc));
}

void publish_reassign(struct publish *p)
{
	map_each (&p->wanted, e) {
		struct assigned *a = e->value;
		Ingot__Assignment *m = a->packed ? ingot__assignment__unpack(NULL, a->len, a->packed) : NULL;
		if (m)
			pass_on(p, e->key, a, m);
		ingot__assignment__free_unpacked(m, NULL);
	}
}
