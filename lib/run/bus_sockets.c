/* The nng sockets of the bus: opening, dialling, listening, who may connect, and what nng 1.5.2 has to be
 * spared. Runs in every daemon but the supervisor. on_server_pipe and on_client_pipe run on nng's threads:
 * they look at constants and atomics, and close or wake. docs/bus.md, "What nng is spared", has the reasons.
 */
#include "lib/run/bus_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/transport/ipc/ipc.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"

/* nng doubles the pause from 5 ms on, so that a publisher that restarts is found at once, and one that does
 * not run is not dialled 200 times a second: on a busy machine nng frees the sockets of failed attempts
 * slower than that. */
enum {
	RECONNECT_MS = 5,
	RECONNECT_MAX_MS = 100,
	PATH_LIMIT = 107,
	SCHEME = 6,
	QUIET_ROUNDS = 30,
	CLOSE_ROUNDS = 500
};

static int nng_errno(int r)
{
	switch (r) {
	case 0: return 0;
	case NNG_ENOMEM: return -ENOMEM;
	case NNG_EADDRINUSE: return -EADDRINUSE;
	case NNG_EADDRINVAL: return -EINVAL;
	case NNG_EPERM: return -EPERM;
	case NNG_ENOENT: return -ENOENT;
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

static void bus_poke(struct bus *b)
{
	uint64_t one = 1;
	ssize_t n = write(b->wake_fd, &one, sizeof(one));
	(void)n; /* a full counter wakes too */
}

/* Before the first message of a connection: refuse every user who is not meant to be there. */
static void on_server_pipe(nng_pipe pipe, nng_pipe_ev event, void *ctx)
{
	struct bus_socket *s = ctx;
	struct bus_access *a = &s->bus->access;
	uint64_t uid = 0;
	(void)event;
	int r = nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &uid);
	if (r == 0 && (bus_daemons_of(a, uid) & s->allowed))
		return;
	nng_pipe_close(pipe);
	if (atomic_fetch_add(&a->refused, 1) == 0)
		bus_poke(s->bus);
}

static void on_client_pipe(nng_pipe pipe, nng_pipe_ev event, void *ctx)
{
	struct bus_socket *s = ctx;
	(void)pipe;
	if (event == NNG_PIPE_EV_REM_POST) {
		atomic_fetch_sub(&s->pipes, 1);
		return;
	}
	atomic_fetch_add(&s->pipes, 1);
	atomic_fetch_add(&s->connects, 1);
	bus_poke(s->bus);
}

nng_msg *bus_message(size_t size)
{
	nng_msg *m;
	return nng_msg_alloc(&m, size) == 0 ? m : NULL;
}

bool socket_send(struct bus_socket *s, nng_msg *m)
{
	if (s->is_open && nng_sendmsg(s->s, m, NNG_FLAG_NONBLOCK) == 0)
		return true;
	nng_msg_free(m);
	return false;
}

static int socket_open(struct bus *b, struct bus_socket *s, int (*open)(nng_socket *s), const char *buffer)
{
	int r = open(&s->s);
	if (r != 0)
		return nng_errno(r);
	s->bus = b;
	s->is_open = true;
	r = buffer ? nng_socket_set_int(s->s, buffer, BUS_QUEUE) : 0;
	r = r ? r : nng_socket_set_size(s->s, NNG_OPT_RECVMAXSZ, BUS_PART_HEAD + BUS_MAX_PART);
	return nng_errno(r);
}

static int socket_url(const struct bus *b, enum daemon_id d, const char *name,
		      char url[static NNG_MAXADDRLEN])
{
	/* A longer path does not fit into a sockaddr_un. */
	int n = snprintf(url, NNG_MAXADDRLEN, "ipc://%s/%s/%s", b->run_dir, daemon_name(d), name);
	return n > 0 && n <= PATH_LIMIT + SCHEME ? 0 : -ENAMETOOLONG;
}

static int socket_watch(struct bus_socket *s, void (*fn)(void *ctx, unsigned events))
{
	int fd;
	int r = nng_socket_get_int(s->s, NNG_OPT_RECVFD, &fd);
	if (r != 0)
		return nng_errno(r);
	s->watch = loop_fd_new(s->bus->loop, fd, LOOP_READ, fn, s);
	return s->watch ? 0 : -ENOMEM;
}

static int socket_listen(struct bus_socket *s, const char *name, uint32_t allowed)
{
	char url[NNG_MAXADDRLEN];
	nng_listener listener;
	int r = socket_url(s->bus, s->bus->self, name, url);
	if (r < 0)
		return r;
	s->allowed = allowed;
	r = nng_pipe_notify(s->s, NNG_PIPE_EV_ADD_PRE, on_server_pipe, s);
	r = r ? r : nng_listener_create(&listener, s->s, url);
	/* Everybody may connect; on_server_pipe decides by the peer's uid. */
	r = r ? r : nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, 0666);
	r = r ? r : nng_listener_start(listener, 0);
	return nng_errno(r);
}

