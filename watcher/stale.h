/* Statuses that are not believed for a moment: the Service they belong to was seen to be deleted here, and
 * the holder of the lock has not taken the record away yet. Private to the room. */
#ifndef INGOT_WATCHER_STALE_H
#define INGOT_WATCHER_STALE_H

#include "lib/run/loop.h"

struct stale;

/* look is called for each noted key when its moment is over: the record, if it is still there, counts again.
 * NULL on out of memory. */
struct stale *stale_new(struct loop *l, void (*look)(void *ctx, const char *key), void *ctx);
void stale_free(struct stale *s);
/* The Service of this key is gone. */
void stale_note(struct stale *s, const char *key);

#endif
