/* Header and OPEN: captured shapes of other speakers, errors by their codes, every truncation and every
 * flipped bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bgpd/bgp_msg.h"
#include "lib/base/must.h"

#define MP_V4 1, 4, 0, 1, 0, 1
#define MP_V6 1, 4, 0, 2, 0, 1

/* Body of an OPEN: version, AS, hold, identifier, then optional parameters as given. */
struct vector {
	const char *name;
	size_t len;
	uint8_t body[96];
	struct bgp_open want;
	uint8_t code, subcode; /* when it is to be refused */
};

static const struct vector vectors[] = {
	{ "own shape: both families, 4-octet AS",
	  30,
	  { 4, 0xfd, 0xea, 0, 90, 0xb9, 0xec, 0xf0, 0x27, 20, 2, 18, MP_V4, MP_V6, 65, 4, 0, 0, 0xfd, 0xea },
	  .want = { .as = 65002, .hold_s = 90, .id = 0xb9ecf027, .families = BGP_V4 | BGP_V6, .as4 = true } },
	{ "a switch: MP v4, refresh, graceful restart, 2-octet AS",
	  24,
	  { 4, 0xfd, 0xe9, 0, 180, 10, 0, 0, 1, 14, 2, 12, MP_V4, 2, 0, 64, 2, 0, 0 },
	  .want = { .as = 65001,
		    .hold_s = 180,
		    .id = 0x0a000001,
		    .families = BGP_V4,
		    .refresh = true,
		    .graceful = true } },
	{ "labelled families, graceful restart 300 s, AddPath",
	  52,
	  { 4,	  0,	1, 0, 180, 1,	 1, 1, 1, 42, 2,  40, MP_V4, 1, 4, 0, 1,  0, 4, 2, 0, 64, 10,
	    0x01, 0x2c, 0, 1, 1,   0x80, 0, 1, 4, 0,  65, 4,  0,     0, 0, 1, 69, 4, 0, 1, 1, 1 },
	  .want = { .as = 1,
		    .hold_s = 180,
		    .id = 0x01010101,
		    .families = BGP_V4,
		    .refresh = true,
		    .graceful = true,
		    .restart_s = 300,
		    .graceful_families = BGP_V4,
		    .forwarding_kept = BGP_V4,
		    .as4 = true } },
	{ "only 4-octet AS",
	  18,
	  { 4, 0xfc, 0x1f, 0, 40, 1, 1, 1, 1, 8, 2, 6, 65, 4, 0, 0, 0xfc, 0x1f },
	  .want = { .as = 64543, .hold_s = 40, .id = 0x01010101, .families = BGP_V4, .as4 = true } },
	{ "enhanced refresh",
	  32,
	  { 4, 0xfc, 0x1f, 0, 40, 1,  1, 1, 1, 22,   2,	   20, MP_V4, 2,
	    0, 64,   2,	   0, 0,  65, 4, 0, 0, 0xfc, 0x1f, 70, 0 },
	  .want = { .as = 64543,
		    .hold_s = 40,
		    .id = 0x01010101,
		    .families = BGP_V4,
		    .refresh = true,
		    .graceful = true,
		    .as4 = true,
		    .enhanced_refresh = true } },
	{ "one parameter for each capability",
	  34,
	  { 4,	 0xfc, 0x1f, 0, 180, 1, 1, 1, 1,  24, 2, 6, MP_V4, 2,	2,
	    128, 0,    2,    2, 2,   0, 2, 6, 65, 4,  0, 0, 0xfc,  0x1f },
	  .want = { .as = 64543,
		    .hold_s = 180,
		    .id = 0x01010101,
		    .families = BGP_V4,
		    .refresh = true,
		    .as4 = true } },
	{ "extended optional parameters",
	  22,
	  { 4, 0xfd, 0xe9, 0, 9, 1, 1, 1, 1, 255, 255, 0, 9, 2, 0, 6, MP_V6 },
	  .want = { .as = 65001, .hold_s = 9, .id = 0x01010101, .families = BGP_V6 } },
	{ "4-octet AS beside AS_TRANS",
	  18,
	  { 4, 0x5b, 0xa0, 0, 0, 1, 1, 1, 1, 8, 2, 6, 65, 4, 0xfa, 0x56, 0xea, 0 },
	  .want = { .as = 4200000000u, .id = 0x01010101, .families = BGP_V4, .as4 = true } },
	{ "no parameter at all",
	  10,
	  { 4, 0, 7, 0, 3, 1, 1, 1, 1, 0 },
	  .want = { .as = 7, .hold_s = 3, .id = 0x01010101, .families = BGP_V4 } },
	{ "IPv4 over IPv6 next hop, role, unknown capability",
	  27,
	  { 4, 0, 7, 0, 3, 1, 1, 1, 1, 17, 2, 15, 5, 6, 0, 1, 0, 1, 0, 2, 9, 1, 3, 200, 2, 1, 2 },
	  .want = { .as = 7,
		    .hold_s = 3,
		    .id = 0x01010101,
		    .families = BGP_V4,
		    .next_hop_v6_for_v4 = true } },
	{ "version 3", 10, { 3, 0, 7, 0, 3, 1, 1, 1, 1, 0 }, { 0 }, 2, 1 },
	{ "AS 0", 10, { 4, 0, 0, 0, 3, 1, 1, 1, 1, 0 }, { 0 }, 2, 2 },
	{ "AS 0 in the capability",
	  18,
	  { 4, 0, 7, 0, 3, 1, 1, 1, 1, 8, 2, 6, 65, 4, 0, 0, 0, 0 },
	  { 0 },
	  2,
	  2 },
	{ "identifier 0", 10, { 4, 0, 7, 0, 3, 0, 0, 0, 0, 0 }, { 0 }, 2, 3 },
	{ "hold time 1", 10, { 4, 0, 7, 0, 1, 1, 1, 1, 1, 0 }, { 0 }, 2, 6 },
	{ "hold time 2", 10, { 4, 0, 7, 0, 2, 1, 1, 1, 1, 0 }, { 0 }, 2, 6 },
	{ "another optional parameter", 13, { 4, 0, 7, 0, 9, 1, 1, 1, 1, 3, 1, 1, 0 }, { 0 }, 2, 4 },
	{ "parameters shorter than they say", 11, { 4, 0, 7, 0, 9, 1, 1, 1, 1, 2, 2 }, { 0 }, 2, 0 },
	{ "bytes behind the parameters", 11, { 4, 0, 7, 0, 9, 1, 1, 1, 1, 0, 0 }, { 0 }, 2, 0 },
	{ "capability longer than its parameter",
	  14,
	  { 4, 0, 7, 0, 9, 1, 1, 1, 1, 4, 2, 2, 65, 4 },
	  { 0 },
	  2,
	  0 },
	{ "AS capability of two bytes",
	  16,
	  { 4, 0, 7, 0, 9, 1, 1, 1, 1, 6, 2, 4, 65, 2, 0, 7 },
	  { 0 },
	  2,
	  0 },
};

