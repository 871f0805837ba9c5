/* Services and their endpoints -> routes. Runs in bgpd. Decides nothing itself: lib/model says whether and
 * what this node announces, rib.c what each peer gets. A Service is kept as a trimmed packed message and its
 * endpoints as two counts, because ten thousand of them are most of what this process holds. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bgpd/bgpd.h"
#include "proto/state.pb-c.h"

enum { STALE_PER_TURN = 512 };

/* An EndpointSlice is a pointer to its Service with two flags in the low bits. */
enum { SLICE_SERVING = 1, SLICE_LOCAL = 2, SLICE_FLAGS = 3 };
_Static_assert(_Alignof(struct svc) > SLICE_FLAGS, "room for the flags");

static uint64_t hash_of(const struct bgpd *b, const char *key)
{
	return siphash24(b->hash_key, key, strlen(key));
}

static struct svc *svc_of(uintptr_t value)
{
	return (struct svc *)(value & ~(uintptr_t)SLICE_FLAGS);
}

static bool is_key(uintptr_t value, const void *key)
{
	return strcmp(svc_of(value)->key, key) == 0;
}

static struct svc *svc_find(const struct bgpd *b, const char *key)
{
	const struct numtab_slot *at = numtab_find(&b->svcs, hash_of(b, key), is_key, key);
	return at ? svc_of(at->value) : NULL;
}

static struct svc *svc_get(struct bgpd *b, const char *key)
{
	struct svc *v = svc_find(b, key);
	if (v || b->svcs.n >= LIMIT_OBJECTS)
		return v;
	size_t len = strlen(key) + 1;
	v = calloc(1, sizeof *v + len);
	if (!v || numtab_add(&b->svcs, hash_of(b, key), (uintptr_t)v) < 0) {
		free(v);
		return NULL;
	}
	memcpy(v->key, key, len);
	return v;
}

const struct svc *services_find(const struct bgpd *b, const char *key)
{
	return svc_find(b, key);
}

static void make_dirty(struct bgpd *b, struct svc *v)
{
	bgpd_ask_work(b);
	if (v->dirty)
		return;
	v->dirty = true;
	v->next_dirty = b->dirty;
	b->dirty = v;
}

static void make_stale(struct bgpd *b, struct svc *v)
{
	if (v->stale)
		return;
	v->stale = true;
	v->next_stale = b->stale;
	b->stale = v;
}

void services_stale_all(struct bgpd *b)
{
	for (size_t i = 0; i < b->svcs.cap; i++)
		if (b->svcs.v[i].value)
			make_stale(b, svc_of(b->svcs.v[i].value));
}

/* Keep what service_gate and bgp_decide look at, which for any other Service is its type. */
static uint8_t *pack_trimmed(const Ingot__Service *s, uint32_t *len)
{
	Ingot__ObjectMeta meta = INGOT__OBJECT_META__INIT;
	Ingot__Service t = INGOT__SERVICE__INIT;
	t.type = s->type;
	if (service_is_load_balancer(s)) {
		t.load_balancer_class = s->load_balancer_class;
		t.external_traffic_policy = s->external_traffic_policy;
		t.ingress = s->ingress;
		t.n_ingress = s->n_ingress;
		meta.n_labels = s->meta ? s->meta->n_labels : 0;
		meta.labels = s->meta ? s->meta->labels : NULL;
		t.meta = &meta;
	}
	size_t size = ingot__service__get_packed_size(&t);
	uint8_t *p = malloc(size ? size : 1);
	if (p)
		*len = (uint32_t)ingot__service__pack(&t, p);
	return p;
}

static void on_service(void *ctx, const char *key, const ProtobufCMessage *value)
{
	struct bgpd *b = ctx;
	const Ingot__Service *s = (const Ingot__Service *)value;
	struct svc *v = svc_get(b, key);
	uint32_t len = 0;
	uint8_t *packed = v ? pack_trimmed(s, &len) : NULL;
	if (!packed) {
		log_line(LOG_ERROR, key, "serviceDropped", "no room for this Service");
		return;
	}
	if (v->packed && v->packed_len == len && memcmp(v->packed, packed, len) == 0) {
		free(packed);
		return;
	}
	free(v->packed);
	v->packed = packed;
	v->packed_len = len;
	make_dirty(b, v);
}

