/* The route table against a naive model: random Services, peers, sessions, refreshes, kills. What the peer
 * has after reading our UPDATEs equals what is wanted, and the retained bits are a superset of what was sent
 * at every step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bgpd/rib.h"
#include "lib/base/must.h"

enum { PEERS = 3, SERVICES = 40, ADDRESSES = 60, PREFIXES = 2 * ADDRESSES, ROUTES = 4, STEPS = 6000 };

static uint64_t rng_state;

static unsigned roll(unsigned n)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (unsigned)(rng_state % n);
}

static const char *const peer_names[PEERS] = { "alpha", "beta", "gamma" };

/* All prefixes there are: some /32, some shorter, some IPv6. */
static prefix_t prefix_at(unsigned i)
{
	if (i < ADDRESSES)
		return prefix_of(addr_v4(0x0a000000u + i * 256), i % 3 == 0 ? 24 : 32);
	uint8_t b[16] = { 0x20, 0x01, 0x0d, 0xb8, 0, (uint8_t)i };
	return prefix_of(addr_from_bytes(FAMILY_V6, b), i % 2 ? 64 : 128);
}

struct naive_route {
	unsigned prefix, local_pref, communities; /* communities: mask of 8 */
	unsigned peers;				  /* mask; 0 = all */
};
struct model {
	struct rib_slots *slots;
	struct rib *rib;
	struct rib_claim claims[SERVICES];
	size_t n[SERVICES];
	struct naive_route routes[SERVICES][ROUTES];
	struct {
		bool there, up;
		unsigned slot, families;
		uint64_t *bits;
		/* What this peer has learned: 0 = nothing, else attributes + 1. */
		uint32_t table[PREFIXES];
	} peer[PEERS];
};

static uint32_t attributes(unsigned local_pref, unsigned communities)
{
	return 1 + (local_pref << 8 | communities);
}

/* What a peer should have, found the slow way. */
static uint32_t wanted(const struct model *m, unsigned peer, unsigned prefix)
{
	unsigned local_pref = 0, communities = 0;
	bool any = false;
	if (!(m->peer[peer].families & bgp_family_bit((enum family)prefix_at(prefix).addr.family)))
		return 0;
	for (unsigned s = 0; s < SERVICES; s++) {
		for (size_t i = 0; i < m->n[s]; i++) {
			const struct naive_route *r = &m->routes[s][i];
			if (r->prefix != prefix || (r->peers && !(r->peers >> peer & 1)))
				continue;
			any = true;
			local_pref = r->local_pref > local_pref ? r->local_pref : local_pref;
			communities |= r->communities;
		}
	}
	return any ? attributes(local_pref ? local_pref : 100, communities) : 0;
}

static void set_service(struct model *m, unsigned s, size_t n)
{
	struct bgp_route routes[ROUTES];
	community_t communities[ROUTES][8];
	struct name_set sets[ROUTES];
	char *names[ROUTES][PEERS];
	for (size_t i = 0; i < n; i++) {
		struct naive_route *r = &m->routes[s][i];
		*r = (struct naive_route){ roll(PREFIXES), roll(3) * 50, roll(4) ? roll(8) : roll(256),
					   roll(3) ? 0 : roll(1 << PEERS) };
		size_t k = 0;
		for (unsigned c = 0; c < 8; c++)
			if (r->communities >> c & 1)
				communities[i][k++] = (community_t){ .v = { c } };
		sets[i] = (struct name_set){ 0, names[i] };
		for (unsigned p = 0; p < PEERS; p++)
			if (r->peers >> p & 1)
				names[i][sets[i].n++] = (char *)(uintptr_t)peer_names[p];
		routes[i] =
		    (struct bgp_route){ prefix_at(r->prefix), r->local_pref, k, communities[i], &sets[i] };
	}
	m->n[s] = n;
	assert_int_equal(rib_claim_set(m->rib, &m->claims[s], routes, n, NULL), 0);
}

static unsigned index_of(prefix_t p)
{
	for (unsigned i = 0; i < PREFIXES; i++)
		if (prefix_eq(prefix_at(i), p))
			return i;
	fail_msg("a prefix that nobody asked for");
	return 0;
}

