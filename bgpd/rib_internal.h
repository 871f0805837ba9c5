/* Inside of the route table; only rib*.c include it. */
#ifndef INGOT_BGPD_RIB_INTERNAL_H
#define INGOT_BGPD_RIB_INTERNAL_H

#include "bgpd/rib.h"

#define NIL UINT32_MAX /* no index */

enum {
	ATTRS_NONE = 0,	   /* not wanted, not sent */
	ATTRS_UNKNOWN = 1, /* sent, with attributes that nobody remembers */
	ATTRS_FIRST = 2,
};

/* One set of attributes, shared by everything that uses it. */
struct attrs {
	uint32_t refs, n;
	uint32_t local_pref;
	uint32_t next_free;
	struct map_entry *key;
	community_t *v;
};
struct attrs_table {
	struct map by_value; /* bytes -> id */
	struct attrs *v;
	uint32_t n, cap, free;
};

/* A list of peer names as an advertisement has it, shared. */
struct audience {
	uint32_t refs;
	uint32_t next_free;
	char *text; /* names joined by newlines; "" = all */
	uint64_t mask[RIB_MAX_PEERS / 64];
};
struct audience_table {
	struct map by_text;
	struct audience *v;
	uint32_t n, cap, free;
};

/* Equal routes of any number of Services for one prefix. */
struct offer {
	uint32_t entry, attrs, audience, refs;
	uint32_t next; /* of the same entry, or in the free list */
};

/* A prefix, beside its slot. */
struct entry {
	uint32_t chain; /* same bucket, or next free */
	uint32_t offers;
	uint32_t refs; /* offers, and peers to whom it may have been sent */
};

struct peer_rib {
	bool used, drain;
	unsigned families; /* 0 = no session */
	char *name;
	uint64_t *bits;		 /* retained */
	uint32_t *wanted, *sent; /* by entry; r->cap of them */
	uint64_t *queued;	 /* by entry, bits */
	uint32_t *queue;
	size_t n_queue, queue_cap, queue_at;
	bool sorted;
	size_t n_wanted, n_sent;
	size_t packed; /* of queue, from queue_at on: in the message that rib_next made last */
};

struct rib {
	struct rib_slots *slots;
	uint8_t seed[16];
	struct entry *entries;
	uint32_t n, cap, free, used; /* n: high-water mark, cap: of the arrays by entry */
	uint32_t *buckets, n_buckets;
	struct offer *offers;
	uint32_t n_offers, offers_cap, free_offer;
	struct attrs_table attrs;
	struct audience_table audiences;
	struct peer_rib peers[RIB_MAX_PEERS];
	unsigned n_peers; /* high-water mark */
	uint64_t dropped;
};

/* rib_attrs.c. Ids come with one reference; 0 on out of memory (attributes) or NIL (audiences). */
uint32_t attrs_intern(struct attrs_table *t, uint32_t local_pref, const community_t *v, size_t n);
void attrs_ref(struct attrs_table *t, uint32_t id);
void attrs_unref(struct attrs_table *t, uint32_t id);
/* Communities united, higher localPref; with one reference. */
uint32_t attrs_merge(struct attrs_table *t, uint32_t a, uint32_t b, uint64_t *dropped);
void attrs_table_fini(struct attrs_table *t);
uint32_t audience_intern(struct rib *r, const struct name_set *names);
void audience_unref(struct audience_table *t, uint32_t id);
bool audience_has(const struct audience *a, unsigned peer);
void audience_peer(struct rib *r, unsigned peer); /* a peer got or lost its name */
void audience_table_fini(struct audience_table *t);

/* rib_entry.c */
uint32_t entry_find(const struct rib *r, prefix_t p); /* NIL */
uint32_t entry_get(struct rib *r, prefix_t p);	      /* found or made; NIL when full */
void entry_unref(struct rib *r, uint32_t e);
prefix_t entry_prefix(const struct rib *r, uint32_t e);
bool entries_load(struct rib *r);

/* rib.c */
uint32_t rib_judge(struct rib *r, unsigned peer, uint32_t e); /* what the peer should get; with a reference */

/* rib_out.c */
void rib_want(struct rib *r, unsigned peer, uint32_t e, uint32_t attrs); /* takes the reference */
bool peer_reserve(struct peer_rib *p, uint32_t old_cap, uint32_t cap);
unsigned entry_family(const struct rib *r, uint32_t e);

#endif
