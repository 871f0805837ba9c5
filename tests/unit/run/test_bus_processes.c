/* Streams between processes: drops by the hundred thousand, a stopped reader, a publisher killed in
 * mid-snapshot, readers killed again and again. Whatever happens, the tables end equal. This program is its
 * own publisher and its own reader: with INGOT_TEST_MODE set it is one of them. INGOT_BUS_CHANGES sets how
 * many changes the long test makes. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "proto/bus.pb-c.h"
#include "tests/unit/run/bus_fixture.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { CHANGES = 60000, IS_SANITIZED = 1 };
#else
enum { CHANGES = 1000000, IS_SANITIZED = 0 };
#endif
enum { BURST = 3000 };

/* The same changes for whoever has the same seed. */
struct script {
	uint64_t random, n_changes, at;
	unsigned n_keys;
	size_t padding;
};

struct change {
	char key[16];
	bool is_delete;
	uint64_t value;
};

static bool script_next(struct script *s, struct change *ret)
{
	if (s->at == s->n_changes)
		return false;
	s->random = s->random * 6364136223846793005u + 1442695040888963407u;
	snprintf(ret->key, sizeof(ret->key), "k%u", (unsigned)(s->random >> 33) % s->n_keys);
	ret->is_delete = (s->random >> 20 & 7) == 0;
	ret->value = ++s->at;
	return true;
}

/* What the table is when the script has run, with its end mark. */
static uint64_t script_digest(struct script s, uint64_t end)
{
	struct mirror m;
	struct change c;
	mirror_init(&m);
	while (script_next(&s, &c)) {
		uint64_t *v = map_get(&m.values, c.key);
		if (c.is_delete) {
			free(map_del(&m.values, c.key));
			continue;
		}
		if (!v) {
			v = malloc(sizeof(*v));
			must(v && map_set(&m.values, c.key, v, NULL) == 0);
		}
		*v = c.value;
	}
	uint64_t digest = mirror_digest(&m) + digest_of("first", 1) + digest_of("end", end);
	mirror_fini(&m);
	return digest;
}

static void answer_nothing(void *ctx, int error, const char *message, const ProtobufCMessage *payload)
{
	(void)ctx, (void)error, (void)message, (void)payload;
}

/* A reader that has the first key says so: from then on frames reach it, and can be lost. */
static void say_connected(struct bus *b)
{
	Ingot__SecretRequest request = INGOT__SECRET_REQUEST__INIT;
	must(bus_request(b, DAEMON_WATCHER, REQUEST_SECRET, &request.base, answer_nothing, NULL) != 0);
}

/* ---- publisher process: the key "first", and once a reader has it the script in bursts, then the key "end"
 * and synced; lives until it is killed ----
 */

struct publishing {
	struct loop_timer *timer;
	struct loop *loop;
	struct publisher *p;
	struct script script;
	uint64_t end;
};

static void publish_burst(void *ctx)
{
	struct publishing *t = ctx;
	struct change c;
	for (unsigned i = 0; i < BURST; i++) {
		if (!script_next(&t->script, &c)) {
			must(put_value(t->p, "end", t->end, 0) == 0);
			publisher_synced(t->p);
			return;
		}
		if (c.is_delete)
			publisher_delete(t->p, c.key);
		else
			must(put_value(t->p, c.key, c.value, t->script.padding) == 0);
	}
	loop_timer_set(t->timer, loop_now(t->loop));
}

static void on_connected(void *ctx, const ProtobufCMessage *payload, struct exchange *x)
{
	struct publishing *t = ctx;
	(void)payload;
	bus_reply_error(x, -ENOENT, "");
	if (t->script.at == 0)
		loop_timer_set(t->timer, loop_now(t->loop));
}

static struct bus *child_bus(struct loop *l, enum daemon_id d)
{
	struct bus_config config = {
		.run_dir = getenv("INGOT_RUN_DIR"), .self = d, .daemons = ALL_ROOMS, .uid_base = (uid_t)-1
	};
	struct bus *b = bus_new(l, &config);
	must(b);
	return b;
}

static uint64_t number_from_env(const char *name)
{
	const char *text = getenv(name);
	must(text);
	return strtoull(text, NULL, 10);
}

static int publish_main(void)
{
	struct publishing t = { .loop = loop_new() };
	t.script.random = t.end = number_from_env("SEED");
	t.script.n_changes = number_from_env("CHANGES");
	t.script.n_keys = (unsigned)number_from_env("KEYS");
	t.script.padding = number_from_env("PADDING");
	struct bus *b = child_bus(t.loop, DAEMON_WATCHER);
	t.p = bus_publish(b, TOPIC_NAMESPACES);
	must(t.p && put_value(t.p, "first", 1, 0) == 0);
	t.timer = loop_timer_new(t.loop, publish_burst, &t);
	must(bus_serve(b, REQUEST_SECRET, on_connected, &t) == 0);
	return loop_run(t.loop);
}

/* ---- reader process: says its digest once the end mark has come ---- */

