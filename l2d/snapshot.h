/* The responder's table as bytes, kept by the supervisor for the next life of l2d. Read as foreign input.
 * Pure. */
#ifndef INGOT_L2D_SNAPSHOT_H
#define INGOT_L2D_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "l2d/responder.h"

enum { SNAPSHOT_VERSION = 1, SNAPSHOT_MAX = 64 << 20 };

/* Heap memory in *ret, caller frees. -ENOMEM. */
int snapshot_encode(const struct responder *r, uint8_t **ret, size_t *len);
/* Restore what it holds into r, whose links are known already. Number of addresses; -EBADMSG when it is
 * malformed (what came before the fault is restored); -EPROTONOSUPPORT for another version. */
int snapshot_decode(struct responder *r, const void *data, size_t len, mono_t now);

#endif
