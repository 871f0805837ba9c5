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
	struct map services; /* key -> struct owner_service */
	struct map entries;  /* address -> struct owner_entry */
	struct map slices;   /* Service key -> struct owner_list of slice keys */
	struct map slice_of; /* slice key -> Service key (heap) */
	struct map names;    /* interned */
	struct map restored; /* address -> struct owner_restored */
	struct owner_member *members;
	struct l2_node *live; /* one per member, in order */
	size_t n_members;
	struct owner_queue urgent, usual;
	struct owner_list entries_changed, services_changed, holding;
};
struct owner_restored {
	const char *owner;
	uint64_t term;
};

int owner_push(struct owner_list *l, void *p);
const char *owner_intern(struct owner *o, const char *name); /* NULL on out of memory */
/* Decide one Service and its addresses. -ENOMEM leaves the old verdict in force. */
int owner_decide(struct owner *o, mono_t now, struct owner_service *s);

#endif
