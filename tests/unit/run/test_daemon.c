/* The skeleton of every daemon, seen from its supervisor: a real child process with the socket pair at its
 * descriptor 3. This program is its own child: with INGOT_TEST_CHILD set it is a daemon. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "lib/run/daemon.h"
#include "lib/run/fds.h"
#include "lib/run/supwire.h"
#include "proto/bus.pb-c.h"
#include "tests/unit/run/bus_fixture.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_UNDEFINED__)
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

/* ---- the child ---- */

struct toy {
	struct publisher *assignments;
	struct loop_timer *later;
	struct daemon *daemon;
	const char *mode;
	int kept;
};

static int toy_open(struct daemon *d)
{
	struct toy *t = d->self;
	t->daemon = d;
	if (strcmp(t->mode, "misconfigured") == 0)
		return -EINVAL;
	t->kept = daemon_take_retained(d, "memory");
	if (t->kept >= 0)
		return 0;
	t->kept = memfd_create("toy", MFD_CLOEXEC);
	return write(t->kept, "hello", 5) == 5 ? 0 : -EIO;
}

static void toy_later(void *ctx)
{
	struct toy *t = ctx;
	daemon_ready(t->daemon);
}

static int toy_join(struct daemon *d)
{
	struct toy *t = d->self;
	char text[16] = "";
	t->assignments = bus_publish(d->bus, TOPIC_ASSIGNMENTS);
	if (pread(t->kept, text, sizeof(text) - 1, 0) < 0 || daemon_retain(d, "memory", t->kept) < 0)
		return -EIO;
	daemon_decided(d, "default/web", "assigned", "%s, %u unready lives", text, d->unready_lives);
	t->later = loop_timer_new(d->loop, toy_later, t);
	loop_timer_set(t->later, loop_now(d->loop));
	return 0;
}

static void toy_stop(struct daemon *d)
{
	daemon_release(d, "memory");
	daemon_stopped(d);
}

static void toy_explain(struct daemon *d, const char *subject, char *buf, size_t size)
{
	(void)d;
	snprintf(buf, size, "now about %s", subject);
}

static void toy_close(struct daemon *d)
{
	struct toy *t = d->self;
	loop_timer_free(t->later);
	close(t->kept);
}

static int toy_main(int argc, char **argv, const char *mode)
{
	static const struct daemon_ops ops = { .id = DAEMON_ALLOCATOR,
					       .heartbeat_ms = 50,
					       .open = toy_open,
					       .join = toy_join,
					       .stop = toy_stop,
					       .explain = toy_explain,
					       .close = toy_close };
	struct toy toy = { .mode = mode, .kept = -1 };
	return daemon_main(argc, argv, &ops, &toy);
}

/* ---- the supervisor's side ---- */

struct child {
	struct fixture f;
	pid_t pid;
	int pair;
	bool sandbox;
};

static void child_start(struct child *c, const char *mode, bool with_pair)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (c->pid == 0) {
		if (with_pair)
			dup2(pair[1], FD_SUPERVISOR);
		else
			close(FD_SUPERVISOR);
		setenv("INGOT_TEST_CHILD", mode, 1);
		setenv("INGOT_RUN_DIR", c->f.run_dir, 1);
		setenv("INGOT_SANDBOX", c->sandbox ? "on" : "off", 1);
		setenv("INGOT_ROLE", "all", 1);
		execl("/proc/self/exe", "test_daemon", NULL);
		_exit(127);
	}
	close(pair[1]);
	c->pair = pair[0];
}

static int child_open(void **state)
{
	static struct child c;
	memset(&c, 0, sizeof(c));
	c.pair = -1;
	fixture_open(&c.f);
	*state = &c;
	return 0;
}

static int child_close(void **state)
{
	struct child *c = *state;
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
	if (c->pair >= 0)
		close(c->pair);
	fixture_close(&c->f);
	return 0;
}

static int child_status(struct child *c)
{
	int status;
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	c->pid = 0;
	return status;
}

static void say(struct child *c, enum sup_type type, uint64_t value, const char *name, int fd)
{
	struct sup_message m = { .type = type, .value = value, .fd = fd };
	snprintf(m.name, sizeof(m.name), "%s", name);
	assert_int_equal(sup_send(c->pair, &m), 0);
}

