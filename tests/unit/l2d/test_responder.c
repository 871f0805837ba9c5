/* The responder, scripted: who is answered where, series of announcements, links that come and go, ownership
 * that moves, other hosts that claim an address, a silent gossipd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/l2d/world.h"

static int64_t metric_of(struct world *w, const char *name, const char *ip)
{
	struct strbuf out = { 0 };
	char want[160];
	long long value = -1;
	metrics_print(w->metrics, &out);
	snprintf(want, sizeof want, "%s{ip=\"%s\"} ", name, ip);
	const char *at = strstr(strbuf_get(&out), want);
	if (at)
		sscanf(at + strlen(want), "%lld", &value);
	strbuf_fini(&out);
	return value;
}

static void test_answers(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	world_own(&w, "10.0.0.100", true, false, 1, "eth0");
	world_settle(&w);
	assert_int_equal(world_arp(&w, ETH0, ARP_REQUEST, host_mac, "10.0.0.9", "10.0.0.100"), L2_ANSWERED);
	struct arp a;
	assert_int_equal(arp_parse(w.last.bytes, w.last.len, &a), 0);
	assert_int_equal(a.op, ARP_REPLY);
	assert_memory_equal(a.sender_mac, eth0_mac, 6);
	assert_memory_equal(a.dst, host_mac, 6);
	assert_int_equal(w.last.index, ETH0);
	/* a probe is answered too (RFC 5227) */
	assert_int_equal(world_arp(&w, ETH0, ARP_REQUEST, host_mac, "0.0.0.0", "10.0.0.100"), L2_ANSWERED);
	assert_int_equal(world_arp(&w, ETH1, ARP_REQUEST, host_mac, "10.0.0.9", "10.0.0.100"), L2_NOT_OURS);
	assert_int_equal(world_arp(&w, ETH0, ARP_REQUEST, host_mac, "10.0.0.9", "10.0.0.101"), L2_NOT_OURS);
	assert_int_equal(world_arp(&w, ETH0, ARP_REPLY, host_mac, "10.0.0.9", "10.0.0.100"), L2_HEARD);
	assert_int_equal(world_arp(&w, ETH0, ARP_REQUEST, mac_broadcast, "10.0.0.9", "10.0.0.100"),
			 L2_NO_LINK_ADDRESS);
	assert_int_equal(w.answers, 2);
	assert_int_equal(metric_of(&w, "metallb_layer2_requests_received", "10.0.0.100"), 2);
	assert_int_equal(metric_of(&w, "metallb_layer2_responses_sent", "10.0.0.100"), 2);
	assert_int_equal(metric_of(&w, "metallb_layer2_gratuitous_sent", "10.0.0.100"), 2);
	world_own(&w, "10.0.0.100", false, false, 2, "eth0");
	assert_int_equal(world_arp(&w, ETH0, ARP_REQUEST, host_mac, "10.0.0.9", "10.0.0.100"), L2_NOT_OURS);
	assert_int_equal(metric_of(&w, "metallb_layer2_requests_received", "10.0.0.100"), -1);
	world_fini(&w);
}

static void test_destination(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	world_own(&w, "10.0.0.100", true, false, 1, "");
	world_settle(&w);
	struct arp a = { .op = ARP_REQUEST, .sender_ip = { 10, 0, 0, 9 }, .target_ip = { 10, 0, 0, 100 } };
	uint8_t frame[ARP_PADDED];
	memcpy(a.sender_mac, host_mac, 6);
	memcpy(a.dst, eth0_mac, 6);
	arp_build(&a, frame);
	assert_int_equal(responder_arp(&w.r, ETH0, frame, sizeof frame, w.now, &w.box), L2_ANSWERED);
	assert_int_equal(responder_arp(&w.r, ETH1, frame, sizeof frame, w.now, &w.box), L2_OTHER_DESTINATION);
	assert_int_equal(responder_arp(&w.r, ETH0, frame, 41, w.now, &w.box), L2_MALFORMED);
	responder_sent(&w.r, &w.box, 0, w.box.n, false);
	assert_int_equal(w.r.send_failures, 1);
	assert_int_equal(metric_of(&w, "metallb_layer2_responses_sent", "10.0.0.100"), -1);
	w.box.n = OUTBOX_N;
	assert_int_equal(responder_arp(&w.r, ETH0, frame, sizeof frame, w.now, &w.box), L2_NO_ROOM);
	w.box.n = 0;
	world_fini(&w);
}

