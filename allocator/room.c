/* The allocator's shell: objects and leadership in, decisions out. Runs in the allocator; never opens a
 * socket and never decides anything itself. */
#include "allocator/room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/name_set.h"

#define CONFIG_KINDS (FEED_KIND(KIND_POOL) | FEED_KIND(KIND_NAMESPACE) | FEED_KIND(KIND_COMMUNITY))

/* How many Services are decided before the loop looks at its other work. */
enum { SERVICES_PER_TURN = 2000 };

/* ---- what the board says ---- */

static void on_assignment(void *ctx, const char *key, const Ingot__Assignment *a)
{
	struct room *r = ctx;
	if (!a)
		publisher_delete(r->assignments, key);
	else if (publisher_put(r->assignments, key, &a->base) < 0)
		log_line(LOG_ERROR, key, "allocationFailed", "the assignment cannot be published");
}

static void on_decided(void *ctx, const char *key, const char *fact, const char *reason)
{
	struct room *r = ctx;
	daemon_decided(r->d, key, *fact ? fact : "cleared", "%s", reason);
	if (strcmp(fact, "assigned") == 0)
		log_line(LOG_INFO, key, "ipAllocated", "%s", reason);
	else
		log_line(LOG_DEBUG, key, "allocationFailed", "%s", reason);
}

static void on_before(void *ctx, const char *key, uint64_t fingerprint)
{
	struct room *r = ctx;
	suspect_begin(&r->suspect, key, fingerprint);
}

static void on_after(void *ctx, bool decided)
{
	struct room *r = ctx;
	suspect_end(&r->suspect, decided);
}

/* ---- work ---- */

static void figures(struct room *r)
{
	*r->metrics.decisions = (int64_t)r->board.n_decisions;
	*r->metrics.out_of_memory = (int64_t)r->board.n_out_of_memory;
	*r->metrics.waiting = (int64_t)r->board.n_waiting;
	room_publish_pools(r);
}

/* A reader that hears "synced" takes the tables for whole: only when leadership is known and every Service
 * was decided. */
static void say_complete(struct room *r)
{
	if (r->complete || !subscriber_synced(r->leader_in))
		return;
	r->complete = true;
	publisher_synced(r->assignments);
	publisher_synced(r->pool_status);
	daemon_ready(r->d);
}

static void work(void *ctx)
{
	struct room *r = ctx;
	if (!r->config)
		return;
	if (board_run(&r->board, feed_objects(r->feed), loop_now(r->d->loop), SERVICES_PER_TURN)) {
		loop_defer_ask(r->work);
		return;
	}
	figures(r);
	say_complete(r);
}

static bool pools_exist(const struct room *r)
{
	map_each (&feed_objects(r->feed)->by_kind[KIND_POOL], e) {
		const Ingot__ObjectMeta *meta = object_meta(KIND_POOL, e->value);
		if (meta && strcmp(meta->namespace_, r->d->options.namespace) == 0)
			return true;
	}
	return false;
}

/* Old pools are still referred to until the board has taken the new ones. */
static void use_config(struct room *r, struct config *next, struct name_set *broken)
{
	bool deleted = r->pools_seen_deleted && !pools_exist(r);
	int e =
	    board_configure(&r->board, next, broken, deleted, feed_objects(r->feed), loop_now(r->d->loop));
	if (e < 0) {
		log_line(LOG_ERROR, "config", "configStale", "out of memory: the former configuration holds");
		config_free(next);
		name_set_fini(broken);
		return;
	}
	config_free(r->config);
	name_set_fini(&r->broken);
	r->config = next;
	r->broken = *broken;
	r->board.broken = &r->broken;
}

static void compile(struct room *r)
{
	struct config *next = NULL;
	struct name_set broken = { 0 };
	bool stale = false;
	int e = source_compile(&r->source, feed_objects(r->feed), r->d->options.namespace, &r->diags, &next,
			       &broken, &stale);
	if (e < 0) {
		log_line(LOG_ERROR, "config", "configStale", "out of memory: the former configuration holds");
		room_publish_config(r, true);
		return;
	}
	if (r->config && next->digest == r->config->digest && name_set_equal(&broken, &r->broken)) {
		config_free(next);
		name_set_fini(&broken);
	} else {
		log_line(LOG_INFO, "config", "poolReconciler", "%zu pools, %zu errors", next->n_pools,
			 r->diags.n_errors);
		use_config(r, next, &broken);
	}
	room_publish_config(r, stale);
}

static void on_changed(void *ctx, enum kind k, const char *key, bool removed)
{
	struct room *r = ctx;
	if (k == KIND_SERVICE)
		board_touch(&r->board, key);
	else if (k == KIND_POOL)
		r->pools_seen_deleted = removed;
}

static void on_settled(void *ctx, unsigned kinds)
{
	struct room *r = ctx;
	if (!r->settled || (kinds & CONFIG_KINDS))
		compile(r);
	r->settled = true;
	work(r);
}

