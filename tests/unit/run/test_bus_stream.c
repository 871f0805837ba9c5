/* Streams of the bus between two daemons in one loop: snapshot, changes, order, restarts on both sides. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/model/row.h"
#include "tests/unit/run/bus_fixture.h"

struct pair {
	struct fixture f;
	struct bus *watcher, *gossipd;
	struct publisher *p;
	struct subscriber *s;
	struct mirror m;
	uint64_t digest; /* wanted */
	unsigned synced;
};

static int pair_open(void **state)
{
	static struct pair pair;
	memset(&pair, 0, sizeof(pair));
	fixture_open(&pair.f);
	pair.watcher = fixture_bus(&pair.f, DAEMON_WATCHER);
	pair.gossipd = fixture_bus(&pair.f, DAEMON_GOSSIPD);
	pair.p = bus_publish(pair.watcher, TOPIC_NAMESPACES);
	assert_non_null(pair.p);
	mirror_init(&pair.m);
	*state = &pair;
	return 0;
}

static int pair_close(void **state)
{
	struct pair *t = *state;
	bus_free(t->gossipd);
	bus_free(t->watcher);
	mirror_fini(&t->m);
	fixture_close(&t->f);
	return 0;
}

static void pair_subscribe(struct pair *t)
{
	t->s = bus_subscribe(t->gossipd, TOPIC_NAMESPACES, &mirror_reader, &t->m);
	assert_non_null(t->s);
}

/* Kills the publisher and starts the next, empty and not synced. */
static void pair_restart_publisher(struct pair *t)
{
	bus_free(t->watcher);
	t->watcher = fixture_bus(&t->f, DAEMON_WATCHER);
	t->p = bus_publish(t->watcher, TOPIC_NAMESPACES);
	assert_non_null(t->p);
}

static bool is_equal(void *ctx)
{
	struct pair *t = ctx;
	return mirror_digest(&t->m) == t->digest && t->m.synced >= t->synced;
}

static void pair_wait(struct pair *t, uint64_t digest, unsigned synced)
{
	t->digest = digest;
	t->synced = synced;
	run_until(t->f.loop, is_equal, t);
}

static void snapshot_then_changes(void **state)
{
	struct pair *t = *state;
	put_value(t->p, "a", 1, 0);
	put_value(t->p, "b", 2, 0);
	publisher_delete(t->p, "a");
	publisher_synced(t->p);
	pair_subscribe(t);
	assert_false(subscriber_synced(t->s));
	pair_wait(t, digest_of("b", 2), 1);
	assert_true(subscriber_synced(t->s));
	assert_true(subscriber_epoch(t->s) > 0);
	assert_int_equal(t->m.removes, 0);
	put_value(t->p, "c", 3, 0);
	put_value(t->p, "b", 4, 0);
	pair_wait(t, digest_of("b", 4) + digest_of("c", 3), 1);
	publisher_delete(t->p, "b");
	pair_wait(t, digest_of("c", 3), 1);
	assert_int_equal(t->m.removes, 1);
	assert_int_equal(t->m.upserts, 3);
	assert_int_equal(t->m.synced, 1);
	assert_int_equal(publisher_count(t->p), 1);
	assert_true(publisher_has(t->p, "c"));
	assert_false(publisher_has(t->p, "b"));
	size_t len = 0;
	const void *packed = publisher_get(t->p, "c", &len);
	Ingot__Namespace *m = packed ? ingot__namespace__unpack(NULL, len, packed) : NULL;
	assert_true(m && m->meta && m->meta->generation == 3);
	ingot__namespace__free_unpacked(m, NULL);
	assert_null(publisher_get(t->p, "b", &len));
	assert_null(publisher_get(t->p, "never", &len));
}

struct table_reader {
	const struct hashtab *table;
	unsigned told, gone, synced;
	unsigned want_told, want_gone, want_synced;
};

/* The reader is told when the table already has it. */
static void on_row(void *ctx, const char *key, const ProtobufCMessage *value)
{
	struct table_reader *r = ctx;
	const struct row *row = row_find(r->table, key);
	uint8_t same[1000];
	assert_true(protobuf_c_message_get_packed_size(value) <= sizeof same);
	assert_non_null(row);
	assert_int_equal(row->len, protobuf_c_message_pack(value, same));
	assert_memory_equal(row->key + strlen(key) + 1, same, row->len);
	r->told++;
}

static void on_row_gone(void *ctx, const char *key)
{
	struct table_reader *r = ctx;
	assert_null(row_find(r->table, key));
	r->gone++;
}

static void on_rows_synced(void *ctx)
{
	((struct table_reader *)ctx)->synced++;
}

static bool all_told(void *ctx)
{
	const struct table_reader *r = ctx;
	return r->told == r->want_told && r->gone == r->want_gone && r->synced == r->want_synced;
}

