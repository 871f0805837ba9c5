/* The sockets of gossipd: opened or taken over before the sandbox, then datagrams in and out through seal.h.
 * Runs in gossipd. What comes in is foreign until seal_open said otherwise; junk is counted and answered with
 * nothing. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "gossipd/gossip.h"
#include "lib/base/must.h"

enum { DATAGRAM_MAX = 2048, BURST = 64, BACKLOG = 16 };

void net_random(void *to, size_t n)
{
	must(getrandom(to, n, 0) == (ssize_t)n);
}

socklen_t net_sockaddr(const struct gossip *g, const struct swim_addr *a, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof *ret);
	if (!g->v6) {
		struct sockaddr_in *in = (struct sockaddr_in *)(void *)ret;
		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip.bytes, 4);
		return a->ip.family == FAMILY_V4 || a->ip.family == FAMILY_NONE ? sizeof *in : 0;
	}
	struct sockaddr_in6 *in = (struct sockaddr_in6 *)(void *)ret;
	in->sin6_family = AF_INET6;
	in->sin6_port = htons(a->port);
	if (a->ip.family == FAMILY_V4) {
		in->sin6_addr.s6_addr[10] = in->sin6_addr.s6_addr[11] = 0xff;
		memcpy(in->sin6_addr.s6_addr + 12, a->ip.bytes, 4);
	} else {
		memcpy(in->sin6_addr.s6_addr, a->ip.bytes, 16);
	}
	return sizeof *in;
}

bool net_from_sockaddr(const struct sockaddr_storage *sa, struct swim_addr *ret)
{
	memset(ret, 0, sizeof *ret);
	if (sa->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
		ret->ip = addr_from_bytes(FAMILY_V4, &in->sin_addr);
		ret->port = ntohs(in->sin_port);
		return true;
	}
	if (sa->ss_family != AF_INET6)
		return false;
	const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)sa;
	if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr))
		ret->ip = addr_from_bytes(FAMILY_V4, in->sin6_addr.s6_addr + 12);
	else
		ret->ip = addr_from_bytes(FAMILY_V6, in->sin6_addr.s6_addr);
	ret->port = ntohs(in->sin6_port);
	return true;
}

static int open_socket(const struct gossip *g, int type)
{
	struct swim_addr any = { .ip = g->own.ip, .port = g->port };
	struct sockaddr_storage sa;
	int one = 1, zero = 0, room = 1 << 20;
	int fd = socket(g->v6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Best effort all three: without them it works, only less well. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, type == SOCK_STREAM ? sizeof one : 0);
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, g->v6 ? sizeof zero : 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, type == SOCK_DGRAM ? sizeof room : 0);
	socklen_t len = net_sockaddr(g, &any, &sa);
	if (bind(fd, (struct sockaddr *)&sa, len) < 0 || (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)) {
		int err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* A socket of the former life, when it still is the one that the options ask for. */
static int take_socket(struct gossip *g, const char *name, int type)
{
	struct sockaddr_storage sa = { 0 };
	struct swim_addr bound;
	socklen_t len = sizeof sa, type_len = sizeof(int);
	int got = 0, fd = daemon_take_retained(g->d, name);
	if (fd < 0)
		return -1;
	bool fits =
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &got, &type_len) == 0 && got == type &&
	    getsockname(fd, (struct sockaddr *)&sa, &len) == 0 && net_from_sockaddr(&sa, &bound) &&
	    bound.port == g->port &&
	    (g->own.ip.family == FAMILY_NONE ? addr_is_unspecified(bound.ip) : addr_eq(bound.ip, g->own.ip));
	if (!fits) {
		close(fd);
		return -1;
	}
	g->v6 = sa.ss_family == AF_INET6;
	return fd;
}

static int get_socket(struct gossip *g, const char *name, int type, int *ret)
{
	int fd = take_socket(g, name, type);
	if (fd < 0) {
		fd = open_socket(g, type);
		if (fd == -EAFNOSUPPORT && g->v6 && g->own.ip.family == FAMILY_NONE) {
			g->v6 = false;
			fd = open_socket(g, type);
		}
		if (fd < 0)
			return fd;
		/* Without the supervisor's copy a restart loses the queue, nothing more. */
		(void)daemon_retain(g->d, name, fd);
	}
	*ret = fd;
	return 0;
}

int net_open(struct gossip *g)
{
	g->v6 = g->own.ip.family != FAMILY_V4;
	net_random(g->nonce, sizeof g->nonce);
	int err = get_socket(g, "gossip-udp", SOCK_DGRAM, &g->udp);
	return err ? err : get_socket(g, "gossip-tcp", SOCK_STREAM, &g->tcp);
}

