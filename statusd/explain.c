/* The document `explain SERVICE`: why it has its address or none, and who announces it or why nobody does.
 * Walks the way of a Service from its object to the network and states a fact at each step. Pure. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "lib/model/objects.h"
#include "lib/model/service.h"
#include "statusd/documents.h"

struct explanation {
	const struct state *state;
	struct look look;
	const char *key;
	const Ingot__Service *service;
	json_t *facts;
	char *first_bad; /* "what: why" of the first fact that is not ok */
};

static void fact(struct explanation *x, bool ok, const char *what, const char *hint, const char *why_fmt, ...)
    __attribute__((format(printf, 5, 6)));

static void fact(struct explanation *x, bool ok, const char *what, const char *hint, const char *why_fmt, ...)
{
	struct strbuf why = { 0 };
	va_list ap;

	va_start(ap, why_fmt);
	strbuf_vfmt(&why, why_fmt, ap);
	va_end(ap);
	json_array_append_new(x->facts, json_pack("{s:b, s:s, s:s, s:s}", "ok", (int)ok, "what", what, "why",
						  strbuf_get(&why), "hint", ok ? "" : hint));
	if (!ok && !x->first_bad) {
		struct strbuf first = { 0 };
		strbuf_fmt(&first, "%s: %s", what, strbuf_get(&why));
		x->first_bad = strbuf_take(&first);
	}
	strbuf_fini(&why);
}

/* The Service's own key: as given, or found by its bare name when just one namespace has it. */
static const struct row *find_service(const struct state *s, const char *subject, size_t *n_found)
{
	const struct row *found = NULL;
	*n_found = 0;
	hashtab_each (s->table[TOPIC_SERVICES], node) {
		const struct row *e = (const struct row *)node;
		const char *slash = strchr(e->key, '/');
		if (strcmp(e->key, subject) == 0) {
			*n_found = 1;
			return e;
		}
		if (slash && !strchr(subject, '/') && strcmp(slash + 1, subject) == 0) {
			found = e;
			++*n_found;
		}
	}
	return *n_found == 1 ? found : NULL;
}

enum { NEAR_MAX = 5 };

/* Names like the one that nobody has, the first few in order. */
struct near {
	size_t n;
	const char *v[NEAR_MAX];
};

static void near_add(struct near *near, const char *key)
{
	size_t at = near->n;
	if (at < NEAR_MAX)
		near->n++;
	else if (strcmp(key, near->v[--at]) > 0)
		return;
	for (; at > 0 && strcmp(key, near->v[at - 1]) < 0; at--)
		near->v[at] = near->v[at - 1];
	near->v[at] = key;
}

/* "no Service default/wbe; did you mean default/web?" */
static char *unknown_service(const struct state *s, const char *subject, size_t n_found)
{
	struct strbuf b = { 0 };
	const char *slash = strchr(subject, '/'), *name = slash ? slash + 1 : subject;
	struct near near = { 0 };

	hashtab_each (s->table[TOPIC_SERVICES], node) {
		const char *key = ((const struct row *)node)->key, *s_name = strchr(key, '/');
		s_name = s_name ? s_name + 1 : key;
		if (strstr(s_name, name) || (*s_name && strstr(name, s_name)) ||
		    strncmp(s_name, name, 3) == 0)
			near_add(&near, key);
	}
	strbuf_fmt(&b,
		   n_found > 1 ? "several namespaces have a Service %s: name it as namespace/name"
			       : "no Service %s is known",
		   subject);
	for (size_t i = 0; i < near.n; i++)
		strbuf_fmt(&b, "%s%s", i ? ", " : "; did you mean ", near.v[i]);
	return strbuf_take(&b);
}

static const char *address_hint(const char *reason)
{
	static const struct {
		const char *reason, *hint;
	} hints[] = {
		{ "noPool", "create an IPAddressPool with free addresses, or set autoAssign to true on one" },
		{ "unknownPool", "check the annotation metallb.io/address-pool against `ingotctl pools`" },
		{ "poolFull", "add addresses to the pool, or delete Services that no longer need theirs" },
		{ "wrongFamily", "give the pool addresses of the Service's family, or change ipFamilies" },
		{ "poolExcludedBySelector",
		  "change the pool's serviceAllocation, or the Service's labels or namespace" },
		{ "addressInUse", "ask for another address, or share it with metallb.io/allow-shared-ip" },
		{ "requestedAddressNotInPool", "ask for an address that lies in a pool" },
	};
	for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
		if (strcmp(hints[i].reason, reason) == 0)
			return hints[i].hint;
	return "see the message";
}

