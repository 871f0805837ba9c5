/* Messages between the supervisor and its children: codec, and sending and receiving with at most one
 * descriptor. Runs in every process of Ingot. Neither side believes the other: lengths, types, names and
 * descriptors are checked here.
 *
 * Packet: version (1 byte), type (1), name length (2), value (8), name. docs/bus.md has the meanings. */
#include "lib/run/supwire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/cur.h"
#include "lib/base/must.h"

enum { SUP_VERSION = 1, SUP_HEADER = 12, MOST_FDS = 8 };

_Static_assert(SUP_HEADER + SUP_NAME <= SUP_PACKET, "the longest name fits into a packet");
_Static_assert(SUP_TYPE_N < 256, "a type is one byte");

static bool type_has_name(enum sup_type t)
{
	return t == SUP_RETAIN || t == SUP_RELEASE || t == SUP_RETAINED;
}

static bool type_has_fd(enum sup_type t)
{
	return t == SUP_RETAIN || t == SUP_RETAINED;
}

/* Names are shown in status and logs: visible ASCII without quotes or backslashes. */
static bool name_is_valid(const char *name, size_t len)
{
	if (len == 0 || len >= SUP_NAME)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '"' || name[i] == '\\')
			return false;
	return true;
}

size_t sup_encode(const struct sup_message *m, uint8_t buf[static SUP_PACKET])
{
	size_t len = strnlen(m->name, sizeof m->name);
	must(len < sizeof m->name && m->type > SUP_NONE && m->type < SUP_TYPE_N);
	struct wbuf w = wbuf_of(buf, SUP_PACKET);
	wbuf_u8(&w, SUP_VERSION);
	wbuf_u8(&w, (uint8_t)m->type);
	wbuf_u16(&w, (uint16_t)len);
	wbuf_u64(&w, m->value);
	wbuf_put(&w, m->name, len);
	must(!w.bad);
	return w.len;
}

int sup_decode(const uint8_t *data, size_t len, struct sup_message *ret)
{
	struct cur c = cur_of(data, len);
	struct sup_message m = { .fd = -1 };
	uint8_t version = cur_u8(&c);
	uint8_t type = cur_u8(&c);
	uint16_t name_len = cur_u16(&c);
	m.value = cur_u64(&c);
	if (c.bad || version != SUP_VERSION || type == SUP_NONE || type >= SUP_TYPE_N ||
	    name_len != cur_left(&c) || name_len >= SUP_NAME)
		return -EPROTO;
	m.type = (enum sup_type)type;
	cur_copy(&c, m.name, name_len);
	if (type_has_name(m.type) ? !name_is_valid(m.name, name_len) : name_len != 0)
		return -EPROTO;
	*ret = m;
	return 0;
}

int sup_send(int sock, const struct sup_message *m)
{
	uint8_t data[SUP_PACKET];
	size_t len = strnlen(m->name, sizeof m->name);
	if (type_has_name(m->type) ? !name_is_valid(m->name, len) : len != 0)
		return -EINVAL;
	if (type_has_fd(m->type) != (m->fd >= 0))
		return -EINVAL;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = data, .iov_len = sup_encode(m, data) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (m->fd >= 0) {
		h.msg_control = control;
		h.msg_controllen = sizeof control;
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &m->fd, sizeof(int));
	}
	ssize_t n;
	do
		n = sendmsg(sock, &h, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	/* Too many descriptors in flight is full too: the receiver has to take some first. */
	return errno == EWOULDBLOCK || errno == ETOOMANYREFS ? -EAGAIN : -errno;
}

/* Collects the descriptors of a message; returns how many, and the first of them. All others are closed. */
static size_t take_fds(struct msghdr *h, int *first)
{
	size_t n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (n++ == 0)
				*first = fd;
			else
				close(fd);
		}
	}
	return n;
}

int sup_receive(int sock, struct sup_message *ret)
{
	uint8_t data[SUP_PACKET];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(MOST_FDS * sizeof(int))];
	struct iovec iov = { .iov_base = data, .iov_len = sizeof data };
	struct msghdr h = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
	};
	struct sup_message m;
	ssize_t n;
	do
		n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : errno == ECONNRESET ? 0 : -errno;
	int fd = -1;
	size_t fds = take_fds(&h, &fd);
	if (n == 0 && fds == 0)
		return 0;
	if ((h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || fds > 1 || sup_decode(data, (size_t)n, &m) < 0 ||
	    type_has_fd(m.type) != (fds == 1)) {
		if (fd >= 0)
			close(fd);
		return -EPROTO;
	}
	m.fd = fd;
	*ret = m;
	return 1;
}
