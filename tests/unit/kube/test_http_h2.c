/* HTTP/2 over TLS, with nghttpd: one connection for many requests, what becomes of it when the server freezes
 * or goes, and memory. */
#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

static int port;
static pid_t server;

static int free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
	close(fd);
	return ntohs(a.sin_port);
}

/* Starts it, and asks until it answers. */
static void start_server(struct house *h)
{
	char number[16], name[] = "nghttpd", option[] = "-a", address[] = "127.0.0.1", key[] = "server.key",
			 cert[] = "server.pem";
	snprintf(number, sizeof number, "%d", port);
	server = house_spawn(h, (char *const[]){ name, option, address, number, key, cert, NULL }, -1);
	mono_t end = mono_add(loop_clock(), SEC(10));
	struct outcome o = { .answer.failure = HTTP_NO_ROUTE };
	while (o.answer.failure == HTTP_NO_ROUTE && mono_before(loop_clock(), end)) {
		outcome_fini(&o);
		house_get(h, &o, "/ca.pem");
	}
	assert_int_equal(o.answer.status, 200);
	outcome_fini(&o);
}

static void stop_server(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

static int open_h2(void **state)
{
	struct house *h = *state;
	if (access("/usr/sbin/nghttpd", X_OK) < 0 && access("/usr/bin/nghttpd", X_OK) < 0)
		return -1;
	port = free_port();
	house_client(h, "https", port, "certificate-authority: ca.pem", "");
	start_server(h);
	return 0;
}

static int close_h2(void **state)
{
	stop_server();
	return house_clear(state);
}

static long connections(const struct house *h)
{
	return house_metric(h, "ingot_kube_connections_total");
}

static void test_one_connection_for_all(void **state)
{
	struct house *h = *state;
	enum { N = 90 };
	struct outcome o[N] = { 0 };
	size_t left = N;
	/* A client that knows nothing yet: the first request tells what the server speaks, the others wait
	 * for that. */
	house_client(h, "https", port, "certificate-authority: ca.pem", "");
	for (int i = 0; i < N; i++) {
		const struct http_request r = { .method = "GET", .path = "/ca.pem", .timeout_ms = 10000 };
		o[i].left = &left;
		house_begin(h, &o[i], &r, i % 2);
	}
	house_wait(h, &left);
	for (int i = 0; i < N; i++) {
		assert_int_equal(o[i].answer.status, 200);
		outcome_fini(&o[i]);
	}
	assert_int_equal(connections(h), 1);
}

static void test_more_than_a_connection_takes(void **state)
{
	struct house *h = *state;
	enum { N = 1000 };
	static struct outcome o[N];
	size_t left = N;
	long before = connections(h);
	for (int i = 0; i < N; i++) {
		const struct http_request r = { .method = "GET", .path = "/server.py", .timeout_ms = 15000 };
		o[i].left = &left;
		house_begin(h, &o[i], &r, false);
	}
	house_wait(h, &left);
	for (int i = 0; i < N; i++) {
		assert_int_equal(o[i].answer.failure, HTTP_OK);
		assert_int_equal(o[i].answer.status, 404);
		outcome_fini(&o[i]);
	}
	assert_true(connections(h) - before <= 1);
}

/* A server that is there for TCP and does nothing: after a call that waited in vain nobody else is sent
 * there. */
static void test_a_frozen_server(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	const struct http_request r = { .method = "GET", .path = "/ca.pem", .timeout_ms = 300 };
	long before = connections(h);
	kill(server, SIGSTOP);
	house_call(h, &o, &r, false);
	assert_int_equal(o.answer.failure, HTTP_TIMEOUT);
	outcome_fini(&o);
	kill(server, SIGCONT);
	house_get(h, &o, "/ca.pem");
	assert_int_equal(o.answer.status, 200);
	outcome_fini(&o);
	assert_int_equal(connections(h) - before, 1);
}

static void test_a_server_that_restarts(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	stop_server();
	house_get(h, &o, "/ca.pem");
	assert_int_equal(o.answer.failure, HTTP_NO_ROUTE);
	outcome_fini(&o);
	start_server(h);
}

struct mill {
	struct house *house;
	size_t to_start, left;
};

static void again(void *ctx, const struct http_answer *a)
{
	struct mill *m = ctx;
	const struct http_events e = { .done = again };
	const struct http_request r = { .method = "GET", .path = "/ca.pem", .timeout_ms = 10000 };
	if (a && a->status != 200)
		fail_msg("%d %s", a->status, a->error);
	if (m->to_start > 0) {
		m->to_start--;
		assert_non_null(http_start(m->house->http, &r, &e, m));
	}
	if (a && --m->left == 0)
		loop_stop(m->house->loop);
}

static void run(struct house *h, size_t n)
{
	struct mill m = { .house = h, .to_start = n, .left = n };
	for (int i = 0; i < 20; i++)
		again(&m, NULL);
	house_wait(h, &m.left);
}

/* Buffers of the connection come and go: the least of some moments tells. */
static size_t least_memory(struct house *h)
{
	size_t least = SIZE_MAX;
	for (int i = 0; i < 8; i++) {
		run(h, 100);
		size_t now = mallinfo2().uordblks;
		least = now < least ? now : least;
	}
	return least;
}

static void test_memory_of_ten_thousand_calls(void **state)
{
	struct house *h = *state;
	run(h, 1000);
	size_t before = least_memory(h);
	run(h, 10000);
	/* Less than the smallest block for each call. */
	assert_in_range(least_memory(h), 0, before + 200000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_connection_for_all, open_h2, close_h2),
		cmocka_unit_test_setup_teardown(test_more_than_a_connection_takes, open_h2, close_h2),
		cmocka_unit_test_setup_teardown(test_a_frozen_server, open_h2, close_h2),
		cmocka_unit_test_setup_teardown(test_a_server_that_restarts, open_h2, close_h2),
		cmocka_unit_test_setup_teardown(test_memory_of_ten_thousand_calls, open_h2, close_h2),
	};
	return cmocka_run_group_tests(tests, house_open, house_close);
}
