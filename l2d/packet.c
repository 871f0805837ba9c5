/* AF_PACKET sockets. Runs in l2d: packet_open with CAP_NET_RAW, before the sandbox; the rest without any
 * capability. A socket is made for no protocol, so that no frame arrives before its filter is attached and
 * locked. The filter passes only ARP, or only neighbour discovery with hop limit 255 (RFC 4861 section 7.1),
 * and nothing that the interface would not have taken for this host or that carries a foreign VLAN tag (the
 * kernel marks both as for another host). Frames that this host sends are never queued on sockets bound to
 * one protocol. */
#include "l2d/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/must.h"

enum {
	ARP_SNAP = 64,
	ND_SNAP = 1518,
	ARP_QUEUE = 16 << 20, /* what arrives while l2d is being restarted waits here */
	ND_QUEUE = 4 << 20,
	SEND_QUEUE = 4 << 20,
	OFFSET_TYPE = 12,
	OFFSET_NEXT_HEADER = 20,
	OFFSET_HOP_LIMIT = 21,
	OFFSET_ICMP_TYPE = 54,
};

static const struct sock_filter arp_filter[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OTHERHOST, 3, 0),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, OFFSET_TYPE),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, ARP_SNAP),
	BPF_STMT(BPF_RET | BPF_K, 0),
};
static const struct sock_filter nd_filter[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OTHERHOST, 10, 0),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, OFFSET_TYPE),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 8),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, OFFSET_NEXT_HEADER),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 6),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, OFFSET_HOP_LIMIT),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 255, 0, 4),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, OFFSET_ICMP_TYPE),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, NDP_ROUTER_ADVERT, 0, 2),
	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, NDP_ADVERT, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, ND_SNAP),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

static const struct {
	const struct sock_filter *filter;
	unsigned short n_filter;
	uint16_t protocol;
	int queue;
	size_t snap;
} kinds[PACKET_N] = {
	[PACKET_ARP] = { arp_filter, ARRAY_LEN(arp_filter), ETH_P_ARP, ARP_QUEUE, ARP_SNAP },
	[PACKET_ND] = { nd_filter, ARRAY_LEN(nd_filter), ETH_P_IPV6, ND_QUEUE, ND_SNAP },
};

static int attach(int fd, enum packet_kind k)
{
	struct sock_filter code[ARRAY_LEN(nd_filter)];
	must(kinds[k].n_filter <= ARRAY_LEN(code));
	memcpy(code, kinds[k].filter, kinds[k].n_filter * sizeof code[0]);
	struct sock_fprog program = { kinds[k].n_filter, code };
	int on = 1;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on) < 0)
		return -errno;
	return 0;
}

/* Beyond the system's limit where we may (CAP_NET_ADMIN); as much as it allows otherwise. */
static void set_queue(int fd, int forced, int plain, int bytes)
{
	if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) < 0)
		(void)!setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof bytes);
}

