/* Where the last record of each object stands in a log, in eight bytes for each: the keys are in the log, and
 * whoever looks one up says whether the record at an offset is about it. Pure. Private to keep. */
#ifndef INGOT_WATCHER_K8S_OFFSETS_H
#define INGOT_WATCHER_K8S_OFFSETS_H

#include <stdbool.h>

#include "lib/model/kinds.h"

struct offset {
	uint32_t tag; /* hash of the key, with the kind in the lowest byte */
	uint32_t at;  /* 0: this place is free */
};
struct offsets {
	struct offset *v;
	size_t n, cap;
};

void offsets_fini(struct offsets *o); /* empty again; all zero is empty too */
uint32_t offsets_tag(enum kind k, const char *key);
enum kind offsets_kind(const struct offset *x);
/* The one with this tag for which is() says so; NULL: there is none. Lent until the next change. */
struct offset *offsets_find(const struct offsets *o, uint32_t tag, bool (*is)(void *ctx, uint32_t at),
			    void *ctx);
/* There is none for this object yet. -ENOMEM. */
int offsets_add(struct offsets *o, uint32_t tag, uint32_t at);
void offsets_remove(struct offsets *o, struct offset *x);
/* Pointers to all of them, kinds in their order, in each by offset; heap, o->n of them. NULL: out of memory.
 */
struct offset **offsets_sorted(const struct offsets *o);

#endif
