/* Random sequences against a naive model that knows only the rules: an address of one pool, one Service per
 * address unless they share, nothing lost, nothing moved without a cause, and the same again for the same
 * sequence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "tests/unit/allocator/fixture.h"

enum { SERVICES = 40, STEPS = 3000, SEEDS = 12 };

struct world {
	uint64_t random;
	struct alloc a;
	struct objects o;
	struct config *c;
	mono_t now;
	uint64_t digest; /* of all outcomes */
};

static uint32_t roll(struct world *w, uint32_t n)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(w->random >> 33) % n;
}

static void configure(struct world *w)
{
	static const char *const sets[][4] = {
		{ "p 10.0.0.0/29 fd00::/125", "q 10.0.1.254-10.0.2.5 buggy",
		  "r 10.0.3.0/30 fd01::/126 manual" },
		{ "p 10.0.0.0/29 fd00::/125", "q 10.0.1.254-10.0.2.5 buggy",
		  "r 10.0.3.0/30 fd01::/126 manual", "s fd02::/64" },
		{ "p 10.0.0.4/30 fd00::/126", "q 10.0.1.254-10.0.2.5",
		  "r 10.0.3.0/31 fd01::/127 prio=1 ns=b" },
		{ "all 10.0.0.0/22 fd00::/120 buggy" },
	};
	uint32_t k = roll(w, ARRAY_LEN(sets));
	map_each (&w->o.by_kind[KIND_POOL], e) {
		objects_del(&w->o, KIND_POOL, e->key);
	}
	for (size_t i = 0; i < ARRAY_LEN(sets[k]) && sets[k][i]; i++)
		fixture_pool(&w->o, sets[k][i]);
	struct config *c = fixture_config(&w->o);
	assert_int_equal(alloc_configure(&w->a, c, w->now), 0);
	config_free(w->c);
	w->c = c;
}

/* Every holder against every other one. */
static void check(struct world *w)
{
	int64_t used[FAM_N][8] = { { 0 } };
	size_t n_ips = 0;
	map_each (&w->a.ips, e) {
		const struct alloc_ip *ip = e->value;
		const struct pool *p = config_pool_of(w->c, ip->addr);
		assert_non_null(p);
		assert_non_null(ip->head);
		assert_ptr_equal(p, space_pool(&w->a.space, ip->span));
		used[fam_of(ip->addr)][p - w->c->pools]++;
		n_ips++;
		for (const struct seat *s = ip->head; s; s = s->next)
			for (const struct seat *t = s->next; t; t = t->next) {
				/* Two on one address: same key, same backend, no common port. */
				assert_non_null(s->holder->group);
				assert_ptr_equal(s->holder->group, t->holder->group);
				for (size_t i = 0; i < s->holder->n_ports; i++)
					assert_false(port_list_has(
					    (struct port_list){ t->holder->ports, t->holder->n_ports },
					    s->holder->ports[i]));
			}
	}
	for (size_t i = 0; i < w->c->n_pools; i++) {
		assert_int_equal(w->a.space.pools[i].used[FAM_V4], used[FAM_V4][i]);
		assert_int_equal(w->a.space.pools[i].used[FAM_V6], used[FAM_V6][i]);
	}
	size_t seats = 0;
	map_each (&w->a.holders, e) {
		const struct holder *h = e->value;
		assert_in_range(h->n, 1, 2);
		for (size_t i = 0; i < h->n; i++)
			assert_ptr_equal(alloc_user(&w->a, h->seat[i].ip->addr), h->seat[i].ip);
		if (h->n == 2) {
			assert_int_not_equal(h->seat[0].ip->addr.family, h->seat[1].ip->addr.family);
			assert_ptr_equal(space_pool(&w->a.space, h->seat[0].ip->span),
					 space_pool(&w->a.space, h->seat[1].ip->span));
		}
		seats += h->n;
	}
	assert_true(n_ips <= seats);
}

