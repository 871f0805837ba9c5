/* The allocator daemon: the shell around the board. It reads objects and leadership from the bus, publishes
 * assignments, pool_status and allocator_config, and opens nothing. */
#ifndef INGOT_ALLOCATOR_ROOM_H
#define INGOT_ALLOCATOR_ROOM_H

#include "allocator/board.h"
#include "allocator/source.h"
#include "allocator/suspect.h"
#include "lib/run/daemon.h"
#include "lib/run/feed.h"

struct room_metrics {
	struct metric *total[3], *used[3]; /* all, IPv4, IPv6; by pool */
	int64_t *decisions, *out_of_memory, *quarantined, *waiting;
};
struct room {
	struct daemon *d;
	struct board board;
	struct feed *feed;
	struct subscriber *leader_in;
	struct publisher *assignments, *pool_status, *config_status;
	struct loop_defer *work;
	struct loop_timer *lease;
	struct source source;
	struct config *config;
	struct name_set broken;
	struct diags diags;
	struct suspect suspect;
	struct room_metrics metrics;
	struct map published; /* pool -> struct pool_figures * */
	bool settled, pools_seen_deleted, told_leading, complete;
	mono_t leads_until;
};

int room_open(struct daemon *d);
int room_join(struct daemon *d);
void room_explain(struct daemon *d, const char *subject, char *buf, size_t size);
void room_close(struct daemon *d);

/* Private to the files of this room. */
int room_metrics_init(struct room *r);
/* Pools' counters as metrics and, while leading, on the bus: only those that changed. */
void room_publish_pools(struct room *r);
void room_publish_config(struct room *r, bool stale);

#endif
