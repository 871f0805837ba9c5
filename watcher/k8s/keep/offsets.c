/* Open addressing with linear probing. Pure; run by the watcher. */
#include "watcher/k8s/keep/offsets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/map.h"

enum { FIRST = 64, KIND_BITS = 8 };
_Static_assert(KIND_N <= 1 << KIND_BITS, "a kind fits into a tag");

void offsets_fini(struct offsets *o)
{
	free(o->v);
	*o = (struct offsets){ 0 };
}

uint32_t offsets_tag(enum kind k, const char *key)
{
	return map_hash(key, strlen(key)) << KIND_BITS | (uint32_t)k;
}

enum kind offsets_kind(const struct offset *x)
{
	return (enum kind)(x->tag & ((1u << KIND_BITS) - 1));
}

/* Where a tag would like to stand; cap is a power of two. */
static size_t home(const struct offsets *o, uint32_t tag)
{
	return (tag >> KIND_BITS) & (o->cap - 1);
}

struct offset *offsets_find(const struct offsets *o, uint32_t tag, bool (*is)(void *ctx, uint32_t at),
			    void *ctx)
{
	if (o->n == 0)
		return NULL;
	for (size_t i = home(o, tag); o->v[i].at; i = (i + 1) & (o->cap - 1))
		if (o->v[i].tag == tag && is(ctx, o->v[i].at))
			return &o->v[i];
	return NULL;
}

static void place(struct offsets *o, uint32_t tag, uint32_t at)
{
	size_t i = home(o, tag);
	while (o->v[i].at)
		i = (i + 1) & (o->cap - 1);
	o->v[i] = (struct offset){ tag, at };
}

static int grow(struct offsets *o)
{
	struct offsets bigger = { .n = o->n, .cap = o->cap ? o->cap * 2 : FIRST };
	bigger.v = calloc(bigger.cap, sizeof *bigger.v);
	if (!bigger.v)
		return -ENOMEM;
	for (size_t i = 0; i < o->cap; i++)
		if (o->v[i].at)
			place(&bigger, o->v[i].tag, o->v[i].at);
	free(o->v);
	*o = bigger;
	return 0;
}

int offsets_add(struct offsets *o, uint32_t tag, uint32_t at)
{
	if (o->n >= o->cap / 4 * 3 && grow(o) < 0)
		return -ENOMEM;
	place(o, tag, at);
	o->n++;
	return 0;
}

/* Those behind it move up, so that no gap stands between one of them and its home. */
void offsets_remove(struct offsets *o, struct offset *x)
{
	size_t mask = o->cap - 1, gap = (size_t)(x - o->v);
	for (size_t i = (gap + 1) & mask; o->v[i].at; i = (i + 1) & mask) {
		if (((i - home(o, o->v[i].tag)) & mask) < ((i - gap) & mask))
			continue;
		o->v[gap] = o->v[i];
		gap = i;
	}
	o->v[gap] = (struct offset){ 0 };
	o->n--;
}

static int by_kind_and_place(const void *a, const void *b)
{
	const struct offset *const *x = a, *const *y = b;
	int c = (int)offsets_kind(*x) - (int)offsets_kind(*y);
	return c ? c : ((*x)->at > (*y)->at) - ((*x)->at < (*y)->at);
}

struct offset **offsets_sorted(const struct offsets *o)
{
	struct offset **sorted = calloc(o->n + 1, sizeof(struct offset *));
	size_t n = 0;
	for (size_t i = 0; sorted && i < o->cap; i++)
		if (o->v[i].at)
			sorted[n++] = &o->v[i];
	if (sorted)
		qsort(sorted, n, sizeof(struct offset *), by_kind_and_place);
	return sorted;
}
