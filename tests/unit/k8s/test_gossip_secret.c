/* The Secret with the gossip key: created once, when it is known to be absent, by who leads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "tests/unit/k8s/make.h"
#include "watcher/k8s/gossip_secret.h"

static const uint8_t bytes[GOSSIP_SECRET_BYTES] = { 0x00, 0x10, 0x83, 0x10, 0x51, 0x87, 0x20, 0x92,
						    0x8b, 0x30, 0xd3, 0x8f, 0x41, 0x14, 0x93, 0xff };

static struct gossip_secret begin(const char *name)
{
	struct gossip_secret g;
	gossip_secret_init(&g, "ingot-system", name, bytes);
	return g;
}

static bool is_silent(struct gossip_secret *g, mono_t now)
{
	struct write none;
	return gossip_secret_wake(g).us == INT64_MAX && !gossip_secret_next(g, now, &none);
}

static void take(struct gossip_secret *g, mono_t now, struct write *ret)
{
	assert_true(mono_reached(now, gossip_secret_wake(g)));
	assert_true(gossip_secret_next(g, now, ret));
	assert_true(is_silent(g, now)); /* one at a time */
}

static void answer(struct gossip_secret *g, struct write *w, int status, mono_t now)
{
	struct write_outcome o = outcome(status, NULL);
	gossip_secret_done(g, w->id, &o, now);
	write_fini(w);
}

static void created(void **unused)
{
	struct gossip_secret g = begin("memberlist");
	mono_t now = { SEC(5) };
	struct write w;
	(void)unused;
	assert_int_equal(strlen(g.key), 22);
	assert_string_equal(g.key, "ABCDEFGHIJKLMNOPQRST/w"); /* RFC 4648, without its padding */
	assert_true(is_silent(&g, now));
	gossip_secret_lead(&g, true);
	assert_true(is_silent(&g, now)); /* it may exist */
	gossip_secret_exists(&g, false);
	gossip_secret_lead(&g, false);
	assert_true(is_silent(&g, now));
	gossip_secret_lead(&g, true);
	take(&g, now, &w);
	assert_int_equal(w.method, WRITE_POST);
	assert_string_equal(w.path, "/api/v1/namespaces/ingot-system/secrets");
	assert_string_equal(w.what, "Secret ingot-system/memberlist");
	assert_string_equal(
	    w.body, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"memberlist\","
		    "\"namespace\":\"ingot-system\"},\"type\":\"Opaque\","
		    "\"stringData\":{\"secretkey\":\"ABCDEFGHIJKLMNOPQRST/w\"}}");
	answer(&g, &w, 201, now);
	assert_true(is_silent(&g, now));
	/* Deleted by somebody: created again, but not in a circle. */
	gossip_secret_exists(&g, false);
	assert_in_range(mono_sub(gossip_secret_wake(&g), now), MS(700), MS(1300));
	now = gossip_secret_wake(&g);
	take(&g, now, &w);
	answer(&g, &w, 201, now);
}

static void nothing_to_create(void **unused)
{
	struct gossip_secret g = begin("memberlist"), nameless = begin("");
	mono_t now = { SEC(5) };
	(void)unused;
	gossip_secret_lead(&g, true);
	gossip_secret_exists(&g, true);
	assert_true(is_silent(&g, now));
	gossip_secret_lead(&nameless, true);
	gossip_secret_exists(&nameless, false);
	assert_true(is_silent(&nameless, now));
}

static void another_was_faster(void **unused)
{
	struct gossip_secret g = begin("memberlist");
	mono_t now = { SEC(5) };
	struct write w;
	(void)unused;
	gossip_secret_lead(&g, true);
	gossip_secret_exists(&g, false);
	take(&g, now, &w);
	answer(&g, &w, 409, now);
	assert_true(is_silent(&g, mono_add(now, SEC(3600))));
	assert_string_equal(g.trouble, "");
}

static void refused(void **unused)
{
	static const int codes[] = { 0, 403, 422, 500 };
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct gossip_secret g = begin("memberlist");
		mono_t now = { SEC(5) };
		int64_t waited = 0;
		struct write w;
		gossip_secret_lead(&g, true);
		gossip_secret_exists(&g, false);
		for (int n = 0; n < 10; n++) {
			take(&g, now, &w);
			answer(&g, &w, codes[i], now);
			assert_string_equal(g.trouble, codes[i] ? "the server's words" : "connection reset");
			waited = mono_sub(gossip_secret_wake(&g), now);
			now = gossip_secret_wake(&g);
		}
		assert_in_range(waited, SEC(20), SEC(40));
		take(&g, now, &w);
		answer(&g, &w, 201, now);
		assert_string_equal(g.trouble, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(created),
		cmocka_unit_test(nothing_to_create),
		cmocka_unit_test(another_was_faster),
		cmocka_unit_test(refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
