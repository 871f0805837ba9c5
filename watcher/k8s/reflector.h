/* List and watch of one resource, as a machine: it is told what the server answered, and says what to ask
 * next and which objects are gone. Pure; run by the watcher. It holds the keys that exist, never the objects.
 *
 * The rules are those of the Kubernetes API ("Efficient detection of changes"): list in pages of one
 * resourceVersion, watch from there with bookmarks, list anew after 410 Gone and compare: what a new list
 * does not have is gone, and nothing else ever is. Servers that stream lists (sendInitialEvents) are asked
 * that way.
 */
#ifndef INGOT_WATCHER_K8S_REFLECTOR_H
#define INGOT_WATCHER_K8S_REFLECTOR_H

#include "lib/base/strbuf.h"
#include "lib/base/hashtab.h"
#include "watcher/k8s/write.h"

enum {
	REFLECTOR_PAGE = 500,
	REFLECTOR_WATCH_S = 290, /* the server ends a watch after about this time; each node at its own */
};

enum reflector_state {
	REFLECTOR_STOPPED,
	REFLECTOR_LIST,	  /* a page is wanted, or under way */
	REFLECTOR_STREAM, /* a watch that begins with the whole list */
	REFLECTOR_WATCH,
};

/* Why there is no progress; for people and for who decides about fall-backs. */
enum reflector_trouble {
	TROUBLE_NONE,
	TROUBLE_UNREACHABLE, /* no answer at all, or 5xx, or not an API server's answer */
	TROUBLE_UNAUTHORIZED,
	TROUBLE_FORBIDDEN,
	TROUBLE_MISSING, /* 404: the resource is not served */
	TROUBLE_REFUSED, /* any other answer */
};

/* A key that exists. There are as many as objects, so no more than this is kept. */
struct reflector_known {
	struct hashtab_node node;
	uint32_t round; /* in which it was seen last */
	char key[];
};

struct reflector {
	const char *path;     /* "/api/v1/services"; borrowed */
	const char *selector; /* "fieldSelector=...&labelSelector=...", encoded; borrowed, may be "" */
	unsigned page;	      /* objects that are asked for at once */
	bool can_stream;      /* the server may be asked for streamed lists */
	bool no_selector;     /* it has refused our field selector */
	enum reflector_state state;
	bool under_way; /* a request is out */
	bool is_watch;	/* ... that is a watch */
	bool complete;	/* a whole list was had once */
	bool current;	/* the list is whole and the watch after it stands, or ended in order */
	char rv[DECODE_RV];
	char list_rv[DECODE_RV];
	char *continue_token;
	uint32_t round;	      /* of the list; entries of older rounds are gone when it ends */
	struct hashtab known; /* of struct reflector_known */
	mono_t not_before;    /* of the next request */
	mono_t began;	      /* the request that is out */
	bool news;	      /* it has brought something */
	bool expired;	      /* so was the last version that was watched, before that watch had lasted */
	struct backoff backoff;
	enum reflector_trouble trouble;
	char why[320];
	uint64_t relists, events;
};

void reflector_init(struct reflector *r, const char *path, const char *selector, bool can_stream,
		    uint64_t seed);
void reflector_fini(struct reflector *r);
/* From the beginning, with everything that is known still believed. */
void reflector_start(struct reflector *r, mono_t now);
void reflector_stop(struct reflector *r);

/* The request that is due now, as path with query; false: none before reflector_wake. After it, the answer
 * must be told: pages or events, then exactly one of ended and failed. */
bool reflector_next(struct reflector *r, mono_t now, struct strbuf *path, bool *is_watch);
mono_t reflector_wake(const struct reflector *r);

/* The server has begun to answer with 2xx: a watch stands. */
void reflector_answered(struct reflector *r);
/* An object is there: in a page or as ADDED, MODIFIED (rv: of the event, "" in pages). -ENOMEM; -ENOSPC over
 * LIMIT_OBJECTS (counted by the caller, not known then). */
int reflector_saw(struct reflector *r, const char *key, const char *rv);
/* From elsewhere: it existed when somebody looked last, so it is gone when a list does not have it. */
void reflector_remember(struct reflector *r, const char *key);
/* DELETED. */
void reflector_deleted(struct reflector *r, const char *key, const char *rv);
/* BOOKMARK; true when the streamed list is whole now: then sweep. */
bool reflector_bookmark(struct reflector *r, const char *rv, bool initial_end);
/* A page has been told object by object. True when it was the last: then sweep. Takes the token. */
bool reflector_page(struct reflector *r, const char *rv, char *continue_token);
/* Calls gone for every key that the list just completed does not have, and forgets it. */
void reflector_sweep(struct reflector *r, void (*gone)(void *ctx, const char *key), void *ctx);

/* The request is over: a page was told, or the watch ended in order. */
void reflector_ended(struct reflector *r, mono_t now);
/* A page was larger than an answer may be: the same with fewer objects, at once. False: it was a single one.
 */
bool reflector_too_large(struct reflector *r, mono_t now);
/* It went wrong: an answer that is no 2xx, an ERROR event, or (status NULL) none; why is a sentence. */
void reflector_failed(struct reflector *r, const struct api_status *status, const char *why,
		      int64_t retry_after_us, mono_t now);

#endif