/* No address, and this node does not allocate: say who does. */
static void explain_elsewhere(struct explanation *x)
{
	const Ingot__Leader *leader = look_at(&x->look, TOPIC_LEADER, "leader");
	const char *holder = leader ? leader->holder : "";
	fact(x, false, "address", "ask there: ingotctl explain",
	     "none is confirmed; %s allocates and knows why",
	     *holder ? holder : "another node or controller");
}

static bool explain_address(struct explanation *x)
{
	const Ingot__Assignment *a = look_at(&x->look, TOPIC_ASSIGNMENTS, x->key);
	const char *pool = service_annotation(x->service, ANNOTATION_FROM_POOL);
	struct strbuf ips = { 0 };

	for (size_t i = 0; i < x->service->n_ingress; i++)
		strbuf_fmt(&ips, "%s%s", i ? ", " : "", x->service->ingress[i]->ip);
	bool has = ips.len > 0;
	if (has)
		fact(x, true, "address", "", "%s from pool %s", strbuf_get(&ips), pool && *pool ? pool : "?");
	else if (a && *a->reason)
		fact(x, false, "address", address_hint(a->reason), "none: %s (%s)", a->message, a->reason);
	else if (a && a->n_ips)
		fact(x, false, "address", "see the watcher's log",
		     "%s is chosen but not yet written to the status", a->ips[0]);
	else if (hashtab_len(x->state->table[TOPIC_LEADER]) == 0 || !x->state->synced[TOPIC_ASSIGNMENTS])
		fact(x, false, "address", "is a controller running? see ingotctl status",
		     "none: no allocator has judged it yet");
	else
		explain_elsewhere(x);
	strbuf_fini(&ips);
	return has;
}

static void explain_endpoints(struct explanation *x)
{
	struct serving_index index;
	if (serving_index_build(x->state, &index) < 0)
		return;
	const struct serving *s = serving_of(&index, x->key);
	fact(x, s->n > 0, "endpoints", "are the Pods ready, and does the selector match them?",
	     s->n ? "%zu can serve, on %zu nodes"
		  : "no endpoint can serve (%zu, %zu nodes): nobody announces it",
	     s->n, s->n_nodes);
	serving_index_fini(&index);
}

/* Sentence for a machine word of WITHDRAW_REASONS. */
static const char *sentence_of(const char *reason)
{
	for (int r = 0; r < WITHDRAW_N; r++)
		if (*reason && strcmp(withdraw_reason_text((enum withdraw_reason)r), reason) == 0)
			return withdraw_reason_sentence((enum withdraw_reason)r);
	return "";
}

static const Ingot__Ownership *ownership_of(struct explanation *x)
{
	return x->service->n_ingress ? look_at(&x->look, TOPIC_OWNERSHIP, x->service->ingress[0]->ip) : NULL;
}

static void explain_l2(struct explanation *x, bool other_protocol)
{
	const Ingot__L2ServiceState *l2 = look_at(&x->look, TOPIC_L2_SERVICES, x->key);
	const Ingot__Ownership *o = ownership_of(x);
	const char *why = o && *o->why ? o->why : "";

	if (!l2)
		return;
	if (!*l2->reason)
		fact(x, true, "layer2", "", "this node answers for it%s%s", *why ? ": " : "", why);
	else if (*l2->owner && strcmp(l2->owner, x->state->node) != 0)
		fact(x, true, "layer2", "", "not the owner here: node %s answers for it%s%s", l2->owner,
		     *why ? ": " : "", why);
	else
		fact(x, other_protocol, "layer2", "see ingotctl owners and the L2Advertisements", "%s: %s",
		     l2->reason, sentence_of(l2->reason));
}

