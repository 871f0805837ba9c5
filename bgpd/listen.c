/* Accepting connections, only with --bgp-listen: from configured peers, and only when they have no session
 * yet. Runs in bgpd; the listener is opened before the sandbox. MetalLB never listens. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bgpd/bgpd.h"

enum { ACCEPTS_PER_TURN = 16, BURST = 5 };

/* "ADDRESS:PORT", "[ADDRESS]:PORT"; the port may be left out, and so may the address: all of both families.
 */
static bool parse(const char *text, addr_t *address, uint16_t *port)
{
	const char *end, *colon;
	unsigned long long n = BGP_PORT;
	if (*text == '[') {
		text++;
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		colon = end[1] ? end + 1 : NULL;
	} else {
		colon = strrchr(text, ':');
		end = colon ? colon : text + strlen(text);
	}
	if (colon && !str_to_u64(colon + 1, strlen(colon + 1), UINT16_MAX, &n))
		return false;
	*port = (uint16_t)n;
	*address = (addr_t){ 0 };
	return n > 0 && (end == text || addr_parse_n(text, (size_t)(end - text), address));
}

int listen_open(struct bgpd *b)
{
	const char *text = b->d->options.bgp_listen;
	addr_t address;
	uint16_t port;
	b->listen_fd = -1;
	if (!*text)
		return 0;
	if (!parse(text, &address, &port)) {
		log_line(LOG_ERROR, "daemon", "bgp-listen", "not an address and port: %s", text);
		return -EINVAL;
	}
	b->listen_fd = tcp_listen(address, port);
	if (b->listen_fd >= 0)
		return 0;
	log_line(LOG_ERROR, "daemon", "bgp-listen", "cannot listen on %s: %s", text, strerror(-b->listen_fd));
	return b->listen_fd;
}

static struct session *peer_of(const struct bgpd *b, addr_t remote)
{
	for (unsigned i = 0; i < RIB_MAX_PEERS; i++) {
		struct session *s = b->sessions[i];
		if (s && s->configured && addr_eq(s->settings.address, remote) && !s->settings.vrf[0])
			return s;
	}
	return NULL;
}

static void refuse(struct bgpd *b, int fd, const char *who, const char *why)
{
	(*b->rejected)++;
	log_limited(&b->listen_limit, BURST, SEC(10), LOG_WARN, who, "connectionRejected", "%s", why);
	tcp_end(fd);
	close(fd);
}

static void take(struct bgpd *b, int fd)
{
	addr_t remote;
	uint16_t port;
	uint32_t scope;
	char text[ADDR_TEXT];
	if (tcp_remote(fd, &remote, &port, &scope) < 0) {
		close(fd);
		return;
	}
	struct session *s = peer_of(b, remote);
	if (!s || b->stopping) {
		refuse(b, fd, addr_text(remote, text), "no peer with this address is configured");
		return;
	}
	if (s->settings.has_password && !s->secret_known) {
		refuse(b, fd, s->name, "its password is not known yet");
		return;
	}
	if (s->up && s->up->fsm.n.peer_graceful) {
		/* RFC 4724 5: a peer that comes back has lost the old connection. */
		log_line(LOG_INFO, s->name, "peerRestarted", "it connects anew");
		session_end(s, 0);
	}
	if (s->up || s->accepted.fd >= 0) {
		refuse(b, fd, s->name, "it has a connection already");
		return;
	}
	tcp_prepare(fd, (enum family)remote.family, s->settings.ttl);
	if (conn_attach(&s->accepted, fd) < 0 || conn_begin(&s->accepted) < 0) {
		conn_close(&s->accepted);
		return;
	}
	session_event(&s->accepted, BGP_EV_TCP_UP);
}

static void on_readable(void *ctx, unsigned events)
{
	struct bgpd *b = ctx;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(b->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		take(b, fd);
	}
}

int listen_join(struct bgpd *b)
{
	if (b->listen_fd < 0)
		return 0;
	b->listen_watch = loop_fd_new(b->loop, b->listen_fd, LOOP_READ, on_readable, b);
	return b->listen_watch ? 0 : -ENOMEM;
}

void listen_key(struct session *s)
{
	if (s->b->listen_fd < 0 || !s->settings.address.family)
		return;
	int rc = tcp_md5(s->b->listen_fd, s->settings.address, s->password);
	if (rc < 0)
		log_line(LOG_WARN, s->name, "bgp-listen", "the listener cannot use its password: %s",
			 strerror(-rc));
}

void listen_close(struct bgpd *b)
{
	loop_fd_free(b->listen_watch);
	if (b->listen_fd >= 0)
		close(b->listen_fd);
}