struct reading {
	struct mirror m;
	struct loop_timer *timer;
	struct loop *loop;
	struct bus *bus;
	uint64_t end;
	bool connected;
};

static void reading_look(void *ctx)
{
	struct reading *r = ctx;
	uint64_t end;
	if (!r->connected && map_len(&r->m.values) > 0) {
		r->connected = true;
		say_connected(r->bus);
	}
	if (mirror_get(&r->m, "end", &end) && end == r->end && r->m.synced > 0) {
		printf("%llu\n", (unsigned long long)mirror_digest(&r->m));
		fflush(stdout);
		_exit(0);
	}
	loop_timer_set(r->timer, mono_add(loop_now(r->loop), MS(1)));
}

static int read_main(void)
{
	static struct reading r;
	mirror_init(&r.m);
	r.loop = loop_new();
	r.end = number_from_env("SEED");
	r.bus = child_bus(r.loop, DAEMON_GOSSIPD);
	must(bus_subscribe(r.bus, TOPIC_NAMESPACES, &mirror_reader, &r.m));
	r.timer = loop_timer_new(r.loop, reading_look, &r);
	loop_timer_set(r.timer, loop_now(r.loop));
	return loop_run(r.loop);
}

/* ---- tests ---- */

struct processes {
	struct fixture f;
	struct bus *bus;
	struct mirror m;
	pid_t pid[2];
	uint64_t end;
	uint64_t at_least;
	int out; /* the reader's words */
	bool connected;
};

static void set_number(const char *name, uint64_t value)
{
	char text[32];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	setenv(name, text, 1);
}