static bool bgp_announces(struct explanation *x)
{
	const Ingot__BgpServiceState *b = look_at(&x->look, TOPIC_BGP_SERVICES, x->key);
	return b && !*b->reason && b->n_peers;
}

static bool l2_announces(struct explanation *x)
{
	const Ingot__L2ServiceState *l2 = look_at(&x->look, TOPIC_L2_SERVICES, x->key);
	return l2 && *l2->owner;
}

static void explain_bgp_peer(struct explanation *x, const char *name)
{
	const Ingot__BgpPeerState *p = look_at(&x->look, TOPIC_BGP_PEERS, name);
	struct strbuf what = { 0 };

	strbuf_fmt(&what, "bgp peer %s", name);
	if (!p)
		fact(x, false, strbuf_get(&what), "see ingotctl peers", "not known to bgpd");
	else if (strcmp(p->state, "Established") == 0)
		fact(x, true, strbuf_get(&what), "", "Established with %s", p->address);
	else
		fact(x, false, strbuf_get(&what),
		     "check address, AS, password and port at both ends; see ingotctl peers", "down, %s: %s",
		     p->state, *p->reason ? p->reason : p->last_error);
	strbuf_fini(&what);
}

static void explain_bgp(struct explanation *x, bool other_protocol)
{
	const Ingot__BgpServiceState *b = look_at(&x->look, TOPIC_BGP_SERVICES, x->key);
	if (!b)
		return;
	if (*b->reason) {
		fact(x, other_protocol, "bgp", "see the BGPAdvertisements and BGPPeers", "%s: %s", b->reason,
		     sentence_of(b->reason));
		return;
	}
	fact(x, b->n_peers > 0, "bgp", "create a BGPPeer that matches this node",
	     "this node announces %zu prefixes to %zu peers, sent to %zu", b->n_prefixes, b->n_peers,
	     b->n_established);
	for (size_t i = 0; i < b->n_peers; i++)
		explain_bgp_peer(x, b->peers[i]);
}

static void explain_conflict(struct explanation *x)
{
	for (size_t i = 0; i < x->service->n_ingress; i++) {
		const char *ip = x->service->ingress[i]->ip;
		hashtab_each (x->state->table[TOPIC_L2], node) {
			const struct row *e = (const struct row *)node;
			if (strncmp(e->key, ip, strlen(ip)) != 0 || e->key[strlen(ip)] != '%')
				continue;
			const Ingot__L2Announcement *a = look_into(&x->look, TOPIC_L2, e);
			const uint8_t *m = a ? a->conflict_mac.data : NULL;
			if (m && a->conflict_mac.len == 6)
				fact(x, false, "conflict", "find that machine: it uses an address of a pool",
				     "%02x:%02x:%02x:%02x:%02x:%02x also answers for %s", m[0], m[1], m[2],
				     m[3], m[4], m[5], ip);
		}
	}
}

static void explain_service(struct explanation *x)
{
	if (!service_is_load_balancer(x->service)) {
		fact(x, false, "type", "set spec.type to LoadBalancer",
		     "%s: only Services of type LoadBalancer get an address", x->service->type);
		return;
	}
	bool has_address = explain_address(x);
	explain_endpoints(x);
	if (!has_address)
		return;
	explain_l2(x, bgp_announces(x));
	explain_bgp(x, l2_announces(x));
	explain_conflict(x);
}

json_t *document_explain(const struct state *s, const char *subject, char **error)
{
	size_t n_found;
	const struct row *e = find_service(s, subject, &n_found);
	if (!e) {
		*error = unknown_service(s, subject, n_found);
		return NULL;
	}
	struct explanation x = { .state = s, .key = e->key };
	look_begin(&x.look, s);
	x.service = look_into(&x.look, TOPIC_SERVICES, e);
	json_t *document = NULL;
	if (x.service) {
		x.facts = json_array();
		explain_service(&x);
		document =
		    json_pack("{s:s, s:s, s:o, s:[]}", "service", e->key, "summary",
			      x.first_bad ? x.first_bad : "all is well", "facts", x.facts, "decisions");
	}
	look_end(&x.look);
	free(x.first_bad);
	return document;
}
