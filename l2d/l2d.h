/* The daemon l2d: its context, and the parts of its shell. */
#ifndef INGOT_L2D_L2D_H
#define INGOT_L2D_L2D_H

#include "l2d/exclude.h"
#include "l2d/links.h"
#include "l2d/members.h"
#include "l2d/packet.h"
#include "l2d/responder.h"
#include "l2d/rtnl.h"
#include "lib/run/daemon.h"

struct l2d {
	struct daemon *d;
	int sockets[PACKET_N];	/* -1: not permitted, then nothing is announced */
	bool adopted[PACKET_N]; /* kept from the former life */
	int table;		/* memfd with the announced table, or -1 */
	struct rtnl rtnl;
	struct links links;
	struct exclude *exclude;
	struct members members;
	struct responder responder;
	struct outbox box;
	struct packet_batch *batch[PACKET_N];
	struct loop_fd *watch[PACKET_N], *watch_rtnl;
	struct loop_timer *timer;
	struct loop_defer *settle;
	struct publisher *l2_topic, *links_topic;
	struct subscriber *ownership;
	mono_t counters_at; /* publish counters then; MONO_NEVER while nothing changed */
	mono_t table_at;    /* the table may be written again from then on */
	mono_t ask_at;	    /* ask gossipd again whether it is alive */
	bool asking;
	uint64_t refused_records; /* of topic ownership */
	struct log_limit conflict_log, yield_log, nowhere_log, config_log;
	int64_t *m_results[PACKET_N][L2_RESULT_N];
	int64_t *m_dropped[PACKET_N];
	int64_t *m_conflicts, *m_refused, *m_send_failures, *m_yielded, *m_netlink_bad;
};

/* shell.c: frames, links and time into the responder, its frames out. */
int shell_open(struct l2d *l);	/* privileged descriptors, links, the retained table */
int shell_watch(struct l2d *l); /* in the sandbox: watch the descriptors */
void shell_close(struct l2d *l);

/* inputs.c: topics ownership, members and configmaps; whether gossipd is alive. */
int inputs_subscribe(struct l2d *l);
void inputs_ask_gossipd(struct l2d *l, addr_t about);

/* outputs.c: topics l2 and links, metrics, log lines, the retained table. */
void outputs_add_metrics(struct l2d *l);
void outputs_link(struct l2d *l, struct link *k);
void outputs_link_gone(struct l2d *l, const struct link *k);
void outputs_actions(struct l2d *l);
void outputs_announcements(struct l2d *l, bool counters);
void outputs_metrics(struct l2d *l);
void outputs_table(struct l2d *l);
void outputs_explain(struct l2d *l, const char *subject, char *buf, size_t size);

#endif
