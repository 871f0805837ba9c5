/* sd_notify(3) without the library: one datagram to the socket named in NOTIFY_SOCKET. Runs in the
 * supervisor. */
#include "supervisor/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/strbuf.h"

/* Only when it was asked of this very process, or of whoever gets it (systemd sets both variables). */
static int64_t wanted_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	unsigned long long us, whom;
	if (!usec || !str_to_u64(usec, strlen(usec), 1ull << 50, &us))
		return 0;
	if (pid && (!str_to_u64(pid, strlen(pid), 1u << 30, &whom) || whom != (unsigned long long)getpid()))
		return 0;
	return (int64_t)us;
}

void notify_open(struct notify *n, mono_t now)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	*n = (struct notify){ .fd = -1, .next = MONO_NEVER };
	size_t len = path ? strlen(path) : 0;
	if (len == 0 || len >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = 0; /* the abstract name space */
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->fd >= 0 && connect(n->fd, (const struct sockaddr *)&address, size) < 0)
		notify_close(n);
	n->watchdog_us = n->fd >= 0 ? wanted_watchdog() : 0;
	if (n->watchdog_us > 0)
		n->next = now;
}

void notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
	n->next = MONO_NEVER;
}

void notify_say(struct notify *n, const char *text)
{
	if (n->fd >= 0)
		(void)send(n->fd, text, strlen(text), MSG_NOSIGNAL);
}

mono_t notify_tick(struct notify *n, mono_t now)
{
	if (n->next.us != INT64_MAX && mono_reached(now, n->next)) {
		notify_say(n, "WATCHDOG=1");
		n->next = mono_add(now, n->watchdog_us / 2);
	}
	return n->next;
}
