/* The responder: which addresses this node answers for, on which interfaces, and what it sends. Pure: frames,
 * links, ownership and the time come in; frames to send and actions come out. docs/architecture.md has the
 * rules in prose.
 *
 * An address is answered on every usable interface of its set (a vip_if each). It is announced by five
 * rounds 1.1 s apart when it becomes ours or when the interface becomes usable; repeating the same ownership
 * starts nothing. */
#ifndef INGOT_L2D_RESPONDER_H
#define INGOT_L2D_RESPONDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "l2d/arp.h"
#include "l2d/links.h"
#include "l2d/members.h"
#include "l2d/ndp.h"
#include "lib/base/heap.h"
#include "lib/base/map.h"
#include "lib/base/metrics.h"

enum { VIPS_MAX = 65536, VIP_IFS_MAX = 262144, VIP_MAX_NAMES = 64, OUTBOX_N = 64, ROUNDS = 5 };
#define ROUND_GAP     MS(1100)
#define DEFEND_GAP    SEC(10) /* one announcement per this much when somebody else answers */
#define RESUME_GAP    SEC(1)  /* the same after yielding in vain; doubles while it goes on */
#define CONFLICT_KEPT SEC(60) /* a conflict is over when it was not seen for this long */
#define ALIVE_FOR     MS(50)  /* gossipd's word is fresh for this long */

/* What an ownership record says (topic ownership), checked and decoded. */
struct ownership {
	addr_t addr;
	bool mine, hold, all_interfaces;
	uint64_t term, epoch; /* epoch: the life of gossipd that said it */
	size_t n_names;
	char (*names)[LINK_NAME];
};

struct rlink {
	struct rlink *next;
	uint32_t index;
	char name[LINK_NAME];
	uint8_t mac[MAC_LEN];
	bool arp, ndp;
	addr_t link_local;
};

struct vip;
struct vip_list {
	struct vip_if *head, *tail;
};
/* One address on one interface. */
struct vip_if {
	struct heap_node timer; /* first, so that a node is its vip_if */
	struct vip *vip;
	struct rlink *link;
	struct vip_if *next;
	mono_t round_at; /* of the next round, while rounds_left */
	mono_t conflict_at, defended_at;
	uint64_t requests, responses, gratuitous;
	struct vip_if *dirty_next, *dirty_prev;
	struct vip_list *dirty; /* the list it is in, or NULL */
	uint8_t conflict_mac[MAC_LEN];
	uint8_t rounds_left;
	uint8_t fights; /* times in a row that it was taken back from another member */
	bool probe;	/* the next round asks whether somebody else is there */
	bool conflict, defended;
};
struct vip {
	struct ownership o;
	bool confirmed; /* gossipd's present or former life said so to this life; false: restored */
	bool yielded;	/* another member was heard announcing it */
	struct vip_if *ifs;
	struct vip *next, *prev;
	int64_t *requests, *responses, *gratuitous; /* metric series, made when they first count */
};

enum out_kind { OUT_REPLY, OUT_ANNOUNCE, OUT_PROBE };
struct out_frame {
	struct vip_if *vif;
	uint32_t index; /* interface */
	uint16_t len;
	uint8_t kind;
	bool nd;
	uint8_t bytes[NDP_MAX];
};
/* Frames to send. Send and report them (responder_sent) before anything else is told to the responder. */
struct outbox {
	size_t n;
	struct out_frame v[OUTBOX_N];
};

enum l2_result {
	L2_ANSWERED,
	L2_NOT_OURS, /* not our address, or not announced on this interface */
	L2_MALFORMED,
	L2_NO_LINK_ADDRESS,   /* no usable hardware address to answer to */
	L2_OTHER_DESTINATION, /* unicast to somebody else */
	L2_HEARD,	      /* an announcement or answer, noted if it is about our address */
	L2_YIELDED,	      /* ours, but left to another member */
	L2_NO_ROOM,
	L2_RESULT_N
};

enum action_kind {
	ACTION_JOIN, /* multicast group mac on interface index */
	ACTION_LEAVE,
	ACTION_GONE,	 /* addr is no longer announced on interface name */
	ACTION_ASK,	 /* find out whether gossipd is alive, then responder_alive() */
	ACTION_ANNOUNCE, /* for the log, as all below: addr starts on name */
	ACTION_WITHDRAW,
	ACTION_NOWHERE,	 /* addr is ours, but no interface of its set is usable */
	ACTION_CONFLICT, /* mac answers for addr on name */
	ACTION_YIELD,	 /* mac, another member, announces addr on name */
	ACTION_RESUME,
};
struct action {
	enum action_kind kind;
	uint32_t index;
	addr_t addr;
	uint8_t mac[MAC_LEN];
	char name[LINK_NAME];
};

