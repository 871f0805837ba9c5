/* The real supervisor with fake daemons: what happens when they die, hang, crash, stop, or lose it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "house.h"
#include "lib/run/supwire.h"

/* A sanitizer's start alone takes longer than the budget. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { AT_ONCE_US = 1000000 };
#else
enum { AT_ONCE_US = 50000 };
#endif

static struct house house;

static int setup(void **state)
{
	*state = &house;
	house_init(&house);
	return 0;
}

static int teardown(void **state)
{
	house_free(*state);
	return 0;
}

static const char *ask(struct house *h, const char *line)
{
	return house_ask(h, line, strlen(line));
}

static void wait_all_ready(struct house *h)
{
	static const char *const all[] = { "watcher", "gossipd", "allocator", "l2d", "bgpd", "statusd" };
	for (unsigned i = 0; i < 6; i++)
		house_wait_status(h, all[i], "\"ready\": true");
}

/* Position of the first such line in the text; it must be there. */
static size_t where(const char *text, const char *part)
{
	const char *p = strstr(text, part);
	if (!p)
		fail_msg("\"%s\" is not in:\n%s", part, text);
	return (size_t)(p - text);
}

static void test_start_and_stop_in_order(void **state)
{
	struct house *h = *state;
	static const char *const order[] = { "watcher", "gossipd", "allocator", "l2d", "bgpd", "statusd" };
	house_start(h, "all");
	wait_all_ready(h);
	const char *log = house_log(h);
	for (unsigned i = 1; i < 6; i++) {
		char a[64], b[64];
		snprintf(a, sizeof a, "subject=%s event=started", order[i - 1]);
		snprintf(b, sizeof b, "subject=%s event=started", order[i]);
		assert_true(where(log, a) < where(log, b));
	}
	assert_int_equal(house_stop(h), 0);
	const char *j = house_journal(h);
	assert_true(where(j, " gossipd drain 1") < where(j, " gossipd stop"));
	assert_true(where(j, " bgpd stop") < where(j, " gossipd stop"));
	assert_true(where(j, " l2d stop") < where(j, " gossipd stop"));
	assert_true(where(j, " gossipd stop") < where(j, " allocator stop"));
	assert_true(where(j, " allocator stop") < where(j, " watcher stop"));
	assert_true(where(j, " watcher stop") < where(j, " statusd stop"));
	assert_null(strstr(j, "orphan"));
	char path[256];
	snprintf(path, sizeof path, "%s/run/control.sock", h->dir);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_role_decides_who_runs(void **state)
{
	struct house *h = *state;
	house_start(h, "controller");
	house_wait_status(h, "allocator", "\"ready\": true");
	assert_null(strstr(ask(h, "status"), "bgpd"));
	assert_string_equal(ask(h, "restart bgpd"), "error: bgpd: no such daemon in role controller\n");
}

/* The best of some tries counts: on a loaded machine a process may wait longer than that for a processor. */
static void test_killed_daemon_is_back_at_once(void **state)
{
	struct house *h = *state;
	long long best = INT64_MAX;
	unsigned life = 1;
	house_start(h, "all");
	for (; life <= 30 && (life <= 3 || best >= AT_ONCE_US); life++) {
		pid_t pid = line_pid(house_wait(h, "bgpd", "start", life));
		house_wait_status(h, "bgpd", "\"ready\": true");
		long long before = house_now_us();
		kill(pid, SIGKILL);
		long long took = line_us(house_wait(h, "bgpd", "environment", life + 1)) - before;
		if (took < best)
			best = took;
	}
	char restarts[32];
	snprintf(restarts, sizeof restarts, "\"restarts\": %u,", life - 1);
	house_wait_status(h, "bgpd", "\"last_exit\": \"signal 9\"");
	house_wait_status(h, "bgpd", restarts);
	assert_true(best < AT_ONCE_US);
	/* Never late, and nobody else noticed. */
	assert_null(strstr(house_log(h), "backoff"));
	assert_int_equal(house_count(h, "l2d", "start"), 1);
}

static void test_retained_descriptors_come_back(void **state)
{
	struct house *h = *state;
	house_behave(h, "bgpd", "keep session-10.0.0.1\n");
	house_start(h, "node");
	house_wait(h, "bgpd", "running", 1);
	house_wait_status(h, "bgpd", "\"retained\": 1");
	kill(line_pid(house_wait(h, "bgpd", "start", 1)), SIGKILL);
	assert_non_null(strstr(house_wait(h, "bgpd", "start", 2), "retained=1 first=session-10.0.0.1"));
	/* Kept under the same name again: still one. */
	house_wait(h, "bgpd", "running", 2);
	house_wait_status(h, "bgpd", "\"retained\": 1");
}

/* Far more than a socket holds, up to the cap, and not one more. */
static void test_many_retained_descriptors(void **state)
{
	struct house *h = *state;
	char words[32], part[64];
	snprintf(words, sizeof words, "fill %d\n", SUP_MAX_RETAINED + 7);
	house_behave(h, "bgpd", words);
	house_start(h, "node");
	house_wait(h, "bgpd", "running", 1);
	house_wait_status(h, "bgpd", "\"retained_refused\": 7");
	house_behave(h, "bgpd", "");
	kill(line_pid(house_wait(h, "bgpd", "start", 1)), SIGKILL);
	snprintf(part, sizeof part, "retained=%d first=item-0", SUP_MAX_RETAINED);
	assert_non_null(strstr(house_wait(h, "bgpd", "start", 2), part));
}

/* What was sent in the last moment counts: the pair is emptied before the next life begins. */
static void test_last_words_are_heard(void **state)
{
	struct house *h = *state;
	house_behave(h, "bgpd", "fill 200\nexit 3\n");
	house_start(h, "node");
	house_wait(h, "bgpd", "start", 1);
	assert_non_null(strstr(house_wait(h, "bgpd", "start", 2), "retained=200 first=item-0 unready=1"));
	house_wait_status(h, "bgpd", "\"last_exit\": \"exit 3\"");
}

static void test_hanging_daemon_is_killed(void **state)
{
	struct house *h = *state;
	house_behave(h, "gossipd", "hang\n");
	house_start(h, "node");
	long long first = line_us(house_wait(h, "gossipd", "running", 1));
	long long second = line_us(house_wait(h, "gossipd", "start", 2));
	assert_true(second - first >= 140000);
	house_behave(h, "gossipd", "");
	house_wait_status(h, "gossipd", "\"last_exit\": \"signal 9\"");
	house_wait(h, "gossipd", "start", 3);
	house_wait_status(h, "gossipd", "\"ready\": true");
}

static void test_stopped_process_is_killed_too(void **state)
{
	struct house *h = *state;
	house_start(h, "node");
	pid_t pid = line_pid(house_wait(h, "l2d", "start", 1));
	house_wait_status(h, "l2d", "\"ready\": true");
	kill(pid, SIGSTOP);
	house_wait(h, "l2d", "start", 2);
	house_wait_status(h, "l2d", "\"watchdog_kills\": 1");
}

/* Unready lives: 1 s, then 2 s, and the third begins with an empty store. */
static void test_crash_loop(void **state)
{
	struct house *h = *state;
	house_behave(h, "bgpd", "keep poison\n");
	house_start(h, "node");
	house_wait(h, "bgpd", "running", 1);
	house_wait_status(h, "bgpd", "\"ready\": true");
	house_wait_status(h, "bgpd", "\"retained\": 1");
	house_behave(h, "bgpd", "exit 1\n");
	kill(line_pid(house_wait(h, "bgpd", "start", 1)), SIGKILL);
	const char *line = house_wait(h, "bgpd", "start", 2);
	assert_non_null(strstr(line, "retained=1 first=poison unready=0"));
	long long second = line_us(line);
	house_wait_status(h, "bgpd", "\"state\": \"backoff\"");
	line = house_wait(h, "bgpd", "start", 3);
	assert_non_null(strstr(line, "retained=1 first=poison unready=1"));
	long long third = line_us(line);
	assert_true(third - second >= 900000);
	line = house_wait(h, "bgpd", "start", 4);
	assert_non_null(strstr(line, "retained=0 first=none unready=2"));
	assert_true(line_us(line) - third >= 1900000);
	house_wait_status(h, "bgpd", "\"store_emptied\": 1");
	/* The others kept serving. */
	assert_int_equal(house_count(h, "l2d", "start"), 1);
	house_behave(h, "bgpd", "");
	assert_string_equal(ask(h, "restart bgpd"), "ok\n");
	house_wait(h, "bgpd", "running", 2);
	house_wait_status(h, "bgpd", "\"unready_lives\": 0");
}

static void test_wrong_configuration_is_not_retried(void **state)
{
	struct house *h = *state;
	house_behave(h, "statusd", "exit 78\n");
	house_start(h, "node");
	house_wait_status(h, "statusd", "\"state\": \"refused\"");
	house_wait_status(h, "statusd", "\"last_exit\": \"exit 78\"");
	house_wait_status(h, "bgpd", "\"ready\": true");
	house_behave(h, "statusd", "");
	assert_string_equal(ask(h, "restart statusd\n"), "ok\n");
	house_wait_status(h, "statusd", "\"ready\": true");
}

static void test_restart_of_one(void **state)
{
	struct house *h = *state;
	house_behave(h, "watcher", "keep mirror\n");
	house_start(h, "all");
	wait_all_ready(h);
	assert_string_equal(ask(h, "restart watcher"), "ok\n");
	assert_non_null(strstr(house_wait(h, "watcher", "start", 2), "retained=1 first=mirror unready=0"));
	assert_int_equal(house_count(h, "watcher", "stop"), 1);
	assert_int_equal(house_count(h, "allocator", "start"), 1);
	house_wait_status(h, "watcher", "\"last_exit\": \"exit 0\"");
}

static void test_deaf_daemon_is_killed_at_the_deadline(void **state)
{
	struct house *h = *state;
	house_behave(h, "bgpd", "deaf\n");
	house_start(h, "node");
	house_wait_status(h, "bgpd", "\"ready\": true");
	house_wait_status(h, "statusd", "\"ready\": true");
	long long before = house_now_us();
	assert_int_equal(house_stop(h), 0);
	assert_true(house_now_us() - before >= 4900000);
	assert_non_null(strstr(house_log(h), "did not stop in time"));
	assert_int_equal(house_count(h, "statusd", "stop"), 1);
}

static void test_children_end_with_the_supervisor(void **state)
{
	struct house *h = *state;
	house_start(h, "all");
	wait_all_ready(h);
	kill(h->pid, SIGKILL);
	waitpid(h->pid, NULL, 0);
	h->pid = 0;
	static const char *const all[] = { "watcher", "gossipd", "allocator", "l2d", "bgpd", "statusd" };
	for (unsigned i = 0; i < 6; i++)
		house_wait(h, all[i], "orphan", 1);
	/* The folder can be used again at once. */
	house_start(h, "all");
	house_wait(h, "statusd", "running", 2);
}

static void test_second_supervisor_is_refused(void **state)
{
	struct house *h = *state;
	house_start(h, "node");
	house_wait_status(h, "statusd", "\"ready\": true");
	pid_t first = h->pid;
	int status;
	house_start(h, "node");
	assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
	h->pid = first;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	char part[128];
	snprintf(part, sizeof part, "another ingotd (pid %d) uses this run folder", (int)first);
	assert_non_null(strstr(house_log(h), part));
	house_wait_status(h, "bgpd", "\"ready\": true");
}

static void test_missing_program(void **state)
{
	struct house *h = *state;
	char path[256];
	snprintf(path, sizeof path, "%s/libexec/l2d", h->dir);
	unlink(path);
	house_start(h, "node");
	house_wait_status(h, "l2d", "\"state\": \"missing\"");
	house_wait_status(h, "bgpd", "\"ready\": true");
	assert_non_null(strstr(house_log(h), "subject=l2d event=missing"));
	assert_int_equal(house_stop(h), 0);
}

static void test_control_socket_refuses_nonsense(void **state)
{
	struct house *h = *state;
	static const struct {
		const char *line;
		size_t n;
		const char *answer;
	} cases[] = {
		{ "nonsense", 8,
		  "error: nonsense: expected status, restart NAME, stop, drain on or drain off\n" },
		{ "drain maybe", 11, "error: drain maybe: expected" },
		{ "status\nstop", 11, "error: expected one line" },
		{ "sta\0us", 6, "error: expected one line" },
		{ "\n", 1, "error: expected one line" },
		{ "restart nobody", 14, "error: nobody: no such daemon" },
		{ "restart ", 8, "error: : no such daemon" },
	};
	char longest[4000];
	memset(longest, 'x', sizeof longest);
	house_start(h, "node");
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *got = house_ask(h, cases[i].line, cases[i].n);
		if (strncmp(got, cases[i].answer, strlen(cases[i].answer)) != 0)
			fail_msg("case %u: %s", i, got);
	}
	assert_memory_equal(house_ask(h, longest, sizeof longest), "error: expected one line", 24);
	struct stat st;
	char path[256];
	snprintf(path, sizeof path, "%s/run/control.sock", h->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_string_equal(ask(h, "stop"), "ok\n");
	int status;
	assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
	h->pid = 0;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_drain_and_reload_reach_the_children(void **state)
{
	struct house *h = *state;
	house_start(h, "node");
	house_wait_status(h, "bgpd", "\"ready\": true");
	assert_string_equal(ask(h, "drain on"), "ok\n");
	house_wait(h, "bgpd", "drain 1", 1);
	house_wait(h, "l2d", "drain 1", 1);
	assert_non_null(strstr(ask(h, "status"), "\"draining\": true"));
	/* A new life is told too. */
	kill(line_pid(house_wait(h, "bgpd", "start", 1)), SIGKILL);
	house_wait(h, "bgpd", "drain 1", 2);
	assert_string_equal(ask(h, "drain off"), "ok\n");
	house_wait(h, "bgpd", "drain 0", 1);
	kill(h->pid, SIGHUP);
	house_wait(h, "gossipd", "reload", 1);
	house_wait(h, "statusd", "reload", 1);
}

static void test_rude_child_is_counted_and_lives(void **state)
{
	struct house *h = *state;
	house_behave(h, "gossipd", "rude\n");
	house_start(h, "node");
	house_wait_status(h, "gossipd", "\"malformed\": 2");
	house_wait_status(h, "gossipd", "\"ready\": true");
	assert_int_equal(house_count(h, "gossipd", "start"), 1);
}

static void test_environment_and_descriptors(void **state)
{
	struct house *h = *state;
	setenv("LD_PRELOAD", "", 1);
	setenv("SECRET_OF_THE_PARENT", "x", 1);
	setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
	house_start(h, "node");
	unsetenv("LD_PRELOAD");
	unsetenv("SECRET_OF_THE_PARENT");
	unsetenv("KUBERNETES_SERVICE_HOST");
	const char *line = house_wait(h, "bgpd", "environment", 1);
	assert_non_null(strstr(line, " INGOT_BGP_LISTEN=10.0.0.1:179"));
	assert_non_null(strstr(line, " INGOT_ROLE=node"));
	assert_non_null(strstr(line, " INGOT_NAMESPACE=metallb-system"));
	assert_non_null(strstr(line, geteuid() == 0 ? " INGOT_UID_BASE=64100" : " INGOT_UID_BASE=-1"));
	assert_null(strstr(line, "INGOT_SOURCE"));
	assert_null(strstr(line, "LD_PRELOAD"));
	assert_null(strstr(line, "SECRET"));
	assert_null(strstr(line, "KUBERNETES"));
	line = house_wait(h, "watcher", "environment", 1);
	assert_non_null(strstr(line, " INGOT_SOURCE=dir:"));
	assert_non_null(strstr(line, " KUBERNETES_SERVICE_HOST=10.96.0.1"));
	assert_null(strstr(line, "INGOT_GOSSIP"));
	line = house_wait(h, "bgpd", "descriptors", 1);
	assert_string_equal(strstr(line, "descriptors"), "descriptors 0 1 2 3");
}

static void test_folders(void **state)
{
	struct house *h = *state;
	struct stat st;
	char path[256];
	house_start(h, "node");
	house_wait_status(h, "bgpd", "\"ready\": true");
	snprintf(path, sizeof path, "%s/run/bgpd", h->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	assert_int_equal(st.st_uid, geteuid() == 0 ? 64105u : geteuid());
	snprintf(path, sizeof path, "%s/run/allocator", h->dir);
	assert_int_equal(stat(path, &st), -1);
	snprintf(path, sizeof path, "%s/man/.status", h->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, geteuid() == 0 ? 64101u : geteuid());
}

static void expect_notice(int s, const char *text)
{
	char got[256] = "";
	struct timeval patience = { 15, 0 };
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	do {
		ssize_t n = recv(s, got, sizeof got - 1, 0);
		if (n < 0)
			fail_msg("no %s from the supervisor", text);
		got[n > 0 ? n : 0] = 0;
	} while (strcmp(got, text) != 0);
}

static void test_service_manager_is_told(void **state)
{
	struct house *h = *state;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	snprintf(a.sun_path, sizeof a.sun_path, "%s/notify", h->dir);
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s, (const struct sockaddr *)&a, sizeof a), 0);
	setenv("NOTIFY_SOCKET", a.sun_path, 1);
	setenv("WATCHDOG_USEC", "200000", 1);
	house_start(h, "node");
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	expect_notice(s, "WATCHDOG=1");
	expect_notice(s, "READY=1");
	expect_notice(s, "WATCHDOG=1");
	kill(h->pid, SIGTERM);
	expect_notice(s, "STOPPING=1");
	close(s);
}

#define HOUSE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOUSE_TEST(test_start_and_stop_in_order),
		HOUSE_TEST(test_role_decides_who_runs),
		HOUSE_TEST(test_killed_daemon_is_back_at_once),
		HOUSE_TEST(test_retained_descriptors_come_back),
		HOUSE_TEST(test_many_retained_descriptors),
		HOUSE_TEST(test_last_words_are_heard),
		HOUSE_TEST(test_hanging_daemon_is_killed),
		HOUSE_TEST(test_stopped_process_is_killed_too),
		HOUSE_TEST(test_crash_loop),
		HOUSE_TEST(test_wrong_configuration_is_not_retried),
		HOUSE_TEST(test_restart_of_one),
		HOUSE_TEST(test_deaf_daemon_is_killed_at_the_deadline),
		HOUSE_TEST(test_children_end_with_the_supervisor),
		HOUSE_TEST(test_second_supervisor_is_refused),
		HOUSE_TEST(test_missing_program),
		HOUSE_TEST(test_control_socket_refuses_nonsense),
		HOUSE_TEST(test_drain_and_reload_reach_the_children),
		HOUSE_TEST(test_rude_child_is_counted_and_lives),
		HOUSE_TEST(test_environment_and_descriptors),
		HOUSE_TEST(test_folders),
		HOUSE_TEST(test_service_manager_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
