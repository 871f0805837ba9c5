/* Configuration and this node's labels -> sessions. Runs in bgpd. A change that the peer need not notice does
 * not touch its session; one that it must notice ends it with the Cease that says why, and starts a new one.
 */
#include <errno.h>
#include <string.h>

#include "bgpd/bgpd.h"

static struct session *find(const struct bgpd *b, const char *name)
{
	for (unsigned i = 0; i < RIB_MAX_PEERS; i++)
		if (b->sessions[i] && strcmp(b->sessions[i]->name, name) == 0)
			return b->sessions[i];
	return NULL;
}

static void remove_session(struct session *s, const char *reason)
{
	log_line(LOG_INFO, s->name, "peerRemoved", "%s", reason);
	daemon_decided(s->b->d, s->name, "peerRemoved", "%s", reason);
	s->configured = false;
	session_end(s, BGP_CEASE_DECONFIGURED);
	publish_peer_gone(s);
	session_free(s);
}

/* The digest that the session on the wire was made with. */
static uint64_t running_digest(const struct session *s)
{
	if (s->configured)
		return settings_digest(&s->settings);
	return s->up ? s->up->store->params.digest : 0;
}

static void apply_settings(struct session *s, const struct settings *n)
{
	bool known = s->configured || s->up;
	bool same = !known || running_digest(s) == settings_digest(n);
	bool other_secret = s->configured && strcmp(s->settings.secret, n->secret) != 0;
	bool relabel = s->configured && (!addr_eq(s->settings.address, n->address) ||
					 s->settings.port != n->port || strcmp(s->settings.vrf, n->vrf) != 0);
	if (relabel)
		publish_peer_gone(s);
	if (!s->configured)
		log_line(LOG_INFO, s->name, "peerAdded", "AS %u%s", n->fsm.local_as,
			 s->up ? ", its session goes on" : "");
	if (s->up && s->settings.ttl != n->ttl)
		tcp_prepare(s->up->fd, (enum family)s->up->remote.family, n->ttl);
	s->settings = *n;
	s->configured = true;
	if (!n->has_password) {
		s->secret_known = false;
		explicit_bzero(s->password, sizeof s->password);
	}
	if (!same) {
		log_line(LOG_INFO, s->name, "peerChanged", "the session starts anew");
		session_end(s, BGP_CEASE_OTHER_CHANGE);
	} else if (s->up) {
		/* Timers of the new configuration count from the next session on; this one keeps what was
		 * agreed. */
		uint32_t id = s->up->fsm.config.router_id;
		bool passive = s->up->fsm.config.passive;
		s->up->fsm.config = n->fsm;
		s->up->fsm.config.router_id = id;
		s->up->fsm.config.passive = passive;
	}
	if (n->has_password && (!s->secret_known || other_secret)) {
		s->secret_failures = 0;
		s->secret_known = s->secret_known && !other_secret;
		secrets_want(s);
	}
	session_try(s);
	publish_peer(s);
}

static void apply_peer(struct bgpd *b, const struct peer *p)
{
	struct settings n;
	char why[160];
	struct session *s = find(b, p->name);
	if (settings_of(p, &n, why, sizeof why) < 0) {
		log_line(LOG_ERROR, p->name, "peerRefused", "%s", why);
		daemon_decided(b->d, p->name, "peerRefused", "%s", why);
		if (s)
			remove_session(s, why);
		return;
	}
	if (!s)
		s = session_new(b, p->name);
	if (s)
		apply_settings(s, &n);
	else
		log_line(LOG_ERROR, p->name, "peerRefused", "no room for another peer: %s", strerror(errno));
}

static const struct peer *wanted_here(const struct bgpd *b, const char *name, bool *filtered)
{
	for (size_t i = 0; i < b->config->n_peers; i++) {
		const struct peer *p = &b->config->peers[i];
		if (strcmp(p->name, name) != 0)
			continue;
		*filtered = !node_set_has(&p->nodes, b->d->options.node);
		return *filtered ? NULL : p;
	}
	return NULL;
}

static void apply_config(struct bgpd *b)
{
	for (unsigned i = 0; i < RIB_MAX_PEERS; i++) {
		bool filtered = false;
		if (b->sessions[i] && !wanted_here(b, b->sessions[i]->name, &filtered))
			remove_session(b->sessions[i],
				       filtered ? "filteredByNodeSelector" : "removedFromConfig");
	}
	for (size_t i = 0; i < b->config->n_peers; i++)
		if (node_set_has(&b->config->peers[i].nodes, b->d->options.node))
			apply_peer(b, &b->config->peers[i]);
}

void peers_configure(struct bgpd *b)
{
	struct diags diags = { 0 };
	struct config *config = NULL;
	const char *ns = b->d->options.namespace;
	const struct config_input in = { .objects = feed_objects(b->feed),
					 .ns = *ns ? ns : "metallb-system",
					 .want_secrets = true };
	int rc = config_compile(&in, &diags, &config);
	if (rc < 0) {
		log_line(LOG_ERROR, "config", "configStale", "the configuration cannot be compiled: %s",
			 strerror(-rc));
		publish_config(b, &diags, true);
		diags_fini(&diags);
		return;
	}
	bool same = b->config && b->config->digest == config->digest;
	for (size_t i = 0; i < diags.n && !same; i++) {
		char text[512];
		log_line(diags.v[i].severity == DIAG_ERROR ? LOG_ERROR : LOG_WARN, "config",
			 "configDiagnostic", "%s", diag_text(&diags.v[i], text, sizeof text));
	}
	config_free(b->config);
	b->config = config;
	publish_config(b, &diags, diags.n_errors > 0);
	diags_fini(&diags);
	if (!same) {
		apply_config(b);
		services_dirty_all(b);
	}
	b->config_loaded = true;
}

void peers_apply(struct bgpd *b, unsigned kinds)
{
	peers_configure(b);
	if (kinds & FEED_KIND(KIND_NODE))
		services_dirty_all(b); /* our own labels and conditions count too */
	if (kinds & FEED_KIND(KIND_SECRET))
		secrets_again(b);
	bgpd_ask_work(b);
}

static void on_settled(void *ctx, unsigned kinds)
{
	peers_apply(ctx, kinds);
}

int peers_open(struct bgpd *b)
{
	static const struct feed_reader reader = { .settled = on_settled };
	const unsigned kinds = FEED_KIND(KIND_NODE) | FEED_KIND(KIND_NAMESPACE) | FEED_KIND(KIND_SECRET) |
			       FEED_KIND(KIND_POOL) | FEED_KIND(KIND_L2_ADVERTISEMENT) |
			       FEED_KIND(KIND_BGP_ADVERTISEMENT) | FEED_KIND(KIND_BGP_PEER) |
			       FEED_KIND(KIND_BFD_PROFILE) | FEED_KIND(KIND_COMMUNITY);
	b->feed = feed_new(b->d->bus, b->loop, kinds, &reader, b);
	return b->feed ? 0 : -(errno ? errno : ENOMEM);
}
