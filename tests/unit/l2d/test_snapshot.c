/* The table for the next life: what comes back, what is not announced again, and that no damage does harm. */
#include "l2d/snapshot.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/l2d/world.h"

/* A second world whose responder was restored from the first one's bytes. */
static void successor(struct world *old, struct world *next, int64_t later_us)
{
	uint8_t *data = NULL;
	size_t len = 0;
	assert_int_equal(snapshot_encode(&old->r, &data, &len), 0);
	world_init(next);
	next->now = mono_add(old->now, later_us);
	assert_int_equal(snapshot_decode(&next->r, data, len, next->now), (int)old->r.n_vips);
	free(data);
}

static void test_quiet_restart(void **state)
{
	(void)state;
	struct world a, b;
	world_init(&a);
	world_own(&a, "10.0.0.100", true, false, 7, "eth0,eth1");
	world_own(&a, "fd00::100", true, false, 7, "");
	world_wait(&a, SEC(20));
	successor(&a, &b, MS(50));
	/* answers at once, announces nothing, joins its groups */
	assert_int_equal(world_arp(&b, ETH1, ARP_REQUEST, host_mac, "10.0.0.9", "10.0.0.100"), L2_ANSWERED);
	assert_int_equal(world_solicit(&b, ETH1, "fe80::9", "fd00::100", true), L2_ANSWERED);
	world_wait(&b, SEC(20));
	assert_int_equal(b.requests + b.adverts + b.probes, 0);
	assert_int_equal(b.actions[ACTION_JOIN], 2);
	/* gossipd says the same: still nothing; and what it does not confirm goes */
	world_own(&b, "10.0.0.100", true, false, 7, "eth0,eth1");
	responder_synced(&b.r, b.now);
	world_wait(&b, SEC(20));
	assert_int_equal(b.requests, 0);
	assert_null(responder_find(&b.r, world_ip("fd00::100")));
	world_own(&b, "10.0.0.100", true, false, 8, "eth0,eth1");
	world_wait(&b, SEC(20));
	assert_int_equal(b.requests, 2 * ROUNDS);
	world_fini(&a);
	world_fini(&b);
}

/* A series goes on where it was, without the rounds that fell into the gap. */
static void test_mid_series(void **state)
{
	(void)state;
	struct world a, b;
	world_init(&a);
	world_own(&a, "10.0.0.100", true, false, 1, "eth0");
	world_settle(&a);
	successor(&a, &b, MS(50));
	world_wait(&b, SEC(20));
	assert_int_equal(b.requests, ROUNDS - 1);
	world_fini(&b);
	successor(
	    &a, &b,
	    MS(2500)); /* rounds at 1.1 and 2.2 s were missed; the latter is not late enough to be skipped */
	world_wait(&b, SEC(20));
	assert_int_equal(b.requests, ROUNDS - 2);
	world_fini(&b);
	world_fini(&a);
}

/* An interface that appeared while nobody ran is announced in full. */
static void test_new_interface(void **state)
{
	(void)state;
	struct world a, b;
	world_init(&a);
	world_link(&a, ETH1, false, false);
	world_own(&a, "10.0.0.100", true, false, 1, "");
	world_wait(&a, SEC(20));
	successor(&a, &b, MS(50));
	world_wait(&b, SEC(20));
	assert_int_equal(b.requests, ROUNDS);
	assert_int_equal(b.last.index, ETH1);
	world_fini(&a);
	world_fini(&b);
}

static void test_yielded(void **state)
{
	(void)state;
	struct world a, b;
	world_init(&a);
	world_own(&a, "10.0.0.100", true, false, 1, "");
	world_wait(&a, SEC(20));
	world_arp(&a, ETH0, ARP_REQUEST, member_mac, "10.0.0.100", "10.0.0.100");
	successor(&a, &b, MS(50));
	assert_int_equal(b.r.n_yielded, 1);
	assert_int_equal(world_arp(&b, ETH0, ARP_REQUEST, host_mac, "10.0.0.9", "10.0.0.100"), L2_YIELDED);
	responder_alive(&b.r, b.now);
	assert_int_equal(world_arp(&b, ETH0, ARP_REQUEST, host_mac, "10.0.0.9", "10.0.0.100"), L2_ANSWERED);
	world_fini(&a);
	world_fini(&b);
}

static void test_damage(void **state)
{
	(void)state;
	struct world a;
	uint8_t *data = NULL;
	size_t len = 0;
	world_init(&a);
	world_own(&a, "10.0.0.100", true, false, 1, "eth0");
	world_own(&a, "fd00::100", true, false, 1, "");
	assert_int_equal(snapshot_encode(&a.r, &data, &len), 0);
	for (size_t n = 0; n < len; n++) {
		uint8_t *copy = malloc(n ? n : 1);
		struct world b;
		memcpy(copy, data, n);
		world_init(&b);
		assert_int_equal(snapshot_decode(&b.r, copy, n, b.now), -EBADMSG);
		world_fini(&b);
		free(copy);
	}
	for (size_t bit = 0; bit < len * 8; bit++) {
		struct world b;
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		world_init(&b);
		int r = snapshot_decode(&b.r, data, len, b.now);
		assert_true(r <= 2 && (r >= 0 || r == -EBADMSG || r == -EPROTONOSUPPORT));
		world_fini(&b);
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	free(data);
	world_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet_restart), cmocka_unit_test(test_mid_series),
		cmocka_unit_test(test_new_interface), cmocka_unit_test(test_yielded),
		cmocka_unit_test(test_damage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
