/* The journal in a memfd: what a later life finds, after an orderly end or any other one. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "watcher/k8s/keep/journal.h"

enum { KEYS = 40 };

static const char who[] = "https://10.0.0.1:6443 node";

static void on_entry(void *ctx, const struct image_entry *e, uint64_t at)
{
	(void)at;
	strbuf_fmt(ctx, "%s=%.*s;", e->key, (int)e->len, (const char *)e->data);
}

/* "a/b=text;..." of all that counts; the caller frees it. */
static char *content(struct journal *j)
{
	struct strbuf b = { 0 };
	assert_int_equal(journal_each(j, on_entry, &b), 0);
	return b.len ? strbuf_take(&b) : strdup("");
}

static void expect_content(struct journal *j, const char *want)
{
	char *have = content(j);
	assert_string_equal(have, want);
	free(have);
}

static int put(struct journal *j, const char *key, const char *text)
{
	return journal_put(j, KIND_SERVICE, key, text, strlen(text));
}

static void open_new(struct journal *j)
{
	assert_int_equal(journal_init(j, who), 0);
	assert_int_equal(journal_begin(j), 0);
}

/* The next life of j: it has nothing but a duplicate of the memfd. */
static int adopt(struct journal *ret, int fd, enum image_fault *fault)
{
	int own = dup(fd);
	assert_int_equal(journal_init(ret, who), 0);
	int rc = journal_adopt(ret, own, fault);
	if (rc < 0)
		close(own);
	return rc;
}

static void the_last_word_counts(void **unused)
{
	struct journal j, next;
	enum image_fault fault;
	(void)unused;
	open_new(&j);
	assert_int_equal(put(&j, "a/web", "one"), 1);
	assert_int_equal(put(&j, "a/api", "two"), 1);
	assert_int_equal(put(&j, "a/web", "three"), 1);
	assert_int_equal(journal_del(&j, KIND_SERVICE, "a/api"), 1);
	assert_int_equal(journal_put(&j, KIND_NODE, "a/api", "node", 4),
			 1); /* another kind, another object */
	assert_int_equal(journal_mark_whole(&j), 1);
	assert_int_equal(adopt(&next, j.fd, &fault), 0);
	assert_int_equal(fault, IMAGE_FINE);
	assert_int_equal(next.live, j.live);
	assert_int_equal(next.len, j.len);
	expect_content(&next, "a/web=three;a/api=node;");
	journal_fini(&next);
	journal_fini(&j);
}

static void what_is_known_costs_nothing(void **unused)
{
	struct journal j;
	(void)unused;
	open_new(&j);
	assert_int_equal(put(&j, "a/web", "one"), 1);
	assert_int_equal(journal_mark_whole(&j), 1);
	uint64_t len = j.len;
	assert_int_equal(put(&j, "a/web", "one"), 0);
	assert_int_equal(journal_del(&j, KIND_SERVICE, "a/api"), 0);
	assert_int_equal(journal_mark_whole(&j), 0);
	assert_int_equal(journal_put(&j, KIND_SECRET, "a/s", "secret", 6), 0);
	assert_int_equal(j.len, len);
	assert_int_equal(journal_objects(&j), 1);
	journal_fini(&j);
}

static void only_a_whole_one_is_adopted(void **unused)
{
	struct journal j, next;
	enum image_fault fault;
	(void)unused;
	open_new(&j);
	put(&j, "a/web", "one");
	assert_int_equal(adopt(&next, j.fd, &fault), -EBADMSG);
	assert_int_equal(fault, IMAGE_FINE);
	assert_int_equal(journal_objects(&next), 0);
	assert_int_equal(journal_begin(&next), 0); /* still usable */
	journal_fini(&next);
	journal_mark_whole(&j);
	assert_int_equal(adopt(&next, j.fd, &fault), 0);
	journal_fini(&next);
	assert_int_equal(journal_init(&next, "https://10.0.0.9:6443 node"), 0);
	assert_int_equal(journal_adopt(&next, j.fd, &fault), -EBADMSG);
	assert_int_equal(fault, IMAGE_OF_OTHER);
	journal_fini(&next);
	int other[2];
	assert_int_equal(pipe(other), 0);
	assert_int_equal(journal_init(&next, who), 0);
	assert_int_equal(journal_adopt(&next, other[0], &fault), -EBADMSG);
	assert_int_equal(fault, IMAGE_FOREIGN);
	journal_fini(&next);
	close(other[0]);
	close(other[1]);
	journal_fini(&j);
}