static void test_solicitations(void **state)
{
	(void)state;
	struct world w;
	struct ndp m;
	world_init(&w);
	world_own(&w, "fd00::100", true, false, 1, "");
	world_settle(&w);
	assert_int_equal(world_solicit(&w, ETH1, "fe80::9", "fd00::100", true), L2_ANSWERED);
	assert_int_equal(ndp_parse(w.last.bytes, w.last.len, &m), 0);
	assert_true(addr_eq(m.src, world_ip("fe80::101")) && addr_eq(m.dst, world_ip("fe80::9")));
	assert_true(m.solicited && !m.override);
	assert_memory_equal(m.link_address, eth1_mac, 6);
	/* duplicate detection of another host: to all nodes, not solicited */
	assert_int_equal(world_solicit(&w, ETH0, "::", "fd00::100", false), L2_ANSWERED);
	assert_int_equal(ndp_parse(w.last.bytes, w.last.len, &m), 0);
	assert_true(addr_eq(m.dst, world_ip("ff02::1")) && !m.solicited && !m.override);
	assert_int_equal(world_solicit(&w, ETH0, "fe80::9", "fd00::100", false), L2_NO_LINK_ADDRESS);
	assert_int_equal(world_solicit(&w, ETH0, "fe80::9", "fd00::101", true), L2_NOT_OURS);
	assert_int_equal(metric_of(&w, "metallb_layer2_responses_sent", "fd00::100"), 2);
	world_fini(&w);
}

/* Five rounds, 1.1 s apart; the first asks whether somebody is there. Saying the same again restarts nothing.
 */
static void test_series(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	world_own(&w, "10.0.0.100", true, false, 1, "eth0");
	world_settle(&w);
	assert_int_equal(w.requests, 1);
	assert_int_equal(w.replies, 1);
	assert_int_equal(w.probes, 1);
	for (unsigned round = 2; round <= ROUNDS; round++) {
		world_wait(&w, MS(1099));
		assert_int_equal(w.requests, round - 1);
		world_wait(&w, MS(1));
		assert_int_equal(w.requests, round);
		world_own(&w, "10.0.0.100", true, false, 1, "eth0");
	}
	world_wait(&w, SEC(60));
	world_own(&w, "10.0.0.100", true, false, 1, "eth0");
	world_wait(&w, SEC(60));
	assert_int_equal(w.requests, ROUNDS);
	assert_int_equal(w.replies, ROUNDS);
	assert_int_equal(w.probes, 1);
	assert_int_equal(world_on(&w, "10.0.0.100", ETH0)->gratuitous, 2 * ROUNDS);
	/* a new term: somebody else had it in between */
	world_own(&w, "10.0.0.100", true, false, 3, "eth0");
	world_wait(&w, SEC(60));
	assert_int_equal(w.requests, 2 * ROUNDS);
	assert_int_equal(w.actions[ACTION_ANNOUNCE], 2);
	world_fini(&w);
}

/* Terms of another life of gossipd cannot be compared: no new series. */
static void test_new_epoch(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	world_own(&w, "10.0.0.100", true, false, 1, "eth0");
	world_wait(&w, SEC(10));
	world_clear(&w);
	struct ownership o = {
		.addr = world_ip("10.0.0.100"), .mine = true, .term = 50, .epoch = 2, .n_names = 1
	};
	char names[1][LINK_NAME] = { "eth0" };
	o.names = names;
	responder_own(&w.r, &o, w.now);
	responder_synced(&w.r, w.now);
	world_wait(&w, SEC(10));
	assert_int_equal(w.requests, 0);
	assert_non_null(world_on(&w, "10.0.0.100", ETH0));
	world_fini(&w);
}

