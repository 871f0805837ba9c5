/* Bounded cursor with a sticky failure, for reading foreign bytes; and its counterpart for writing. No parser
 * in Ingot does pointer arithmetic of its own. Read fields in a row and test `bad` once; a failed read yields
 * zeros. */
#ifndef INGOT_BASE_CUR_H
#define INGOT_BASE_CUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cur {
	const uint8_t *p, *end;
	bool bad;
};

struct cur cur_of(const void *data, size_t len);
size_t cur_left(const struct cur *c); /* bytes that can still be read; 0 when bad */

/* The next n bytes (borrowed from the buffer), or NULL and bad. n = 0 gives a valid pointer. */
const uint8_t *cur_take(struct cur *c, size_t n);
void cur_copy(struct cur *c, void *to, size_t n); /* zero-fills `to` when bad */
void cur_skip(struct cur *c, size_t n);
struct cur cur_sub(struct cur *c,
		   size_t n); /* a cursor over the next n bytes; bad in both when they are missing */

uint8_t cur_u8(struct cur *c);
uint16_t cur_u16(struct cur *c); /* big-endian, as all below */
uint32_t cur_u32(struct cur *c);
uint64_t cur_u64(struct cur *c);

/* Writer into a caller's buffer; sticky `bad` when it is full. Offsets stay valid, nothing is allocated. */
struct wbuf {
	uint8_t *data;
	size_t len, cap;
	bool bad;
};

struct wbuf wbuf_of(void *data, size_t cap);
void wbuf_put(struct wbuf *w, const void *data, size_t n);
void wbuf_u8(struct wbuf *w, uint8_t v);
void wbuf_u16(struct wbuf *w, uint16_t v);
void wbuf_u32(struct wbuf *w, uint32_t v);
void wbuf_u64(struct wbuf *w, uint64_t v);
/* Reserve n zero bytes and return their offset (for lengths that are known later; patch with wbuf_patch_*).
 */
size_t wbuf_reserve(struct wbuf *w, size_t n);
void wbuf_patch_u8(struct wbuf *w, size_t at, uint8_t v);
void wbuf_patch_u16(struct wbuf *w, size_t at, uint16_t v);
size_t wbuf_left(const struct wbuf *w);

#endif
