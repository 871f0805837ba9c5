/* The event loop of every daemon: libuv for descriptors, one boot-time timerfd under a deadline heap for
 * timers (so that everything that became due during a suspend fires at once after it), deferred calls at the
 * end of a turn, and a thread that waits for the disk. Runs in every daemon, on its one thread of our code.
 * Must not block anywhere but in libuv's poll. */
#include "lib/run/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <uv.h>

#include "lib/base/heap.h"
#include "lib/base/must.h"

struct loop {
	uv_loop_t uv;
	uv_poll_t alarm; /* timer_fd */
	uv_prepare_t before_poll;
	int timer_fd;
	mono_t now, armed;
	bool now_is_fresh, running, firing, stop;
	uint64_t turn;
	struct heap timers;
	struct loop_defer *asked, **asked_tail;
	unsigned syncs; /* on their way */
};

struct loop_timer {
	struct heap_node node; /* first: a heap node is its timer */
	struct loop *loop;
	void (*fn)(void *ctx);
	void *ctx;
};
_Static_assert(offsetof(struct loop_timer, node) == 0, "heap_pop_due returns the timer itself");

struct loop_fd {
	uv_poll_t poll;
	struct loop *loop;
	unsigned events;
	void (*fn)(void *ctx, unsigned events);
	void *ctx;
};

struct loop_defer {
	struct loop *loop;
	struct loop_defer *next; /* in loop->asked */
	bool is_asked;
	uint64_t turn; /* asked in this one */
	void (*fn)(void *ctx);
	void *ctx;
};

struct loop_sync {
	uv_fs_t request;
	struct loop *loop;
	int fd; /* own duplicate while it is on its way, else -1 */
	bool is_freed;
	void (*fn)(void *ctx, int error);
	void *ctx;
};

mono_t loop_clock(void)
{
	struct timespec t;
	must(clock_gettime(CLOCK_BOOTTIME, &t) == 0);
	return (mono_t){ (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 };
}

int64_t loop_wall_ms(void)
{
	struct timespec t;
	must(clock_gettime(CLOCK_REALTIME, &t) == 0);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

mono_t loop_now(const struct loop *l)
{
	return l->running && l->now_is_fresh ? l->now : loop_clock();
}

static void loop_touch(struct loop *l)
{
	if (l->now_is_fresh)
		return;
	l->now = loop_clock();
	l->now_is_fresh = true;
}

/* Arms the timerfd for the earliest deadline, later than armed too: a wake-up for nothing costs far more than
 * this call, and some deadlines are put off again and again. */
static void loop_arm(struct loop *l)
{
	mono_t next = heap_next(&l->timers);
	if (next.us == INT64_MAX || next.us == l->armed.us)
		return;
	int64_t us = next.us > 0 ? next.us : 1; /* all zero would disarm */
	struct itimerspec at = { .it_value = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 } };
	must(timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) == 0);
	l->armed = next;
}

static void loop_fire_timers(struct loop *l)
{
	struct heap_node *due;
	l->firing = true;
	while ((due = heap_pop_due(&l->timers, l->now))) {
		struct loop_timer *t = (struct loop_timer *)(void *)due;
		t->fn(t->ctx);
	}
	l->firing = false;
}

static void loop_on_alarm(uv_poll_t *h, int status, int events)
{
	struct loop *l = h->data;
	uint64_t expirations;
	(void)status, (void)events;
	if (read(l->timer_fd, &expirations, sizeof(expirations)) < 0)
		return; /* nothing expired */
	l->armed = MONO_NEVER;
	loop_touch(l);
	loop_fire_timers(l);
}

static void loop_on_prepare(uv_prepare_t *h)
{
	struct loop *l = h->data;
	loop_arm(l);
	l->now_is_fresh = false;
}

/* What a deferred call asks for belongs to the next turn; a deferred call may free another one. */
static void loop_run_deferred(struct loop *l)
{
	uint64_t turn = l->turn++;
	while (l->asked && l->asked->turn == turn) {
		struct loop_defer *d = l->asked;
		l->asked = d->next;
		if (!l->asked)
			l->asked_tail = &l->asked;
		d->is_asked = false;
		loop_touch(l);
		d->fn(d->ctx);
	}
}

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	/* Before any thread: libuv would start four for its first slow call, where one has nothing to do most
	 * of the time. */
	(void)!setenv("UV_THREADPOOL_SIZE", "1", 0);
	l->asked_tail = &l->asked;
	l->armed = MONO_NEVER;
	heap_init(&l->timers);
	l->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (l->timer_fd < 0)
		goto no_timer_fd;
	if (uv_loop_init(&l->uv) < 0)
		goto no_uv;
	l->alarm.data = l->before_poll.data = l;
	must(uv_poll_init(&l->uv, &l->alarm, l->timer_fd) == 0);
	must(uv_poll_start(&l->alarm, UV_READABLE, loop_on_alarm) == 0);
	must(uv_prepare_init(&l->uv, &l->before_poll) == 0);
	must(uv_prepare_start(&l->before_poll, loop_on_prepare) == 0);
	return l;
no_uv:
	close(l->timer_fd);