static void table_wait(struct pair *t, struct table_reader *r, unsigned told, unsigned gone, unsigned synced)
{
	r->want_told = told;
	r->want_gone = gone;
	r->want_synced = synced;
	run_until(t->f.loop, all_told, r);
}

static void the_bus_keeps_the_table(void **state)
{
	static const struct topic_reader reader = { on_row, on_row_gone, on_rows_synced };
	struct pair *t = *state;
	struct table_reader r = { 0 };
	assert_non_null(bus_subscribe_table(t->gossipd, TOPIC_NAMESPACES, &reader, &r, &r.table));
	put_value(t->p, "a", 1, 0);
	put_value(t->p, "b", 2, 0);
	publisher_synced(t->p);
	table_wait(t, &r, 2, 0, 1);
	put_value(t->p, "b", 4, 100);
	publisher_delete(t->p, "a");
	put_value(t->p, "c", 3, 0);
	table_wait(t, &r, 4, 1, 1);
	assert_int_equal(hashtab_len(r.table), 2);
	ProtobufCMessage *m = row_open(row_find(r.table, "b"), &ingot__namespace__descriptor);
	assert_non_null(m);
	assert_int_equal(((const Ingot__Namespace *)(const void *)m)->meta->generation, 4);
	protobuf_c_message_free_unpacked(m, NULL);

	/* The publisher's next life knows nothing of "b". */
	pair_restart_publisher(t);
	put_value(t->p, "c", 3, 0);
	put_value(t->p, "d", 5, 0);
	publisher_synced(t->p);
	table_wait(t, &r, 5, 2, 2);
	assert_int_equal(hashtab_len(r.table), 2);
	assert_null(row_find(r.table, "b"));
	assert_non_null(row_find(r.table, "c"));
}

static void an_empty_table_is_synced_too(void **state)
{
	struct pair *t = *state;
	pair_subscribe(t);
	run_for(t->f.loop, MS(50));
	assert_int_equal(t->m.synced, 0);
	publisher_synced(t->p);
	pair_wait(t, 0, 1);
	assert_int_equal(t->m.synced, 1);
}

static void equal_values_are_not_told_again(void **state)
{
	struct pair *t = *state;
	pair_subscribe(t);
	put_value(t->p, "a", 1, 0);
	put_value(t->p, "a", 1, 0);
	publisher_synced(t->p);
	pair_wait(t, digest_of("a", 1), 1);
	put_value(t->p, "a", 1, 0);
	put_value(t->p, "z", 1, 0);
	pair_wait(t, digest_of("a", 1) + digest_of("z", 1), 1);
	assert_int_equal(t->m.upserts, 2);
}

static void a_restarted_publisher_removes_nothing_before_it_is_synced(void **state)
{
	struct pair *t = *state;
	pair_subscribe(t);
	put_value(t->p, "kept", 1, 0);
	put_value(t->p, "gone", 2, 0);
	publisher_synced(t->p);
	pair_wait(t, digest_of("kept", 1) + digest_of("gone", 2), 1);
	uint64_t epoch = subscriber_epoch(t->s);

	pair_restart_publisher(t);
	put_value(t->p, "kept", 1, 0);
	put_value(t->p, "new", 3, 0);
	pair_wait(t, digest_of("kept", 1) + digest_of("gone", 2) + digest_of("new", 3), 1);
	assert_int_equal(t->m.synced, 1);
	assert_true(subscriber_epoch(t->s) > epoch);
	assert_true(subscriber_synced(t->s));

	publisher_synced(t->p);
	pair_wait(t, digest_of("kept", 1) + digest_of("new", 3), 2);
	assert_int_equal(t->m.upserts, 3); /* "kept" came again, unchanged */
	assert_int_equal(t->m.removes, 1);
}

static void a_second_restart_before_synced_removes_nothing_either(void **state)
{
	struct pair *t = *state;
	pair_subscribe(t);
	put_value(t->p, "a", 1, 0);
	publisher_synced(t->p);
	pair_wait(t, digest_of("a", 1), 1);
	for (unsigned life = 0; life < 3; life++) {
		pair_restart_publisher(t);
		put_value(t->p, "b", life, 0);
		pair_wait(t, digest_of("a", 1) + digest_of("b", life), 1);
	}
	assert_int_equal(t->m.removes, 0);
	publisher_synced(t->p);
	pair_wait(t, digest_of("b", 2), 2);
}

static void a_restarted_reader_gets_the_whole_table(void **state)
{
	struct pair *t = *state;
	uint64_t digest = 0;
	for (unsigned i = 0; i < 3000; i++) {
		char key[32];
		snprintf(key, sizeof(key), "ns-%u", i);
		put_value(t->p, key, i, 300); /* several chunks */
		digest += digest_of(key, i);
	}
	publisher_synced(t->p);
	for (unsigned life = 0; life < 3; life++) {
		pair_subscribe(t);
		pair_wait(t, digest, 1);
		assert_int_equal(t->m.upserts, 3000);
		bus_free(t->gossipd);
		mirror_fini(&t->m);
		mirror_init(&t->m);
		t->gossipd = fixture_bus(&t->f, DAEMON_GOSSIPD);
	}
}

