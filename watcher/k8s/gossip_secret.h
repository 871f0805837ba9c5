/* The desk that creates the Secret with the gossip key, once, when it is not there: MetalLB's name and key,
 * so that either finds the other's. An existing one is never touched. Pure; run by the watcher of the role
 * controller. */
#ifndef INGOT_WATCHER_K8S_GOSSIP_SECRET_H
#define INGOT_WATCHER_K8S_GOSSIP_SECRET_H

#include "watcher/k8s/write.h"

enum { GOSSIP_SECRET_BYTES = 16 };

struct gossip_secret {
	const char *ns, *name; /* borrowed; an empty name: never */
	char key[32];	       /* the text that goes in */
	bool known;	       /* whether it exists is known */
	bool exists, leading, under_way;
	mono_t not_before;
	struct backoff backoff;
	char trouble[320];
};

/* random: becomes the key, as unpadded base64. */
void gossip_secret_init(struct gossip_secret *g, const char *ns, const char *name,
			const uint8_t random[static GOSSIP_SECRET_BYTES]);
void gossip_secret_exists(struct gossip_secret *g, bool exists);
void gossip_secret_lead(struct gossip_secret *g, bool leading);
bool gossip_secret_next(void *desk, mono_t now, struct write *ret);
void gossip_secret_done(void *desk, uint64_t id, const struct write_outcome *o, mono_t now);
mono_t gossip_secret_wake(const void *desk);

#endif
