/* Bounded reading and writing of bytes in network order. Pure; runs in every process that sees foreign bytes.
 * All pointer arithmetic on such bytes is here. */
#include "lib/base/cur.h"

#include <string.h>

#include "lib/base/must.h"

static const uint8_t nothing[1];

struct cur cur_of(const void *data, size_t len)
{
	must(data || len == 0);
	const uint8_t *p = data ? data : nothing;
	return (struct cur){ .p = p, .end = p + len };
}

size_t cur_left(const struct cur *c)
{
	return c->bad ? 0 : (size_t)(c->end - c->p);
}

const uint8_t *cur_take(struct cur *c, size_t n)
{
	if (c->bad || n > cur_left(c)) {
		c->bad = true;
		return NULL;
	}
	const uint8_t *p = c->p;
	c->p += n;
	return p;
}

void cur_copy(struct cur *c, void *to, size_t n)
{
	const uint8_t *p = cur_take(c, n);
	if (n == 0)
		return;
	if (p)
		memcpy(to, p, n);
	else
		memset(to, 0, n);
}

void cur_skip(struct cur *c, size_t n)
{
	(void)cur_take(c, n);
}

struct cur cur_sub(struct cur *c, size_t n)
{
	const uint8_t *p = cur_take(c, n);
	if (!p)
		return (struct cur){ .p = nothing, .end = nothing, .bad = true };
	return (struct cur){ .p = p, .end = p + n };
}

static uint64_t take_number(struct cur *c, size_t n)
{
	const uint8_t *p = cur_take(c, n);
	uint64_t v = 0;
	for (size_t i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t cur_u8(struct cur *c)
{
	return (uint8_t)take_number(c, 1);
}

uint16_t cur_u16(struct cur *c)
{
	return (uint16_t)take_number(c, 2);
}

uint32_t cur_u32(struct cur *c)
{
	return (uint32_t)take_number(c, 4);
}

uint64_t cur_u64(struct cur *c)
{
	return take_number(c, 8);
}

struct wbuf wbuf_of(void *data, size_t cap)
{
	must(data || cap == 0);
	return (struct wbuf){ .data = data, .cap = cap };
}

size_t wbuf_left(const struct wbuf *w)
{
	return w->bad ? 0 : w->cap - w->len;
}

/* Room for n more bytes, or NULL and bad. */
static uint8_t *claim(struct wbuf *w, size_t n)
{
	if (w->bad || n > w->cap - w->len) {
		w->bad = true;
		return NULL;
	}
	if (n == 0)
		return NULL;
	uint8_t *p = w->data + w->len;
	w->len += n;
	return p;
}

void wbuf_put(struct wbuf *w, const void *data, size_t n)
{
	uint8_t *p = claim(w, n);
	if (p)
		memcpy(p, data, n);
}

static void store(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

static void put_number(struct wbuf *w, uint64_t v, size_t n)
{
	uint8_t *p = claim(w, n);
	if (p)
		store(p, v, n);
}

void wbuf_u8(struct wbuf *w, uint8_t v)
{
	put_number(w, v, 1);
}

void wbuf_u16(struct wbuf *w, uint16_t v)
{
	put_number(w, v, 2);
}

void wbuf_u32(struct wbuf *w, uint32_t v)
{
	put_number(w, v, 4);
}

void wbuf_u64(struct wbuf *w, uint64_t v)
{
	put_number(w, v, 8);
}

size_t wbuf_reserve(struct wbuf *w, size_t n)
{
	size_t at = w->len;
	uint8_t *p = claim(w, n);
	if (p)
		memset(p, 0, n);
	return at;
}

/* A reservation that failed left bad behind, so its patch is quietly dropped; any other offset is our bug. */
static void patch(struct wbuf *w, size_t at, uint64_t v, size_t n)
{
	if (w->bad)
		return;
	must(at <= w->len && n <= w->len - at);
	store(w->data + at, v, n);
}

void wbuf_patch_u8(struct wbuf *w, size_t at, uint8_t v)
{
	patch(w, at, v, 1);
}

void wbuf_patch_u16(struct wbuf *w, size_t at, uint16_t v)
{
	patch(w, at, v, 2);
}
