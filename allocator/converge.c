/* The decision about one Service: keep, move, give, take or explain why not. Run by the allocator; may not
 * touch the world. The order of the steps is MetalLB's; docs/architecture.md says where the outcome differs.
 */
#include <stdlib.h>
#include <string.h>

#include "allocator/wait.h"
#include "allocator/wish.h"
#include "lib/base/must.h"

/* One decision in progress. */
struct turn {
	struct board *b;
	struct svc *v;
	const Ingot__Service *s;
	mono_t now;
	struct wish w;
	struct current status; /* what the object says */
	size_t n_cur;	       /* what counts as held when the turn begins */
	addr_t cur[2];
	bool entered;	   /* with an address */
	addr_t dropped[6]; /* given up in this turn; rest afterwards unless taken again */
	size_t n_dropped;
	struct alloc_error error;
	struct wait_names waits;
};

static bool has_annotation(const Ingot__Service *s)
{
	return service_annotation(s, ANNOTATION_FROM_POOL) != NULL;
}

/* A status is ours when we gave the address, when it carries the annotation, when its class names us, or when
 * configured pools contain all its addresses. Anybody else's is left alone. */
static bool is_ours(const struct board *b, const struct svc *v, const Ingot__Service *s,
		    const struct current *c)
{
	return v->owned || has_annotation(s) || (*b->lb_class && service_class_matches(s, b->lb_class)) ||
	       c->all_in_pools;
}

static uint64_t fingerprint_of_status(const Ingot__Service *s)
{
	static const uint8_t key[16];
	uint64_t h = 1;
	for (size_t i = 0; i < s->n_ingress; i++)
		h = h * 31 + siphash24(key, s->ingress[i]->ip, strlen(s->ingress[i]->ip));
	return h | 1;
}

static void drop(struct turn *t)
{
	must(t->n_dropped + 2 <= ARRAY_LEN(t->dropped));
	t->n_dropped += alloc_drop(&t->b->alloc, t->v->key, t->dropped + t->n_dropped);
	t->n_cur = 0;
}

/* The end of a turn without an address. */
static void end_without(struct turn *t, enum alloc_reason reason, const char *text, bool clear)
{
	struct svc *v = t->v;
	bool told = v->reason == reason && v->message && strcmp(v->message, text) == 0;
	drop(t);
	svc_forget(v);
	v->say = true;
	v->reason = reason;
	v->message = strdup(text);
	v->clear = clear && (t->s->n_ingress > 0 || has_annotation(t->s));
	v->seen = clear ? fingerprint_of_status(t->s) : 0;
	if (!told)
		t->b->sink.decided(t->b->ctx, v->key, alloc_reason_word(reason), text);
}

/* Nothing to publish: not a Service of ours. */
static void end_silent(struct turn *t)
{
	drop(t);
	svc_forget(t->v);
	t->v->owned = false;
	t->v->seen = 0;
}

static void end_failed(struct turn *t)
{
	svc_note(t->v, t->now, true, "AllocationFailed", "Failed to allocate IP for \"%s\": %s", t->v->key,
		 t->error.text);
	end_without(t, t->error.reason, t->error.text, true);
}

static void end_assigned(struct turn *t)
{
	struct svc *v = t->v;
	const struct holder *h = alloc_holder(&t->b->alloc, v->key);
	char text[2 * ADDR_TEXT + 8];
	addr_t ips[2];
	for (size_t i = 0; i < h->n; i++)
		ips[i] = h->seat[i].ip->addr;
	bool equal = !t->status.undeterminable && same_addresses(ips, h->n, t->status.v, t->status.n);
	svc_forget(v);
	v->say = v->owned = true;
	v->confirmed = equal || (v->confirmed && t->n_dropped == 0);
	v->seen = fingerprint_of_status(t->s);
	/* What it came with and keeps is no news. */
	if (!t->entered || t->n_dropped > 0 || h->n != t->n_cur)
		t->b->sink.decided(t->b->ctx, v->key, "assigned", alloc_ips_text(ips, h->n, text));
}

static bool legacy_annotations(const Ingot__Service *s)
{
	for (size_t i = 0; s->meta && i < s->meta->n_annotations; i++)
		if (str_starts(s->meta->annotations[i]->key, ANNOTATION_LEGACY_PREFIX))
			return true;
	return false;
}

