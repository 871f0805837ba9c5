/* The codec of gossip packets. Runs in gossipd, and in the simulator. Pure; reads foreign bytes through
 * lib/base/cur.h only. Every message of the widest node fits in an empty packet, so an update can always be
 * told. */
#include "gossipd/swim_msg.h"

#include <errno.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"

bool swim_name_is_valid(const char *name)
{
	size_t n = strnlen(name, LIMIT_NODE_NAME + 1);
	if (n == 0 || n > LIMIT_NODE_NAME)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = name[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		bool edge = i == 0 || i == n - 1;
		if (!plain && (edge || (c != '-' && c != '.' && c != '_')))
			return false;
	}
	return true;
}

uint64_t swim_hash(const char *name)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3u;
	/* Short names differ in their last bytes only: spread them over the ring. */
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	h ^= h >> 33;
	return h;
}

bool swim_addr_eq(const struct swim_addr *a, const struct swim_addr *b)
{
	return a->port == b->port && addr_eq(a->ip, b->ip);
}

const char *swim_addr_text(const struct swim_addr *a, char buf[static SWIM_ADDR_TEXT])
{
	char ip[ADDR_TEXT];
	if (a->ip.family == FAMILY_NONE)
		str_fmt(buf, SWIM_ADDR_TEXT, "unknown");
	else
		str_fmt(buf, SWIM_ADDR_TEXT, a->ip.family == FAMILY_V6 ? "[%s]:%u" : "%s:%u",
			addr_text(a->ip, ip), a->port);
	return buf;
}

static void put_name(struct wbuf *w, const char *name)
{
	size_t n = strlen(name);
	must(n <= LIMIT_NODE_NAME);
	wbuf_u8(w, (uint8_t)n);
	wbuf_put(w, name, n);
}

static bool get_name(struct cur *c, char ret[static LIMIT_NODE_NAME + 1])
{
	size_t n = cur_u8(c);
	const uint8_t *p = cur_take(c, n);
	if (!p || n > LIMIT_NODE_NAME || memchr(p, 0, n))
		return false;
	memcpy(ret, p, n);
	ret[n] = 0;
	return swim_name_is_valid(ret);
}

static void put_addr(struct wbuf *w, const struct swim_addr *a)
{
	wbuf_u8(w, a->ip.family);
	if (a->ip.family == FAMILY_NONE)
		return;
	wbuf_put(w, a->ip.bytes, addr_size(a->ip));
	wbuf_u16(w, a->port);
}

static bool get_addr(struct cur *c, struct swim_addr *ret)
{
	uint8_t family = cur_u8(c);
	memset(ret, 0, sizeof *ret);
	if (family == FAMILY_NONE)
		return !c->bad;
	if (family != FAMILY_V4 && family != FAMILY_V6)
		return false;
	const uint8_t *p = cur_take(c, family == FAMILY_V4 ? 4 : 16);
	if (!p)
		return false;
	ret->ip = addr_from_bytes((enum family)family, p);
	ret->port = cur_u16(c);
	return !c->bad && ret->port && !addr_is_unspecified(ret->ip) && !addr_is_multicast(ret->ip);
}

static void put_link(struct wbuf *w, const struct swim_link *l)
{
	size_t n = strnlen(l->name, SWIM_LINK_NAME);
	wbuf_u8(w, (uint8_t)n);
	wbuf_put(w, l->name, n);
	wbuf_put(w, l->mac, sizeof l->mac);
	wbuf_u8(w, l->up);
}

static bool get_link(struct cur *c, struct swim_link *ret)
{
	size_t n = cur_u8(c);
	const uint8_t *p = cur_take(c, n);
	if (!p || n == 0 || n > SWIM_LINK_NAME)
		return false;
	for (size_t i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] > '~' || p[i] == '/')
			return false;
	memset(ret->name, 0, sizeof ret->name);
	memcpy(ret->name, p, n);
	cur_copy(c, ret->mac, sizeof ret->mac);
	uint8_t up = cur_u8(c);
	ret->up = up == 1;
	return !c->bad && up <= 1;
}

bool swim_node_put(struct wbuf *w, const struct swim_node *n)
{
	must(n->n_links <= SWIM_MAX_LINKS);
	put_name(w, n->name);
	wbuf_u8(w, (uint8_t)n->state);
	wbuf_u64(w, n->incarnation);
	wbuf_u8(w, n->flags);
	put_addr(w, &n->addr);
	wbuf_u8(w, n->n_links);
	for (size_t i = 0; i < n->n_links; i++)
		put_link(w, &n->links[i]);
	return !w->bad;
}

int swim_node_get(struct cur *c, struct swim_node *ret)
{
	struct swim_node n = { 0 };
	if (!get_name(c, n.name))
		return -EBADMSG;
	uint8_t state = cur_u8(c);
	n.state = (enum swim_state)state;
	n.incarnation = cur_u64(c);
	n.flags = cur_u8(c);
	if (state > SWIM_LEFT || !get_addr(c, &n.addr))
		return -EBADMSG;
	n.n_links = cur_u8(c);
	if (c->bad || n.n_links > SWIM_MAX_LINKS)
		return -EBADMSG;
	for (size_t i = 0; i < n.n_links; i++)
		if (!get_link(c, &n.links[i]))
			return -EBADMSG;
	*ret = n;
	return 0;
}

