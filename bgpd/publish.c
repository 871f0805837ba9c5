/* What bgpd says about itself: the topics bgp_peers, bgp_services and bgpd_config, and metrics. Runs in bgpd.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bgpd/bgpd.h"
#include "proto/state.pb-c.h"

enum series { UP, ANNOUNCED, PENDING, UPDATES, FIRST_COUNTER };
enum { PREFIXES_SHOWN = 64 };

/* After the first four: one metric per counter that MetalLB's exporters know. */
static const struct {
	const char *name, *help;
	enum metric_type type;
} names[] = {
	{ "metallb_bgp_session_up", "BGP session state (1 is up, 0 is down)", METRIC_GAUGE },
	{ "metallb_bgp_announced_prefixes_total",
	  "Number of prefixes currently being advertised on the BGP session", METRIC_GAUGE },
	{ "metallb_bgp_pending_prefixes_total",
	  "Number of prefixes that should be advertised on the BGP session", METRIC_GAUGE },
	{ "metallb_bgp_updates_total", "Number of BGP UPDATE messages sent", METRIC_COUNTER },
	{ "metallb_bgp_opens_sent", "Number of BGP OPEN messages sent", METRIC_COUNTER },
	{ "metallb_bgp_opens_received", "Number of BGP OPEN messages received", METRIC_COUNTER },
	{ "metallb_bgp_notifications_sent", "Number of BGP NOTIFICATION messages sent", METRIC_COUNTER },
	{ "metallb_bgp_updates_total_received", "Number of BGP UPDATE messages received", METRIC_COUNTER },
	{ "metallb_bgp_keepalives_sent", "Number of BGP KEEPALIVE messages sent", METRIC_COUNTER },
	{ "metallb_bgp_keepalives_received", "Number of BGP KEEPALIVE messages received", METRIC_COUNTER },
	{ "metallb_bgp_route_refresh_sent", "Number of BGP ROUTE-REFRESH messages sent", METRIC_COUNTER },
	{ "metallb_bgp_total_sent", "Number of BGP messages sent", METRIC_COUNTER },
	{ "metallb_bgp_total_received", "Number of BGP messages received", METRIC_COUNTER },
	{ "ingot_bgp_notifications_received", "Number of BGP NOTIFICATION messages received",
	  METRIC_COUNTER },
	{ "ingot_bgp_sessions_adopted_total", "Times the session was taken over from a former life of bgpd",
	  METRIC_COUNTER },
	{ "ingot_bgp_session_drops_total", "Times the session ended", METRIC_COUNTER },
};
_Static_assert(sizeof names / sizeof names[0] == SESSION_SERIES, "a place for each series");

int publish_open(struct bgpd *b)
{
	static const char *const labels[] = { "peer", "vrf", NULL };
	struct metrics *m = b->d->metrics;
	for (size_t i = 0; i < SESSION_SERIES; i++)
		b->metric[i] = metrics_add(m, names[i].name, names[i].help, names[i].type, labels);
	b->updates_bad = metric_value(metrics_add(m, "ingot_bgp_updates_malformed_total",
						  "UPDATE messages of peers with something malformed in them",
						  METRIC_COUNTER, NULL));
	b->rejected = metric_value(metrics_add(m, "ingot_bgp_connections_rejected_total",
					       "Incoming connections that no configured peer explains",
					       METRIC_COUNTER, NULL));
	b->prefixes_dropped =
	    metric_value(metrics_add(m, "ingot_bgp_routes_dropped_total",
				     "Routes or communities that found no room", METRIC_COUNTER, NULL));
	if (!b->updates_bad || !b->rejected || !b->prefixes_dropped)
		return -12;
	b->peers_out = bus_publish(b->d->bus, TOPIC_BGP_PEERS);
	b->services_out = bus_publish(b->d->bus, TOPIC_BGP_SERVICES);
	b->config_out = bus_publish(b->d->bus, TOPIC_BGPD_CONFIG);
	return b->peers_out && b->services_out && b->config_out ? 0 : -12;
}

