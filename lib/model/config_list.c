/* The objects of one kind that the configuration compiler looks at, in its order. Pure. */
#include <stdlib.h>
#include <string.h>

#include "lib/model/compile.h"

void object_list_fini(struct object_list *l)
{
	free(l->v);
	*l = (struct object_list){ 0 };
}

static int cmp_names(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;
	int c = strcmp(x->meta->name, y->meta->name);
	return c ? c : strcmp(x->meta->uid, y->meta->uid);
}

static int cmp_age(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;
	if (x->meta->creation_ms != y->meta->creation_ms)
		return x->meta->creation_ms < y->meta->creation_ms ? -1 : 1;
	return cmp_names(a, b);
}

static const char *nameless(enum kind k)
{
	switch (k) {
	case KIND_POOL: return "missing pool name";
	case KIND_BFD_PROFILE: return "missing bfd profile name";
	default: return "missing name";
	}
}

static const char *repeated(enum kind k)
{
	switch (k) {
	case KIND_POOL: return "duplicate definition of pool";
	case KIND_BGP_PEER: return "peer already exists";
	case KIND_BFD_PROFILE: return "found duplicate bfd profile name";
	case KIND_BGP_ADVERTISEMENT: return "duplicate definition of bgpadvertisements";
	case KIND_L2_ADVERTISEMENT: return "duplicate definition of l2advertisements";
	default: return "duplicate definition";
	}
}

/* Names are unique in a store that is keyed by them; a publisher that breaks this is not believed. */
static void drop_unusable(struct compiler *cc, enum kind k, struct object_list *l)
{
	size_t n = 0;
	qsort(l->v, l->n, sizeof *l->v, cmp_names);
	for (size_t i = 0; i < l->n; i++) {
		struct subject s = { cc, k, l->v[i].meta };
		if (!*s.meta->name)
			compile_error(&s, "metadata.name", "%s", nameless(k));
		else if (n > 0 && strcmp(l->v[n - 1].meta->name, s.meta->name) == 0)
			compile_error(&s, "metadata.name", "%s \"%s\"", repeated(k), s.meta->name);
		else
			l->v[n++] = l->v[i];
	}
	l->n = n;
}

struct object_list compile_list(struct compiler *cc, enum kind k)
{
	const struct map *m = &cc->objects->by_kind[k];
	struct object_list l = { .v = compile_array(cc, map_len(m), sizeof *l.v) };
	if (!l.v)
		return l;
	map_each (m, e) {
		const Ingot__ObjectMeta *meta = object_meta(k, e->value);
		if (meta && strcmp(meta->namespace_, cc->ns) == 0)
			l.v[l.n++] = (struct listed){ e->value, meta };
	}
	drop_unusable(cc, k, &l);
	qsort(l.v, l.n, sizeof *l.v, cmp_age);
	return l;
}
