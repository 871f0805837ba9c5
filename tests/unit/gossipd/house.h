/* Some nodes on one machine around the real gossipd: this process plays supervisor, watcher and l2d of each.
 * Node i has the address 127.0.0.1+i and its own run folder. */
#ifndef INGOT_TESTS_GOSSIPD_HOUSE_H
#define INGOT_TESTS_GOSSIPD_HOUSE_H

#include <sys/types.h>

#include "lib/base/map.h"
#include "lib/run/bus.h"
#include "lib/run/supwire.h"
#include "proto/objects.pb-c.h"
#include "proto/state.pb-c.h"

enum { HOUSE_NODES = 3, HOUSE_SERVICES = 20, HOUSE_RETAINED = 16 };

struct house;
struct house_owner {
	char owner[64];
	bool mine, hold;
	uint64_t term;
};
struct house_node {
	struct house *house;
	size_t index;
	char name[32], address[32], run[128];
	/* the child */
	pid_t pid;
	int pair;
	struct loop_fd *pair_watch;
	bool ready, stopped;
	int exit_status; /* of wait(), after house_kill */
	struct {
		char name[SUP_NAME];
		int fd;
	} retained[HOUSE_RETAINED];
	size_t n_retained;
	/* what we play */
	struct metrics *metrics;
	struct bus *watcher, *l2d;
	struct publisher *links, *l2, *secrets;
	struct map owners;  /* address -> struct house_owner */
	struct map members; /* name -> state + 1 */
	bool owners_synced, saw_hold;
	unsigned owner_changes, deaths; /* seen on its topics since house_reset_counts */
};
struct house {
	struct loop *loop;
	struct loop_timer *timer;
	char dir[64], key_file[96];
	char port[8];
	bool use_secret; /* no key file: the Secret, once house_put_secret made it */
	char secret[64];
	unsigned secret_version;
	struct house_node node[HOUSE_NODES];
	bool (*until)(struct house *h);
	bool reached;
};

struct house *house_new(void);
void house_free(struct house *h);
void house_start(struct house *h, size_t node, bool with_retained);
void house_kill(struct house *h, size_t node); /* SIGKILL, reaped */
void house_signal(struct house *h, size_t node, int signal);
/* Write the Secret memberlist, on all nodes. */
void house_put_secret(struct house *h, const char *value);
void house_ask_stop(struct house *h, size_t node);
/* Processor time that the child has used, all its threads; 0 where the kernel does not tell. */
int64_t house_cpu_ns(const struct house *h, size_t node);
/* Run until the condition holds; microseconds it took, -1 after limit_ms. */
int64_t house_wait(struct house *h, bool (*until)(struct house *h), int limit_ms);
void house_run(struct house *h, int ms);
void house_reset_counts(struct house *h);
const struct house_owner *house_owner(const struct house *h, size_t node, size_t service);
int house_member(const struct house *h, size_t node, size_t of); /* MemberState, -1 = unknown */

#endif
