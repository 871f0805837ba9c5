/* Why this exists: several nodes share a folder, and each sees a deletion at its own time. When a Service is
 * deleted and made again at once, a node may have the new Service before the holder of the lock has removed
 * the old one's status; with that status it would announce an address that is taken back a moment later. So a
 * status is forgotten together with its Service. It counts again when it is written anew, or when it is still
 * there after a second: then the holder never saw a deletion. Runs in the watcher. */
#include "watcher/stale.h"

#include <stdlib.h>

#include "lib/base/map.h"

#define MOMENT SEC(1)

struct entry {
	mono_t until;
};
struct stale {
	struct loop *loop;
	struct loop_timer *timer;
	struct map keys; /* key -> struct entry, oldest first */
	void (*look)(void *ctx, const char *key);
	void *ctx;
};

static void on_timer(void *ctx)
{
	struct stale *s = ctx;
	mono_t now = loop_now(s->loop);
	map_each (&s->keys, e) {
		const struct entry *x = e->value;
		if (!mono_reached(now, x->until)) {
			loop_timer_set(s->timer, x->until);
			return;
		}
		s->look(s->ctx, e->key);
		free(map_del(&s->keys, e->key));
	}
}

struct stale *stale_new(struct loop *l, void (*look)(void *ctx, const char *key), void *ctx)
{
	struct stale *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	map_init(&s->keys);
	s->loop = l;
	s->look = look;
	s->ctx = ctx;
	s->timer = loop_timer_new(l, on_timer, s);
	if (s->timer)
		return s;
	free(s);
	return NULL;
}

void stale_free(struct stale *s)
{
	if (!s)
		return;
	loop_timer_free(s->timer);
	map_fini(&s->keys, free);
	free(s);
}

void stale_note(struct stale *s, const char *key)
{
	struct entry *x = calloc(1, sizeof *x);
	free(map_del(&s->keys, key)); /* to the end of the order */
	if (!x || map_set(&s->keys, key, x, NULL) < 0) {
		free(x);
		s->look(s->ctx, key);
		return;
	}
	x->until = mono_add(loop_now(s->loop), MOMENT);
	if (map_len(&s->keys) == 1)
		loop_timer_set(s->timer, x->until);
}
