/* A change to the API server as a value. Desks (pure) say what is to be written and learn what became of it;
 * the shell (pace.c) carries it out, many at once. Private to the source k8s. */
#ifndef INGOT_WATCHER_K8S_WRITE_H
#define INGOT_WATCHER_K8S_WRITE_H

#include <jansson.h>

#include "lib/base/mono.h"
#include "watcher/k8s/decode/decode.h"

enum write_method { WRITE_POST, WRITE_PATCH /* RFC 7386 merge patch */, WRITE_PUT, WRITE_DELETE, WRITE_GET };

struct write {
	uint64_t id; /* chosen by the desk, given back with the outcome */
	enum write_method method;
	char *path;	/* heap; the taker frees (write_fini) */
	char *body;	/* heap, JSON; NULL = none */
	char what[320]; /* for messages: "Service default/web status" */
};
void write_fini(struct write *w);

struct write_outcome {
	int status;		 /* of HTTP; 0 = no answer: it may have happened or not */
	struct api_status error; /* when status is no 2xx */
	const char *failure;	 /* when status is 0: why */
	int64_t retry_after_us;	 /* -1 = none */
	const json_t *object;	 /* of the answer, lent; NULL = none */
};

/* A desk. next: the next write that is due now, false when there is none; the shell calls done exactly once
 * for each, unless it stops. wake: when next may have something again without any news; MONO_NEVER. */
struct desk_ops {
	bool (*next)(void *desk, mono_t now, struct write *ret);
	void (*done)(void *desk, uint64_t id, const struct write_outcome *o, mono_t now);
	mono_t (*wake)(const void *desk);
};

/* Waiting after failures: doubles from first to most, with jitter of a quarter. Pure: seed decides. */
struct backoff {
	uint64_t seed;
	uint32_t first_us, most_us, next_us;
};
void backoff_init(struct backoff *b, int64_t first_us, int64_t most_us, uint64_t seed);
int64_t backoff_next(struct backoff *b); /* how long to wait now */
void backoff_reset(struct backoff *b);

#endif
