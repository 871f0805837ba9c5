/* ARP codec against frames of the kernel: every field, every prefix, every bit. */
#include "l2d/arp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/l2d/frames.h"

static const uint8_t mac1[] = { 2, 0, 0, 0, 0, 1 }, mac2[] = { 2, 0, 0, 0, 0, 2 };
static const uint8_t ip1[] = { 10, 9, 0, 1 }, ip2[] = { 10, 9, 0, 2 };

static void test_parse(void **state)
{
	(void)state;
	struct arp a;
	assert_int_equal(arp_parse(frame_arp_request, sizeof frame_arp_request, &a), 0);
	assert_memory_equal(a.dst, mac_broadcast, 6);
	assert_memory_equal(a.src, mac1, 6);
	assert_int_equal(a.op, ARP_REQUEST);
	assert_memory_equal(a.sender_mac, mac1, 6);
	assert_memory_equal(a.sender_ip, ip1, 4);
	assert_memory_equal(a.target_mac, "\0\0\0\0\0\0", 6);
	assert_memory_equal(a.target_ip, ip2, 4);
	assert_int_equal(arp_parse(frame_arp_reply, sizeof frame_arp_reply, &a), 0);
	assert_int_equal(a.op, ARP_REPLY);
	assert_memory_equal(a.target_mac, mac1, 6);
}

/* Our answer to the kernel's question is what the other kernel answered. */
static void test_reply(void **state)
{
	(void)state;
	struct arp a;
	uint8_t out[ARP_PADDED];
	memset(out, 0xee, sizeof out);
	assert_int_equal(arp_parse(frame_arp_request, sizeof frame_arp_request, &a), 0);
	struct arp reply = arp_reply_to(&a, mac2);
	assert_int_equal(arp_build(&reply, out), ARP_PADDED);
	assert_memory_equal(out, frame_arp_reply, ARP_LEN);
	for (size_t i = ARP_LEN; i < ARP_PADDED; i++)
		assert_int_equal(out[i], 0);
}

static void test_announcements(void **state)
{
	(void)state;
	static const uint8_t request[] = { 255, 255, 255, 255, 255, 255, 2,   0,   0,	0,   0,	 1, 8, 6,
					   0,	1,   8,	  0,   6,   4,	 0,   1,   2,	0,   0,	 0, 0, 1,
					   10,	9,   0,	  1,   255, 255, 255, 255, 255, 255, 10, 9, 0, 1 };
	uint8_t out[ARP_PADDED];
	struct arp a = arp_announcement(ARP_REQUEST, mac1, ip1);
	arp_build(&a, out);
	assert_memory_equal(out, request, sizeof request);
	a = arp_announcement(ARP_REPLY, mac1, ip1);
	arp_build(&a, out);
	assert_int_equal(out[21], 2);
	out[21] = 1;
	assert_memory_equal(out, request, sizeof request);
	a = arp_probe(mac1, ip2);
	arp_build(&a, out);
	assert_memory_equal(out, frame_arp_request, 28);
	assert_memory_equal(out + 28, "\0\0\0\0\0\0\0\0\0\0\12\11\0\2", 14);
}

static void test_prefixes(void **state)
{
	(void)state;
	for (size_t n = 0; n <= sizeof frame_arp_request; n++) {
		uint8_t *copy = malloc(n ? n : 1);
		struct arp a;
		memcpy(copy, frame_arp_request, n);
		assert_int_equal(arp_parse(copy, n, &a), n < ARP_LEN ? -EBADMSG : 0);
		free(copy);
	}
}

/* A flip in type, hardware, protocol or a length makes another protocol of it; any other flip is seen in the
 * struct. */
static void test_bits(void **state)
{
	(void)state;
	uint8_t frame[sizeof frame_arp_request];
	struct arp good, a;
	assert_int_equal(arp_parse(frame_arp_request, sizeof frame_arp_request, &good), 0);
	for (size_t bit = 0; bit < sizeof frame * 8; bit++) {
		memcpy(frame, frame_arp_request, sizeof frame);
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
		int r = arp_parse(frame, sizeof frame, &a);
		if (bit / 8 >= 12 && bit / 8 < 20) {
			assert_int_equal(r, -EPROTONOSUPPORT);
			continue;
		}
		assert_int_equal(r, 0);
		assert_memory_not_equal(&a, &good, sizeof a);
		uint8_t out[ARP_PADDED];
		arp_build(&a, out);
		assert_memory_equal(out, frame, sizeof frame);
	}
}

static void test_unicast(void **state)
{
	(void)state;
	assert_true(mac_is_unicast(mac1));
	assert_false(mac_is_unicast(mac_broadcast));
	assert_false(mac_is_unicast((const uint8_t[]){ 0x33, 0x33, 0, 0, 0, 1 }));
	assert_false(mac_is_unicast((const uint8_t[]){ 0, 0, 0, 0, 0, 0 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),	      cmocka_unit_test(test_reply),
		cmocka_unit_test(test_announcements), cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_bits),	      cmocka_unit_test(test_unicast),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