static void same_open(const char *name, const struct bgp_open *a, const struct bgp_open *b)
{
#define SAME(field)                                                                                          \
	if ((unsigned long)a->field != (unsigned long)b->field)                                              \
	fail_msg("%s: " #field " is %lu, not %lu", name, (unsigned long)a->field, (unsigned long)b->field)
	SAME(hold_s);
	SAME(as);
	SAME(id);
	SAME(families);
	SAME(as4);
	SAME(refresh);
	SAME(enhanced_refresh);
	SAME(next_hop_v6_for_v4);
	SAME(graceful);
	SAME(restarted);
	SAME(restart_s);
	SAME(graceful_families);
	SAME(forwarding_kept);
#undef SAME
}

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct bgp_open o;
		struct bgp_error e = { 0 };
		bool ok = bgp_open_decode(v->body, v->len, &o, &e);
		if (ok != (v->code == 0))
			fail_msg("%s: %s", v->name, ok ? "accepted" : "refused");
		if (ok)
			same_open(v->name, &o, &v->want);
		else if (e.code != v->code || e.subcode != v->subcode)
			fail_msg("%s: %u/%u", v->name, e.code, e.subcode);
	}
}

/* Neither a cut nor a flipped bit may read too far; a cut is never accepted. */
static void test_damage(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct bgp_open o;
		struct bgp_error e;
		for (size_t n = 0; v->code == 0 && n < v->len; n++) {
			uint8_t *copy = malloc(n + 1);
			memcpy(copy, v->body, n);
			assert_false(bgp_open_decode(copy, n, &o, &e));
			free(copy);
		}
		uint8_t *copy = malloc(v->len);
		memcpy(copy, v->body, v->len);
		for (size_t bit = 0; bit < v->len * 8; bit++) {
			copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
			if (bgp_open_decode(copy, v->len, &o, &e)) {
				assert_int_not_equal(o.as, 0);
				assert_int_not_equal(o.id, 0);
			}
			copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		free(copy);
	}
}

static void round_trip(const struct bgp_open *in, size_t want_len)
{
	uint8_t buf[BGP_MAX];
	struct wbuf w = wbuf_of(buf, sizeof buf);
	struct bgp_header h;
	struct bgp_open out;
	struct bgp_error e;
	bgp_open_encode(&w, in);
	assert_false(w.bad);
	if (want_len)
		assert_int_equal(w.len, want_len);
	assert_true(bgp_header_decode(buf, &h, &e));
	assert_int_equal(h.type, BGP_OPEN);
	assert_int_equal(h.len, w.len);
	assert_true(bgp_open_decode(buf + BGP_HEADER, h.len - (size_t)BGP_HEADER, &out, &e));
	struct bgp_open want = *in;
	if (!want.families)
		want.families = BGP_V4;
	same_open("round trip", &out, &want);
}

