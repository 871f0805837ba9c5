/* Who waits for what. A queue has the Services that the same event would help, oldest first: an address of
 * one family in one pool, in any pool that is chosen automatically, one certain address, or a change in one
 * sharing group. When an address becomes free only the heads of its queues are tried; a head that was served
 * makes way for the next one. Pure. */
#ifndef INGOT_ALLOCATOR_WAIT_H
#define INGOT_ALLOCATOR_WAIT_H

#include "allocator/board.h"

/* A list of queue names. */
struct wait_names {
	struct strbuf text;
	size_t *len; /* of each */
	size_t n, cap;
	bool oom;
};
void wait_names_fini(struct wait_names *w);
void wait_for_pool(struct wait_names *w, const char *pool, const struct alloc_request *r);
void wait_for_second(struct wait_names *w, const char *pool, unsigned fam);
void wait_for_any(struct wait_names *w, const struct alloc_request *r);
void wait_for_ip(struct wait_names *w, addr_t a);
void wait_for_group(struct wait_names *w, const struct alloc_request *r);

/* v waits in exactly these queues; it keeps its place when they are the same as before. In queues that it
 * leaves the next one is tried. Out of memory: it waits in none and a later configuration tries it again. */
void wait_set(struct board *b, struct svc *v, const struct wait_names *w);
void wait_clear(struct board *b, struct svc *v);
/* Alloc's callback: ctx is the board. */
void wait_opened(void *ctx, const struct alloc_opening *o);

#endif