static bool series_open(struct session *s)
{
	if (s->series[0])
		return true;
	if (!s->configured)
		return false;
	char address[ADDR_TEXT];
	const char *where =
	    s->settings.address.family ? addr_text(s->settings.address, address) : s->settings.interface;
	str_fmt(s->label, sizeof s->label, s->settings.address.family == FAMILY_V6 ? "[%s]:%u" : "%s:%u",
		where, s->settings.port);
	const char *const values[] = { s->label, s->settings.vrf[0] ? s->settings.vrf : "default" };
	for (size_t i = 0; i < SESSION_SERIES; i++) {
		s->series[i] = metric_series(s->b->metric[i], values);
		if (!s->series[i])
			return false;
	}
	return true;
}

static void series_close(struct session *s)
{
	const char *const values[] = { s->label, s->settings.vrf[0] ? s->settings.vrf : "default" };
	for (size_t i = 0; i < SESSION_SERIES; i++) {
		if (s->series[i])
			metric_delete(s->b->metric[i], values);
		s->series[i] = NULL;
	}
}

void publish_counts(struct session *s)
{
	if (!series_open(s))
		return;
	const struct session_counters *k = &s->counters;
	struct rib_counts n = rib_counts(s->b->rib, s->slot);
	const uint64_t sent = k->opens_sent + k->updates_sent + k->keepalives_sent + k->notifications_sent;
	const uint64_t received = k->opens_received + k->updates_received + k->keepalives_received +
				  k->notifications_received + k->refreshes_received;
	const uint64_t values[SESSION_SERIES] = { s->up != NULL,
						  n.sent,
						  n.wanted,
						  k->updates_sent,
						  k->opens_sent,
						  k->opens_received,
						  k->notifications_sent,
						  k->updates_received,
						  k->keepalives_sent,
						  k->keepalives_received,
						  0, /* we never ask for a refresh: nothing is accepted */
						  sent,
						  received,
						  k->notifications_received,
						  k->times_adopted,
						  k->drops };
	for (size_t i = 0; i < SESSION_SERIES; i++)
		*s->series[i] = (int64_t)values[i];
	*s->b->prefixes_dropped = (int64_t)rib_dropped(s->b->rib);
}

static void fill_texts(const struct session *s, Ingot__BgpPeerState *m, char address[static 2 * ADDR_TEXT],
		       char id[static ADDR_TEXT], char local[static ADDR_TEXT])
{
	char text[ADDR_TEXT];
	const struct conn *c = s->up ? s->up : &s->dialled;
	addr_t remote = s->settings.address.family ? s->settings.address : c->remote;
	uint16_t port = s->settings.port ? s->settings.port : BGP_PORT;
	addr_text(remote, text);
	str_fmt(address, 2 * ADDR_TEXT, remote.family == FAMILY_V6 ? "[%s]:%u" : "%s:%u",
		remote.family ? text : s->settings.interface, port);
	m->address = address;
	if (c->fsm.config.router_id)
		m->router_id = (char *)(uintptr_t)addr_text(addr_v4(c->fsm.config.router_id), id);
	if (s->up)
		m->local_address = (char *)(uintptr_t)addr_text(c->local, local);
}

static const char *reason_of(const struct session *s)
{
	if (s->up)
		return "";
	return s->waiting[0] ? s->waiting : s->last_error[0] ? s->last_error : "connecting";
}

void publish_peer(struct session *s)
{
	Ingot__BgpPeerState m = INGOT__BGP_PEER_STATE__INIT;
	const struct conn *c = s->up ? s->up : s->accepted.fd >= 0 ? &s->accepted : &s->dialled;
	char address[2 * ADDR_TEXT], id[ADDR_TEXT], local[ADDR_TEXT];
	char *families[2] = { (char *)(uintptr_t) "ipv4", (char *)(uintptr_t) "ipv6" };
	unsigned f = s->up ? c->fsm.n.families : s->settings.fsm.families;
	m.n_families = (f & BGP_V4 ? 1u : 0u) + (f & BGP_V6 ? 1u : 0u);
	m.families = f & BGP_V4 ? families : families + 1;
	m.state = (char *)(uintptr_t)bgp_state_name(c->fsm.state);
	m.reason = (char *)(uintptr_t)reason_of(s);
	m.last_error = (char *)s->last_error;
	fill_texts(s, &m, address, id, local);
	m.vrf = (char *)s->settings.vrf;
	m.local_as = c->fsm.config.local_as;
	m.remote_as = s->up ? c->fsm.n.peer_as : s->settings.fsm.peer_as;
	m.hold_s = s->up ? c->fsm.n.hold_s : s->settings.fsm.hold_s;
	m.keepalive_s = s->up ? c->fsm.n.keepalive_s : s->settings.fsm.keepalive_s;
	struct rib_counts n = rib_counts(s->b->rib, s->slot);
	m.prefixes_wanted = n.wanted;
	m.prefixes_sent = n.sent;
#define X(name) m.name = s->counters.name;
	SESSION_COUNTERS(X)
#undef X
	m.established_ms = s->up ? s->established_at.us / 1000 : 0;
	publisher_put(s->b->peers_out, s->name, &m.base);
	publish_counts(s);
}

