/* rtnetlink socket. Runs in l2d; it reads only, and asks for nothing but dumps. */
#include "l2d/rtnl.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATAGRAM = 32 << 10, QUEUE = 1 << 20, PER_TURN = 32, ANSWER_MS = 2000 };

static int ask(struct rtnl *n, enum rtnl_phase phase)
{
	struct {
		struct nlmsghdr h;
		struct rtgenmsg g;
	} q = { .h = { .nlmsg_len = NLMSG_LENGTH(sizeof q.g),
		       .nlmsg_type = phase == RTNL_LINKS ? RTM_GETLINK : RTM_GETADDR,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		       .nlmsg_seq = ++n->sequence },
		.g = { .rtgen_family = AF_UNSPEC } };
	n->phase = phase;
	n->state.interrupted = false;
	return send(n->fd, &q, q.h.nlmsg_len, MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int dump(struct rtnl *n)
{
	n->again = false;
	links_dump_begin(n->links);
	return ask(n, RTNL_LINKS);
}

static void on_new_link(void *ctx, const struct link_msg *m)
{
	struct rtnl *n = ctx;
	links_new(n->links, m);
}

static void on_del_link(void *ctx, uint32_t index)
{
	struct rtnl *n = ctx;
	n->gone(n->ctx, index);
}

static void on_new_addr(void *ctx, const struct addr_msg *m)
{
	struct rtnl *n = ctx;
	links_new_addr(n->links, m);
}

static void on_del_addr(void *ctx, const struct addr_msg *m)
{
	struct rtnl *n = ctx;
	links_del_addr(n->links, m);
}

static void finish(struct rtnl *n)
{
	n->phase = RTNL_IDLE;
	links_dump_end(n->links);
	for (const struct link *k; (k = links_unseen(n->links));)
		n->gone(n->ctx, k->index);
}

static void on_done(void *ctx, uint32_t sequence, int error)
{
	struct rtnl *n = ctx;
	if (sequence != n->sequence || n->phase == RTNL_IDLE)
		return;
	if (error == -EINTR || n->again) {
		dump(n);
	} else if (error < 0) {
		n->phase = RTNL_IDLE;
		n->error = error;
	} else if (n->phase == RTNL_LINKS) {
		ask(n, RTNL_ADDRS);
	} else {
		finish(n);
	}
}

static const struct netlink_reader reader = { on_new_link, on_del_link, on_new_addr, on_del_addr, on_done };

/* The kernel dropped events: only a dump can tell what is true. During one, another follows. */
static void on_overrun(struct rtnl *n)
{
	n->overruns++;
	if (n->phase == RTNL_IDLE)
		dump(n);
	else
		n->again = true;
}

bool rtnl_read(struct rtnl *n)
{
	_Alignas(struct nlmsghdr) char data[DATAGRAM];
	for (int i = 0; i < PER_TURN; i++) {
		struct sockaddr_nl from = { 0 };
		socklen_t len = sizeof from;
		ssize_t got = recvfrom(n->fd, data, sizeof data, MSG_DONTWAIT | MSG_TRUNC,
				       (struct sockaddr *)&from, &len);
		if (got < 0 && errno == ENOBUFS)
			on_overrun(n);
		else if (got < 0)
			return errno == EAGAIN || errno == EINTR;
		else if ((size_t)got > sizeof data)
			on_overrun(n);
		else if (from.nl_pid == 0) /* from the kernel, not from another process */
			netlink_decode(&n->state, data, (size_t)got, &reader, n);
	}
	return true;
}

static int read_all(struct rtnl *n)
{
	while (n->phase != RTNL_IDLE) {
		struct pollfd p = { .fd = n->fd, .events = POLLIN };
		int r = poll(&p, 1, ANSWER_MS);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0)
			return -ETIMEDOUT;
		if (!rtnl_read(n))
			return -EIO;
	}
	return n->error;
}

int rtnl_open(struct rtnl *n, struct links *links, void (*gone)(void *ctx, uint32_t index), void *ctx)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK,
				 .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };
	int queue = QUEUE;
	*n = (struct rtnl){ .links = links, .gone = gone, .ctx = ctx };
	n->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (n->fd < 0)
		return -errno;
	(void)!setsockopt(n->fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof queue);
	int r = bind(n->fd, (const struct sockaddr *)&a, sizeof a) < 0 ? -errno : 0;
	if (r == 0)
		r = dump(n);
	if (r == 0)
		r = read_all(n);
	if (r < 0)
		rtnl_close(n);
	return r;
}

void rtnl_close(struct rtnl *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}
