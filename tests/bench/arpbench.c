/* Load and latency of an ARP responder, seen from the other end of a link: requests in, answers counted.
 *   arpbench latency INTERFACE SOURCE TARGET COUNT     one at a time: p50, p99 in microseconds
 *   arpbench flood INTERFACE SOURCE TARGET SECONDS     as many as go: answers per second
 * Prints one line of numbers, so that tools can divide the responder's by the kernel's. Needs CAP_NET_RAW. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "l2d/arp.h"

enum { BATCH = 64, QUEUE = 32 << 20, LOST_MS = 200 };

struct bench {
	int fd;
	uint8_t request[ARP_PADDED];
	atomic_ulong answers;
	atomic_bool stop;
};

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* A socket that sees only ARP answers. */
static int open_socket(const char *interface, uint8_t mac[static MAC_LEN])
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARP_REPLY, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, ARP_PADDED),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { sizeof code / sizeof code[0], code };
	int queue = QUEUE, fd = socket(AF_PACKET, SOCK_RAW, 0);
	struct ifreq r = { 0 };
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0)
		fail("packet socket");
	(void)!setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof queue);
	(void)!setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &queue, sizeof queue);
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", interface);
	if (ioctl(fd, SIOCGIFHWADDR, &r) < 0)
		fail(interface);
	memcpy(mac, r.ifr_hwaddr.sa_data, MAC_LEN);
	struct sockaddr_ll a = { .sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ARP),
				 .sll_ifindex = (int)if_nametoindex(interface) };
	if (bind(fd, (const struct sockaddr *)&a, sizeof a) < 0)
		fail("bind");
	return fd;
}

static void make_request(struct bench *b, const uint8_t mac[static MAC_LEN], const char *source,
			 const char *target)
{
	struct arp a = { .op = ARP_REQUEST };
	memcpy(a.dst, mac_broadcast, MAC_LEN);
	memcpy(a.src, mac, MAC_LEN);
	memcpy(a.sender_mac, mac, MAC_LEN);
	if (inet_pton(AF_INET, source, a.sender_ip) != 1 || inet_pton(AF_INET, target, a.target_ip) != 1) {
		fprintf(stderr, "arpbench: %s or %s is not an IPv4 address\n", source, target);
		exit(2);
	}
	arp_build(&a, b->request);
}

static int by_value(const void *a, const void *b)
{
	double x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return x < y ? -1 : x > y;
}

static void latency(struct bench *b, size_t count)
{
	double *v = calloc(count, sizeof *v);
	struct pollfd p = { .fd = b->fd, .events = POLLIN };
	uint8_t answer[ARP_PADDED];
	size_t n = 0;
	if (!v)
		fail("memory");
	for (size_t i = 0; i < count; i++) {
		double start = now_us();
		if (send(b->fd, b->request, sizeof b->request, 0) < 0)
			fail("send");
		if (poll(&p, 1, LOST_MS) > 0 && recv(b->fd, answer, sizeof answer, 0) > 0)
			v[n++] = now_us() - start;
	}
	qsort(v, n, sizeof *v, by_value);
	if (n)
		printf("answered=%zu of=%zu p50_us=%.1f p99_us=%.1f max_us=%.1f\n", n, count, v[n / 2],
		       v[n * 99 / 100], v[n - 1]);
	else
		printf("answered=0 of=%zu\n", count);
	free(v);
}

static void *count_answers(void *ctx)
{
	struct bench *b = ctx;
	uint8_t data[BATCH][ARP_PADDED];
	struct iovec iov[BATCH];
	struct mmsghdr m[BATCH] = { 0 };
	struct pollfd p = { .fd = b->fd, .events = POLLIN };
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ data[i], ARP_PADDED };
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	while (!atomic_load(&b->stop)) {
		int n = recvmmsg(b->fd, m, BATCH, MSG_DONTWAIT, NULL);
		if (n > 0)
			atomic_fetch_add(&b->answers, (unsigned long)n);
		else
			poll(&p, 1, 20);
	}
	return NULL;
}

static void flood(struct bench *b, double seconds)
{
	struct iovec iov = { b->request, sizeof b->request };
	struct mmsghdr m[BATCH] = { 0 };
	pthread_t reader;
	for (int i = 0; i < BATCH; i++)
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 };
	if (pthread_create(&reader, NULL, count_answers, b) != 0)
		fail("thread");
	double start = now_us(), end = start + seconds * 1e6;
	unsigned long sent = 0;
	while (now_us() < end) {
		int n = sendmmsg(b->fd, m, BATCH, 0);
		sent += n > 0 ? (unsigned long)n : 0;
	}
	double took = (now_us() - start) / 1e6;
	unsigned long answers = atomic_load(&b->answers);
	atomic_store(&b->stop, true);
	pthread_join(reader, NULL);
	printf("sent_per_s=%.0f answers_per_s=%.0f answered_percent=%.1f\n", (double)sent / took,
	       (double)answers / took, sent ? 100.0 * (double)answers / (double)sent : 0.0);
}

int main(int argc, char **argv)
{
	static struct bench b;
	uint8_t mac[MAC_LEN];
	if (argc != 6 || (strcmp(argv[1], "latency") != 0 && strcmp(argv[1], "flood") != 0)) {
		fprintf(stderr, "usage: arpbench latency|flood INTERFACE SOURCE TARGET COUNT|SECONDS\n");
		return 2;
	}
	b.fd = open_socket(argv[2], mac);
	make_request(&b, mac, argv[3], argv[4]);
	if (strcmp(argv[1], "latency") == 0)
		latency(&b, (size_t)strtoul(argv[5], NULL, 10));
	else
		flood(&b, strtod(argv[5], NULL));
	return 0;
}
