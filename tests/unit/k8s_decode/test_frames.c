/* Frames: whatever the pieces a stream comes in, the same frames come out; what is too large is dropped and
 * counted, and the stream goes on. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "tests/unit/k8s_decode/sample.h"
#include "watcher/k8s/decode/decode.h"

struct seen {
	struct strbuf text; /* "[frame]" each, long ones as their length */
	size_t stop_after;  /* 0: never */
	size_t n;
};

static bool on_frame(void *ctx, const void *frame, size_t len)
{
	struct seen *s = ctx;
	strbuf_char(&s->text, '[');
	if (len < 100)
		strbuf_add_n(&s->text, frame, len);
	else
		strbuf_fmt(&s->text, "%zu bytes", len);
	strbuf_char(&s->text, ']');
	return ++s->n != s->stop_after;
}

/* In pieces of `step` bytes, each a copy of its own. */
static void feed(struct frames *f, const struct strbuf *data, size_t step, struct seen *seen)
{
	for (size_t at = 0; at < data->len; at += step) {
		size_t n = data->len - at < step ? data->len - at : step;
		char *piece = malloc(n);
		assert_non_null(piece);
		memcpy(piece, data->s + at, n);
		assert_int_equal(frames_add(f, piece, n, on_frame, seen), 0);
		free(piece);
	}
}

static void counted(struct strbuf *out, const char *text)
{
	struct strbuf b = { 0 };
	strbuf_add(&b, text);
	sample_frame(&b, out);
	strbuf_fini(&b);
}

static void test_pieces(void **state)
{
	(void)state;
	static const char expected_json[] = "[{\"a\":1}][ {}][x]", expected_counted[] = "[one][][three]";
	for (size_t step = 1; step < 30; step++) {
		for (int json = 0; json < 2; json++) {
			struct strbuf data = { 0 };
			struct seen seen = { 0 };
			struct frames f;
			frames_init(&f, json ? ENCODING_JSON : ENCODING_PROTOBUF);
			if (json) {
				strbuf_add(&data, "{\"a\":1}\n\n {}\nx\nunfinished");
			} else {
				counted(&data, "one");
				counted(&data, "");
				counted(&data, "three");
				strbuf_add_n(&data, "\0\0\0\x04unf", 7);
			}
			feed(&f, &data, step, &seen);
			assert_string_equal(strbuf_get(&seen.text), json ? expected_json : expected_counted);
			assert_int_equal(f.len, json ? strlen("unfinished") : 7);
			assert_int_equal(f.too_large, 0);
			frames_fini(&f);
			strbuf_fini(&data);
			strbuf_fini(&seen.text);
		}
	}
}

static void big_frame(struct strbuf *out, bool json, size_t size)
{
	char *body = malloc(size);
	assert_non_null(body);
	memset(body, 'x', size);
	if (!json)
		for (int shift = 24; shift >= 0; shift -= 8)
			strbuf_char(out, (char)(uint8_t)(size >> shift));
	strbuf_add_n(out, body, size);
	if (json)
		strbuf_char(out, '\n');
	free(body);
}

static void test_too_large(void **state)
{
	(void)state;
	for (int json = 0; json < 2; json++) {
		struct strbuf data = { 0 };
		struct seen seen = { 0 };
		struct frames f;
		frames_init(&f, json ? ENCODING_JSON : ENCODING_PROTOBUF);
		big_frame(&data, json, 3);
		big_frame(&data, json, FRAME_MAX + 1);
		big_frame(&data, json, FRAME_MAX);
		big_frame(&data, json, 2 * FRAME_MAX);
		big_frame(&data, json, 4);
		feed(&f, &data, 1 << 20, &seen);
		assert_string_equal(strbuf_get(&seen.text), "[xxx][8388608 bytes][xxxx]");
		assert_int_equal(f.too_large, 2);
		assert_true(f.cap < FRAME_MAX); /* what a large frame needed was given back */
		strbuf_fini(&seen.text);
		seen = (struct seen){ 0 };
		/* All at once, too. */
		assert_int_equal(frames_add(&f, data.s, data.len, on_frame, &seen), 0);
		assert_string_equal(strbuf_get(&seen.text), "[xxx][8388608 bytes][xxxx]");
		assert_int_equal(f.too_large, 4);
		frames_fini(&f);
		strbuf_fini(&data);
		strbuf_fini(&seen.text);
	}
}

static bool end_it(void *ctx, const void *frame, size_t len)
{
	(void)frame;
	(void)len;
	frames_fini(ctx);
	return false;
}

/* The callee may end the stream, buffer and all, in the middle of a piece. */
static void test_stop(void **state)
{
	(void)state;
	struct seen seen = { .stop_after = 2 };
	struct frames f;
	frames_init(&f, ENCODING_JSON);
	assert_int_equal(frames_add(&f, "a\nb\nc\nd", 7, on_frame, &seen), 1);
	assert_string_equal(strbuf_get(&seen.text), "[a][b]");
	frames_fini(&f);
	strbuf_fini(&seen.text);
	frames_init(&f, ENCODING_JSON);
	assert_int_equal(frames_add(&f, "a\nb\n", 4, end_it, &f), 1);
}

static void test_encoding(void **state)
{
	(void)state;
	static const struct {
		const char *content_type;
		enum encoding encoding;
	} cases[] = {
		{ "application/json", ENCODING_JSON },
		{ "application/json;charset=utf-8", ENCODING_JSON },
		{ "application/json ; stream=watch", ENCODING_JSON },
		{ "application/vnd.kubernetes.protobuf", ENCODING_PROTOBUF },
		{ "application/vnd.kubernetes.protobuf;stream=watch", ENCODING_PROTOBUF },
		{ "application/vnd.kubernetes.protobuffer", ENCODING_UNKNOWN },
		{ "text/html", ENCODING_UNKNOWN },
		{ "", ENCODING_UNKNOWN },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(encoding_of(cases[i].content_type), cases[i].encoding);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_pieces), cmocka_unit_test(test_too_large),
					    cmocka_unit_test(test_stop), cmocka_unit_test(test_encoding) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