static void put_body(struct wbuf *w, const struct swim_msg *m)
{
	switch (m->type) {
	case SWIM_MSG_PING:
		wbuf_u32(w, m->seq);
		wbuf_u8(w, m->ping);
		put_name(w, m->node.name);
		break;
	case SWIM_MSG_PING_REQ:
		wbuf_u32(w, m->seq);
		put_name(w, m->node.name);
		put_addr(w, &m->node.addr);
		break;
	case SWIM_MSG_ACK:
	case SWIM_MSG_RELAYING: wbuf_u32(w, m->seq); break;
	case SWIM_MSG_RELAYED:
		wbuf_u32(w, m->seq);
		put_name(w, m->node.name);
		break;
	case SWIM_MSG_STATE:
		put_name(w, m->node.name);
		wbuf_u8(w, (uint8_t)m->node.state);
		wbuf_u64(w, m->node.incarnation);
		wbuf_u64(w, m->from);
		break;
	case SWIM_MSG_ALIVE: swim_node_put(w, &m->node); break;
	case SWIM_MSG_LEFT_ACK: wbuf_u64(w, m->node.incarnation); break;
	}
}

static bool get_state(struct cur *c, struct swim_msg *ret)
{
	if (!get_name(c, ret->node.name))
		return false;
	uint8_t state = cur_u8(c);
	ret->node.state = (enum swim_state)state;
	ret->node.incarnation = cur_u64(c);
	ret->from = cur_u64(c);
	return state >= SWIM_SUSPECT && state <= SWIM_LEFT;
}

/* 1 = a message, 0 = one of a type that is not known here, -EBADMSG. */
static int get_body(struct cur *c, uint8_t type, struct swim_msg *ret)
{
	bool ok = true;
	ret->type = (enum swim_type)type;
	switch (type) {
	case SWIM_MSG_PING:
		ret->seq = cur_u32(c);
		ret->ping = cur_u8(c);
		ok = get_name(c, ret->node.name);
		break;
	case SWIM_MSG_PING_REQ:
		ret->seq = cur_u32(c);
		ok = get_name(c, ret->node.name) && get_addr(c, &ret->node.addr) &&
		     ret->node.addr.ip.family != FAMILY_NONE;
		break;
	case SWIM_MSG_ACK:
	case SWIM_MSG_RELAYING: ret->seq = cur_u32(c); break;
	case SWIM_MSG_RELAYED:
		ret->seq = cur_u32(c);
		ok = get_name(c, ret->node.name);
		break;
	case SWIM_MSG_STATE: ok = get_state(c, ret); break;
	case SWIM_MSG_ALIVE: ok = swim_node_get(c, &ret->node) == 0 && ret->node.state == SWIM_ALIVE; break;
	case SWIM_MSG_LEFT_ACK: ret->node.incarnation = cur_u64(c); break;
	default: return 0;
	}
	return ok && !c->bad && cur_left(c) == 0 ? 1 : -EBADMSG;
}

bool swim_packet_begin(struct wbuf *w, const char *sender, uint64_t incarnation)
{
	wbuf_u8(w, SWIM_VERSION);
	put_name(w, sender);
	wbuf_u64(w, incarnation);
	return !w->bad;
}

bool swim_packet_add(struct wbuf *w, const struct swim_msg *m)
{
	struct wbuf before = *w;
	wbuf_u8(w, (uint8_t)m->type);
	size_t at = wbuf_reserve(w, 2), start = w->len;
	put_body(w, m);
	if (w->bad) {
		*w = before;
		return false;
	}
	wbuf_patch_u16(w, at, (uint16_t)(w->len - start));
	return true;
}

/* As get_body; 0 also means the end when nothing is left. */
static int next_message(struct cur *c, struct swim_msg *ret)
{
	uint8_t type = cur_u8(c);
	struct cur body = cur_sub(c, cur_u16(c));
	if (c->bad)
		return -EBADMSG;
	return get_body(&body, type, ret);
}

int swim_packet_open(const void *data, size_t len, struct swim_packet *ret)
{
	struct cur c = cur_of(data, len);
	struct swim_packet p = { 0 };
	uint8_t version = cur_u8(&c);
	if (!c.bad && version != SWIM_VERSION)
		return -EPROTONOSUPPORT;
	if (!get_name(&c, p.sender))
		return -EBADMSG;
	p.incarnation = cur_u64(&c);
	if (c.bad)
		return -EBADMSG;
	p.body = c;
	while (cur_left(&c)) {
		struct swim_msg m;
		if (next_message(&c, &m) < 0)
			return -EBADMSG;
	}
	*ret = p;
	return 0;
}

bool swim_packet_next(struct swim_packet *p, struct swim_msg *ret)
{
	while (cur_left(&p->body)) {
		int got = next_message(&p->body, ret);
		if (got < 0)
			break;
		if (got > 0)
			return true;
	}
	return false;
}