static void a_torn_end_is_cut_off(void **unused)
{
	struct journal j, next, after;
	enum image_fault fault;
	(void)unused;
	open_new(&j);
	put(&j, "a/web", "one");
	journal_mark_whole(&j);
	uint64_t good = j.len;
	put(&j, "a/web", "another that was not written to its end");
	assert_int_equal(ftruncate(j.fd, (off_t)j.len - 3), 0);
	assert_int_equal(adopt(&next, j.fd, &fault), 0);
	assert_int_equal(fault, IMAGE_TORN);
	assert_int_equal(next.len, good);
	expect_content(&next, "a/web=one;");
	assert_int_equal(put(&next, "a/api", "two"), 1);
	assert_int_equal(adopt(&after, next.fd, &fault), 0);
	assert_int_equal(fault, IMAGE_FINE);
	expect_content(&after, "a/web=one;a/api=two;");
	journal_fini(&after);
	journal_fini(&next);
	journal_fini(&j);
}

/* A plain model beside it: any sequence of changes, compacting and new lives comes to the same content. */
static void any_history_comes_to_the_same(void **unused)
{
	char model[KEYS][32] = { "" };
	struct journal j;
	uint64_t x = 2463534242u;
	(void)unused;
	open_new(&j);
	journal_mark_whole(&j);
	for (int step = 0; step < 20000; step++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		unsigned k = (unsigned)(x >> 33) % KEYS, what = (unsigned)(x >> 50) % 100;
		char key[16];
		snprintf(key, sizeof key, "ns/k%u", k);
		if (what < 70) {
			snprintf(model[k], sizeof model[k], "v%u", (unsigned)(x >> 40) % 1000);
			assert_true(put(&j, key, model[k]) >= 0);
		} else if (what < 98) {
			assert_int_equal(journal_del(&j, KIND_SERVICE, key), model[k][0] != 0);
			model[k][0] = 0;
		} else if (what == 98) {
			uint64_t live = j.live, generation = j.generation;
			assert_int_equal(journal_compact(&j), 0);
			assert_int_equal(j.live, live);
			assert_true(j.generation > generation && j.whole);
			assert_true(j.len < live + 256);
		} else {
			struct journal next;
			enum image_fault fault;
			assert_int_equal(adopt(&next, j.fd, &fault), 0);
			assert_int_equal(fault, IMAGE_FINE);
			assert_int_equal(next.live, j.live);
			journal_fini(&j);
			j = next;
		}
		size_t n = 0;
		for (unsigned i = 0; i < KEYS; i++)
			n += model[i][0] != 0;
		assert_int_equal(journal_objects(&j), n);
	}
	char *have = content(&j);
	for (unsigned i = 0; i < KEYS; i++) {
		char want[2048];
		snprintf(want, sizeof want, "ns/k%u=%s;", i, model[i]);
		assert_int_equal(strstr(have, want) != NULL, model[i][0] != 0);
	}
	free(have);
	journal_fini(&j);
}

/* Killed at any instant: a prefix of its words is there, in order. */
static void a_killed_writer_leaves_a_prefix(void **unused)
{
	(void)unused;
	for (unsigned round = 0; round < 20; round++) {
		struct journal j, next;
		enum image_fault fault;
		int go[2];
		char byte;
		open_new(&j);
		journal_mark_whole(&j);
		assert_int_equal(pipe(go), 0);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			for (unsigned n = 0;; n++) {
				char text[64];
				snprintf(text, sizeof text, "%u", n);
				if (put(&j, "a/first", text) < 0 || put(&j, "a/second", text) < 0)
					_exit(1);
				if (n == 50 * round && write(go[1], "x", 1) != 1)
					_exit(1);
			}
		}
		assert_int_equal(read(go[0], &byte, 1), 1);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(adopt(&next, j.fd, &fault), 0);
		char *have = content(&next);
		unsigned a = 0, b = 0;
		/* In the order of their last changes. */
		if (have[2] == 'f')
			assert_int_equal(sscanf(have, "a/first=%u;a/second=%u;", &a, &b), 2);
		else
			assert_int_equal(sscanf(have, "a/second=%u;a/first=%u;", &b, &a), 2);
		assert_true(a >= 50 * round && (a == b || a == b + 1));
		free(have);
		journal_fini(&next);
		journal_fini(&j);
		close(go[0]);
		close(go[1]);
	}
}

