/* The envelope of gossip: XChaCha20-Poly1305 (libsodium's IETF variant) under keys derived from shared
 * secrets, and the defence against replays. Pure: the caller brings the time and 24 random bytes for each
 * frame.
 *
 * A frame is a header of 24 bytes (magic, version, kind, key id, session, counter; it is the associated
 * data), a nonce of 24, the ciphertext, a tag of 16. A sender has one session per life and counts its frames.
 * A receiver takes frames only of sessions that proved to be fresh: the first frame of an unknown session is
 * answered by a challenge, and the session counts once its owner has returned the token. After that each
 * counter is taken once. */
#ifndef INGOT_GOSSIPD_SEAL_H
#define INGOT_GOSSIPD_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/mono.h"
#include "lib/model/limits.h"

enum {
	SEAL_KEYS = 8,
	SEAL_NONCE = 24,
	SEAL_OVERHEAD = 24 + SEAL_NONCE + 16,
	SEAL_TOKEN = 16,
	SEAL_CONTEXT = 32,  /* of a stream: the nonces of both ends */
	SEAL_WINDOW = 1024, /* counters behind the newest that may still arrive */
	SEAL_RETIRED = 1024,
	SEAL_REPLY_MAX = SEAL_OVERHEAD + 1 + LIMIT_NODE_NAME + 2 * SEAL_TOKEN + 16,
};

#define SEAL_REASONS(X)                                                                                      \
	X(SHORT, "short")                                                                                    \
	X(MAGIC, "magic")   /* not ours, or of another version */                                            \
	X(KEY, "key")	    /* sealed with a secret that we do not have */                                   \
	X(AUTH, "auth")	    /* does not verify: damaged or forged */                                         \
	X(REPLAY, "replay") /* seen before, or too old */                                                    \
	X(TOKEN, "token")   /* an answer to a challenge that we did not give, or too late */                 \
	X(FORMAT, "format")                                                                                  \
	X(FULL, "full") /* more sessions than members can be */
enum seal_verdict {
	SEAL_DATA,  /* genuine: plain and name are set */
	SEAL_REPLY, /* send what seal_reply makes */
	SEAL_FRESH, /* name has proved its session; reply too when wants_reply */
#define X(constant, name) SEAL_BAD_##constant,
	SEAL_REASONS(X)
#undef X
	    SEAL_N
};
const char *seal_reason(enum seal_verdict v); /* "" unless SEAL_BAD_* */

struct seal;
struct seal_opened {
	size_t len;	  /* of the plain text in the caller's buffer */
	const char *name; /* owner of the session; good until the next call */
	bool wants_reply;
	/* for seal_reply */
	uint8_t reply_kind;
	uint64_t session;
	uint8_t token[SEAL_TOKEN];
	bool challenge_back;
};

/* local: 32 random bytes of this life; session: random, or what seal_session returned in the former life,
 * with a counter that is not below any it used. name is ours. NULL on out of memory. */
struct seal *seal_new(const char *name, const uint8_t local[static 32], uint64_t session, uint64_t counter);
void seal_free(struct seal *s);
/* Secrets, first = the one to seal with. Empty ones are skipped. Returns how many are in force; 0 leaves
 * none. */
size_t seal_set_secrets(struct seal *s, const char *const *secrets, size_t n);
bool seal_has_key(const struct seal *s);
uint64_t seal_session(const struct seal *s);
uint64_t seal_counter(const struct seal *s); /* of the next frame */

/* Seal a packet into out; returns the length, 0 when it does not fit or there is no key. */
size_t seal_packet(struct seal *s, const uint8_t nonce[static SEAL_NONCE], const void *plain, size_t len,
		   uint8_t *out, size_t cap);
/* Open a datagram; plain must hold len bytes. */
enum seal_verdict seal_open(struct seal *s, mono_t now, const void *frame, size_t len, uint8_t *plain,
			    struct seal_opened *ret);
size_t seal_reply(struct seal *s, mono_t now, const struct seal_opened *o,
		  const uint8_t nonce[static SEAL_NONCE], uint8_t *out, size_t cap);
/* The session of a member that was forgotten. */
void seal_forget(struct seal *s, const char *name);
size_t seal_sessions(const struct seal *s);

/* Streams: both ends have chosen 16 random bytes each (context = client's, server's); index counts the frames
 * of one direction from 0. */
size_t seal_stream(struct seal *s, bool client, const uint8_t context[static SEAL_CONTEXT], uint64_t index,
		   const uint8_t nonce[static SEAL_NONCE], const void *plain, size_t len, uint8_t *out,
		   size_t cap);
enum seal_verdict seal_stream_open(struct seal *s, bool client, const uint8_t context[static SEAL_CONTEXT],
				   uint64_t index, const void *frame, size_t len, uint8_t *plain,
				   size_t *plain_len);

#endif