static void on_service_gone(void *ctx, const char *key)
{
	struct bgpd *b = ctx;
	struct svc *v = svc_find(b, key);
	if (!v)
		return;
	free(v->packed);
	v->packed = NULL;
	make_dirty(b, v);
}

static void slice_flags(struct bgpd *b, struct numtab_slot *at, unsigned flags)
{
	struct svc *v = svc_of(at->value);
	unsigned old = at->value & SLICE_FLAGS;
	uint32_t before_any = v->n_serving, before_local = v->n_local;
	v->n_serving += (flags & SLICE_SERVING ? 1u : 0u) - (old & SLICE_SERVING ? 1u : 0u);
	v->n_local += (flags & SLICE_LOCAL ? 1u : 0u) - (old & SLICE_LOCAL ? 1u : 0u);
	at->value = (uintptr_t)v | flags;
	if (!before_any != !v->n_serving || !before_local != !v->n_local)
		make_dirty(b, v);
}

static void slice_remove(struct bgpd *b, struct numtab_slot *at)
{
	struct svc *v = svc_of(at->value);
	slice_flags(b, at, 0);
	numtab_remove(&b->slices, at);
	v->n_slices--;
	if (!v->packed)
		make_dirty(b, v); /* perhaps nothing keeps it any more */
}

static void on_slice_gone(void *ctx, const char *key)
{
	struct bgpd *b = ctx;
	struct numtab_slot *at = numtab_find(&b->slices, hash_of(b, key), NULL, NULL);
	if (at)
		slice_remove(b, at);
}

static struct numtab_slot *slice_get(struct bgpd *b, const char *key, struct svc *of)
{
	uint64_t hash = hash_of(b, key);
	struct numtab_slot *at = numtab_find(&b->slices, hash, NULL, NULL);
	if (at && svc_of(at->value) != of) {
		slice_remove(b, at);
		at = NULL;
	}
	if (at || b->slices.n >= LIMIT_OBJECTS || numtab_add(&b->slices, hash, (uintptr_t)of) < 0)
		return at;
	of->n_slices++;
	return numtab_find(&b->slices, hash, NULL, NULL);
}

static void on_slice(void *ctx, const char *key, const ProtobufCMessage *value)
{
	struct bgpd *b = ctx;
	const Ingot__EndpointSlice *m = (const Ingot__EndpointSlice *)value;
	char service[OBJECT_KEY];
	struct endpoints e;
	object_key(m->meta && m->meta->namespace_ ? m->meta->namespace_ : "", m->service_name, service);
	struct svc *v = svc_get(b, service);
	struct numtab_slot *at = v ? slice_get(b, key, v) : NULL;
	if (!at || endpoints_collect(&m, 1, &e) < 0) {
		log_line(LOG_ERROR, key, "endpointsDropped", "no room for these endpoints");
		return;
	}
	bool local = name_set_has(&e.serving_address_nodes, b->d->options.node);
	slice_flags(b, at, (e.any_serving_address ? SLICE_SERVING : 0u) | (local ? SLICE_LOCAL : 0u));
	endpoints_fini(&e);
}

static void on_synced(void *ctx)
{
	bgpd_ask_work(ctx);
}

int services_open(struct bgpd *b)
{
	static const struct topic_reader services = { on_service, on_service_gone, on_synced };
	static const struct topic_reader slices = { on_slice, on_slice_gone, on_synced };
	b->services = bus_subscribe(b->d->bus, TOPIC_SERVICES, &services, b);
	b->slices_in = b->services ? bus_subscribe(b->d->bus, TOPIC_ENDPOINTS, &slices, b) : NULL;
	return b->slices_in ? 0 : -(errno ? errno : ENOENT);
}

bool services_synced(const struct bgpd *b)
{
	return subscriber_synced(b->services) && subscriber_synced(b->slices_in);
}

void services_dirty_all(struct bgpd *b)
{
	for (size_t i = 0; i < b->svcs.cap; i++)
		if (b->svcs.v[i].value)
			make_dirty(b, svc_of(b->svcs.v[i].value));
}

