/* Sharing of one address by several Services: groups of Services that may share (same sharing key, same
 * backend key), which addresses each group holds, and which ports are in use there. Answers "the first
 * address of this group where these ports are free" without walking over the addresses. Pure. */
#ifndef INGOT_ALLOCATOR_SHARE_H
#define INGOT_ALLOCATOR_SHARE_H

#include "allocator/space.h"

struct share_group {
	char *name; /* sharing key, NUL, backend key */
	size_t name_len;
	struct otree ips[FAM_N];
	struct map ports; /* port (uint32_t) -> struct share_port * */
};
struct shares {
	struct map groups;
};
/* A port is protocol << 16 | number. */
struct port_list {
	const uint32_t *v; /* sorted, unique */
	size_t n;
};
bool port_list_has(struct port_list l, uint32_t port);

void shares_init(struct shares *s);
void shares_fini(struct shares *s);
/* NULL when sharing is empty or no such group has an address. */
struct share_group *share_find(const struct shares *s, const char *sharing, const char *backend);
/* Find or make; NULL when out of memory. */
struct share_group *share_get(struct shares *s, const char *sharing, const char *backend);
const char *share_backend(const struct share_group *g);
/* An address joins the group with its first Service, and leaves it with its last one. -ENOMEM. */
int share_add_ip(struct share_group *g, uint32_t span, addr_t a);
void share_remove_ip(struct share_group *g, uint32_t span, addr_t a);
/* One Service's ports on an address of the group; on -ENOMEM none is added. */
int share_add_ports(struct share_group *g, uint32_t span, addr_t a, struct port_list ports);
void share_remove_ports(struct share_group *g, uint32_t span, addr_t a, struct port_list ports);
bool share_port_used(const struct share_group *g, uint32_t span, addr_t a, uint32_t port);
/* Free the group when it has no address left. */
void share_drop(struct shares *s, struct share_group *g);
/* The first address of the group between two places (inclusive) where none of the ports is in use. */
bool share_first(const struct share_group *g, unsigned fam, struct okey from, struct okey to,
		 struct port_list ports, uint32_t *ret_span, addr_t *ret);

#endif