/* The naive answer to "the first free address": walk. Only for pools that are small enough. */
static bool naive_first(const struct world *w, const struct pool *p, unsigned fam, addr_t *ret)
{
	for (size_t i = 0; i < p->n_ranges; i++) {
		addr_t x = p->ranges[i].first;
		if (fam_of(x) != fam)
			continue;
		for (size_t n = 0; n < 2000; n++) {
			if (pool_contains(p, x) && !alloc_user(&w->a, x) &&
			    !space_is_resting(&w->a.space, x)) {
				*ret = x;
				return true;
			}
			if (addr_eq(x, p->ranges[i].last) || !addr_next(&x))
				break;
		}
	}
	return false;
}

static void check_first_fit(struct world *w)
{
	for (uint32_t i = 0; i < w->c->n_pools; i++)
		for (unsigned fam = 0; fam < FAM_N; fam++) {
			addr_t naive, fast;
			uint32_t span;
			bool a = naive_first(w, &w->c->pools[i], fam, &naive);
			bool b = space_first_free(&w->a.space, i, fam, &span, &fast);
			assert_int_equal(a, b);
			if (a)
				assert_true(addr_eq(naive, fast));
		}
}

static void random_request(struct world *w, char *text, size_t size)
{
	static const char *const families[] = { "v4",		"v6", "dual prefer",
						"dual require", "v4", "dual prefer v6first" };
	static const char *const sharing[] = { "",
					       "",
					       "key=k tcp/80",
					       "key=k tcp/443",
					       "key=k tcp/80 tcp/81",
					       "key=k udp/53 backend=b",
					       "key=l tcp/80",
					       "key=k" };
	static const char *const spaces[] = { "ns=a", "ns=b" };
	str_fmt(text, size, "s%u %s %s %s", roll(w, SERVICES), families[roll(w, ARRAY_LEN(families))],
		sharing[roll(w, ARRAY_LEN(sharing))], spaces[roll(w, 2)]);
}

static uint64_t held(const struct world *w, const char *key)
{
	static const uint8_t zero[16];
	const struct holder *h = alloc_holder(&w->a, key);
	uint64_t x = 0;
	for (size_t i = 0; h && i < h->n; i++)
		x = x * 31 + siphash24(zero, &h->seat[i].ip->addr, sizeof(addr_t));
	return x;
}

static void random_step(struct world *w)
{
	struct fixture_request q;
	struct alloc_error error;
	char text[256], pool[2] = { "pqrs"[roll(w, 4)], 0 };
	random_request(w, text, sizeof text);
	fixture_request(text, &q);
	uint64_t before = held(w, q.r.key);
	bool had = alloc_holder(&w->a, q.r.key);
	addr_t want[2] = { addr_v4(0x0a000000u + roll(w, 1100)), addr_v4(0) };
	int e = 0;
	switch (roll(w, 12)) {
	case 0:
	case 1: alloc_release(&w->a, q.r.key, w->now); break;
	case 2: w->now = mono_add(w->now, MS(roll(w, 1500))); break;
	case 3:
		if (roll(w, 20) == 0)
			configure(w);
		break;
	case 4:
	case 5: e = alloc_assign(&w->a, &q.r, want, 1, w->now, &error); break;
	case 6:
	case 7: e = alloc_from_pool(&w->a, &q.r, pool, w->now, &error); break;
	default:
		e = alloc_auto(&w->a, &q.r, w->now, &error);
		/* What a Service has is not changed by asking again. */
		if (had)
			assert_int_equal(held(w, q.r.key), before);
	}
	if (e < 0)
		assert_int_equal(held(w, q.r.key), before);
	w->digest = w->digest * 1099511628211u ^ held(w, q.r.key) ^ (uint64_t)(unsigned)e;
}

