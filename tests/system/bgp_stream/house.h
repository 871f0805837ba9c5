/* A house with one daemon: plays supervisor (starts bgpd, keeps its descriptors, kills it) and watcher
 * (publishes objects) for the stream test. */
#ifndef INGOT_TESTS_BGP_HOUSE_H
#define INGOT_TESTS_BGP_HOUSE_H

#include <sys/types.h>

#include "lib/base/map.h"
#include "lib/run/bus.h"
#include "lib/run/loop.h"
#include "lib/run/supwire.h"
#include "proto/objects.pb-c.h"

enum { HOUSE_RETAINED = 64 };

struct house {
	const char *program; /* bgpd */
	char run_dir[64];
	struct loop *loop;
	struct metrics *metrics;
	struct bus *bus;
	struct publisher *topic[TOPIC_N];
	pid_t pid;
	int pair;
	struct loop_fd *watch;
	bool ready;
	bool stopping, stopped; /* asked to stop; has exited in order */
	unsigned unready_lives, lives, crashes;
	struct {
		char name[SUP_NAME];
		int fd;
	} retained[HOUSE_RETAINED];
	void (*on_ready)(void *ctx);
	void *ctx;
};

int house_open(struct house *h, const char *program);
void house_close(struct house *h);
int house_start(struct house *h);			     /* a new life of bgpd */
void house_kill(struct house *h);			     /* SIGKILL, reaped, its last words taken */
int house_retained(const struct house *h, const char *name); /* its descriptor, -1 = not kept */
size_t house_n_retained(const struct house *h);
void house_tell(struct house *h, enum sup_type type, uint64_t value); /* STOP, DRAIN */

/* Objects. */
void house_synced(struct house *h);
void house_put_peer(struct house *h, const char *name, const char *address, unsigned port, unsigned my_as,
		    unsigned peer_as);
void house_put_pool(struct house *h, const char *range);
void house_put_service(struct house *h, unsigned n, const char *ip);
void house_del_service(struct house *h, unsigned n);

#endif