static void note_allocated(struct turn *t, const char *what)
{
	const struct holder *h = alloc_holder(&t->b->alloc, t->v->key);
	char text[2 * ADDR_TEXT + 8];
	addr_t ips[2];
	for (size_t i = 0; i < h->n; i++)
		ips[i] = h->seat[i].ip->addr;
	svc_note(t->v, t->now, false, "IPAllocated", "%s %s", what, alloc_ips_text(ips, h->n, text));
	if (legacy_annotations(t->s))
		svc_note(t->v, t->now, true, "deprecatedAnnotation",
			 "annotations with the prefix %s are deprecated, use metallb.io/",
			 ANNOTATION_LEGACY_PREFIX);
}

/* What counts as the current assignment. Ours stands until it is confirmed; a status that somebody changed
 * before that, an older life of this daemon for instance, wins over a choice that nobody has seen. */
static void find_current(struct turn *t)
{
	const struct holder *h = alloc_holder(&t->b->alloc, t->v->key);
	bool news = t->status.n > 0 && t->v->seen != fingerprint_of_status(t->s);
	addr_t ips[2];
	size_t n = h ? h->n : 0;
	for (size_t i = 0; i < n; i++)
		ips[i] = h->seat[i].ip->addr;
	if (h && news && !t->v->confirmed && !t->status.undeterminable &&
	    !same_addresses(ips, n, t->status.v, t->status.n) &&
	    alloc_assign(&t->b->alloc, &t->w.r, t->status.v, t->status.n, t->now, &t->error) == 0)
		h = NULL;
	if (h) {
		memcpy(t->cur, ips, sizeof ips);
		t->n_cur = n;
	} else if (news) {
		memcpy(t->cur, t->status.v, sizeof t->cur);
		t->n_cur = t->status.n;
	}
	if (h || !news)
		t->status.undeterminable = false;
	t->entered = t->n_cur > 0;
}

/* No pool exists. True when the turn has ended. */
static bool without_pools(struct turn *t)
{
	if (t->b->alloc.space.config->n_pools > 0)
		return false;
	end_without(t, ALLOC_NO_POOL, "no available IPs: no pool is configured", t->b->pools_deleted);
	return true;
}

/* The Service's pool exists but is broken: its address is kept where it is until the pool is right again. */
static bool pool_is_broken(struct turn *t)
{
	const char *pool = service_annotation(t->s, ANNOTATION_FROM_POOL);
	char text[ALLOC_TEXT];
	if (!pool || !t->b->broken || !name_set_has(t->b->broken, pool) || t->status.n == 0 ||
	    t->status.all_in_pools)
		return false;
	str_fmt(text, sizeof text, "pool \"%s\" is configured wrongly; the address is kept", pool);
	end_without(t, ALLOC_POOL_INVALID, text, false);
	return true;
}

/* Steps that look at the Service alone. True when the turn has ended. */
static bool not_for_us(struct turn *t)
{
	const Ingot__Service *s = t->s;
	bool ours = is_ours(t->b, t->v, s, &t->status), written = s->n_ingress > 0 || has_annotation(s);
	if (!service_is_load_balancer(s)) {
		if (!ours || !written) {
			end_silent(t);
			return true;
		}
		end_without(t, ALLOC_OK, "", true);
		return true;
	}
	if (!service_class_matches(s, t->b->lb_class)) {
		end_silent(t);
		return true;
	}
	if (s->n_ingress > 0 && !ours) {
		svc_note(t->v, t->now, true, "foreignStatus",
			 "the status has an address that no pool contains and that was not "
			 "assigned here; it is left alone");
		end_without(t, ALLOC_FOREIGN_STATUS,
			    "the status was written by somebody else: no pool contains its addresses; it is "
			    "left alone",
			    false);
		return true;
	}
	return pool_is_broken(t) || without_pools(t);
}

/* Steps about families. True when the turn has ended. */
static bool families_fail(struct turn *t)
{
	const Ingot__Service *s = t->s;
	const struct alloc_request *r = &t->w.r;
	if (s->n_cluster_ips == 0 || !*s->cluster_ips[0]) {
		end_without(t, ALLOC_NO_CLUSTER_IP, "the Service has no cluster IP yet", true);
		return true;
	}
	if (r->policy == POLICY_REQUIRE_DUAL && s->n_cluster_ips < 2) {
		svc_note(t->v, t->now, true, "not enough clusterips",
			 "RequireDualStack needs cluster IPs of both IP families");
		end_without(t, ALLOC_NOT_ENOUGH_CLUSTER_IPS,
			    "RequireDualStack needs cluster IPs of both IP families", true);
		return true;
	}
	if (t->status.undeterminable) {
		svc_note(t->v, t->now, true, "nolbIPsIPFamily",
			 "the IP families of the status's addresses cannot be determined");
		drop(t);
	}
	if (r->family == SERVICE_FAMILY_NONE && t->n_cur > 0) {
		svc_note(t->v, t->now, true, "noclusterIPsIPFamily",
			 "the IP families of the cluster IPs cannot be determined");
		addr_t keep[2] = { t->cur[0], t->cur[1] };
		size_t n = t->n_cur;
		end_without(t, ALLOC_WRONG_FAMILY, "the IP family of the cluster IPs cannot be determined",
			    false);
		/* The address stays in use, so nobody else may get it. */
		alloc_assign(&t->b->alloc, r, keep, n, t->now, &t->error);
		return true;
	}
	if (t->n_cur > 0 && addresses_family(t->cur, t->n_cur) != r->family &&
	    !(r->family == SERVICE_FAMILY_DUAL && r->policy == POLICY_PREFER_DUAL))
		drop(t);
	return false;
}

