/* The life of one child as a state machine: when it is started, killed, started again, and when its retained
 * descriptors are thrown away. Pure: events and the time go in, actions come out; the shell performs them in
 * order and reports back. */
#ifndef INGOT_SUPERVISOR_POLICY_H
#define INGOT_SUPERVISOR_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/mono.h"

#define POLICY_STATES(X)                                                                                     \
	X(DOWN, "down")		/* not running, and nobody wants it to */                                    \
	X(MISSING, "missing")	/* there is no such program */                                               \
	X(REFUSED, "refused")	/* it said that its configuration is wrong (exit 78) */                      \
	X(BACKOFF, "backoff")	/* waits before it is started again */                                       \
	X(STARTING, "starting") /* runs, not ready yet */                                                    \
	X(READY, "ready")                                                                                    \
	X(STOPPING, "stopping") /* was asked to stop */                                                      \
	X(DYING, "dying")	/* was killed, its death is awaited */
enum policy_state {
#define X(constant, name) POLICY_##constant,
	POLICY_STATES(X)
#undef X
	    POLICY_STATE_N
};

enum policy_event {
	POLICY_START,	/* it should run */
	POLICY_SPAWNED, /* answers to the action spawn */
	POLICY_NO_PROGRAM,
	POLICY_SPAWN_FAILED, /* out of processes, memory or descriptors */
	POLICY_SAID_READY,
	POLICY_HEARTBEAT, /* value: ms until the next one, 0 = the daemon's usual */
	POLICY_CLOSED,	  /* its end of the pair is closed */
	POLICY_DIED,	  /* value: exit status, or 128 + signal */
	POLICY_TICK,	  /* the deadline is reached */
	POLICY_RESTART,	  /* stop in order, then start again */
	POLICY_STOP,	  /* stop in order */
	POLICY_LET_GO,	  /* do not start it again when it dies */
	POLICY_KILL,	  /* at once */
};

enum policy_action {
	POLICY_DO_EMPTY_STORE,
	POLICY_DO_SPAWN,
	POLICY_DO_SAY_STOP,
	POLICY_DO_KILL,
};
struct policy_actions {
	unsigned n;
	enum policy_action v[4];
};

struct policy {
	enum policy_state state;
	bool wanted;	/* it should run; after a death it is started again */
	bool asked;	/* its death was asked for: restart or stop */
	bool was_ready; /* this life */
	mono_t since;	/* when the state was entered */
	mono_t ready_at, heartbeat_at;
	mono_t deadline;     /* when POLICY_TICK is due, MONO_NEVER = not */
	int64_t usual_us;    /* heartbeat interval when a heartbeat names none */
	int64_t interval_us; /* as the last heartbeat named it; 0 = none came in this life */
	unsigned
	    patience; /* how often POLICY_MISSED intervals may pass; grows with each kill of the watchdog */
	int64_t backoff_us;	/* the last wait, 0 = none */
	unsigned lives;		/* how often it was started */
	unsigned short_lives;	/* in a row, as POLICY_SHORT_LIVES counts them */
	unsigned unready_lives; /* never ready, in a row */
	unsigned watchdog_kills, emptied;
};

#define POLICY_FIRST_HEARTBEAT SEC(10)
#define POLICY_STOP_DEADLINE   SEC(5)
#define POLICY_CLOSED_DEADLINE SEC(1)
#define POLICY_BACKOFF_LEAST   SEC(1)
#define POLICY_BACKOFF_MOST    SEC(60)
/* A life that was ready this long is "ready for a while": it is replaced at once and forgives what was
 * before. So is any ready life that somebody else killed (SIGKILL): that is no crash, whatever its age. */
#define POLICY_A_WHILE SEC(1)
/* So many shorter ones in a row are replaced at once too: ready but crashed soon, or killed by somebody else
 * before it was ready. Who crashes on what it always does first, or is always the one that lacks memory, runs
 * out of them. */
enum { POLICY_SHORT_LIVES = 10, POLICY_MISSED = 3, POLICY_UNREADY_LIVES = 2, POLICY_PATIENCE = 16 };
/* Who is not ready yet holds up nothing that worked before, and has the most to do. */
#define POLICY_STARTING_LEAST SEC(3)
/* A busy machine makes daemons late, and to start one again makes it busier: the watchdog's patience doubles
 * with each kill, and is what it was when a life has been ready so long. */
#define POLICY_CALM SEC(60)

void policy_init(struct policy *p, unsigned heartbeat_ms, mono_t now);
void policy_step(struct policy *p, enum policy_event event, uint64_t value, mono_t now,
		 struct policy_actions *ret);
/* The supervisor itself did not run for `us`: nobody could be heard, so nobody is late. */
void policy_forgive(struct policy *p, int64_t us);
const char *policy_state_name(enum policy_state s);
bool policy_is_alive(const struct policy *p); /* there is a process */

#endif
