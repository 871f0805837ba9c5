/* EndpointSlices joined to the Services that are published. Pure; run by the watcher. */
#include "watcher/k8s/slices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/objects.h"

struct slice_owner {
	bool published;
	struct slice *first;
	char key[];
};
struct slice {
	struct slice_owner *owner;
	struct slice *next, **link; /* of the owner's list */
	const char *key;
	uint8_t *packed;
	size_t len;
};

void slices_init(struct slices *s, const struct slices_sink *sink, void *ctx)
{
	map_init(&s->by_key);
	map_init(&s->by_service);
	s->sink = sink;
	s->ctx = ctx;
}

static void slice_free(void *value)
{
	struct slice *x = value;
	if (!x)
		return;
	free(x->packed);
	free(x);
}

void slices_fini(struct slices *s)
{
	map_fini(&s->by_key, slice_free);
	map_fini(&s->by_service, free);
}

static struct slice_owner *owner_get(struct slices *s, const char *key)
{
	struct slice_owner *o = map_get(&s->by_service, key);
	size_t n = strlen(key) + 1;
	if (o)
		return o;
	o = calloc(1, sizeof *o + n);
	if (!o || map_set(&s->by_service, key, o, NULL) < 0) {
		free(o);
		return NULL;
	}
	memcpy(o->key, key, n);
	return o;
}

/* Nothing needs it any more. */
static void owner_settle(struct slices *s, struct slice_owner *o)
{
	if (o->published || o->first)
		return;
	map_del(&s->by_service, o->key);
	free(o);
}

static void leave(struct slices *s, struct slice *x)
{
	struct slice_owner *o = x->owner;
	if (!o)
		return;
	*x->link = x->next;
	if (x->next)
		x->next->link = x->link;
	x->owner = NULL;
	owner_settle(s, o);
}

static void join(struct slice *x, struct slice_owner *o)
{
	x->owner = o;
	x->next = o->first;
	x->link = &o->first;
	if (x->next)
		x->next->link = &x->next;
	o->first = x;
}

static void show(struct slices *s, const struct slice *x)
{
	Ingot__EndpointSlice *m = ingot__endpoint_slice__unpack(NULL, x->len, x->packed);
	if (m)
		s->sink->publish(s->ctx, x->key, &m->base);
	ingot__endpoint_slice__free_unpacked(m, NULL);
}

static struct slice *slice_get(struct slices *s, const char *key)
{
	struct slice *x = map_get(&s->by_key, key);
	if (x)
		return x;
	x = calloc(1, sizeof *x);
	if (!x || map_set(&s->by_key, key, x, NULL) < 0) {
		free(x);
		return NULL;
	}
	x->key = map_find_n(&s->by_key, key, strlen(key))->key;
	return x;
}

int slices_put(struct slices *s, const char *key, const Ingot__EndpointSlice *m)
{
	char service[OBJECT_KEY];
	object_key(m->meta ? m->meta->namespace_ : "", m->service_name, service);
	struct slice_owner *o = owner_get(s, service);
	struct slice *x = o ? slice_get(s, key) : NULL;
	size_t len = ingot__endpoint_slice__get_packed_size(m);
	uint8_t *packed = x ? malloc(len ? len : 1) : NULL;
	if (!packed) {
		if (x && !x->packed)
			slices_gone(s, key);
		if (o)
			owner_settle(s, o);
		return -ENOMEM;
	}
	ingot__endpoint_slice__pack(m, packed);
	free(x->packed);
	x->packed = packed;
	x->len = len;
	bool moved = x->owner && x->owner != o, was_shown = x->owner && x->owner->published;
	if (moved)
		leave(s, x);
	if (!x->owner)
		join(x, o);
	if (o->published)
		s->sink->publish(s->ctx, x->key, &m->base);
	else if (moved && was_shown)
		s->sink->publish(s->ctx, x->key, NULL);
	return 0;
}

void slices_gone(struct slices *s, const char *key)
{
	struct slice *x = map_get(&s->by_key, key);
	if (!x)
		return;
	if (x->owner && x->owner->published)
		s->sink->publish(s->ctx, key, NULL);
	leave(s, x);
	map_del(&s->by_key, key);
	slice_free(x);
}

int slices_service(struct slices *s, const char *service_key, bool published)
{
	struct slice_owner *o = published ? owner_get(s, service_key) : map_get(&s->by_service, service_key);
	if (!o)
		return published ? -ENOMEM : 0;
	if (o->published == published)
		return 0;
	o->published = published;
	for (struct slice *x = o->first; x; x = x->next) {
		if (published)
			show(s, x);
		else
			s->sink->publish(s->ctx, x->key, NULL);
	}
	owner_settle(s, o);
	return 0;
}
