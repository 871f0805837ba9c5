/* Who owns each L2 address: joins confirmed Services, endpoints, configuration, nodes, live members and their
 * links in the election of lib/model/announce.h. Pure and incremental: events mark Services, owner_run
 * decides some of them, what came out differently is handed to the caller. Every node computes the same from
 * the same input. */
#ifndef INGOT_GOSSIPD_OWNER_H
#define INGOT_GOSSIPD_OWNER_H

#include "gossipd/swim_msg.h"
#include "lib/base/mono.h"
#include "lib/base/hashtab.h"
#include "lib/model/announce.h"
#include "lib/model/objects.h"

/* A live member: alive or suspect, not draining. */
struct owner_member {
	char name[LIMIT_NODE_NAME + 1];
	size_t n_links;
	struct swim_link links[SWIM_MAX_LINKS];
};

/* The verdict about one Service. */
struct owner_service {
	struct hashtab_node node;
	uint8_t *object; /* packed; NULL: it is gone, and about to be forgotten */
	uint32_t object_len;
	enum withdraw_reason reason;
	const char *owner, *successor; /* interned; "" = nobody */
	bool lacks_link;	       /* nobody announces it, and this node would if it had the interface */
	char *why;
	bool all_interfaces, gone, changed, listed;
	uint8_t queued;
	struct name_set interfaces;
	size_t n_addrs;
	addr_t addrs[LIMIT_SERVICE_IPS];
	char key[]; /* namespace/name */
};
/* One address: its Services merged. */
struct owner_entry {
	struct hashtab_node node;
	addr_t addr;
	char key[ADDR_TEXT];
	const char *owner, *successor, *was; /* was: the owner before the last change, NULL = new */
	bool mine, all_interfaces, hold, gone, changed;
	mono_t hold_until;
	struct name_set interfaces;
	size_t n_services, cap_services;
	struct owner_service **services; /* by key */
	const char *why;		 /* of the Service that decided */
	uint64_t term;
};

struct owner;
struct owner_config {
	const char *own_node;
	const char *lb_class;
	bool ignore_exclude;
	int64_t hold; /* make-before-break: the longest wait for a new owner, microseconds */
};
struct owner *owner_new(const struct owner_config *c,
			const struct objects *objects); /* has the Nodes; NULL on out of memory */
void owner_free(struct owner *o);

/* Events. A Service or slice is borrowed for the call, NULL = it is gone; what matters of it is kept, the way
 * it needs least memory. Return 0, or -ENOMEM: then what was known before still is. */
int owner_service_changed(struct owner *o, const char *key, const Ingot__Service *s);
int owner_slice_changed(struct owner *o, const char *key, const Ingot__EndpointSlice *e);
void owner_nodes_changed(struct owner *o);			/* the objects already have the change */
void owner_set_config(struct owner *o, const struct config *c); /* borrowed until the next call */
/* Live members sorted by name; copied. Services whose owner or successor went come first. */
int owner_set_members(struct owner *o, const struct owner_member *v, size_t n);
/* Owner and term of a former life, so that a restart is no change. */
int owner_restore(struct owner *o, const char *address, const char *owner, uint64_t term);

/* Decide up to max marked Services. True when more are waiting. */
bool owner_run(struct owner *o, mono_t now, size_t max);
/* The end of make-before-break waits. */
void owner_expire(struct owner *o, mono_t now);
mono_t owner_next(const struct owner *o);

/* What changed since the last clear. Pointers are good until then. */
struct owner_entry *const *owner_entries_changed(const struct owner *o, size_t *n);
struct owner_service *const *owner_services_changed(const struct owner *o, size_t *n);
void owner_changes_clear(struct owner *o);

/* Looking. */
const struct owner_service *owner_service(const struct owner *o, const char *key);
const struct owner_entry *owner_entry(const struct owner *o, const char *address);
size_t owner_count(const struct owner *o);
void owner_each(const struct owner *o, void (*each)(void *ctx, const struct owner_entry *e), void *ctx);

#endif
