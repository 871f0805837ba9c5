/* The shell of gossipd: what its files share. main.c wires; net.c has the UDP socket and seals; table_sync.c
 * exchanges tables over TCP; inputs.c takes from the bus; outputs.c publishes; keep.c retains; gossip.c
 * drives the cores. */
#ifndef INGOT_GOSSIPD_GOSSIP_H
#define INGOT_GOSSIPD_GOSSIP_H

#include <sys/socket.h>

#include "gossipd/owner.h"
#include "gossipd/seal.h"
#include "gossipd/snapshot.h"
#include "gossipd/swim.h"
#include "lib/run/daemon.h"
#include "lib/run/feed.h"

enum { GOSSIP_SYNCS = 16, GOSSIP_SECRET_MAX = 4096, GOSSIP_GOODBYES = 16, GOSSIP_BATCH = 64 };

struct gossip_link {
	bool up, usable;
	uint8_t mac[6];
};
/* One exchange of tables (table_sync.c). */
struct sync;

struct gossip_metrics {
	int64_t *members[4], *received, *sent, *send_failed, *rejected[SEAL_N], *rejected_packet,
	    *rejected_name, *pings, *indirect, *suspicions, *failures, *refutations, *late, *isolated,
	    *health, *loss, *sessions, *syncs, *sync_failed, *full, *links_dropped, *owned, *addresses;
	int64_t nowhere;
};

struct gossip {
	struct daemon *d;
	uint16_t port;
	struct swim_addr own; /* family NONE = not known */
	bool bound;	      /* to one address */
	/* descriptors */
	int udp, tcp, state_fd, owners_fd;
	uint8_t nonce[SEAL_NONCE - 8];
	uint64_t nonces;
	bool v6; /* the sockets are AF_INET6, IPv4 mapped */
	struct loop_fd *udp_watch, *tcp_watch;
	struct sync *syncs[GOSSIP_SYNCS];
	/* cores */
	struct seal *seal;
	struct swim *swim;
	struct owner *owner;
	struct loop_timer *swim_timer, *owner_timer, *join_timer, *goodbye_timer, *key_timer;
	struct loop_defer *settle;
	/* inputs */
	struct feed *feed;
	struct config *config;
	struct subscriber *services_in, *slices_in, *links, *l2;
	struct map link_table; /* name -> struct gossip_link */
	struct map announced;  /* address -> number of interfaces where l2d announces it, as a pointer-sized
				  integer */
	struct map announcing; /* "address%interface" that l2d announces */
	char *secrets;	       /* in force, lines */
	uint64_t secret_request;
	bool key_from_file, links_known, restored, draining;
	/* outputs */
	struct publisher *members_out, *ownership_out, *services_out, *config_out;
	struct gossip_metrics m;
	struct log_limit quiet, owner_log, sync_log;
	/* where we stand */
	bool others;	    /* Node objects of others are known */
	bool waiting;	    /* alone: the first round runs */
	bool started;	    /* packets go out */
	bool joined;	    /* the first round is over */
	bool in_force;	    /* ownership is published and synced */
	bool deciding;	    /* more Services wait for a verdict */
	bool objects_ready; /* the first time that the feed settled is over */
	bool inputs_ready, live_dirty, state_dirty, owners_dirty, stopping, said_no_key;
	uint64_t counter_limit;
	struct {
		char name[LIMIT_NODE_NAME + 1];
		mono_t until;
	} goodbyes[GOSSIP_GOODBYES];
	size_t n_goodbyes;
};

/* net.c */
int net_open(struct gossip *g);
int net_watch(struct gossip *g);
void net_close(struct gossip *g);
void net_send(struct gossip *g, const struct swim_addr *to, const uint8_t *data, size_t len);
socklen_t net_sockaddr(const struct gossip *g, const struct swim_addr *a, struct sockaddr_storage *ret);
bool net_from_sockaddr(const struct sockaddr_storage *sa, struct swim_addr *ret);
void net_random(void *to, size_t n);
void net_nonce(struct gossip *g, uint8_t nonce[static SEAL_NONCE]);

/* table_sync.c */
void sync_dial(struct gossip *g, const struct swim_addr *to);
void sync_accept(void *ctx, unsigned events);
void sync_close_all(struct gossip *g);

/* inputs.c */
int inputs_join(struct gossip *g);
void inputs_close(struct gossip *g);
void inputs_read_key_file(struct gossip *g);
void inputs_use_secrets(struct gossip *g, const char *text, size_t len, const char *origin);
void inputs_self(struct gossip *g);

/* outputs.c */
int outputs_open(struct gossip *g);
void outputs_member(struct gossip *g, const struct swim_member *m);
void outputs_forgotten(struct gossip *g, const struct swim_member *m);
void outputs_owners(struct gossip *g);
void outputs_config(struct gossip *g, const struct diags *diags, bool stale);
void outputs_statistics(struct gossip *g);
void outputs_explain(struct gossip *g, const char *subject, char *buf, size_t size);

/* keep.c */
int keep_open(struct gossip *g);
void keep_restore_owners(struct gossip *g);
void keep_write(struct gossip *g);

/* gossip.c */
int gossip_open(struct daemon *d);
int gossip_join(struct daemon *d);
void gossip_stop(struct daemon *d);
void gossip_drain(struct daemon *d, bool on);
void gossip_reload(struct daemon *d);
void gossip_explain(struct daemon *d, const char *subject, char *buf, size_t size);
void gossip_close(struct daemon *d);
/* After every event: carry out the actions, see where we stand, set the timers. */
void gossip_pump(struct gossip *g);
void gossip_check_goodbyes(struct gossip *g);

#endif