static const struct pool *current_pool(const struct turn *t)
{
	return alloc_pool_of(&t->b->alloc, alloc_holder(&t->b->alloc, t->v->key));
}

/* Steps about what it has. True when the turn has ended. */
static bool keep_or_clear(struct turn *t)
{
	char text[2 * ADDR_TEXT + 8];
	if (t->n_cur > 0 && alloc_assign(&t->b->alloc, &t->w.r, t->cur, t->n_cur, t->now, &t->error) < 0) {
		svc_note(t->v, t->now, false, "ClearAssignment",
			 "%s cannot be kept, another address will be tried: %s",
			 alloc_ips_text(t->cur, t->n_cur, text), t->error.text);
		drop(t);
	}
	if (t->n_cur > 0 && t->w.pool && strcmp(t->w.pool, current_pool(t)->name) != 0)
		drop(t);
	if (t->w.malformed) {
		t->error = t->w.error;
		if (t->n_cur > 0) {
			svc_note(t->v, t->now, true, "LoadBalancerFailed", "%s", t->error.text);
			end_assigned(t);
		} else {
			end_failed(t);
		}
		return true;
	}
	if (t->n_cur > 0 && t->w.n_ips > 0 && !same_addresses(t->w.ips, t->w.n_ips, t->cur, t->n_cur))
		drop(t);
	return false;
}

/* A Service that prefers two addresses and has one. */
static void try_second(struct turn *t)
{
	const struct holder *h = alloc_holder(&t->b->alloc, t->v->key);
	unsigned fam = 1 - fam_of(h->seat[0].ip->addr);
	if (t->n_cur != 1 || t->w.n_ips > 0 || t->w.r.policy != POLICY_PREFER_DUAL ||
	    t->w.r.family != SERVICE_FAMILY_DUAL)
		return;
	if (alloc_second(&t->b->alloc, &t->w.r, t->now, &t->error) == 0) {
		note_allocated(t, "Assigned an additional IP, now");
		return;
	}
	svc_note(t->v, t->now, false, "AdditionalAssignFailed", "%s", t->error.text);
	wait_for_second(&t->waits, current_pool(t)->name, fam);
	wait_for_group(&t->waits, &t->w.r);
}

static int assign_wanted(struct turn *t)
{
	struct alloc *a = &t->b->alloc;
	char text[2 * ADDR_TEXT + 8];
	if (addresses_family(t->w.ips, t->w.n_ips) != t->w.r.family)
		return alloc_fail(&t->error, ALLOC_WRONG_FAMILY,
				  "requested %s does not match the ipFamily of the service: its cluster IPs "
				  "are of another IP "
				  "family",
				  alloc_ips_text(t->w.ips, t->w.n_ips, text));
	uint32_t span = space_span(&a->space, t->w.ips[0]);
	if (t->w.pool && span != SPACE_NOWHERE && strcmp(space_pool(&a->space, span)->name, t->w.pool) != 0)
		return alloc_fail(
		    &t->error, ALLOC_POOL_MISMATCH,
		    "requested %s is not compatible with requested address pool \"%s\": it is in pool \"%s\"",
		    alloc_ips_text(t->w.ips, t->w.n_ips, text), t->w.pool, space_pool(&a->space, span)->name);
	return alloc_assign(a, &t->w.r, t->w.ips, t->w.n_ips, t->now, &t->error);
}

static void wait_for_ips(struct turn *t)
{
	for (size_t i = 0; i < t->w.n_ips; i++)
		wait_for_ip(&t->waits, t->w.ips[i]);
}

static void wait_for_all_candidates(struct turn *t)
{
	const struct alloc *a = &t->b->alloc;
	wait_for_any(&t->waits, &t->w.r);
	for (size_t i = 0; i < a->n_pinned; i++)
		if (alloc_pool_admits(&a->space.config->pools[a->pinned[i]], &t->w.r))
			wait_for_pool(&t->waits, a->space.config->pools[a->pinned[i]].name, &t->w.r);
	wait_for_group(&t->waits, &t->w.r);
}

