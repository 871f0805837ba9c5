/* What supervisor and child say to each other over their SOCK_SEQPACKET pair. One packet, one message; at
 * most one descriptor rides along. Fixed big-endian fields, versioned by the first byte, because the two may
 * be of neighbouring releases. Both sides treat a malformed packet as the other one's failure: the supervisor
 * counts and ignores it, the child exits. */
#ifndef INGOT_RUN_SUPWIRE_H
#define INGOT_RUN_SUPWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUP_MESSAGES(X)                                                                                      \
	/* child to supervisor */                                                                            \
	X(READY, "from now on restarts are at once")                                                         \
	X(HEARTBEAT, "value = interval in ms until the next one is due")                                     \
	X(RETAIN, "keep the descriptor under name; replaces an older one")                                   \
	X(RELEASE, "forget name")                                                                            \
	X(STOPPED, "orderly stop finished, about to exit")                                                   \
	/* supervisor to child */                                                                            \
	X(RETAINED, "a descriptor kept from the former life, name")                                          \
	X(RETAINED_END,                                                                                      \
	  "all retained descriptors were sent; value = number of lives without ready before this one")       \
	X(STOP, "stop in order")                                                                             \
	X(DRAIN, "value 1 = drain, 0 = serve again")                                                         \
	X(RELOAD, "re-read files")
enum sup_type {
	SUP_NONE,
#define X(constant, meaning) SUP_##constant,
	SUP_MESSAGES(X)
#undef X
	    SUP_TYPE_N
};
enum { SUP_NAME = 64, SUP_PACKET = 128, SUP_MAX_RETAINED = 1024 };

struct sup_message {
	enum sup_type type;
	uint64_t value;
	char name[SUP_NAME];
	int fd; /* -1 = none; the receiver owns it */
};

/* Send one; fd is duplicated into the packet, the caller keeps its own. 0, -EAGAIN, or a negative errno. */
int sup_send(int sock, const struct sup_message *m);
/* Receive one, never blocks when the socket does not. 1 = got one, 0 = the other side closed, -EAGAIN,
 * -EPROTO malformed (a descriptor that came with it was closed), or a negative errno. Descriptors are
 * close-on-exec. */
int sup_receive(int sock, struct sup_message *ret);
/* The codec alone. */
size_t sup_encode(const struct sup_message *m, uint8_t buf[static SUP_PACKET]);
int sup_decode(const uint8_t *data, size_t len, struct sup_message *ret);

#endif
