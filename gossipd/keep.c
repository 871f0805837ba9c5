/* What gossipd leaves to its next life: two memfds that the supervisor keeps. A killed gossipd comes back
 * with the same members, session and owners, at once and without a suspicion. Runs in gossipd. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gossipd/gossip.h"
#include "lib/run/memfile.h"

/* The frame counter is noted this far ahead, so that not every packet writes. */
enum { COUNTER_STEP = 1 << 20, COUNTER_MARGIN = 1 << 14 };

static int take_memfile(struct gossip *g, const char *name)
{
	int fd = daemon_take_retained(g->d, name);
	if (fd >= 0)
		return fd;
	fd = memfile_new(name);
	if (fd >= 0)
		(void)daemon_retain(g->d, name, fd);
	return fd;
}

static void note_bad(struct gossip *g, const char *what, int err)
{
	log_line(LOG_WARN, "gossip", "retainedState", "the %s of the former life cannot be used: %s", what,
		 strerror(-err));
	daemon_decided(g->d, "", "retained state", "%s not usable: %s", what, strerror(-err));
}

static int make_cores(struct gossip *g, const struct snapshot_head *h)
{
	uint8_t local[32];
	struct swim_config c = {
		.name = g->d->options.node,
		.addr = g->own,
		.incarnation = 1,
		.timing = swim_timing_default(),
	};
	uint64_t session = 0;
	net_random(local, sizeof local);
	net_random(&session, sizeof session);
	net_random(&c.seed, sizeof c.seed);
	if (h) {
		session = h->session;
		c.former = &h->self;
	}
	g->seal = seal_new(c.name, local, session, h ? h->counter : 1);
	g->swim = swim_new(&c, loop_now(g->d->loop));
	return g->seal && g->swim ? 0 : -ENOMEM;
}

int keep_open(struct gossip *g)
{
	struct snapshot_head h;
	void *data = NULL;
	size_t len = 0;
	g->state_fd = take_memfile(g, "gossip-members");
	g->owners_fd = take_memfile(g, "gossip-owners");
	int err = g->state_fd < 0 ? g->state_fd : memfile_read(g->state_fd, SNAPSHOT_MAX, &data, &len);
	/* Two lives that never became ready may have died of what they found. */
	if (!err && g->d->unready_lives >= 2)
		err = -ECANCELED;
	if (!err)
		err = snapshot_read_head(data, len, &h);
	if (!err && strcmp(h.self.name, g->d->options.node) != 0)
		err = -ESTALE;
	if (err && err != -ENODATA)
		note_bad(g, "members", err);
	int made = make_cores(g, err ? NULL : &h);
	if (!made && !err) {
		int members = snapshot_read_members(data, len, loop_now(g->d->loop), g->swim);
		if (members)
			note_bad(g, "members", members);
		g->restored = h.in_force;
	}
	g->counter_limit = g->seal ? seal_counter(g->seal) : 0;
	g->state_dirty = true;
	free(data);
	return made;
}

void keep_restore_owners(struct gossip *g)
{
	void *data = NULL;
	size_t len = 0;
	if (!g->restored || g->owners_fd < 0)
		return;
	int err = memfile_read(g->owners_fd, SNAPSHOT_MAX, &data, &len);
	if (!err)
		err = snapshot_read_owners(data, len, g->owner);
	if (err && err != -ENODATA)
		note_bad(g, "owners", err);
	free(data);
}

static void write_one(struct gossip *g, int fd, uint8_t *data, size_t len, bool *dirty)
{
	int err = !data ? -ENOMEM : fd < 0 ? fd : memfile_write(fd, data, len);
	if (err)
		log_limited(&g->quiet, 5, SEC(10), LOG_WARN, "gossip", "retainedState",
			    "cannot be written: %s", strerror(-err));
	*dirty = false;
	free(data);
}

void keep_write(struct gossip *g)
{
	size_t len = 0;
	if (seal_counter(g->seal) + COUNTER_MARGIN > g->counter_limit) {
		g->counter_limit = seal_counter(g->seal) + COUNTER_STEP;
		g->state_dirty = true;
	}
	if (g->state_dirty) {
		struct snapshot_head h = {
			.session = seal_session(g->seal),
			.counter = g->counter_limit,
			.in_force = g->in_force || g->restored,
		};
		uint8_t *data = snapshot_members(&h, g->swim, &len);
		write_one(g, g->state_fd, data, len, &g->state_dirty);
	}
	/* The table is written whole, so only when it is settled. */
	if (g->owners_dirty && g->in_force && !g->deciding) {
		uint8_t *data = snapshot_owners(g->owner, &len);
		write_one(g, g->owners_fd, data, len, &g->owners_dirty);
	}
}