static void test_links_come_and_go(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	world_link(&w, ETH1, false, false);
	world_own(&w, "10.0.0.100", true, false, 1, "");
	world_own(&w, "fd00::100", true, false, 1, "");
	world_wait(&w, SEC(10));
	assert_int_equal(w.requests, ROUNDS);
	assert_int_equal(w.adverts, ROUNDS);
	assert_int_equal(w.actions[ACTION_JOIN], 1);
	world_clear(&w);
	world_link(&w, ETH1, true, false); /* for ARP first; its link-local address is not ready */
	world_wait(&w, SEC(10));
	assert_int_equal(w.requests, ROUNDS);
	assert_int_equal(w.adverts, 0);
	world_clear(&w);
	world_link(&w, ETH1, true, true);
	world_wait(&w, SEC(10));
	assert_int_equal(w.requests, 0);
	assert_int_equal(w.adverts, ROUNDS);
	assert_int_equal(w.actions[ACTION_JOIN], 1);
	world_clear(&w);
	world_link(&w, ETH1, true, true); /* nothing new */
	world_wait(&w, SEC(10));
	assert_int_equal(w.requests + w.adverts, 0);
	responder_link_gone(&w.r, ETH0);
	world_settle(&w);
	assert_int_equal(w.actions[ACTION_LEAVE], 1);
	assert_int_equal(w.actions[ACTION_GONE], 2);
	assert_int_equal(w.actions[ACTION_NOWHERE], 0);
	responder_link_gone(&w.r, ETH1);
	world_settle(&w);
	assert_int_equal(w.actions[ACTION_NOWHERE], 2);
	assert_int_equal(w.r.n_ifs, 0);
	world_fini(&w);
}

static void test_new_mac(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	world_own(&w, "10.0.0.100", true, false, 1, "eth0");
	world_wait(&w, SEC(10));
	world_clear(&w);
	struct link k = {
		.index = ETH0, .up = true, .arp = true, .name = "eth0", .mac = { 2, 7, 7, 7, 7, 7 }
	};
	responder_link(&w.r, &k, w.now);
	world_wait(&w, SEC(10));
	assert_int_equal(w.requests, ROUNDS);
	assert_int_equal(world_arp(&w, ETH0, ARP_REQUEST, host_mac, "10.0.0.9", "10.0.0.100"), L2_ANSWERED);
	assert_memory_equal(w.last.bytes + 6, k.mac, 6);
	snprintf(k.name, sizeof k.name, "other");
	responder_link(&w.r, &k, w.now);
	world_settle(&w);
	assert_string_equal(w.gone, "10.0.0.100%eth0");
	assert_null(world_on(&w, "10.0.0.100", ETH0));
	world_fini(&w);
}

static void test_interface_set(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	world_own(&w, "10.0.0.100", true, false, 1, "eth0");
	world_wait(&w, SEC(10));
	world_clear(&w);
	world_own(&w, "10.0.0.100", true, false, 1, "eth0,eth1");
	world_wait(&w, SEC(10));
	assert_int_equal(w.requests, ROUNDS); /* on eth1 alone */
	assert_int_equal(w.last.index, ETH1);
	world_own(&w, "10.0.0.100", true, false, 1, "eth1");
	world_settle(&w);
	assert_null(world_on(&w, "10.0.0.100", ETH0));
	assert_string_equal(w.gone, "10.0.0.100%eth0");
	world_own(&w, "10.0.0.100", true, false, 1, "eth9");
	world_settle(&w);
	assert_int_equal(w.actions[ACTION_NOWHERE], 1);
	world_own(&w, "10.0.0.101", true, false, 1, "eth9");
	world_settle(&w);
	assert_int_equal(w.actions[ACTION_NOWHERE], 2);
	world_own(&w, "10.0.0.100", true, false, 1, "");
	assert_non_null(world_on(&w, "10.0.0.100", ETH0));
	world_fini(&w);
}

/* Two addresses with the same last three bytes share one membership on each interface. */
static void test_groups(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	world_own(&w, "fd00::1:100", true, false, 1, "");
	world_own(&w, "fd00:1::1:100", true, false, 1, "");
	world_own(&w, "10.0.0.1", true, false, 1, "");
	world_settle(&w);
	assert_int_equal(w.actions[ACTION_JOIN], 2);
	responder_disown(&w.r, world_ip("fd00::1:100"));
	world_settle(&w);
	assert_int_equal(w.actions[ACTION_LEAVE], 0);
	responder_disown(&w.r, world_ip("fd00:1::1:100"));
	world_settle(&w);
	assert_int_equal(w.actions[ACTION_LEAVE], 2);
	assert_int_equal(map_len(&w.r.groups), 0);
	world_fini(&w);
}

