/* The bus: sockets of this daemon, links to the others, who may connect, and the one timer. Runs in every
 * daemon but the supervisor. Only on_server_pipe and on_link_pipe run on nng's threads: they look at
 * constants and atomics, and close or wake. docs/bus.md describes the protocol. */
#include "lib/run/bus_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/transport/ipc/ipc.h>

#include "lib/base/must.h"

enum { RECONNECT_MS = 5, PATH_LIMIT = 107 };

/* nng 1.5.2 sizes four thread pools by sysconf(_SC_NPROCESSORS_ONLN), which in glibc reads /sys whatever the
 * affinity is: 88 threads in each daemon on 64 CPUs, 11 on one. It has no parameter for that, so the question
 * is answered here for the whole process: one CPU. One thread of ours needs no more, and glibc's own malloc
 * does not ask this way. */
extern long __sysconf(int name);
long sysconf(int name)
{
	return name == _SC_NPROCESSORS_ONLN ? 1 : __sysconf(name);
}

static int nng_errno(int r)
{
	switch (r) {
	case 0: return 0;
	case NNG_ENOMEM: return -ENOMEM;
	case NNG_EADDRINUSE: return -EADDRINUSE;
	case NNG_EADDRINVAL: return -EINVAL;
	case NNG_EPERM: return -EPERM;
	case NNG_ENOENT: return -ENOENT;
	case NNG_EAGAIN: return -EAGAIN;
	default: return (r & NNG_ESYSERR) ? -(r & ~NNG_ESYSERR) : -EIO;
	}
}

uint32_t bus_daemons_of(const struct bus_access *a, uint64_t uid)
{
	uint32_t mask = uid == 0 ? READS(CTL) : 0;
	if (a->uid_base == (uid_t)-1)
		return uid == a->self ? (1u << DAEMON_N) - 1 : mask;
	for (unsigned d = 0; d < DAEMON_N; d++)
		if (uid == (uint64_t)a->uid_base + bus_wire_uid_offset((enum daemon_id)d))
			mask |= 1u << d;
	return mask;
}

/* On nng's thread, before the first message of a connection: refuse every user who is not meant to be there.
 */
static void refuse_strangers(nng_pipe pipe, struct bus_access *a, uint32_t allowed)
{
	uint64_t uid = 0;
	int r = nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &uid);
	if (r == 0 && (bus_daemons_of(a, uid) & allowed))
		return;
	atomic_fetch_add(&a->refused, 1);
	nng_pipe_close(pipe);
}

static void on_pub_pipe(nng_pipe pipe, nng_pipe_ev event, void *ctx)
{
	struct bus_access *a = ctx;
	(void)event;
	refuse_strangers(pipe, a, a->pub_readers);
}

static void on_rep_pipe(nng_pipe pipe, nng_pipe_ev event, void *ctx)
{
	struct bus_access *a = ctx;
	(void)event;
	refuse_strangers(pipe, a, a->rep_callers);
}

static void bus_poke(struct bus *b)
{
	uint64_t one = 1;
	ssize_t n = write(b->wake_fd, &one, sizeof(one));
	(void)n; /* a full counter wakes too */
}

static void on_sub_pipe(nng_pipe pipe, nng_pipe_ev event, void *ctx)
{
	struct bus_link *l = ctx;
	(void)pipe, (void)event;
	atomic_fetch_add(&l->sub_connects, 1);
	bus_poke(l->bus);
}

static void on_req_pipe(nng_pipe pipe, nng_pipe_ev event, void *ctx)
{
	struct bus_link *l = ctx;
	(void)pipe;
	if (event == NNG_PIPE_EV_REM_POST) {
		atomic_fetch_sub(&l->req_pipes, 1);
		return;
	}
	atomic_fetch_add(&l->req_pipes, 1);
	atomic_fetch_add(&l->req_connects, 1);
	bus_poke(l->bus);
}

static void bus_drop_n(struct bus *b, enum bus_reason reason, unsigned n)
{
	const char *labels[] = { bus_reason_text(reason), NULL };
	int64_t *count = b->dropped && n > 0 ? metric_series(b->dropped, labels) : NULL;
	if (count)
		*count += n;
}

