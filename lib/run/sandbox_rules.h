/* The shape of the sandbox rules; the rules themselves are in sandbox_rules.c, what they do is in sandbox.c.
 * Only these two files and their tests include this. */
#ifndef INGOT_RUN_SANDBOX_RULES_H
#define INGOT_RUN_SANDBOX_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/run/topics.h"

/* Groups of system calls; a daemon has one mask for starting and one for the rest of its life. */
enum {
	SYS_BASE =
	    1 << 0, /* every daemon, always: memory, threads of its own, its descriptors, Unix sockets */
	SYS_START = 1 << 1,	     /* bus sockets: bind, listen, chmod; and the second filter itself */
	SYS_TCP = 1 << 2,	     /* new TCP sockets over IPv4 and IPv6 */
	SYS_UDP = 1 << 3,	     /* new UDP sockets over IPv4 and IPv6 */
	SYS_BIND = 1 << 4,	     /* give a socket its address */
	SYS_LISTEN = 1 << 5,	     /* accept connections on a new socket */
	SYS_OPTIONS = 1 << 6,	     /* setsockopt, all */
	SYS_OPTIONS_FEW = 1 << 7,    /* setsockopt: buffer sizes only */
	SYS_OPTIONS_PACKET = 1 << 8, /* setsockopt: group memberships of packet sockets */
	SYS_OPEN_WRITE = 1 << 9,     /* open and create files for writing, rename, lock, sync */
	SYS_WATCH = 1 << 10,	     /* inotify */
	SYS_RESOLVE = 1 << 11,	     /* what getaddrinfo() tries: netlink is refused politely */
};

/* When a rule holds. */
enum sandbox_when { WHEN_ALWAYS, WHEN_DIR, WHEN_K8S };

/* Where a path comes from; LITERAL names it itself. */
enum sandbox_path {
	PATH_LITERAL,
	PATH_OWN_RUN,	 /* RUN/<daemon> */
	PATH_MANIFESTS,	 /* PATH of --source=dir:PATH */
	PATH_STATUS,	 /* PATH/.status */
	PATH_KUBECONFIG, /* folder of --kubeconfig: the file is replaced as a whole when it changes */
	PATH_STATE,	 /* --state-dir */
	PATH_GOSSIP_KEY, /* folder of --gossip-key-file, for the same reason */
};

enum { FILES_READ = 1, FILES_WRITE = 2, FILES_SOCKETS = 4 };

struct sandbox_file {
	unsigned daemons; /* READS() mask */
	enum sandbox_when when;
	enum sandbox_path path;
	const char *literal;
	unsigned access; /* FILES_ */
};

/* An argument of a system call: equal to value, or (masked) equal to it in the bits of mask. */
struct sandbox_arg {
	unsigned index;
	bool masked;
	uint64_t mask, value;
};

struct sandbox_call {
	unsigned groups; /* allowed when one of these is in the daemon's mask */
	int number;
	int error; /* 0 = allowed; otherwise the answer, for libraries that only try */
	unsigned n_args;
	struct sandbox_arg args[2];
};

struct sandbox_rules {
	enum daemon_id daemon;
	unsigned enter, seal;	      /* SYS_ masks of the first and the second filter */
	unsigned enter_k8s, seal_k8s; /* added when the source is the API server */
	unsigned no_tcp;	      /* Landlock also refuses TCP bind and connect (kernels that know how) */
	unsigned long files;	      /* RLIMIT_NOFILE, as far as the hard limit allows */
};

extern const struct sandbox_file sandbox_files[];
extern const size_t sandbox_n_files;
extern const struct sandbox_call sandbox_calls[];
extern const size_t sandbox_n_calls;

#endif