struct responder {
	struct vip **table; /* open addressing by address */
	size_t n_vips, n_table, n_ifs, n_yielded;
	struct vip *vips, *last_vip;
	struct rlink *links;
	struct heap timers;
	struct map groups;		  /* interface and last three bytes -> members of the group */
	const struct members *members;	  /* borrowed, may be NULL */
	struct vip_list urgent, counters; /* to be published: state changed; only counters did */
	struct action *actions;
	size_t n_actions, cap_actions;
	mono_t alive_at;
	bool heard_gossipd;
	bool changed;			  /* the table that survives a restart; cleared by the shell */
	bool oom;			  /* memory ran out: the state may be incomplete, start again */
	uint64_t results[2][L2_RESULT_N]; /* ARP, NDP */
	uint64_t refused, conflicts, send_failures;
	struct metric *m_requests, *m_responses, *m_gratuitous;
	int64_t uncounted; /* instead of a series over the cap, or without metrics */
};

/* metrics and members are borrowed; both may be NULL. */
void responder_init(struct responder *r, struct metrics *metrics, const struct members *members);
void responder_fini(struct responder *r);

/* Ownership as gossipd says it. Names are copied. */
void responder_own(struct responder *r, const struct ownership *o, mono_t now);
void responder_disown(struct responder *r, addr_t addr);
/* gossipd's table is complete: what it did not confirm is not ours. */
void responder_synced(struct responder *r, mono_t now);
/* gossipd is alive, so what it said stands: take back what was yielded meanwhile. */
void responder_alive(struct responder *r, mono_t now);
/* A member that was taken for dead is back and may have announced our addresses: say once more whose they
 * are. */
void responder_remind(struct responder *r, mono_t now);
/* An address of the former life, which was already announced on some interfaces. */
struct restored_if {
	uint32_t index;
	uint8_t rounds_left;
	mono_t round_at;
};
void responder_restore(struct responder *r, const struct ownership *o, bool yielded,
		       const struct restored_if *ifs, size_t n_ifs, mono_t now);

/* An interface's outward state, also when it became unusable. */
void responder_link(struct responder *r, const struct link *k, mono_t now);
void responder_link_gone(struct responder *r, uint32_t index);

/* A frame that arrived on an interface: fills at most one frame into box. */
enum l2_result responder_arp(struct responder *r, uint32_t index, const void *frame, size_t len, mono_t now,
			     struct outbox *box);
/* The same; a router advertisement is only decoded into *router (its type is 0 otherwise). */
enum l2_result responder_ndp(struct responder *r, uint32_t index, const void *frame, size_t len, mono_t now,
			     struct outbox *box, struct ndp *router);

/* Do what is due; true when box is full and more is due. */
bool responder_tick(struct responder *r, mono_t now, struct outbox *box);
mono_t responder_next(const struct responder *r);
/* Frames [from, from + n) of box were sent, or could not be. */
void responder_sent(struct responder *r, const struct outbox *box, size_t from, size_t n, bool ok);

/* After the actions were taken. */
void responder_clear_actions(struct responder *r);
/* Take one entry to publish; NULL when there is none. Urgent ones first; counters only when asked for. */
struct vip_if *responder_take_dirty(struct responder *r, bool counters);
bool vip_if_announcing(const struct vip_if *v);

/* lookups, also for explain */
struct vip *responder_find(const struct responder *r, addr_t addr);
struct vip_if *vip_on(const struct vip *v, uint32_t index);

/* between the responder's own files */
void responder_act(struct responder *r, enum action_kind kind, const struct vip_if *v, const uint8_t *mac);
void responder_dirty(struct responder *r, struct vip_if *v, struct vip_list *list);
void responder_count(struct responder *r, struct metric *m, int64_t **series, addr_t addr);
void responder_arm(struct responder *r, struct vip_if *v);
void responder_yield(struct responder *r, struct vip_if *v, const uint8_t mac[static MAC_LEN], mono_t now);
bool responder_is_our_mac(const struct responder *r, const uint8_t mac[static MAC_LEN]);
int vips_insert(struct responder *r, struct vip *v);
void vips_remove(struct responder *r, struct vip *v);

#endif
