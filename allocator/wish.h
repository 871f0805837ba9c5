/* What one Service object asks of the allocator, read from its fields and annotations. Pure. */
#ifndef INGOT_ALLOCATOR_WISH_H
#define INGOT_ALLOCATOR_WISH_H

#include "allocator/alloc.h"
#include "lib/base/strbuf.h"

struct wish {
	struct alloc_request r;
	const char *pool; /* requested, NULL = any; borrowed */
	size_t n_ips;	  /* requested addresses, 0 = any */
	addr_t ips[2];
	bool malformed; /* the requested addresses cannot be understood; why is in error */
	struct alloc_error error;
	uint32_t *ports;
	struct strbuf backend;
};
/* key and s are borrowed until wish_fini. -ENOMEM. */
int wish_init(struct wish *w, const char *key, const Ingot__Service *s);
void wish_fini(struct wish *w);

/* The addresses of status.loadBalancer.ingress. */
struct current {
	size_t n; /* of v */
	addr_t v[2];
	bool undeterminable; /* an entry is no address, or more than two, or two of one family */
	bool all_in_pools;   /* at least one address, and configured pools have them all */
};
struct current current_of(const Ingot__Service *s, const struct alloc *a);
enum service_family addresses_family(const addr_t *v,
				     size_t n); /* NONE unless one, or two of different families */
bool same_addresses(const addr_t *a, size_t n_a, const addr_t *b, size_t n_b); /* as sets */

#endif