static void test_conflict(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	world_own(&w, "10.0.0.100", true, false, 1, "");
	world_own(&w, "fd00::100", true, false, 1, "");
	world_wait(&w, SEC(20));
	world_clear(&w);
	assert_int_equal(world_arp(&w, ETH0, ARP_REPLY, host_mac, "10.0.0.100", "10.0.0.9"), L2_HEARD);
	world_settle(&w);
	struct vip_if *f = world_on(&w, "10.0.0.100", ETH0);
	assert_true(f->conflict && vip_if_announcing(f));
	assert_memory_equal(f->conflict_mac, host_mac, 6);
	assert_false(world_on(&w, "10.0.0.100", ETH1)->conflict);
	assert_int_equal(w.actions[ACTION_CONFLICT], 1);
	assert_int_equal(w.requests, 1); /* defended once */
	for (int i = 0; i < 9; i++) {
		world_wait(&w, SEC(1));
		world_arp(&w, ETH0, ARP_REQUEST, host_mac, "10.0.0.100", "10.0.0.100");
		world_settle(&w);
	}
	assert_int_equal(w.requests, 1);
	assert_int_equal(w.actions[ACTION_CONFLICT], 1);
	world_wait(&w, SEC(1));
	world_arp(&w, ETH0, ARP_REQUEST, host_mac, "10.0.0.100",
		  "10.0.0.1"); /* any packet from our address */
	world_settle(&w);
	assert_int_equal(w.requests, 2);
	world_wait(&w, SEC(59));
	assert_true(f->conflict);
	world_wait(&w, SEC(2));
	assert_false(f->conflict);
	/* an address of ours, or of a member that only uses it as a source, is no conflict */
	world_arp(&w, ETH0, ARP_REQUEST, eth1_mac, "10.0.0.100", "10.0.0.1");
	world_arp(&w, ETH0, ARP_REQUEST, member_mac, "10.0.0.100", "10.0.0.1");
	assert_false(f->conflict);
	world_advert(&w, ETH1, host_mac, "fd00::100", false);
	assert_true(world_on(&w, "fd00::100", ETH1)->conflict);
	assert_int_equal(w.r.conflicts, 12);
	world_fini(&w);
}

/* A flood with changing hardware addresses costs one note a second. */
static void test_conflict_flood(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	world_own(&w, "10.0.0.100", true, false, 1, "eth0");
	world_wait(&w, SEC(20));
	world_clear(&w);
	for (unsigned i = 0; i < 10000; i++) {
		uint8_t mac[] = { 2, 9, 0, 0, (uint8_t)(i >> 8), (uint8_t)i };
		world_arp(&w, ETH0, ARP_REPLY, mac, "10.0.0.100", "10.0.0.9");
	}
	assert_int_equal(w.r.n_actions, 1);
	world_settle(&w);
	assert_int_equal(w.requests, 1);
	assert_int_equal(w.r.conflicts, 10000);
	world_fini(&w);
}

/* gossipd silent for a while: another member announces our address. */
static void test_yield(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	world_own(&w, "10.0.0.100", true, false, 1, "");
	world_wait(&w, SEC(20));
	world_clear(&w);
	world_arp(&w, ETH0, ARP_REQUEST, member_mac, "10.0.0.100", "10.0.0.100");
	world_settle(&w);
	assert_int_equal(w.actions[ACTION_YIELD], 1);
	assert_int_equal(w.actions[ACTION_ASK], 1);
	assert_false(vip_if_announcing(world_on(&w, "10.0.0.100", ETH1)));
	assert_int_equal(world_arp(&w, ETH1, ARP_REQUEST, host_mac, "10.0.0.9", "10.0.0.100"), L2_YIELDED);
	assert_int_equal(w.r.n_yielded, 1);
	/* interfaces that come up meanwhile stay silent */
	world_link(&w, ETH1, false, false);
	world_link(&w, ETH1, true, true);
	world_wait(&w, SEC(20));
	assert_int_equal(w.requests, 0);
	/* gossipd is back and does not take it away */
	responder_alive(&w.r, w.now);
	world_wait(&w, SEC(20));
	assert_int_equal(w.r.n_yielded, 0);
	assert_int_equal(w.requests, 2); /* once on each interface */
	assert_int_equal(world_arp(&w, ETH1, ARP_REQUEST, host_mac, "10.0.0.9", "10.0.0.100"), L2_ANSWERED);
	world_fini(&w);
}

