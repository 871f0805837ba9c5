/* What gossipd tells: members, ownership and per-Service verdicts on the bus; decisions, log lines and
 * figures. Runs in gossipd; decides nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gossipd/gossip.h"
#include "lib/base/strbuf.h"
#include "proto/state.pb-c.h"

static int64_t *value_of(struct metrics *m, const char *name, const char *help, enum metric_type type)
{
	struct metric *x = metrics_add(m, name, help, type, NULL);
	return x ? metric_value(x) : NULL;
}

/* A figure that found no memory is counted into the void. */
static int64_t *series_of(struct gossip *g, struct metric *m, const char *label)
{
	int64_t *v = metric_series(m, (const char *[]){ label });
	return v ? v : &g->m.nowhere;
}

static int open_labelled(struct gossip *g)
{
	static const char *const state_label[] = { "state", NULL }, *const reason_label[] = { "reason",
											      NULL };
	static const char *const states[4] = { "alive", "suspect", "dead", "left" };
	struct metrics *r = g->d->metrics;
	struct metric *members = metrics_add(
	    r, "ingot_gossip_members", "Members by state, this node included", METRIC_GAUGE, state_label);
	struct metric *rejected =
	    metrics_add(r, "ingot_gossip_rejected_total", "Packets that were not believed, by reason",
			METRIC_COUNTER, reason_label);
	if (!members || !rejected)
		return -ENOMEM;
	for (size_t i = 0; i < 4; i++)
		g->m.members[i] = series_of(g, members, states[i]);
	for (size_t i = SEAL_FRESH + 1; i < SEAL_N; i++)
		g->m.rejected[i] = series_of(g, rejected, seal_reason((enum seal_verdict)i));
	g->m.rejected_packet = series_of(g, rejected, "packet");
	g->m.rejected_name = series_of(g, rejected, "name");
	return 0;
}

static void open_plain(struct gossip *g)
{
	const struct {
		int64_t **to;
		const char *name, *help;
		enum metric_type type;
	} plain[] = {
		{ &g->m.received, "ingot_gossip_packets_received_total", "Datagrams that came in",
		  METRIC_COUNTER },
		{ &g->m.sent, "ingot_gossip_packets_sent_total", "Datagrams that went out", METRIC_COUNTER },
		{ &g->m.send_failed, "ingot_gossip_send_failed_total", "Datagrams that the kernel refused",
		  METRIC_COUNTER },
		{ &g->m.pings, "ingot_gossip_probes_total", "Tries to reach a member", METRIC_COUNTER },
		{ &g->m.indirect, "ingot_gossip_indirect_probes_total", "Probes asked of others",
		  METRIC_COUNTER },
		{ &g->m.suspicions, "ingot_gossip_suspicions_total", "Members that became suspect here",
		  METRIC_COUNTER },
		{ &g->m.failures, "ingot_gossip_failures_total", "Members that were declared dead here",
		  METRIC_COUNTER },
		{ &g->m.refutations, "ingot_gossip_refutations_total",
		  "Times this node contradicted others about itself", METRIC_COUNTER },
		{ &g->m.late, "ingot_gossip_late_total", "Wake-ups that came too late to blame others",
		  METRIC_COUNTER },
		{ &g->m.isolated, "ingot_gossip_isolated_total", "Rounds in which nobody at all was heard",
		  METRIC_COUNTER },
		{ &g->m.health, "ingot_gossip_health_score", "How unwell this node finds itself, 0 to 4",
		  METRIC_GAUGE },
		{ &g->m.loss, "ingot_gossip_loss_percent", "First tries without an answer, lately",
		  METRIC_GAUGE },
		{ &g->m.sessions, "ingot_gossip_sessions", "Sessions of other members", METRIC_GAUGE },
		{ &g->m.syncs, "ingot_gossip_syncs_total", "Exchanges of tables begun here", METRIC_COUNTER },
		{ &g->m.sync_failed, "ingot_gossip_sync_failed_total", "Exchanges of tables that failed",
		  METRIC_COUNTER },
		{ &g->m.full, "ingot_gossip_members_refused_total", "Members over the limit",
		  METRIC_COUNTER },
		{ &g->m.links_dropped, "ingot_gossip_links_dropped_total",
		  "Own links that are too many to tell", METRIC_COUNTER },
		{ &g->m.addresses, "ingot_gossip_addresses", "L2 addresses known", METRIC_GAUGE },
		{ &g->m.owned, "ingot_gossip_addresses_owned", "L2 addresses that this node owns",
		  METRIC_GAUGE },
	};
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
		*plain[i].to = value_of(g->d->metrics, plain[i].name, plain[i].help, plain[i].type);
		if (!*plain[i].to)
			*plain[i].to = &g->m.nowhere;
	}
}

int outputs_open(struct gossip *g)
{
	int err = open_labelled(g);
	if (err)
		return err;
	open_plain(g);
	g->members_out = bus_publish(g->d->bus, TOPIC_MEMBERS);
	g->ownership_out = bus_publish(g->d->bus, TOPIC_OWNERSHIP);
	g->services_out = bus_publish(g->d->bus, TOPIC_L2_SERVICES);
	g->config_out = bus_publish(g->d->bus, TOPIC_GOSSIPD_CONFIG);
	return g->members_out && g->ownership_out && g->services_out && g->config_out ? 0 : -ENOMEM;
}

