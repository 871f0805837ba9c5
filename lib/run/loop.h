/* The one place that sleeps: a libuv loop behind four small objects. One thread; no callback runs on another
 * one. loop_now() is CLOCK_BOOTTIME, read once per turn. */
#ifndef INGOT_RUN_LOOP_H
#define INGOT_RUN_LOOP_H

#include <stdbool.h>

#include "lib/base/mono.h"

struct loop;
struct loop_timer;
struct loop_fd;
struct loop_defer;
struct loop_sync;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop *loop_new(void); /* NULL on failure */
void loop_free(struct loop *l);
int loop_run(struct loop *l); /* until loop_stop; 0 */
void loop_stop(struct loop *l);
mono_t loop_now(const struct loop *l); /* of this turn */
mono_t loop_clock(void);	       /* the clock itself: for measuring inside a turn */
int64_t loop_wall_ms(void);	       /* Unix time, ms: only for logs and records that people read */

/* Timers are absolute. A timer may be set again, or freed, from its own callback. */
struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *ctx), void *ctx);
void loop_timer_set(struct loop_timer *t,
		    mono_t at); /* MONO_NEVER = off; a past time fires in the next turn */
void loop_timer_free(struct loop_timer *t);

/* Watch a descriptor (level-triggered). The caller keeps the descriptor and frees the watch before closing
 * it. */
struct loop_fd *loop_fd_new(struct loop *l, int fd, unsigned events, void (*fn)(void *ctx, unsigned events),
			    void *ctx);
void loop_fd_events(struct loop_fd *w, unsigned events); /* 0 = pause */
void loop_fd_free(struct loop_fd *w);

/* A call at the end of this turn, once however often it was asked for: to act once on many changes. */
struct loop_defer *loop_defer_new(struct loop *l, void (*fn)(void *ctx), void *ctx);
void loop_defer_ask(struct loop_defer *d);
void loop_defer_free(struct loop_defer *d);

/* Wait for the disk without stopping the loop: fdatasync on a thread of libuv, then fn(ctx, 0 or a negative
 * errno) from the loop. Only for what is too slow to be waited for; a whole thread waits. */
struct loop_sync *loop_sync_new(struct loop *l, void (*fn)(void *ctx, int error), void *ctx);
/* fd may be closed at once. One at a time: -EBUSY; or another negative errno, and fn is not called. */
int loop_sync_start(struct loop_sync *s, int fd);
void loop_sync_free(struct loop_sync *s); /* fn is not called any more; loop_free waits for the disk */

#endif