static void a_reader_that_missed_forgotten_deletions_reads_all_again(void **state)
{
	struct pair *t = *state;
	pair_subscribe(t);
	put_value(t->p, "first", 1, 0);
	put_value(t->p, "second", 2, 0);
	publisher_synced(t->p);
	pair_wait(t, digest_of("first", 1) + digest_of("second", 2), 1);
	/* More than the queues hold and more deletions than are remembered, within one turn of the loop. */
	publisher_delete(t->p, "first");
	for (unsigned i = 0; i < 20000; i++) {
		char key[32];
		snprintf(key, sizeof(key), "short-%u", i);
		put_value(t->p, key, i, 0);
		publisher_delete(t->p, key);
	}
	pair_wait(t, digest_of("second", 2), 1);
	assert_int_equal(t->m.synced, 1);
}

static void large_values_arrive(void **state)
{
	struct pair *t = *state;
	pair_subscribe(t);
	publisher_synced(t->p);
	pair_wait(t, 0, 1);
	put_value(t->p, "large", 1, 900 << 10);
	put_value(t->p, "medium", 2, 100 << 10);
	put_value(t->p, "small", 3, 100);
	pair_wait(t, digest_of("large", 1) + digest_of("medium", 2) + digest_of("small", 3), 1);
	assert_int_equal(put_value(t->p, "huge", 4, 2 << 20), -EMSGSIZE);
	assert_false(publisher_has(t->p, "huge"));
}

static void edges_that_are_not_on_the_map_are_refused(void **state)
{
	struct pair *t = *state;
	assert_null(bus_publish(t->gossipd, TOPIC_NAMESPACES));
	assert_int_equal(errno, EINVAL);
	assert_null(bus_publish(t->watcher, TOPIC_NAMESPACES)); /* twice */
	/* bgpd does not run in this role; gossipd is a reader of no bgpd topic, l2d of no namespaces. */
	assert_null(bus_subscribe(t->watcher, TOPIC_BGP_PEERS, &mirror_reader, &t->m));
	assert_int_equal(errno, EHOSTUNREACH);
	assert_null(bus_subscribe(t->gossipd, TOPIC_ASSIGNMENTS, &mirror_reader, &t->m));
	assert_int_equal(errno, EACCES);
	assert_int_equal(put_value(t->p, "", 1, 0), -EINVAL);
	char key[BUS_QUEUE + 200];
	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	assert_int_equal(put_value(t->p, key, 1, 0), -EINVAL);
}

static void nng_starts_few_threads_whatever_the_machine(void **state)
{
	struct pair *t = *state;
	unsigned n = 0;
	DIR *tasks = opendir("/proc/self/task");
	(void)t;
	assert_non_null(tasks);
	for (const struct dirent *e; (e = readdir(tasks));)
		n += e->d_name[0] != '.';
	closedir(tasks);
	/* 11 of nng for one CPU, and one of a sanitizer; 14 and 20 for two and four CPUs. */
	assert_true(n <= 12);
}

static bool mirror_is_synced(void *ctx)
{
	return ((struct mirror *)ctx)->synced > 0;
}

static void two_topics_share_one_connection(void **state)
{
	struct pair *t = *state;
	struct mirror other;
	mirror_init(&other);
	struct publisher *nodes = bus_publish(t->watcher, TOPIC_NODES);
	pair_subscribe(t);
	put_value(t->p, "a", 1, 0);
	publisher_synced(t->p);
	pair_wait(t, digest_of("a", 1), 1);
	/* The second subscription comes when the connection stands already. */
	assert_non_null(bus_subscribe(t->gossipd, TOPIC_NODES, &mirror_reader, &other));
	publisher_synced(nodes);
	run_until(t->f.loop, mirror_is_synced, &other);
	assert_int_equal(t->m.synced, 1);
	mirror_fini(&other);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, pair_open, pair_close)
	const struct CMUnitTest tests[] = {
		T(snapshot_then_changes),
		T(the_bus_keeps_the_table),
		T(an_empty_table_is_synced_too),
		T(equal_values_are_not_told_again),
		T(a_restarted_publisher_removes_nothing_before_it_is_synced),
		T(a_second_restart_before_synced_removes_nothing_either),
		T(a_restarted_reader_gets_the_whole_table),
		T(a_reader_that_missed_forgotten_deletions_reads_all_again),
		T(large_values_arrive),
		T(edges_that_are_not_on_the_map_are_refused),
		T(two_topics_share_one_connection),
		T(nng_starts_few_threads_whatever_the_machine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
