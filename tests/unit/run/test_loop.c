/* The loop: timers, descriptors, deferred calls, and their lifetimes inside their own callbacks. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/run/loop.h"

struct recorder {
	struct loop *loop;
	struct loop_timer *timer[4];
	struct loop_defer *defer[3];
	struct loop_fd *fd[2];
	int pipe[2];
	char log[256];
	int n;
	mono_t at;
};

static void note(struct recorder *r, const char *what)
{
	strncat(r->log, what, sizeof(r->log) - strlen(r->log) - 1);
}

static int open_recorder(void **state)
{
	struct recorder *r = calloc(1, sizeof(*r));
	assert_non_null(r);
	r->loop = loop_new();
	assert_non_null(r->loop);
	assert_int_equal(pipe2(r->pipe, O_CLOEXEC | O_NONBLOCK), 0);
	*state = r;
	return 0;
}

static int close_recorder(void **state)
{
	struct recorder *r = *state;
	for (int i = 0; i < 4; i++)
		loop_timer_free(r->timer[i]);
	for (int i = 0; i < 3; i++)
		loop_defer_free(r->defer[i]);
	for (int i = 0; i < 2; i++)
		loop_fd_free(r->fd[i]);
	loop_free(r->loop);
	close(r->pipe[0]);
	close(r->pipe[1]);
	free(r);
	return 0;
}

static void stop(void *ctx)
{
	loop_stop(((struct recorder *)ctx)->loop);
}

static void note_a(void *ctx)
{
	note(ctx, "a");
}

static void note_b(void *ctx)
{
	note(ctx, "b");
}

static void note_c_and_stop(void *ctx)
{
	note(ctx, "c");
	stop(ctx);
}

static void timers_fire_in_the_order_of_their_deadlines(void **state)
{
	struct recorder *r = *state;
	mono_t now = loop_now(r->loop);
	r->timer[0] = loop_timer_new(r->loop, note_c_and_stop, r);
	r->timer[1] = loop_timer_new(r->loop, note_a, r);
	r->timer[2] = loop_timer_new(r->loop, note_b, r);
	r->timer[3] = loop_timer_new(r->loop, note_b, r);
	loop_timer_set(r->timer[0], mono_add(now, MS(6)));
	loop_timer_set(r->timer[1], mono_add(now, -SEC(5))); /* past: at once */
	loop_timer_set(r->timer[2], mono_add(now, MS(3)));
	loop_timer_set(r->timer[3], mono_add(now, MS(1)));
	loop_timer_set(r->timer[3], MONO_NEVER); /* off again */
	loop_run(r->loop);
	assert_string_equal(r->log, "abc");
	assert_true(mono_sub(loop_clock(), now) >= MS(6));
}

static void a_timer_set_later_does_not_fire_early(void **state)
{
	struct recorder *r = *state;
	mono_t now = loop_now(r->loop);
	r->timer[0] = loop_timer_new(r->loop, note_c_and_stop, r);
	loop_timer_set(r->timer[0], mono_add(now, MS(1)));
	loop_timer_set(r->timer[0], mono_add(now, MS(20)));
	loop_run(r->loop);
	assert_true(mono_sub(loop_clock(), now) >= MS(20));
}

static void again(void *ctx)
{
	struct recorder *r = ctx;
	/* Always in the past: it must not keep the loop from everything else. */
	loop_timer_set(r->timer[0], (mono_t){ 0 });
	if (++r->n == 1000)
		loop_stop(r->loop);
}

static void a_timer_in_the_past_fires_once_per_turn(void **state)
{
	struct recorder *r = *state;
	r->timer[0] = loop_timer_new(r->loop, again, r);
	loop_timer_set(r->timer[0], (mono_t){ 0 });
	loop_run(r->loop);
	assert_int_equal(r->n, 1000);
}

static void free_itself(void *ctx)
{
	struct recorder *r = ctx;
	loop_timer_free(r->timer[0]);
	r->timer[0] = NULL;
	loop_timer_free(r->timer[1]); /* due in the same turn, must not fire */
	r->timer[1] = NULL;
	loop_stop(r->loop);
}

static void a_timer_may_free_itself_and_others(void **state)
{
	struct recorder *r = *state;
	r->timer[0] = loop_timer_new(r->loop, free_itself, r);
	r->timer[1] = loop_timer_new(r->loop, note_a, r);
	loop_timer_set(r->timer[0], (mono_t){ 1 });
	loop_timer_set(r->timer[1], (mono_t){ 2 });
	loop_run(r->loop);
	assert_string_equal(r->log, "");
}

