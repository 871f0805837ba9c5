/* The watcher's objects as an object store: subscribes to the kinds a daemon wants, and says once per turn
 * what changed. Runs in allocator, gossipd and bgpd. Decides nothing. */
#include "lib/run/feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/run/bus_internal.h"

struct feed_kind {
	struct feed *feed;
	enum kind kind;
	struct subscriber *subscriber;
};

struct feed {
	struct objects objects;
	struct bus *bus;
	struct feed_kind kind[KIND_N];
	unsigned kinds, synced, changed;
	struct loop_defer *settle;
	struct feed_reader reader;
	void *ctx;
};

static const enum topic kind_topics[] = {
	[KIND_SERVICE] = TOPIC_SERVICES,
	[KIND_ENDPOINTS] = TOPIC_ENDPOINTS,
	[KIND_NODE] = TOPIC_NODES,
	[KIND_NAMESPACE] = TOPIC_NAMESPACES,
	[KIND_SECRET] = TOPIC_SECRETS,
	[KIND_CONFIG_MAP] = TOPIC_CONFIG_MAPS,
	[KIND_POOL] = TOPIC_POOLS,
	[KIND_L2_ADVERTISEMENT] = TOPIC_L2_ADVERTISEMENTS,
	[KIND_BGP_ADVERTISEMENT] = TOPIC_BGP_ADVERTISEMENTS,
	[KIND_BGP_PEER] = TOPIC_BGP_PEERS_WANTED,
	[KIND_BFD_PROFILE] = TOPIC_BFD_PROFILES,
	[KIND_COMMUNITY] = TOPIC_COMMUNITIES,
};
_Static_assert(sizeof(kind_topics) / sizeof(kind_topics[0]) == KIND_N, "every kind has a topic");

enum topic feed_topic(enum kind k)
{
	must(k < KIND_N);
	return kind_topics[k];
}

static void feed_changed(struct feed_kind *k, const char *key, bool removed)
{
	struct feed *f = k->feed;
	f->changed |= FEED_KIND(k->kind);
	if (f->reader.changed)
		f->reader.changed(f->ctx, k->kind, key, removed);
	loop_defer_ask(f->settle);
}

static void on_upsert(void *ctx, const char *key, ProtobufCMessage *value)
{
	struct feed_kind *k = ctx;
	if (objects_put(&k->feed->objects, k->kind, key, value) == 0)
		feed_changed(k, key, false);
	else
		bus_drop(k->feed->bus, BUS_DROP_FULL);
}

static void on_remove(void *ctx, const char *key)
{
	struct feed_kind *k = ctx;
	if (objects_del(&k->feed->objects, k->kind, key))
		feed_changed(k, key, true);
}

static void on_synced(void *ctx)
{
	struct feed_kind *k = ctx;
	struct feed *f = k->feed;
	if (feed_synced(f))
		return; /* a restart of the watcher: what changed was told */
	f->synced |= FEED_KIND(k->kind);
	f->changed |= FEED_KIND(k->kind);
	loop_defer_ask(f->settle);
}

static void feed_settle(void *ctx)
{
	struct feed *f = ctx;
	if (!feed_synced(f) || f->changed == 0)
		return;
	unsigned changed = f->changed;
	f->changed = 0;
	f->reader.settled(f->ctx, changed);
}

struct feed *feed_new(struct bus *b, struct loop *l, unsigned kinds, const struct feed_reader *reader,
		      void *ctx)
{
	static const struct topic_reader hooks = { .remove = on_remove, .synced = on_synced };
	struct feed *f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	objects_init(&f->objects);
	f->bus = b;
	f->kinds = kinds;
	f->reader = *reader;
	f->ctx = ctx;
	f->settle = loop_defer_new(l, feed_settle, f);
	bool ok = f->settle != NULL;
	for (unsigned k = 0; ok && k < KIND_N; k++) {
		f->kind[k] = (struct feed_kind){ .feed = f, .kind = (enum kind)k };
		if (!(kinds & FEED_KIND(k)))
			continue;
		f->kind[k].subscriber =
		    bus_subscribe_owned(b, kind_topics[k], &hooks, on_upsert, &f->kind[k]);
		ok = f->kind[k].subscriber != NULL;
	}
	if (ok)
		return f;
	int error = errno;
	feed_free(f);
	errno = error;
	return NULL;
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	for (unsigned k = 0; k < KIND_N; k++)
		subscriber_free(f->kind[k].subscriber);
	loop_defer_free(f->settle);
	objects_fini(&f->objects);
	free(f);
}

const struct objects *feed_objects(const struct feed *f)
{
	return &f->objects;
}

bool feed_synced(const struct feed *f)
{
	return f->synced == f->kinds;
}
