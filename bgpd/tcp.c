/* TCP for bgpd: non-blocking connect with source address, device, TTL (as FRR sets it: eBGP 1, multihop and
 * iBGP 255) and MD5 key (RFC 2385), set before the connection is made. Opens nothing but TCP sockets and logs
 * nothing. */
#include "bgpd/tcp.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/strbuf.h"

static socklen_t to_sockaddr(addr_t a, uint16_t port, uint32_t scope, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof *ss);
	if (a.family == FAMILY_V4) {
		struct sockaddr_in s = { .sin_family = AF_INET, .sin_port = htons(port) };
		memcpy(&s.sin_addr, a.bytes, 4);
		memcpy(ss, &s, sizeof s);
		return sizeof s;
	}
	struct sockaddr_in6 s = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	memcpy(&s.sin6_addr, a.bytes, 16);
	s.sin6_scope_id = scope;
	memcpy(ss, &s, sizeof s);
	return sizeof s;
}

static int from_sockaddr(const struct sockaddr_storage *ss, addr_t *ret, uint16_t *port, uint32_t *scope)
{
	if (ss->ss_family == AF_INET) {
		struct sockaddr_in s;
		memcpy(&s, ss, sizeof s);
		*ret = addr_from_bytes(FAMILY_V4, &s.sin_addr);
		*port = ntohs(s.sin_port);
		*scope = 0;
		return 0;
	}
	if (ss->ss_family != AF_INET6)
		return -EAFNOSUPPORT;
	struct sockaddr_in6 s;
	memcpy(&s, ss, sizeof s);
	*port = ntohs(s.sin6_port);
	*scope = s.sin6_scope_id;
	if (IN6_IS_ADDR_V4MAPPED(&s.sin6_addr))
		*ret = addr_from_bytes(FAMILY_V4, (const uint8_t *)&s.sin6_addr + 12);
	else
		*ret = addr_from_bytes(FAMILY_V6, &s.sin6_addr);
	return 0;
}

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

int tcp_prepare(int fd, enum family f, uint8_t ttl)
{
	int rc = set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (rc == 0)
		rc = f == FAMILY_V4 ? set_int(fd, IPPROTO_IP, IP_TTL, ttl)
				    : set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl);
	if (rc == 0) { /* precedence "internetwork control", as routers mark BGP; not worth a failure */
		if (f == FAMILY_V4)
			set_int(fd, IPPROTO_IP, IP_TOS, 0xc0);
		else
			set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, 0xc0);
	}
	return rc;
}

int tcp_md5(int fd, addr_t peer, const char *password)
{
	struct tcp_md5sig md5 = { 0 };
	struct sockaddr_storage ss;
	size_t len = strlen(password);
	_Static_assert(TCP_MAX_PASSWORD <= sizeof md5.tcpm_key, "longer than the kernel takes");
	if (len > TCP_MAX_PASSWORD)
		return -EINVAL;
	to_sockaddr(peer, 0, 0, &ss);
	memcpy(&md5.tcpm_addr, &ss, sizeof ss);
	md5.tcpm_keylen = (uint16_t)len;
	memcpy(md5.tcpm_key, password, len);
	int rc = setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &md5, sizeof md5) < 0 ? -errno : 0;
	explicit_bzero(&md5, sizeof md5);
	return rc;
}

/* Everything before connect(). what names the step that failed. */
static int set_up(int fd, const struct tcp_target *t, const char **what)
{
	enum family f = (enum family)t->address.family;
	int rc = 0;
	*what = "binding to the VRF";
	if (*t->device)
		rc = setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, t->device, (socklen_t)strlen(t->device)) < 0
			 ? -errno
			 : 0;
	if (rc == 0) {
		*what = "setting the TTL";
		rc = tcp_prepare(fd, f, t->ttl);
	}
	if (rc == 0 && *t->password) {
		*what = "setting the password";
		rc = tcp_md5(fd, t->address, t->password);
	}
	if (rc == 0 && t->source.family != FAMILY_NONE) {
		struct sockaddr_storage ss;
		socklen_t len = to_sockaddr(t->source, 0, t->scope, &ss);
		*what = "using the source address";
		set_int(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
		rc = bind(fd, (const struct sockaddr *)&ss, len) < 0 ? -errno : 0;
	}
	return rc;
}

