/* What is published about an object: Services with their stored addresses, Namespaces that are only used; and
 * what an assignment means for the store. Pure; run by the watcher. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "lib/model/service.h"
#include "watcher/mirror_internal.h"

void service_status_free(struct service_status *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_ips; i++)
		free(s->ips[i]);
	free(s->pool);
	free(s);
}

bool service_status_equal(const struct service_status *a, const struct service_status *b)
{
	if (!a || !b)
		return a == b;
	if (a->n_ips != b->n_ips || strcmp(a->pool ? a->pool : "", b->pool ? b->pool : "") != 0)
		return false;
	for (size_t i = 0; i < a->n_ips; i++)
		if (strcmp(a->ips[i], b->ips[i]) != 0)
			return false;
	return true;
}

int mirror_status_set(struct mirror *m, const char *key, struct service_status *taken)
{
	struct service_status *old = map_get(&m->status, key);
	if (service_status_equal(old, taken)) {
		service_status_free(taken);
		return 0;
	}
	if (!taken) {
		map_del(&m->status, key);
	} else if (map_set(&m->status, key, taken, NULL) < 0) {
		service_status_free(taken);
		return -ENOMEM;
	}
	service_status_free(old);
	struct entry *e = map_get(&m->entries[KIND_SERVICE], key);
	if (e && e->claims)
		mirror_touch(m, e);
	return 0;
}

const struct service_status *mirror_status(const struct mirror *m, const char *key)
{
	return map_get(&m->status, key);
}

void mirror_each_status(const struct mirror *m, void (*fn)(void *ctx, const char *key), void *ctx)
{
	map_each (&m->status, e)
		fn(ctx, e->key);
}

static void *make(const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *m = malloc(d->sizeof_message);
	if (m)
		protobuf_c_message_init(d, m);
	return m;
}

static bool set_text(char **member, const char *text)
{
	char *t = strdup(text);
	if (!t)
		return false;
	if (*member != protobuf_c_empty_string)
		free(*member);
	*member = t;
	return true;
}

/* A manifest has no uid, so one is made: the same on every node and over restarts, another one when the
 * object was deleted and created again. */
static bool set_uid(Ingot__ObjectMeta *meta, const struct entry *e)
{
	static const uint8_t keys[2][16] = { "ingot uid part 1", "ingot uid part 2" };
	char text[OBJECT_KEY + 64], uid[40];
	if (*meta->uid)
		return true;
	str_fmt(text, sizeof text, "%s %s %lld %u", kind_name(e->kind), e->key, (long long)meta->creation_ms,
		e->lives);
	unsigned long long a = siphash24(keys[0], text, strlen(text)),
			   b = siphash24(keys[1], text, strlen(text));
	/* RFC 9562 version 8: made by a rule of our own. */
	str_fmt(uid, sizeof uid, "%08llx-%04llx-8%03llx-%04llx-%012llx", a >> 32, a >> 16 & 0xffff, a & 0xfff,
		(b >> 48 & 0x3fff) | 0x8000, b & 0xffffffffffff);
	return set_text(&meta->uid, uid);
}

static void drop_ingress(Ingot__Service *s)
{
	for (size_t i = 0; i < s->n_ingress; i++)
		ingot__load_balancer_ingress__free_unpacked(s->ingress[i], NULL);
	free(s->ingress);
	s->ingress = NULL;
	s->n_ingress = 0;
}

static bool set_ingress(Ingot__Service *s, const struct service_status *status)
{
	drop_ingress(s);
	if (status->n_ips == 0)
		return true;
	s->ingress = calloc(status->n_ips, sizeof(Ingot__LoadBalancerIngress *));
	for (size_t i = 0; s->ingress && i < status->n_ips; i++) {
		Ingot__LoadBalancerIngress *g = make(&ingot__load_balancer_ingress__descriptor);
		if (!g)
			return false;
		s->ingress[s->n_ingress++] = g;
		if (!set_text(&g->ip, status->ips[i]))
			return false;
	}
	return s->ingress != NULL;
}

static void drop_annotation(Ingot__ObjectMeta *meta, const char *key)
{
	for (size_t i = 0; i < meta->n_annotations; i++) {
		if (strcmp(meta->annotations[i]->key, key) != 0)
			continue;
		ingot__key_value__free_unpacked(meta->annotations[i], NULL);
		memmove(&meta->annotations[i], &meta->annotations[i + 1],
			(meta->n_annotations - i - 1) * sizeof meta->annotations[0]);
		meta->n_annotations--;
		return;
	}
}

static bool set_annotation(Ingot__ObjectMeta *meta, const char *key, const char *value)
{
	drop_annotation(meta, key);
	Ingot__KeyValue *kv = make(&ingot__key_value__descriptor);
	Ingot__KeyValue **v = realloc(meta->annotations, (meta->n_annotations + 1) * sizeof *v);
	if (v)
		meta->annotations = v;
	if (!kv || !v || !set_text(&kv->key, key) || !set_text(&kv->value, value)) {
		ingot__key_value__free_unpacked(kv, NULL);
		return false;
	}
	size_t i = meta->n_annotations++;
	for (; i > 0 && strcmp(v[i - 1]->key, key) > 0; i--)
		v[i] = v[i - 1];
	v[i] = kv;
	return true;
}

/* The store wins over what somebody wrote into the manifest. */
static bool apply_status(Ingot__Service *s, const struct service_status *status)
{
	if (!status)
		return true;
	if (!set_ingress(s, status))
		return false;
	if (status->pool && *status->pool && status->n_ips)
		return set_annotation(s->meta, ANNOTATION_FROM_POOL, status->pool);
	drop_annotation(s->meta, ANNOTATION_FROM_POOL);
	return true;
}

