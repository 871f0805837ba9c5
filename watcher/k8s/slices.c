/* EndpointSlices joined to the Services that are published. Pure; run by the watcher. */
#include "watcher/k8s/slices.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/objects.h"

struct slice_owner {
	struct hashtab_node node;
	struct slice *first;
	bool published;
	char key[];
};
struct slice {
	struct hashtab_node node;
	struct slice_owner *owner;
	struct slice *next, **link; /* of the owner's list */
	uint8_t *packed;	    /* NULL while it is published */
	uint32_t len;
	char key[];
};

void slices_init(struct slices *s, const struct slices_sink *sink, void *ctx)
{
	hashtab_init(&s->by_key);
	hashtab_init(&s->by_service);
	s->sink = sink;
	s->ctx = ctx;
}

static void slice_free(void *object)
{
	struct slice *x = object;
	free(x->packed);
	free(x);
}

void slices_fini(struct slices *s)
{
	hashtab_fini(&s->by_key, slice_free);
	hashtab_fini(&s->by_service, free);
}

static struct slice_owner *owner_get(struct slices *s, const char *key)
{
	return hashtab_get_or_add(&s->by_service, key, offsetof(struct slice_owner, key), NULL);
}

/* Nothing needs it any more. */
static void owner_settle(struct slices *s, struct slice_owner *o)
{
	if (o->published || o->first)
		return;
	hashtab_remove(&s->by_service, &o->node);
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

static void show(struct slices *s, struct slice *x)
{
	Ingot__EndpointSlice *m = x->packed ? ingot__endpoint_slice__unpack(NULL, x->len, x->packed) : NULL;
	if (m)
		s->sink->publish(s->ctx, x->key, &m->base);
	ingot__endpoint_slice__free_unpacked(m, NULL);
	free(x->packed);
	x->packed = NULL;
}

/* Take it back from where it is published. Without memory it is not known until the server shows it again. */
static int hide(struct slices *s, struct slice *x)
{
	size_t len = 0;
	const void *packed = s->sink->published(s->ctx, x->key, &len);
	uint8_t *copy = packed ? malloc(len ? len : 1) : NULL;
	if (copy) {
		memcpy(copy, packed, len);
		x->packed = copy;
		x->len = (uint32_t)len;
	}
	s->sink->publish(s->ctx, x->key, NULL);
	return packed && !copy ? -ENOMEM : 0;
}

static struct slice *slice_get(struct slices *s, const char *key)
{
	return hashtab_get_or_add(&s->by_key, key, offsetof(struct slice, key), NULL);
}

static int pack(const Ingot__EndpointSlice *m, uint8_t **ret, size_t *len)
{
	*len = ingot__endpoint_slice__get_packed_size(m);
	uint8_t *packed = *len <= UINT32_MAX ? malloc(*len ? *len : 1) : NULL;
	if (!packed)
		return -ENOMEM;
	ingot__endpoint_slice__pack(m, packed);
	*ret = packed;
	return 0;
}

int slices_put(struct slices *s, const char *key, const Ingot__EndpointSlice *m)
{
	char service[OBJECT_KEY];
	uint8_t *packed = NULL;
	size_t len = 0;
	object_key(m->meta ? m->meta->namespace_ : "", m->service_name, service);
	struct slice_owner *o = owner_get(s, service);
	struct slice *x = o ? slice_get(s, key) : NULL;
	if (!x || (!o->published && pack(m, &packed, &len) < 0)) {
		if (x && !x->owner)
			slices_gone(s, key);
		if (o)
			owner_settle(s, o);
		return -ENOMEM;
	}
	free(x->packed);
	x->packed = packed;
	x->len = (uint32_t)len;
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
	struct slice *x = hashtab_get(&s->by_key, key);
	if (!x)
		return;
	if (x->owner && x->owner->published)
		s->sink->publish(s->ctx, key, NULL);
	leave(s, x);
	hashtab_remove(&s->by_key, &x->node);
	slice_free(x);
}

int slices_service(struct slices *s, const char *service_key, bool published)
{
	struct slice_owner *o =
	    published ? owner_get(s, service_key) : hashtab_get(&s->by_service, service_key);
	int rc = 0;
	if (!o)
		return published ? -ENOMEM : 0;
	if (o->published == published)
		return 0;
	o->published = published;
	for (struct slice *x = o->first; x; x = x->next) {
		if (published)
			show(s, x);
		else if (hide(s, x) < 0)
			rc = -ENOMEM;
	}
	owner_settle(s, o);
	return rc;
}
