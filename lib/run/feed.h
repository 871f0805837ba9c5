/* The objects that the watcher publishes, kept in an object store and announced once per turn of the loop. */
#ifndef INGOT_RUN_FEED_H
#define INGOT_RUN_FEED_H

#include "lib/model/objects.h"
#include "lib/run/bus.h"

struct feed;

#define FEED_KIND(k) (1u << (k))

/* The topic that carries objects of this kind. */
enum topic feed_topic(enum kind k);

struct feed_reader {
	/* The store already has the change (removed: the object is gone from it). May be NULL. */
	void (*changed)(void *ctx, enum kind k, const char *key, bool removed);
	/* Once per turn, when something changed: mask of FEED_KIND. Only called when every kind has been
	 * synced once. */
	void (*settled)(void *ctx, unsigned kinds);
};
/* kinds: mask of FEED_KIND. NULL with errno on failure. */
struct feed *feed_new(struct bus *b, struct loop *l, unsigned kinds, const struct feed_reader *reader,
		      void *ctx);
void feed_free(struct feed *f);
const struct objects *feed_objects(const struct feed *f);
bool feed_synced(const struct feed *f); /* every kind was complete once */

#endif
