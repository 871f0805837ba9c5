/* Who may touch what, as data: one row per daemon, per path and per system call. Linked into every process
 * and changed by none. No row gives a capability: what needs one is opened before the sandbox.
 * docs/threat-model.md draws the same. */
#include "lib/run/sandbox_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <seccomp.h>

#include "lib/base/must.h"
#include "lib/run/sandbox.h"

static const struct sandbox_rules daemons[] = {
	{ DAEMON_WATCHER, SYS_BASE | SYS_START | SYS_OPTIONS | SYS_OPEN_WRITE | SYS_WATCH,
	  SYS_BASE | SYS_OPTIONS_FEW | SYS_OPEN_WRITE | SYS_WATCH, SYS_TCP | SYS_UDP | SYS_RESOLVE,
	  SYS_TCP | SYS_UDP | SYS_RESOLVE | SYS_OPTIONS, 0, 4096 },
	{ DAEMON_ALLOCATOR, SYS_BASE | SYS_START, SYS_BASE, 0, 0, 1, 1024 },
	{ DAEMON_GOSSIPD, SYS_BASE | SYS_START | SYS_TCP | SYS_UDP | SYS_OPTIONS,
	  SYS_BASE | SYS_TCP | SYS_OPTIONS, 0, 0, 0, 4096 },
	/* Promiscuous mode rides in the same option as the group memberships that l2d needs, behind a pointer
	 * that a filter cannot follow: it stays possible for a taken-over l2d, whose packet filter, locked in
	 * the kernel, still shows it nothing but ARP and neighbour discovery. Everything else of SOL_PACKET,
	 * and bind, is refused. */
	{ DAEMON_L2D, SYS_BASE | SYS_START | SYS_OPTIONS_FEW | SYS_OPTIONS_PACKET,
	  SYS_BASE | SYS_OPTIONS_FEW | SYS_OPTIONS_PACKET, 0, 0, 1, 1024 },
	{ DAEMON_BGPD, SYS_BASE | SYS_START | SYS_TCP | SYS_OPTIONS,
	  SYS_BASE | SYS_TCP | SYS_BIND | SYS_OPTIONS, 0, 0, 0, 8192 },
	{ DAEMON_STATUSD, SYS_BASE | SYS_START | SYS_TCP | SYS_OPTIONS, SYS_BASE | SYS_OPTIONS, 0, 0, 0,
	  4096 },
	{ DAEMON_BFDD, SYS_BASE | SYS_START | SYS_UDP | SYS_OPTIONS,
	  SYS_BASE | SYS_UDP | SYS_BIND | SYS_OPTIONS, 0, 0, 1, 4096 },
};

const struct sandbox_rules *sandbox_rules_of(enum daemon_id d)
{
	for (unsigned i = 0; i < ARRAY_LEN(daemons); i++)
		if (daemons[i].daemon == d)
			return &daemons[i];
	return NULL;
}

#define EVERY ~0u

const struct sandbox_file sandbox_files[] = {
	/* Its sockets; a stale one of a former life is removed and bound again. */
	{ EVERY, WHEN_ALWAYS, PATH_OWN_RUN, NULL, FILES_SOCKETS },
	/* Its own figures (memory, descriptors) and the number of processors, which libraries ask for. */
	{ EVERY, WHEN_ALWAYS, PATH_LITERAL, "/proc/self", FILES_READ },
	{ EVERY, WHEN_ALWAYS, PATH_LITERAL, "/sys/devices/system/cpu", FILES_READ },
	{ READS(WATCHER), WHEN_DIR, PATH_MANIFESTS, NULL, FILES_READ },
	{ READS(WATCHER), WHEN_DIR, PATH_STATUS, NULL, FILES_READ | FILES_WRITE },
	{ READS(WATCHER), WHEN_K8S, PATH_KUBECONFIG, NULL, FILES_READ },
	{ READS(WATCHER), WHEN_K8S, PATH_STATE, NULL, FILES_READ | FILES_WRITE },
	{ READS(WATCHER), WHEN_K8S, PATH_LITERAL, "/var/run/secrets/kubernetes.io", FILES_READ },
	{ READS(WATCHER), WHEN_K8S, PATH_LITERAL, "/etc/resolv.conf", FILES_READ },
	{ READS(WATCHER), WHEN_K8S, PATH_LITERAL, "/etc/hosts", FILES_READ },
	{ READS(WATCHER), WHEN_K8S, PATH_LITERAL, "/etc/nsswitch.conf", FILES_READ },
	{ READS(WATCHER), WHEN_K8S, PATH_LITERAL, "/etc/host.conf", FILES_READ },
	{ READS(WATCHER), WHEN_K8S, PATH_LITERAL, "/etc/gai.conf", FILES_READ },
	{ READS(WATCHER), WHEN_K8S, PATH_LITERAL, "/etc/ssl/certs", FILES_READ },
	{ READS(GOSSIPD), WHEN_ALWAYS, PATH_GOSSIP_KEY, NULL, FILES_READ },
};
const size_t sandbox_n_files = ARRAY_LEN(sandbox_files);

