/* What the watches bring: into the topics, into the mirror, to the desks. Runs in the watcher. */
#include <stdlib.h>
#include <string.h>

#include "lib/model/service.h"
#include "watcher/k8s/decode/strip.h"
#include "watcher/k8s/k8s.h"

enum { MOST_BROKEN = 1000 };

static void free_secrets(void *value)
{
	manifest_secrets_fini(value);
	free(value);
}

static const char *kind_key(enum kind kind, const char *key, char buf[static OBJECT_KEY + 64])
{
	str_fmt(buf, OBJECT_KEY + 64, "%s %s", kind_name(kind), key);
	return buf;
}

/* ---- into the topics ---- */

void sinks_put(struct k8s *k, enum kind kind, const char *key, const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *packed = malloc(len ? len : 1);
	watcher_put(k->w, kind, key, m);
	if (packed) {
		protobuf_c_message_pack(m, packed);
		keep_put(k->keep, kind, key, packed, len);
	}
	free(packed);
}

void sinks_gone(struct k8s *k, enum kind kind, const char *key)
{
	watcher_gone(k->w, kind, key);
	keep_del(k->keep, kind, key);
}

static void publish_slice(void *ctx, const char *key, const ProtobufCMessage *message)
{
	if (message)
		sinks_put(ctx, KIND_ENDPOINTS, key, message);
	else
		sinks_gone(ctx, KIND_ENDPOINTS, key);
}

static const void *published_slice(void *ctx, const char *key, size_t *len)
{
	const struct k8s *k = ctx;
	return watcher_packed(k->w, KIND_ENDPOINTS, key, len);
}

/* ---- Services ---- */

/* A Service that has nothing to do with load balancers is none of the other daemons' business. One that has
 * an address is: somebody must take it back. */
static bool concerns_us(const Ingot__Service *s)
{
	return service_is_load_balancer(s) || s->n_ingress > 0 || service_annotation(s, ANNOTATION_FROM_POOL);
}

static void withdraw_service(struct k8s *k, const char *key)
{
	size_t len;
	bool published = watcher_packed(k->w, KIND_SERVICE, key, &len) != NULL;
	keep_del(k->keep, KIND_SERVICE, key); /* a former life may have published it */
	if (!published)
		return;
	watcher_gone(k->w, KIND_SERVICE, key);
	if (slices_service(&k->slices, key, false) < 0)
		log_line(LOG_ERROR, key, "publish", "out of memory: its endpoints are not known any more");
}

bool sinks_uid(const struct k8s *k, const char *key, char uid[static DECODE_UID])
{
	size_t len;
	const void *packed = watcher_packed(k->w, KIND_SERVICE, key, &len);
	Ingot__Service *s = packed ? ingot__service__unpack(NULL, len, packed) : NULL;
	if (s)
		str_fmt(uid, DECODE_UID, "%s", s->meta ? s->meta->uid : "");
	ingot__service__free_unpacked(s, NULL);
	return s != NULL;
}

void sinks_service(struct k8s *k, const char *key, const Ingot__Service *s)
{
	if (k->held || !concerns_us(s)) {
		withdraw_service(k, key);
		return;
	}
	sinks_put(k, KIND_SERVICE, key, &s->base);
	if (slices_service(&k->slices, key, true) < 0)
		log_line(LOG_ERROR, key, "publish", "out of memory: its endpoints are not published");
}

static void take_service(struct k8s *k, const struct item *item)
{
	const Ingot__Service *s = (const Ingot__Service *)item->message;
	if (k->context.daemons & READS(ALLOCATOR) &&
	    service_status_saw(&k->service_status, item->key, item->uid, item->resource_version, s) < 0)
		log_line(LOG_ERROR, item->key, "status", "out of memory");
	sinks_service(k, item->key, s);
	pace_ask(k->pace);
}

/* ---- what is not published whole ---- */

