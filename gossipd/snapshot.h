/* What a gossipd leaves to its next life, as bytes: membership in one file, ownership in another, so that a
 * suspicion does not rewrite ten thousand owners. Pure; reading treats the bytes as foreign. */
#ifndef INGOT_GOSSIPD_SNAPSHOT_H
#define INGOT_GOSSIPD_SNAPSHOT_H

#include "gossipd/owner.h"
#include "gossipd/swim.h"

enum { SNAPSHOT_MAX = 32 << 20 };

struct snapshot_head {
	uint64_t session, counter; /* of seal.h; counter: none at or above it was used */
	bool in_force;		   /* ownership was published */
	struct swim_node self;
};
/* Heap bytes of *len, caller frees; NULL on out of memory. */
uint8_t *snapshot_members(const struct snapshot_head *h, const struct swim *s, size_t *len);
uint8_t *snapshot_owners(const struct owner *o, size_t *len);

/* Read the head, then each member into s (which may be NULL). 0 or -EBADMSG; members before the fault stay.
 */
int snapshot_read_head(const void *data, size_t len, struct snapshot_head *ret);
int snapshot_read_members(const void *data, size_t len, mono_t now, struct swim *s);
int snapshot_read_owners(const void *data, size_t len, struct owner *o);

#endif