static void test_round_trip(void **state)
{
	(void)state;
	struct bgp_open o = {
		.version = 4, .as = 12345, .hold_s = 4, .id = 1, .families = BGP_V4 | BGP_V6, .as4 = true
	};
	round_trip(&o, 49);
	o.as = 4200000000u;
	round_trip(&o, 49);
	o.refresh = o.next_hop_v6_for_v4 = o.graceful = o.restarted = true;
	o.restart_s = 120;
	o.graceful_families = o.forwarding_kept = BGP_V4 | BGP_V6;
	round_trip(&o, 0);
	round_trip(&(struct bgp_open){ .version = 4, .as = 7, .hold_s = 9, .id = 9 }, 29);
}

static void test_header(void **state)
{
	(void)state;
	static const struct {
		uint16_t len;
		uint8_t type, subcode;
	} rows[] = { { 18, 4, 2 }, { 19, 4, 0 }, { 20, 4, 2 }, { 4097, 2, 2 }, { 4096, 2, 0 },	{ 22, 2, 2 },
		     { 23, 2, 0 }, { 28, 1, 2 }, { 29, 1, 0 }, { 20, 3, 2 },   { 21, 3, 0 },	{ 22, 5, 2 },
		     { 23, 5, 0 }, { 24, 5, 2 }, { 19, 0, 3 }, { 19, 6, 3 },   { 65535, 1, 2 }, { 0, 4, 2 } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t b[BGP_HEADER];
		struct bgp_header h;
		struct bgp_error e = { 0 };
		memset(b, 0xff, 16);
		b[16] = (uint8_t)(rows[i].len >> 8);
		b[17] = (uint8_t)rows[i].len;
		b[18] = rows[i].type;
		bool ok = bgp_header_decode(b, &h, &e);
		assert_int_equal(ok, rows[i].subcode == 0);
		assert_int_equal(e.subcode, rows[i].subcode);
		for (size_t k = 0; k < 16; k++) {
			b[k] = 0xfe;
			assert_false(bgp_header_decode(b, &h, &e));
			assert_int_equal(e.code, 1);
			assert_int_equal(e.subcode, 1);
			b[k] = 0xff;
		}
	}
}

static void test_notification(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t len;
		uint8_t body[40];
		const char *text;
	} rows[] = {
		{ "plain", 2, { 6, 3 }, "cease: peer de-configured (6/3)" },
		{ "text",
		  8,
		  { 6, 2, 5, 'h', 'e', 'l', 'l', 'o' },
		  "cease: administrative shutdown (6/2): \"hello\"" },
		{ "text longer than the message",
		  5,
		  { 6, 2, 5, 'h', 'e' },
		  "cease: administrative shutdown (6/2)" },
		{ "text where none belongs", 5, { 6, 3, 2, 'h', 'e' }, "cease: peer de-configured (6/3)" },
		{ "control bytes",
		  6,
		  { 6, 4, 3, 'a', '\n', 0x1b },
		  "cease: administrative reset (6/4): \"a\\x0a\\x1b\"" },
		{ "hold timer", 2, { 4, 0 }, "hold timer expired (4/0)" },
		{ "unknown", 2, { 99, 7 }, "unknown error 99/7" },
		{ "unknown subcode", 2, { 6, 200 }, "cease (6/200)" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bgp_notification n;
		char text[200];
		assert_true(bgp_notification_decode(rows[i].body, rows[i].len, &n));
		assert_string_equal(bgp_notification_text(&n, text, sizeof text), rows[i].text);
	}
	struct bgp_notification n;
	assert_false(bgp_notification_decode(rows[0].body, 1, &n));
	assert_false(bgp_notification_decode(NULL, 0, &n));
}

static void test_refresh(void **state)
{
	(void)state;
	static const struct {
		uint8_t body[4];
		unsigned family;
	} rows[] = { { { 0, 1, 0, 1 }, BGP_V4 },
		     { { 0, 2, 0, 1 }, BGP_V6 },
		     { { 0, 1, 0, 128 }, 0 },
		     { { 0, 25, 0, 1 }, 0 } };
	struct bgp_refresh r;
	struct bgp_error e;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(bgp_refresh_decode(rows[i].body, 4, &r, &e));
		assert_int_equal(r.family, rows[i].family);
	}
	assert_false(bgp_refresh_decode(rows[0].body, 3, &r, &e));
	assert_int_equal(e.code, 7);
	assert_int_equal(e.subcode, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),	     cmocka_unit_test(test_damage),
		cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_header),
		cmocka_unit_test(test_notification), cmocka_unit_test(test_refresh),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