void bus_drop(struct bus *b, enum bus_reason reason)
{
	bus_drop_n(b, reason, 1);
}

void bus_count(struct bus *b, struct metric *m, enum topic t)
{
	const char *labels[] = { topic_name(t), NULL };
	int64_t *n = b->dropped ? metric_series(m, labels) : NULL;
	if (n)
		(*n)++;
}

nng_msg *bus_message(size_t size)
{
	nng_msg *m;
	return nng_msg_alloc(&m, size) == 0 ? m : NULL;
}

void bus_wake_at(struct bus *b, mono_t at)
{
	if (!mono_before(at, b->timer_at))
		return;
	b->timer_at = at;
	loop_timer_set(b->timer, at);
}

static void on_timer(void *ctx)
{
	struct bus *b = ctx;
	mono_t now = loop_now(b->loop), next = MONO_NEVER;
	b->timer_at = MONO_NEVER;
	bus_drop_n(b, BUS_DROP_PEER, atomic_exchange(&b->access.refused, 0));
	for (unsigned t = 0; t < TOPIC_N; t++) {
		if (b->publisher[t])
			next = mono_min(next, publisher_tick(b->publisher[t], now));
		if (b->subscriber[t])
			next = mono_min(next, subscriber_tick(b->subscriber[t], now));
	}
	for (unsigned d = 0; d < DAEMON_N; d++)
		if (b->link[d])
			next = mono_min(next, link_tick(b->link[d], now));
	bus_wake_at(b, next);
}

/* A connection was made: what was lost before it can be asked for, and what waits can be sent. */
static void on_wake(void *ctx, unsigned events)
{
	struct bus *b = ctx;
	uint64_t n;
	(void)events;
	if (read(b->wake_fd, &n, sizeof(n)) < 0)
		return; /* somebody else's wake */
	for (unsigned d = 0; d < DAEMON_N; d++) {
		struct bus_link *l = b->link[d];
		if (!l)
			continue;
		unsigned sub = atomic_load(&l->sub_connects), req = atomic_load(&l->req_connects);
		if (req != l->req_seen)
			link_resend(l);
		l->req_seen = req;
		if (sub == l->sub_seen)
			continue;
		l->sub_seen = sub;
		for (unsigned t = 0; t < TOPIC_N; t++)
			if (b->subscriber[t] && topic_publisher((enum topic)t) == l->daemon)
				subscriber_connected(b->subscriber[t]);
	}
}

static int address_of(const struct bus *b, enum daemon_id d, const char *socket,
		      char url[static NNG_MAXADDRLEN])
{
	/* A longer path does not fit into a sockaddr_un. */
	int n = snprintf(url, NNG_MAXADDRLEN, "ipc://%s/%s/%s", b->run_dir, daemon_name(d), socket);
	return n > 0 && n <= PATH_LIMIT + (int)strlen("ipc://") ? 0 : -ENAMETOOLONG;
}

static int listen_on(struct bus *b, nng_socket s, const char *socket, nng_pipe_cb guard)
{
	char url[NNG_MAXADDRLEN];
	nng_listener listener;
	int r = address_of(b, b->self, socket, url);
	if (r < 0)
		return r;
	r = nng_socket_set_size(s, NNG_OPT_RECVMAXSZ, BUS_MAX_FRAME);
	r = r ? r : nng_pipe_notify(s, NNG_PIPE_EV_ADD_PRE, guard, &b->access);
	r = r ? r : nng_listener_create(&listener, s, url);
	/* Everybody may connect; guard decides by the peer's uid. */
	r = r ? r : nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, 0666);
	r = r ? r : nng_listener_start(listener, 0);
	return nng_errno(r);
}

static int watch_socket(struct bus *b, nng_socket s, void (*fn)(void *ctx, unsigned events), void *ctx,
			struct loop_fd **ret)
{
	int fd;
	int r = nng_socket_get_int(s, NNG_OPT_RECVFD, &fd);
	if (r != 0)
		return nng_errno(r);
	struct loop_fd *w = loop_fd_new(b->loop, fd, LOOP_READ, fn, ctx);
	if (!w)
		return -ENOMEM;
	*ret = w;
	return 0;
}

