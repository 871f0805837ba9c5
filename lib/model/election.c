/* The L2 election order: preference score descending, then SHA-256 (FIPS 180-4) of "node#address" ascending,
 * which is the order that MetalLB speakers use. Every node computes it alone and arrives at the same owner.
 * Pure; run by gossipd. */
#include "lib/model/election.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/announce.h"

struct entry {
	const char *name;
	int64_t score;
	struct election_digest digest;
};

struct election_digest election_digest(const char *node, addr_t ip)
{
	char text[ADDR_TEXT];
	struct election_digest d;
	crypto_hash_sha256_state st;
	addr_text(ip, text);
	crypto_hash_sha256_init(&st);
	crypto_hash_sha256_update(&st, (const unsigned char *)node, strlen(node));
	crypto_hash_sha256_update(&st, (const unsigned char *)"#", 1);
	crypto_hash_sha256_update(&st, (const unsigned char *)text, strlen(text));
	crypto_hash_sha256_final(&st, d.bytes);
	return d;
}

int election_digest_cmp(const struct election_digest *a, const struct election_digest *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static int cmp_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	int c = election_digest_cmp(&x->digest, &y->digest);
	return c ? c : strcmp(x->name, y->name);
}

int election_sort(const char **names, const int64_t *scores, size_t n, addr_t ip)
{
	struct entry *v = calloc(n ? n : 1, sizeof *v);
	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		v[i] = (struct entry){ names[i], scores ? scores[i] : 0, election_digest(names[i], ip) };
	qsort(v, n, sizeof *v, cmp_entries);
	for (size_t i = 0; i < n; i++)
		names[i] = v[i].name;
	free(v);
	return 0;
}