int tcp_dial(const struct tcp_target *t, char *why, size_t size)
{
	const char *what = "opening a socket";
	int fd = socket(t->address.family == FAMILY_V4 ? AF_INET : AF_INET6,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc = fd < 0 ? -errno : set_up(fd, t, &what);
	if (rc == 0) {
		struct sockaddr_storage ss;
		socklen_t len = to_sockaddr(t->address, t->port, t->scope, &ss);
		what = "connecting";
		if (connect(fd, (const struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS)
			rc = -errno;
	}
	if (rc == 0)
		return fd;
	str_fmt(why, size, "%s: %s", what, strerror(-rc));
	if (fd >= 0)
		close(fd);
	return rc;
}

int tcp_connected(int fd)
{
	int error = 0;
	socklen_t len = sizeof error;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

int tcp_listen(addr_t address, uint16_t port)
{
	bool v4 = address.family == FAMILY_V4;
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	struct sockaddr_storage ss;
	socklen_t len = to_sockaddr(address, port, 0, &ss);
	int rc = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (rc == 0 && (bind(fd, (const struct sockaddr *)&ss, len) < 0 || listen(fd, 16) < 0))
		rc = -errno;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

int tcp_local(int fd, addr_t *ret)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof ss;
	uint16_t port;
	uint32_t scope;
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	return from_sockaddr(&ss, ret, &port, &scope);
}

int tcp_remote(int fd, addr_t *ret, uint16_t *port, uint32_t *scope)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof ss;
	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	return from_sockaddr(&ss, ret, port, scope);
}

static int read_info(int fd, struct tcp_info *ret)
{
	socklen_t len = sizeof *ret;
	memset(ret, 0, sizeof *ret);
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret, &len) < 0 ? -errno : 0;
}

/* Acknowledged bytes leave the queue while we look: read again until nothing moved in between. */
int tcp_taken(int fd, uint64_t *ret)
{
	for (;;) {
		struct tcp_info before, after = { 0 };
		int queued = 0;
		int rc = read_info(fd, &before);
		if (rc == 0 && ioctl(fd, SIOCOUTQ, &queued) < 0)
			rc = -errno;
		if (rc == 0)
			rc = read_info(fd, &after);
		if (rc < 0)
			return rc;
		if (before.tcpi_bytes_acked == after.tcpi_bytes_acked) {
			*ret = (uint64_t)before.tcpi_bytes_acked + (uint64_t)(unsigned)queued;
			return 0;
		}
	}
}

bool tcp_is_open(int fd)
{
	enum { ESTABLISHED = 1 };
	struct tcp_info info;
	return read_info(fd, &info) == 0 && info.tcpi_state == ESTABLISHED;
}

void tcp_wake_at(int fd, size_t n)
{
	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, (int)n);
}

int tcp_consume(int fd, size_t n)
{
	while (n > 0) {
		ssize_t got = recv(fd, NULL, n, MSG_TRUNC | MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ECONNRESET;
		n -= (size_t)got;
	}
	return 0;
}

void tcp_end(int fd)
{
	enum { SWALLOW = 64 << 10, ROUNDS = 16 };
	shutdown(fd, SHUT_WR);
	/* Unread input at close would answer with RST, which may overtake the NOTIFICATION. */
	for (int i = 0; i < ROUNDS && recv(fd, NULL, SWALLOW, MSG_TRUNC | MSG_DONTWAIT) > 0; i++)
		;
	shutdown(fd, SHUT_RDWR);
}
