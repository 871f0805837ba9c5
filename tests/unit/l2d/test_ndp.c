/* Neighbour discovery codec against frames of the kernel: fields, receive checks, every prefix, every bit. */
#include "l2d/ndp.h"

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

static addr_t ip(const char *text)
{
	addr_t a = { 0 };
	assert_true(addr_parse(text, &a));
	return a;
}

static void assert_addr(addr_t a, const char *text)
{
	char buf[ADDR_TEXT];
	assert_string_equal(addr_text(a, buf), text);
}

static void test_parse(void **state)
{
	(void)state;
	struct ndp m;
	assert_int_equal(ndp_parse(frame_solicit, sizeof frame_solicit, &m), 0);
	assert_int_equal(m.type, NDP_SOLICIT);
	assert_memory_equal(m.dst_mac, "\x33\x33\xff\0\0\2", 6);
	assert_memory_equal(m.src_mac, mac1, 6);
	assert_addr(m.src, "fe80::ff:fe00:1");
	assert_addr(m.dst, "ff02::1:ff00:2");
	assert_addr(m.target, "fd00::2");
	assert_true(m.has_link_address);
	assert_memory_equal(m.link_address, mac1, 6);

	assert_int_equal(ndp_parse(frame_dad, sizeof frame_dad, &m), 0);
	assert_true(addr_is_unspecified(m.src));
	assert_addr(m.target, "fd00::1");
	assert_false(m.has_link_address);

	assert_int_equal(ndp_parse(frame_advert, sizeof frame_advert, &m), 0);
	assert_int_equal(m.type, NDP_ADVERT);
	assert_true(m.solicited && m.override && !m.router);
	assert_addr(m.target, "fd00::2");
	assert_memory_equal(m.link_address, mac2, 6);

	assert_int_equal(ndp_parse(frame_router, sizeof frame_router, &m), 0);
	assert_int_equal(m.type, NDP_ROUTER_ADVERT);
	assert_addr(m.src, "fe80::ff:fe00:1");
	assert_int_equal(m.router_lifetime_s, 0);
}

/* What we build has the checksum and layout that the kernel's own advertisement has. */
static void test_build(void **state)
{
	(void)state;
	struct ndp s, m;
	uint8_t out[NDP_MAX];
	struct ndp_advert a = { .src = ip("fd00::2"),
				.dst = ip("fe80::ff:fe00:1"),
				.target = ip("fd00::2"),
				.solicited = true,
				.override = true };
	memcpy(a.dst_mac, mac1, 6);
	memcpy(a.src_mac, mac2, 6);
	assert_int_equal(ndp_advert_build(&a, out), sizeof frame_advert);
	assert_memory_equal(out, frame_advert, sizeof frame_advert);

	assert_int_equal(ndp_parse(frame_solicit, sizeof frame_solicit, &s), 0);
	a = ndp_reply_to(&s, mac2, ip("fe80::ff:fe00:2"));
	assert_int_equal(ndp_parse(out, ndp_advert_build(&a, out), &m), 0);
	assert_addr(m.src, "fe80::ff:fe00:2");
	assert_addr(m.dst, "fe80::ff:fe00:1");
	assert_true(m.solicited && !m.override && !m.router);
	assert_memory_equal(m.dst_mac, mac1, 6);

	assert_int_equal(ndp_parse(frame_dad, sizeof frame_dad, &s), 0);
	a = ndp_reply_to(&s, mac2, ip("fe80::ff:fe00:2"));
	assert_int_equal(ndp_parse(out, ndp_advert_build(&a, out), &m), 0);
	assert_addr(m.dst, "ff02::1");
	assert_memory_equal(m.dst_mac, "\x33\x33\0\0\0\1", 6);
	assert_false(m.solicited || m.override);

	a = ndp_announcement(mac2, ip("fe80::ff:fe00:2"), ip("fd00::9"));
	assert_int_equal(ndp_parse(out, ndp_advert_build(&a, out), &m), 0);
	assert_addr(m.dst, "ff02::1");
	assert_true(m.override && !m.solicited);

	assert_int_equal(ndp_parse(out, ndp_probe_build(mac1, ip("fd00::1:2:3"), out), &m), 0);
	assert_int_equal(m.type, NDP_SOLICIT);
	assert_true(addr_is_unspecified(m.src));
	assert_addr(m.dst, "ff02::1:ff02:3");
}

