/* Which hardware addresses belong to other members of the cluster, from topic members. Pure. */
#ifndef INGOT_L2D_MEMBERS_H
#define INGOT_L2D_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "l2d/arp.h"
#include "lib/base/map.h"

enum { MEMBER_MAX_MACS = 64, MEMBERS_MAX = 5000 };

struct members {
	struct map by_name; /* name -> struct member */
	struct map by_mac;  /* six bytes -> struct member, lent */
	uint64_t refused;   /* members and addresses over the caps */
};

void members_init(struct members *m);
void members_fini(struct members *m);
/* Replace what is known about one member; n = 0 is fine. -ENOSPC (counted) over the cap, -ENOMEM; else 0. */
int members_put(struct members *m, const char *name, const uint8_t (*macs)[MAC_LEN], size_t n);
void members_del(struct members *m, const char *name);
/* Note whether a known member is alive; true when it was taken for dead until now. */
bool members_note_alive(struct members *m, const char *name, bool alive);
/* Name of the member that has this address, or NULL; lent until the next change. */
const char *members_find(const struct members *m, const uint8_t mac[static MAC_LEN]);

#endif