void publish_peer_gone(struct session *s)
{
	publisher_delete(s->b->peers_out, s->name);
	series_close(s);
}

/* Names of peers by how they stand to a Service, sorted. */
static size_t peers_of(const struct bgpd *b, const struct svc *v, bool sent_only, char **ret)
{
	size_t n = 0;
	for (unsigned i = 0; i < RIB_MAX_PEERS; i++) {
		struct session *s = b->sessions[i];
		enum rib_standing st = s ? rib_claim_standing(b->rib, &v->claim, i) : RIB_NOT_FOR_PEER;
		if (st == RIB_NOT_FOR_PEER || (sent_only && st != RIB_SENT))
			continue;
		size_t k = n++;
		for (; k > 0 && strcmp(ret[k - 1], s->name) > 0; k--)
			ret[k] = ret[k - 1];
		ret[k] = s->name;
	}
	return n;
}

void publish_service(struct bgpd *b, struct svc *v)
{
	Ingot__BgpServiceState m = INGOT__BGP_SERVICE_STATE__INIT;
	prefix_t prefixes[PREFIXES_SHOWN];
	char texts[PREFIXES_SHOWN][PREFIX_TEXT], *shown[PREFIXES_SHOWN];
	char *peers[RIB_MAX_PEERS], *established[RIB_MAX_PEERS];
	bool keep =
	    v->packed && v->reason != WITHDRAW_NOT_LOAD_BALANCER && v->reason != WITHDRAW_FOREIGN_CLASS;
	if (!keep) {
		if (v->published)
			publisher_delete(b->services_out, v->key);
		v->published = false;
		return;
	}
	m.n_prefixes = rib_claim_prefixes(b->rib, &v->claim, prefixes, PREFIXES_SHOWN);
	for (size_t i = 0; i < m.n_prefixes; i++)
		shown[i] = (char *)(uintptr_t)prefix_text(prefixes[i], texts[i]);
	m.prefixes = shown;
	m.peers = peers;
	m.n_peers = peers_of(b, v, false, peers);
	m.established = established;
	m.n_established = peers_of(b, v, true, established);
	m.reason = (char *)(uintptr_t)withdraw_reason_text((enum withdraw_reason)v->reason);
	v->published = publisher_put(b->services_out, v->key, &m.base) >= 0;
}

void publish_config(struct bgpd *b, const struct diags *diags, bool stale)
{
	Ingot__ConfigStatus m = INGOT__CONFIG_STATUS__INIT;
	char digest[24], *texts[DIAGS_CAP], *warnings[DIAGS_CAP];
	size_t n_errors = 0, n_warnings = 0;
	for (size_t i = 0; i < diags->n; i++) {
		char text[1024];
		char *copy = strdup(diag_text(&diags->v[i], text, sizeof text));
		if (copy && diags->v[i].severity == DIAG_ERROR)
			texts[n_errors++] = copy;
		else if (copy)
			warnings[n_warnings++] = copy;
	}
	m.loaded = b->config != NULL;
	m.stale = stale;
	m.errors = texts;
	m.n_errors = n_errors;
	m.warnings = warnings;
	m.n_warnings = n_warnings;
	str_fmt(digest, sizeof digest, "%016llx", b->config ? (unsigned long long)b->config->digest : 0);
	m.digest = digest;
	publisher_put(b->config_out, "bgpd", &m.base);
	publisher_synced(b->config_out);
	for (size_t i = 0; i < n_errors; i++)
		free(texts[i]);
	for (size_t i = 0; i < n_warnings; i++)
		free(warnings[i]);
}
