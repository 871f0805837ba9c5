/* Who holds which address: assigns wanted addresses, chooses from a pool or from all pools, releases, shares,
 * counts. It knows nothing of Service objects; converge.h does. Deterministic: the same calls give the same
 * addresses. Pure. */
#ifndef INGOT_ALLOCATOR_ALLOC_H
#define INGOT_ALLOCATOR_ALLOC_H

#include "allocator/share.h"
#include "lib/model/service.h"

/*  constant, machine word, what it means */
#define ALLOC_REASONS(X)                                                                                     \
	X(OK, "", "it has an address")                                                                       \
	X(NO_POOL, "noPool", "no pool is configured, or none may be chosen automatically")                   \
	X(UNKNOWN_POOL, "unknownPool", "the requested pool does not exist")                                  \
	X(POOL_FULL, "poolFull", "no free address is left")                                                  \
	X(WRONG_FAMILY, "wrongFamily", "no address of the wanted IP family can be had")                      \
	X(POOL_EXCLUDED, "poolExcludedBySelector",                                                           \
	  "the pool's serviceAllocation does not admit the Service")                                         \
	X(NOT_IN_POOL, "requestedAddressNotInPool", "no pool contains the requested addresses")              \
	X(POOL_MISMATCH, "requestedAddressNotInRequestedPool",                                               \
	  "address and pool that were asked for do not match")                                               \
	X(ADDRESS_IN_USE, "addressInUse", "another Service holds the address and does not share it")         \
	X(SHARING_KEY, "sharingKeyConflict",                                                                 \
	  "the Services on the address have another sharing key or backend")                                 \
	X(PORT_IN_USE, "portInUse", "another Service on the shared address uses the port")                   \
	X(BAD_REQUEST, "invalidRequest", "the requested addresses cannot be understood")                     \
	X(NO_CLUSTER_IP, "noClusterIP", "the Service has no cluster IP yet")                                 \
	X(NOT_ENOUGH_CLUSTER_IPS, "notEnoughClusterIPs", "RequireDualStack without two cluster IPs")         \
	X(FOREIGN_STATUS, "foreignStatus", "the status was written by somebody else and is left alone")      \
	X(POOL_INVALID, "poolInvalid", "the pool of its address is configured wrongly; the address is kept") \
	X(QUARANTINED, "quarantined",                                                                        \
	  "handling it ended the allocator twice; it is skipped until it changes")                           \
	X(NO_MEMORY, "outOfMemory", "out of memory")
enum alloc_reason {
#define X(constant, word, meaning) ALLOC_##constant,
	ALLOC_REASONS(X)
#undef X
	    ALLOC_REASON_N
};
const char *alloc_reason_word(enum alloc_reason r);
const char *alloc_reason_meaning(enum alloc_reason r);

enum ip_policy { POLICY_SINGLE, POLICY_PREFER_DUAL, POLICY_REQUIRE_DUAL };

/* What a Service asks for; everything is borrowed for the call. */
struct alloc_request {
	const char *key, *ns;
	Ingot__KeyValue *const *labels;
	size_t n_labels;
	struct port_list ports;
	const char *sharing; /* "" = does not share */
	const char *backend;
	enum service_family family;
	enum ip_policy policy;
	bool prefer_v6; /* which family PreferDualStack falls back to */
};

struct alloc_ip;
struct holder;
struct seat {
	struct holder *holder;
	struct alloc_ip *ip;
	struct seat *next, *prev; /* on the same address, oldest first */
};
/* A Service that has one or two addresses, all of one pool. */
struct holder {
	size_t n;
	struct seat seat[2];
	struct share_group *group; /* NULL = does not share */
	uint32_t *ports;
	size_t n_ports;
	char key[];
};
/* An address in use. */
struct alloc_ip {
	addr_t addr;
	uint32_t span;
	struct seat *head, *tail;
	struct share_group *group; /* of all its Services */
};

/* Something became possible for others: an address lost a Service (freed: its last one), or joined a sharing
 * group. */
struct alloc_opening {
	const struct pool *pool;
	unsigned fam;
	addr_t addr;
	bool freed;
	const struct share_group *group; /* NULL = none */
};

struct alloc {
	struct space space;
	struct map holders, ips;
	struct shares shares;
	uint32_t *pinned; /* pools with serviceAllocation and autoAssign, best priority first, then by name */
	uint32_t *unpinned;
	size_t n_pinned, n_unpinned;
	void (*opened)(void *ctx, const struct alloc_opening *o); /* may be NULL */
	void *ctx;
};

/* Why something failed. text is a sentence that names pool, address and the other Service. */
enum { ALLOC_TEXT = 512 };
struct alloc_error {
	enum alloc_reason reason;
	char text[ALLOC_TEXT];
};

void alloc_init(struct alloc *a);
void alloc_fini(struct alloc *a);
/* Use another configuration (borrowed until the next call). Holders whose addresses do not all lie in one
 * pool any more lose them. On -ENOMEM everything is as before. */
int alloc_configure(struct alloc *a, const struct config *c, mono_t now);

const struct holder *alloc_holder(const struct alloc *a, const char *key); /* NULL when it has nothing */
const struct pool *alloc_pool_of(const struct alloc *a, const struct holder *h);
const struct alloc_ip *alloc_user(const struct alloc *a, addr_t ip); /* NULL when not in use */

/* The functions below return 0 or -1 with *error set. A failure changes nothing, except that a Service for
 * which memory ran out may be left with nothing. */
/* Exactly these addresses, idempotent. */
int alloc_assign(struct alloc *a, const struct alloc_request *r, const addr_t *ips, size_t n, mono_t now,
		 struct alloc_error *error);
/* From one pool; what it already has is kept. */
int alloc_from_pool(struct alloc *a, const struct alloc_request *r, const char *pool, mono_t now,
		    struct alloc_error *error);
/* From the pools that admit the Service and may be chosen automatically. */
int alloc_auto(struct alloc *a, const struct alloc_request *r, mono_t now, struct alloc_error *error);
/* A second address of the other family, from the pool of the first. */
int alloc_second(struct alloc *a, const struct alloc_request *r, mono_t now, struct alloc_error *error);

/* Give up what it has, if anything; addresses that nobody uses any more rest. */
void alloc_release(struct alloc *a, const char *key, mono_t now);
/* The same without rest: for a Service that is about to be given an address again. Writes the addresses (at
 * most 2) to dropped and returns how many. Then alloc_settle. */
size_t alloc_drop(struct alloc *a, const char *key, addr_t dropped[static 2]);
/* Those that nobody took again begin to rest. */
void alloc_settle(struct alloc *a, const addr_t *dropped, size_t n, mono_t now);

/* serviceAllocation admits the Service. */
bool alloc_pool_admits(const struct pool *p, const struct alloc_request *r);

/* Private to alloc*.c. */
struct pick {
	size_t n;
	addr_t addr[2];
	uint32_t span[2];
};
int alloc_fail(struct alloc_error *e, enum alloc_reason r, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int alloc_share_test(const struct alloc *a, const struct alloc_request *r, addr_t ip,
		     struct alloc_error *error);
int alloc_record(struct alloc *a, const struct alloc_request *r, const struct pick *p, mono_t now);
const char *alloc_ips_text(const addr_t *ips, size_t n, char buf[static 2 * ADDR_TEXT + 8]);

#endif
