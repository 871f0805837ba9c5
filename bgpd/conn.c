/* The transport of one BGP connection: dialling, the outgoing ring in a memfd, reading whole messages by
 * peeking, and the end. Runs in bgpd. Knows bytes and descriptors; what messages mean is session.c's. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bgpd/bgpd.h"
#include "lib/base/must.h"

enum { MESSAGES_PER_TURN = 64 };

void conn_init(struct conn *c, struct session *s, bool passive)
{
	*c = (struct conn){ .session = s, .fd = -1, .memfd = -1, .retained = -1 };
	c->fsm.config.passive = passive;
}

void conn_watch(struct conn *c, unsigned events)
{
	if (c->watch && c->events != events) {
		c->events = events;
		loop_fd_events(c->watch, events);
	}
}

static int watch_new(struct conn *c, unsigned events)
{
	c->events = events;
	c->watch = loop_fd_new(c->session->b->loop, c->fd, events, conn_on_event, c);
	return c->watch ? 0 : -ENOMEM;
}

int conn_dial(struct conn *c, char *why, size_t size)
{
	const struct session *s = c->session;
	const struct settings *p = &s->settings;
	struct tcp_target t = { .address = p->address,
				.source = p->source,
				.port = p->port,
				.device = p->vrf,
				.ttl = p->ttl,
				.password = s->password };
	if (p->interface[0]) {
		t.scope = t.address.family ? links_index(s->b, p->interface)
					   : links_router(s->b, p->interface, &t.address);
		if (!t.scope || !t.address.family) {
			str_fmt(why, size, "no router was seen on interface %s yet", p->interface);
			return -ENODEV;
		}
	}
	c->fd = tcp_dial(&t, why, size);
	if (c->fd < 0) {
		int rc = c->fd;
		c->fd = -1;
		return rc;
	}
	c->connecting = true;
	c->remote = t.address;
	c->scope = t.scope;
	return watch_new(c, LOOP_WRITE);
}

int conn_attach(struct conn *c, int fd)
{
	c->fd = fd;
	return watch_new(c, LOOP_READ);
}

static int map_store(struct conn *c)
{
	c->memfd = memfd_create("bgp-session", MFD_CLOEXEC);
	if (c->memfd < 0 || ftruncate(c->memfd, sizeof(struct store)) < 0)
		return -errno;
	void *p = mmap(NULL, sizeof(struct store), PROT_READ | PROT_WRITE, MAP_SHARED, c->memfd, 0);
	if (p == MAP_FAILED)
		return -errno;
	c->store = p;
	store_init(c->store);
	return 0;
}

int conn_begin(struct conn *c)
{
	c->connecting = false;
	c->taken = 0;
	c->wake_at = 0;
	c->peer_id = 0;
	uint16_t port;
	uint32_t scope;
	int rc = tcp_local(c->fd, &c->local);
	if (rc == 0)
		rc = tcp_remote(c->fd, &c->remote, &port, &scope);
	if (rc == 0)
		rc = tcp_taken(c->fd, &c->base);
	if (rc == 0)
		rc = map_store(c);
	if (rc == 0) {
		c->remote_port = port;
		conn_watch(c, LOOP_READ);
	}
	return rc;
}

bool conn_put(struct conn *c, const void *data, size_t len)
{
	return c->store && store_put(c->store, c->taken, data, len);
}

void conn_flush(struct conn *c)
{
	const uint8_t *p;
	size_t n;
	while (c->fd >= 0 && c->store && (n = store_pending(c->store, c->taken, &p)) > 0) {
		ssize_t sent = send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) {
			conn_watch(c, LOOP_READ | LOOP_WRITE);
			return;
		}
		if (sent < 0)
			break; /* the reader learns of it, in its own turn */
		c->taken += (uint64_t)sent;
	}
	if (c->fd >= 0 && !c->connecting)
		conn_watch(c, LOOP_READ);
}

static void retained_names(int id, char socket_name[static 16], char memory_name[static 16])
{
	str_fmt(socket_name, 16, "s%d", id);
	str_fmt(memory_name, 16, "m%d", id);
}