int publishers_open(struct bus *b)
{
	uint32_t readers = 0;
	for (unsigned t = 0; t < TOPIC_N; t++)
		if (topic_publisher((enum topic)t) == b->self)
			readers |= bus_wire_readers((enum topic)t);
	if (readers == 0)
		return 0;
	b->access.pub_readers = readers;
	int r = nng_pub0_open(&b->pub);
	if (r != 0)
		return nng_errno(r);
	b->pub_open = true;
	r = nng_socket_set_int(b->pub, NNG_OPT_SENDBUF, BUS_QUEUE);
	return r ? nng_errno(r) : listen_on(b, b->pub, "pub", on_pub_pipe);
}

int requests_open(struct bus *b)
{
	uint32_t callers = 0;
	for (unsigned r = 0; r < REQUEST_N; r++) {
		const struct bus_request_type *type = bus_wire_request_type((enum request_kind)r);
		if (type->server == b->self || type->server == DAEMON_N)
			callers |= type->callers;
	}
	if (!(ALL_ROOMS & (1u << b->self)))
		return 0;
	b->access.rep_callers = callers;
	int r = nng_rep0_open_raw(&b->rep);
	if (r != 0)
		return nng_errno(r);
	b->rep_open = true;
	r = nng_socket_set_int(b->rep, NNG_OPT_RECVBUF, BUS_QUEUE);
	r = r ? r : nng_socket_set_int(b->rep, NNG_OPT_SENDBUF, BUS_QUEUE);
	r = r ? nng_errno(r) : listen_on(b, b->rep, "rep", on_rep_pipe);
	return r < 0 ? r : watch_socket(b, b->rep, exchanges_read, b, &b->rep_watch);
}

static int dial(struct bus *b, nng_socket s, enum daemon_id d, const char *socket)
{
	char url[NNG_MAXADDRLEN];
	int r = address_of(b, d, socket, url);
	if (r < 0)
		return r;
	r = nng_socket_set_ms(s, NNG_OPT_RECONNMINT, RECONNECT_MS);
	r = r ? r : nng_socket_set_ms(s, NNG_OPT_RECONNMAXT, RECONNECT_MS);
	r = r ? r : nng_socket_set_size(s, NNG_OPT_RECVMAXSZ, BUS_MAX_FRAME);
	r = r ? r : nng_dial(s, url, NULL, NNG_FLAG_NONBLOCK);
	return nng_errno(r);
}

static int link_open_sub(struct bus_link *l)
{
	if (l->sub_open)
		return 0;
	int r = nng_sub0_open(&l->sub);
	if (r != 0)
		return nng_errno(r);
	l->sub_open = true;
	r = nng_socket_set_int(l->sub, NNG_OPT_RECVBUF, BUS_QUEUE);
	r = r ? r : nng_pipe_notify(l->sub, NNG_PIPE_EV_ADD_POST, on_sub_pipe, l);
	r = r ? nng_errno(r) : watch_socket(l->bus, l->sub, link_read_frames, l, &l->sub_watch);
	return r < 0 ? r : dial(l->bus, l->sub, l->daemon, "pub");
}

static int link_open_req(struct bus_link *l)
{
	if (l->req_open)
		return 0;
	int r = nng_req0_open_raw(&l->req);
	if (r != 0)
		return nng_errno(r);
	l->req_open = true;
	r = nng_socket_set_int(l->req, NNG_OPT_RECVBUF, BUS_QUEUE);
	r = r ? r : nng_socket_set_int(l->req, NNG_OPT_SENDBUF, BUS_QUEUE);
	r = r ? r : nng_pipe_notify(l->req, NNG_PIPE_EV_ADD_POST, on_req_pipe, l);
	r = r ? r : nng_pipe_notify(l->req, NNG_PIPE_EV_REM_POST, on_req_pipe, l);
	r = r ? nng_errno(r) : watch_socket(l->bus, l->req, link_read_replies, l, &l->req_watch);
	return r < 0 ? r : dial(l->bus, l->req, l->daemon, "rep");
}

static void link_close_sub(struct bus_link *l)
{
	loop_fd_free(l->sub_watch);
	l->sub_watch = NULL;
	if (l->sub_open)
		nng_close(l->sub);
	l->sub_open = false;
}