static void test_prefixes(void **state)
{
	(void)state;
	for (size_t n = 0; n <= sizeof frame_solicit; n++) {
		uint8_t *copy = malloc(n ? n : 1);
		struct ndp m;
		memcpy(copy, frame_solicit, n);
		assert_int_equal(ndp_parse(copy, n, &m), n < sizeof frame_solicit ? -EBADMSG : 0);
		free(copy);
	}
}

/* One flipped bit is harmless only where no checksum reaches: Ethernet addresses, traffic class, flow label.
 */
static void test_bits(void **state)
{
	(void)state;
	uint8_t frame[sizeof frame_solicit];
	struct ndp m;
	for (size_t bit = 0; bit < sizeof frame * 8; bit++) {
		size_t byte = bit / 8;
		memcpy(frame, frame_solicit, sizeof frame);
		frame[byte] ^= (uint8_t)(0x80u >> bit % 8);
		bool harmless = byte < 12 || (byte == 14 && bit % 8 >= 4) || (byte > 14 && byte < 18);
		assert_int_equal(ndp_parse(frame, sizeof frame, &m) == 0, harmless);
	}
}

/* Make the checksum right again after a change, so that the rule itself is what refuses the frame. */
static void fix_checksum(uint8_t *frame, size_t len)
{
	uint32_t sum = (uint32_t)(len - 54) + 58;
	frame[56] = frame[57] = 0;
	for (size_t i = 22; i < len; i++)
		sum += i % 2 ? frame[i] : (uint32_t)frame[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	frame[56] = (uint8_t)(~sum >> 8);
	frame[57] = (uint8_t)~sum;
}

static void test_rules(void **state)
{
	(void)state;
	static const struct {
		const char *why;
		const uint8_t *frame;
		size_t len, at;
		uint8_t value;
		int result;
	} rows[] = {
		{ "unchanged", frame_solicit, sizeof frame_solicit, 0, 0x33, 0 },
		{ "hop limit 254", frame_solicit, sizeof frame_solicit, 21, 254, -EPROTO },
		{ "code 1", frame_solicit, sizeof frame_solicit, 55, 1, -EPROTO },
		{ "target multicast", frame_solicit, sizeof frame_solicit, 62, 0xff, -EPROTO },
		{ "option of length 0", frame_solicit, sizeof frame_solicit, 79, 0, -EBADMSG },
		{ "option too long", frame_solicit, sizeof frame_solicit, 79, 2, -EBADMSG },
		{ "source multicast", frame_solicit, sizeof frame_solicit, 22, 0xff, -EPROTO },
		{ "another option first", frame_solicit, sizeof frame_solicit, 78, 5, 0 },
		{ "probe not to the solicited-node group", frame_dad, sizeof frame_dad, 53, 9, -EPROTO },
		{ "probe with a source option", frame_dad, sizeof frame_dad, 78, 1, -EPROTO },
		{ "solicited to a group", frame_advert, sizeof frame_advert, 38, 0xff, -EPROTO },
		{ "router not link-local", frame_router, sizeof frame_router, 22, 0x20, -EPROTO },
		{ "an echo request", frame_solicit, sizeof frame_solicit, 54, 128, -EPROTONOSUPPORT },
		{ "a redirect", frame_solicit, sizeof frame_solicit, 54, 137, -EPROTONOSUPPORT },
		{ "UDP", frame_solicit, sizeof frame_solicit, 20, 17, -EPROTONOSUPPORT },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t frame[128];
		struct ndp m;
		memcpy(frame, rows[i].frame, rows[i].len);
		frame[rows[i].at] = rows[i].value;
		fix_checksum(frame, rows[i].len);
		int r = ndp_parse(frame, rows[i].len, &m);
		if (r != rows[i].result)
			fail_msg("%s: %d", rows[i].why, r);
	}
	uint8_t frame[sizeof frame_solicit];
	struct ndp m;
	memcpy(frame, frame_solicit, sizeof frame);
	frame[56] ^= 1;
	assert_int_equal(ndp_parse(frame, sizeof frame, &m), -EILSEQ);
}

static void test_length(void **state)
{
	(void)state;
	uint8_t frame[sizeof frame_solicit];
	struct ndp m;
	/* A solicitation without options is whole at 24 bytes, and too short one byte before. */
	for (uint8_t payload = 20; payload <= 24; payload++) {
		memcpy(frame, frame_solicit, sizeof frame);
		frame[19] = payload;
		fix_checksum(frame, 54u + payload);
		assert_int_equal(ndp_parse(frame, 54u + payload, &m), payload < 24 ? -EBADMSG : 0);
	}
	assert_false(m.has_link_address);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse), cmocka_unit_test(test_build), cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_bits),  cmocka_unit_test(test_rules), cmocka_unit_test(test_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
