/* The envelope: only what a holder of a key says now is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "gossipd/seal.h"
#include "lib/base/must.h"

enum { FRAME = 1500 };
static const mono_t now = { SEC(1000) };

struct frame {
	uint8_t data[FRAME];
	size_t len;
};

static void nonce_of(uint8_t nonce[static SEAL_NONCE])
{
	static uint8_t n;
	memset(nonce, ++n, SEAL_NONCE);
}

static struct seal *seal_of(const char *name, uint64_t session, const char *secret)
{
	uint8_t local[32];
	memset(local, (int)session, sizeof local);
	struct seal *s = seal_new(name, local, session, 1);
	assert_non_null(s);
	assert_int_equal(seal_set_secrets(s, &secret, 1), 1);
	return s;
}

static struct frame sealed(struct seal *s, const char *text)
{
	struct frame f;
	uint8_t nonce[SEAL_NONCE];
	nonce_of(nonce);
	f.len = seal_packet(s, nonce, text, strlen(text), f.data, sizeof f.data);
	assert_int_equal(f.len, strlen(text) + SEAL_OVERHEAD);
	return f;
}

static struct frame answer(struct seal *s, const struct seal_opened *o)
{
	struct frame f;
	uint8_t nonce[SEAL_NONCE];
	nonce_of(nonce);
	f.len = seal_reply(s, now, o, nonce, f.data, sizeof f.data);
	assert_true(f.len > 0 && f.len <= SEAL_REPLY_MAX + SEAL_OVERHEAD);
	return f;
}

static enum seal_verdict open_frame(struct seal *s, const struct frame *f, struct seal_opened *o)
{
	uint8_t *plain = malloc(f->len ? f->len : 1), *copy = malloc(f->len ? f->len : 1);
	assert_true(plain && copy);
	memcpy(copy, f->data, f->len);
	enum seal_verdict v = seal_open(s, now, copy, f->len, plain, o);
	free(plain);
	free(copy);
	return v;
}

/* a's first packet to b, and what must follow until b believes a and a believes b. */
static void introduce(struct seal *a, struct seal *b)
{
	struct seal_opened o = { 0 };
	struct frame f = sealed(a, "hello");
	assert_int_equal(open_frame(b, &f, &o), SEAL_REPLY);
	f = answer(b, &o); /* challenge */
	assert_int_equal(open_frame(a, &f, &o), SEAL_REPLY);
	assert_true(o.challenge_back);
	f = answer(a, &o); /* response with a challenge */
	assert_int_equal(open_frame(b, &f, &o), SEAL_FRESH);
	assert_true(o.wants_reply);
	f = answer(b, &o); /* response */
	assert_int_equal(open_frame(a, &f, &o), SEAL_FRESH);
	assert_false(o.wants_reply);
}

static void test_handshake_and_data(void **state)
{
	(void)state;
	struct seal *a = seal_of("node-a", 11, "secret"), *b = seal_of("node-b", 22, "secret");
	introduce(a, b);
	struct seal_opened o = { 0 };
	struct frame f = sealed(a, "news");
	uint8_t plain[FRAME];
	assert_int_equal(seal_open(b, now, f.data, f.len, plain, &o), SEAL_DATA);
	assert_string_equal(o.name, "node-a");
	assert_int_equal(o.len, 4);
	assert_memory_equal(plain, "news", 4);
	f = sealed(b, "old news");
	assert_int_equal(open_frame(a, &f, &o), SEAL_DATA);
	assert_string_equal(o.name, "node-b");
	assert_int_equal(seal_sessions(a), 1);
	seal_free(a);
	seal_free(b);
}

static void test_replay(void **state)
{
	(void)state;
	struct seal *a = seal_of("node-a", 11, "secret"), *b = seal_of("node-b", 22, "secret");
	introduce(a, b);
	struct seal_opened o;
	static struct frame f[SEAL_WINDOW + 2];
	for (size_t i = 0; i < ARRAY_LEN(f); i++)
		f[i] = sealed(a, "x");
	/* Out of order is fine within the window, twice is not. */
	assert_int_equal(open_frame(b, &f[5], &o), SEAL_DATA);
	assert_int_equal(open_frame(b, &f[3], &o), SEAL_DATA);
	assert_int_equal(open_frame(b, &f[5], &o), SEAL_BAD_REPLAY);
	assert_int_equal(open_frame(b, &f[3], &o), SEAL_BAD_REPLAY);
	assert_int_equal(open_frame(b, &f[4], &o), SEAL_DATA);
	assert_int_equal(open_frame(b, &f[SEAL_WINDOW + 1], &o), SEAL_DATA);
	assert_int_equal(open_frame(b, &f[1], &o), SEAL_BAD_REPLAY); /* too old to tell */
	assert_int_equal(open_frame(b, &f[2], &o), SEAL_DATA);
	assert_int_equal(open_frame(b, &f[4], &o), SEAL_BAD_REPLAY);
	seal_free(a);
	seal_free(b);
}