static void test_yield_details(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	world_own(&w, "10.0.0.100", true, false, 1, "");
	world_own(&w, "fd00::100", true, false, 1, "");
	world_wait(&w, MS(10));
	/* gossipd spoke just now: it knows better */
	world_arp(&w, ETH0, ARP_REPLY, member_mac, "10.0.0.100", "10.0.0.100");
	assert_int_equal(w.r.n_yielded, 0);
	world_wait(&w, SEC(20));
	/* the answer to our own probe, and an advertisement that is an answer: the old owner has not heard of
	 * us yet */
	world_arp(&w, ETH0, ARP_REPLY, member_mac, "10.0.0.100", "0.0.0.0");
	world_advert(&w, ETH0, member_mac, "fd00::100", false);
	assert_int_equal(w.r.n_yielded, 0);
	assert_false(world_on(&w, "10.0.0.100", ETH0)->conflict);
	world_advert(&w, ETH0, member_mac, "fd00::100", true);
	assert_int_equal(w.r.n_yielded, 1);
	assert_int_equal(world_solicit(&w, ETH0, "fe80::9", "fd00::100", true), L2_YIELDED);
	/* gossipd's new life is synced without having changed its mind */
	responder_synced(&w.r, w.now);
	assert_int_equal(w.r.n_yielded, 0);
	world_wait(&w, SEC(1));
	/* and then it does */
	world_advert(&w, ETH0, member_mac, "fd00::100", true);
	assert_int_equal(w.r.n_yielded, 1);
	responder_disown(&w.r, world_ip("fd00::100"));
	assert_int_equal(w.r.n_yielded, 0);
	assert_null(responder_find(&w.r, world_ip("fd00::100")));
	world_fini(&w);
}

/* Two members of two minds: each yield is taken back at once, but announced ever more rarely. */
static void test_split_brain(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	world_own(&w, "10.0.0.100", true, false, 1, "eth0");
	world_wait(&w, SEC(20));
	world_clear(&w);
	for (int i = 0; i < 3600; i++) {
		world_arp(&w, ETH0, ARP_REQUEST, member_mac, "10.0.0.100", "10.0.0.100");
		assert_int_equal(w.r.n_yielded, 1);
		responder_alive(&w.r, w.now);
		assert_int_equal(w.r.n_yielded, 0);
		world_wait(&w, SEC(1));
	}
	assert_in_range(w.requests, 8, 13);
	world_fini(&w);
}

/* A member comes back from the dead: each address is announced once more, and not again for each further
 * member. */
static void test_remind(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	assert_false(members_note_alive(&w.members, "other", true));
	assert_false(members_note_alive(&w.members, "other", false));
	assert_true(members_note_alive(&w.members, "other", true));
	assert_false(members_note_alive(&w.members, "other", true));
	assert_false(members_note_alive(&w.members, "unknown", true));
	world_own(&w, "10.0.0.100", true, false, 1, "");
	world_settle(&w);
	responder_remind(&w.r, w.now); /* the series runs anyway */
	world_wait(&w, SEC(20));
	assert_int_equal(w.requests, 2 * ROUNDS);
	for (int i = 0; i < 10; i++)
		responder_remind(&w.r, w.now);
	world_wait(&w, SEC(20));
	assert_int_equal(w.requests, 2 * ROUNDS + 2);
	world_fini(&w);
}