void outputs_statistics(struct gossip *g)
{
	const struct swim_stats *s = swim_statistics(g->swim);
	int64_t n[4] = { 0 };
	for (size_t i = 0; i < swim_count(g->swim); i++)
		n[swim_at(g->swim, i)->node.state]++;
	for (size_t i = 0; i < 4; i++)
		*g->m.members[i] = n[i];
	*g->m.pings = (int64_t)s->pings;
	*g->m.indirect = (int64_t)s->indirect;
	*g->m.suspicions = (int64_t)s->suspicions;
	*g->m.failures = (int64_t)s->failures;
	*g->m.refutations = (int64_t)s->refutations;
	*g->m.late = (int64_t)s->late;
	*g->m.isolated = (int64_t)s->isolated;
	*g->m.full = (int64_t)s->rejected_full;
	*g->m.links_dropped = (int64_t)s->links_dropped;
	*g->m.health = swim_health(g->swim);
	*g->m.loss = swim_loss_percent(g->swim);
	*g->m.sessions = (int64_t)seal_sessions(g->seal);
	*g->m.addresses = (int64_t)owner_count(g->owner);
}

void outputs_member(struct gossip *g, const struct swim_member *m)
{
	char address[SWIM_ADDR_TEXT];
	Ingot__MemberLink links[SWIM_MAX_LINKS], *list[SWIM_MAX_LINKS];
	char names[SWIM_MAX_LINKS][SWIM_LINK_NAME + 1];
	uint8_t macs[SWIM_MAX_LINKS][6];
	Ingot__Member out = INGOT__MEMBER__INIT;
	out.state = (Ingot__MemberState)m->node.state;
	out.incarnation = m->node.incarnation;
	swim_addr_text(&m->node.addr, address);
	out.address = address;
	out.self = m->self;
	out.since_ms = m->since.us / 1000;
	for (size_t i = 0; i < m->node.n_links; i++) {
		ingot__member_link__init(&links[i]);
		memcpy(names[i], m->node.links[i].name, sizeof names[i]);
		memcpy(macs[i], m->node.links[i].mac, sizeof macs[i]);
		links[i].name = names[i];
		links[i].mac.data = macs[i];
		links[i].mac.len = sizeof macs[i];
		links[i].up = m->node.links[i].up;
		list[i] = &links[i];
	}
	out.n_links = m->node.n_links;
	out.links = list;
	if (publisher_put(g->members_out, m->node.name, &out.base) < 0)
		log_limited(&g->quiet, 5, SEC(10), LOG_WARN, m->node.name, "publish", "out of memory");
}

void outputs_forgotten(struct gossip *g, const struct swim_member *m)
{
	publisher_delete(g->members_out, m->node.name);
}

static char **names_of(const struct owner_entry *e)
{
	char **v = calloc(e->n_services + 1, sizeof *v);
	for (size_t i = 0; v && i < e->n_services; i++)
		v[i] = e->services[i]->key;
	return v;
}

static void publish_entry(struct gossip *g, const struct owner_entry *e)
{
	char owner[LIMIT_NODE_NAME + 1], successor[LIMIT_NODE_NAME + 1], why[200];
	Ingot__Ownership out = INGOT__OWNERSHIP__INIT;
	if (e->gone) {
		publisher_delete(g->ownership_out, e->key);
		return;
	}
	str_fmt(owner, sizeof owner, "%s", e->owner);
	str_fmt(successor, sizeof successor, "%s", e->successor);
	str_fmt(why, sizeof why, "%s", e->why);
	out.owner = owner;
	out.successor = successor;
	out.why = why;
	out.mine = e->mine;
	out.all_interfaces = e->all_interfaces;
	out.interfaces = e->interfaces.v;
	out.n_interfaces = e->all_interfaces ? 0 : e->interfaces.n;
	out.services = names_of(e);
	out.n_services = out.services ? e->n_services : 0;
	out.term = e->term;
	out.hold = e->hold;
	if (!out.services || publisher_put(g->ownership_out, e->key, &out.base) < 0)
		log_limited(&g->quiet, 5, SEC(10), LOG_WARN, e->key, "publish", "out of memory");
	free(out.services);
}

static void note_entry(struct gossip *g, const struct owner_entry *e)
{
	if (e->was == e->owner && !e->gone)
		return;
	const char *fact = e->gone ? "no longer wanted" : e->owner[0] ? e->owner : "no owner";
	const char *why = e->why ? e->why : "";
	daemon_decided(g->d, e->key, fact, "%s", why);
	for (size_t i = 0; !e->gone && i < e->n_services && i < 4; i++)
		daemon_decided(g->d, e->services[i]->key, fact, "%s: %s", e->key, why);
	log_limited(&g->owner_log, 100, MS(100), LOG_INFO, e->key, "owner", "%s (was %s): %s",
		    e->gone ? "nobody" : fact, e->was && e->was[0] ? e->was : "nobody", why);
	g->owners_dirty = true;
}

