/* What l2d tells: topics l2 and links, metrics, log lines and decisions, and the table for its next life.
 * Runs in l2d. */
#include "l2d/l2d.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "l2d/snapshot.h"
#include "lib/run/memfile.h"
#include "proto/state.pb-c.h"

enum { COUNTERS_PER_SECOND = 500, KEY = ADDR_TEXT + 1 + LINK_NAME, LINK_ADDR_TEXT = ADDR_TEXT + 4 };

static const char *const results[L2_RESULT_N] = {
	[L2_ANSWERED] = "answered",
	[L2_NOT_OURS] = "announceIP",
	[L2_MALFORMED] = "malformed",
	[L2_NO_LINK_ADDRESS] = "noSourceLL",
	[L2_OTHER_DESTINATION] = "ethernetDestination",
	[L2_HEARD] = "notRequest",
	[L2_YIELDED] = "yielded",
	[L2_NO_ROOM] = "noRoom",
};

static int64_t *one(struct metrics *m, const char *name, const char *help, enum metric_type type)
{
	struct metric *v = metrics_add(m, name, help, type, NULL);
	return v ? metric_value(v) : NULL;
}

void outputs_add_metrics(struct l2d *l)
{
	static const char *const frame_labels[] = { "protocol", "result", NULL };
	static const char *const protocol_label[] = { "protocol", NULL };
	static const char *const protocols[PACKET_N] = { "arp", "ndp" };
	struct metrics *m = l->d->metrics;
	struct metric *frames = metrics_add(m, "ingot_l2_frames_total", "Frames read, by what became of them",
					    METRIC_COUNTER, frame_labels);
	struct metric *dropped =
	    metrics_add(m, "ingot_l2_dropped_total", "Frames lost because the queue was full", METRIC_COUNTER,
			protocol_label);
	for (int k = 0; k < PACKET_N; k++) {
		for (int i = 0; frames && i < L2_RESULT_N; i++)
			l->m_results[k][i] =
			    metric_series(frames, (const char *[]){ protocols[k], results[i] });
		if (dropped)
			l->m_dropped[k] = metric_series(dropped, &protocols[k]);
	}
	l->m_conflicts = one(m, "ingot_l2_conflicts_total",
			     "Frames in which a stranger used an address of ours", METRIC_COUNTER);
	l->m_refused = one(m, "ingot_l2_refused_total",
			   "Addresses, interfaces, members over a cap, and bad records", METRIC_COUNTER);
	l->m_send_failures =
	    one(m, "ingot_l2_send_failures_total", "Frames that the kernel did not take", METRIC_COUNTER);
	l->m_yielded = one(m, "ingot_l2_yielded", "Addresses left to another member while gossipd is silent",
			   METRIC_GAUGE);
	l->m_netlink_bad = one(m, "ingot_l2_netlink_bad_total",
			       "Netlink messages that could not be read, and overruns", METRIC_COUNTER);
}

static void set(int64_t *series, uint64_t value)
{
	if (series)
		*series = (int64_t)value;
}

void outputs_metrics(struct l2d *l)
{
	const struct responder *r = &l->responder;
	for (int k = 0; k < PACKET_N; k++) {
		for (int i = 0; i < L2_RESULT_N; i++)
			set(l->m_results[k][i], r->results[k][i]);
		if (l->m_dropped[k] && l->sockets[k] >= 0)
			*l->m_dropped[k] += packet_drops(l->sockets[k]);
	}
	set(l->m_conflicts, r->conflicts);
	set(l->m_refused, r->refused + l->links.refused + l->members.refused + l->refused_records);
	set(l->m_send_failures, r->send_failures);
	set(l->m_yielded, r->n_yielded);
	set(l->m_netlink_bad, l->rtnl.state.bad + l->rtnl.overruns);
}