static pid_t start(struct processes *t, const char *mode, const struct script *s, int *out)
{
	int words[2];
	assert_int_equal(pipe2(words, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("INGOT_TEST_MODE", mode, 1);
		setenv("INGOT_RUN_DIR", t->f.run_dir, 1);
		set_number("SEED", s->random);
		set_number("CHANGES", s->n_changes);
		set_number("KEYS", s->n_keys);
		set_number("PADDING", s->padding);
		dup2(words[1], 1);
		execl("/proc/self/exe", "test_bus_processes", NULL);
		_exit(127);
	}
	close(words[1]);
	if (out)
		*out = words[0];
	else
		close(words[0]);
	return pid;
}

static void end_process(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

static int processes_open(void **state)
{
	static struct processes t;
	memset(&t, 0, sizeof(t));
	t.out = -1;
	fixture_open(&t.f);
	mirror_init(&t.m);
	*state = &t;
	return 0;
}

static int processes_close(void **state)
{
	struct processes *t = *state;
	end_process(&t->pid[0]);
	end_process(&t->pid[1]);
	bus_free(t->bus);
	mirror_fini(&t->m);
	if (t->out >= 0)
		close(t->out);
	fixture_close(&t->f);
	return 0;
}

static bool has_ended(void *ctx)
{
	struct processes *t = ctx;
	uint64_t end;
	return mirror_get(&t->m, "end", &end) && end == t->end && t->m.synced > 0;
}

static bool has_some(void *ctx)
{
	struct processes *t = ctx;
	return map_len(&t->m.values) >= t->at_least;
}

static int64_t sum_of(struct fixture *f, const char *name)
{
	const char *labels[] = { "namespaces", NULL }, *const names[] = { "topic", NULL };
	return *metric_series(metrics_add(f->metrics, name, "", METRIC_COUNTER, names), labels);
}

static void note_connected(void *ctx, const ProtobufCMessage *payload, struct exchange *x)
{
	(void)payload;
	((struct processes *)ctx)->connected = true;
	bus_reply_error(x, -ENOENT, "");
}

static bool reader_is_connected(void *ctx)
{
	return ((struct processes *)ctx)->connected;
}

static void subscribe_here(struct processes *t)
{
	t->bus = fixture_bus(&t->f, DAEMON_GOSSIPD);
	assert_non_null(bus_subscribe(t->bus, TOPIC_NAMESPACES, &mirror_reader, &t->m));
}

static void many_changes_with_many_drops_end_with_equal_tables(void **state)
{
	struct processes *t = *state;
	const char *size = getenv("INGOT_BUS_CHANGES");
	struct script s = { .random = 42,
			    .n_changes = size ? strtoull(size, NULL, 10) : CHANGES,
			    .n_keys = 5000 };
	t->end = s.random;
	t->pid[0] = start(t, "publish", &s, NULL);
	subscribe_here(t);
	t->at_least = 1;
	run_until(t->f.loop, has_some, t);
	say_connected(t->bus);
	run_until(t->f.loop, has_ended, t);
	assert_true(mirror_digest(&t->m) == script_digest(s, t->end));
	assert_true(sum_of(&t->f, "ingot_bus_gaps_total") > 0); /* else nothing was tested */
}

static size_t resident_kib(void)
{
	unsigned long total, resident;
	FILE *f = fopen("/proc/self/statm", "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &total, &resident), 2);
	fclose(f);
	return resident * 4;
}

static bool child_has_spoken(void *ctx)
{
	struct processes *t = ctx;
	struct pollfd p = { .fd = t->out, .events = POLLIN };
	return poll(&p, 1, 0) > 0;
}

static uint64_t child_digest(struct processes *t)
{
	char text[64] = "";
	run_until(t->f.loop, child_has_spoken, t);
	assert_true(read(t->out, text, sizeof(text) - 1) > 0);
	return strtoull(text, NULL, 10);
}

static void a_stopped_reader_costs_no_memory_and_catches_up(void **state)
{
	struct processes *t = *state;
	struct script s = { .random = 7, .n_changes = 20000, .n_keys = 50, .padding = 12000 };
	struct change c;
	struct script all = s;
	t->bus = fixture_bus(&t->f, DAEMON_WATCHER);
	struct publisher *p = bus_publish(t->bus, TOPIC_NAMESPACES);
	put_value(p, "first", 1, 0);
	assert_int_equal(bus_serve(t->bus, REQUEST_SECRET, note_connected, t), 0);
	t->pid[0] = start(t, "read", &s, &t->out);
	run_until(t->f.loop, reader_is_connected, t);
	kill(t->pid[0], SIGSTOP);
	size_t before = resident_kib();
	while (script_next(&s, &c)) {
		if (c.is_delete)
			publisher_delete(p, c.key);
		else
			put_value(p, c.key, c.value, s.padding);
		if (s.at % 100 == 0)
			run_for(t->f.loop, 1);
	}
	put_value(p, "end", all.random, 0);
	publisher_synced(p);
	if (!IS_SANITIZED) /* 240 MB were published */
		assert_true(resident_kib() < before + (32u << 10));
	kill(t->pid[0], SIGCONT);
	assert_true(child_digest(t) == script_digest(all, all.random));
}

static void a_publisher_killed_in_mid_snapshot_is_followed_by_its_successor(void **state)
{
	struct processes *t = *state;
	/* 30 MB: more than a hundred chunks. */
	struct script s = { .random = 1, .n_changes = 15000, .n_keys = 100000, .padding = 2000 };
	for (unsigned life = 0; life < 4; life++) {
		t->pid[0] = start(t, "publish", &s, NULL);
		if (life == 0)
			subscribe_here(t);
		say_connected(t->bus);
		t->at_least = 500 + map_len(&t->m.values);
		run_until(t->f.loop, has_some, t);
		end_process(&t->pid[0]);
		s.random++;
	}
	assert_int_equal(t->m.removes > 0,
			 0); /* none of them said synced before it died, or all came to an end */
	s.n_changes = 300;
	t->end = s.random;
	t->pid[0] = start(t, "publish", &s, NULL);
	say_connected(t->bus);
	run_until(t->f.loop, has_ended, t);
	assert_true(mirror_digest(&t->m) == script_digest(s, t->end));
	assert_true(t->m.removes > 0);
}

static void a_publisher_killed_again_and_again_never_costs_the_connection(void **state)
{
	struct processes *t = *state;
	struct script s = { .random = 5, .n_changes = 100000, .n_keys = 1000, .padding = 3000 };
	for (unsigned life = 0; life < 40; life++) {
		t->pid[0] = start(t, "publish", &s, NULL);
		if (life == 0)
			subscribe_here(t);
		say_connected(t->bus);
		/* At any instant: before it listens, while it is connected to, in mid-frame. */
		run_for(t->f.loop, MS(life * 7 % 40));
		end_process(&t->pid[0]);
	}
	s.n_changes = 2000;
	t->end = s.random = 6;
	t->pid[0] = start(t, "publish", &s, NULL);
	say_connected(t->bus);
	run_until(t->f.loop, has_ended, t);
	assert_true(mirror_digest(&t->m) == script_digest(s, t->end));
}

static void killed_readers_start_again_and_end_equal(void **state)
{
	struct processes *t = *state;
	struct script s = { .random = 99, .n_changes = CHANGES / 4, .n_keys = 3000, .padding = 100 };
	t->pid[0] = start(t, "publish", &s, NULL);
	for (unsigned life = 0; life < 5; life++) {
		t->pid[1] = start(t, "read", &s, NULL);
		run_for(t->f.loop, MS(30) * (life + 1));
		end_process(&t->pid[1]);
	}
	t->pid[1] = start(t, "read", &s, &t->out);
	assert_true(child_digest(t) == script_digest(s, s.random));
}

int main(void)
{
	const char *mode = getenv("INGOT_TEST_MODE");
	if (mode)
		return strcmp(mode, "publish") == 0 ? publish_main() : read_main();
#define T(fn) cmocka_unit_test_setup_teardown(fn, processes_open, processes_close)
	const struct CMUnitTest tests[] = {
		T(many_changes_with_many_drops_end_with_equal_tables),
		T(a_stopped_reader_costs_no_memory_and_catches_up),
		T(a_publisher_killed_in_mid_snapshot_is_followed_by_its_successor),
		T(a_publisher_killed_again_and_again_never_costs_the_connection),
		T(killed_readers_start_again_and_end_equal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
