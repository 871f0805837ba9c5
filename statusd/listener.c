/* Opening of TCP listeners for statusd. Runs before the sandbox, as the user that started us. */
#include "statusd/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/addr.h"
#include "lib/base/strbuf.h"

enum { BACKLOG = 64 };

/* "1.2.3.4:80", "[::1]:80" or ":80" (FAMILY_NONE); false when malformed. Port 0 is fine. */
static bool split(const char *text, addr_t *address, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	unsigned long long p;

	if (!colon || !str_to_u64(colon + 1, strlen(colon + 1), 65535, &p))
		return false;
	size_t n = (size_t)(colon - text);
	if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	*port = (uint16_t)p;
	*address = (addr_t){ 0 };
	return n == 0 || addr_parse_n(text, n, address);
}

static socklen_t to_sockaddr(addr_t a, uint16_t port, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof *ret);
	if (a.family == FAMILY_V4) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret;
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, a.bytes, 4);
		return sizeof *in;
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, a.bytes, 16);
	return sizeof *in6;
}

static int listen_on(addr_t a, uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t len = to_sockaddr(a, port, &to);
	int on = 1, off = 0, s = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (s < 0)
		return -errno;
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (a.family == FAMILY_NONE)
		setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (bind(s, (const struct sockaddr *)&to, len) < 0 || listen(s, BACKLOG) < 0) {
		int error = -errno;
		close(s);
		return error;
	}
	return s;
}

/* FAMILY_NONE: every address of both families, of IPv4 alone where the kernel has no IPv6. */
static int listen_on_any(uint16_t port)
{
	int s = listen_on((addr_t){ 0 }, port);
	if (s == -EAFNOSUPPORT || s == -EADDRNOTAVAIL)
		s = listen_on((addr_t){ .family = FAMILY_V4 }, port);
	return s;
}

int listener_open(struct daemon *d, const char *name, const char *address_port)
{
	addr_t address;
	uint16_t port;
	int s = daemon_take_retained(d, name);

	if (s >= 0)
		return s;
	if (!*address_port)
		return -1;
	if (!split(address_port, &address, &port)) {
		log_line(LOG_ERROR, name, "badListener",
			 "--%s=%s is not ADDRESS:PORT; nothing is served there", name, address_port);
		return -1;
	}
	if (port == 0)
		return -1;
	s = address.family == FAMILY_NONE ? listen_on_any(port) : listen_on(address, port);
	if (s < 0) {
		log_line(LOG_ERROR, name, "badListener", "cannot listen on %s: %s; nothing is served there",
			 address_port, strerror(-s));
		return -1;
	}
	daemon_retain(d, name, s);
	return s;
}
