/* Retained memory of a session: the ring against a plain stream, every damaged field refused, the note about
 * input; and the settings that decide whether a session may go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bgpd/store.h"
#include "lib/base/must.h"

static const struct store_params sound = { .peer = "tor1",
					   .local_family = FAMILY_V4,
					   .remote_family = FAMILY_V4,
					   .local_as = 64501,
					   .router_id = 1,
					   .peer_as = 64500,
					   .peer_id = 2,
					   .hold_s = 90,
					   .keepalive_s = 30,
					   .families = BGP_V4,
					   .as4 = 1,
					   .established_us = 5 };

static struct store *store_with(const struct store_params *p)
{
	struct store *s = calloc(1, sizeof *s);
	store_init(s);
	store_commit(s, p);
	return s;
}

static void test_sound(void **state)
{
	(void)state;
	struct store *s = store_with(&sound);
	struct store_params got;
	char why[80];
	assert_int_equal(store_check(s, &got, why, sizeof why), 0);
	assert_memory_equal(&got, &sound, sizeof got);
	free(s);
}

/* What a former life could have left, with a right checksum: each is refused by its own reason. */
static void test_refused(void **state)
{
	(void)state;
	struct store_params p;
	struct store *s;
	char why[80];
#define REFUSED(assignment, reason)                                                                          \
	p = sound;                                                                                           \
	assignment;                                                                                          \
	s = store_with(&p);                                                                                  \
	assert_int_equal(store_check(s, &p, why, sizeof why), -22);                                          \
	assert_string_equal(why, reason);                                                                    \
	free(s)
	REFUSED(p.peer[0] = 0, "name of the peer");
	REFUSED(memset(p.peer, 'a', sizeof p.peer), "name of the peer");
	REFUSED(p.peer[0] = (char)0xff, "name of the peer");
	REFUSED(memset(p.vrf, 'a', sizeof p.vrf), "name of the VRF");
	REFUSED(p.local_family = 0, "addresses");
	REFUSED(p.remote_family = FAMILY_V6, "addresses");
	REFUSED(p.local_as = 0, "AS number or identifier");
	REFUSED(p.peer_as = 0, "AS number or identifier");
	REFUSED(p.router_id = 0, "AS number or identifier");
	REFUSED(p.peer_id = 0, "AS number or identifier");
	REFUSED(p.families = 0, "families");
	REFUSED(p.families = 4, "families");
	REFUSED(p.hold_s = 2, "timers");
	REFUSED(p.hold_s = 70000, "timers");
	REFUSED(p.keepalive_s = 91, "timers");
	REFUSED(p.ibgp = 2, "flags");
	REFUSED(p.graceful = 7, "flags");
#undef REFUSED
}

/* A flipped bit anywhere in the parameters, or in the fields before them, is noticed. */
static void test_flipped(void **state)
{
	(void)state;
	struct store *s = store_with(&sound);
	struct store_params got;
	char why[80];
	for (size_t at = 0; at < offsetof(struct store, params_sum) + 8; at++) {
		if (at >= offsetof(struct store, end_of_rib) && at < offsetof(struct store, params))
			continue; /* judged by itself below */
		for (unsigned bit = 0; bit < 8; bit++) {
			((uint8_t *)s)[at] ^= (uint8_t)(1u << bit);
			assert_int_equal(store_check(s, &got, why, sizeof why), -22);
			((uint8_t *)s)[at] ^= (uint8_t)(1u << bit);
		}
	}
	s->end_of_rib = 4;
	assert_int_equal(store_check(s, &got, why, sizeof why), -22);
	s->end_of_rib = 3;
	assert_int_equal(store_check(s, &got, why, sizeof why), 0);
	free(s);
}

/* Random writes and random progress of the kernel: every byte comes out once and in order. */
static void test_ring(void **state)
{
	(void)state;
	struct store *s = store_with(&sound);
	uint64_t taken = 0, put = 0, rng = 88172645463325252u;
	uint8_t message[BGP_MAX];
	for (int i = 0; i < 20000; i++) {
		rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
		size_t len = 19 + rng % (BGP_MAX - 19);
		for (size_t k = 0; k < len; k++)
			message[k] = (uint8_t)((put + k) * 31 >> 3);
		bool fits = len <= STORE_RING - (put - taken);
		assert_int_equal(store_put(s, taken, message, len), fits);
		put += fits ? len : 0;
		assert_true(store_position_ok(s, taken));
		const uint8_t *p;
		size_t n = store_pending(s, taken, &p);
		n = n && rng % 3 ? rng % n + 1 : 0;
		for (size_t k = 0; k < n; k++)
			assert_int_equal(p[k], (uint8_t)((taken + k) * 31 >> 3));
		taken += n;
		assert_int_equal(store_room(s, taken), STORE_RING - (put - taken));
	}
	assert_true(put > 4 * (uint64_t)STORE_RING);
	assert_false(store_position_ok(s, s->head + 1));
	assert_false(store_position_ok(s, s->head - STORE_RING - 1));
	free(s);
}

static void test_note(void **state)
{
	(void)state;
	struct store *s = store_with(&sound);
	assert_false(store_note(s, 100));
	store_noted(s);
	assert_false(store_note(s, 100)); /* it was finished: the same place may come again */
	store_noted(s);
	assert_false(store_note(s, 120));
	assert_true(store_note(s, 120)); /* a life ended here */
	store_noted(s);
	assert_false(store_note(s, 120));
	free(s);
}