/* Attributes as read from the message: LOCAL_PREF (the sessions are iBGP) and COMMUNITIES. */
static uint32_t read_attributes(const struct bgp_update_in *u)
{
	struct cur c = u->attributes;
	unsigned local_pref = 0, communities = 0;
	while (cur_left(&c) > 0) {
		uint8_t flags = cur_u8(&c), type = cur_u8(&c);
		struct cur v = cur_sub(&c, flags & 0x10 ? cur_u16(&c) : cur_u8(&c));
		if (type == 5)
			local_pref = cur_u32(&v);
		while (type == 8 && cur_left(&v) > 0)
			communities |= 1u << cur_u32(&v);
	}
	return attributes(local_pref, communities);
}

static void learn(struct model *m, unsigned peer, struct cur list, enum family f, uint32_t value)
{
	prefix_t p;
	while (bgp_nlri_next(&list, f, &p)) {
		unsigned i = index_of(p);
		m->peer[peer].table[i] = value;
	}
}

static size_t bits_set(const uint64_t *bits)
{
	size_t n = 0;
	for (size_t i = 0; i < RIB_WORDS; i++)
		n += (size_t)__builtin_popcountll(bits[i]);
	return n;
}

/* Every prefix that the peer has must stand in the retained memory. */
static void check_superset(const struct model *m, unsigned peer)
{
	for (unsigned i = 0; i < PREFIXES; i++) {
		if (!m->peer[peer].table[i])
			continue;
		bool found = false;
		for (uint32_t e = 0; e < m->slots->n && !found; e++) {
			const struct rib_slot *s = &m->slots->v[e];
			prefix_t p = { addr_from_bytes((enum family)s->family, s->addr), s->len };
			found = s->family && prefix_eq(p, prefix_at(i)) &&
				m->peer[peer].bits[e / 64] >> (e % 64) & 1;
		}
		assert_true(found);
	}
}

/* Send up to `most` UPDATEs. */
static void pump(struct model *m, unsigned peer, unsigned most)
{
	const struct bgp_encoding e = { .local_as = 1,
					.ibgp = true,
					.as4 = true,
					.next_hop_v4 = addr_v4(1),
					.next_hop_v6 = prefix_at(ADDRESSES).addr };
	uint8_t buf[BGP_MAX];
	size_t n;
	while (most-- > 0 && (n = rib_next(m->rib, m->peer[peer].slot, &e, buf)) > 0) {
		struct bgp_update_in u;
		bgp_update_decode(buf + BGP_HEADER, n - BGP_HEADER, true, &u);
		assert_int_equal(u.outcome, BGP_UPDATE_OK);
		learn(m, peer, u.withdrawn, FAMILY_V4, 0);
		learn(m, peer, u.announced, FAMILY_V4, read_attributes(&u));
		learn(m, peer, u.mp_withdrawn, FAMILY_V6, 0);
		learn(m, peer, u.mp_announced, FAMILY_V6, read_attributes(&u));
		check_superset(m, peer);
		rib_sent(m->rib, m->peer[peer].slot);
		check_superset(m, peer);
	}
}

static void check_equal(struct model *m, unsigned peer)
{
	pump(m, peer, UINT32_MAX);
	size_t n = 0;
	for (unsigned i = 0; i < PREFIXES; i++) {
		uint32_t want = wanted(m, peer, i);
		n += want != 0;
		if (m->peer[peer].table[i] != want)
			fail_msg("peer %u, prefix %u: %x, not %x", peer, i, m->peer[peer].table[i], want);
	}
	struct rib_counts c = rib_counts(m->rib, m->peer[peer].slot);
	assert_int_equal(c.wanted, n);
	assert_int_equal(c.sent, n);
	assert_int_equal(c.pending, 0);
	assert_int_equal(bits_set(m->peer[peer].bits), n);
}

static void add_peer(struct model *m, unsigned p)
{
	int slot = rib_peer_add(m->rib, peer_names[p]);
	assert_true(slot >= 0);
	m->peer[p].slot = (unsigned)slot;
	m->peer[p].there = true;
}

