/* The state machine of one BGP connection (RFC 4271 section 8, 6608, 4724 restarting side, collision
 * rule 6.8). Pure: it takes an event and the time and returns actions that the shell performs in order. One
 * peer has at most two of them: the connection that we dial, which also keeps the retry timer, and an
 * accepted one, which ends in Idle for good. */
#ifndef INGOT_BGPD_BGP_FSM_H
#define INGOT_BGPD_BGP_FSM_H

#include "bgpd/bgp_msg.h"
#include "lib/base/mono.h"
#include "lib/model/config.h"

enum bgp_state {
	BGP_IDLE,
	BGP_CONNECT,
	BGP_ACTIVE,
	BGP_OPEN_SENT,
	BGP_OPEN_CONFIRM,
	BGP_ESTABLISHED,
	BGP_STATE_N
};
const char *bgp_state_name(enum bgp_state s);

struct bgp_fsm_config {
	uint32_t local_as, peer_as; /* peer_as 0: dynamic_asn decides */
	enum dynamic_asn dynamic_asn;
	uint32_t router_id;   /* host order, not 0; may be set as late as at BGP_EV_TCP_UP */
	uint32_t hold_s;      /* 0 or >= 3 */
	uint32_t keepalive_s; /* 0 = a third of the negotiated hold time */
	uint32_t connect_s;   /* longest pause between attempts */
	unsigned families;
	bool next_hop_v6_for_v4; /* offer RFC 8950 */
	bool graceful_restart;
	bool restarted; /* R bit: this node's speaker lost its sessions and came back */
	bool passive;	/* an accepted connection: never dials */
};

/* What both sides agreed on. */
struct bgp_negotiated {
	uint32_t peer_as, peer_id;
	uint32_t hold_s, keepalive_s; /* 0 = none */
	unsigned families;
	bool ibgp, as4, refresh, next_hop_v6_for_v4;
	bool graceful;	    /* both sides have graceful restart with a common family: an end of ours is to be
			       silent */
	bool peer_graceful; /* the peer may come back and expect its old connection to be replaced */
	bool notification_restart; /* RFC 8538 on both sides; we never set it */
};

struct bgp_fsm {
	enum bgp_state state;
	struct bgp_fsm_config config;
	struct bgp_negotiated n;		       /* valid from OpenConfirm on */
	mono_t retry, hold, keepalive, established_at; /* deadlines, MONO_NEVER = off */
	unsigned failures;			       /* attempts in a row that did not last */
	bool started;
	uint64_t rng;
	struct bgp_error last_error; /* sent or received last; code 0 = none */
	bool last_received;
};

enum bgp_event_kind {
	BGP_EV_START,
	BGP_EV_STOP, /* with error: NOTIFICATION to send (code 0: close silently) */
	BGP_EV_TICK, /* the time has come: some deadline may be due */
	BGP_EV_TCP_UP,
	BGP_EV_TCP_DOWN, /* connect failed or connection lost */
	BGP_EV_OPEN,
	BGP_EV_KEEPALIVE,
	BGP_EV_UPDATE,
	BGP_EV_REFRESH,
	BGP_EV_NOTIFICATION,
	BGP_EV_BAD, /* an input that calls for `error` */
	BGP_EV_N
};
struct bgp_event {
	enum bgp_event_kind kind;
	const struct bgp_open *open; /* of BGP_EV_OPEN */
	struct bgp_error error;	     /* of BGP_EV_BAD, BGP_EV_STOP; BGP_EV_NOTIFICATION: what came */
	unsigned refresh_family;     /* of BGP_EV_REFRESH */
};

enum bgp_action_kind {
	BGP_ACT_CONNECT,
	BGP_ACT_SEND_OPEN,
	BGP_ACT_SEND_KEEPALIVE,
	BGP_ACT_SEND_NOTIFICATION, /* error */
	BGP_ACT_CLOSE,		   /* the connection, or the attempt at one */
	BGP_ACT_UP,		   /* Established: n is valid, send everything */
	BGP_ACT_DOWN,		   /* was Established and is no more */
	BGP_ACT_RESEND,		   /* family: the peer asked for a refresh */
};
struct bgp_action {
	enum bgp_action_kind kind;
	struct bgp_error error;
	unsigned family;
};
enum { BGP_MAX_ACTIONS = 4 };
struct bgp_actions {
	unsigned n;
	struct bgp_action v[BGP_MAX_ACTIONS];
};

void bgp_fsm_init(struct bgp_fsm *f, const struct bgp_fsm_config *c, uint64_t seed);
void bgp_fsm_step(struct bgp_fsm *f, const struct bgp_event *ev, mono_t now, struct bgp_actions *out);
mono_t bgp_fsm_next(const struct bgp_fsm *f); /* earliest deadline */
/* The OPEN that this side sends. */
void bgp_fsm_open(const struct bgp_fsm *f, struct bgp_open *ret);
/* Continue an Established connection of a former life; last_* are the times of the last input and keepalive.
 */
void bgp_fsm_adopt(struct bgp_fsm *f, const struct bgp_negotiated *n, mono_t last_input,
		   mono_t last_keepalive, mono_t now);

/* RFC 4271 6.8: with two connections to one peer, whether the one that we dialled is the one to close. */
bool bgp_collision_close_dialled(uint32_t local_id, uint32_t peer_id, uint32_t local_as, uint32_t peer_as);
/* Pause before attempt number failures + 1, jittered to 75-100 %. Microseconds. */
int64_t bgp_retry_delay(unsigned failures, uint32_t connect_s, uint64_t *rng);

#endif
