/* UPDATE: what we write, byte for byte, and what RFC 7606 makes of what others write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bgpd/bgp_msg.h"
#include "lib/base/must.h"
#include "lib/base/strbuf.h"

static prefix_t prefix(const char *text)
{
	prefix_t p;
	assert_true(prefix_parse(text, &p));
	return p;
}

static addr_t address(const char *text)
{
	addr_t a;
	assert_true(addr_parse(text, &a));
	return a;
}

static void expect_bytes(const char *name, const uint8_t *got, size_t n, const char *hex)
{
	struct strbuf b = { 0 };
	for (size_t i = 0; i < n; i++)
		strbuf_fmt(&b, "%02x", got[i]);
	if (strcmp(strbuf_get(&b), hex) != 0)
		fail_msg("%s:\n%s\nnot\n%s", name, strbuf_get(&b), hex);
	strbuf_fini(&b);
}

#define MARKER "ffffffffffffffffffffffffffffffff"

#define HOPS .next_hop_v4 = { FAMILY_V4, { 10, 0, 0, 1 } }, .next_hop_v6 = { FAMILY_V6, { 0xfd, [15] = 1 } }
static const community_t both[] = { { .v = { 0x04d2 } },
				    { .v = { 0x0929 } },
				    { .large = true, .v = { 1, 2, 3 } } };
static const struct bgp_attributes plain = { 0 }, rich = { 250, 3, both };
static const struct bgp_encoding ebgp = { .local_as = 64501, .as4 = true, HOPS };
static const struct bgp_encoding ibgp = { .local_as = 64501, .as4 = true, .ibgp = true, HOPS };
static const struct bgp_encoding old = { .local_as = 4200000000u, HOPS };
static const struct bgp_encoding over_v6 = {
	.local_as = 64501, .as4 = true, .next_hop_v6_for_v4 = true, HOPS
};
static const struct bgp_encoding leaving = {
	.local_as = 64501, .as4 = true, .graceful_shutdown = true, HOPS
};
static const struct bgp_encoding leaving_i = {
	.local_as = 64501, .as4 = true, .ibgp = true, .graceful_shutdown = true, HOPS
};

static const struct {
	const char *name;
	const struct bgp_encoding *e;
	const struct bgp_attributes *a;
	const char *prefix, *hex;
} encodings[] = {
	{ "eBGP, IPv4", &ebgp, &plain, "192.0.2.1/32",
	  MARKER "0030"
		 "02"
		 "0000"
		 "0014"
		 "40010100"
		 "400206"
		 "0201"
		 "0000fbf5"
		 "4003040a000001"
		 "20c0000201" },
	{ "iBGP has LOCAL_PREF and an empty path", &ibgp, &plain, "192.0.2.0/24",
	  MARKER "0030"
		 "02"
		 "0000"
		 "0015"
		 "40010100"
		 "400200"
		 "4003040a000001"
		 "40050400000064"
		 "18c00002" },
	{ "communities and localPref on iBGP", &ibgp, &rich, "192.0.2.0/24",
	  MARKER "004a"
		 "02"
		 "0000"
		 "002f"
		 "40010100"
		 "400200"
		 "4003040a000001"
		 "400504000000fa"
		 "c00808000004d200000929"
		 "c0200c000000010000000200000003"
		 "18c00002" },
	{ "old peer: AS_TRANS and AS4_PATH", &old, &plain, "192.0.2.1/32",
	  MARKER "0037"
		 "02"
		 "0000"
		 "001b"
		 "40010100"
		 "400204"
		 "0201"
		 "5ba0"
		 "4003040a000001"
		 "c01106"
		 "0201"
		 "fa56ea00"
		 "20c0000201" },
	{ "IPv6: MP_REACH first", &ebgp, &plain, "2001:db8::/32",
	  MARKER "0042"
		 "02"
		 "0000"
		 "002b"
		 "900e"
		 "001a"
		 "0002"
		 "01"
		 "10"
		 "fd000000000000000000000000000001"
		 "00"
		 "2020010db8"
		 "40010100"
		 "400206"
		 "0201"
		 "0000fbf5" },
	{ "IPv4 with an IPv6 next hop", &over_v6, &plain, "192.0.2.1/32",
	  MARKER "0042"
		 "02"
		 "0000"
		 "002b"
		 "900e"
		 "001a"
		 "0001"
		 "01"
		 "10"
		 "fd000000000000000000000000000001"
		 "00"
		 "20c0000201"
		 "40010100"
		 "400206"
		 "0201"
		 "0000fbf5" },
	{ "withdraw IPv4", &ebgp, NULL, "192.0.2.1/32",
	  MARKER "001c"
		 "02"
		 "0005"
		 "20c0000201"
		 "0000" },
	{ "withdraw IPv6", &ebgp, NULL, "2001:db8::/32",
	  MARKER "0023"
		 "02"
		 "0000"
		 "000c"
		 "900f"
		 "0008"
		 "0002"
		 "01"
		 "2020010db8" },
	{ "leaving, eBGP: community 65535:0", &leaving, &plain, "192.0.2.1/32",
	  MARKER "0037"
		 "02"
		 "0000"
		 "001b"
		 "40010100"
		 "400206"
		 "0201"
		 "0000fbf5"
		 "4003040a000001"
		 "c00804ffff0000"
		 "20c0000201" },
	{ "leaving, iBGP: LOCAL_PREF 0 too", &leaving_i, &rich, "0.0.0.0/0",
	  MARKER "004b"
		 "02"
		 "0000"
		 "0033"
		 "40010100"
		 "400200"
		 "4003040a000001"
		 "40050400000000"
		 "c0080c000004d200000929ffff0000"
		 "c0200c000000010000000200000003"
		 "00" },
};

static void test_encode(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
		struct bgp_update_out u;
		uint8_t buf[BGP_MAX];
		prefix_t p = prefix(encodings[i].prefix);
		assert_true(
		    bgp_update_begin(&u, buf, encodings[i].e, (enum family)p.addr.family, encodings[i].a));
		assert_true(bgp_update_add(&u, p));
		expect_bytes(encodings[i].name, buf, bgp_update_end(&u), encodings[i].hex);
	}
	struct bgp_update_out u;
	uint8_t buf[BGP_MAX];
	const struct bgp_encoding no_hop = { .local_as = 1 };
	assert_false(bgp_update_begin(&u, buf, &no_hop, FAMILY_V6, &plain));
	assert_false(bgp_update_begin(&u, buf, &no_hop, FAMILY_V4, &plain));
}

static void test_end_of_rib(void **state)
{
	(void)state;
	uint8_t buf[64];
	struct wbuf w = wbuf_of(buf, sizeof buf);
	bgp_end_of_rib_encode(&w, FAMILY_V4);
	expect_bytes("IPv4", buf, w.len,
		     MARKER "0017"
			    "02"
			    "0000"
			    "0000");
	w.len = 0;
	bgp_end_of_rib_encode(&w, FAMILY_V6);
	expect_bytes("IPv6", buf, w.len,
		     MARKER "001d"
			    "02"
			    "0000"
			    "0006"
			    "800f03000201");
	struct bgp_update_in u;
	bgp_update_decode(buf + BGP_HEADER, w.len - BGP_HEADER, true, &u);
	assert_int_equal(u.end_of_rib, BGP_V6);
}

/* As many prefixes as fit, with the longest attributes; what is read back is what was written. */
static void fill(enum family f, const struct bgp_attributes *a, bool via_v6)
{
	const struct bgp_encoding e = { .local_as = 4200000000u,
					.as4 = false,
					.next_hop_v4 = address("10.0.0.1"),
					.next_hop_v6 = address("fd00::1"),
					.next_hop_v6_for_v4 = via_v6,
					.graceful_shutdown = true };
	struct bgp_update_out u;
	uint8_t buf[BGP_MAX];
	struct bgp_header h;
	struct bgp_error error;
	struct bgp_update_in in;
	size_t n = 0;
	prefix_t p =
	    prefix_of(address(f == FAMILY_V4 ? "10.1.0.0" : "2001:db8::"), f == FAMILY_V4 ? 32 : 128);
	prefix_t first = p;
	assert_true(bgp_update_begin(&u, buf, &e, f, a));
	for (; bgp_update_add(&u, p); n++)
		assert_true(addr_next(&p.addr));
	size_t len = bgp_update_end(&u);
	assert_true(len <= BGP_MAX && len + 18 > BGP_MAX);
	assert_true(bgp_header_decode(buf, &h, &error));
	assert_int_equal(h.len, len);
	bgp_update_decode(buf + BGP_HEADER, len - BGP_HEADER, false, &in);
	assert_int_equal(in.outcome, BGP_UPDATE_OK);
	struct cur list = in.mp_announced_family   ? in.mp_announced
			  : in.mp_withdrawn_family ? in.mp_withdrawn
			  : a			   ? in.announced
						   : in.withdrawn;
	for (size_t i = 0; i < n; i++) {
		assert_true(bgp_nlri_next(&list, f, &p));
		assert_true(prefix_eq(p, first));
		addr_next(&first.addr);
	}
	assert_false(bgp_nlri_next(&list, f, &p));
}

