/* rtnetlink messages to structs. Runs in l2d; it may not change the link table itself. Bounds are checked by
 * libmnl's iterators; attribute lengths here. */
#include "l2d/netlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include <libmnl/libmnl.h>

struct reading {
	const struct netlink_reader *reader;
	void *ctx;
	struct netlink_state *state;
};

struct link_attrs {
	struct link_msg m;
	bool named;
};

static int link_attr(const struct nlattr *a, void *data)
{
	struct link_attrs *v = data;
	size_t len = mnl_attr_get_payload_len(a);
	switch (mnl_attr_get_type(a)) {
	case IFLA_IFNAME:
		if (len == 0 || len > LINK_NAME || mnl_attr_validate(a, MNL_TYPE_NUL_STRING) < 0)
			return MNL_CB_ERROR;
		memcpy(v->m.name, mnl_attr_get_payload(a), len);
		v->named = v->m.name[0] != 0;
		break;
	case IFLA_ADDRESS:
		v->m.has_mac = len == MAC_LEN;
		if (v->m.has_mac)
			memcpy(v->m.mac, mnl_attr_get_payload(a), MAC_LEN);
		break;
	case IFLA_MASTER:
		if (mnl_attr_validate(a, MNL_TYPE_U32) < 0)
			return MNL_CB_ERROR;
		v->m.master = mnl_attr_get_u32(a);
		break;
	default: break;
	}
	return MNL_CB_OK;
}

static void read_link(struct reading *r, const struct nlmsghdr *h)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	struct link_attrs v = { 0 };
	if (mnl_nlmsg_get_payload_len(h) < sizeof *i || i->ifi_index <= 0) {
		r->state->bad++;
		return;
	}
	/* A bridge tells about its ports in this family; that is no news about the interface itself. */
	if (i->ifi_family != AF_UNSPEC)
		return;
	v.m.index = (uint32_t)i->ifi_index;
	v.m.flags = i->ifi_flags;
	v.m.type = i->ifi_type;
	if (h->nlmsg_type == RTM_DELLINK)
		r->reader->del_link(r->ctx, v.m.index);
	else if (mnl_attr_parse(h, sizeof *i, link_attr, &v) < 0 || !v.named)
		r->state->bad++;
	else
		r->reader->new_link(r->ctx, &v.m);
}

struct addr_attrs {
	uint8_t family;
	addr_t address, local;
	uint32_t flags;
	bool has_flags;
};

static int addr_attr(const struct nlattr *a, void *data)
{
	struct addr_attrs *v = data;
	uint16_t type = mnl_attr_get_type(a);
	size_t len = mnl_attr_get_payload_len(a);
	if (type == IFA_ADDRESS || type == IFA_LOCAL) {
		enum family f = v->family == AF_INET ? FAMILY_V4 : FAMILY_V6;
		if (len != (f == FAMILY_V4 ? 4 : 16))
			return MNL_CB_ERROR;
		*(type == IFA_LOCAL ? &v->local : &v->address) = addr_from_bytes(f, mnl_attr_get_payload(a));
	} else if (type == IFA_FLAGS) {
		if (mnl_attr_validate(a, MNL_TYPE_U32) < 0)
			return MNL_CB_ERROR;
		v->flags = mnl_attr_get_u32(a);
		v->has_flags = true;
	}
	return MNL_CB_OK;
}

static void read_addr(struct reading *r, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *i = mnl_nlmsg_get_payload(h);
	if (mnl_nlmsg_get_payload_len(h) < sizeof *i || i->ifa_index == 0) {
		r->state->bad++;
		return;
	}
	if (i->ifa_family != AF_INET && i->ifa_family != AF_INET6)
		return;
	struct addr_attrs v = { .family = i->ifa_family };
	unsigned bits = i->ifa_family == AF_INET ? 32 : 128;
	if (mnl_attr_parse(h, sizeof *i, addr_attr, &v) < 0 || i->ifa_prefixlen > bits) {
		r->state->bad++;
		return;
	}
	/* On a point-to-point interface IFA_ADDRESS is the other end. */
	struct addr_msg m = { .index = i->ifa_index, .prefix_len = i->ifa_prefixlen };
	m.addr = v.local.family != FAMILY_NONE ? v.local : v.address;
	m.flags = v.has_flags ? v.flags : i->ifa_flags;
	if (m.addr.family == FAMILY_NONE)
		r->state->bad++;
	else if (h->nlmsg_type == RTM_DELADDR)
		r->reader->del_addr(r->ctx, &m);
	else
		r->reader->new_addr(r->ctx, &m);
}

static void read_end(struct reading *r, const struct nlmsghdr *h)
{
	int error = 0;
	if (h->nlmsg_type == NLMSG_ERROR) {
		if (mnl_nlmsg_get_payload_len(h) < sizeof(struct nlmsgerr)) {
			r->state->bad++;
			return;
		}
		error = ((const struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;
		if (error > 0)
			error = -EPROTO;
	}
	if (error == 0 && (r->state->interrupted))
		error = -EINTR;
	r->state->interrupted = false;
	r->reader->done(r->ctx, h->nlmsg_seq, error);
}

static void read_message(struct reading *r, const struct nlmsghdr *h)
{
	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		r->state->interrupted = true;
	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK: read_link(r, h); break;
	case RTM_NEWADDR:
	case RTM_DELADDR: read_addr(r, h); break;
	case NLMSG_ERROR:
	case NLMSG_DONE: read_end(r, h); break;
	default: break;
	}
}

void netlink_decode(struct netlink_state *s, const void *data, size_t len,
		    const struct netlink_reader *reader, void *ctx)
{
	struct reading r = { .reader = reader, .ctx = ctx, .state = s };
	const struct nlmsghdr *h = data;
	int left = (int)len;
	/* libmnl compares lengths as int: one with the highest bit would pass. */
	while (mnl_nlmsg_ok(h, left) && h->nlmsg_len <= (uint32_t)left) {
		read_message(&r, h);
		h = mnl_nlmsg_next(h, &left);
	}
	if (left > 0)
		s->bad++;
}
