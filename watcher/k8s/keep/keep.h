/* The mirror that survives: what the API server said last, kept where a successor finds it. The journal in a
 * memfd outlives this process (the supervisor holds it), the state file outlives the pod and the power. Both
 * are read as foreign input. Secrets are never kept. Used by the source k8s. */
#ifndef INGOT_WATCHER_K8S_KEEP_H
#define INGOT_WATCHER_K8S_KEEP_H

#include <sys/types.h>

#include "lib/model/kinds.h"
#include "lib/run/daemon.h"

struct keep;

/* state_dir: folder of the state file, "" = none is written or read. identity: what both must match, or they
 * are not ours (server, namespace, role). As root, before the sandbox, it makes the folder belong to uid
 * ((uid_t)-1: to nobody else). A folder that cannot be used is said, and the rest goes on without it. NULL
 * with errno on failure. */
struct keep *keep_new(struct daemon *d, const char *state_dir, const char *identity, uid_t uid);
/* Writes the rest of the state file, when it is behind. */
void keep_free(struct keep *k);

enum keep_origin { KEEP_NOTHING, KEEP_FORMER_LIFE, KEEP_STATE_FILE };
struct keep_found {
	enum keep_origin origin;
	int64_t written_ms; /* Unix time of its last change; 0 when there is nothing */
	size_t objects;	    /* told */
	size_t unusable;    /* of a kind, or with a message, that is not what it says: not told, forgotten */
};
/* An object that was kept. Everything is lent. */
typedef void (*keep_each)(void *ctx, enum kind k, const char *key, const ProtobufCMessage *m);
/* Once, after the sandbox and before everything below: what the former life left, else what the state file
 * holds. Only an image that was whole (keep_synced) is found. */
void keep_load(struct keep *k, keep_each each, void *ctx, struct keep_found *ret);

/* data is the packed message of kind k. Failures are counted and logged. What is equal to what is kept costs
 * no writing. */
void keep_put(struct keep *k, enum kind kind, const char *key, const void *data, size_t len);
void keep_del(struct keep *k, enum kind kind, const char *key);
/* What is kept is everything that there is, from now on: before that nobody takes it for the truth. */
void keep_synced(struct keep *k);

#endif
