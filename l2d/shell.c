/* The shell of l2d: descriptors and time on one side, the responder on the other. Runs in l2d. It may not
 * decide whom to answer. Requests are answered where they are read; everything else is done once at the end
 * of a turn (settle). */
#include "l2d/l2d.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "l2d/snapshot.h"
#include "lib/base/must.h"
#include "lib/run/memfile.h"

enum { BATCHES_PER_TURN = 16, ROUNDS_PER_TURN = 64 };

static const char *const socket_names[PACKET_N] = { "arp", "nd" };

static void on_link_gone(void *ctx, uint32_t index)
{
	struct l2d *l = ctx;
	const struct link *k = links_get(&l->links, index);
	if (!k)
		return;
	responder_link_gone(&l->responder, index);
	outputs_link_gone(l, k);
	links_del(&l->links, index);
}

static int take_socket(struct l2d *l, enum packet_kind k)
{
	int fd = daemon_take_retained(l->d, socket_names[k]);
	if (fd >= 0 && packet_is(fd, k)) {
		l->adopted[k] = true;
		return fd;
	}
	if (fd >= 0)
		close(fd);
	fd = packet_open(k);
	if (fd >= 0)
		daemon_retain(l->d, socket_names[k], fd);
	return fd;
}

/* Both or none: a node that could answer for one family only would still be elected for the other. */
static void open_sockets(struct l2d *l)
{
	int error = 0;
	for (int k = 0; k < PACKET_N; k++) {
		l->sockets[k] = take_socket(l, (enum packet_kind)k);
		if (l->sockets[k] < 0)
			error = -l->sockets[k];
	}
	if (error == 0)
		return;
	for (int k = 0; k < PACKET_N; k++) {
		if (l->sockets[k] >= 0)
			close(l->sockets[k]);
		l->sockets[k] = -1;
	}
	log_line(LOG_WARN, "packet sockets", "notAnnouncing",
		 "cannot open them: %s%s; interfaces are watched, no address is announced", strerror(error),
		 error == EPERM ? " (CAP_NET_RAW is missing)" : "");
}

#ifdef INGOT_TEST_HOOKS
/* A frame, and a kept address, that kill their reader at will, for the tests of the restart; no release has
 * this. */
static void crash_on_frame(const struct packet_frame *p)
{
	static const char word[] = "ingot: crash";
	if (memmem(p->data, p->len, word, sizeof word - 1))
		abort();
}

static void crash_on_table(const struct responder *r)
{
	if (responder_find(r, addr_v4(0xcb007142))) /* 203.0.113.66 */
		abort();
}
#endif

/* What the former life announced. A table that is damaged, or that may be the reason why the former life
 * failed, is not used; gossipd's comes a moment later. */
static void restore_table(struct l2d *l)
{
	void *data = NULL;
	size_t len = 0;
	if (l->d->unready_lives > 0 || memfile_read(l->table, SNAPSHOT_MAX, &data, &len) < 0)
		return;
	int r = snapshot_decode(&l->responder, data, len, loop_clock());
#ifdef INGOT_TEST_HOOKS
	crash_on_table(&l->responder);
#endif
	if (r < 0)
		log_line(LOG_WARN, "table", "notRestored", "the kept table is not readable: %s",
			 strerror(-r));
	else
		log_line(LOG_INFO, "table", "restored", "%d addresses", r);
	if (l->responder.n_yielded)
		l->ask_at = loop_clock();
	free(data);
}

static void open_table(struct l2d *l)
{
	l->table = daemon_take_retained(l->d, "table");
	if (l->table >= 0) {
		restore_table(l);
		return;
	}
	l->table = memfile_new("l2d-table");
	if (l->table >= 0)
		daemon_retain(l->d, "table", l->table);
}

/* The changed interfaces, to the responder and to the other daemons. */
static void settle_links(struct l2d *l)
{
	for (struct link *k; (k = links_take_changed(&l->links));) {
		responder_link(&l->responder, k, loop_clock());
		if (l->links_topic)
			outputs_link(l, k);
	}
}

int shell_open(struct l2d *l)
{
	l->rtnl.fd = l->table = -1;
	l->counters_at = l->ask_at = MONO_NEVER;
	open_sockets(l);
	members_init(&l->members);
	responder_init(&l->responder, l->d->metrics, &l->members);
	links_init(&l->links, l->sockets[PACKET_ARP] >= 0);
	outputs_add_metrics(l);
	int r = rtnl_open(&l->rtnl, &l->links, on_link_gone, l);
	if (r < 0) {
		log_line(LOG_ERROR, "interfaces", "open", "cannot read the table of interfaces: %s",
			 strerror(-r));
		return r;
	}
	for (const struct map_entry *e = l->links.by_index.head; e; e = e->next)
		responder_link(&l->responder, e->value, loop_clock());
	open_table(l);
	for (int k = 0; k < PACKET_N; k++)
		if (!(l->batch[k] = packet_batch_new((enum packet_kind)k)))
			return -ENOMEM;
	return 0;
}

static void arm(struct l2d *l)
{
	mono_t at = responder_next(&l->responder);
	at = mono_min(at, l->counters_at);
	at = mono_min(at, l->ask_at);
	if (l->responder.changed && l->table >= 0)
		at = mono_min(at, l->table_at);
	loop_timer_set(l->timer, at);
}

