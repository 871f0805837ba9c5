/* The responder's table to bytes and back. Pure; runs in l2d. A successor answers from it at once, before
 * gossipd has said anything, and knows what was announced already. */
#include "l2d/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cur.h"

enum { MAGIC = 0x494c3254 /* "IL2T" */, HEADER = 4 + 1 + 4 };
enum { FLAG_MINE = 1, FLAG_HOLD = 2, FLAG_ALL = 4, FLAG_YIELDED = 8, FLAGS = 15 };
enum { MAX_IFS = LINKS_MAX };

static size_t size_of(const struct vip *v)
{
	size_t n = 1 + 16 + 1 + 8 + 8 + 2 + v->o.n_names * LINK_NAME + 2;
	for (const struct vip_if *f = v->ifs; f; f = f->next)
		n += 4 + 1 + 8;
	return n;
}

static void put_vip(struct wbuf *w, const struct vip *v)
{
	unsigned flags = (v->o.mine ? FLAG_MINE : 0u) | (v->o.hold ? FLAG_HOLD : 0u) |
			 (v->o.all_interfaces ? FLAG_ALL : 0u) | (v->yielded ? FLAG_YIELDED : 0u);
	wbuf_u8(w, v->o.addr.family);
	wbuf_put(w, v->o.addr.bytes, 16);
	wbuf_u8(w, (uint8_t)flags);
	wbuf_u64(w, v->o.term);
	wbuf_u64(w, v->o.epoch);
	wbuf_u16(w, (uint16_t)v->o.n_names);
	if (v->o.n_names)
		wbuf_put(w, v->o.names, v->o.n_names * LINK_NAME);
	size_t at = wbuf_reserve(w, 2);
	uint16_t n = 0;
	for (const struct vip_if *f = v->ifs; f && n < MAX_IFS; f = f->next, n++) {
		wbuf_u32(w, f->link->index);
		wbuf_u8(w, f->rounds_left);
		wbuf_u64(w, (uint64_t)f->round_at.us);
	}
	wbuf_patch_u16(w, at, n);
}

int snapshot_encode(const struct responder *r, uint8_t **ret, size_t *len)
{
	size_t size = HEADER;
	for (const struct vip *v = r->vips; v; v = v->next)
		size += size_of(v);
	uint8_t *data = malloc(size);
	if (!data)
		return -ENOMEM;
	struct wbuf w = wbuf_of(data, size);
	wbuf_u32(&w, MAGIC);
	wbuf_u8(&w, SNAPSHOT_VERSION);
	wbuf_u32(&w, (uint32_t)r->n_vips);
	for (const struct vip *v = r->vips; v; v = v->next)
		put_vip(&w, v);
	*ret = data;
	*len = w.len;
	return 0;
}

static bool name_is_good(const char name[LINK_NAME])
{
	size_t n = strnlen(name, LINK_NAME);
	for (size_t i = n; i < LINK_NAME; i++)
		if (name[i])
			return false;
	return n > 0 && n < LINK_NAME;
}

struct record {
	struct ownership o;
	bool yielded;
	char names[VIP_MAX_NAMES][LINK_NAME];
	size_t n_ifs;
	struct restored_if ifs[MAX_IFS];
};

static bool get_vip(struct cur *c, struct record *v)
{
	uint8_t family = cur_u8(c), bytes[16];
	cur_copy(c, bytes, 16);
	uint8_t flags = cur_u8(c);
	v->o.term = cur_u64(c);
	v->o.epoch = cur_u64(c);
	v->o.n_names = cur_u16(c);
	if (c->bad || (family != FAMILY_V4 && family != FAMILY_V6) || flags & ~FLAGS ||
	    v->o.n_names > VIP_MAX_NAMES)
		return false;
	v->o.addr = addr_from_bytes((enum family)family, bytes);
	v->o.mine = flags & FLAG_MINE;
	v->o.hold = flags & FLAG_HOLD;
	v->o.all_interfaces = flags & FLAG_ALL;
	v->yielded = flags & FLAG_YIELDED;
	v->o.names = v->names;
	for (size_t i = 0; i < v->o.n_names; i++) {
		cur_copy(c, v->names[i], LINK_NAME);
		if (c->bad || !name_is_good(v->names[i]))
			return false;
	}
	v->n_ifs = cur_u16(c);
	if (c->bad || v->n_ifs > MAX_IFS)
		return false;
	for (size_t i = 0; i < v->n_ifs; i++) {
		v->ifs[i].index = cur_u32(c);
		v->ifs[i].rounds_left = cur_u8(c);
		v->ifs[i].round_at.us = (int64_t)(cur_u64(c) & INT64_MAX);
	}
	return !c->bad && !addr_is_multicast(v->o.addr) && !addr_is_unspecified(v->o.addr);
}

int snapshot_decode(struct responder *r, const void *data, size_t len, mono_t now)
{
	struct cur c = cur_of(data, len);
	uint32_t magic = cur_u32(&c);
	uint8_t version = cur_u8(&c);
	uint32_t n = cur_u32(&c);
	if (c.bad || magic != MAGIC || n > VIPS_MAX)
		return -EBADMSG;
	if (version != SNAPSHOT_VERSION)
		return -EPROTONOSUPPORT;
	struct record *v = malloc(sizeof *v);
	int result = v ? 0 : -ENOMEM;
	for (uint32_t i = 0; result >= 0 && i < n; i++) {
		if (!get_vip(&c, v)) {
			result = -EBADMSG;
			break;
		}
		responder_restore(r, &v->o, v->yielded, v->ifs, v->n_ifs, now);
		result++;
	}
	free(v);
	return result;
}
