/* Binary heap of deadlines. Pure; every core keeps its timers in one. The root is slot 1, the children of i
 * are 2i and 2i + 1. */
#include "lib/base/heap.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/must.h"

void heap_init(struct heap *h)
{
	*h = (struct heap){ 0 };
}

void heap_fini(struct heap *h)
{
	if (!h)
		return;
	free(h->v);
	*h = (struct heap){ 0 };
}

static void place(struct heap *h, size_t slot, struct heap_node *n)
{
	h->v[slot] = n;
	n->slot = slot;
}

static void sift_up(struct heap *h, struct heap_node *n)
{
	size_t i = n->slot;
	for (; i > 1 && mono_before(n->at, h->v[i / 2]->at); i /= 2)
		place(h, i, h->v[i / 2]);
	place(h, i, n);
}

static void sift_down(struct heap *h, struct heap_node *n)
{
	size_t i = n->slot;
	while (i <= h->n / 2) {
		size_t child = 2 * i;
		if (child < h->n && mono_before(h->v[child + 1]->at, h->v[child]->at))
			child++;
		if (!mono_before(h->v[child]->at, n->at))
			break;
		place(h, i, h->v[child]);
		i = child;
	}
	place(h, i, n);
}

static void settle(struct heap *h, struct heap_node *n)
{
	sift_up(h, n);
	sift_down(h, n);
}

static int grow(struct heap *h)
{
	size_t cap = h->cap ? h->cap * 2 : 16;
	if (cap > SIZE_MAX / sizeof *h->v)
		return -ENOMEM;
	struct heap_node **v = realloc(h->v, cap * sizeof *v);
	if (!v)
		return -ENOMEM;
	h->v = v;
	h->cap = cap;
	return 0;
}

int heap_set(struct heap *h, struct heap_node *n, mono_t at)
{
	if (n->slot == 0) {
		if (h->n + 1 >= h->cap && grow(h) < 0)
			return -ENOMEM;
		place(h, ++h->n, n);
	}
	must(n->slot <= h->n && h->v[n->slot] == n);
	n->at = at;
	settle(h, n);
	return 0;
}

void heap_remove(struct heap *h, struct heap_node *n)
{
	if (n->slot == 0)
		return;
	must(n->slot <= h->n && h->v[n->slot] == n);
	struct heap_node *last = h->v[h->n--];
	if (last != n) {
		place(h, n->slot, last);
		settle(h, last);
	}
	n->slot = 0;
}

mono_t heap_next(const struct heap *h)
{
	return h->n ? h->v[1]->at : MONO_NEVER;
}

struct heap_node *heap_pop_due(struct heap *h, mono_t now)
{
	if (h->n == 0 || !mono_reached(now, h->v[1]->at))
		return NULL;
	struct heap_node *n = h->v[1];
	heap_remove(h, n);
	return n;
}