static ProtobufCMessage *view_service(const struct mirror *m, const struct entry *e)
{
	Ingot__Service *s = (Ingot__Service *)mirror_claim_unpack(e->claims);
	if (s && s->meta && set_uid(s->meta, e) && apply_status(s, map_get(&m->status, e->key)))
		return &s->base;
	protobuf_c_message_free_unpacked(s ? &s->base : NULL, NULL);
	return NULL;
}

static ProtobufCMessage *view_namespace(const struct entry *e)
{
	Ingot__Namespace *n = make(&ingot__namespace__descriptor);
	if (!n)
		return NULL;
	n->meta = make(&ingot__object_meta__descriptor);
	Ingot__ObjectMeta *meta = n->meta;
	if (meta && set_text(&meta->name, e->key))
		meta->labels = calloc(1, sizeof(Ingot__KeyValue *));
	if (meta && meta->labels && (meta->labels[0] = make(&ingot__key_value__descriptor))) {
		meta->n_labels = 1;
		if (set_text(&meta->labels[0]->key, "kubernetes.io/metadata.name") &&
		    set_text(&meta->labels[0]->value, e->key))
			return &n->base;
	}
	ingot__namespace__free_unpacked(n, NULL);
	return NULL;
}

/* Secret bytes are not published, but that they changed has to be: a keyed digest of them becomes part of the
 * version. The key is this process's own, so the digest tells nothing about the bytes. */
static bool mark_secrets(const struct mirror *m, const struct entry *e, ProtobufCMessage *view)
{
	const struct manifest_secrets *secrets = &e->claims->secrets;
	const Ingot__ObjectMeta *meta = object_meta(e->kind, view);
	Ingot__ObjectMeta *own = e->kind == KIND_SECRET	    ? ((Ingot__Secret *)view)->meta
				 : e->kind == KIND_BGP_PEER ? ((Ingot__BGPPeer *)view)->meta
							    : NULL;
	uint64_t digest = 0;
	char version[OBJECT_KEY];
	if (secrets->n == 0 || !meta || !own)
		return true;
	for (size_t i = 0; i < secrets->n; i++) {
		const struct manifest_secret *s = &secrets->v[i];
		digest = digest * 31 + siphash24(m->secret_key, s->key, strlen(s->key));
		digest = digest * 31 + siphash24(m->secret_key, s->value, s->len);
	}
	str_fmt(version, sizeof version, "%s.%016llx", meta->resource_version, (unsigned long long)digest);
	char *copy = strdup(version);
	if (!copy)
		return false;
	if (own->resource_version != protobuf_c_empty_string)
		free(own->resource_version);
	own->resource_version = copy;
	return true;
}

ProtobufCMessage *mirror_view(const struct mirror *m, const struct entry *e, bool *oom)
{
	ProtobufCMessage *view;
	if (!e->claims && !(e->kind == KIND_NAMESPACE && e->used_by))
		return NULL;
	if (!e->claims)
		view = view_namespace(e);
	else if (e->kind == KIND_SERVICE)
		view = view_service(m, e);
	else
		view = mirror_claim_unpack(e->claims);
	if (view && e->claims && !mark_secrets(m, e, view)) {
		protobuf_c_message_free_unpacked(view, NULL);
		view = NULL;
	}
	*oom = !view;
	return view;
}

static struct service_status *status_of(const Ingot__Assignment *a)
{
	struct service_status *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	bool good = (s->pool = strdup(a->pool)) != NULL;
	for (size_t i = 0; good && i < a->n_ips && i < STATUS_MAX_IPS; i++) {
		good = (s->ips[i] = strdup(a->ips[i])) != NULL;
		s->n_ips += good;
	}
	if (good)
		return s;
	service_status_free(s);
	return NULL;
}

/* Would the manifest alone give it addresses? Then "none" must be stored to be known. */
static bool has_own_status(const Ingot__Service *s)
{
	return s->n_ingress > 0 || kv_get(s->meta->annotations, s->meta->n_annotations, ANNOTATION_FROM_POOL);
}

static enum status_change judge(const Ingot__Service *s, const struct service_status *now,
				const Ingot__Assignment *a, struct service_status **ret)
{
	if (strcmp(s->meta->uid, a->uid) != 0 || (a->n_ips == 0 && !a->clear))
		return STATUS_KEEP;
	if (a->n_ips == 0 && !has_own_status(s))
		return now ? STATUS_REMOVE : STATUS_KEEP;
	struct service_status *wanted = status_of(a);
	if (!wanted)
		return STATUS_NO_MEMORY;
	if (a->n_ips == 0)
		*wanted->pool = 0;
	if (now && service_status_equal(now, wanted)) {
		service_status_free(wanted);
		return STATUS_KEEP;
	}
	*ret = wanted;
	return STATUS_WRITE;
}

enum status_change mirror_judge(const struct mirror *m, const char *key, const Ingot__Assignment *a,
				struct service_status **ret)
{
	const struct entry *e = map_get(&m->entries[KIND_SERVICE], key);
	if (!e || !e->claims)
		return STATUS_KEEP;
	Ingot__Service *s = (Ingot__Service *)mirror_claim_unpack(e->claims);
	enum status_change change = STATUS_NO_MEMORY;
	if (s && s->meta && set_uid(s->meta, e))
		change = judge(s, map_get(&m->status, key), a, ret);
	protobuf_c_message_free_unpacked(s ? &s->base : NULL, NULL);
	return change;
}