int packet_open(enum packet_kind k)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int r = attach(fd, k);
	set_queue(fd, SO_RCVBUFFORCE, SO_RCVBUF, kinds[k].queue);
	set_queue(fd, SO_SNDBUFFORCE, SO_SNDBUF, SEND_QUEUE);
	struct sockaddr_ll all = { .sll_family = AF_PACKET, .sll_protocol = htons(kinds[k].protocol) };
	if (r == 0 && bind(fd, (const struct sockaddr *)&all, sizeof all) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

bool packet_is(int fd, enum packet_kind k)
{
	struct sockaddr_ll a = { 0 };
	socklen_t len = sizeof a;
	return getsockname(fd, (struct sockaddr *)&a, &len) == 0 && a.sll_family == AF_PACKET &&
	       a.sll_protocol == htons(kinds[k].protocol) && a.sll_ifindex == 0;
}

struct packet_batch {
	size_t snap;
	unsigned n;
	struct mmsghdr m[PACKET_BATCH];
	struct iovec iov[PACKET_BATCH];
	struct sockaddr_ll from[PACKET_BATCH];
	uint8_t data[];
};

struct packet_batch *packet_batch_new(enum packet_kind k)
{
	struct packet_batch *b = calloc(1, sizeof *b + PACKET_BATCH * kinds[k].snap);
	if (!b)
		return NULL;
	b->snap = kinds[k].snap;
	for (size_t i = 0; i < PACKET_BATCH; i++) {
		b->iov[i] = (struct iovec){ b->data + i * b->snap, b->snap };
		b->m[i].msg_hdr = (struct msghdr){ .msg_name = &b->from[i],
						   .msg_namelen = sizeof b->from[i],
						   .msg_iov = &b->iov[i],
						   .msg_iovlen = 1 };
	}
	return b;
}

void packet_batch_free(struct packet_batch *b)
{
	free(b);
}

unsigned packet_receive(int fd, struct packet_batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		b->m[i].msg_hdr.msg_namelen = sizeof b->from[i];
	/* An error is that of an interface which went away; it is read off with this call and nothing is
	 * lost. */
	int n = recvmmsg(fd, b->m, PACKET_BATCH, MSG_DONTWAIT, NULL);
	b->n = n > 0 ? (unsigned)n : 0;
	return b->n;
}

struct packet_frame packet_frame(const struct packet_batch *b, unsigned i)
{
	must(i < b->n);
	return (struct packet_frame){ b->data + i * b->snap, b->m[i].msg_len,
				      (uint32_t)b->from[i].sll_ifindex };
}

static struct sockaddr_ll address_of(const struct out_frame *o)
{
	return (struct sockaddr_ll){ .sll_family = AF_PACKET,
				     .sll_protocol = htons(o->nd ? ETH_P_IPV6 : ETH_P_ARP),
				     .sll_ifindex = (int)o->index,
				     .sll_halen = MAC_LEN };
}

static void send_one(int fd, struct outbox *box, size_t i, struct responder *r)
{
	struct sockaddr_ll to = address_of(&box->v[i]);
	ssize_t n =
	    sendto(fd, box->v[i].bytes, box->v[i].len, MSG_DONTWAIT, (const struct sockaddr *)&to, sizeof to);
	responder_sent(r, box, i, 1, n >= 0);
}

/* Frames [from, from + n), all of one kind, in as few calls as the kernel allows. */
static void send_run(int fd, struct outbox *box, size_t from, size_t n, struct responder *r)
{
	struct mmsghdr m[OUTBOX_N];
	struct iovec iov[OUTBOX_N];
	struct sockaddr_ll to[OUTBOX_N];
	for (size_t i = 0; i < n; i++) {
		struct out_frame *o = &box->v[from + i];
		iov[i] = (struct iovec){ o->bytes, o->len };
		to[i] = address_of(o);
		m[i].msg_hdr = (struct msghdr){
			.msg_name = &to[i], .msg_namelen = sizeof to[i], .msg_iov = &iov[i], .msg_iovlen = 1
		};
	}
	for (size_t done = 0; done < n;) {
		int k = sendmmsg(fd, m + done, (unsigned)(n - done), MSG_DONTWAIT);
		size_t sent = k > 0 ? (size_t)k : 0;
		responder_sent(r, box, from + done, sent, true);
		done += sent;
		if (k <= 0)
			responder_sent(r, box, from + done++, 1, false);
	}
}

void packet_send(const int fds[static PACKET_N], struct outbox *box, struct responder *r)
{
	for (size_t from = 0, n; from < box->n; from += n) {
		bool nd = box->v[from].nd;
		for (n = 1; from + n < box->n && box->v[from + n].nd == nd; n++)
			;
		int fd = fds[nd ? PACKET_ND : PACKET_ARP];
		if (n == 1)
			send_one(fd, box, from, r);
		else
			send_run(fd, box, from, n, r);
	}
	box->n = 0;
}

int packet_group(int fd, uint32_t index, const uint8_t mac[static MAC_LEN], bool join)
{
	struct packet_mreq m = { .mr_ifindex = (int)index,
				 .mr_type = PACKET_MR_MULTICAST,
				 .mr_alen = MAC_LEN };
	memcpy(m.mr_address, mac, MAC_LEN);
	int option = join ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP;
	return setsockopt(fd, SOL_PACKET, option, &m, sizeof m) < 0 ? -errno : 0;
}

unsigned packet_drops(int fd)
{
	struct tpacket_stats s = { 0 };
	socklen_t len = sizeof s;
	return getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &s, &len) == 0 ? s.tp_drops : 0;
}