static void test_full(void **state)
{
	(void)state;
	community_t v[BGP_MAX_COMMUNITIES];
	for (size_t i = 0; i < BGP_MAX_COMMUNITIES; i++)
		v[i] = (community_t){ .large = true, .v = { 1, 2, (uint32_t)i } };
	const struct bgp_attributes heavy = { 1, BGP_MAX_COMMUNITIES, v }, light = { 0 };
	for (int via_v6 = 0; via_v6 < 2; via_v6++) {
		fill(FAMILY_V4, &light, via_v6);
		fill(FAMILY_V4, &heavy, via_v6);
		fill(FAMILY_V6, &light, via_v6);
		fill(FAMILY_V6, &heavy, via_v6);
		fill(FAMILY_V4, NULL, via_v6);
		fill(FAMILY_V6, NULL, via_v6);
	}
}

#define BASICS                                                                                               \
	"40010100"                                                                                           \
	"400200"                                                                                             \
	"4003040a000001"

static const struct {
	const char *name, *hex; /* body behind the header */
	enum bgp_outcome outcome;
	uint8_t subcode;
} inputs[] = {
	{ "nothing: End-of-RIB", "00000000", BGP_UPDATE_OK, 0 },
	{ "a route", "0000000e" BASICS "18c00002", BGP_UPDATE_OK, 0 },
	{ "withdrawn only", "000418c000020000", BGP_UPDATE_OK, 0 },
	{ "unknown optional attribute",
	  "00000011" BASICS "c0fe00"
	  "18c00002",
	  BGP_UPDATE_OK, 0 },
	{ "too short", "0000", BGP_UPDATE_RESET, 1 },
	{ "withdrawn length beyond the end", "00ff0000", BGP_UPDATE_RESET, 1 },
	{ "attribute length beyond the end", "000000ff", BGP_UPDATE_RESET, 1 },
	{ "prefix of 33 bits", "0000000e" BASICS "21c0000201", BGP_UPDATE_RESET, 10 },
	{ "prefix cut short", "0000000e" BASICS "20c00002", BGP_UPDATE_RESET, 10 },
	{ "withdrawn prefix cut short", "000318c0000000", BGP_UPDATE_RESET, 10 },
	{ "ORIGIN 3",
	  "0000000e"
	  "40010103"
	  "400200"
	  "4003040a000001"
	  "18c00002",
	  BGP_UPDATE_TREAT_AS_WITHDRAW, 0 },
	{ "ORIGIN of two bytes",
	  "0000000f"
	  "4001020000"
	  "400200"
	  "4003040a000001"
	  "18c00002",
	  BGP_UPDATE_TREAT_AS_WITHDRAW, 0 },
	{ "wrong flags",
	  "0000000e"
	  "c0010100"
	  "400200"
	  "4003040a000001"
	  "18c00002",
	  BGP_UPDATE_TREAT_AS_WITHDRAW, 0 },
	{ "AS_PATH with an empty segment",
	  "00000010"
	  "40010100"
	  "4002020200"
	  "4003040a000001"
	  "18c00002",
	  BGP_UPDATE_TREAT_AS_WITHDRAW, 0 },
	{ "AS_PATH overrun",
	  "00000012"
	  "40010100"
	  "400204"
	  "02020001"
	  "4003040a000001"
	  "18c00002",
	  BGP_UPDATE_TREAT_AS_WITHDRAW, 0 },
	{ "no NEXT_HOP",
	  "00000007"
	  "40010100"
	  "400200"
	  "18c00002",
	  BGP_UPDATE_TREAT_AS_WITHDRAW, 0 },
	{ "no ORIGIN",
	  "0000000a"
	  "400200"
	  "4003040a000001"
	  "18c00002",
	  BGP_UPDATE_TREAT_AS_WITHDRAW, 0 },
	{ "last attribute overruns",
	  "00000011" BASICS "c008ff"
	  "18c00002",
	  BGP_UPDATE_TREAT_AS_WITHDRAW, 0 },
	{ "COMMUNITIES of three bytes",
	  "00000014" BASICS "c00803000001"
	  "18c00002",
	  BGP_UPDATE_TREAT_AS_WITHDRAW, 0 },
	{ "ATOMIC_AGGREGATE with a byte",
	  "00000012" BASICS "40060100"
	  "18c00002",
	  BGP_UPDATE_DISCARD_ATTRIBUTE, 0 },
	{ "ORIGIN twice",
	  "00000012" BASICS "40010100"
	  "18c00002",
	  BGP_UPDATE_DISCARD_ATTRIBUTE, 0 },
	{ "unknown well-known attribute",
	  "00000011" BASICS "00fe00"
	  "18c00002",
	  BGP_UPDATE_TREAT_AS_WITHDRAW, 0 },
	{ "MP_REACH twice",
	  "00000028"
	  "800e0900020110000000000000"
	  "800e0900020110000000000000"
	  "40010100400200"
	  "00000000000000",
	  BGP_UPDATE_RESET, 9 },
	{ "MP_UNREACH of two bytes",
	  "00000005"
	  "800f020002",
	  BGP_UPDATE_RESET, 9 },
	{ "MP_UNREACH of a foreign family",
	  "00000009"
	  "800f06001946200102",
	  BGP_UPDATE_OK, 0 },
	{ "MP_REACH, next hop of 5 bytes",
	  "0000000d"
	  "800e0a0002010500000000000000",
	  BGP_UPDATE_RESET, 9 },
};

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;
	for (size_t i = 0; i < n; i++) {
		char two[3] = { hex[2 * i], hex[2 * i + 1], 0 };
		out[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return n;
}

static void test_outcomes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
		uint8_t body[256];
		size_t n = from_hex(inputs[i].hex, body);
		struct bgp_update_in u;
		bgp_update_decode(body, n, true, &u);
		if (u.outcome != inputs[i].outcome)
			fail_msg("%s: outcome %d", inputs[i].name, u.outcome);
		if (u.outcome == BGP_UPDATE_RESET &&
		    (u.error.code != 3 || u.error.subcode != inputs[i].subcode))
			fail_msg("%s: %u/%u", inputs[i].name, u.error.code, u.error.subcode);
	}
}

