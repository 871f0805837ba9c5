/* What other daemons say: who owns which address and which hardware addresses the members have (gossipd),
 * which interfaces are excluded (watcher). Runs in l2d. Another daemon's message is checked like a
 * stranger's: a record that is out of range is refused and counted. */
#include "l2d/l2d.h"

#include <errno.h>
#include <string.h>

#include "proto/bus.pb-c.h"
#include "proto/objects.pb-c.h"
#include "proto/state.pb-c.h"

#define ASK_AGAIN SEC(1)

static bool decode_ownership(const char *key, const Ingot__Ownership *m, char (*names)[LINK_NAME],
			     struct ownership *ret)
{
	*ret = (struct ownership){ .mine = m->mine,
				   .hold = m->hold,
				   .all_interfaces = m->all_interfaces,
				   .term = m->term,
				   .n_names = m->n_interfaces,
				   .names = names };
	if (!addr_parse(key, &ret->addr) || addr_is_multicast(ret->addr) || addr_is_unspecified(ret->addr) ||
	    addr_is_loopback(ret->addr) || m->n_interfaces > VIP_MAX_NAMES)
		return false;
	for (size_t i = 0; i < m->n_interfaces; i++) {
		size_t n = strlen(m->interfaces[i]);
		if (n == 0 || n >= LINK_NAME)
			return false;
		memset(names[i], 0, LINK_NAME);
		memcpy(names[i], m->interfaces[i], n);
	}
	return true;
}

static void ownership_upsert(void *ctx, const char *key, const ProtobufCMessage *value)
{
	struct l2d *l = ctx;
	char names[VIP_MAX_NAMES][LINK_NAME];
	struct ownership o;
	if (!decode_ownership(key, (const Ingot__Ownership *)value, names, &o)) {
		l->refused_records++;
		return;
	}
	o.epoch = subscriber_epoch(l->ownership);
	responder_own(&l->responder, &o, loop_now(l->d->loop));
	loop_defer_ask(l->settle);
}

static void ownership_remove(void *ctx, const char *key)
{
	struct l2d *l = ctx;
	addr_t a;
	if (addr_parse(key, &a))
		responder_disown(&l->responder, a);
	loop_defer_ask(l->settle);
}

static void ownership_synced(void *ctx)
{
	struct l2d *l = ctx;
	responder_synced(&l->responder, loop_now(l->d->loop));
	loop_defer_ask(l->settle);
}

static void members_upsert(void *ctx, const char *key, const ProtobufCMessage *value)
{
	struct l2d *l = ctx;
	const Ingot__Member *m = (const Ingot__Member *)value;
	uint8_t macs[MEMBER_MAX_MACS][MAC_LEN];
	size_t n = 0;
	if (m->self) {
		members_del(&l->members, key);
		return;
	}
	for (size_t i = 0; i < m->n_links && n < MEMBER_MAX_MACS; i++)
		if (m->links[i]->mac.len == MAC_LEN)
			memcpy(macs[n++], m->links[i]->mac.data, MAC_LEN);
	members_put(&l->members, key, (const uint8_t(*)[MAC_LEN])macs, n);
	if (m->state != INGOT__MEMBER_STATE__MEMBER_SUSPECT &&
	    members_note_alive(&l->members, key, m->state != INGOT__MEMBER_STATE__MEMBER_DEAD)) {
		responder_remind(&l->responder, loop_now(l->d->loop));
		loop_defer_ask(l->settle);
	}
}

static void members_remove(void *ctx, const char *key)
{
	struct l2d *l = ctx;
	members_del(&l->members, key);
}

/* "NAMESPACE/metallb-excludel2" in our namespace. */
static bool is_exclude_list(const struct l2d *l, const char *key)
{
	const char *ns = l->d->options.namespace[0] ? l->d->options.namespace : "metallb-system";
	size_t n = strlen(ns);
	return strncmp(key, ns, n) == 0 && strcmp(key + n, "/metallb-excludel2") == 0;
}

static void set_exclude(struct l2d *l, struct exclude *e)
{
	struct exclude *old = l->exclude;
	l->exclude = e;
	links_set_exclude(&l->links, e);
	exclude_free(old);
	loop_defer_ask(l->settle);
}

/* A list that cannot be read leaves the former one in force. */
static void config_map_upsert(void *ctx, const char *key, const ProtobufCMessage *value)
{
	struct l2d *l = ctx;
	const Ingot__ConfigMap *m = (const Ingot__ConfigMap *)value;
	struct exclude *e = NULL;
	char error[256] = "";
	if (!is_exclude_list(l, key))
		return;
	const char *text = NULL;
	for (size_t i = 0; i < m->n_data; i++)
		if (strcmp(m->data[i]->key, "excludel2.yaml") == 0)
			text = m->data[i]->value;
	int r = text ? exclude_parse(text, strlen(text), &e, error, sizeof error) : 0;
	if (r == 0) {
		set_exclude(l, e);
		return;
	}
	log_limited(&l->config_log, 5, SEC(10), LOG_ERROR, key, "invalidConfig",
		    "excludel2.yaml: %s; the former list stays in force",
		    r == -ENOMEM ? "out of memory" : error);
}

static void config_map_remove(void *ctx, const char *key)
{
	struct l2d *l = ctx;
	if (is_exclude_list(l, key))
		set_exclude(l, NULL);
}

static void on_answer(void *ctx, int error, const char *message, const ProtobufCMessage *payload)
{
	struct l2d *l = ctx;
	mono_t now = loop_now(l->d->loop);
	(void)message, (void)payload;
	l->asking = false;
	if (error == 0)
		responder_alive(&l->responder, now);
	else if (l->responder.n_yielded)
		l->ask_at = mono_add(now, ASK_AGAIN);
	loop_defer_ask(l->settle);
}

/* Any question would do; this one's answer is small. */
void inputs_ask_gossipd(struct l2d *l, addr_t about)
{
	char text[ADDR_TEXT];
	Ingot__ExplainRequest q = INGOT__EXPLAIN_REQUEST__INIT;
	addr_text(about, text);
	q.subject = text;
	q.limit = 1;
	l->ask_at = MONO_NEVER;
	if (l->asking)
		return;
	l->asking = bus_request(l->d->bus, DAEMON_GOSSIPD, REQUEST_EXPLAIN, &q.base, on_answer, l) != 0;
	if (!l->asking)
		l->ask_at = mono_add(loop_now(l->d->loop), ASK_AGAIN);
}

static struct subscriber *subscribe(struct l2d *l, enum topic t, const struct topic_reader *reader,
				    int *error)
{
	errno = 0;
	struct subscriber *s = bus_subscribe(l->d->bus, t, reader, l);
	if (!s && errno)
		*error = -errno;
	return s;
}

int inputs_subscribe(struct l2d *l)
{
	static const struct topic_reader ownership = { ownership_upsert, ownership_remove, ownership_synced };
	static const struct topic_reader members = { members_upsert, members_remove, NULL };
	static const struct topic_reader config_maps = { config_map_upsert, config_map_remove, NULL };
	int error = 0;
	subscribe(l, TOPIC_CONFIG_MAPS, &config_maps, &error);
	subscribe(l, TOPIC_MEMBERS, &members, &error);
	l->ownership = subscribe(l, TOPIC_OWNERSHIP, &ownership, &error);
	return error;
}