static int socket_dial(struct bus_socket *s, enum daemon_id d, const char *name)
{
	char url[NNG_MAXADDRLEN];
	int r = socket_url(s->bus, d, name, url);
	if (r < 0)
		return r;
	r = nng_pipe_notify(s->s, NNG_PIPE_EV_ADD_POST, on_client_pipe, s);
	r = r ? r : nng_pipe_notify(s->s, NNG_PIPE_EV_REM_POST, on_client_pipe, s);
	r = r ? r : nng_socket_set_ms(s->s, NNG_OPT_RECONNMINT, RECONNECT_MS);
	r = r ? r : nng_socket_set_ms(s->s, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
	r = r ? r : nng_dial(s->s, url, NULL, NNG_FLAG_NONBLOCK);
	return nng_errno(r);
}

static bool socket_drain(struct bus_socket *s)
{
	bool any = false;
	nng_msg *m;
	while (s->is_open && s->watch && nng_recvmsg(s->s, &m, NNG_FLAG_NONBLOCK) == 0) {
		nng_msg_free(m);
		any = true;
	}
	return any;
}

/* nng 1.5.2 hangs for ever in nng_close when a frame is half received. Who is about to close
 * sockets that receive therefore waits for a quiet moment. Only tests come here: a daemon that stops just
 * exits. */
static void bus_quiesce(struct bus *b)
{
	for (int i = 0, quiet = 0; i < CLOSE_ROUNDS && quiet < QUIET_ROUNDS; i++) {
		bool any = socket_drain(&b->rep);
		for (unsigned d = 0; d < DAEMON_N; d++) {
			if (!b->link[d])
				continue;
			any |= socket_drain(&b->link[d]->frames);
			any |= socket_drain(&b->link[d]->answers);
		}
		quiet = any ? 0 : quiet + 1;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}

static void socket_close(struct bus_socket *s)
{
	loop_fd_free(s->watch);
	s->watch = NULL;
	if (s->is_open)
		nng_close(s->s);
	s->is_open = false;
}

/* Daemons that this one answers: readers of its topics, and callers of the requests that it serves. */
static uint32_t callers_of(const struct bus *b, uint32_t readers)
{
	uint32_t callers = readers;
	for (unsigned r = 0; r < REQUEST_N; r++) {
		const struct bus_request_type *type = bus_wire_request_type((enum request_kind)r);
		if (r != REQUEST_SINCE && (type->server == b->self || type->server == DAEMON_N))
			callers |= type->callers;
	}
	return callers & (b->daemons | READS(CTL));
}

static int listen_for_requests(struct bus *b, uint32_t callers)
{
	int r = socket_open(b, &b->rep, nng_pull0_open, NULL);
	r = r < 0 ? r : socket_listen(&b->rep, "rep", callers);
	r = r < 0 ? r : socket_watch(&b->rep, exchanges_read);
	for (unsigned d = 0; r == 0 && d < DAEMON_N; d++) {
		char name[32];
		if (!(callers & (1u << d)))
			continue;
		str_fmt(name, sizeof(name), "to-%s", daemon_name((enum daemon_id)d));
		r = socket_open(b, &b->reply[d], nng_pub0_open, NNG_OPT_SENDBUF);
		r = r < 0 ? r : socket_listen(&b->reply[d], name, 1u << d);
	}
	return r;
}

int bus_listen(struct bus *b)
{
	uint32_t readers = 0;
	bus_spare_nng();
	if (!(ALL_ROOMS & (1u << b->self)))
		return 0;
	for (unsigned t = 0; t < TOPIC_N; t++)
		if (topic_publisher((enum topic)t) == b->self)
			readers |= bus_wire_readers((enum topic)t);
	int r = 0;
	if (readers != 0) {
		r = socket_open(b, &b->pub, nng_pub0_open, NNG_OPT_SENDBUF);
		r = r < 0 ? r : socket_listen(&b->pub, "pub", readers);
	}
	return r < 0 ? r : listen_for_requests(b, callers_of(b, readers));
}

static int link_open_frames(struct bus_link *l)
{
	if (l->frames.is_open)
		return 0;
	const uint8_t idle = BUS_IDLE_ID;
	int r = socket_open(l->bus, &l->frames, nng_sub0_open, NNG_OPT_RECVBUF);
	r = r < 0 ? r : nng_errno(nng_socket_set(l->frames.s, NNG_OPT_SUB_SUBSCRIBE, &idle, 1));
	r = r < 0 ? r : socket_watch(&l->frames, link_read_frames);
	return r < 0 ? r : socket_dial(&l->frames, l->daemon, "pub");
}

static int link_open_requests(struct bus_link *l)
{
	char name[32];
	uint8_t prefix[BUS_PART_HEAD];
	struct bus_part mine = { .instance = l->bus->instance };
	if (l->asks.is_open)
		return 0;
	bus_wire_put_part(&mine, prefix);
	str_fmt(name, sizeof(name), "to-%s", daemon_name(l->bus->self));
	int r = socket_open(l->bus, &l->answers, nng_sub0_open, NNG_OPT_RECVBUF);
	if (r == 0)
		r = nng_errno(
		    nng_socket_set(l->answers.s, NNG_OPT_SUB_SUBSCRIBE, prefix, sizeof(mine.instance)));
	r = r < 0 ? r : socket_watch(&l->answers, link_read_replies);
	r = r < 0 ? r : socket_dial(&l->answers, l->daemon, name);
	r = r < 0 ? r : socket_open(l->bus, &l->asks, nng_push0_open, NNG_OPT_SENDBUF);
	return r < 0 ? r : socket_dial(&l->asks, l->daemon, "rep");
}

static void link_close_requests(struct bus_link *l)
{
	socket_close(&l->answers);
	socket_close(&l->asks);
}

static struct bus_link *link_new(struct bus *b, enum daemon_id d)
{
	struct bus_link *l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->bus = b;
	l->daemon = d;
	l->greet_at = MONO_NEVER;
	l->pending_tail = &l->pending;
	return l;
}

struct bus_link *bus_link_to(struct bus *b, enum daemon_id d, bool frames, bool requests)
{
	if (!(b->daemons & (1u << d))) {
		errno = EHOSTUNREACH;
		return NULL;
	}
	if (!b->link[d])
		b->link[d] = link_new(b, d);
	struct bus_link *l = b->link[d];
	if (!l)
		return NULL;
	int r = frames ? link_open_frames(l) : 0;
	if (r < 0)
		socket_close(&l->frames);
	if (r == 0 && requests) {
		r = link_open_requests(l);
		if (r < 0)
			link_close_requests(l);
	}
	errno = -r;
	return r < 0 ? NULL : l;
}

static void link_free(struct bus_link *l)
{
	if (!l)
		return;
	link_free_pending(l);
	socket_close(&l->frames);
	link_close_requests(l);
	free(l);
}

void bus_close_sockets(struct bus *b)
{
	bus_quiesce(b);
	for (unsigned d = 0; d < DAEMON_N; d++) {
		link_free(b->link[d]);
		b->link[d] = NULL;
	}
	socket_close(&b->rep);
	socket_close(&b->pub);
	for (unsigned d = 0; d < DAEMON_N; d++)
		socket_close(&b->reply[d]);
}