/* ---- leadership ---- */

static void lead(struct room *r, bool leading)
{
	if (leading == r->board.leading)
		return;
	log_line(LOG_INFO, "leader", leading ? "leading" : "following", "%s",
		 leading ? "this controller allocates" : "another controller allocates");
	if (board_lead(&r->board, leading, feed_objects(r->feed), loop_now(r->d->loop)) < 0)
		log_line(LOG_ERROR, "leader", "leading", "out of memory: not all Services are decided yet");
	loop_defer_ask(r->work);
}

static void on_lease(void *ctx)
{
	struct room *r = ctx;
	r->told_leading = false;
	lead(r, false);
}

static void on_leader(void *ctx, const char *key, const ProtobufCMessage *value)
{
	struct room *r = ctx;
	const Ingot__Leader *l = (const Ingot__Leader *)(const void *)value;
	(void)key;
	r->leads_until =
	    l->until_ms > 0 && l->until_ms < INT64_MAX / 1000 ? (mono_t){ MS(l->until_ms) } : MONO_NEVER;
	r->told_leading = l->leading && mono_before(loop_now(r->d->loop), r->leads_until);
	loop_timer_set(r->lease, r->told_leading ? r->leads_until : MONO_NEVER);
	lead(r, r->told_leading);
}

static void on_leader_removed(void *ctx, const char *key)
{
	(void)key;
	on_lease(ctx);
}

static void on_leader_synced(void *ctx)
{
	struct room *r = ctx;
	loop_defer_ask(r->work);
}

/* ---- start and end ---- */

int room_open(struct daemon *d)
{
	struct room *r = d->self;
	static const struct board_sink sink = { on_assignment, on_decided, on_before, on_after };
	r->d = d;
	board_init(&r->board, d->options.lb_class, &sink, r);
	source_init(&r->source);
	map_init(&r->published);
	int e = suspect_open(&r->suspect, daemon_take_retained(d, "suspects"));
	if (e < 0)
		log_line(LOG_WARN, "daemon", "suspects", "no memory for unfinished work: %s", strerror(-e));
	else
		daemon_retain(d, "suspects", r->suspect.fd);
	return room_metrics_init(r);
}

static void on_suspect(void *ctx, const char *key, uint64_t fingerprint)
{
	struct room *r = ctx;
	board_quarantine(&r->board, key, fingerprint);
	++*r->metrics.quarantined;
	log_line(LOG_ERROR, key, "quarantined",
		 "handling it ended the allocator; it is skipped until it changes");
	daemon_decided(r->d, key, "quarantined", "handling it ended the allocator");
}

int room_join(struct daemon *d)
{
	struct room *r = d->self;
	static const struct topic_reader leader = { on_leader, on_leader_removed, on_leader_synced };
	static const struct feed_reader reader = { on_changed, on_settled };
	suspect_each(&r->suspect, d->unready_lives > 0 ? 1 : SUSPECT_LIVES, on_suspect, r);
	r->work = loop_defer_new(d->loop, work, r);
	r->lease = loop_timer_new(d->loop, on_lease, r);
	r->assignments = bus_publish(d->bus, TOPIC_ASSIGNMENTS);
	r->pool_status = bus_publish(d->bus, TOPIC_POOL_STATUS);
	r->config_status = bus_publish(d->bus, TOPIC_ALLOCATOR_CONFIG);
	if (!r->work || !r->lease || !r->assignments || !r->pool_status || !r->config_status)
		return -ENOMEM;
	r->feed = feed_new(d->bus, d->loop, CONFIG_KINDS | FEED_KIND(KIND_SERVICE), &reader, r);
	if (!r->feed)
		return errno > 0 ? -errno : -ENOMEM;
	r->leader_in = bus_subscribe(d->bus, TOPIC_LEADER, &leader, r);
	if (!r->leader_in)
		return errno > 0 ? -errno : -ENOMEM;
	return 0;
}

void room_explain(struct daemon *d, const char *subject, char *buf, size_t size)
{
	struct room *r = d->self;
	struct strbuf b = { 0 };
	if (!*subject)
		strbuf_fmt(&b, "%s; %zu pools, %zu Services have an address, %zu wait for one",
			   r->board.leading ? "allocating" : "another controller allocates",
			   r->config ? r->config->n_pools : 0, map_len(&r->board.alloc.holders),
			   r->board.n_waiting);
	else if (r->config)
		board_explain(&r->board, subject, &b);
	str_fmt(buf, size, "%s", strbuf_get(&b));
	strbuf_fini(&b);
}

void room_close(struct daemon *d)
{
	struct room *r = d->self;
	feed_free(r->feed);
	loop_defer_free(r->work);
	loop_timer_free(r->lease);
	board_fini(&r->board);
	source_fini(&r->source);
	config_free(r->config);
	name_set_fini(&r->broken);
	diags_fini(&r->diags);
	map_fini(&r->published, free);
	suspect_close(&r->suspect);
}
