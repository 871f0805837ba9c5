/* Two functions of libc, answered here for the whole process, because nng 1.5.2 calls them. Linked into every
 * process with a bus. Built without sanitizers, whose runtimes call them before they are ready. docs/bus.md,
 * "What nng is spared". */
#include "lib/run/bus_internal.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

void bus_spare_nng(void)
{
}

/* nng sizes four thread pools by sysconf(_SC_NPROCESSORS_ONLN), which in glibc reads /sys whatever the
 * affinity is: 88 threads in each daemon on 64 CPUs, 11 on one. It has no parameter for that, so the answer
 * here is one CPU. Our one thread needs no more, and glibc's malloc does not ask this way. */
// NOLINTNEXTLINE(readability-redundant-declaration): some releases of glibc declare it, none promises to
extern long __sysconf(int name);
long sysconf(int name)
{
	return name == _SC_NPROCESSORS_ONLN ? 1 : __sysconf(name);
}

/* nng takes EPIPE while it negotiates for a close of its own: the listener then never accepts again, the
 * dialler never dials again (mended in its next release). The other end of a Unix socket that died is a reset
 * connection, and is reported as one. */
ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	ssize_t n = syscall(SYS_sendmsg, fd, m, flags);
	if (n >= 0 || errno != EPIPE)
		return n;
	int domain = 0;
	socklen_t size = sizeof(domain);
	bool is_unix = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
	errno = is_unix ? ECONNRESET : EPIPE;
	return n;
}