static void session(struct model *m, unsigned p, bool up)
{
	if (!m->peer[p].there || m->peer[p].up == up)
		return;
	m->peer[p].up = up;
	if (up) {
		memset(m->peer[p].bits, 0, RIB_WORDS * sizeof(uint64_t));
		memset(m->peer[p].table, 0, sizeof m->peer[p].table);
		m->peer[p].families = 1 + roll(3);
		assert_true(rib_session_up(m->rib, m->peer[p].slot, m->peer[p].bits, m->peer[p].families));
	} else {
		rib_session_down(m->rib, m->peer[p].slot);
	}
}

/* The process dies: slots, bits and what the peers learned stay; Services come again. */
static void kill_process(struct model *m)
{
	static const uint8_t seed[16] = { 7 };
	struct rib_claim old[SERVICES];
	memcpy(old, m->claims, sizeof old);
	memset(m->claims, 0, sizeof m->claims);
	struct rib_slots *copy = malloc(sizeof *copy);
	memcpy(copy, m->slots, sizeof *copy); /* freeing the old table must not touch what is retained */
	uint64_t *bits[PEERS];
	for (unsigned p = 0; p < PEERS; p++) {
		bits[p] = malloc(RIB_WORDS * sizeof(uint64_t));
		memcpy(bits[p], m->peer[p].bits, RIB_WORDS * sizeof(uint64_t));
	}
	for (unsigned s = 0; s < SERVICES; s++)
		rib_claim_forget(&old[s]);
	rib_free(m->rib);
	memcpy(m->slots, copy, sizeof *copy);
	free(copy);
	m->rib = rib_new(m->slots, seed);
	assert_non_null(m->rib);
	for (unsigned p = 0; p < PEERS; p++) {
		memcpy(m->peer[p].bits, bits[p], RIB_WORDS * sizeof(uint64_t));
		free(bits[p]);
		if (!m->peer[p].there)
			continue;
		add_peer(m, p);
		if (m->peer[p].up)
			assert_true(
			    rib_session_up(m->rib, m->peer[p].slot, m->peer[p].bits, m->peer[p].families));
	}
	rib_sweep(m->rib);
	for (unsigned s = 0; s < SERVICES; s++)
		set_service(m, s, roll(2) ? roll(ROUTES + 1) : 0);
}

static void step(struct model *m)
{
	unsigned p = roll(PEERS);
	switch (roll(20)) {
	case 0: session(m, p, !m->peer[p].up); break;
	case 1:
		if (m->peer[p].up)
			rib_session_resend(m->rib, m->peer[p].slot, 1 + roll(3));
		break;
	case 2:
		if (roll(4) == 0) {
			session(m, p, false);
			if (m->peer[p].there)
				rib_peer_del(m->rib, m->peer[p].slot);
			m->peer[p].there = false;
		} else if (!m->peer[p].there) {
			add_peer(m, p);
		}
		break;
	case 3:
		if (m->peer[p].up) {
			m->peer[p].families = 1 + roll(3);
			rib_session_families(m->rib, m->peer[p].slot, m->peer[p].families);
		}
		break;
	case 4:
		if (roll(30) == 0)
			kill_process(m);
		break;
	case 5:
	case 6:
		if (m->peer[p].up)
			pump(m, p, 1 + roll(3));
		break;
	case 7:
		if (m->peer[p].up)
			check_equal(m, p);
		break;
	default: set_service(m, roll(SERVICES), roll(ROUTES + 1)); break;
	}
}

static void test_against_model(void **state)
{
	(void)state;
	static const uint8_t seed[16];
	for (uint64_t round = 1; round <= 3; round++) {
		struct model *m = calloc(1, sizeof *m);
		rng_state = round * 0x9e3779b97f4a7c15u;
		m->slots = calloc(1, sizeof *m->slots);
		m->rib = rib_new(m->slots, seed);
		for (unsigned p = 0; p < PEERS; p++) {
			m->peer[p].bits = calloc(RIB_WORDS, sizeof(uint64_t));
			add_peer(m, p);
		}
		for (int i = 0; i < STEPS; i++)
			step(m);
		for (unsigned p = 0; p < PEERS; p++)
			if (m->peer[p].up)
				check_equal(m, p);
		for (unsigned s = 0; s < SERVICES; s++)
			rib_claim_fini(m->rib, &m->claims[s]);
		for (unsigned p = 0; p < PEERS; p++) {
			session(m, p, false);
			free(m->peer[p].bits);
		}
		assert_int_equal(rib_prefixes(m->rib), 0);
		rib_free(m->rib);
		free(m->slots);
		free(m);
	}
}

