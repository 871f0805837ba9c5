/* MetalLB's own Pods: while they run, two would give addresses and answer for them. Pure; run by the watcher.
 *
 * Only Pods in our own namespace and in metallb-system count, where only administrators create Pods: a
 * tenant's label must not be able to stop the cluster's load balancer. */
#ifndef INGOT_WATCHER_K8S_HOLD_H
#define INGOT_WATCHER_K8S_HOLD_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/base/map.h"

struct hold {
	struct map pods; /* key, perhaps with "#" and a word -> struct hold: those that run */
};

void hold_init(struct hold *h);
void hold_fini(struct hold *h);
/* A Pod as the server has it: one that has ended (phase Succeeded or Failed) does not count. True when the
 * answer to hold_now may have changed. */
bool hold_saw(struct hold *h, const char *key, const json_t *pod);
bool hold_gone(struct hold *h, const char *key);
size_t hold_now(const struct hold *h); /* how many run */
/* "metallb-system/speaker-x7k2p and 3 more": for people. */
void hold_text(const struct hold *h, char *buf, size_t size);

#endif
