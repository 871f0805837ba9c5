/* SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012). Pure; keys the tables of every
 * process whose keys a remote can choose. */
#include <endian.h>
#include <string.h>

#include "lib/base/map.h"

struct sip {
	uint64_t a, b, c, d;
};

static uint64_t rotl(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static uint64_t load(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return le64toh(v);
}

static void rounds(struct sip *s, int n)
{
	while (n-- > 0) {
		s->a += s->b;
		s->c += s->d;
		s->b = rotl(s->b, 13) ^ s->a;
		s->d = rotl(s->d, 16) ^ s->c;
		s->a = rotl(s->a, 32);
		s->c += s->b;
		s->a += s->d;
		s->b = rotl(s->b, 17) ^ s->c;
		s->d = rotl(s->d, 21) ^ s->a;
		s->c = rotl(s->c, 32);
	}
}

static void absorb(struct sip *s, uint64_t word)
{
	s->d ^= word;
	rounds(s, 2);
	s->a ^= word;
}

uint64_t siphash24(const uint8_t key[static 16], const void *data, size_t len)
{
	uint64_t k0 = load(key), k1 = load(key + 8);
	struct sip s = {
		.a = k0 ^ 0x736f6d6570736575,
		.b = k1 ^ 0x646f72616e646f6d,
		.c = k0 ^ 0x6c7967656e657261,
		.d = k1 ^ 0x7465646279746573,
	};
	const uint8_t *p = data;
	size_t whole = len / 8 * 8;
	for (size_t i = 0; i < whole; i += 8)
		absorb(&s, load(p + i));
	uint64_t tail = (uint64_t)(len & 0xff) << 56;
	for (size_t i = 0; i < len - whole; i++)
		tail |= (uint64_t)p[whole + i] << (8 * i);
	absorb(&s, tail);
	s.c ^= 0xff;
	rounds(&s, 4);
	return s.a ^ s.b ^ s.c ^ s.d;
}
