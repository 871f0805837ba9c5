/* Who may connect and who may ask what, by the user id of the other process. Needs root, to become other
 * users; skipped otherwise. This program is its own other process: with INGOT_TEST_MODE set it connects as
 * INGOT_TEST_UID. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "proto/bus.pb-c.h"
#include "tests/unit/run/bus_fixture.h"

enum { UID_BASE = 64100 };

/* ---- the other process ---- */

static void say_answer(void *ctx, int error, const char *message, const ProtobufCMessage *payload)
{
	(void)ctx, (void)payload;
	printf("%d %s\n", error, message);
	fflush(stdout);
	_exit(0);
}

static void say_key(void *ctx, const char *key, const ProtobufCMessage *value)
{
	(void)ctx, (void)value;
	printf("%s\n", key);
	fflush(stdout);
	_exit(0);
}

static void other_ask(struct bus *b, const char *mode)
{
	Ingot__SecretRequest secret = INGOT__SECRET_REQUEST__INIT;
	Ingot__SinceRequest since = INGOT__SINCE_REQUEST__INIT;
	since.topic = 'n';
	if (strcmp(mode, "secret") == 0)
		must(bus_request(b, DAEMON_WATCHER, REQUEST_SECRET, &secret.base, say_answer, NULL) != 0);
	else
		must(bus_request(b, DAEMON_WATCHER, REQUEST_SINCE, &since.base, say_answer, NULL) != 0);
}

static int other_main(const char *mode)
{
	static const struct topic_reader reader = { .upsert = say_key };
	uid_t uid = (uid_t)strtoul(getenv("INGOT_TEST_UID"), NULL, 10);
	enum daemon_id self = (enum daemon_id)strtoul(getenv("INGOT_TEST_SELF"), NULL, 10);
	must(setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0);
	struct loop *l = loop_new();
	struct bus_config config = { .run_dir = getenv("INGOT_RUN_DIR"),
				     .self = self,
				     .daemons = READS(WATCHER),
				     .uid_base = UID_BASE };
	struct bus *b = bus_new(l, &config);
	must(b);
	if (strcmp(mode, "read") == 0)
		must(bus_subscribe(b, TOPIC_NAMESPACES, &reader, NULL));
	else
		other_ask(b, mode);
	return loop_run(l);
}

/* ---- the server ---- */

struct server {
	struct fixture f;
	struct bus *bus;
	struct publisher *p;
	pid_t pid;
	int out;
	const char *reason;
	int64_t wanted;
};

static void serve_secret(void *ctx, const ProtobufCMessage *payload, struct exchange *x)
{
	(void)ctx, (void)payload;
	bus_reply_error(x, -ENOENT, "no such Secret");
}

static int server_open(void **state)
{
	static struct server s;
	memset(&s, 0, sizeof(s));
	s.out = -1;
	fixture_open(&s.f);
	for (unsigned d = 0; d < DAEMON_N; d++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", s.f.run_dir, daemon_name((enum daemon_id)d));
		/* The others own their folders, whoever they are; ours stays ours. */
		assert_int_equal(chmod(path, d == DAEMON_WATCHER ? 0755 : 0777), 0);
	}
	s.bus = fixture_bus_as(&s.f, DAEMON_WATCHER, UID_BASE);
	s.p = bus_publish(s.bus, TOPIC_NAMESPACES);
	put_value(s.p, "hello", 1, 0);
	publisher_synced(s.p);
	assert_int_equal(bus_serve(s.bus, REQUEST_SECRET, serve_secret, NULL), 0);
	*state = &s;
	return 0;
}

static void server_end_other(struct server *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
		s->pid = 0;
	}
	if (s->out >= 0)
		close(s->out);
	s->out = -1;
}

static int server_close(void **state)
{
	struct server *s = *state;
	server_end_other(s);
	bus_free(s->bus);
	fixture_close(&s->f);
	return 0;
}