struct small {
	struct rib_slots *slots;
	struct rib *rib;
	uint64_t *bits;
	unsigned peer;
};

static void small_open(struct small *t, const char *name)
{
	static const uint8_t seed[16];
	t->slots = calloc(1, sizeof *t->slots);
	t->bits = calloc(RIB_WORDS, sizeof(uint64_t));
	t->rib = rib_new(t->slots, seed);
	t->peer = (unsigned)rib_peer_add(t->rib, name);
}

static void small_close(struct small *t)
{
	rib_free(t->rib);
	free(t->slots);
	free(t->bits);
}

static const struct bgp_encoding plain = { .local_as = 1,
					   .as4 = true,
					   .next_hop_v4 = { FAMILY_V4, { 10, 0, 0, 1 } } };

/* Ten thousand routes with equal attributes travel in thirteen messages, as a raw packer would. */
static void test_packing(void **state)
{
	(void)state;
	enum { MANY = 10000 };
	struct small t;
	struct rib_claim *claims = calloc(MANY, sizeof *claims);
	const struct name_set all = { 0 };
	uint8_t buf[BGP_MAX];
	size_t messages = 0;
	small_open(&t, "one");
	assert_true(rib_session_up(t.rib, t.peer, t.bits, BGP_V4));
	for (unsigned i = 0; i < MANY; i++) {
		struct bgp_route r = { prefix_of(addr_v4(0x0a000000u + i), 32), 0, 0, NULL, &all };
		assert_int_equal(rib_claim_set(t.rib, &claims[i], &r, 1, NULL), 0);
	}
	while (rib_next(t.rib, t.peer, &plain, buf) > 0) {
		rib_sent(t.rib, t.peer);
		messages++;
	}
	assert_int_equal(messages, 13);
	assert_int_equal(rib_counts(t.rib, t.peer).sent, MANY);
	for (unsigned i = 0; i < MANY; i++)
		rib_claim_fini(t.rib, &claims[i]);
	for (messages = 0; rib_next(t.rib, t.peer, &plain, buf) > 0; messages++)
		rib_sent(t.rib, t.peer);
	assert_int_equal(messages, 13);
	assert_int_equal(rib_prefixes(t.rib), 0);
	free(claims);
	small_close(&t);
}

