/* All Services and their addresses: which Service needs a decision, in which order, who waits for what. One
 * Service that changes costs one decision, and one more for a waiting Service when an address became free.
 * Pure. */
#ifndef INGOT_ALLOCATOR_BOARD_H
#define INGOT_ALLOCATOR_BOARD_H

#include "allocator/alloc.h"
#include "lib/base/strbuf.h"
#include "proto/state.pb-c.h"

enum { SERVICE_EVENTS = 8 };

struct note {
	uint64_t id;
	bool warning;
	const char *reason; /* literal */
	char *message;
};
struct wait_queue;
struct wait_link {
	struct wait_queue *queue;
	struct svc *svc;
	struct wait_link *next, *prev;
};
/* What is known about one Service. */
struct svc {
	struct svc *dirty_next, *dirty_prev;
	bool dirty;
	char *uid;	/* of the object that was judged; NULL = none yet */
	bool owned;	/* its status is ours to write: we gave it an address in this life */
	bool confirmed; /* the status has shown what it holds */
	bool say;	/* there is an assignment to publish */
	bool said;	/* one is published */
	bool clear;
	uint64_t seen; /* fingerprint of the status at the last decision */
	enum alloc_reason reason;
	char *message; /* NULL = none */
	struct note notes[SERVICE_EVENTS];
	size_t n_notes;
	uint64_t last_note; /* id of the newest note */
	struct wait_link *waits;
	size_t n_waits;
	uint64_t quarantine; /* fingerprint of the object that is skipped; 0 = none */
	char key[];
};

struct board_sink {
	/* a is lent; NULL = there is nothing to say about this Service any more. */
	void (*assignment)(void *ctx, const char *key, const Ingot__Assignment *a);
	void (*decided)(void *ctx, const char *key, const char *fact, const char *reason);
	/* Around every decision, so that one that ends the process is known to the next life. May be NULL. */
	void (*before)(void *ctx, const char *key, uint64_t fingerprint);
	void (*after)(void *ctx, bool decided); /* false: only adopted */
};
struct board {
	struct alloc alloc;
	struct map services; /* key -> struct svc * */
	struct map queues;   /* wait_queue by name */
	struct svc *dirty_head, *dirty_tail;
	const char *lb_class;
	const struct name_set *broken; /* pools that exist but do not compile; borrowed, may be NULL */
	bool configured, pools_deleted, leading;
	struct board_sink sink;
	void *ctx;
	uint64_t n_decisions, n_out_of_memory;
	size_t n_waiting; /* Services that wait in a queue */
};

/* lb_class is borrowed. */
void board_init(struct board *b, const char *lb_class, const struct board_sink *sink, void *ctx);
void board_fini(struct board *b);

/* A configuration (borrowed until the next call), and the names of pools that exist but are broken.
 * pools_deleted: there were pools in this life, and their deletion was seen: only then may an empty
 * configuration take addresses away. Every Service is decided again. -ENOMEM: everything is as before. */
int board_configure(struct board *b, const struct config *c, const struct name_set *broken,
		    bool pools_deleted, const struct objects *objects, mono_t now);
/* Begin or end to lead. Beginning forgets everything but what the objects' status confirms: first every
 * Service that has an address is given it back (more addresses first, then older, then by key), then all are
 * decided in the same order. Ending takes back what was published. */
int board_lead(struct board *b, bool leading, const struct objects *objects, mono_t now);
/* The object of this key came, changed or went. */
void board_touch(struct board *b, const char *key);
/* Skip this object as long as its fingerprint stays the same. */
void board_quarantine(struct board *b, const char *key, uint64_t fingerprint);
uint64_t service_fingerprint(const Ingot__Service *s);
/* Decide at most max Services; true when there are more. */
bool board_run(struct board *b, const struct objects *objects, mono_t now, size_t max);

/* One sentence about a Service or an address; empty when there is nothing to say. */
void board_explain(const struct board *b, const char *subject, struct strbuf *out);
void board_pool_status(const struct board *b, const struct pool *p, Ingot__PoolStatus *ret);

/* Private to the files of this library. */
struct svc *board_svc(struct board *b, const char *key); /* find or make; NULL when out of memory */
void board_mark(struct board *b, struct svc *v);
void svc_note(struct svc *v, mono_t now, bool warning, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void svc_forget(struct svc *v);
/* Decide for one Service (the object exists): sets everything in v that is published. */
void converge(struct board *b, struct svc *v, const Ingot__Service *s, mono_t now);
/* Give a Service what its status says, when that is possible. */
void converge_adopt(struct board *b, const char *key, const Ingot__Service *s, mono_t now);

#endif