static void set_secrets(struct k8s *k, enum kind kind, struct item *item)
{
	char name[OBJECT_KEY + 64];
	void *old = NULL;
	kind_key(kind, item->key, name);
	struct manifest_secrets *s = item->secrets.n ? malloc(sizeof *s) : NULL;
	if (s) {
		*s = item->secrets;
		item->secrets = (struct manifest_secrets){ 0 };
		if (map_set(&k->secrets, name, s, &old) < 0) {
			free_secrets(s);
			log_line(LOG_ERROR, item->key, "secret", "out of memory");
		}
	} else {
		old = map_del(&k->secrets, name);
	}
	if (old)
		free_secrets(old);
}

static void drop_secrets(struct k8s *k, enum kind kind, const char *key)
{
	char name[OBJECT_KEY + 64];
	void *old = map_del(&k->secrets, kind_key(kind, key, name));
	if (old)
		free_secrets(old);
}

const struct manifest_secret *sinks_secret(const struct k8s *k, enum kind kind, const char *key,
					   const char *item)
{
	char name[OBJECT_KEY + 64];
	const struct manifest_secrets *s = map_get(&k->secrets, kind_key(kind, key, name));
	return s ? manifest_secret_get(s, item) : NULL;
}

static bool is_gossip_secret(const struct k8s *k, const char *key)
{
	const char *slash = strchr(key, '/');
	return slash && strcmp(slash + 1, k->w->d->options.secret_name) == 0;
}

static void each_known(struct k8s *k, enum resource r, void (*fn)(struct k8s *k, const char *key))
{
	if (!k->watches[r])
		return;
	hashtab_each (&watch_reflector(k->watches[r])->known, n)
		fn(k, ((const struct reflector_known *)n)->key);
}

/* A session of ours would end MetalLB's: to the router both are the same neighbour. */
static void withdraw_peer(struct k8s *k, const char *key)
{
	sinks_gone(k, KIND_BGP_PEER, key);
}

static void set_hold(struct k8s *k)
{
	bool held = hold_now(&k->hold) > 0 && !options_bool(k->w->d->options.coexist);
	char text[300];
	if (held == k->held)
		return;
	k->held = held;
	hold_text(&k->hold, text, sizeof text);
	if (held) {
		log_line(LOG_WARN, "source", "held",
			 "MetalLB runs here (%s): nothing is written or announced until its Pods are gone "
			 "(--coexist overrides)",
			 text);
		each_known(k, RESOURCE_SERVICE, withdraw_service);
		each_known(k, RESOURCE_BGP_PEER, withdraw_peer);
	} else {
		log_line(LOG_INFO, "source", "released", "MetalLB's Pods are gone: Ingot goes on");
		if (k->watches[RESOURCE_SERVICE])
			watch_again(k->watches[RESOURCE_SERVICE]);
		if (k->watches[RESOURCE_BGP_PEER])
			watch_again(k->watches[RESOURCE_BGP_PEER]);
	}
	writing_held(k);
	tell_ask(k);
}

static bool pods_known(const struct k8s *k, enum resource r)
{
	if (!k->watches[r])
		return true;
	const struct reflector *f = watch_reflector(k->watches[r]);
	bool may_lack = resource_row(r)->may_lack;
	return f->complete ||
	       (may_lack && (f->trouble == TROUBLE_FORBIDDEN || f->trouble == TROUBLE_MISSING));
}

void sinks_hold_known(struct k8s *k)
{
	if (k->hold_known)
		return;
	for (unsigned r = RESOURCE_METALLB_POD; r <= RESOURCE_METALLB_CHART_POD_2; r++)
		if (!pods_known(k, (enum resource)r))
			return;
	k->hold_known = true;
	set_hold(k);
	writing_held(k);
}

/* A Pod may be seen by two watches, and leave one of them. */
static const char *pod_key(enum resource r, const char *key, char buf[static OBJECT_KEY + 8])
{
	str_fmt(buf, OBJECT_KEY + 8, "%s#%u", key, (unsigned)r);
	return buf;
}