/* The attributes that win when Services share a prefix; equal claims are not a change. */
static void test_merge(void **state)
{
	(void)state;
	static const community_t a[] = { { .v = { 1 } }, { .v = { 3 } } },
				 b[] = { { .v = { 2 } }, { .v = { 3 } } };
	const struct name_set all = { 0 };
	struct small t;
	struct rib_claim x = { 0 }, y = { 0 };
	struct bgp_attributes got;
	prefix_t p = prefix_of(addr_v4(0x0a000000), 24);
	const struct bgp_route first = { p, 100, 2, a, &all }, second = { p, 1000, 2, b, &all };
	bool changed;
	small_open(&t, "one");
	rib_claim_set(t.rib, &x, &first, 1, &changed);
	assert_true(changed);
	rib_claim_set(t.rib, &x, &first, 1, &changed);
	assert_false(changed);
	rib_claim_set(t.rib, &y, &second, 1, &changed);
	assert_true(rib_wanted(t.rib, t.peer, p, &got));
	assert_int_equal(got.local_pref, 1000);
	assert_int_equal(got.n_communities, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(got.communities[i].v[0], i + 1);
	rib_claim_fini(t.rib, &y);
	assert_true(rib_wanted(t.rib, t.peer, p, &got));
	assert_int_equal(got.local_pref, 100);
	assert_int_equal(got.n_communities, 2);
	rib_claim_fini(t.rib, &x);
	assert_false(rib_wanted(t.rib, t.peer, p, &got));
	small_close(&t);
}

static void test_standing(void **state)
{
	(void)state;
	char *only[] = { (char *)(uintptr_t) "two" };
	const struct name_set all = { 0 }, two = { 1, only };
	struct small t;
	struct rib_claim x = { 0 }, y = { 0 };
	prefix_t p = prefix_of(addr_v4(0x0a000000), 24), shown[4];
	const struct bgp_route routes[] = { { p, 0, 0, NULL, &all }, { p, 0, 0, NULL, &two } };
	uint8_t buf[BGP_MAX];
	small_open(&t, "one");
	rib_claim_set(t.rib, &x, routes, 2, NULL);
	rib_claim_set(t.rib, &y, routes + 1, 1, NULL);
	assert_int_equal(rib_claim_prefixes(t.rib, &x, shown, 4), 1);
	assert_int_equal(rib_claim_standing(t.rib, &x, t.peer), RIB_WANTED);
	assert_int_equal(rib_claim_standing(t.rib, &y, t.peer), RIB_NOT_FOR_PEER);
	rib_session_up(t.rib, t.peer, t.bits, BGP_V4);
	assert_true(rib_next(t.rib, t.peer, &plain, buf) > 0);
	rib_sent(t.rib, t.peer);
	assert_int_equal(rib_claim_standing(t.rib, &x, t.peer), RIB_SENT);
	rib_session_drain(t.rib, t.peer, true);
	assert_true(rib_next(t.rib, t.peer, &plain, buf) > 0);
	rib_sent(t.rib, t.peer);
	assert_int_equal(rib_counts(t.rib, t.peer).sent, 0);
	rib_session_drain(t.rib, t.peer, false);
	assert_true(rib_next(t.rib, t.peer, &plain, buf) > 0);
	rib_sent(t.rib, t.peer);
	rib_claim_fini(t.rib, &x);
	rib_claim_fini(t.rib, &y);
	small_close(&t);
}

/* A damaged table of prefixes loses what is malformed, and says so when a session relied on it. */
static void test_damaged_slots(void **state)
{
	(void)state;
	static const uint8_t seed[16];
	static const struct rib_slot rows[] = {
		{ FAMILY_V4, 32, 0, { 10, 0, 0, 1 } }, { FAMILY_V4, 33, 0, { 10, 0, 0, 2 } },
		{ 5, 32, 0, { 10, 0, 0, 3 } },	       { FAMILY_V4, 24, 0, { 10, 0, 0, 4 } }, /* host bits */
		{ FAMILY_V4, 32, 0, { 10, 0, 0, 1 } }, /* twice */ { FAMILY_V6, 129, 0, { 0x20, 1 } },
		{ FAMILY_V6, 128, 0, { 0x20, 1 } },    { 0, 0, 0, { 0 } },
	};
	struct rib_slots *slots = calloc(1, sizeof *slots);
	uint64_t *bits = calloc(RIB_WORDS, sizeof *bits);
	memcpy(slots->v, rows, sizeof rows);
	slots->n = ARRAY_LEN(rows);
	struct rib *r = rib_new(slots, seed);
	assert_int_equal(rib_prefixes(r), 2);
	unsigned peer = (unsigned)rib_peer_add(r, "one");
	bits[0] = 1u << 0 | 1u << 6;
	assert_true(rib_session_up(r, peer, bits, BGP_V4 | BGP_V6));
	assert_int_equal(rib_counts(r, peer).sent, 2);
	rib_session_down(r, peer);
	bits[0] = 1u << 1;
	assert_false(rib_session_up(r, peer, bits, BGP_V4));
	rib_free(r);
	slots->n = UINT32_MAX; /* far beyond the table */
	r = rib_new(slots, seed);
	assert_non_null(r);
	rib_free(r);
	free(slots);
	free(bits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model), cmocka_unit_test(test_packing),
		cmocka_unit_test(test_merge),	      cmocka_unit_test(test_standing),
		cmocka_unit_test(test_damaged_slots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
