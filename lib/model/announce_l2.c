/* L2 eligibility and election for one Service, computed alike on every node. Pure; run by gossipd. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "lib/model/announce.h"
#include "lib/model/election.h"
#include "lib/model/name_set.h"

struct question {
	const struct service_addresses *addresses;
	const Ingot__Service *service;
	const struct endpoints *endpoints;
	const struct l2_node *live;
	size_t n_live;
	const char *own_node;
	bool ignore_exclude, ignore_links;
	const struct l2_ad **ads; /* those of the pool that match the Service */
	size_t n_ads;
};

static int find_ads(struct question *q)
{
	const struct pool *p = q->addresses->pool;
	const Ingot__ObjectMeta *meta = q->service->meta;
	q->ads = calloc(p->n_l2_ads + 1, sizeof(void *));
	if (!q->ads)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_l2_ads; i++)
		if (selectors_match(&p->l2_ads[i]->services, meta ? meta->labels : NULL,
				    meta ? meta->n_labels : 0))
			q->ads[q->n_ads++] = p->l2_ads[i];
	return 0;
}

static bool is_named(const struct question *q, const char *node)
{
	for (size_t i = 0; i < q->n_ads; i++)
		if (node_set_has(&q->ads[i]->nodes, node))
			return true;
	return false;
}

static bool any_service_selectors(const struct question *q)
{
	for (size_t i = 0; i < q->n_ads; i++)
		if (q->ads[i]->services.n > 0)
			return true;
	return false;
}

/* NULL when the node is a candidate, else why not. */
static const char *objection(const struct question *q, const struct l2_node *n)
{
	if (strlen(n->name) > LIMIT_NODE_NAME)
		return "its name is too long";
	if (node_network_unavailable(n->object))
		return "its network is unavailable";
	if (!q->ignore_exclude && node_is_excluded(n->object))
		return "it is labelled exclude-from-external-load-balancers";
	if (!is_named(q, n->name))
		return "no matching advertisement names it";
	if (service_is_local(q->service) && !name_set_has(&q->endpoints->serving_nodes, n->name))
		return "it has no local endpoint that can serve";
	if (!q->ignore_links && !n->link_ok)
		return "no interface to announce on is up";
	return NULL;
}

static int64_t score_in(const struct l2_ad *ad, const char *node)
{
	for (size_t low = 0, high = ad->n_scores; low < high;) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(node, ad->scores[mid].node);
		if (order == 0)
			return ad->scores[mid].score;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return 0;
}

static int64_t score_of(const struct question *q, const char *node)
{
	int64_t sum = 0;
	for (size_t i = 0; i < q->n_ads; i++)
		sum += score_in(q->ads[i], node);
	return sum;
}

/* A candidate and its place in the election. */
struct standing {
	const char *name; /* NULL = nobody */
	int64_t score;
	struct election_digest digest;
};

static bool is_ahead(const struct standing *a, const struct standing *b)
{
	if (!b->name)
		return true;
	if (a->score != b->score)
		return a->score > b->score;
	int c = election_digest_cmp(&a->digest, &b->digest);
	return c ? c < 0 : strcmp(a->name, b->name) < 0;
}

struct result {
	struct standing first, second;
	size_t n;
	const char *own_objection; /* why the own node is no candidate; NULL when it is one */
};

/* Only the first two matter, so one pass is enough and nothing is sorted. */
static void elect(const struct question *q, struct result *r)
{
	*r = (struct result){ .own_objection = "it is not a live member" };
	for (size_t i = 0; i < q->n_live; i++) {
		const struct l2_node *n = &q->live[i];
		const char *why_not = objection(q, n);
		if (strcmp(n->name, q->own_node) == 0)
			r->own_objection = why_not;
		if (why_not)
			continue;
		struct standing x = { n->name, score_of(q, n->name),
				      election_digest(n->name, q->addresses->v[0]) };
		r->n++;
		if (is_ahead(&x, &r->first)) {
			r->second = r->first;
			r->first = x;
		} else if (is_ahead(&x, &r->second)) {
			r->second = x;
		}
	}
}