/* The next message of this type; others are skipped, their descriptors closed. */
static struct sup_message hear(struct child *c, enum sup_type type)
{
	for (;;) {
		struct sup_message m;
		struct pollfd wait = { .fd = c->pair, .events = POLLIN };
		assert_int_equal(poll(&wait, 1, 20000), 1);
		assert_int_equal(sup_receive(c->pair, &m), 1);
		if (m.type == type)
			return m;
		if (m.fd >= 0)
			close(m.fd);
	}
}

static void says_ready_beats_and_stops_in_order(void **state)
{
	struct child *c = *state;
	child_start(c, "plain", true);
	say(c, SUP_RETAINED_END, 0, "", -1);
	hear(c, SUP_READY);
	assert_int_equal(hear(c, SUP_HEARTBEAT).value, 50);
	assert_int_equal(hear(c, SUP_HEARTBEAT).value, 50);
	say(c, SUP_STOP, 0, "", -1);
	assert_string_equal(hear(c, SUP_RELEASE).name, "memory");
	hear(c, SUP_STOPPED);
	assert_int_equal(child_status(c), 0);
}

static void a_signal_stops_it_in_order(void **state)
{
	struct child *c = *state;
	child_start(c, "plain", true);
	say(c, SUP_RETAINED_END, 0, "", -1);
	hear(c, SUP_READY);
	kill(c->pid, SIGTERM);
	hear(c, SUP_STOPPED);
	assert_int_equal(child_status(c), 0);
}

static void a_stop_before_the_end_of_retained_stops_it(void **state)
{
	struct child *c = *state;
	child_start(c, "plain", true);
	say(c, SUP_STOP, 0, "", -1);
	assert_int_equal(child_status(c), 0);
}

static void exits_when_the_supervisor_is_gone(void **state)
{
	struct child *c = *state;
	for (int ready = 0; ready < 2; ready++) {
		child_start(c, "plain", true);
		if (ready) {
			say(c, SUP_RETAINED_END, 0, "", -1);
			hear(c, SUP_READY);
		}
		close(c->pair);
		c->pair = -1;
		int status = child_status(c);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 1);
	}
}

static void wrong_configuration_has_its_own_status(void **state)
{
	struct child *c = *state;
	child_start(c, "misconfigured", true);
	say(c, SUP_RETAINED_END, 0, "", -1);
	assert_int_equal(WEXITSTATUS(child_status(c)), EXIT_CONFIG);
	close(c->pair);
	child_start(c, "plain", false); /* by hand */
	assert_int_equal(WEXITSTATUS(child_status(c)), EXIT_CONFIG);
}

struct answers {
	struct child *c;
	unsigned n;
	char explain[512], previous[16], metrics[65536], error[128];
};

static void on_explain(void *ctx, int error, const char *message, const ProtobufCMessage *payload)
{
	struct answers *a = ctx;
	const Ingot__ExplainReply *r = (const Ingot__ExplainReply *)(const void *)payload;
	(void)message;
	assert_int_equal(error, 0);
	assert_int_equal(r->n_decisions, 1);
	snprintf(a->explain, sizeof(a->explain), "%s: %s, %s", r->decisions[0]->subject,
		 r->decisions[0]->reason, r->now);
	a->n++;
}

static void on_log_level(void *ctx, int error, const char *message, const ProtobufCMessage *payload)
{
	struct answers *a = ctx;
	a->n++;
	if (error != 0)
		snprintf(a->error, sizeof(a->error), "%d %s", error, message);
	else
		snprintf(a->previous, sizeof(a->previous), "%s",
			 ((const Ingot__LogLevelReply *)(const void *)payload)->previous);
}

static void on_metrics(void *ctx, int error, const char *message, const ProtobufCMessage *payload)
{
	struct answers *a = ctx;
	(void)message;
	assert_int_equal(error, 0);
	snprintf(a->metrics, sizeof(a->metrics), "%s",
		 ((const Ingot__StateReply *)(const void *)payload)->json);
	a->n++;
}

static bool has_four_answers(void *ctx)
{
	return ((struct answers *)ctx)->n == 4;
}