static void caps_are_kept_and_counted(void **unused)
{
	struct journal j;
	char *big = malloc(LIMIT_OBJECT_BYTES + 1);
	(void)unused;
	memset(big, 'x', LIMIT_OBJECT_BYTES + 1);
	open_new(&j);
	assert_int_equal(put(&j, "a/web", "small"), 1);
	/* What cannot be kept is not kept in an older version either. */
	assert_int_equal(journal_put(&j, KIND_SERVICE, "a/web", big, LIMIT_OBJECT_BYTES + 1), -ENOSPC);
	assert_int_equal(journal_objects(&j), 0);
	assert_int_equal(j.refused, 1);
	uint64_t n = 0;
	char key[32];
	int rc = 1;
	while (rc == 1 && n < 400) {
		snprintf(key, sizeof key, "a/big-%u", (unsigned)n++);
		rc = journal_put(&j, KIND_SERVICE, key, big, LIMIT_OBJECT_BYTES);
	}
	assert_int_equal(rc, -ENOSPC);
	assert_true(j.live <= IMAGE_BYTES && j.live + IMAGE_RECORD > IMAGE_BYTES);
	assert_int_equal(journal_del(&j, KIND_SERVICE, "a/big-0"), 1);
	assert_int_equal(journal_put(&j, KIND_SERVICE, key, big, LIMIT_OBJECT_BYTES), 1);
	free(big);
	journal_fini(&j);
}

static void there_is_a_cap_on_objects(void **unused)
{
	struct journal j, next;
	enum image_fault fault;
	char key[32];
	(void)unused;
	open_new(&j);
	for (unsigned i = 0; i < LIMIT_OBJECTS; i++) {
		snprintf(key, sizeof key, "a/%u", i);
		assert_int_equal(put(&j, key, "x"), 1);
	}
	assert_int_equal(put(&j, "a/more", "x"), -ENOSPC);
	assert_int_equal(put(&j, key, "y"), 1); /* no new one */
	assert_int_equal(journal_put(&j, KIND_NODE, "n", "x", 1), 1);
	journal_mark_whole(&j);
	assert_int_equal(adopt(&next, j.fd, &fault), 0);
	assert_int_equal(journal_objects(&next), LIMIT_OBJECTS + 1);
	journal_fini(&next);
	journal_fini(&j);
}

/* No room in memory, as a limit on the size of files: what stood there stays readable and goes on later. */
static void a_write_that_fails_harms_nothing(void **unused)
{
	struct journal j, next;
	enum image_fault fault;
	struct rlimit old, small;
	char *big = calloc(1, 100000);
	(void)unused;
	signal(SIGXFSZ, SIG_IGN);
	open_new(&j);
	put(&j, "a/web", "one");
	journal_mark_whole(&j);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){ 4096, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_true(journal_put(&j, KIND_SERVICE, "a/web", big, 100000) < 0);
	assert_true(journal_put(&j, KIND_SERVICE, "a/big", big, 100000) < 0);
	small.rlim_cur = 40;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_true(journal_compact(&j) < 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	expect_content(&j, "a/web=one;");
	assert_int_equal(put(&j, "a/api", "two"), 1);
	assert_int_equal(adopt(&next, j.fd, &fault), 0);
	assert_int_equal(fault, IMAGE_FINE);
	expect_content(&next, "a/web=one;a/api=two;");
	journal_fini(&next);
	journal_fini(&j);
	free(big);
}

static void it_is_wasteful_only_when_it_is(void **unused)
{
	struct journal j;
	char *text = calloc(1, 10001);
	(void)unused;
	memset(text, 'x', 10000);
	open_new(&j);
	unsigned n = 0;
	for (; !journal_is_wasteful(&j) && n < 1000; n++) {
		text[0] = (char)('a' + n % 26);
		assert_int_equal(put(&j, "a/web", text), 1);
	}
	assert_true(n > 100 && n < 120); /* a megabyte is not worth it */
	assert_int_equal(journal_compact(&j), 0);
	assert_false(journal_is_wasteful(&j));
	assert_true(j.len < 11000);
	free(text);
	journal_fini(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_word_counts),
		cmocka_unit_test(what_is_known_costs_nothing),
		cmocka_unit_test(only_a_whole_one_is_adopted),
		cmocka_unit_test(a_torn_end_is_cut_off),
		cmocka_unit_test(any_history_comes_to_the_same),
		cmocka_unit_test(a_killed_writer_leaves_a_prefix),
		cmocka_unit_test(caps_are_kept_and_counted),
		cmocka_unit_test(there_is_a_cap_on_objects),
		cmocka_unit_test(a_write_that_fails_harms_nothing),
		cmocka_unit_test(it_is_wasteful_only_when_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