/* Make before break: the old owner answers until the new one is heard. */
static void test_hold(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	world_own(&w, "10.0.0.101", false, true, 2, ""); /* never ours: hold means nothing */
	assert_null(responder_find(&w.r, world_ip("10.0.0.101")));
	world_own(&w, "10.0.0.100", true, false, 1, "");
	world_wait(&w, SEC(20));
	world_clear(&w);
	world_own(&w, "10.0.0.100", false, true, 2, "");
	assert_int_equal(world_arp(&w, ETH0, ARP_REQUEST, host_mac, "10.0.0.9", "10.0.0.100"), L2_ANSWERED);
	world_arp(&w, ETH0, ARP_REQUEST, member_mac, "10.0.0.100", "10.0.0.100");
	world_settle(&w);
	assert_int_equal(world_arp(&w, ETH0, ARP_REQUEST, host_mac, "10.0.0.9", "10.0.0.100"), L2_YIELDED);
	assert_int_equal(w.actions[ACTION_ASK], 0);
	responder_alive(&w.r, w.now); /* does not bring it back */
	assert_int_equal(w.r.n_yielded, 1);
	world_own(&w, "10.0.0.100", true, false, 3, ""); /* the drain was called off */
	world_wait(&w, SEC(20));
	assert_int_equal(w.r.n_yielded, 0);
	assert_int_equal(w.requests, 2 * ROUNDS);
	world_own(&w, "10.0.0.100", false, true, 4, "");
	world_own(&w, "10.0.0.100", false, false, 4, "");
	assert_null(responder_find(&w.r, world_ip("10.0.0.100")));
	world_fini(&w);
}

/* Many addresses: rounds fill outboxes, and every address is found and removed again. */
static void test_many(void **state)
{
	(void)state;
	enum { N = 3000 };
	struct world w;
	char text[64];
	world_init(&w);
	for (unsigned i = 0; i < N; i++) {
		snprintf(text, sizeof text, "10.1.%u.%u", i / 256, i % 256);
		world_own(&w, text, true, false, 1, "eth0");
	}
	assert_true(responder_tick(&w.r, w.now, &w.box));
	assert_in_range(w.box.n, OUTBOX_N - 2, OUTBOX_N);
	world_settle(&w);
	assert_int_equal(w.requests, N);
	for (unsigned i = 0; i < N; i += 2) {
		snprintf(text, sizeof text, "10.1.%u.%u", i / 256, i % 256);
		responder_disown(&w.r, world_ip(text));
	}
	for (unsigned i = 0; i < N; i++) {
		snprintf(text, sizeof text, "10.1.%u.%u", i / 256, i % 256);
		assert_int_equal(responder_find(&w.r, world_ip(text)) != NULL, i % 2);
	}
	assert_int_equal(w.r.n_vips, N / 2);
	unsigned published = 0;
	while (responder_take_dirty(&w.r, true))
		published++;
	assert_int_equal(published, N / 2);
	world_fini(&w);
}

static void test_publishing(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	world_own(&w, "10.0.0.100", true, false, 1, "eth0");
	struct vip_if *f = world_on(&w, "10.0.0.100", ETH0);
	assert_ptr_equal(responder_take_dirty(&w.r, false), f);
	assert_null(responder_take_dirty(&w.r, true));
	world_settle(&w);
	assert_null(responder_take_dirty(&w.r, false)); /* only counters changed */
	assert_ptr_equal(responder_take_dirty(&w.r, true), f);
	world_arp(&w, ETH0, ARP_REQUEST, host_mac, "10.0.0.9", "10.0.0.100");
	world_arp(&w, ETH0, ARP_REPLY, host_mac, "10.0.0.100", "10.0.0.9");
	assert_ptr_equal(responder_take_dirty(&w.r, false), f);
	assert_null(responder_take_dirty(&w.r, true));
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),	       cmocka_unit_test(test_destination),
		cmocka_unit_test(test_solicitations),  cmocka_unit_test(test_series),
		cmocka_unit_test(test_new_epoch),      cmocka_unit_test(test_links_come_and_go),
		cmocka_unit_test(test_new_mac),	       cmocka_unit_test(test_interface_set),
		cmocka_unit_test(test_groups),	       cmocka_unit_test(test_conflict),
		cmocka_unit_test(test_conflict_flood), cmocka_unit_test(test_yield),
		cmocka_unit_test(test_yield_details),  cmocka_unit_test(test_hold),
		cmocka_unit_test(test_split_brain),    cmocka_unit_test(test_remind),
		cmocka_unit_test(test_many),	       cmocka_unit_test(test_publishing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
