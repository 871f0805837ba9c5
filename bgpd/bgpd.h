/* Inside of bgpd's shell: the daemon, its peers, their connections. Only bgpd's own files include it. */
#ifndef INGOT_BGPD_BGPD_H
#define INGOT_BGPD_BGPD_H

#include "bgpd/store.h"
#include "lib/base/numtab.h"
#include "bgpd/tcp.h"
#include "lib/run/daemon.h"
#include "lib/run/feed.h"

struct session;

/* One TCP connection to a peer, or the place for one. */
struct conn {
	struct session *session;
	struct bgp_fsm fsm;
	int fd, memfd; /* -1 = none */
	struct loop_fd *watch;
	unsigned events;
	struct store *store;
	uint64_t taken; /* bytes that the kernel has taken from us */
	uint64_t base;
	size_t wake_at;
	int retained; /* number under which the supervisor keeps it, -1 = not kept */
	bool connecting, adopted;
	addr_t local, remote;
	uint16_t remote_port;
	uint32_t scope;
	uint32_t peer_id; /* from its OPEN, 0 = none yet */
	struct bgp_encoding encoding;
};

#define SESSION_COUNTERS(X)                                                                                  \
	X(opens_sent)                                                                                        \
	X(opens_received)                                                                                    \
	X(updates_sent)                                                                                      \
	X(updates_received)                                                                                  \
	X(keepalives_sent)                                                                                   \
	X(keepalives_received)                                                                               \
	X(notifications_sent)                                                                                \
	X(notifications_received)                                                                            \
	X(refreshes_received)                                                                                \
	X(times_established)                                                                                 \
	X(times_adopted)                                                                                     \
	X(drops)
struct session_counters {
#define X(name) uint64_t name;
	SESSION_COUNTERS(X)
#undef X
};

enum { SESSION_SERIES = 16 };

struct session {
	struct bgpd *b;
	unsigned slot; /* number in the route table */
	char name[LIMIT_NAME + 1];
	struct settings settings;
	bool configured; /* settings are valid; else only known from a former life */
	struct conn dialled, accepted;
	struct conn *up; /* the Established one */
	struct loop_timer *timer;
	/* Password: what the watcher said. */
	bool secret_known;
	uint64_t secret_request;
	struct loop_timer *secret_timer;
	unsigned secret_failures;
	char password[TCP_MAX_PASSWORD + 1];
	char waiting[160];    /* why it does not even try; empty = it tries */
	char last_error[256]; /* why it is not up, or what ended it last */
	struct session_counters counters;
	mono_t established_at;
	int64_t *series[SESSION_SERIES];
	char label[ADDR_TEXT + 8]; /* "addr:port" of the metrics */
	struct rib_counts counts;  /* as published */
	uint64_t updates_told;	   /* counters.updates_sent when the topic was last written */
	bool was_pending;
};

/* One Service, and its endpoints as far as BGP asks. */
struct svc {
	uint8_t *packed; /* trimmed Service message; NULL = only endpoints are known */
	uint32_t packed_len;
	/* Slices; those with an endpoint that can serve, anywhere and on this node. */
	uint32_t n_slices, n_serving, n_local;
	uint8_t reason;
	bool dirty, stale, published; /* decide anew; publish anew; stands in the topic */
	struct svc *next_dirty, *next_stale;
	struct rib_claim claim;
	char key[];
};

struct bgpd {
	struct daemon *d;
	struct daemon_ops ops;
	struct loop *loop;
	struct feed
	    *feed; /* everything but Services and endpoints, which would be most of this process's memory */
	struct subscriber *services, *slices_in, *links_in;
	struct publisher *peers_out, *services_out, *config_out;
	struct config *config;
	struct numtab svcs;   /* by hash of namespace/name: svc */
	struct numtab slices; /* by hash of namespace/name: svc and two flags */
	uint8_t hash_key[16];
	struct map links; /* interface -> link */
	struct svc *dirty, *stale;
	struct loop_defer *work;
	struct loop_timer *rest; /* what was too much for one turn */
	struct rib *rib;
	struct rib_slots *slots;
	int slots_fd;
	struct session *sessions[RIB_MAX_PEERS];
	bool retained_used[2 * RIB_MAX_PEERS];
	bool config_loaded, synced, ready, everything_dirty, everything_stale, links_changed;
	bool restarted; /* no session was adopted: the R bit (RFC 4724), for a while */
	mono_t started;
	enum { SERVING, SHUTTING, WITHDRAWING, CLOSING } stage;
	bool stopping;
	struct loop_timer *stage_timer;
	int listen_fd;
	struct loop_fd *listen_watch;
	struct metric *metric[SESSION_SERIES];
	int64_t *updates_bad, *config_loaded_metric, *config_stale_metric, *rejected, *prefixes_dropped;
	struct log_limit input_limit, listen_limit;
	uint64_t seed;
	uint8_t input[16 << 10];
};