/* What was recorded from a former life of the sender is worth nothing, nor what was recorded by a former
 * receiver. */
static void test_replay_of_a_session(void **state)
{
	(void)state;
	struct seal *a = seal_of("node-a", 11, "secret"), *b = seal_of("node-b", 22, "secret");
	struct seal_opened o = { 0 };
	struct frame first = sealed(a, "hello"), response, late;
	assert_int_equal(open_frame(b, &first, &o), SEAL_REPLY);
	struct frame challenge = answer(b, &o);
	assert_int_equal(open_frame(a, &challenge, &o), SEAL_REPLY);
	response = answer(a, &o);
	assert_int_equal(open_frame(b, &response, &o), SEAL_FRESH);
	assert_int_equal(open_frame(b, &response, &o), SEAL_BAD_REPLAY);
	late = sealed(a, "never arrived");
	/* a starts again with a new session; the old one is retired. */
	struct seal *a2 = seal_of("node-a", 12, "secret");
	introduce(a2, b);
	assert_int_equal(seal_sessions(b), 1);
	assert_int_equal(open_frame(b, &late, &o), SEAL_BAD_REPLAY);
	assert_int_equal(open_frame(b, &response, &o), SEAL_BAD_REPLAY);
	/* b starts again: its tokens are new ones. */
	struct seal *b2 = seal_of("node-b", 23, "secret");
	assert_int_equal(open_frame(b2, &response, &o), SEAL_BAD_TOKEN);
	assert_int_equal(seal_sessions(b2), 0);
	/* Forgotten: as if it had never been, but its session cannot come again. */
	seal_forget(b, "node-a");
	assert_int_equal(seal_sessions(b), 0);
	struct frame f = sealed(a2, "x");
	assert_int_equal(open_frame(b, &f, &o), SEAL_BAD_REPLAY);
	seal_free(a);
	seal_free(a2);
	seal_free(b);
	seal_free(b2);
}

static void test_token_grows_old(void **state)
{
	(void)state;
	struct seal *a = seal_of("node-a", 11, "secret"), *b = seal_of("node-b", 22, "secret");
	struct seal_opened o = { 0 };
	struct frame f = sealed(a, "hello");
	assert_int_equal(open_frame(b, &f, &o), SEAL_REPLY);
	f = answer(b, &o);
	assert_int_equal(open_frame(a, &f, &o), SEAL_REPLY);
	f = answer(a, &o);
	uint8_t plain[FRAME];
	assert_int_equal(seal_open(b, mono_add(now, SEC(30)), f.data, f.len, plain, &o), SEAL_BAD_TOKEN);
	seal_free(a);
	seal_free(b);
}

static void test_every_bit_counts(void **state)
{
	(void)state;
	struct seal *a = seal_of("node-a", 11, "secret"), *b = seal_of("node-b", 22, "secret");
	introduce(a, b);
	struct frame f = sealed(a, "payload");
	struct seal_opened o;
	for (size_t bit = 0; bit < f.len * 8; bit++) {
		f.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(open_frame(b, &f, &o) > SEAL_FRESH);
		f.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t len = 0; len < f.len; len++) {
		struct frame cut = f;
		cut.len = len;
		assert_true(open_frame(b, &cut, &o) > SEAL_FRESH);
	}
	assert_int_equal(open_frame(b, &f, &o), SEAL_DATA);
	seal_free(a);
	seal_free(b);
}

