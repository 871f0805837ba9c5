/* Who leads: the election by one coordination.k8s.io Lease. Pure; run by the watcher of the role controller.
 * A desk (write.h): it writes the Lease and nothing else.
 *
 * The rules: only who holds an unexpired Lease leads. Whether somebody else's has expired is judged by how
 * long we have seen it unchanged, never by comparing clocks of two machines. The holder believes in itself
 * only for LEASE_TRUST from the moment its last successful renewal was sent, which is less than the others
 * wait. */
#ifndef INGOT_WATCHER_K8S_LEASE_H
#define INGOT_WATCHER_K8S_LEASE_H

#include "watcher/k8s/write.h"

enum {
	LEASE_DURATION_S = 6,
	LEASE_RENEW_US = 2000000,
	LEASE_TRUST_US = 4500000,
	LEASE_RETRY_US = 1000000,
};

struct lease {
	char path[640]; /* of the object; its collection is this without the name */
	char ns[254], name[254], identity[300];
	const char *api_version; /* "coordination.k8s.io/v1" or v1beta1; NULL: not known yet */
	/* The object as it was seen last. */
	bool seen, exists;
	char rv[DECODE_RV], holder[300], acquire_time[64];
	int64_t duration_us, transitions;
	mono_t changed; /* when we first saw it so, or saw it deleted; holder is then still the last one */
	/* Our own part. */
	bool under_way, want_release;
	enum write_method method; /* of the request under way */
	uint64_t id;
	mono_t sent, not_before, leads_until;
	struct backoff backoff;
	char clock[40];
	char trouble[320]; /* why it cannot be written or read; "" = none */
};

/* identity: of this process, unique and at most 255 bytes: the pod's name and something random. */
void lease_init(struct lease *l, const char *ns, const char *name, const char *identity, uint64_t seed);
/* Where Leases live, once discovery has said it. */
void lease_api(struct lease *l, const char *api_version);
/* The object is so (lent); NULL: it does not exist. */
void lease_saw(struct lease *l, const json_t *object, mono_t now);
bool lease_leads(const struct lease *l, mono_t now);
mono_t lease_deadline(const struct lease *l); /* when lease_leads ends without another renewal */
const char *lease_holder(const struct lease *l);
/* Let go, so that another takes over at once: we lead no more, and the next write says so. */
void lease_release(struct lease *l, mono_t now);
bool lease_ends(const struct lease *l); /* after lease_release: it is ours still, or may be */

bool lease_next(void *lease, mono_t now, struct write *ret);
void lease_done(void *lease, uint64_t id, const struct write_outcome *o, mono_t now);
mono_t lease_wake(const void *lease);
/* Desks do not know the time of day; the shell sets it before next: RFC 3339 with microseconds. */
void lease_clock(struct lease *l, const char *micro_time);

#endif
