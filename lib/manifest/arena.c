/* Block allocator behind the document tree. Pure; run by the watcher and by ingotctl validate. */
#include "lib/manifest/arena.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64 << 10 };

struct arena_block {
	struct arena_block *next;
	size_t size;
	max_align_t data[];
};

void *arena_alloc(struct arena *a, size_t size)
{
	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	struct arena_block *b = a->blocks;
	if (!b || b->size - a->used < size) {
		size_t room = size > BLOCK / 4 ? size : BLOCK;
		b = malloc(sizeof *b + room);
		if (!b)
			return NULL;
		b->size = room;
		b->next = a->blocks;
		a->blocks = b;
		a->used = 0;
	}
	void *p = (char *)b->data + a->used;
	a->used += size;
	return p;
}

void arena_reset(struct arena *a)
{
	for (struct arena_block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		explicit_bzero(b->data, b->size);
		free(b);
	}
	*a = (struct arena){ 0 };
}
