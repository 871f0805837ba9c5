/* The bus of one daemon: its parts, the one timer, and the wake-ups for connections. Runs in every daemon but
 * the supervisor. Waits for nothing. docs/bus.md describes the protocol. */
#include "lib/run/bus_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

static void bus_drop_n(struct bus *b, enum bus_reason reason, unsigned n)
{
	const char *labels[] = { bus_reason_text(reason), NULL };
	int64_t *count = b->dropped && n > 0 ? metric_series(b->dropped, labels) : NULL;
	if (count)
		*count += n;
}

void bus_drop(struct bus *b, enum bus_reason reason)
{
	bus_drop_n(b, reason, 1);
}

void bus_count(struct bus *b, struct metric *m, enum topic t)
{
	const char *labels[] = { topic_name(t), NULL };
	int64_t *n = m ? metric_series(m, labels) : NULL;
	(void)b;
	if (n)
		(*n)++;
}

void bus_wake_at(struct bus *b, mono_t at)
{
	if (!mono_before(at, b->timer_at))
		return;
	b->timer_at = at;
	loop_timer_set(b->timer, at);
}

static void on_timer(void *ctx)
{
	struct bus *b = ctx;
	mono_t now = loop_now(b->loop);
	b->timer_at = MONO_NEVER;
	mono_t next = publishers_tick(b, now);
	for (unsigned t = 0; t < TOPIC_N; t++)
		if (b->subscriber[t])
			next = mono_min(next, subscriber_tick(b->subscriber[t], now));
	for (unsigned d = 0; d < DAEMON_N; d++)
		if (b->link[d])
			next = mono_min(next, link_tick(b->link[d], now));
	bus_wake_at(b, next);
}

static void link_look(struct bus *b, struct bus_link *l)
{
	unsigned frames = atomic_load(&l->frames.connects);
	unsigned asks = atomic_load(&l->asks.connects), answers = atomic_load(&l->answers.connects);
	if (asks != l->asks_seen || answers != l->answers_seen) {
		l->asks_seen = asks;
		l->answers_seen = answers;
		link_connected(l);
	}
	if (frames == l->frames_seen)
		return;
	l->frames_seen = frames;
	for (unsigned t = 0; t < TOPIC_N; t++)
		if (b->subscriber[t] && topic_publisher((enum topic)t) == l->daemon)
			subscriber_connected(b->subscriber[t]);
}

/* A connection was made: what was lost before it can be asked for, and what waits can be sent. Or one was
 * refused. */
static void on_wake(void *ctx, unsigned events)
{
	struct bus *b = ctx;
	uint64_t n;
	(void)events;
	if (read(b->wake_fd, &n, sizeof(n)) < 0)
		return; /* somebody else's wake */
	bus_drop_n(b, BUS_DROP_PEER, atomic_exchange(&b->access.refused, 0));
	for (unsigned d = 0; d < DAEMON_N; d++)
		if (b->link[d])
			link_look(b, b->link[d]);
}

static void bus_add_metrics(struct bus *b, struct metrics *m)
{
	static const char *const by_reason[] = { "reason", NULL }, *const by_topic[] = { "topic", NULL };
	b->dropped = metrics_add(m, "ingot_bus_dropped_total", "Messages of other daemons that were dropped",
				 METRIC_COUNTER, by_reason);
	/* A counter that exists before its first event can be watched for its first event. */
	for (unsigned r = BUS_DROP_NONE + 1; b->dropped && r < BUS_DROP_N; r++)
		metric_series(b->dropped, (const char *[]){ bus_reason_text((enum bus_reason)r), NULL });
	b->gaps = metrics_add(m, "ingot_bus_gaps_total", "Gaps found in the frames of a topic",
			      METRIC_COUNTER, by_topic);
	b->resyncs =
	    metrics_add(m, "ingot_bus_resyncs_total", "Tables that were read again from their beginning",
			METRIC_COUNTER, by_topic);
}

static int bus_init(struct bus *b)
{
	b->timer_at = b->repeat_at = MONO_NEVER;
	b->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (b->wake_fd < 0)
		return -errno;
	if (getrandom(b->hash_key, sizeof(b->hash_key), 0) != (ssize_t)sizeof(b->hash_key) ||
	    getrandom(&b->instance, sizeof(b->instance), 0) != (ssize_t)sizeof(b->instance))
		return -EIO;
	b->timer = loop_timer_new(b->loop, on_timer, b);
	b->wake_watch = loop_fd_new(b->loop, b->wake_fd, LOOP_READ, on_wake, b);
	return b->run_dir && b->timer && b->wake_watch ? bus_listen(b) : -ENOMEM;
}

struct bus *bus_new(struct loop *l, const struct bus_config *config)
{
	struct bus *b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->loop = l;
	b->self = config->self;
	b->daemons = config->daemons;
	b->epoch = (uint64_t)loop_clock().us;
	b->access.uid_base = config->uid_base;
	b->access.self = geteuid();
	b->run_dir = strdup(config->run_dir);
	if (config->metrics)
		bus_add_metrics(b, config->metrics);
	int r = bus_init(b);
	if (r == 0)
		return b;
	bus_free(b);
	errno = -r;
	return NULL;
}

static void bus_free_tables(struct bus *b)
{
	for (unsigned t = 0; t < TOPIC_N; t++) {
		subscriber_free(b->subscriber[t]);
		publisher_free(b->publisher[t]);
	}
	exchanges_free(b);
}

void bus_free(struct bus *b)
{
	if (!b)
		return;
	if (b->self == DAEMON_CTL) { /* a program that is about to end */
		bus_leave(b);
		return;
	}
	bus_free_tables(b);
	bus_close_sockets(b);
	loop_timer_free(b->timer);
	loop_fd_free(b->wake_watch);
	if (b->wake_fd >= 0)
		close(b->wake_fd);
	free(b->run_dir);
	free(b);
}

void bus_leave(struct bus *b)
{
	if (!b)
		return;
	bus_free_tables(b);
	for (unsigned d = 0; d < DAEMON_N; d++) {
		struct bus_link *l = b->link[d];
		if (!l)
			continue;
		link_free_pending(l);
		loop_fd_free(l->frames.watch);
		loop_fd_free(l->answers.watch);
	}
	loop_fd_free(b->rep.watch);
	loop_timer_free(b->timer);
	loop_fd_free(b->wake_watch);
	free(b->run_dir);
	b->run_dir = NULL;
}
