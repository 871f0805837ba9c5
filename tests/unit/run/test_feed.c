/* The feed: the watcher's objects as a store, announced once per turn, only when every kind is complete. */
#include <stdio.h>
#include <string.h>

#include "lib/run/feed.h"
#include "tests/unit/run/bus_fixture.h"

struct reader {
	struct fixture f;
	struct bus *watcher, *gossipd;
	struct publisher *namespaces, *pools;
	struct feed *feed;
	unsigned changed, removed, settled, kinds;
	char last[64];
};

static void on_changed(void *ctx, enum kind k, const char *key, bool removed)
{
	struct reader *r = ctx;
	r->changed++;
	r->removed += removed;
	snprintf(r->last, sizeof(r->last), "%s", key);
	/* The store has the change already. */
	assert_int_equal(objects_get(feed_objects(r->feed), k, key) == NULL, removed);
}

static void on_settled(void *ctx, unsigned kinds)
{
	struct reader *r = ctx;
	r->settled++;
	r->kinds = kinds;
	assert_true(feed_synced(r->feed));
}

static const struct feed_reader reader = { on_changed, on_settled };

static int reader_open(void **state)
{
	static struct reader r;
	memset(&r, 0, sizeof(r));
	fixture_open(&r.f);
	r.watcher = fixture_bus(&r.f, DAEMON_WATCHER);
	r.gossipd = fixture_bus(&r.f, DAEMON_GOSSIPD);
	r.namespaces = bus_publish(r.watcher, TOPIC_NAMESPACES);
	r.pools = bus_publish(r.watcher, TOPIC_POOLS);
	r.feed = feed_new(r.gossipd, r.f.loop, FEED_KIND(KIND_NAMESPACE) | FEED_KIND(KIND_POOL), &reader, &r);
	assert_non_null(r.feed);
	*state = &r;
	return 0;
}

static int reader_close(void **state)
{
	struct reader *r = *state;
	feed_free(r->feed);
	bus_free(r->watcher);
	bus_free(r->gossipd);
	fixture_close(&r->f);
	return 0;
}

static bool has_settled(void *ctx)
{
	return ((struct reader *)ctx)->settled > 0;
}

static void wait_settled(struct reader *r)
{
	r->settled = r->kinds = 0;
	run_until(r->f.loop, has_settled, r);
}

static bool has_changed(void *ctx)
{
	return ((struct reader *)ctx)->changed > 0;
}

static void put_pool(struct reader *r, const char *name, const char *range)
{
	char text[64];
	char *addresses[1] = { text };
	Ingot__IPAddressPool pool = INGOT__IPADDRESS_POOL__INIT;
	snprintf(text, sizeof(text), "%s", range);
	pool.n_addresses = 1;
	pool.addresses = addresses;
	assert_int_equal(publisher_put(r->pools, name, &pool.base), 0);
}

static void settles_once_every_kind_is_complete(void **state)
{
	struct reader *r = *state;
	put_value(r->namespaces, "default", 1, 0);
	publisher_synced(r->namespaces);
	run_until(r->f.loop, has_changed, r);
	run_for(r->f.loop, MS(20));
	assert_int_equal(r->settled, 0);
	assert_false(feed_synced(r->feed));
	put_pool(r, "metallb-system/p", "192.0.2.0/24");
	publisher_synced(r->pools);
	wait_settled(r);
	assert_int_equal(r->kinds, FEED_KIND(KIND_NAMESPACE) | FEED_KIND(KIND_POOL));
	assert_non_null(objects_get(feed_objects(r->feed), KIND_POOL, "metallb-system/p"));
	assert_non_null(objects_get(feed_objects(r->feed), KIND_NAMESPACE, "default"));
}

static void many_changes_of_a_turn_settle_together(void **state)
{
	struct reader *r = *state;
	publisher_synced(r->namespaces);
	publisher_synced(r->pools);
	wait_settled(r);
	for (unsigned i = 0; i < 40; i++) {
		char key[32];
		snprintf(key, sizeof(key), "metallb-system/%u", i);
		put_pool(r, key, "192.0.2.0/24");
	}
	r->changed = 0;
	wait_settled(r);
	while (r->changed < 40)
		wait_settled(r);
	assert_int_equal(r->kinds, FEED_KIND(KIND_POOL));
	assert_int_equal(r->changed, 40);
}

static void removed_objects_leave_the_store(void **state)
{
	struct reader *r = *state;
	put_pool(r, "metallb-system/p", "192.0.2.0/24");
	publisher_synced(r->namespaces);
	publisher_synced(r->pools);
	wait_settled(r);
	publisher_delete(r->pools, "metallb-system/p");
	wait_settled(r);
	assert_int_equal(r->removed, 1);
	assert_string_equal(r->last, "metallb-system/p");
	assert_null(objects_get(feed_objects(r->feed), KIND_POOL, "metallb-system/p"));
}

static void a_restart_of_the_watcher_is_not_news(void **state)
{
	struct reader *r = *state;
	put_pool(r, "metallb-system/p", "192.0.2.0/24");
	put_pool(r, "metallb-system/q", "198.51.100.0/24");
	publisher_synced(r->namespaces);
	publisher_synced(r->pools);
	wait_settled(r);
	r->changed = 0;
	bus_free(r->watcher);
	r->watcher = fixture_bus(&r->f, DAEMON_WATCHER);
	r->namespaces = bus_publish(r->watcher, TOPIC_NAMESPACES);
	r->pools = bus_publish(r->watcher, TOPIC_POOLS);
	put_pool(r, "metallb-system/p", "192.0.2.0/24");
	publisher_synced(r->namespaces);
	r->settled = 0;
	run_for(r->f.loop, MS(50));
	assert_int_equal(r->settled, 0);
	assert_int_equal(r->changed, 0);
	publisher_synced(r->pools);
	wait_settled(r);
	assert_int_equal(r->changed, 1); /* q did not come again */
	assert_string_equal(r->last, "metallb-system/q");
	assert_int_equal(r->kinds, FEED_KIND(KIND_POOL));
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, reader_open, reader_close)
	const struct CMUnitTest tests[] = {
		T(settles_once_every_kind_is_complete),
		T(many_changes_of_a_turn_settle_together),
		T(removed_objects_leave_the_store),
		T(a_restart_of_the_watcher_is_not_news),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
