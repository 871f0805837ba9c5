/* What the bus tests share: a run folder of their own, buses in one loop, waiting for a fact instead of
 * sleeping, and a reader that mirrors a table. */
#ifndef INGOT_TESTS_BUS_FIXTURE_H
#define INGOT_TESTS_BUS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/map.h"
#include "lib/run/bus.h"
#include "lib/run/loop.h"
#include "proto/objects.pb-c.h"
#include "proto/state.pb-c.h"

struct fixture {
	char run_dir[64];
	struct loop *loop;
	struct metrics *metrics;
};

/* A fresh run folder with one folder per daemon, and a loop. */
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f); /* removes the folder */
struct bus *fixture_bus(struct fixture *f, enum daemon_id d);
struct bus *fixture_bus_as(struct fixture *f, enum daemon_id d, uid_t uid_base);

/* Runs the loop until done(ctx) is true, looking once per millisecond; fails the test after 20 s (60 s with
 * TSan). */
void run_until(struct loop *l, bool (*done)(void *ctx), void *ctx);
/* Runs the loop for so long: for things that must not happen. */
void run_for(struct loop *l, int64_t us);
int64_t fixture_dropped(struct fixture *f, const char *reason);

/* A topic's table as its reader knows it: key -> uint64_t taken from the value (generation of the metadata).
 */
struct mirror {
	struct map values; /* key -> uint64_t * */
	unsigned upserts, removes, synced;
	bool (*done)(struct mirror *m);
	uint64_t wanted;
};
extern const struct topic_reader
    mirror_reader; /* of a topic with Ingot__Namespace values; ctx is the mirror */
void mirror_init(struct mirror *m);
void mirror_fini(struct mirror *m);
bool mirror_get(const struct mirror *m, const char *key, uint64_t *ret);
/* Order-independent digest of keys and values. */
uint64_t mirror_digest(const struct mirror *m);
uint64_t digest_of(const char *key, uint64_t value);

/* Puts a namespace: value is its generation, padding makes it so many bytes larger. */
int put_value(struct publisher *p, const char *key, uint64_t value, size_t padding);

#endif
