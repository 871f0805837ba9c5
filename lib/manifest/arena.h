/* Memory that is freed all at once, and wiped, because manifests may hold passwords. Pure. */
#ifndef INGOT_MANIFEST_ARENA_H
#define INGOT_MANIFEST_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
	struct arena_block *blocks;
	size_t used;
};

void *arena_alloc(struct arena *a, size_t size); /* aligned for any type; NULL on out of memory */
void arena_reset(struct arena *a);		 /* wipe and free everything */

#endif
