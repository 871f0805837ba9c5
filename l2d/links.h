/* The table of network interfaces, as rtnetlink tells it, and which of them may announce. Pure: messages come
 * in decoded (l2d/netlink.h), changes are collected until somebody asks for them. */
#ifndef INGOT_L2D_LINKS_H
#define INGOT_L2D_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "l2d/arp.h"
#include "l2d/exclude.h"
#include "lib/base/addr.h"
#include "lib/base/map.h"
#include "lib/base/mono.h"

enum { LINK_NAME = 16, LINK_MAX_ADDRS = 64, LINK_MAX_ROUTERS = 8 };
enum { LINKS_MAX = 4096 };

/* RTM_NEWLINK */
struct link_msg {
	uint32_t index, flags, master;
	uint16_t type; /* ARPHRD_... */
	char name[LINK_NAME];
	uint8_t mac[MAC_LEN];
	bool has_mac; /* of six bytes */
};
/* RTM_NEWADDR, RTM_DELADDR */
struct addr_msg {
	uint32_t index;
	addr_t addr;
	uint8_t prefix_len;
	uint32_t flags; /* IFA_F_... */
};

struct link_addr {
	addr_t addr;
	uint8_t prefix_len;
	bool tentative; /* duplicate detection is running, or found a duplicate */
	uint32_t seen;	/* generation of the dump that named it */
};
struct link_router {
	addr_t addr;
	mono_t until;
};
struct link {
	uint32_t index;
	char name[LINK_NAME];
	uint8_t mac[MAC_LEN];
	bool up;       /* administratively up and carrier */
	bool arp, ndp; /* usable for that */
	bool excluded, enslaved;
	addr_t link_local; /* FAMILY_NONE when there is none that may be used */
	size_t n_addrs, n_routers;
	struct link_addr *addrs; /* at most LINK_MAX_ADDRS */
	struct link_router routers[LINK_MAX_ROUTERS];
	char published[LINK_NAME]; /* the shell's: key in topic links */
	/* private */
	struct link_msg told;
	bool changed, listed;
	uint32_t seen;
	struct link *next_changed;
};
struct links {
	struct map by_index; /* uint32_t -> struct link */
	struct link *changed;
	const struct exclude *exclude; /* borrowed */
	uint32_t generation;
	uint64_t refused;  /* interfaces and addresses over the caps */
	bool can_announce; /* false: no packet socket, so no interface is usable */
};

void links_init(struct links *l, bool can_announce);
void links_fini(struct links *l);
/* -ENOMEM; -ENOSPC (counted) when the table is full; else 0. */
int links_new(struct links *l, const struct link_msg *m);
void links_del(struct links *l, uint32_t index);
void links_new_addr(struct links *l, const struct addr_msg *m);
void links_del_addr(struct links *l, const struct addr_msg *m);
void links_set_exclude(struct links *l, const struct exclude *e);
/* A router advertised itself on this link; lifetime in seconds, at least a minute is kept. */
void links_router(struct links *l, uint32_t index, addr_t router, uint16_t lifetime_s, mono_t now);

/* Around a dump of interfaces and addresses: what it did not name is gone at its end. Addresses are removed
 * by links_dump_end; interfaces are given one by one by links_unseen for the caller to remove with links_del.
 */
void links_dump_begin(struct links *l);
void links_dump_end(struct links *l);
const struct link *links_unseen(const struct links *l);

struct link *links_get(const struct links *l, uint32_t index);
/* Take one link whose outward state changed; NULL when there is none left. */
struct link *links_take_changed(struct links *l);

#endif