static void explain(const struct question *q, const struct result *r, struct l2_verdict *v)
{
	char how[64];
	if (r->n == 1)
		str_fmt(how, sizeof how, "the only candidate");
	else if (r->first.score > r->second.score)
		str_fmt(how, sizeof how, "preferred, score %" PRId64, r->first.score);
	else
		str_fmt(how, sizeof how, "sha256 order among %zu candidates", r->n);
	if (r->n == 0)
		str_fmt(v->why, sizeof v->why, "no node can announce it; this node: %s",
			r->own_objection ? r->own_objection : "");
	else if (strcmp(r->first.name, q->own_node) == 0)
		str_fmt(v->why, sizeof v->why, "%s", how);
	else if (r->own_objection)
		str_fmt(v->why, sizeof v->why, "%.63s (%s); this node: %s", r->first.name, how,
			r->own_objection);
	else
		str_fmt(v->why, sizeof v->why, "%.63s: %s", r->first.name, how);
}

static void fill_verdict(const struct question *q, const struct result *r, struct l2_verdict *v)
{
	v->n_candidates = r->n;
	v->owner_score = r->first.score;
	str_fmt(v->owner, sizeof v->owner, "%s", r->first.name ? r->first.name : "");
	str_fmt(v->successor, sizeof v->successor, "%s", r->second.name ? r->second.name : "");
	if (!is_named(q, q->own_node))
		v->reason = WITHDRAW_NO_MATCHING_ADVERTISEMENT;
	else if (!r->first.name || strcmp(r->first.name, q->own_node) != 0)
		v->reason = WITHDRAW_NOT_OWNER;
	explain(q, r, v);
}

/* Nobody announces: would this node, if it had one of the interfaces that the advertisements name? Of all
 * nodes, exactly one says yes, so that people are told once. */
static bool lacks_link(const struct question *q, const struct result *r)
{
	struct question without = *q;
	struct result x;
	if (r->n > 0)
		return false;
	without.ignore_links = true;
	elect(&without, &x);
	return x.first.name && strcmp(x.first.name, q->own_node) == 0;
}

/* Interfaces come from the advertisements that name the own node. */
static int fill_interfaces(const struct question *q, struct l2_verdict *v)
{
	for (size_t i = 0; i < q->n_ads; i++)
		if (node_set_has(&q->ads[i]->nodes, q->own_node))
			v->all_interfaces |= q->ads[i]->all_interfaces;
	for (size_t i = 0; !v->all_interfaces && i < q->n_ads; i++)
		if (node_set_has(&q->ads[i]->nodes, q->own_node)) {
			int rc = name_set_merge(&v->interfaces, &q->ads[i]->interfaces);
			if (rc < 0)
				return rc;
		}
	return 0;
}

static int decide(const struct question *q, struct l2_verdict *v)
{
	struct result r;
	if (!q->endpoints->any_serving) {
		v->reason = WITHDRAW_NOT_OWNER;
		str_fmt(v->why, sizeof v->why, "no endpoint can serve");
		return 0;
	}
	if (service_annotation(q->service, ANNOTATION_SHARE) && any_service_selectors(q)) {
		v->reason = WITHDRAW_SHARED_IP_WITH_SERVICE_SELECTOR;
		str_fmt(v->why, sizeof v->why, "%s", withdraw_reason_sentence(v->reason));
		return 0;
	}
	elect(q, &r);
	v->lacks_link = lacks_link(q, &r);
	fill_verdict(q, &r, v);
	return fill_interfaces(q, v);
}

int l2_decide(const struct service_addresses *a, const Ingot__Service *s, const struct endpoints *e,
	      const struct l2_node *live, size_t n_live, const char *own_node, bool ignore_exclude,
	      struct l2_verdict *ret)
{
	struct question q = { a, s, e, live, n_live, own_node, ignore_exclude, false, NULL, 0 };
	struct l2_verdict v = { 0 };
	int rc = find_ads(&q);
	if (rc == 0)
		rc = decide(&q, &v);
	free(q.ads);
	if (rc == 0)
		*ret = v;
	else
		l2_verdict_fini(&v);
	return rc;
}

void l2_verdict_fini(struct l2_verdict *v)
{
	if (!v)
		return;
	name_set_fini(&v->interfaces);
}
