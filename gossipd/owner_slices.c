/* The EndpointSlices as ownership needs them: which nodes can serve, by slice, grouped by Service. There may
 * be tens of thousands, so only that is kept of each. Runs in gossipd. Pure. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "gossipd/owner_internal.h"
#include "lib/model/name_set.h"

static void leave_group(struct owner *o, struct owner_slice *s)
{
	struct owner_group *g = s->group;
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	if (g->first)
		return;
	hashtab_remove(&o->groups, &g->node);
	free(g);
}

static void join_group(struct owner_group *g, struct owner_slice *s)
{
	s->group = g;
	s->next = g->first;
	s->link = &g->first;
	if (s->next)
		s->next->link = &s->next;
	g->first = s;
}

static size_t text_of(const struct name_set *names, const struct name_set *but, char *to)
{
	size_t len = 0;
	for (size_t i = 0; i < names->n; i++) {
		size_t size = strlen(names->v[i]) + 1;
		if (but && name_set_has(but, names->v[i]))
			continue;
		if (to)
			memcpy(to + len, names->v[i], size);
		len += size;
	}
	return len;
}

/* NULL on out of memory. */
static struct owner_slice *slice_new(const char *key, const Ingot__EndpointSlice *e)
{
	struct endpoints x;
	if (endpoints_collect(&e, 1, &x) < 0)
		return NULL;
	const struct name_set *first = &x.serving_address_nodes, *all = &x.serving_nodes;
	size_t size = strlen(key) + 1, len = text_of(first, NULL, NULL);
	struct owner_slice *s = malloc(sizeof *s + size + len + text_of(all, first, NULL));
	if (s) {
		*s = (struct owner_slice){ .any_serving = x.any_serving,
					   .any_serving_address = x.any_serving_address,
					   .n_nodes = (uint32_t)all->n,
					   .n_address_nodes = (uint32_t)first->n };
		memcpy(s->key, key, size);
		text_of(first, NULL, s->key + size);
		text_of(all, first, s->key + size + len);
	}
	endpoints_fini(&x);
	return s;
}

static int slice_gone(struct owner *o, struct owner_slice *s)
{
	int err = owner_mark(o, s->group->service);
	hashtab_remove(&o->slices, &s->node);
	leave_group(o, s);
	free(s);
	return err;
}

int owner_slice_changed(struct owner *o, const char *key, const Ingot__EndpointSlice *e)
{
	char service[OBJECT_KEY];
	struct owner_slice *old = hashtab_get(&o->slices, key);
	if (!e || !e->meta || strlen(e->meta->namespace_) > LIMIT_NAME ||
	    strlen(e->service_name) > LIMIT_NAME)
		return old ? slice_gone(o, old) : 0;
	struct owner_slice *s = slice_new(key, e);
	object_key(e->meta->namespace_, e->service_name, service);
	struct owner_group *g =
	    s ? hashtab_get_or_add(&o->groups, service, offsetof(struct owner_group, service), NULL) : NULL;
	if (!g) {
		free(s);
		return -ENOMEM;
	}
	join_group(g, s);
	if (hashtab_add(&o->slices, &s->node, s->key, strlen(key)) < 0) {
		leave_group(o, s);
		free(s);
		return -ENOMEM;
	}
	int err = owner_mark(o, service), other = old ? slice_gone(o, old) : 0;
	return err ? err : other;
}

/* Appends the first n names of a slice. */
static void append(const char *name, size_t n, const char **v, size_t *at)
{
	for (; n > 0; n--, name += strlen(name) + 1)
		v[(*at)++] = name;
}

int owner_endpoints(const struct owner *o, const char *service, struct endpoints *ret)
{
	const struct owner_group *g = hashtab_get(&o->groups, service);
	struct endpoints e = { 0 };
	size_t total = 0, n = 0, n_address = 0;
	for (const struct owner_slice *s = g ? g->first : NULL; s; s = s->next)
		total += s->n_nodes;
	const char **all = calloc(total + 1, sizeof *all), **with_address = calloc(total + 1, sizeof *all);
	int err = all && with_address ? 0 : -ENOMEM;
	for (const struct owner_slice *s = g && !err ? g->first : NULL; s; s = s->next) {
		e.any_serving |= s->any_serving;
		e.any_serving_address |= s->any_serving_address;
		const char *names = s->key + s->node.key_len + 1;
		append(names, s->n_nodes, all, &n);
		append(names, s->n_address_nodes, with_address, &n_address);
	}
	err = err ? err : name_set_build(all, n, &e.serving_nodes, NULL);
	err = err ? err : name_set_build(with_address, n_address, &e.serving_address_nodes, NULL);
	free(all);
	free(with_address);
	if (err)
		endpoints_fini(&e);
	else
		*ret = e;
	return err;
}

void owner_slices_free(struct owner *o)
{
	hashtab_fini(&o->slices, free);
	hashtab_fini(&o->groups, free);
}