static void read_one(void *ctx, unsigned events)
{
	struct recorder *r = ctx;
	char c;
	assert_int_equal(events, LOOP_READ);
	assert_int_equal(read(r->pipe[0], &c, 1), 1);
	note(r, (char[]){ c, '\0' });
	if (c == 'z')
		loop_stop(r->loop);
}

static void descriptors_are_level_triggered(void **state)
{
	struct recorder *r = *state;
	assert_int_equal(write(r->pipe[1], "xyz", 3), 3);
	r->fd[0] = loop_fd_new(r->loop, r->pipe[0], LOOP_READ, read_one, r);
	loop_run(r->loop);
	assert_string_equal(r->log, "xyz");
}

static void a_paused_watch_is_silent(void **state)
{
	struct recorder *r = *state;
	assert_int_equal(write(r->pipe[1], "z", 1), 1);
	r->fd[0] = loop_fd_new(r->loop, r->pipe[0], LOOP_READ, read_one, r);
	loop_fd_events(r->fd[0], 0);
	r->timer[0] = loop_timer_new(r->loop, stop, r);
	loop_timer_set(r->timer[0], mono_add(loop_now(r->loop), MS(10)));
	loop_run(r->loop);
	assert_string_equal(r->log, "");
	loop_fd_events(r->fd[0], LOOP_READ);
	loop_run(r->loop);
	assert_string_equal(r->log, "z");
}

static void close_watched(void *ctx, unsigned events)
{
	struct recorder *r = ctx;
	(void)events;
	loop_fd_free(r->fd[0]);
	r->fd[0] = NULL;
	r->n++;
	loop_stop(r->loop);
}

static void a_watch_may_free_itself(void **state)
{
	struct recorder *r = *state;
	assert_int_equal(write(r->pipe[1], "z", 1), 1);
	r->fd[0] = loop_fd_new(r->loop, r->pipe[0], LOOP_READ, close_watched, r);
	loop_run(r->loop);
	assert_int_equal(r->n, 1);
}

static void count_errors(void *ctx, unsigned events)
{
	struct recorder *r = ctx;
	int error = 0;
	socklen_t size = sizeof(error);
	assert_true(events & LOOP_WRITE);
	getsockopt(r->n, SOL_SOCKET, SO_ERROR, &error, &size);
	note(r, "e");
	loop_fd_free(r->fd[0]);
	r->fd[0] = NULL;
	loop_stop(r->loop);
}

static void an_error_of_a_socket_reaches_its_owner(void **state)
{
	struct recorder *r = *state;
	int pair[2];
	/* The write end of a pipe whose reader is gone reports nothing but an error. */
	assert_int_equal(pipe2(pair, O_CLOEXEC | O_NONBLOCK), 0);
	close(pair[0]);
	r->n = pair[1];
	r->fd[0] = loop_fd_new(r->loop, pair[1], LOOP_WRITE, count_errors, r);
	loop_run(r->loop);
	assert_string_equal(r->log, "e");
	close(pair[1]);
}

static void a_bad_descriptor_is_refused(void **state)
{
	struct recorder *r = *state;
	assert_null(loop_fd_new(r->loop, 9999, LOOP_READ, close_watched, r));
	assert_int_equal(errno, EBADF);
}

static void ask_all(void *ctx)
{
	struct recorder *r = ctx;
	loop_defer_ask(r->defer[0]);
	loop_defer_ask(r->defer[1]);
	loop_defer_ask(r->defer[0]); /* once however often */
	note(r, "t");
}

static void ask_next(void *ctx)
{
	struct recorder *r = ctx;
	note(r, "a");
	loop_defer_ask(r->defer[2]);
	if (r->n++ == 0)
		loop_defer_ask(r->defer[0]); /* again: in the next turn */
}

static void deferred_calls_come_once_at_the_end_of_the_turn(void **state)
{
	struct recorder *r = *state;
	r->defer[0] = loop_defer_new(r->loop, ask_next, r);
	r->defer[1] = loop_defer_new(r->loop, note_b, r);
	r->defer[2] = loop_defer_new(r->loop, note_c_and_stop, r);
	r->timer[0] = loop_timer_new(r->loop, ask_all, r);
	loop_timer_set(r->timer[0], (mono_t){ 1 });
	loop_run(r->loop);
	assert_string_equal(r->log, "tabca");
}