#define CALL(groups, name)                                                                                   \
	{                                                                                                    \
		groups, SCMP_SYS(name), 0, 0,                                                                \
		{                                                                                            \
			{                                                                                    \
				0                                                                            \
			}                                                                                    \
		}                                                                                            \
	}
#define REFUSE(groups, name, error)                                                                          \
	{                                                                                                    \
		groups, SCMP_SYS(name), error, 0,                                                            \
		{                                                                                            \
			{                                                                                    \
				0                                                                            \
			}                                                                                    \
		}                                                                                            \
	}
#define CALL_IF(groups, name, ...)                                                                           \
	{                                                                                                    \
		groups, SCMP_SYS(name), 0, 1,                                                                \
		{                                                                                            \
			__VA_ARGS__                                                                          \
		}                                                                                            \
	}
#define CALL_IF2(groups, name, ...)                                                                          \
	{                                                                                                    \
		groups, SCMP_SYS(name), 0, 2,                                                                \
		{                                                                                            \
			__VA_ARGS__                                                                          \
		}                                                                                            \
	}
#define REFUSE_IF(groups, name, error, ...)                                                                  \
	{                                                                                                    \
		groups, SCMP_SYS(name), error, 1,                                                            \
		{                                                                                            \
			__VA_ARGS__                                                                          \
		}                                                                                            \
	}
#define IS(n, value)                                                                                         \
	{                                                                                                    \
		n, false, 0, value                                                                           \
	}
#define BITS(n, mask, value)                                                                                 \
	{                                                                                                    \
		n, true, mask, value                                                                         \
	}
#define SOCK_KIND 0xf

