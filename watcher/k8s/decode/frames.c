/* Cuts the stream of a watch into events. Pure; run by the watcher. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cur.h"
#include "watcher/k8s/decode/decode.h"

enum {
	LENGTH = 4,	  /* bytes before a protobuf frame */
	KEEP = 256 << 10, /* a larger buffer goes with the frame that needed it */
	FIRST = 4096,
};

void frames_init(struct frames *f, enum encoding e)
{
	*f = (struct frames){ .encoding = e };
}

void frames_fini(struct frames *f)
{
	free(f->data);
	*f = (struct frames){ 0 };
}

static bool append(struct frames *f, const void *data, size_t n)
{
	size_t cap = f->cap ? f->cap : FIRST;
	while (cap < f->len + n)
		cap *= 2;
	uint8_t *v = cap > f->cap ? realloc(f->data, cap) : f->data;
	if (!v) {
		f->oom = true;
		return false;
	}
	memcpy(v + f->len, data, n);
	f->data = v;
	f->cap = cap;
	f->len += n;
	return true;
}

static void next_frame(struct frames *f)
{
	f->len = 0;
	if (f->cap <= KEEP)
		return;
	free(f->data);
	f->data = NULL;
	f->cap = 0;
}

static void drop_frame(struct frames *f, size_t rest)
{
	f->skip = rest;
	f->too_large++;
	next_frame(f);
}

/* Both add bytes of c until a frame is whole: 1. 0: c is empty. -ENOMEM. */
static int add_line(struct frames *f, struct cur *c)
{
	size_t left = cur_left(c);
	const uint8_t *end = left ? memchr(c->p, '\n', left) : NULL;
	size_t n = end ? (size_t)(end - c->p) : left;
	const uint8_t *line = cur_take(c, n);
	if (end)
		cur_skip(c, 1);
	if (f->skip) {
		f->skip = !end;
		return 0;
	}
	if (f->len + n > FRAME_MAX) {
		drop_frame(f, !end);
		return 0;
	}
	if (n && !append(f, line, n))
		return -ENOMEM;
	return end && f->len;
}

/* Of a frame whose length has come. */
static size_t body_size(const struct frames *f)
{
	struct cur head = cur_of(f->data, LENGTH);
	return cur_u32(&head);
}

static int add_counted(struct frames *f, struct cur *c)
{
	size_t n = cur_left(c);
	if (f->skip) {
		n = n < f->skip ? n : f->skip;
		f->skip -= n;
		cur_skip(c, n);
		return 0;
	}
	bool in_body = f->len >= LENGTH;
	size_t want = in_body ? LENGTH + body_size(f) : LENGTH;
	n = n < want - f->len ? n : want - f->len;
	if (!append(f, cur_take(c, n), n))
		return -ENOMEM;
	if (f->len < want)
		return 0;
	if (!in_body && body_size(f) > FRAME_MAX)
		drop_frame(f, body_size(f));
	return in_body || (f->len == LENGTH && body_size(f) == 0);
}

int frames_add(struct frames *f, const void *data, size_t len,
	       bool (*each)(void *ctx, const void *frame, size_t len), void *ctx)
{
	bool json = f->encoding == ENCODING_JSON;
	size_t head = json ? 0 : LENGTH;
	struct cur c = cur_of(data, len);
	while (cur_left(&c) && !f->oom) {
		int rc = json ? add_line(f, &c) : add_counted(f, &c);
		if (rc <= 0)
			continue;
		if (!each(ctx, f->data + head, f->len - head))
			return 1;
		next_frame(f);
	}
	return f->oom ? -ENOMEM : 0;
}
