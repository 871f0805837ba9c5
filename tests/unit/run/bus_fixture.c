/* What the bus tests share; see bus_fixture.h. */
#include "tests/unit/run/bus_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"

enum { PATIENCE_S = 60 };

void fixture_open(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	strcpy(f->run_dir, "/tmp/ingot-bus-XXXXXX");
	assert_non_null(mkdtemp(f->run_dir));
	assert_int_equal(chmod(f->run_dir, 0755), 0);
	for (unsigned d = 0; d < DAEMON_N; d++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", f->run_dir, daemon_name((enum daemon_id)d));
		assert_int_equal(mkdir(path, 0755), 0);
	}
	f->loop = loop_new();
	assert_non_null(f->loop);
	f->metrics = metrics_new();
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void fixture_close(struct fixture *f)
{
	loop_free(f->loop);
	metrics_free(f->metrics);
	nftw(f->run_dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

struct bus *fixture_bus_as(struct fixture *f, enum daemon_id d, uid_t uid_base)
{
	struct bus_config config = { .run_dir = f->run_dir,
				     .self = d,
				     .daemons = ALL_ROOMS & ~READS(BGPD),
				     .uid_base = uid_base,
				     .metrics = f->metrics };
	struct bus *b = bus_new(f->loop, &config);
	assert_non_null(b);
	return b;
}

struct bus *fixture_bus(struct fixture *f, enum daemon_id d)
{
	return fixture_bus_as(f, d, (uid_t)-1);
}

struct waiting {
	struct loop *loop;
	struct loop_timer *timer;
	bool (*done)(void *ctx);
	void *ctx;
	mono_t deadline;
	bool met;
};

static void waiting_look(void *ctx)
{
	struct waiting *w = ctx;
	w->met = w->done && w->done(w->ctx);
	if (w->met || mono_reached(loop_clock(), w->deadline))
		loop_stop(w->loop);
	else
		loop_timer_set(w->timer, mono_add(loop_now(w->loop), MS(1)));
}

static bool waiting_run(struct loop *l, bool (*done)(void *ctx), void *ctx, int64_t us)
{
	struct waiting w = { .loop = l, .done = done, .ctx = ctx, .deadline = mono_add(loop_clock(), us) };
	w.timer = loop_timer_new(l, waiting_look, &w);
	loop_timer_set(w.timer, loop_clock());
	loop_run(l);
	loop_timer_free(w.timer);
	return w.met;
}

void run_until(struct loop *l, bool (*done)(void *ctx), void *ctx)
{
	assert_true(waiting_run(l, done, ctx, SEC(PATIENCE_S)));
}

void run_for(struct loop *l, int64_t us)
{
	waiting_run(l, NULL, NULL, us);
}

int64_t fixture_dropped(struct fixture *f, const char *reason)
{
	const char *labels[] = { reason, NULL }, *const names[] = { "reason", NULL };
	struct metric *m = metrics_add(f->metrics, "ingot_bus_dropped_total", "", METRIC_COUNTER, names);
	return *metric_series(m, labels);
}

static void on_upsert(void *ctx, const char *key, const ProtobufCMessage *value)
{
	struct mirror *m = ctx;
	const Ingot__Namespace *n = (const Ingot__Namespace *)(const void *)value;
	uint64_t *v = map_get(&m->values, key);
	if (!v) {
		v = malloc(sizeof(*v));
		must(v && map_set(&m->values, key, v, NULL) == 0);
	}
	*v = n->meta ? (uint64_t)n->meta->generation : 0;
	m->upserts++;
}

static void on_remove(void *ctx, const char *key)
{
	struct mirror *m = ctx;
	void *v = map_del(&m->values, key);
	must(v); /* never told of a removal of what it does not know */
	free(v);
	m->removes++;
}

static void on_synced(void *ctx)
{
	((struct mirror *)ctx)->synced++;
}

const struct topic_reader mirror_reader = { on_upsert, on_remove, on_synced };

void mirror_init(struct mirror *m)
{
	memset(m, 0, sizeof(*m));
	map_init(&m->values);
}

void mirror_fini(struct mirror *m)
{
	map_fini(&m->values, free);
}

bool mirror_get(const struct mirror *m, const char *key, uint64_t *ret)
{
	const uint64_t *v = map_get(&m->values, key);
	if (v)
		*ret = *v;
	return v != NULL;
}

uint64_t digest_of(const char *key, uint64_t value)
{
	static const uint8_t seed[16] = { 1 };
	char text[700];
	str_fmt(text, sizeof(text), "%s=%llu", key, (unsigned long long)value);
	return siphash24(seed, text, strlen(text));
}

uint64_t mirror_digest(const struct mirror *m)
{
	uint64_t sum = 0;
	map_each (&m->values, e)
		sum += digest_of(e->key, *(const uint64_t *)e->value);
	return sum;
}

int put_value(struct publisher *p, const char *key, uint64_t value, size_t padding)
{
	Ingot__ObjectMeta meta = INGOT__OBJECT_META__INIT;
	Ingot__Namespace n = INGOT__NAMESPACE__INIT;
	char *text = calloc(1, padding + 1);
	must(text);
	memset(text, 'x', padding);
	meta.generation = (int64_t)value;
	meta.uid = text;
	n.meta = &meta;
	int r = publisher_put(p, key, &n.base);
	free(text);
	return r;
}