no_timer_fd:
	free(l);
	return NULL;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	uv_close((uv_handle_t *)&l->alarm, NULL);
	uv_close((uv_handle_t *)&l->before_poll, NULL);
	/* Frees the watches that were closed in the last turn, too. */
	uv_run(&l->uv, UV_RUN_NOWAIT);
	while (l->syncs > 0)
		uv_run(&l->uv, UV_RUN_ONCE);
	must(uv_loop_close(&l->uv) == 0); /* else a watch was not freed */
	heap_fini(&l->timers);
	close(l->timer_fd);
	free(l);
}

int loop_run(struct loop *l)
{
	l->stop = false;
	l->running = true;
	while (!l->stop) {
		uv_run(&l->uv, l->asked ? UV_RUN_NOWAIT : UV_RUN_ONCE);
		loop_run_deferred(l);
		l->now_is_fresh = false;
	}
	l->running = false;
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}

struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *ctx), void *ctx)
{
	struct loop_timer *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->loop = l;
	t->fn = fn;
	t->ctx = ctx;
	return t;
}

void loop_timer_set(struct loop_timer *t, mono_t at)
{
	struct loop *l = t->loop;
	if (at.us == INT64_MAX) {
		heap_remove(&l->timers, &t->node);
		return;
	}
	/* While timers fire, a past time has to wait for the next turn: two timers could keep each other
	 * alive. */
	if (l->firing && mono_reached(l->now, at))
		at = mono_add(l->now, 1);
	must(heap_set(&l->timers, &t->node, at) == 0);
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	heap_remove(&t->loop->timers, &t->node);
	free(t);
}

static int loop_uv_events(unsigned events)
{
	return ((events & LOOP_READ) ? UV_READABLE : 0) | ((events & LOOP_WRITE) ? UV_WRITABLE : 0);
}

static void loop_on_fd(uv_poll_t *h, int status, int events)
{
	struct loop_fd *w = h->data;
	unsigned ready = ((events & UV_READABLE) ? (unsigned)LOOP_READ : 0u) |
			 ((events & UV_WRITABLE) ? (unsigned)LOOP_WRITE : 0u);
	/* libuv ends a watch on POLLERR. The owner learns the error from its next read or write, so tell it
	 * to try. */
	if (status < 0) {
		ready = w->events;
		must(uv_poll_start(h, loop_uv_events(w->events), loop_on_fd) == 0);
	}
	loop_touch(w->loop);
	ready &= w->events;
	if (ready)
		w->fn(w->ctx, ready);
}

struct loop_fd *loop_fd_new(struct loop *l, int fd, unsigned events, void (*fn)(void *ctx, unsigned events),
			    void *ctx)
{
	struct loop_fd *w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->loop = l;
	w->fn = fn;
	w->ctx = ctx;
	int r = uv_poll_init(&l->uv, &w->poll, fd);
	if (r < 0) {
		free(w);
		errno = -r;
		return NULL;
	}
	w->poll.data = w;
	loop_fd_events(w, events);
	return w;
}

void loop_fd_events(struct loop_fd *w, unsigned events)
{
	if (w->events == events)
		return;
	w->events = events;
	if (events == 0)
		must(uv_poll_stop(&w->poll) == 0);
	else
		must(uv_poll_start(&w->poll, loop_uv_events(events), loop_on_fd) == 0);
}

static void loop_on_fd_closed(uv_handle_t *h)
{
	free(h->data);
}

void loop_fd_free(struct loop_fd *w)
{
	if (w)
		uv_close((uv_handle_t *)&w->poll, loop_on_fd_closed); /* leaves epoll at once, memory later */
}

struct loop_defer *loop_defer_new(struct loop *l, void (*fn)(void *ctx), void *ctx)
{
	struct loop_defer *d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->loop = l;
	d->fn = fn;
	d->ctx = ctx;
	return d;
}

void loop_defer_ask(struct loop_defer *d)
{
	struct loop *l = d->loop;
	if (d->is_asked)
		return;
	d->is_asked = true;
	d->turn = l->turn;
	d->next = NULL;
	*l->asked_tail = d;
	l->asked_tail = &d->next;
}

void loop_defer_free(struct loop_defer *d)
{
	if (!d)
		return;
	struct loop *l = d->loop;
	if (d->is_asked) {
		struct loop_defer **at = &l->asked;
		while (*at != d)
			at = &(*at)->next;
		*at = d->next;
		if (!d->next)
			l->asked_tail = at;
	}
	free(d);
}

struct loop_sync *loop_sync_new(struct loop *l, void (*fn)(void *ctx, int error), void *ctx)
{
	struct loop_sync *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->loop = l;
	s->fd = -1;
	s->fn = fn;
	s->ctx = ctx;
	return s;
}

static void loop_on_synced(uv_fs_t *request)
{
	struct loop_sync *s = request->data;
	int error = (int)request->result;
	uv_fs_req_cleanup(request);
	close(s->fd);
	s->fd = -1;
	s->loop->syncs--;
	if (s->is_freed) {
		free(s);
		return;
	}
	loop_touch(s->loop);
	s->fn(s->ctx, error);
}

int loop_sync_start(struct loop_sync *s, int fd)
{
	if (s->fd >= 0)
		return -EBUSY;
	s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (s->fd < 0)
		return -errno;
	s->request.data = s;
	int r = uv_fs_fdatasync(&s->loop->uv, &s->request, s->fd, loop_on_synced);
	if (r < 0) {
		close(s->fd);
		s->fd = -1;
		return r;
	}
	s->loop->syncs++;
	return 0;
}

void loop_sync_free(struct loop_sync *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		s->is_freed = true; /* its end frees it */
	else
		free(s);
}