/* conn.c: transport. */
void conn_init(struct conn *c, struct session *s, bool passive);
int conn_dial(struct conn *c, char *why, size_t size);
int conn_attach(struct conn *c, int fd); /* an accepted connection; takes fd */
int conn_begin(struct conn *c);		 /* TCP is up: memory, addresses */
bool conn_put(struct conn *c, const void *data, size_t len);
void conn_flush(struct conn *c);
void conn_close(struct conn *c);
void conn_readable(struct conn *c);
void conn_watch(struct conn *c, unsigned events);
int conn_retain(struct conn *c);
void conn_on_event(void *ctx, unsigned events);

/* session.c: the state machine's actions, and sending. */
struct session *session_new(struct bgpd *b, const char *name);
void session_free(struct session *s);
void session_step(struct conn *c, const struct bgp_event *ev);
void session_event(struct conn *c, enum bgp_event_kind kind);
void session_arm(struct session *s);
void session_try(struct session *s); /* start dialling when nothing stands in the way */
/* 0: silently. Starts anew at once when the peer is still configured and the daemon is not stopping. */
void session_end(struct session *s, uint8_t cease_subcode);
void session_pump(struct session *s);
bool session_is_up(const struct session *s);
void session_message(struct conn *c, const struct bgp_header *h, const uint8_t *bytes);
void session_lost(struct conn *c, int error);
void session_adopted(struct session *s);
void session_next_hops(struct session *s);

/* adopt.c */
int adopt_open(struct bgpd *b);	   /* the prefix table, retained or new */
void adopt_all(struct bgpd *b);	   /* sessions of the former life */
void adopt_forget(struct bgpd *b); /* begin with an empty store */

/* peers.c: configuration and node -> sessions. */
int peers_open(struct bgpd *b);
void peers_apply(struct bgpd *b, unsigned kinds);
void peers_configure(struct bgpd *b); /* compile and apply what the feed has */

/* services.c: Services -> routes. */
int services_open(struct bgpd *b);
void services_dirty_all(struct bgpd *b);
void services_work(struct bgpd *b);
void services_close(struct bgpd *b);
bool services_synced(const struct bgpd *b);
const struct svc *services_find(const struct bgpd *b, const char *key);
void services_stale_all(struct bgpd *b);

/* links.c: next hops. */
int links_open(struct bgpd *b);
void links_close(struct bgpd *b);
/* An address of family f beside `local`; else any global one; NONE when there is none. */
addr_t links_next_hop(const struct bgpd *b, addr_t local, enum family f);
/* Index of an interface and a router seen on it; 0 = none. */
uint32_t links_router(const struct bgpd *b, const char *interface, addr_t *ret);
uint32_t links_index(const struct bgpd *b, const char *interface);

/* secrets.c */
void secrets_want(struct session *s); /* ask, unless known */
void secrets_again(struct bgpd *b);   /* Secrets changed: ask anew */
void secrets_cancel(struct session *s);

/* publish.c */
int publish_open(struct bgpd *b);
void publish_peer(struct session *s);
void publish_peer_gone(struct session *s);
void publish_service(struct bgpd *b, struct svc *v);
void publish_config(struct bgpd *b, const struct diags *diags, bool stale);
void publish_counts(struct session *s);

/* listen.c */
int listen_open(struct bgpd *b);
int listen_join(struct bgpd *b);
void listen_key(struct session *s); /* the listener learns a peer's MD5 key */
void listen_close(struct bgpd *b);

/* stop.c */
void stop_begin(struct daemon *d);
void stop_drain(struct daemon *d, bool on);
int stop_open(struct bgpd *b);

/* bgpd.c */
void bgpd_ask_work(struct bgpd *b);
void bgpd_check_synced(struct bgpd *b);

#endif