static uint64_t life(uint64_t seed)
{
	struct world w = { .random = seed * 7919 + 1, .now = { SEC(1) } };
	alloc_init(&w.a);
	objects_init(&w.o);
	configure(&w);
	for (size_t i = 0; i < STEPS; i++) {
		random_step(&w);
		if (i % 16 == 0)
			check(&w);
		if (i % 64 == 0)
			check_first_fit(&w);
	}
	/* Nothing leaks: everything released and rested is free again. */
	for (unsigned i = 0; i < SERVICES; i++) {
		char key[16];
		str_fmt(key, sizeof key, "s%u", i);
		alloc_release(&w.a, key, w.now);
	}
	check(&w);
	assert_int_equal(map_len(&w.a.ips), 0);
	assert_int_equal(map_len(&w.a.shares.groups), 0);
	space_expire(&w.a.space, mono_add(w.now, SEC(2)));
	assert_int_equal(otree_count(&w.a.space.busy), 0);
	assert_int_equal(map_len(&w.a.space.rests), 0);
	alloc_fini(&w.a);
	objects_fini(&w.o);
	config_free(w.c);
	return w.digest;
}

static void test_random(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		assert_true(life(seed) == life(seed));
}

/* ---- the tree under everything else ---- */

static void test_otree(void **state)
{
	(void)state;
	struct world w = { .random = 5 };
	struct otree t = { 0 };
	bool in[300] = { false };
	for (size_t step = 0; step < 20000; step++) {
		uint32_t x = roll(&w, ARRAY_LEN(in));
		struct okey key = { x % 3, { 0, x } };
		if (in[x])
			otree_remove(&t, key);
		else
			assert_non_null(otree_add(&t, key));
		in[x] = !in[x];
		if (step % 100)
			continue;
		size_t n = 0;
		for (uint32_t space = 0; space < 3; space++)
			for (uint32_t i = space; i < ARRAY_LEN(in); i += 3) {
				struct okey k = { space, { 0, i } };
				assert_int_equal(otree_rank(&t, k), n);
				assert_int_equal(otree_find(&t, k) != NULL, in[i]);
				if (in[i])
					assert_int_equal(otree_nth(&t, n++)->key.at.lo, i);
			}
		assert_int_equal(otree_count(&t), n);
		assert_null(otree_nth(&t, n));
	}
	otree_fini(&t);
}

/* A sharing group of many addresses: the one with the free port is found, wherever it is. */
static void test_share_first(void **state)
{
	(void)state;
	struct world w = { .random = 11 };
	struct shares s;
	shares_init(&s);
	struct share_group *g = share_get(&s, "key", "");
	enum { N = 500 };
	uint32_t ports[2] = { 80, 443 };
	bool used[2][N] = { { false } };
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(share_add_ip(g, 1, addr_v4(1000 + i)), 0);
	for (size_t step = 0; step < 3000; step++) {
		uint32_t i = roll(&w, N), p = roll(&w, 2), from = roll(&w, N), expected = N, span;
		addr_t found = addr_v4(0);
		/* Long runs in use are the hard case. */
		bool now_used = roll(&w, 10) > 0;
		if (now_used && !used[p][i])
			assert_int_equal(
			    share_add_ports(g, 1, addr_v4(1000 + i), (struct port_list){ &ports[p], 1 }), 0);
		else if (!now_used && used[p][i])
			share_remove_ports(g, 1, addr_v4(1000 + i), (struct port_list){ &ports[p], 1 });
		used[p][i] = now_used;
		for (uint32_t k = from; k < N && expected == N; k++)
			if (!used[0][k] && !used[1][k])
				expected = k;
		struct okey lo = { 1, { 0, 1000 + from } }, hi = { 2, { 0, 0 } };
		bool ok = share_first(g, FAM_V4, lo, hi, (struct port_list){ ports, 2 }, &span, &found);
		assert_int_equal(ok, expected < N);
		if (ok)
			assert_int_equal(addr_v4_value(found), 1000 + expected);
	}
	shares_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_otree),
		cmocka_unit_test(test_share_first),
		cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