int conn_retain(struct conn *c)
{
	struct bgpd *b = c->session->b;
	char socket_name[16], memory_name[16];
	for (int id = 0; id < 2 * RIB_MAX_PEERS; id++) {
		if (b->retained_used[id])
			continue;
		retained_names(id, socket_name, memory_name);
		int rc = daemon_retain(b->d, memory_name, c->memfd);
		if (rc == 0)
			rc = daemon_retain(b->d, socket_name, c->fd);
		if (rc < 0)
			return rc;
		b->retained_used[id] = true;
		c->retained = id;
		return 0;
	}
	return -ENOSPC;
}

/* In this order: everybody's connection ends, then the supervisor forgets it, then we do. */
void conn_close(struct conn *c)
{
	struct bgpd *b = c->session->b;
	if (c->fd >= 0 && !c->connecting) {
		conn_flush(c);
		tcp_end(c->fd);
	}
	if (c->retained >= 0) {
		char socket_name[16], memory_name[16];
		retained_names(c->retained, socket_name, memory_name);
		daemon_release(b->d, socket_name);
		daemon_release(b->d, memory_name);
		b->retained_used[c->retained] = false;
		c->retained = -1;
	}
	loop_fd_free(c->watch);
	c->watch = NULL;
	if (c->fd >= 0)
		close(c->fd);
	if (c->store)
		munmap(c->store, sizeof *c->store);
	if (c->memfd >= 0)
		close(c->memfd);
	c->store = NULL;
	c->fd = c->memfd = -1;
	c->connecting = c->adopted = false;
	c->peer_id = 0;
}

/* Handle one whole message and consume it. false: the connection is gone. */
static bool take_message(struct conn *c, const struct bgp_header *h, const uint8_t *bytes)
{
	int fd = c->fd;
	if (store_note(c->store, c->store->consumed)) {
		log_line(LOG_ERROR, c->session->name, "sessionDown",
			 "this input ended a former life of the daemon: the session is reset");
		struct bgp_event bad = { .kind = BGP_EV_BAD,
					 .error = { .code = BGP_ERR_CEASE, .subcode = BGP_CEASE_RESET } };
		session_step(c, &bad);
		return false;
	}
	session_message(c, h, bytes);
	if (c->fd != fd)
		return false;
	store_noted(c->store);
	int rc = tcp_consume(fd, h->len);
	if (rc < 0) {
		session_lost(c, -rc);
		return false;
	}
	c->store->consumed += h->len;
	return true;
}

static void wake_at(struct conn *c, size_t n)
{
	if (c->wake_at == n)
		return;
	c->wake_at = n;
	tcp_wake_at(c->fd, n);
}

/* The bytes at hand hold no whole message: sleep until it is whole, unless nothing more can come. */
static void wait_for(struct conn *c, size_t need)
{
	if (tcp_is_open(c->fd))
		wake_at(c, need);
	else
		session_lost(c, ECONNRESET);
}

void conn_readable(struct conn *c)
{
	struct bgpd *b = c->session->b;
	ssize_t got = recv(c->fd, b->input, sizeof b->input, MSG_PEEK | MSG_DONTWAIT);
	if (got <= 0) {
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		session_lost(c, got < 0 ? errno : 0);
		return;
	}
	size_t n = (size_t)got, at = 0;
	for (int i = 0; i < MESSAGES_PER_TURN && n - at >= BGP_HEADER; i++) {
		struct bgp_header h;
		struct bgp_event bad = { .kind = BGP_EV_BAD };
		if (!bgp_header_decode(b->input + at, &h, &bad.error)) {
			session_step(c, &bad);
			return;
		}
		if (n - at < h.len) {
			wait_for(c, h.len);
			return;
		}
		if (!take_message(c, &h, b->input + at))
			return;
		at += h.len;
	}
	if (n > at && n - at < BGP_HEADER)
		wait_for(c, BGP_HEADER);
	else
		wake_at(c, BGP_HEADER); /* all done, or enough for this turn */
}

static void finish_connect(struct conn *c)
{
	int rc = tcp_connected(c->fd);
	if (rc == 0)
		rc = conn_begin(c);
	if (rc < 0)
		session_lost(c, -rc);
	else
		session_event(c, BGP_EV_TCP_UP);
}

void conn_on_event(void *ctx, unsigned events)
{
	struct conn *c = ctx;
	if (c->connecting) {
		finish_connect(c);
		return;
	}
	int fd = c->fd;
	if (events & LOOP_WRITE) {
		conn_flush(c);
		session_pump(c->session);
	}
	if ((events & LOOP_READ) && c->fd == fd)
		conn_readable(c);
}