static void publish_service(struct gossip *g, const struct owner_service *s)
{
	char owner[LIMIT_NODE_NAME + 1], reason[64], lacking[ADDR_TEXT];
	Ingot__L2ServiceState out = INGOT__L2_SERVICE_STATE__INIT;
	if (s->gone || !s->listed) {
		publisher_delete(g->services_out, s->key);
		return;
	}
	str_fmt(owner, sizeof owner, "%s", s->owner);
	str_fmt(reason, sizeof reason, "%s", withdraw_reason_text(s->reason));
	out.owner = owner;
	out.reason = reason;
	if (s->lacks_link && s->n_addrs) {
		addr_text(s->addrs[0], lacking);
		out.lacks_interface = lacking;
	}
	out.announcing = s->reason == WITHDRAW_ANNOUNCE;
	out.all_interfaces = s->all_interfaces;
	out.interfaces = s->interfaces.v;
	out.n_interfaces = s->all_interfaces ? 0 : s->interfaces.n;
	if (publisher_put(g->services_out, s->key, &out.base) < 0)
		log_limited(&g->quiet, 5, SEC(10), LOG_WARN, s->key, "publish", "out of memory");
	if (!s->owner[0])
		daemon_decided(g->d, s->key, reason[0] ? reason : "no owner", "%s",
			       s->why && s->why[0] ? s->why : withdraw_reason_sentence(s->reason));
}

static void count_mine(void *ctx, const struct owner_entry *e)
{
	*(int64_t *)ctx += e->mine;
}

void outputs_owners(struct gossip *g)
{
	size_t n;
	struct owner_entry *const *e = owner_entries_changed(g->owner, &n);
	for (size_t i = 0; i < n; i++) {
		publish_entry(g, e[i]);
		note_entry(g, e[i]);
	}
	struct owner_service *const *s = owner_services_changed(g->owner, &n);
	for (size_t i = 0; i < n; i++)
		publish_service(g, s[i]);
	owner_changes_clear(g->owner);
	if (g->owners_dirty && !g->deciding) {
		*g->m.owned = 0;
		owner_each(g->owner, count_mine, g->m.owned);
	}
}

void outputs_config(struct gossip *g, const struct diags *diags, bool stale)
{
	enum { TOLD = 20, TEXT = 400 };
	char text[TOLD][TEXT], digest[20], *errors[TOLD], *warnings[TOLD];
	Ingot__ConfigStatus out = INGOT__CONFIG_STATUS__INIT;
	for (size_t i = 0; i < diags->n && i < TOLD; i++) {
		diag_text(&diags->v[i], text[i], TEXT);
		if (diags->v[i].severity == DIAG_ERROR)
			errors[out.n_errors++] = text[i];
		else
			warnings[out.n_warnings++] = text[i];
	}
	out.loaded = g->config != NULL;
	out.stale = stale;
	out.errors = errors;
	out.warnings = warnings;
	str_fmt(digest, sizeof digest, "%016llx", g->config ? (unsigned long long)g->config->digest : 0ULL);
	out.digest = digest;
	if (publisher_put(g->config_out, "gossipd", &out.base) == 0)
		publisher_synced(g->config_out);
}

static void explain_standing(struct gossip *g, char *buf, size_t size)
{
	int64_t mine = 0;
	owner_each(g->owner, count_mine, &mine);
	if (g->in_force)
		str_fmt(buf, size, "%zu members alive, %lld of %zu addresses owned here", swim_live(g->swim),
			(long long)mine, owner_count(g->owner));
	else if (!g->inputs_ready)
		str_fmt(buf, size, "waiting for configuration, Services, endpoints and nodes");
	else if (!seal_has_key(g->seal))
		str_fmt(buf, size, "other nodes are known but there is no gossip key: owning nothing");
	else
		str_fmt(buf, size, "waiting for the first round of membership");
}

void outputs_explain(struct gossip *g, const char *subject, char *buf, size_t size)
{
	addr_t a;
	char key[ADDR_TEXT];
	if (!subject[0] || !g->in_force) {
		explain_standing(g, buf, size);
		return;
	}
	const struct owner_entry *e =
	    addr_parse(subject, &a) ? owner_entry(g->owner, addr_text(a, key)) : NULL;
	const struct owner_service *s = owner_service(g->owner, subject);
	if (e)
		str_fmt(buf, size, "%s is owned by %s, next %s: %s", e->key,
			e->owner[0] ? e->owner : "nobody", e->successor[0] ? e->successor : "nobody", e->why);
	else if (s && s->reason == WITHDRAW_ANNOUNCE)
		str_fmt(buf, size, "announced over L2 by this node: %s", s->why);
	else if (s && s->owner[0])
		str_fmt(buf, size, "announced over L2 by %s: %s", s->owner, s->why);
	else if (s)
		str_fmt(buf, size, "not announced over L2 by any node: %s%s%s",
			withdraw_reason_sentence(s->reason), s->why && s->why[0] ? "; " : "",
			s->why ? s->why : "");
	else
		buf[0] = 0;
}