static void take_json(struct k8s *k, enum resource r, const struct item *item)
{
	char pod[OBJECT_KEY + 8];
	switch (r) {
	case RESOURCE_LEASE: writing_lease_saw(k, item->json); break;
	case RESOURCE_L2_STATUS: (void)status_objects_see(k->status_objects, STATUS_L2, item->json); break;
	case RESOURCE_BGP_STATUS: (void)status_objects_see(k->status_objects, STATUS_BGP, item->json); break;
	case RESOURCE_CONFIG_STATE:
		(void)upkeep_see(k->controller_state, item->json);
		(void)upkeep_see(k->speaker_state, item->json);
		break;
	default:
		hold_saw(&k->hold, pod_key(r, item->key, pod), item->json);
		if (k->hold_known)
			set_hold(k);
		break;
	}
	pace_ask(k->pace);
}

void sinks_explain(const struct k8s *k, const char *key, struct strbuf *out)
{
	char name[OBJECT_KEY + 64], uid[DECODE_UID];
	const char *text = map_get(&k->broken, kind_key(KIND_SERVICE, key, name));
	if (text)
		strbuf_fmt(out, "%s; its former version stays in force", text);
	else if (sinks_uid(k, key, uid))
		strbuf_fmt(out, "uid %s, from %s", uid, k->server);
	else if (k->held)
		strbuf_add(out, k->told);
	else
		strbuf_fmt(out, "%s knows no such Service of type LoadBalancer", k->server);
}

/* ---- the sink ---- */

/* Of an object in a namespace. */
static const char *name_of(const char *key)
{
	const char *slash = strchr(key, '/');
	return slash ? slash + 1 : key;
}

static void mended(struct k8s *k, enum kind kind, const char *key)
{
	char name[OBJECT_KEY + 64];
	char *text = map_del(&k->broken, kind_key(kind, key, name));
	if (!text)
		return;
	free(text);
	log_line(LOG_INFO, name, "objectMended", "it can be read again");
	tell_ask(k);
}

static void on_item(void *ctx, enum resource r, struct item *item)
{
	struct k8s *k = ctx;
	enum kind kind = resource_row(r)->kind;
	if (kind == KIND_N) {
		if (item->json)
			take_json(k, r, item);
		return;
	}
	if (map_len(&k->broken))
		mended(k, kind, item->key);
	if (!(k->context.daemons & READS(ALLOCATOR)))
		strip_for_node(kind, item->message);
	switch (kind) {
	case KIND_SERVICE: take_service(k, item); return;
	case KIND_ENDPOINTS:
		if (slices_put(&k->slices, item->key, (const Ingot__EndpointSlice *)item->message) < 0)
			log_line(LOG_ERROR, item->key, "publish", "out of memory");
		return;
	case KIND_SECRET:
	case KIND_BGP_PEER: set_secrets(k, kind, item); break;
	case KIND_POOL:
		if (item->json)
			(void)upkeep_see(k->pool_status, item->json);
		break;
	default: break;
	}
	if (kind == KIND_SECRET && is_gossip_secret(k, item->key))
		gossip_secret_exists(&k->gossip_secret, true);
	if (kind != KIND_BGP_PEER || !k->held)
		sinks_put(k, kind, item->key, item->message);
	pace_ask(k->pace);
}

static void on_broken(void *ctx, enum resource r, const char *key, const struct diags *diags)
{
	struct k8s *k = ctx;
	char name[OBJECT_KEY + 64], text[1024] = "it cannot be read";
	enum kind kind = resource_row(r)->kind;
	void *old = NULL;
	kind_key(kind, key, name);
	for (size_t i = diags->n; i > 0; i--)
		if (diags->v[i - 1].severity == DIAG_ERROR)
			diag_text(&diags->v[i - 1], text, sizeof text);
	bool news = !map_get(&k->broken, name) || strcmp(map_get(&k->broken, name), text) != 0;
	if (news && map_len(&k->broken) < MOST_BROKEN) {
		char *copy = strdup(text);
		if (copy && map_set(&k->broken, name, copy, &old) < 0)
			free(copy);
		free(old);
		log_line(LOG_ERROR, name, "objectInvalid", "%s; its former version stays in force", text);
	}
	tell_ask(k);
}