static void drop_second(void *ctx)
{
	struct recorder *r = ctx;
	note(r, "d");
	loop_defer_free(r->defer[1]);
	r->defer[1] = NULL;
	loop_stop(r->loop);
}

static void a_deferred_call_may_be_freed_while_it_waits(void **state)
{
	struct recorder *r = *state;
	r->defer[0] = loop_defer_new(r->loop, drop_second, r);
	r->defer[1] = loop_defer_new(r->loop, note_b, r);
	loop_defer_ask(r->defer[0]);
	loop_defer_ask(r->defer[1]);
	loop_run(r->loop);
	assert_string_equal(r->log, "d");
	r->defer[1] = loop_defer_new(r->loop, note_b, r);
	loop_defer_ask(r->defer[1]); /* the queue's end is where it should be */
	loop_defer_ask(r->defer[0]);
	loop_run(r->loop);
	assert_string_equal(r->log, "dbd");
}

static void look_at_clock(void *ctx)
{
	struct recorder *r = ctx;
	mono_t first = loop_now(r->loop);
	while (mono_sub(loop_clock(), first) < MS(2))
		continue;
	r->at = loop_now(r->loop);
	assert_int_equal(r->at.us, first.us);
	loop_stop(r->loop);
}

static void the_time_stands_still_within_a_turn(void **state)
{
	struct recorder *r = *state;
	r->timer[0] = loop_timer_new(r->loop, look_at_clock, r);
	loop_timer_set(r->timer[0], loop_clock());
	loop_run(r->loop);
	assert_true(mono_before(r->at, loop_now(r->loop)));
}

struct disk {
	struct recorder *r;
	struct loop_sync *sync;
	int calls, first, second; /* results */
};

static void on_disk(void *ctx, int error)
{
	struct disk *d = ctx;
	if (++d->calls == 2) {
		d->second = error;
		loop_stop(d->r->loop);
		return;
	}
	d->first = error;
	assert_int_equal(loop_sync_start(d->sync, d->r->pipe[0]), 0); /* no disk behind it */
}

static void a_thread_waits_for_the_disk(void **state)
{
	struct disk d = { .r = *state, .first = 1 };
	FILE *f = tmpfile();
	assert_non_null(f);
	d.sync = loop_sync_new(d.r->loop, on_disk, &d);
	assert_int_equal(loop_sync_start(d.sync, -1), -EBADF);
	assert_int_equal(loop_sync_start(d.sync, fileno(f)), 0);
	assert_int_equal(loop_sync_start(d.sync, fileno(f)), -EBUSY);
	fclose(f); /* it has a descriptor of its own */
	loop_run(d.r->loop);
	assert_int_equal(d.first, 0);
	assert_int_equal(d.second, -EINVAL);
	loop_sync_free(d.sync);
}

static void a_wait_for_the_disk_may_be_given_up(void **state)
{
	struct disk d = { .r = *state };
	FILE *f = tmpfile();
	assert_non_null(f);
	d.sync = loop_sync_new(d.r->loop, on_disk, &d);
	assert_int_equal(loop_sync_start(d.sync, fileno(f)), 0);
	loop_sync_free(d.sync);
	fclose(f);
	loop_free(d.r->loop); /* waits for the thread */
	d.r->loop = loop_new();
	assert_int_equal(d.calls, 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, open_recorder, close_recorder)
	const struct CMUnitTest tests[] = {
		T(timers_fire_in_the_order_of_their_deadlines),
		T(a_timer_set_later_does_not_fire_early),
		T(a_timer_in_the_past_fires_once_per_turn),
		T(a_timer_may_free_itself_and_others),
		T(descriptors_are_level_triggered),
		T(a_paused_watch_is_silent),
		T(a_watch_may_free_itself),
		T(an_error_of_a_socket_reaches_its_owner),
		T(a_bad_descriptor_is_refused),
		T(deferred_calls_come_once_at_the_end_of_the_turn),
		T(a_deferred_call_may_be_freed_while_it_waits),
		T(the_time_stands_still_within_a_turn),
		T(a_thread_waits_for_the_disk),
		T(a_wait_for_the_disk_may_be_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
