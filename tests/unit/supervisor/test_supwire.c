/* Codec of the supervisor's messages, and what arrives over a real pair, malformed packets included. */
#include "lib/run/supwire.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/must.h"

static bool needs_name(enum sup_type t)
{
	return t == SUP_RETAIN || t == SUP_RELEASE || t == SUP_RETAINED;
}

static void test_all_types_round_trip(void **state)
{
	(void)state;
	for (unsigned t = SUP_NONE + 1; t < SUP_TYPE_N; t++) {
		uint8_t data[SUP_PACKET];
		struct sup_message m = { .type = (enum sup_type)t, .value = 0x0123456789abcdef, .fd = -1 },
				   got;
		if (needs_name(m.type))
			memset(m.name, 'n', SUP_NAME - 1);
		size_t len = sup_encode(&m, data);
		assert_int_equal(sup_decode(data, len, &got), 0);
		assert_int_equal(got.type, m.type);
		assert_true(got.value == m.value);
		assert_string_equal(got.name, m.name);
		assert_int_equal(got.fd, -1);
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(sup_decode(data, cut, &got), -EPROTO);
	}
}

static void test_malformed(void **state)
{
	(void)state;
	static const struct {
		const char *why;
		uint8_t data[20];
		size_t len;
	} cases[] = {
		{ "empty", { 0 }, 0 },
		{ "version 0", { 0, SUP_READY }, 12 },
		{ "version 2", { 2, SUP_READY }, 12 },
		{ "type 0", { 1, 0 }, 12 },
		{ "unknown type", { 1, SUP_TYPE_N }, 12 },
		{ "name where none belongs", { 1, SUP_READY, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'x' }, 13 },
		{ "no name", { 1, SUP_RELEASE }, 12 },
		{ "name longer than the packet", { 1, SUP_RELEASE, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 'x' }, 13 },
		{ "bytes after the name", { 1, SUP_RELEASE, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'x', 'y' }, 14 },
		{ "NUL in the name", { 1, SUP_RELEASE, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 'x', 0 }, 14 },
		{ "blank in the name", { 1, SUP_RELEASE, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, ' ' }, 13 },
		{ "quote in the name", { 1, SUP_RELEASE, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, '"' }, 13 },
	};
	struct sup_message m = { .type = SUP_NONE, .value = 7 };
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		if (sup_decode(cases[i].data, cases[i].len, &m) != -EPROTO)
			fail_msg("%s: accepted", cases[i].why);
	assert_int_equal(m.value, 7);
	uint8_t long_name[12 + SUP_NAME] = { 1, SUP_RELEASE, 0, SUP_NAME };
	memset(long_name + 12, 'n', SUP_NAME);
	assert_int_equal(sup_decode(long_name, sizeof long_name, &m), -EPROTO);
}

static void make_pair(int pair[static 2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
}

static void test_descriptor_rides_along(void **state)
{
	(void)state;
	int pair[2];
	make_pair(pair);
	int file = memfd_create("x", 0);
	struct sup_message m = { .type = SUP_RETAIN, .name = "session-1", .fd = file }, got;
	assert_int_equal(sup_receive(pair[1], &got), -EAGAIN);
	assert_int_equal(sup_send(pair[0], &m), 0);
	assert_int_equal(sup_receive(pair[1], &got), 1);
	assert_string_equal(got.name, "session-1");
	struct stat a, b;
	fstat(file, &a);
	assert_int_equal(fstat(got.fd, &b), 0);
	assert_true(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	assert_int_equal(fcntl(got.fd, F_GETFD), FD_CLOEXEC);
	close(got.fd);
	close(file);
	close(pair[0]);
	assert_int_equal(sup_receive(pair[1], &got), 0);
	assert_int_equal(sup_send(pair[1], &(struct sup_message){ .type = SUP_STOP, .fd = -1 }), -EPIPE);
	close(pair[1]);
}

static void test_send_refuses_nonsense(void **state)
{
	(void)state;
	int pair[2];
	make_pair(pair);
	static const struct sup_message bad[] = {
		{ .type = SUP_RETAIN, .name = "x", .fd = -1 },
		{ .type = SUP_RETAIN, .name = "", .fd = 0 },
		{ .type = SUP_READY, .name = "", .fd = 0 },
		{ .type = SUP_READY, .name = "x", .fd = -1 },
		{ .type = SUP_RELEASE, .name = "a b", .fd = -1 },
	};
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(sup_send(pair[0], &bad[i]), -EINVAL);
	close(pair[0]);
	close(pair[1]);
}

/* Raw bytes and n descriptors, as only a daemon that was taken over would send them. */
static void send_raw(int sock, const void *data, size_t len, int n)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
	char copy[256];
	memcpy(copy, data, len);
	struct iovec iov = { .iov_base = copy, .iov_len = len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[16];
	for (int i = 0; i < n; i++)
		fds[i] = STDERR_FILENO;
	if (n > 0) {
		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof(int));
	}
	assert_int_equal(sendmsg(sock, &h, 0), len);
}

static int lowest_free(void)
{
	int fd = open("/dev/null", O_RDONLY);
	close(fd);
	return fd;
}

static void test_malformed_packets_leak_nothing(void **state)
{
	(void)state;
	int pair[2];
	make_pair(pair);
	static const uint8_t ready[12] = { 1, SUP_READY }, junk[200] = { 9 };
	static const uint8_t retain[13] = { 1, SUP_RETAIN, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'x' };
	static const struct {
		const uint8_t *data;
		size_t len;
		int fds;
	} cases[] = {
		{ ready, 12, 1 },  { ready, 12, 12 }, { retain, 13, 0 }, { retain, 13, 2 },
		{ retain, 13, 9 }, { junk, 200, 0 },  { junk, 200, 1 },	 { junk, 3, 1 },
	};
	int before = lowest_free();
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct sup_message m = { .fd = -2 };
		send_raw(pair[0], cases[i].data, cases[i].len, cases[i].fds);
		if (sup_receive(pair[1], &m) != -EPROTO || m.fd != -2)
			fail_msg("case %u was accepted", i);
		assert_int_equal(lowest_free(), before);
	}
	close(pair[0]);
	close(pair[1]);
}

static void test_full_socket_says_again(void **state)
{
	(void)state;
	int pair[2], r = 0;
	make_pair(pair);
	for (unsigned i = 0; i < 100000 && r == 0; i++)
		r = sup_send(pair[0], &(struct sup_message){ .type = SUP_HEARTBEAT, .fd = -1 });
	assert_int_equal(r, -EAGAIN);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_types_round_trip),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_descriptor_rides_along),
		cmocka_unit_test(test_send_refuses_nonsense),
		cmocka_unit_test(test_malformed_packets_leak_nothing),
		cmocka_unit_test(test_full_socket_says_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
