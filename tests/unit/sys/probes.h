/* Things to try in a sandbox, for test_sandbox.c. */
#ifndef INGOT_TESTS_SYS_PROBES_H
#define INGOT_TESTS_SYS_PROBES_H

#include <stddef.h>

/* The daemons, and the watcher once per source. */
enum variant { WATCHER_DIR, WATCHER_K8S, ALLOCATOR, GOSSIPD, L2D, BGPD, STATUSD, BFDD, VARIANT_N };
#define MAY(v) (1u << (v))

/* What refuses a probe; without it (kernel, sanitizer) the probe says nothing and is skipped. */
enum guard { BY_RIGHTS, BY_LANDLOCK, BY_SECCOMP };

struct room {
	char dir[64];	   /* of the test: run/<daemon>, man/.status, secret */
	const char *name;  /* of the daemon */
	int tcp, listener; /* opened before the sandbox: a TCP socket, a bound Unix socket */
	int packet;	   /* an AF_PACKET socket, or -1 */
	int memfd;	   /* made before the sandbox, too */
};

struct probe {
	const char *name;
	int (*run)(const struct room *r); /* 0 = it worked, otherwise the errno */
	enum guard guard;
	unsigned may; /* MAY() of those who need it */
};
extern const struct probe probes[];
extern const size_t n_probes;

#endif