static void test_next_hops(void **state)
{
	(void)state;
	struct store *s = store_with(&sound);
	addr_t v4, v6, a4, a6;
	store_next_hops(s, &v4, &v6);
	assert_int_equal(v4.family | v6.family, 0);
	assert_true(addr_parse("10.0.0.1", &a4) && addr_parse("fd00::1", &a6));
	for (int i = 0; i < 3; i++) {
		store_set_next_hops(s, a4, a6);
		store_next_hops(s, &v4, &v6);
		assert_true(addr_eq(v4, a4) && addr_eq(v6, a6));
		addr_next(&a4);
	}
	s->hops_at = UINT32_MAX;
	s->hops[1].v4_family = 9;
	store_next_hops(s, &v4, &v6);
	assert_int_equal(v4.family, 0);
	free(s);
}

static struct peer peer_sample(void)
{
	struct peer p = { .name = (char *)(uintptr_t) "tor1", .my_asn = 64501, .peer_asn = 64500 };
	assert_true(addr_parse("10.0.0.1", &p.address));
	return p;
}

static void test_settings(void **state)
{
	(void)state;
	struct peer p = peer_sample();
	struct settings s, other;
	char why[160];
	assert_int_equal(settings_of(&p, &s, why, sizeof why), 0);
	assert_int_equal(s.port, 179);
	assert_int_equal(s.ttl, 1);
	assert_int_equal(s.fsm.hold_s, 90);
	assert_int_equal(s.fsm.connect_s, 30);
	assert_int_equal(s.fsm.families, BGP_V4);
	assert_false(s.fsm.next_hop_v6_for_v4);
	const uint64_t digest = settings_digest(&s);
#define AFTER(change, same, check)                                                                           \
	p = peer_sample();                                                                                   \
	change;                                                                                              \
	assert_int_equal(settings_of(&p, &other, why, sizeof why), 0);                                       \
	assert_int_equal(settings_digest(&other) == digest, same);                                           \
	assert_true(check)
	/* The peer need not notice. */
	AFTER((p.has_hold = true, p.hold_s = 30), true, other.fsm.hold_s == 30);
	AFTER((p.has_keepalive = true, p.keepalive_s = 7), true, other.fsm.keepalive_s == 7);
	AFTER((p.has_connect = true, p.connect_s = 5), true, other.fsm.connect_s == 5);
	AFTER(p.multi_hop = true, true, other.ttl == 255);
	AFTER(p.bfd_profile = (char *)(uintptr_t) "fast", true, true);
	/* The peer must notice. */
	AFTER(p.peer_asn = 64501, false, other.ttl == 255);
	AFTER((p.peer_asn = 0, p.dynamic_asn = DYNAMIC_ASN_INTERNAL), false, other.ttl == 255);
	AFTER((p.peer_asn = 0, p.dynamic_asn = DYNAMIC_ASN_EXTERNAL), false, other.ttl == 1);
	AFTER(p.local_asn = 65000, false, other.fsm.local_as == 65000);
	AFTER(p.port = 1790, false, other.port == 1790);
	AFTER(p.router_id = addr_v4(7), false, other.router_id == 7);
	AFTER(p.source = addr_v4(9), false, true);
	AFTER(p.dual_stack = true, false, other.fsm.families == (BGP_V4 | BGP_V6));
	AFTER(p.graceful_restart = true, false, other.fsm.graceful_restart);
	AFTER(p.has_password = true, false, other.has_password);
	AFTER(p.vrf = (char *)(uintptr_t) "red", false, strcmp(other.vrf, "red") == 0);
	AFTER(addr_parse("fd00::1", &p.address), false, other.fsm.families == BGP_V6);
	AFTER((addr_parse("fd00::1", &p.address), p.dual_stack = true), false, other.fsm.next_hop_v6_for_v4);
	AFTER((p.address = (addr_t){ 0 }, p.interface = (char *)(uintptr_t) "eth0"), false,
	      other.fsm.families == (BGP_V4 | BGP_V6));
#undef AFTER
	p = peer_sample();
	p.address = (addr_t){ 0 };
	assert_int_equal(settings_of(&p, &other, why, sizeof why), -22);
	p = peer_sample();
	p.vrf = (char *)(uintptr_t) "sixteen-bytes-xx";
	assert_int_equal(settings_of(&p, &other, why, sizeof why), -22);
	p = peer_sample();
	assert_true(addr_parse("fd00::2", &p.source));
	assert_int_equal(settings_of(&p, &other, why, sizeof why), -22);
}

static void test_router_id(void **state)
{
	(void)state;
	struct settings s = { .router_id = 7 };
	addr_t v6;
	assert_true(addr_parse("fd00::1", &v6));
	assert_int_equal(settings_router_id(&s, addr_v4(9), "node"), 7);
	s.router_id = 0;
	assert_int_equal(settings_router_id(&s, addr_v4(9), "node"), 9);
	assert_int_equal(crc32_ieee("123456789", 9), 0xcbf43926u);
	assert_int_equal(settings_router_id(&s, v6, "123456789"), 0x2639f4cbu);
	assert_int_not_equal(settings_router_id(&s, v6, ""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sound),	 cmocka_unit_test(test_refused),
		cmocka_unit_test(test_flipped),	 cmocka_unit_test(test_ring),
		cmocka_unit_test(test_note),	 cmocka_unit_test(test_next_hops),
		cmocka_unit_test(test_settings), cmocka_unit_test(test_router_id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