static void link_close_req(struct bus_link *l)
{
	loop_fd_free(l->req_watch);
	l->req_watch = NULL;
	if (l->req_open)
		nng_close(l->req);
	l->req_open = false;
}

static void link_free(struct bus_link *l)
{
	if (!l)
		return;
	link_free_pending(l);
	link_close_sub(l);
	link_close_req(l);
	free(l);
}

struct bus_link *bus_link_to(struct bus *b, enum daemon_id d, bool sub, bool req)
{
	if (!(b->daemons & (1u << d))) {
		errno = EHOSTUNREACH;
		return NULL;
	}
	struct bus_link *l = b->link[d];
	if (!l) {
		l = calloc(1, sizeof(*l));
		if (!l)
			return NULL;
		l->bus = b;
		l->daemon = d;
		l->pending_tail = &l->pending;
		b->link[d] = l;
	}
	int r = sub ? link_open_sub(l) : 0;
	if (r < 0)
		link_close_sub(l);
	int r2 = req && r == 0 ? link_open_req(l) : 0;
	if (r2 < 0)
		link_close_req(l);
	if (r == 0 && r2 == 0)
		return l;
	errno = r < 0 ? -r : -r2;
	return NULL;
}

static void bus_add_metrics(struct bus *b, struct metrics *m)
{
	static const char *const by_reason[] = { "reason", NULL }, *const by_topic[] = { "topic", NULL };
	b->dropped = metrics_add(m, "ingot_bus_dropped_total", "Messages of other daemons that were dropped",
				 METRIC_COUNTER, by_reason);
	/* A counter that exists before its first event can be watched for its first event. */
	for (unsigned r = BUS_DROP_NONE + 1; r < BUS_DROP_N; r++)
		metric_series(b->dropped, (const char *[]){ bus_reason_text((enum bus_reason)r), NULL });
	b->gaps = metrics_add(m, "ingot_bus_gaps_total", "Gaps found in the frames of a topic",
			      METRIC_COUNTER, by_topic);
	b->resyncs =
	    metrics_add(m, "ingot_bus_resyncs_total", "Tables that were read again from their beginning",
			METRIC_COUNTER, by_topic);
}

struct bus *bus_new(struct loop *l, const struct bus_config *config)
{
	struct bus *b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->loop = l;
	b->self = config->self;
	b->daemons = config->daemons;
	b->epoch = (uint64_t)loop_clock().us;
	b->access.uid_base = config->uid_base;
	b->access.self = geteuid();
	b->timer_at = MONO_NEVER;
	b->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	int r = b->wake_fd < 0 ? -errno : 0;
	if (r == 0 && getrandom(b->hash_key, sizeof(b->hash_key), 0) != (ssize_t)sizeof(b->hash_key))
		r = -EIO;
	b->run_dir = strdup(config->run_dir);
	b->timer = loop_timer_new(l, on_timer, b);
	b->wake_watch = b->wake_fd < 0 ? NULL : loop_fd_new(l, b->wake_fd, LOOP_READ, on_wake, b);
	if (r == 0 && !(b->run_dir && b->timer && b->wake_watch))
		r = -ENOMEM;
	if (config->metrics)
		bus_add_metrics(b, config->metrics);
	r = r < 0 ? r : publishers_open(b);
	r = r < 0 ? r : requests_open(b);
	if (r == 0)
		return b;
	bus_free(b);
	errno = -r;
	return NULL;
}

void bus_free(struct bus *b)
{
	if (!b)
		return;
	for (unsigned t = 0; t < TOPIC_N; t++)
		subscriber_free(b->subscriber[t]);
	for (unsigned d = 0; d < DAEMON_N; d++)
		link_free(b->link[d]);
	exchanges_free(b);
	loop_fd_free(b->rep_watch);
	if (b->pub_open)
		nng_close(b->pub);
	if (b->rep_open)
		nng_close(b->rep);
	for (unsigned t = 0; t < TOPIC_N; t++)
		publisher_free(b->publisher[t]);
	loop_timer_free(b->timer);
	loop_fd_free(b->wake_watch);
	if (b->wake_fd >= 0)
		close(b->wake_fd);
	free(b->run_dir);
	free(b);
}