static void mac_text(const uint8_t mac[static MAC_LEN], char buf[static 18])
{
	str_fmt(buf, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* Publish one interface. Its key is its name: after a rename the old key goes. */
void outputs_link(struct l2d *l, struct link *k)
{
	char text[LINK_MAX_ADDRS][LINK_ADDR_TEXT];
	char *addresses[LINK_MAX_ADDRS];
	ProtobufCBinaryData routers[LINK_MAX_ROUTERS];
	Ingot__Link m = INGOT__LINK__INIT;
	m.index = k->index;
	m.up = k->up;
	m.mac = (ProtobufCBinaryData){ MAC_LEN, k->mac };
	m.arp = k->arp;
	m.ndp = k->ndp;
	m.excluded = k->excluded;
	m.enslaved = k->enslaved;
	for (size_t i = 0; i < k->n_addrs; i++) {
		char a[ADDR_TEXT];
		str_fmt(text[i], sizeof text[i], "%s/%u", addr_text(k->addrs[i].addr, a),
			k->addrs[i].prefix_len);
		addresses[i] = text[i];
	}
	m.n_addresses = k->n_addrs;
	m.addresses = addresses;
	for (size_t i = 0; i < k->n_routers; i++)
		routers[i] = (ProtobufCBinaryData){ 16, k->routers[i].addr.bytes };
	m.n_routers = k->n_routers;
	m.routers = routers;
	if (k->published[0] && strcmp(k->published, k->name) != 0)
		publisher_delete(l->links_topic, k->published);
	memcpy(k->published, k->name, sizeof k->published);
	publisher_put(l->links_topic, k->name, &m.base);
}

void outputs_link_gone(struct l2d *l, const struct link *k)
{
	if (l->links_topic && k->published[0])
		publisher_delete(l->links_topic, k->published);
}

static const char *key_of(addr_t addr, const char *name, char buf[static KEY])
{
	char a[ADDR_TEXT];
	str_fmt(buf, KEY, "%s%%%s", addr_text(addr, a), name);
	return buf;
}

static void put_announcement(struct l2d *l, struct vip_if *f)
{
	char key[KEY];
	Ingot__L2Announcement m = INGOT__L2_ANNOUNCEMENT__INIT;
	m.announcing = vip_if_announcing(f);
	m.yielded = f->vip->yielded;
	if (f->conflict) {
		m.conflict_mac = (ProtobufCBinaryData){ MAC_LEN, f->conflict_mac };
		m.conflict_ms = f->conflict_at.us / 1000;
	}
	m.requests = f->requests;
	m.responses = f->responses;
	m.gratuitous = f->gratuitous;
	publisher_put(l->l2_topic, key_of(f->vip->o.addr, f->link->name, key), &m.base);
}

void outputs_announcements(struct l2d *l, bool counters)
{
	struct vip_if *f;
	if (!l->l2_topic)
		return;
	while ((f = responder_take_dirty(&l->responder, false)))
		put_announcement(l, f);
	for (int i = 0;
	     counters && i < COUNTERS_PER_SECOND && (f = responder_take_dirty(&l->responder, true)); i++)
		put_announcement(l, f);
}

static void join_group(struct l2d *l, const struct action *a, bool join)
{
	int fd = l->sockets[PACKET_ND];
	/* A socket of the former life may have this membership already: leaving first keeps it at exactly
	 * one. */
	if (join && l->adopted[PACKET_ND])
		packet_group(fd, a->index, a->mac, false);
	int r = packet_group(fd, a->index, a->mac, join);
	if (r < 0 && join)
		log_line(LOG_WARN, a->name, "joinGroup", "cannot join a solicited-node group: %s",
			 strerror(-r));
}

static void act(struct l2d *l, const struct action *a)
{
	char ip[ADDR_TEXT], mac[18], key[KEY];
	addr_text(a->addr, ip);
	mac_text(a->mac, mac);
	switch (a->kind) {
	case ACTION_JOIN:
	case ACTION_LEAVE: join_group(l, a, a->kind == ACTION_JOIN); break;
	case ACTION_GONE:
		if (l->l2_topic)
			publisher_delete(l->l2_topic, key_of(a->addr, a->name, key));
		break;
	case ACTION_ASK: inputs_ask_gossipd(l, a->addr); break;
	case ACTION_ANNOUNCE:
		log_line(LOG_DEBUG, ip, "announcing", "on interface %s", a->name);
		daemon_decided(l->d, ip, "announcing", "ours, and interface %s is usable", a->name);
		break;
	case ACTION_WITHDRAW:
		log_line(LOG_DEBUG, ip, "withdrawn", "from interface %s", a->name);
		daemon_decided(l->d, ip, "withdrawn", "no longer ours (interface %s)", a->name);
		break;
	case ACTION_NOWHERE:
		log_limited(&l->nowhere_log, 5, SEC(10), LOG_WARN, ip, "announceFailed",
			    "ours, but no interface of its set is usable here");
		daemon_decided(l->d, ip, "silent", "ours, but no interface of its set is usable here");
		break;
	case ACTION_CONFLICT:
		log_limited(&l->conflict_log, 5, SEC(10), LOG_WARN, ip, "addressConflict",
			    "%s also claims it on %s; announcing it all the same", mac, a->name);
		daemon_decided(l->d, ip, "conflict", "%s also claims it on %s", mac, a->name);
		break;
	case ACTION_YIELD: {
		const char *member = members_find(&l->members, a->mac);
		log_limited(&l->yield_log, 5, SEC(10), LOG_WARN, ip, "yielded",
			    "member %s (%s) announces it on %s", member ? member : "?", mac, a->name);
		daemon_decided(l->d, ip, "yielded", "member %s (%s) announces it on %s",
			       member ? member : "?", mac, a->name);
		break;
	}
	case ACTION_RESUME:
		log_limited(&l->yield_log, 5, SEC(10), LOG_INFO, ip, "resumed",
			    "gossipd says that it is still ours");
		daemon_decided(l->d, ip, "announcing", "gossipd is back and says that it is still ours");
		break;
	}
}

void outputs_actions(struct l2d *l)
{
	struct responder *r = &l->responder;
	for (size_t i = 0; i < r->n_actions; i++) {
		struct action a = r->actions[i];
		act(l, &a);
	}
	responder_clear_actions(r);
}

/* Big tables are written less often: at most a few percent of the time go into it. */
void outputs_table(struct l2d *l)
{
	uint8_t *data = NULL;
	size_t len = 0;
	if (l->table < 0)
		return;
	mono_t start = loop_clock();
	int r = snapshot_encode(&l->responder, &data, &len);
	if (r == 0)
		r = memfile_write(l->table, data, len);
	free(data);
	if (r < 0)
		log_limited(&l->config_log, 5, SEC(10), LOG_WARN, "table", "notKept", "cannot write it: %s",
			    strerror(-r));
	mono_t end = loop_clock();
	l->responder.changed = false;
	l->table_at = mono_add(end, 20 * mono_sub(end, start));
}

void outputs_explain(struct l2d *l, const char *subject, char *buf, size_t size)
{
	struct strbuf text = { 0 };
	addr_t addr;
	const struct vip *v = addr_parse(subject, &addr) ? responder_find(&l->responder, addr) : NULL;
	if (l->sockets[PACKET_ARP] < 0)
		strbuf_add(&text, "this node may not open packet sockets and announces nothing");
	else if (v && !v->ifs)
		strbuf_add(&text, "ours, but no interface of its set is usable here");
	for (const struct vip_if *f = v ? v->ifs : NULL; f; f = f->next) {
		char mac[18];
		mac_text(f->conflict_mac, mac);
		strbuf_fmt(&text,
			   "%s%s on %s: %" PRIu64 " requests, %" PRIu64 " answers, %" PRIu64 " announcements",
			   text.len ? "; " : "", v->yielded ? "yielded" : "answering", f->link->name,
			   f->requests, f->responses, f->gratuitous);
		if (f->conflict)
			strbuf_fmt(&text, ", also claimed by %s", mac);
	}
	str_fmt(buf, size, "%s", strbuf_get(&text));
	strbuf_fini(&text);
}