const struct sandbox_call sandbox_calls[] = {
	/* Descriptors that are there already. */
	CALL(SYS_BASE, read),
	CALL(SYS_BASE, write),
	CALL(SYS_BASE, readv),
	CALL(SYS_BASE, writev),
	CALL(SYS_BASE, pread64),
	CALL(SYS_BASE, pwrite64),
	CALL(SYS_BASE, close),
	CALL(SYS_BASE, lseek),
	CALL(SYS_BASE, fcntl),
	CALL(SYS_BASE, ioctl),
	CALL(SYS_BASE, dup),
	CALL(SYS_BASE, dup2),
	CALL(SYS_BASE, dup3),
	CALL(SYS_BASE, fstat),
	CALL(SYS_BASE, newfstatat),
	CALL(SYS_BASE, stat),
	CALL(SYS_BASE, lstat),
	CALL(SYS_BASE, statx),
	CALL(SYS_BASE, access),
	CALL(SYS_BASE, faccessat),
	CALL(SYS_BASE, faccessat2),
	CALL(SYS_BASE, readlink),
	CALL(SYS_BASE, readlinkat),
	CALL(SYS_BASE, getdents64),
	CALL(SYS_BASE, getcwd),
	CALL(SYS_BASE, ftruncate),
	CALL(SYS_BASE, fallocate),
	CALL(SYS_BASE, memfd_create),
	CALL(SYS_BASE, unlink),
	CALL(SYS_BASE, unlinkat),
	/* Opening to read; which files is for Landlock and file modes to say. */
	CALL_IF(SYS_BASE, open, BITS(1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)),
	CALL_IF(SYS_BASE, openat, BITS(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)),
	/* The C library names a thread by writing to /proc/self/task; that may fail. */
	REFUSE_IF(SYS_BASE, openat, EACCES, BITS(2, O_ACCMODE, O_RDWR)),
	/* Waiting. */
	CALL(SYS_BASE, poll),
	CALL(SYS_BASE, ppoll),
	CALL(SYS_BASE, select),
	CALL(SYS_BASE, pselect6),
	CALL(SYS_BASE, epoll_create1),
	CALL(SYS_BASE, epoll_ctl),
	CALL(SYS_BASE, epoll_wait),
	CALL(SYS_BASE, epoll_pwait),
	CALL(SYS_BASE, epoll_pwait2),
	CALL(SYS_BASE, eventfd2),
	CALL(SYS_BASE, pipe2),
	CALL(SYS_BASE, timerfd_create),
	CALL(SYS_BASE, timerfd_settime),
	CALL(SYS_BASE, timerfd_gettime),
	/* Unix sockets, and sending and receiving on any socket that was opened for the daemon. */
	CALL_IF(SYS_BASE, socket, IS(0, AF_UNIX)),
	CALL_IF(SYS_BASE, socketpair, IS(0, AF_UNIX)),
	CALL(SYS_BASE, connect),
	CALL(SYS_BASE, accept),
	CALL(SYS_BASE, accept4),
	CALL(SYS_BASE, getsockname),
	CALL(SYS_BASE, getpeername),
	CALL(SYS_BASE, getsockopt),
	CALL(SYS_BASE, shutdown),
	CALL(SYS_BASE, sendto),
	CALL(SYS_BASE, recvfrom),
	CALL(SYS_BASE, sendmsg),
	CALL(SYS_BASE, recvmsg),
	CALL(SYS_BASE, sendmmsg),
	CALL(SYS_BASE, recvmmsg),
	/* Memory; nothing becomes executable any more. */
	CALL_IF(SYS_BASE, mmap, BITS(2, PROT_EXEC, 0)),
	CALL_IF(SYS_BASE, mprotect, BITS(2, PROT_EXEC, 0)),
	REFUSE_IF(SYS_BASE, mmap, EACCES, BITS(2, PROT_EXEC, PROT_EXEC)),
	CALL(SYS_BASE, munmap),
	CALL(SYS_BASE, mremap),
	CALL(SYS_BASE, madvise),
	CALL(SYS_BASE, brk),
	CALL(SYS_BASE, mlock),
	CALL(SYS_BASE, munlock),
	CALL(SYS_BASE, mincore),
	/* Threads, never processes. The flags of clone3 lie behind a pointer, so the C library is sent back
	   to clone. */
	CALL_IF(SYS_BASE, clone, BITS(0, CLONE_THREAD, CLONE_THREAD)),
	REFUSE(SYS_BASE, clone3, ENOSYS),
	CALL(SYS_BASE, futex),
	CALL(SYS_BASE, set_robust_list),
	CALL(SYS_BASE, rseq),
	CALL(SYS_BASE, sched_yield),
	CALL(SYS_BASE, sched_getaffinity),
	CALL(SYS_BASE, sched_setaffinity),
	CALL(SYS_BASE, membarrier),
	CALL(SYS_BASE, gettid),
	CALL(SYS_BASE, exit),
	CALL(SYS_BASE, exit_group),
	CALL_IF(SYS_BASE, prctl, IS(0, PR_SET_NAME)),
	CALL_IF(SYS_BASE, prctl, IS(0, PR_GET_NAME)),
	REFUSE_IF(SYS_BASE, prctl, EINVAL, IS(0, PR_SET_VMA)),
	/* Signals to itself; tgkill with its own process id is added in sandbox.c. */
	CALL(SYS_BASE, rt_sigaction),
	CALL(SYS_BASE, rt_sigprocmask),
	CALL(SYS_BASE, rt_sigreturn),
	CALL(SYS_BASE, rt_sigtimedwait),
	CALL(SYS_BASE, sigaltstack),
	CALL(SYS_BASE, restart_syscall),
	CALL(SYS_BASE, signalfd4),
	/* Facts. */
	CALL(SYS_BASE, clock_gettime),
	CALL(SYS_BASE, clock_getres),
	CALL(SYS_BASE, clock_nanosleep),
	CALL(SYS_BASE, nanosleep),
	CALL(SYS_BASE, gettimeofday),
	CALL(SYS_BASE, time),
	CALL(SYS_BASE, getpid),
	CALL(SYS_BASE, getppid),
	CALL(SYS_BASE, getuid),
	CALL(SYS_BASE, geteuid),
	CALL(SYS_BASE, getgid),
	CALL(SYS_BASE, getegid),
	CALL(SYS_BASE, getrandom),
	CALL(SYS_BASE, uname),
	CALL(SYS_BASE, sysinfo),
	CALL(SYS_BASE, getrusage),
	CALL(SYS_BASE, getcpu),
	CALL_IF(SYS_BASE, prlimit64, IS(2, 0)),
	CALL(SYS_BASE, getrlimit),
	CALL(SYS_BASE, statfs),
	CALL(SYS_BASE, fstatfs),
	/* Starting: the bus binds its sockets, and the second filter is loaded. */
	CALL(SYS_START | SYS_BIND, bind),
	CALL(SYS_START | SYS_LISTEN, listen),
	CALL(SYS_START, chmod),
	CALL(SYS_START, fchmodat),
	CALL(SYS_START, seccomp),
	CALL_IF(SYS_START, prctl, IS(0, PR_GET_SECCOMP)),
	/* Networks. */
	CALL_IF2(SYS_TCP, socket, IS(0, AF_INET), BITS(1, SOCK_KIND, SOCK_STREAM)),
	CALL_IF2(SYS_TCP, socket, IS(0, AF_INET6), BITS(1, SOCK_KIND, SOCK_STREAM)),
	CALL_IF2(SYS_UDP, socket, IS(0, AF_INET), BITS(1, SOCK_KIND, SOCK_DGRAM)),
	CALL_IF2(SYS_UDP, socket, IS(0, AF_INET6), BITS(1, SOCK_KIND, SOCK_DGRAM)),
	REFUSE_IF(SYS_RESOLVE, socket, EAFNOSUPPORT, IS(0, AF_NETLINK)),
	CALL(SYS_OPTIONS, setsockopt),
	CALL_IF2(SYS_OPTIONS_FEW, setsockopt, IS(1, SOL_SOCKET), IS(2, SO_RCVBUF)),
	CALL_IF2(SYS_OPTIONS_FEW, setsockopt, IS(1, SOL_SOCKET), IS(2, SO_SNDBUF)),
	CALL_IF2(SYS_OPTIONS_PACKET, setsockopt, IS(1, SOL_PACKET), IS(2, PACKET_ADD_MEMBERSHIP)),
	CALL_IF2(SYS_OPTIONS_PACKET, setsockopt, IS(1, SOL_PACKET), IS(2, PACKET_DROP_MEMBERSHIP)),
	/* Files: status, written as a temporary file, synced and renamed. */
	CALL(SYS_OPEN_WRITE, open),
	CALL(SYS_OPEN_WRITE, openat),
	CALL(SYS_OPEN_WRITE, mkdir),
	CALL(SYS_OPEN_WRITE, mkdirat),
	CALL(SYS_OPEN_WRITE, rename),
	CALL(SYS_OPEN_WRITE, renameat),
	CALL(SYS_OPEN_WRITE, renameat2),
	CALL(SYS_OPEN_WRITE, rmdir),
	CALL(SYS_OPEN_WRITE, fsync),
	CALL(SYS_OPEN_WRITE, fdatasync),
	CALL(SYS_OPEN_WRITE, syncfs),
	CALL(SYS_OPEN_WRITE, flock),
	CALL(SYS_OPEN_WRITE, fchmod),
	CALL(SYS_OPEN_WRITE, umask),
	CALL(SYS_OPEN_WRITE, utimensat),
	CALL(SYS_WATCH, inotify_init1),
	CALL(SYS_WATCH, inotify_add_watch),
	CALL(SYS_WATCH, inotify_rm_watch),
};
const size_t sandbox_n_calls = ARRAY_LEN(sandbox_calls);
