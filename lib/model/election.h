/* The digest that the L2 election sorts by. Pure. */
#ifndef INGOT_MODEL_ELECTION_H
#define INGOT_MODEL_ELECTION_H

#include <sodium/crypto_hash_sha256.h>

#include "lib/base/addr.h"

struct election_digest {
	unsigned char bytes[crypto_hash_sha256_BYTES];
};
/* SHA-256 of "node#address" with the address in RFC 5952 text. */
struct election_digest election_digest(const char *node, addr_t ip);
int election_digest_cmp(const struct election_digest *a, const struct election_digest *b);

#endif