static void set_number(const char *name, unsigned value)
{
	char text[16];
	snprintf(text, sizeof(text), "%u", value);
	setenv(name, text, 1);
}

static void server_start_other(struct server *s, const char *mode, uid_t uid, enum daemon_id self)
{
	int words[2];
	server_end_other(s);
	assert_int_equal(pipe2(words, O_CLOEXEC), 0);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0) {
		setenv("INGOT_TEST_MODE", mode, 1);
		setenv("INGOT_RUN_DIR", s->f.run_dir, 1);
		set_number("INGOT_TEST_UID", uid);
		set_number("INGOT_TEST_SELF", self);
		dup2(words[1], 1);
		execl("/proc/self/exe", "test_bus_users", NULL);
		_exit(127);
	}
	close(words[1]);
	s->out = words[0];
}

static bool has_spoken(void *ctx)
{
	struct pollfd p = { .fd = ((struct server *)ctx)->out, .events = POLLIN };
	return poll(&p, 1, 0) > 0;
}

static bool has_drops(void *ctx)
{
	struct server *s = ctx;
	return fixture_dropped(&s->f, s->reason) >= s->wanted;
}

static const struct {
	const char *what, *mode;
	uid_t uid;
	enum daemon_id self;
	const char *words;  /* what it gets; NULL = nothing */
	const char *reason; /* what is counted */
} rows[] = {
	{ "a reader reads", "read", UID_BASE + 3, DAEMON_GOSSIPD, "hello\n", NULL },
	{ "another reader", "read", UID_BASE + 7, DAEMON_STATUSD, "hello\n", NULL },
	{ "a stranger", "read", UID_BASE + 99, DAEMON_GOSSIPD, NULL, "peer_not_allowed" },
	{ "nobody", "read", 65534, DAEMON_GOSSIPD, NULL, "peer_not_allowed" },
	{ "root is no reader", "read", 0, DAEMON_GOSSIPD, NULL, "peer_not_allowed" },
	{ "a caller asks", "secret", UID_BASE + 3, DAEMON_GOSSIPD, "-2 no such Secret\n", NULL },
	{ "a daemon that is no caller of that", "secret", UID_BASE + 4, DAEMON_L2D,
	  "-13 the caller may not ask that\n", "caller_not_allowed" },
	{ "a stranger asks", "secret", UID_BASE + 99, DAEMON_GOSSIPD, NULL, "peer_not_allowed" },
	{ "root asks", "secret", 0, DAEMON_GOSSIPD, NULL, "peer_not_allowed" },
	/* Its requests get through as l2d's user, but the answers to gossipd are not for it. */
	{ "under a false name", "secret", UID_BASE + 4, DAEMON_GOSSIPD, NULL, "peer_not_allowed" },
	{ "a reader of other topics", "since", UID_BASE + 4, DAEMON_L2D,
	  "-13 the caller is no reader of that topic\n", "caller_not_allowed" },
};

static void only_those_on_the_map_get_anything(void **state)
{
	struct server *s = *state;
	if (geteuid() != 0)
		skip(); /* cannot become other users */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char words[128] = "";
		s->reason = rows[i].reason;
		s->wanted = s->reason ? fixture_dropped(&s->f, s->reason) + 1 : 0;
		server_start_other(s, rows[i].mode, rows[i].uid, rows[i].self);
		if (rows[i].words) {
			run_until(s->f.loop, has_spoken, s);
			assert_true(read(s->out, words, sizeof(words) - 1) > 0);
			assert_string_equal(words, rows[i].words);
		}
		if (rows[i].reason)
			run_until(s->f.loop, has_drops, s);
		if (!rows[i].words)
			assert_false(has_spoken(s));
	}
}

int main(void)
{
	const char *mode = getenv("INGOT_TEST_MODE");
	if (mode)
		return other_main(mode);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_those_on_the_map_get_anything, server_open,
						server_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