static void walk(const uint8_t *body, size_t n, bool as4)
{
	struct bgp_update_in u;
	prefix_t p;
	bgp_update_decode(body, n, as4, &u);
	if (u.outcome == BGP_UPDATE_RESET)
		return;
	while (bgp_nlri_next(&u.withdrawn, FAMILY_V4, &p) || bgp_nlri_next(&u.announced, FAMILY_V4, &p))
		assert_true(p.len <= 32);
	while (u.mp_announced_family && bgp_nlri_next(&u.mp_announced, u.mp_announced_family, &p))
		assert_true(p.len <= addr_bits(p.addr));
	assert_false(u.withdrawn.bad || u.announced.bad || u.mp_announced.bad);
}

static void test_damage(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
		uint8_t body[256];
		size_t n = from_hex(inputs[i].hex, body);
		uint8_t *copy = malloc(n ? n : 1);
		memcpy(copy, body, n);
		for (size_t bit = 0; bit < n * 8; bit++) {
			copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
			walk(copy, n, bit & 1);
			copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		for (size_t cut = 0; cut < n; cut++) {
			uint8_t *shorter = malloc(cut ? cut : 1);
			memcpy(shorter, body, cut);
			walk(shorter, cut, true);
			free(shorter);
		}
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encode), cmocka_unit_test(test_end_of_rib),
		cmocka_unit_test(test_full),   cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_damage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
