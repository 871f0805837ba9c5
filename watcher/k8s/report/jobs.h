/* What the desks of this folder share: objects that may have to be written, one request in flight for each,
 * waiting after failures; and a desk as a whole that waits when the server or its permissions are the
 * trouble. Pure. Private to the source k8s. */
#ifndef INGOT_WATCHER_K8S_REPORT_JOBS_H
#define INGOT_WATCHER_K8S_REPORT_JOBS_H

#include "lib/base/heap.h"
#include "lib/base/map.h"
#include "lib/base/strbuf.h"
#include "watcher/k8s/write.h"

/* What an operator must be told: what could not be written and the server's words (a refusal names the verb
 * and the resource). The same words are told once in ten minutes. All lent. NULL = nobody listens. */
struct desk_tell {
	void (*tell)(void *ctx, const char *what, const struct api_status *why);
	void *ctx;
};

/* One object. Embedded in what the desk knows about it. */
struct job {
	struct heap_node due; /* in the heap from jobs_add to jobs_remove, so that moving it never fails */
	mono_t not_before;
	struct backoff backoff;
	uint64_t id; /* of the request in flight; 0 = none */
};

/* For metrics; monotonic. */
struct desk_counts {
	uint64_t writes;   /* requests begun */
	uint64_t written;  /* answered with success */
	uint64_t refused;  /* answered with a refusal that the same request will meet again */
	uint64_t failures; /* everything else: no answer, overload, conflict */
	uint64_t untold;   /* refusals that nobody was told about, because too many differed */
};

enum { JOBS_TOLD = 8 };
struct jobs {
	struct heap heap;
	struct map flying; /* id -> struct job */
	uint64_t last_id;
	/* After a failure that is not about one object the desk waits, then tries with one request at a time
	 * until one is answered otherwise. */
	bool tripped;
	mono_t closed_until;
	struct backoff brake;
	struct desk_tell tell;
	struct {
		uint64_t hash;
		mono_t until;
	} told[JOBS_TOLD];
	struct desk_counts counts;
};

/* What an outcome means for the object. */
enum verdict {
	VERDICT_DONE,
	VERDICT_GONE,	  /* 404: there is no such object */
	VERDICT_CONFLICT, /* 409 */
	VERDICT_REFUSED,  /* will be refused again: permission, validation, no such kind */
	VERDICT_WAIT,	  /* 429: it did not happen */
	VERDICT_MAYBE,	  /* no answer or a server's failure: it may have happened */
};

void jobs_init(struct jobs *js, const struct desk_tell *tell);
void jobs_fini(struct jobs *js); /* the jobs themselves belong to the desk */
/* seed: any number that differs between objects. 0; -ENOMEM. */
int jobs_add(struct jobs *js, struct job *j, uint64_t seed);
void jobs_remove(struct jobs *js, struct job *j); /* not while it is flying */
/* Something about the object changed: look at it as soon as its waiting allows. */
void jobs_touch(struct jobs *js, struct job *j);
/* Look at it at this time, or later when its waiting says so. */
void jobs_look(struct jobs *js, struct job *j, mono_t at);
/* The next object to look at, NULL when none is due; it is not due again until somebody says so. */
struct job *jobs_pop(struct jobs *js, mono_t now);
/* A request about it leaves: fills w->id. -ENOMEM: it does not, and is looked at again in a second. */
int jobs_start(struct jobs *js, struct job *j, mono_t now, struct write *w);
/* A request came back. The object is due again: at once after success, else when its waiting ends. NULL for
 * an id that is not in flight. */
struct job *jobs_done(struct jobs *js, uint64_t id, const struct write_outcome *o, mono_t now,
		      enum verdict *ret);
mono_t jobs_wake(const struct jobs *js);
/* Tell the operator, unless that was said lately. */
void jobs_tell(struct jobs *js, const char *what, const struct api_status *why, mono_t now);
/* A refusal that is about the permissions or the kind, and not about one object. */
bool jobs_is_general(const struct write_outcome *o);

/* Append one segment of a path, or a value of its query, percent-encoded (RFC 3986). */
void path_segment(struct strbuf *b, const char *text);
/* "/apis/GROUP/VERSION/namespaces/NS/PLURAL[/NAME][TAIL]"; name and tail may be NULL. Heap, NULL on OOM. */
char *path_object(const char *api, const char *ns, const char *plural, const char *name, const char *tail);

#endif