/* It has nothing: choose. What would change the answer becomes what it waits for. */
static int choose(struct turn *t)
{
	struct alloc *a = &t->b->alloc;
	int e;
	if (t->w.r.family == SERVICE_FAMILY_NONE)
		return alloc_fail(&t->error, ALLOC_WRONG_FAMILY,
				  "the IP family of the cluster IPs cannot be determined");
	if (t->w.n_ips > 0) {
		e = assign_wanted(t);
		if (e < 0)
			wait_for_ips(t);
	} else if (t->w.pool) {
		e = alloc_from_pool(a, &t->w.r, t->w.pool, t->now, &t->error);
		if (e < 0) {
			wait_for_pool(&t->waits, t->w.pool, &t->w.r);
			wait_for_group(&t->waits, &t->w.r);
		}
	} else {
		e = alloc_auto(a, &t->w.r, t->now, &t->error);
		if (e < 0)
			wait_for_all_candidates(t);
	}
	return e;
}

#ifdef INGOT_TEST_HOOKS
/* Poison on demand, for the tests of the quarantine. */
static void crash_on_demand(const Ingot__Service *s)
{
	const char *who =
	    s->meta ? kv_get(s->meta->annotations, s->meta->n_annotations, "ingot.dev/test-crash") : NULL;
	must(!who || strcmp(who, "allocator") != 0);
}
#endif

static void decide(struct turn *t)
{
#ifdef INGOT_TEST_HOOKS
	crash_on_demand(t->s);
#endif
	if (not_for_us(t))
		return;
	find_current(t);
	if (families_fail(t) || keep_or_clear(t))
		return;
	if (t->n_cur > 0) {
		try_second(t);
		end_assigned(t);
	} else if (choose(t) == 0) {
		note_allocated(t, "Assigned IP");
		end_assigned(t);
	} else {
		end_failed(t);
	}
}

/* The same name, another object: what the former one had is given up. */
static void check_uid(struct board *b, struct svc *v, const Ingot__Service *s, mono_t now)
{
	const char *uid = s->meta ? s->meta->uid : "";
	if (v->uid && strcmp(v->uid, uid) == 0)
		return;
	if (v->uid) {
		alloc_release(&b->alloc, v->key, now);
		v->owned = v->confirmed = false;
		v->seen = 0;
	}
	char *copy = strdup(uid);
	if (!copy)
		return;
	free(v->uid);
	v->uid = copy;
}

/* Not looked at: only its addresses stay in use, so that nobody else gets them. */
static void skip(struct turn *t)
{
	struct alloc_request r = { .key = t->v->key, .ns = "", .sharing = "", .backend = "" };
	end_without(t, ALLOC_QUARANTINED, "quarantined after two crashes: skipped until the Service changes",
		    false);
	if (t->s->meta) {
		r.ns = t->s->meta->namespace_;
		r.labels = t->s->meta->labels;
		r.n_labels = t->s->meta->n_labels;
	}
	if (t->status.n > 0 && !t->status.undeterminable)
		alloc_assign(&t->b->alloc, &r, t->status.v, t->status.n, t->now, &t->error);
}

void converge(struct board *b, struct svc *v, const Ingot__Service *s, mono_t now)
{
	struct turn t = { .b = b, .v = v, .s = s, .now = now };
	check_uid(b, v, s, now);
	t.status = current_of(s, &b->alloc);
	if (v->quarantine) {
		skip(&t);
	} else if (wish_init(&t.w, v->key, s) == 0) {
		decide(&t);
		wish_fini(&t.w);
	} else {
		b->n_out_of_memory++;
		return;
	}
	alloc_settle(&b->alloc, t.dropped, t.n_dropped, now);
	wait_set(b, v, &t.waits);
	wait_names_fini(&t.waits);
	b->n_decisions++;
}

void converge_adopt(struct board *b, const char *key, const Ingot__Service *s, mono_t now)
{
	struct wish w;
	struct alloc_error error;
	struct current c = current_of(s, &b->alloc);
	/* Without an address, or not all in pools: nothing to adopt. */
	if (!service_is_load_balancer(s) || !service_class_matches(s, b->lb_class) || c.undeterminable ||
	    !c.all_in_pools)
		return;
	if (wish_init(&w, key, s) < 0)
		return;
	enum service_family f = addresses_family(c.v, c.n);
	if (f == w.r.family || (w.r.family == SERVICE_FAMILY_DUAL && w.r.policy == POLICY_PREFER_DUAL))
		alloc_assign(&b->alloc, &w.r, c.v, c.n, now, &error);
	wish_fini(&w);
}
