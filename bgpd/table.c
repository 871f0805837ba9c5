/* Open addressing with linear probing; removal closes the gap, so that there are no tombstones. Runs in bgpd;
 * pure. */
#include "bgpd/table.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_CAP = 64 };

struct table_slot *table_find(const struct table *t, uint64_t hash,
			      bool (*match)(uintptr_t value, const void *key), const void *key)
{
	if (t->n == 0)
		return NULL;
	for (size_t i = hash & (t->cap - 1); t->v[i].value; i = (i + 1) & (t->cap - 1))
		if (t->v[i].hash == hash && (!match || match(t->v[i].value, key)))
			return &t->v[i];
	return NULL;
}

static void place(struct table_slot *v, size_t cap, struct table_slot s)
{
	size_t i = s.hash & (cap - 1);
	while (v[i].value)
		i = (i + 1) & (cap - 1);
	v[i] = s;
}

int table_add(struct table *t, uint64_t hash, uintptr_t value)
{
	if ((t->n + 1) * 4 > t->cap * 3) {
		size_t cap = t->cap ? t->cap * 2 : FIRST_CAP;
		struct table_slot *v = calloc(cap, sizeof *v);
		if (!v)
			return -ENOMEM;
		for (size_t i = 0; i < t->cap; i++)
			if (t->v[i].value)
				place(v, cap, t->v[i]);
		free(t->v);
		t->v = v;
		t->cap = cap;
	}
	place(t->v, t->cap, (struct table_slot){ hash, value });
	t->n++;
	return 0;
}

void table_remove(struct table *t, struct table_slot *at)
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
	t->v[hole] = (struct table_slot){ 0 };
	t->n--;
}

void table_fini(struct table *t)
{
	free(t->v);
	*t = (struct table){ 0 };
}
