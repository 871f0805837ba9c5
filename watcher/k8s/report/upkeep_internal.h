/* Private to upkeep*.c. */
#ifndef INGOT_WATCHER_K8S_REPORT_UPKEEP_INTERNAL_H
#define INGOT_WATCHER_K8S_REPORT_UPKEEP_INTERNAL_H

#include "lib/base/hashtab.h"
#include "watcher/k8s/report/upkeep.h"

/* How long the watch may take to show what a request did, before we go by what it shows. */
#define UPKEEP_AWAIT SEC(10)

/* An object as last seen. Hashes instead of contents: ten thousand of these are kept. */
struct seen {
	struct hashtab_node node; /* by name */
	struct slot *slot;	  /* NULL: deleted, the watch has not said so yet */
	struct seen *next;	  /* duplicates in the slot */
	uint64_t version;	  /* resourceVersion; 0: not a number */
	uint64_t status, owners;  /* hashes */
	json_t *kept;		  /* the status, of kinds that settle */
	mono_t
	    own_since; /* known only from our own request, since then; MONO_NEVER: shown by list or watch */
	bool labelled, foreign;
	char name[]; /* NUL-terminated, and behind it the same way: uid, creationTimestamp */
};

enum request { REQUEST_NONE, REQUEST_CREATE, REQUEST_META, REQUEST_STATUS, REQUEST_DELETE };

/* What is wanted and what there is under one key. */
struct slot {
	struct hashtab_node node;
	struct job job;
	const char *wanted; /* a text of struct upkeep; NULL: not wanted */
	uint64_t wanted_hash;
	struct seen *main;   /* the oldest */
	struct seen *others; /* to be deleted */
	mono_t await;	     /* no second creation before, 0 = no creation in doubt */
	struct seen *target; /* of REQUEST_DELETE; NULL when it vanished meanwhile */
	uint64_t sent;	     /* wanted_hash when the request in flight left */
	uint8_t request;     /* enum request: in flight, or being looked at after it came back */
	uint8_t futile;	     /* patches in a row that were accepted and changed nothing */
	bool creating;	     /* a creation of ours is in flight, or in doubt */
	bool lost;	     /* an object went since the request left: its answer may be old */
	bool told;	     /* there was an object since it became wanted */
	bool is_partial;     /* wanted lacks what the key implies */
	char key[];
};

struct upkeep {
	const struct upkeep_kind *kind;
	char *ns, *node, *pod, *pod_uid;
	uint64_t owners; /* hash of the wanted ownerReferences */
	upkeep_created created;
	void *ctx;
	struct jobs jobs;
	struct hashtab slots; /* of struct slot */
	struct hashtab seen;  /* of struct seen */
	struct map texts;     /* wanted status, canonical -> how many slots want it: most are alike */
	bool held, synced, whole;
	uint64_t ignored;
};

/* upkeep.c */
struct upkeep_place upkeep_place(const struct upkeep *u);
void upkeep_slot_free(struct upkeep *u, struct slot *s); /* nothing in it, nothing in flight */
void upkeep_settle(struct upkeep *u,
		   struct slot *s); /* something changed: look at it, or free it when it is empty */
void upkeep_gone(struct upkeep *u,
		 struct seen *s); /* deleted by us; kept so that old news does not revive it */
int upkeep_see_own(struct upkeep *u, const json_t *object,
		   mono_t now); /* from the answer to a request of ours */

const char *upkeep_uid(const struct seen *s);

/* upkeep_json.c. Canonical text of a status (heap, NULL on OOM): sorted, empty lists and nulls left out. */
char *upkeep_canonical(const json_t *value);
uint64_t upkeep_hash(const char *canonical);
/* Canonical text of a status without what the key implies, when all of that is in it (*is_partial). Heap,
 * NULL on OOM. */
char *upkeep_partial(const struct upkeep *u, const char *key, const json_t *status, bool *is_partial);
bool upkeep_is_labelled(const struct upkeep *u, const char *key, const json_t *metadata);
json_t *upkeep_owners(const struct upkeep *u); /* new reference; NULL: unknown, or OOM */
/* Bodies, heap text, NULL on OOM. */
char *upkeep_body_create(const struct upkeep *u, const struct slot *s);
char *upkeep_body_meta(const struct upkeep *u, const struct slot *s);
char *upkeep_body_status(const struct upkeep *u, const struct slot *s);
char *upkeep_body_delete(const char *uid);
/* Whether main's status is what is wanted. */
bool upkeep_status_agrees(const struct upkeep *u, const struct slot *s);

#endif
