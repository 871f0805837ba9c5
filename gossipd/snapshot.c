/* The bytes that a gossipd leaves to its next life. Runs in gossipd. Pure. */
#include "gossipd/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MEMBERS_MAGIC = 0x49676d31,
	OWNERS_MAGIC = 0x49676f31,
	NODE_MAX = 1100,
	OWNER_MAX = 1 + ADDR_TEXT + 1 + 253 + 8
};

uint8_t *snapshot_members(const struct snapshot_head *h, const struct swim *s, size_t *len)
{
	size_t cap = 64 + (swim_count(s) + 1) * NODE_MAX;
	uint8_t *data = malloc(cap);
	if (!data)
		return NULL;
	struct wbuf w = wbuf_of(data, cap);
	wbuf_u32(&w, MEMBERS_MAGIC);
	wbuf_u64(&w, h->session);
	wbuf_u64(&w, h->counter);
	wbuf_u8(&w, h->in_force);
	swim_node_put(&w, &swim_self(s)->node);
	wbuf_u32(&w, (uint32_t)swim_count(s) - 1);
	for (size_t i = 0; i < swim_count(s); i++)
		if (!swim_at(s, i)->self)
			swim_node_put(&w, &swim_at(s, i)->node);
	if (w.bad) {
		free(data);
		return NULL;
	}
	*len = w.len;
	return data;
}

static int read_head(struct cur *c, struct snapshot_head *ret)
{
	if (cur_u32(c) != MEMBERS_MAGIC)
		return -EBADMSG;
	ret->session = cur_u64(c);
	ret->counter = cur_u64(c);
	ret->in_force = cur_u8(c) == 1;
	int err = swim_node_get(c, &ret->self);
	return err ? err : c->bad ? -EBADMSG : 0;
}

int snapshot_read_head(const void *data, size_t len, struct snapshot_head *ret)
{
	struct cur c = cur_of(data, len);
	struct snapshot_head h = { 0 };
	int err = read_head(&c, &h);
	if (err)
		return err;
	*ret = h;
	return 0;
}

int snapshot_read_members(const void *data, size_t len, mono_t now, struct swim *s)
{
	struct cur c = cur_of(data, len);
	struct snapshot_head h = { 0 };
	int err = read_head(&c, &h);
	if (err)
		return err;
	uint32_t n = cur_u32(&c);
	for (uint32_t i = 0; i < n && i < LIMIT_MEMBERS; i++) {
		struct swim_node node;
		if (swim_node_get(&c, &node) < 0)
			return -EBADMSG;
		/* One that cannot be put back is met again on the network. */
		(void)swim_restore(s, now, &node);
	}
	return c.bad || cur_left(&c) ? -EBADMSG : 0;
}

static void put_text(struct wbuf *w, const char *text)
{
	size_t n = strlen(text);
	wbuf_u8(w, (uint8_t)n);
	wbuf_put(w, text, n);
}

static void put_owner(void *ctx, const struct owner_entry *e)
{
	struct wbuf *w = ctx;
	put_text(w, e->key);
	put_text(w, e->owner);
	wbuf_u64(w, e->term);
}

uint8_t *snapshot_owners(const struct owner *o, size_t *len)
{
	size_t cap = 8 + owner_count(o) * OWNER_MAX;
	uint8_t *data = malloc(cap);
	if (!data)
		return NULL;
	struct wbuf w = wbuf_of(data, cap);
	wbuf_u32(&w, OWNERS_MAGIC);
	wbuf_u32(&w, (uint32_t)owner_count(o));
	owner_each(o, put_owner, &w);
	if (w.bad) {
		free(data);
		return NULL;
	}
	*len = w.len;
	return data;
}

static bool get_text(struct cur *c, char ret[static 256])
{
	size_t n = cur_u8(c);
	const uint8_t *p = cur_take(c, n);
	if (!p || memchr(p, 0, n))
		return false;
	memcpy(ret, p, n);
	ret[n] = 0;
	return true;
}

int snapshot_read_owners(const void *data, size_t len, struct owner *o)
{
	struct cur c = cur_of(data, len);
	if (cur_u32(&c) != OWNERS_MAGIC)
		return -EBADMSG;
	uint32_t n = cur_u32(&c);
	for (uint32_t i = 0; i < n; i++) {
		char address[256], owner[256], canonical[ADDR_TEXT];
		addr_t a;
		if (!get_text(&c, address) || !get_text(&c, owner))
			return -EBADMSG;
		uint64_t term = cur_u64(&c);
		if (c.bad || !addr_parse(address, &a) || (owner[0] && !swim_name_is_valid(owner)))
			return -EBADMSG;
		int err = owner_restore(o, addr_text(a, canonical), owner, term);
		if (err)
			return err;
	}
	return c.bad || cur_left(&c) ? -EBADMSG : 0;
}