static void answers_what_every_daemon_answers_and_keeps_memory_over_a_crash(void **state)
{
	struct child *c = *state;
	static struct answers a;
	child_start(c, "plain", true);
	say(c, SUP_RETAINED_END, 0, "", -1);
	struct sup_message kept = hear(c, SUP_RETAIN);
	assert_string_equal(kept.name, "memory");
	assert_true(kept.fd >= 0);
	kill(c->pid, SIGKILL);
	child_status(c);
	close(c->pair);

	assert_int_equal(pwrite(kept.fd, "again", 5, 0), 5);
	child_start(c, "plain", true);
	say(c, SUP_RETAINED, 0, "memory", kept.fd);
	say(c, SUP_RETAINED_END, 3, "", -1);
	close(kept.fd);
	hear(c, SUP_READY);

	struct bus *statusd = fixture_bus(&c->f, DAEMON_STATUSD);
	Ingot__ExplainRequest explain = INGOT__EXPLAIN_REQUEST__INIT;
	Ingot__LogLevelRequest level = INGOT__LOG_LEVEL_REQUEST__INIT, bad = INGOT__LOG_LEVEL_REQUEST__INIT;
	Ingot__StateRequest metrics = INGOT__STATE_REQUEST__INIT;
	explain.subject = "default/web";
	level.level = "debug";
	bad.level = "loud";
	assert_true(bus_request(statusd, DAEMON_ALLOCATOR, REQUEST_EXPLAIN, &explain.base, on_explain, &a) !=
		    0);
	assert_true(
	    bus_request(statusd, DAEMON_ALLOCATOR, REQUEST_LOG_LEVEL, &level.base, on_log_level, &a) != 0);
	assert_true(bus_request(statusd, DAEMON_ALLOCATOR, REQUEST_LOG_LEVEL, &bad.base, on_log_level, &a) !=
		    0);
	assert_true(bus_request(statusd, DAEMON_ALLOCATOR, REQUEST_METRICS, &metrics.base, on_metrics, &a) !=
		    0);
	run_until(c->f.loop, has_four_answers, &a);
	bus_free(statusd);
	assert_string_equal(a.explain, "default/web: again, 3 unready lives, now about default/web");
	assert_string_equal(a.previous, "info");
	assert_non_null(strstr(a.error, "not a log level"));
	assert_non_null(strstr(a.metrics, "ingot_bus_dropped_total"));
}

/* The real thing: own user, sandbox, seal; killed and started again over its stale sockets. */
static void works_in_its_sandbox(void **state)
{
	struct child *c = *state;
	if (geteuid() != 0 || IS_SANITIZED)
		skip(); /* sanitizers do at exit what the sandbox forbids */
	char path[128];
	const uid_t uid = 64102;
	snprintf(path, sizeof(path), "%s/allocator", c->f.run_dir);
	assert_int_equal(chown(path, uid, uid), 0);
	c->sandbox = true;
	for (int life = 0; life < 3; life++) {
		child_start(c, "plain", true);
		say(c, SUP_RETAINED_END, 0, "", -1);
		hear(c, SUP_READY);
		hear(c, SUP_HEARTBEAT);
		hear(c, SUP_HEARTBEAT);
		if (life == 2) {
			say(c, SUP_STOP, 0, "", -1);
			hear(c, SUP_STOPPED);
			assert_int_equal(child_status(c), 0);
			return;
		}
		kill(c->pid, SIGKILL);
		child_status(c);
		close(c->pair);
	}
}

int main(int argc, char **argv)
{
	const char *mode = getenv("INGOT_TEST_CHILD");
	if (mode)
		return toy_main(argc, argv, mode);
#define T(fn) cmocka_unit_test_setup_teardown(fn, child_open, child_close)
	const struct CMUnitTest tests[] = {
		T(says_ready_beats_and_stops_in_order),
		T(a_signal_stops_it_in_order),
		T(a_stop_before_the_end_of_retained_stops_it),
		T(exits_when_the_supervisor_is_gone),
		T(wrong_configuration_has_its_own_status),
		T(works_in_its_sandbox),
		T(answers_what_every_daemon_answers_and_keeps_memory_over_a_crash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
