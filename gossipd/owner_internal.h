/* What the two files of the ownership core share; nobody else includes it. */
#ifndef INGOT_GOSSIPD_OWNER_INTERNAL_H
#define INGOT_GOSSIPD_OWNER_INTERNAL_H

#include "gossipd/owner.h"
#include "lib/base/map.h"

struct owner_queue {
	struct owner_service **v;
	size_t at, n, cap;
};
struct owner_list {
	void **v;
	size_t n, cap;
};
struct owner {
	char own[LIMIT_NODE_NAME + 1];
	char *lb_class;
	bool ignore_exclude;
	int64_t hold;
	const struct objects *objects;
	const struct config *config;
	struct hashtab services; /* struct owner_service, by key */
	struct hashtab entries;	 /* struct owner_entry, by address */
	struct hashtab groups;	 /* struct owner_group, by key of the Service */
	struct hashtab slices;	 /* struct owner_slice, by key */
	struct map names;	 /* interned */
	struct map restored;	 /* address -> struct owner_restored */
	struct owner_member *members;
	struct l2_node *live; /* one per member, in order */
	size_t n_members;
	struct owner_queue urgent, usual;
	struct owner_list entries_changed, services_changed, holding;
};
/* What matters of an EndpointSlice: where its endpoints can serve. */
struct owner_slice {
	struct hashtab_node node;
	struct owner_group *group;
	struct owner_slice *next, **link; /* of the group */
	bool any_serving, any_serving_address;
	uint32_t n_nodes, n_address_nodes; /* those with an address come first */
	char key[];			   /* NUL-terminated; then the names, each with its NUL */
};
/* The slices of one Service; it lives as long as it has one. */
struct owner_group {
	struct hashtab_node node;
	struct owner_slice *first;
	char service[];
};
struct owner_restored {
	const char *owner;
	uint64_t term;
};

int owner_push(struct owner_list *l, void *p);
const char *owner_intern(struct owner *o, const char *name); /* NULL on out of memory */
/* owner_slices.c: the endpoints of a Service, pooled; free with endpoints_fini. */
int owner_endpoints(const struct owner *o, const char *service, struct endpoints *ret);
void owner_slices_free(struct owner *o);
/* Its endpoints changed. */
int owner_mark(struct owner *o, const char *service);
/* Decide one Service and its addresses. -ENOMEM leaves the old verdict in force. */
int owner_decide(struct owner *o, mono_t now, struct owner_service *s);

#endif
