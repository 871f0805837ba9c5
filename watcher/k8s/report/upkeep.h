/* Upkeep of the objects of one kind that Ingot answers for in its own namespace: each is there, with our
 * labels, our Pod as its owner and the wanted status; duplicates and what is no longer wanted are deleted;
 * edits and deletions by others are mended. Pure. Private to the source k8s.
 *
 * Nothing is written before upkeep_synced, nothing is deleted as unwanted before upkeep_whole, and nothing at
 * all is written when what is seen is what is wanted. */
#ifndef INGOT_WATCHER_K8S_REPORT_UPKEEP_H
#define INGOT_WATCHER_K8S_REPORT_UPKEEP_H

#include "lib/model/objects.h"
#include "watcher/k8s/report/jobs.h"

/* Where the objects lie and whose they are. */
struct upkeep_place {
	const char *ns, *node;
};

struct upkeep_kind {
	const char *kind, *plural; /* of group metallb.io, version v1beta1 */
	const char *generate;	   /* generateName; NULL: the key is the name */
	bool creates, removes;
	/* Which of the objects that Ingot answers for this is. False: none, it is ignored. */
	bool (*key)(const struct upkeep_place *p, const json_t *metadata, char ret[static OBJECT_KEY]);
	/* Labels that the object must carry (others may be there as well); NULL: none. NULL result on OOM. */
	json_t *(*labels)(const struct upkeep_place *p, const char *key);
	/* The status names another thing in a field that cannot change: the object has to go. NULL: never. */
	bool (*foreign)(const struct upkeep_place *p, const char *key, const json_t *status);
	/* Members of the status that follow from the key, so that they need not be kept; NULL: none. NULL
	 * result on OOM. */
	json_t *(*implied)(const struct upkeep_place *p, const char *key);
	/* A list of the status that is absent when it is empty; NULL: none. */
	const char *list;
	/* What to write instead of wanted, given what is there (caller owns the result). With it the seen
	 * statuses are kept, so it is for kinds of few objects. NULL: wanted as it is. */
	json_t *(*settle)(const json_t *wanted, const json_t *seen);
	/* For statuses that change all the time: after one was written the next one waits so long. */
	int64_t pause_us;
};

/* An object was made because it became wanted: not one that was found, and not one that somebody had deleted.
 */
typedef void (*upkeep_created)(void *ctx, const char *key);

struct upkeep;

/* p's texts are copied; kind and tell's context must outlive it. created may be NULL. NULL on OOM. */
struct upkeep *upkeep_new(const struct upkeep_kind *kind, const struct upkeep_place *p,
			  const struct desk_tell *tell, upkeep_created created, void *ctx);
void upkeep_free(struct upkeep *u);

/* Our Pod, the owner of everything made here. Empty texts: unknown, owners are left as they are. -ENOMEM. */
int upkeep_owner(struct upkeep *u, const char *pod, const char *uid);
/* While held nothing is written (not leading). Not held at first. */
void upkeep_hold(struct upkeep *u, bool held);
/* status: lent; NULL: the object is not wanted. -EINVAL: no JSON object; -ENOMEM; -ENOSPC: over
 * LIMIT_OBJECTS. */
int upkeep_want(struct upkeep *u, const char *key, const json_t *status);
void upkeep_whole(struct upkeep *u); /* all that is wanted has been said */

/* From list and watch, in any order; after a new list those that are missing from it are to be unseen.
 * Objects of others are ignored. -EINVAL: not an object with name and uid; -ENOMEM; -ENOSPC. */
int upkeep_see(struct upkeep *u, const json_t *object);
void upkeep_unsee(struct upkeep *u, const char *name);
void upkeep_synced(struct upkeep *u, mono_t now); /* a list is complete */

bool upkeep_has(const struct upkeep *u, const char *key); /* it is wanted */
const struct desk_counts *upkeep_counts(const struct upkeep *u);
uint64_t upkeep_ignored(const struct upkeep *u); /* objects that were over the cap */

extern const struct desk_ops upkeep_desk; /* desk: struct upkeep * */

#endif