/* Send what is due, in bounded portions: between them requests are answered. */
static void send_due(struct l2d *l)
{
	bool more = true;
	for (int i = 0; more && i < ROUNDS_PER_TURN; i++) {
		more = responder_tick(&l->responder, loop_now(l->d->loop), &l->box);
		packet_send(l->sockets, &l->box, &l->responder);
	}
}

static void on_settle(void *ctx)
{
	struct l2d *l = ctx;
	mono_t now = loop_now(l->d->loop);
	bool counters = mono_reached(now, l->counters_at);
	settle_links(l);
	send_due(l);
	outputs_actions(l);
	must(!l->responder.oom);
	if (counters) {
		l->counters_at = MONO_NEVER;
		outputs_metrics(l);
	}
	outputs_announcements(l, counters);
	if (l->responder.counters.head && l->counters_at.us == MONO_NEVER.us)
		l->counters_at = mono_add(now, SEC(1));
	if (l->responder.changed && mono_reached(now, l->table_at))
		outputs_table(l);
	if (mono_reached(now, l->ask_at) && l->responder.n_yielded)
		inputs_ask_gossipd(l, l->responder.vips->o.addr);
	arm(l);
}

static void on_timer(void *ctx)
{
	struct l2d *l = ctx;
	loop_defer_ask(l->settle);
}

/* After frames: most of the time only counters changed, and then nothing but the next second has to know. */
static void after_frames(struct l2d *l)
{
	const struct responder *r = &l->responder;
	mono_t now = loop_now(l->d->loop);
	if (r->n_actions || r->urgent.head || r->changed || l->links.changed ||
	    mono_reached(now, responder_next(r))) {
		loop_defer_ask(l->settle);
	} else if (l->counters_at.us == MONO_NEVER.us) {
		l->counters_at = mono_add(now, SEC(1));
		arm(l);
	}
}

static void on_arp(void *ctx, unsigned events)
{
	struct l2d *l = ctx;
	mono_t now = loop_now(l->d->loop);
	unsigned n = PACKET_BATCH;
	(void)events;
	for (int i = 0; n == PACKET_BATCH && i < BATCHES_PER_TURN; i++) {
		n = packet_receive(l->sockets[PACKET_ARP], l->batch[PACKET_ARP]);
		for (unsigned f = 0; f < n; f++) {
			struct packet_frame p = packet_frame(l->batch[PACKET_ARP], f);
#ifdef INGOT_TEST_HOOKS
			crash_on_frame(&p);
#endif
			responder_arp(&l->responder, p.index, p.data, p.len, now, &l->box);
		}
		packet_send(l->sockets, &l->box, &l->responder);
	}
	after_frames(l);
}

static void on_nd(void *ctx, unsigned events)
{
	struct l2d *l = ctx;
	mono_t now = loop_now(l->d->loop);
	unsigned n = PACKET_BATCH;
	(void)events;
	for (int i = 0; n == PACKET_BATCH && i < BATCHES_PER_TURN; i++) {
		n = packet_receive(l->sockets[PACKET_ND], l->batch[PACKET_ND]);
		for (unsigned f = 0; f < n; f++) {
			struct packet_frame p = packet_frame(l->batch[PACKET_ND], f);
			struct ndp router;
			responder_ndp(&l->responder, p.index, p.data, p.len, now, &l->box, &router);
			if (router.type)
				links_router(&l->links, p.index, router.src, router.router_lifetime_s, now);
		}
		packet_send(l->sockets, &l->box, &l->responder);
	}
	after_frames(l);
}

static void on_rtnl(void *ctx, unsigned events)
{
	struct l2d *l = ctx;
	(void)events;
	if (!rtnl_read(&l->rtnl)) {
		log_line(LOG_ERROR, "interfaces", "read", "the netlink socket is broken, starting again");
		exit(EXIT_FAILURE);
	}
	loop_defer_ask(l->settle);
}

int shell_watch(struct l2d *l)
{
	struct loop *loop = l->d->loop;
	l->settle = loop_defer_new(loop, on_settle, l);
	l->timer = loop_timer_new(loop, on_timer, l);
	l->watch_rtnl = loop_fd_new(loop, l->rtnl.fd, LOOP_READ, on_rtnl, l);
	if (!l->settle || !l->timer || !l->watch_rtnl)
		return -ENOMEM;
	if (l->sockets[PACKET_ARP] >= 0) {
		l->watch[PACKET_ARP] = loop_fd_new(loop, l->sockets[PACKET_ARP], LOOP_READ, on_arp, l);
		l->watch[PACKET_ND] = loop_fd_new(loop, l->sockets[PACKET_ND], LOOP_READ, on_nd, l);
		if (!l->watch[PACKET_ARP] || !l->watch[PACKET_ND])
			return -ENOMEM;
	}
	on_settle(l);
	return 0;
}

void shell_close(struct l2d *l)
{
	for (int k = 0; k < PACKET_N; k++) {
		loop_fd_free(l->watch[k]);
		packet_batch_free(l->batch[k]);
		if (l->sockets[k] >= 0)
			close(l->sockets[k]);
	}
	loop_fd_free(l->watch_rtnl);
	loop_timer_free(l->timer);
	loop_defer_free(l->settle);
	rtnl_close(&l->rtnl);
	if (l->table >= 0)
		close(l->table);
	responder_fini(&l->responder);
	links_fini(&l->links);
	exclude_free(l->exclude);
	members_fini(&l->members);
}
