/* Open addressing with linear probing; removal closes the gap, so that there are no tombstones. Pure. */
#include "lib/base/numtab.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_CAP = 64 };

struct numtab_slot *numtab_find(const struct numtab *t, uint64_t hash,
				bool (*match)(uintptr_t value, const void *key), const void *key)
{
	if (t->n == 0)
		return NULL;
	for (size_t i = hash & (t->cap - 1); t->v[i].value; i = (i + 1) & (t->cap - 1))
		if (t->v[i].hash == hash && (!match || match(t->v[i].value, key)))
			return &t->v[i];
	return NULL;
}

static void place(struct numtab_slot *v, size_t cap, struct numtab_slot s)
{
	size_t i = s.hash & (cap - 1);
	while (v[i].value)
		i = (i + 1) & (cap - 1);
	v[i] = s;
}

int numtab_add(struct numtab *t, uint64_t hash, uintptr_t value)
{
	if ((t->n + 1) * 4 > t->cap * 3) {
		size_t cap = t->cap ? t->cap * 2 : FIRST_CAP;
		struct numtab_slot *v = calloc(cap, sizeof *v);
		if (!v)
			return -ENOMEM;
		for (size_t i = 0; i < t->cap; i++)
			if (t->v[i].value)
				place(v, cap, t->v[i]);
		free(t->v);
		t->v = v;
		t->cap = cap;
	}
	place(t->v, t->cap, (struct numtab_slot){ hash, value });
	t->n++;
	return 0;
}

void numtab_remove(struct numtab *t, struct numtab_slot *at)
{
	size_t mask = t->cap - 1, hole = (size_t)(at - t->v);
	for (size_t i = (hole + 1) & mask; t->v[i].value; i = (i + 1) & mask) {
		/* It may move into the hole when that lies on its way from its home to here. */
		size_t home = t->v[i].hash & mask;
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			t->v[hole] = t->v[i];
			hole = i;
		}
	}
	t->v[hole] = (struct numtab_slot){ 0 };
	t->n--;
}

void numtab_fini(struct numtab *t)
{
	free(t->v);
	*t = (struct numtab){ 0 };
}