/* Never the same twice under a key: 16 random bytes of this life, and a count. */
void net_nonce(struct gossip *g, uint8_t nonce[static SEAL_NONCE])
{
	memcpy(nonce, g->nonce, sizeof g->nonce);
	g->nonces++;
	memcpy(nonce + sizeof g->nonce, &g->nonces, sizeof g->nonces);
}

static void send_frame(struct gossip *g, const struct swim_addr *to, const uint8_t *frame, size_t len)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = net_sockaddr(g, to, &sa);
	if (len == 0 || sa_len == 0)
		return;
	if (sendto(g->udp, frame, len, 0, (struct sockaddr *)&sa, sa_len) < 0)
		++*g->m.send_failed;
	else
		++*g->m.sent;
}

void net_send(struct gossip *g, const struct swim_addr *to, const uint8_t *data, size_t len)
{
	uint8_t frame[SWIM_PACKET + SEAL_OVERHEAD], nonce[SEAL_NONCE];
	if (!seal_has_key(g->seal))
		return;
	net_nonce(g, nonce);
	send_frame(g, to, frame, seal_packet(g->seal, nonce, data, len, frame, sizeof frame));
}

static void send_reply(struct gossip *g, const struct swim_addr *to, const struct seal_opened *o)
{
	uint8_t frame[SEAL_REPLY_MAX + SEAL_OVERHEAD], nonce[SEAL_NONCE];
	net_nonce(g, nonce);
	send_frame(g, to, frame, seal_reply(g->seal, loop_now(g->d->loop), o, nonce, frame, sizeof frame));
}

static void rejected(struct gossip *g, const struct swim_addr *from, const char *reason)
{
	char text[SWIM_ADDR_TEXT];
	log_limited(&g->quiet, 5, SEC(10), LOG_DEBUG, "gossip", "rejected", "packet from %s: %s",
		    swim_addr_text(from, text), reason);
}

/* The name in a packet is the session's, or it is a lie. */
static bool sender_is(const uint8_t *plain, size_t len, const char *name)
{
	struct swim_packet p;
	return swim_packet_open(plain, len, &p) == 0 && strcmp(p.sender, name) == 0;
}

static void take(struct gossip *g, const struct swim_addr *from, const uint8_t *frame, size_t len)
{
	uint8_t plain[DATAGRAM_MAX];
	struct seal_opened o = { 0 };
	mono_t now = loop_now(g->d->loop);
	++*g->m.received;
	enum seal_verdict v = seal_open(g->seal, now, frame, len, plain, &o);
	if (v > SEAL_FRESH) {
		++*g->m.rejected[v];
		rejected(g, from, seal_reason(v));
		return;
	}
	if (o.wants_reply)
		send_reply(g, from, &o);
	if (v == SEAL_FRESH)
		swim_hello(g->swim, now, from, o.name);
	if (v != SEAL_DATA)
		return;
	int err = sender_is(plain, o.len, o.name) ? swim_receive(g->swim, now, from, plain, o.len) : -EPERM;
	if (err) {
		++*(err == -EEXIST || err == -EPERM ? g->m.rejected_name : g->m.rejected_packet);
		rejected(g, from, strerror(-err));
	}
}

static void on_udp(void *ctx, unsigned events)
{
	struct gossip *g = ctx;
	(void)events;
	for (int i = 0; i < BURST; i++) {
		uint8_t frame[DATAGRAM_MAX];
		struct sockaddr_storage sa;
		struct swim_addr from;
		socklen_t len = sizeof sa;
		ssize_t n = recvfrom(g->udp, frame, sizeof frame, 0, (struct sockaddr *)&sa, &len);
		if (n < 0)
			break;
		if (net_from_sockaddr(&sa, &from) && from.port)
			take(g, &from, frame, (size_t)n);
	}
	gossip_pump(g);
}

int net_watch(struct gossip *g)
{
	g->udp_watch = loop_fd_new(g->d->loop, g->udp, LOOP_READ, on_udp, g);
	g->tcp_watch = loop_fd_new(g->d->loop, g->tcp, LOOP_READ, sync_accept, g);
	return g->udp_watch && g->tcp_watch ? 0 : -ENOMEM;
}

void net_close(struct gossip *g)
{
	sync_close_all(g);
	loop_fd_free(g->udp_watch);
	loop_fd_free(g->tcp_watch);
	if (g->udp >= 0)
		close(g->udp);
	if (g->tcp >= 0)
		close(g->tcp);
}