static void test_other_key_and_rotation(void **state)
{
	(void)state;
	struct seal *a = seal_of("node-a", 11, "old"), *b = seal_of("node-b", 22, "old"),
		    *stranger = seal_of("node-c", 33, "other");
	struct seal_opened o;
	introduce(a, b);
	struct frame f = sealed(stranger, "let me in");
	assert_int_equal(open_frame(b, &f, &o), SEAL_BAD_KEY);
	/* b opens both; then a seals with the new one; then b forgets the old one. Nothing is lost on the
	 * way. */
	const char *both[] = { "old", "", "new" }, *swapped[] = { "new", "old" }, *last[] = { "new" };
	assert_int_equal(seal_set_secrets(b, both, 3), 2);
	f = sealed(a, "x");
	assert_int_equal(open_frame(b, &f, &o), SEAL_DATA);
	assert_int_equal(seal_set_secrets(a, swapped, 2), 2);
	f = sealed(a, "x");
	assert_int_equal(open_frame(b, &f, &o), SEAL_DATA);
	f = sealed(b, "x");
	assert_int_equal(open_frame(a, &f, &o), SEAL_DATA);
	assert_int_equal(seal_set_secrets(b, last, 1), 1);
	f = sealed(a, "x");
	assert_int_equal(open_frame(b, &f, &o), SEAL_DATA);
	assert_int_equal(seal_set_secrets(b, NULL, 0), 0);
	assert_false(seal_has_key(b));
	uint8_t nonce[SEAL_NONCE] = { 0 };
	assert_int_equal(seal_packet(b, nonce, "x", 1, f.data, sizeof f.data), 0);
	seal_free(a);
	seal_free(b);
	seal_free(stranger);
}

/* A restarted daemon goes on with its session; its peers notice nothing, and it must not repeat a counter. */
static void test_resumed_session(void **state)
{
	(void)state;
	struct seal *a = seal_of("node-a", 11, "secret"), *b = seal_of("node-b", 22, "secret");
	introduce(a, b);
	struct seal_opened o;
	uint8_t local[32] = { 9 };
	struct seal *a2 = seal_new("node-a", local, seal_session(a), seal_counter(a) + 1000);
	const char *secret = "secret";
	seal_set_secrets(a2, &secret, 1);
	struct frame f = sealed(a2, "still me");
	assert_int_equal(open_frame(b, &f, &o), SEAL_DATA);
	/* It has forgotten b's session: challenge, response, and no new session at b. */
	f = sealed(b, "x");
	assert_int_equal(open_frame(a2, &f, &o), SEAL_REPLY);
	f = answer(a2, &o);
	assert_int_equal(open_frame(b, &f, &o), SEAL_REPLY);
	assert_false(o.challenge_back);
	f = answer(b, &o);
	assert_int_equal(open_frame(a2, &f, &o), SEAL_FRESH);
	f = sealed(b, "x");
	assert_int_equal(open_frame(a2, &f, &o), SEAL_DATA);
	seal_free(a);
	seal_free(a2);
	seal_free(b);
}

static void test_own_frames_are_refused(void **state)
{
	(void)state;
	struct seal *a = seal_of("node-a", 11, "secret");
	struct frame f = sealed(a, "mirror");
	struct seal_opened o;
	assert_int_equal(open_frame(a, &f, &o), SEAL_BAD_FORMAT);
	seal_free(a);
}

static void test_stream(void **state)
{
	(void)state;
	struct seal *a = seal_of("node-a", 11, "secret"), *b = seal_of("node-b", 22, "secret");
	uint8_t context[SEAL_CONTEXT] = { 1 }, other[SEAL_CONTEXT] = { 2 }, nonce[SEAL_NONCE] = { 3 },
		plain[FRAME];
	struct frame f;
	size_t len = 0;
	f.len = seal_stream(a, true, context, 4, nonce, "table", 5, f.data, sizeof f.data);
	assert_int_equal(seal_stream_open(b, true, context, 4, f.data, f.len, plain, &len), SEAL_DATA);
	assert_int_equal(len, 5);
	assert_int_equal(seal_stream_open(b, true, other, 4, f.data, f.len, plain, &len), SEAL_BAD_AUTH);
	assert_int_equal(seal_stream_open(b, true, context, 5, f.data, f.len, plain, &len), SEAL_BAD_REPLAY);
	assert_int_equal(seal_stream_open(b, false, context, 4, f.data, f.len, plain, &len), SEAL_BAD_FORMAT);
	struct seal_opened o;
	assert_int_equal(open_frame(b, &f, &o), SEAL_BAD_FORMAT); /* a stream's frame is no datagram */
	seal_free(a);
	seal_free(b);
}

int main(void)
{
	must(sodium_init() >= 0);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake_and_data),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_replay_of_a_session),
		cmocka_unit_test(test_token_grows_old),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_other_key_and_rotation),
		cmocka_unit_test(test_resumed_session),
		cmocka_unit_test(test_own_frames_are_refused),
		cmocka_unit_test(test_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