static void on_gone(void *ctx, enum resource r, const char *key)
{
	struct k8s *k = ctx;
	char pod[OBJECT_KEY + 8];
	enum kind kind = resource_row(r)->kind;
	switch (r) {
	case RESOURCE_SERVICE:
		service_status_gone(&k->service_status, key);
		withdraw_service(k, key);
		break;
	case RESOURCE_ENDPOINTS:
		slices_gone(&k->slices, key);
		keep_del(k->keep, kind, key); /* a former life may have published it */
		break;
	case RESOURCE_LEASE: writing_lease_saw(k, NULL); break;
	case RESOURCE_L2_STATUS: status_objects_unsee(k->status_objects, STATUS_L2, name_of(key)); break;
	case RESOURCE_BGP_STATUS: status_objects_unsee(k->status_objects, STATUS_BGP, name_of(key)); break;
	case RESOURCE_CONFIG_STATE:
		upkeep_unsee(k->controller_state, name_of(key));
		upkeep_unsee(k->speaker_state, name_of(key));
		break;
	case RESOURCE_METALLB_POD:
	case RESOURCE_METALLB_CHART_POD:
	case RESOURCE_METALLB_POD_2:
	case RESOURCE_METALLB_CHART_POD_2:
		if (hold_gone(&k->hold, pod_key(r, key, pod)) && k->hold_known)
			set_hold(k);
		break;
	case RESOURCE_SECRET:
	case RESOURCE_BGP_PEER: drop_secrets(k, kind, key); break;
	case RESOURCE_POOL: upkeep_unsee(k->pool_status, name_of(key)); break;
	default: break;
	}
	if (kind != KIND_N && kind != KIND_SERVICE && kind != KIND_ENDPOINTS)
		sinks_gone(k, kind, key);
	if (kind == KIND_SECRET && is_gossip_secret(k, key))
		gossip_secret_exists(&k->gossip_secret, false);
	if (kind != KIND_N && map_len(&k->broken))
		mended(k, kind, key);
	pace_ask(k->pace);
}

/* The desks write nothing before they know what is there. */
static void on_state(void *ctx, enum resource r)
{
	struct k8s *k = ctx;
	const struct reflector *f = watch_reflector(k->watches[r]);
	mono_t now = loop_now(k->w->d->loop);
	if (f->complete && f->current) {
		if (r == RESOURCE_L2_STATUS)
			status_objects_synced(k->status_objects, STATUS_L2, now);
		else if (r == RESOURCE_BGP_STATUS)
			status_objects_synced(k->status_objects, STATUS_BGP, now);
		else if (r == RESOURCE_CONFIG_STATE) {
			upkeep_synced(k->controller_state, now);
			upkeep_synced(k->speaker_state, now);
		} else if (r == RESOURCE_SECRET && !k->gossip_secret.known)
			gossip_secret_exists(&k->gossip_secret, k->gossip_secret.exists);
		else if (r == RESOURCE_POOL)
			upkeep_synced(k->pool_status, now);
	}
	api_state(k, r);
	pace_ask(k->pace);
}

const struct watch_sink k8s_sink = { on_item, on_broken, on_gone, on_state };

void sinks_init(struct k8s *k)
{
	static const struct slices_sink slices = { publish_slice, published_slice };
	slices_init(&k->slices, &slices, k);
	map_init(&k->secrets);
	map_init(&k->broken);
	hold_init(&k->hold);
}

void sinks_fini(struct k8s *k)
{
	slices_fini(&k->slices);
	map_fini(&k->secrets, free_secrets);
	map_fini(&k->broken, free);
	hold_fini(&k->hold);
}