/* What lib/model says about one Service. */
static enum withdraw_reason judge(struct bgpd *b, const struct svc *v, struct bgp_verdict *verdict)
{
	if (!v->packed)
		return WITHDRAW_SERVICE_DELETED;
	Ingot__Service *s = ingot__service__unpack(NULL, v->packed_len, v->packed);
	if (!s)
		return WITHDRAW_SERVICE_DELETED;
	char *own = (char *)(uintptr_t)b->d->options.node;
	struct endpoints e = { .any_serving = v->n_serving > 0, .any_serving_address = v->n_serving > 0 };
	if (v->n_local)
		e.serving_nodes = e.serving_address_nodes = (struct name_set){ 1, &own };
	const Ingot__Node *node = (const Ingot__Node *)objects_get(feed_objects(b->feed), KIND_NODE, own);
	struct service_addresses a;
	enum withdraw_reason r = service_gate(b->config, s, b->d->options.lb_class, &a);
	if (r == WITHDRAW_ANNOUNCE &&
	    bgp_decide(&a, s, &e, own, node, options_bool(b->d->options.ignore_exclude_lb), verdict) == 0)
		r = verdict->reason;
	ingot__service__free_unpacked(s, NULL);
	return r;
}

static void decide(struct bgpd *b, struct svc *v, enum log_level level)
{
	struct bgp_verdict verdict = { 0 };
	bool changed = false, had = v->claim.n > 0;
	enum withdraw_reason reason = judge(b, v, &verdict);
	int rc = rib_claim_set(b->rib, &v->claim, verdict.routes, verdict.n_routes, &changed);
	bgp_verdict_fini(&verdict);
	if (rc < 0)
		log_line(LOG_ERROR, v->key, "serviceDropped", "not all of it is announced: %s",
			 strerror(-rc));
	if (changed && v->claim.n > 0 && !had) {
		log_line(level, v->key, "serviceAnnounced", "protocol bgp");
		daemon_decided(b->d, v->key, "serviceAnnounced", "over BGP, %u routes", v->claim.n);
	} else if (had && v->claim.n == 0) {
		log_line(level, v->key, "serviceWithdrawn", "%s", withdraw_reason_text(reason));
		daemon_decided(b->d, v->key, "serviceWithdrawn", "%s", withdraw_reason_sentence(reason));
	} else if (reason != v->reason && reason != WITHDRAW_ANNOUNCE) {
		daemon_decided(b->d, v->key, withdraw_reason_text(reason), "%s",
			       withdraw_reason_sentence(reason));
	}
	if (changed || reason != v->reason || !v->published)
		make_stale(b, v);
	v->reason = (uint8_t)reason;
}

/* Nothing speaks of it any more. */
static bool is_gone(const struct svc *v)
{
	return !v->packed && v->n_slices == 0 && v->claim.n == 0 && !v->dirty;
}

static void svc_free(struct svc *v)
{
	free(v->packed);
	rib_claim_forget(&v->claim);
	free(v);
}

static void publish_stale(struct bgpd *b)
{
	for (int i = 0; b->stale && i < STALE_PER_TURN; i++) {
		struct svc *v = b->stale;
		b->stale = v->next_stale;
		v->stale = false;
		publish_service(b, v);
		if (is_gone(v)) {
			numtab_remove(&b->svcs, numtab_find(&b->svcs, hash_of(b, v->key), is_key, v->key));
			svc_free(v);
		}
	}
	if (b->stale)
		loop_timer_set(b->rest, loop_now(b->loop));
}

void services_work(struct bgpd *b)
{
	enum { MANY = 100 };
	size_t n = 0;
	for (const struct svc *v = b->dirty; v && n <= MANY; v = v->next_dirty)
		n++;
	enum log_level level = n > MANY ? LOG_DEBUG : LOG_INFO;
	while (b->dirty) {
		struct svc *v = b->dirty;
		b->dirty = v->next_dirty;
		v->dirty = false;
		decide(b, v, level);
	}
	for (unsigned i = 0; i < RIB_MAX_PEERS; i++)
		if (b->sessions[i])
			session_pump(b->sessions[i]);
	if (b->everything_stale) {
		b->everything_stale = false;
		services_stale_all(b);
	}
	publish_stale(b);
}

void services_close(struct bgpd *b)
{
	for (size_t i = 0; i < b->svcs.cap; i++)
		if (b->svcs.v[i].value)
			svc_free(svc_of(b->svcs.v[i].value));
	numtab_fini(&b->slices);
	numtab_fini(&b->svcs);
}
