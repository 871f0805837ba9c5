/* Any stream in any pieces: the frames are the same as in one piece. The first byte chooses the encoding, the
 * second how long the pieces are. */
#include "tests/fuzz/k8s_decode/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct seen {
	struct strbuf text;
	size_t n;
};

static bool on_frame(void *ctx, const void *frame, size_t len)
{
	struct seen *s = ctx;
	must(len <= FRAME_MAX);
	strbuf_fmt(&s->text, "%zu:", len);
	strbuf_add_n(&s->text, frame, len);
	s->n++;
	return true;
}

static size_t cut(enum encoding e, const uint8_t *data, size_t len, size_t step, struct seen *ret)
{
	struct frames f;
	frames_init(&f, e);
	for (size_t at = 0; at < len; at += step)
		must(frames_add(&f, data + at, len - at < step ? len - at : step, on_frame, ret) == 0);
	size_t too_large = f.too_large;
	must(f.len <= FRAME_MAX + 4);
	frames_fini(&f);
	return too_large;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct seen whole = { 0 }, pieces = { 0 };
	if (len < 3)
		return 0;
	enum encoding e = data[0] & 1 ? ENCODING_JSON : ENCODING_PROTOBUF;
	size_t dropped = cut(e, data + 2, len - 2, len, &whole);
	must(cut(e, data + 2, len - 2, data[1] ? data[1] : 1, &pieces) == dropped);
	must(whole.n == pieces.n && whole.text.len == pieces.text.len);
	must(whole.text.len == 0 || memcmp(whole.text.s, pieces.text.s, whole.text.len) == 0);
	strbuf_fini(&whole.text);
	strbuf_fini(&pieces.text);
	return 0;
}
