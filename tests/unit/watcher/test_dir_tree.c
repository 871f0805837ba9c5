/* A real folder: half-written files, editors' dances, moves, links, overflow, a folder that goes away.
 * Nothing here waits by guess: each step runs the loop until what it expects has come, or a deadline fails
 * it; where nothing may come the loop runs longer than every grace time. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/strbuf.h"
#include "watcher/dir_internal.h"

enum { DEADLINE_US = 10000000, QUIET_US = 400000 };

struct world {
	char base[64], root[80];
	struct loop *loop;
	struct loop_timer *timer;
	struct dir_tree *tree;
	struct map files;   /* path -> content, as the tree has told */
	struct map seen;    /* of the scan that is on */
	struct strbuf told; /* "+a.yaml -b.yaml ..." since the last look */
	const char *wanted; /* stop when this was told */
	bool timeout, scanned, lost;
	bool unordered; /* the folder has no order of its own: compare sorted */
};

/* Put the new word where it belongs among the others. */
static void sort_in(struct world *w, const char *word)
{
	struct strbuf out = { 0 };
	bool done = false;
	for (char *rest, *old = strtok_r(w->told.s, " ", &rest); old; old = strtok_r(NULL, " ", &rest)) {
		if (!done && strcmp(word, old) < 0) {
			strbuf_fmt(&out, "%s%s", out.len ? " " : "", word);
			done = true;
		}
		strbuf_fmt(&out, "%s%s", out.len ? " " : "", old);
	}
	if (!done)
		strbuf_fmt(&out, "%s%s", out.len ? " " : "", word);
	strbuf_fini(&w->told);
	w->told = out;
}

static void tell(struct world *w, char what, const char *path)
{
	char word[256];
	str_fmt(word, sizeof word, "%c%s", what, path);
	if (w->unordered && w->told.len)
		sort_in(w, word);
	else
		strbuf_fmt(&w->told, "%s%s", w->told.len ? " " : "", word);
}

static void on_content(void *ctx, const char *path, const char *data, size_t len)
{
	struct world *w = ctx;
	char *copy = malloc(len + 1);
	void *old = NULL;
	assert_non_null(copy);
	memcpy(copy, data, len);
	copy[len] = 0;
	assert_int_equal(map_set(&w->files, path, copy, &old), 0);
	map_set(&w->seen, path, w, NULL);
	if (!old || strcmp(old, copy) != 0)
		tell(w, '+', path);
	free(old);
}
static void on_unreadable(void *ctx, const char *path, const char *reason)
{
	struct world *w = ctx;
	tell(w, '!', path);
	assert_true(*reason);
}
static void on_deleted(void *ctx, const char *path)
{
	struct world *w = ctx;
	char *old = map_del(&w->files, path);
	if (old)
		tell(w, '-', path);
	free(old);
}
static bool on_is_used(void *ctx, const char *path)
{
	struct world *w = ctx;
	return *path ? map_get(&w->files, path) != NULL : map_len(&w->files) > 0;
}
static void on_scan_begin(void *ctx, const char *folder)
{
	struct world *w = ctx;
	size_t n = strlen(folder);
	map_each (&w->seen, e)
		if (strncmp(e->key, folder, n) == 0)
			map_del(&w->seen, e->key);
}
static void on_each_unseen(void *ctx, const char *folder, void (*fn)(void *, const char *), void *tree)
{
	struct world *w = ctx;
	map_each (&w->files, e)
		if (!map_find_n(&w->seen, e->key, e->key_len) && strncmp(e->key, folder, strlen(folder)) == 0)
			fn(tree, e->key);
}
static void look(struct world *w)
{
	if (w->wanted && strcmp(w->wanted, strbuf_get(&w->told)) == 0)
		loop_stop(w->loop);
}
static void on_settled(void *ctx, bool scanned)
{
	struct world *w = ctx;
	w->scanned |= scanned;
	look(w);
}
static void on_lost(void *ctx, const char *reason)
{
	struct world *w = ctx;
	w->lost = reason != NULL;
	tell(w, reason ? '?' : '=', "");
	look(w);
}
static void on_replaced(void *ctx)
{
	tell(ctx, '#', "");
}

static const struct dir_reader reader = {
	.content = on_content,
	.unreadable = on_unreadable,
	.deleted = on_deleted,
	.is_used = on_is_used,
	.scan_begin = on_scan_begin,
	.each_unseen = on_each_unseen,
	.settled = on_settled,
	.lost = on_lost,
	.replaced = on_replaced,
};

static void on_timer(void *ctx)
{
	struct world *w = ctx;
	w->timeout = true;
	loop_stop(w->loop);
}

/* Run until exactly this was told. */
static void expect(struct world *w, const char *wanted)
{
	w->wanted = wanted;
	w->timeout = false;
	loop_timer_set(w->timer, mono_add(loop_clock(), DEADLINE_US));
	if (strcmp(wanted, strbuf_get(&w->told)) != 0)
		loop_run(w->loop);
	assert_string_equal(strbuf_get(&w->told), wanted);
	strbuf_reset(&w->told);
	w->wanted = NULL;
}

/* Run longer than any grace: this is all that may be told. */
static void expect_only(struct world *w, const char *wanted)
{
	w->wanted = NULL;
	loop_timer_set(w->timer, mono_add(loop_clock(), QUIET_US));
	loop_run(w->loop);
	assert_string_equal(strbuf_get(&w->told), wanted);
	strbuf_reset(&w->told);
}

static const char *path_of(const struct world *w, const char *name)
{
	static char buf[4][256];
	static unsigned next;
	char *b = buf[next++ % 4];
	str_fmt(b, 256, "%s/%s", w->root, name);
	return b;
}

static void append(const struct world *w, const char *name, int flags, const char *text, int *keep)
{
	int fd = open(path_of(w, name), O_WRONLY | O_CREAT | flags, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	if (keep)
		*keep = fd;
	else
		close(fd);
}

static void put(const struct world *w, const char *name, const char *text)
{
	append(w, name, O_TRUNC, text, NULL);
}

static void check(const struct world *w, const char *name, const char *text)
{
	const char *got = map_get(&w->files, name);
	assert_string_equal(got ? got : "(none)", text);
}

static void begin(struct world *w)
{
	w->tree = dir_tree_new(w->root, &reader, w);
	assert_non_null(w->tree);
	assert_int_equal(dir_tree_join(w->tree, w->loop), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	const char *tmp = getenv("TMPDIR");
	str_fmt(w->base, sizeof w->base, "%s/ingot-dir-XXXXXX", tmp && strlen(tmp) < 30 ? tmp : "/tmp");
	assert_non_null(mkdtemp(w->base));
	str_fmt(w->root, sizeof w->root, "%s/m", w->base);
	assert_int_equal(mkdir(w->root, 0755), 0);
	w->loop = loop_new();
	w->timer = loop_timer_new(w->loop, on_timer, w);
	map_init(&w->files);
	map_init(&w->seen);
	*state = w;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)type, (void)f;
	return remove(path);
}

static int teardown(void **state)
{
	struct world *w = *state;
	dir_tree_free(w->tree);
	loop_timer_free(w->timer);
	loop_free(w->loop);
	map_fini(&w->files, free);
	map_fini(&w->seen, NULL);
	strbuf_fini(&w->told);
	nftw(w->base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(w);
	return 0;
}

static void test_start(void **state)
{
	struct world *w = *state;
	put(w, "a.yaml", "1");
	assert_int_equal(mkdir(path_of(w, "sub"), 0755), 0);
	put(w, "sub/b.json", "2");
	put(w, "c.yml", "3");
	put(w, "notes.txt", "x");
	put(w, ".hidden.yaml", "x");
	put(w, "a.yaml~", "x");
	assert_int_equal(mkdir(path_of(w, ".status"), 0755), 0);
	put(w, ".status/d.yaml", "x");
	begin(w);
	assert_true(w->scanned);
	assert_int_equal(map_len(&w->files), 3);
	check(w, "sub/b.json", "2");
}

static void test_changes(void **state)
{
	struct world *w = *state;
	begin(w);
	assert_true(w->scanned);
	put(w, "a.yaml", "1");
	expect(w, "+a.yaml");
	put(w, "a.yaml", "2");
	expect(w, "+a.yaml");
	check(w, "a.yaml", "2");
	put(w, ".a.tmp", "3");
	assert_int_equal(rename(path_of(w, ".a.tmp"), path_of(w, "a.yaml")), 0);
	expect(w, "+a.yaml");
	check(w, "a.yaml", "3");
	assert_int_equal(unlink(path_of(w, "a.yaml")), 0);
	expect(w, "-a.yaml");
	/* Deleted and created by a version control system: one change. */
	put(w, "b.yaml", "1");
	expect(w, "+b.yaml");
	assert_int_equal(unlink(path_of(w, "b.yaml")), 0);
	put(w, "b.yaml", "2");
	expect_only(w, "+b.yaml");
	/* Links are complete when they appear. */
	assert_int_equal(link(path_of(w, "b.yaml"), path_of(w, "c.yaml")), 0);
	assert_int_equal(symlink("b.yaml", path_of(w, "d.yaml")), 0);
	expect(w, "+c.yaml +d.yaml");
}

static void test_half_written(void **state)
{
	struct world *w = *state;
	int fd;
	put(w, "a.yaml", "old");
	begin(w);
	strbuf_reset(&w->told);
	append(w, "a.yaml", O_TRUNC, "first half, ", &fd);
	expect_only(w, "");
	check(w, "a.yaml", "old");
	assert_int_equal(write(fd, "second half", 11), 11);
	expect_only(w, "");
	close(fd);
	expect(w, "+a.yaml");
	check(w, "a.yaml", "first half, second half");
	/* A second writer comes before the news of the first one are read: its half is never seen. */
	put(w, "a.yaml", "complete");
	append(w, "a.yaml", O_TRUNC, "ha", &fd);
	expect_only(w, "");
	assert_int_equal(write(fd, "lf", 2), 2);
	close(fd);
	expect(w, "+a.yaml");
	check(w, "a.yaml", "half");
}

static void test_empty(void **state)
{
	struct world *w = *state;
	put(w, "a.yaml", "old");
	begin(w);
	strbuf_reset(&w->told);
	/* Truncated by one program, filled by another: not a deletion. */
	put(w, "a.yaml", "");
	put(w, "b.yaml", "marker");
	expect(w, "+b.yaml");
	check(w, "a.yaml", "old");
	put(w, "a.yaml", "new");
	expect_only(w, "+a.yaml");
	/* Empty for good. */
	put(w, "a.yaml", "");
	expect(w, "+a.yaml");
	check(w, "a.yaml", "");
}

static void test_dances(void **state)
{
	struct world *w = *state;
	put(w, "a.yaml", "1");
	begin(w);
	strbuf_reset(&w->told);
	/* vim: move away, write anew, delete the backup. */
	assert_int_equal(rename(path_of(w, "a.yaml"), path_of(w, "a.yaml~")), 0);
	put(w, "b.yaml", "marker");
	expect(w, "+b.yaml");
	put(w, "a.yaml", "2");
	assert_int_equal(unlink(path_of(w, "a.yaml~")), 0);
	expect_only(w, "+a.yaml");
	/* Created, but the editor takes its time before it writes. */
	int fd;
	assert_int_equal(rename(path_of(w, "a.yaml"), path_of(w, "a.yaml~")), 0);
	append(w, "a.yaml", 0, "", &fd);
	expect_only(w, "");
	assert_int_equal(write(fd, "3", 1), 1);
	close(fd);
	expect(w, "+a.yaml");
	/* Renamed: the new name first, then the old one goes, in one go. */
	assert_int_equal(rename(path_of(w, "a.yaml"), path_of(w, "z.yaml")), 0);
	expect(w, "+z.yaml -a.yaml");
	assert_int_equal(rename(path_of(w, "z.yaml"), path_of(w, "z.off")), 0);
	expect(w, "-z.yaml");
}

static void test_folders(void **state)
{
	struct world *w = *state;
	begin(w);
	assert_int_equal(mkdir(path_of(w, "s"), 0755), 0);
	put(w, "s/a.yaml", "1");
	expect(w, "+s/a.yaml");
	put(w, "s/a.yaml", "2");
	expect(w, "+s/a.yaml");
	assert_int_equal(rename(path_of(w, "s"), path_of(w, "t")), 0);
	expect(w, "+t/a.yaml -s/a.yaml");
	put(w, "t/a.yaml", "3");
	expect(w, "+t/a.yaml");
	/* Out of the tree: gone, and no longer listened to. */
	char outside[128], inside[160];
	str_fmt(outside, sizeof outside, "%s/outside", w->base);
	str_fmt(inside, sizeof inside, "%s/b.yaml", outside);
	assert_int_equal(rename(path_of(w, "t"), outside), 0);
	expect(w, "-t/a.yaml");
	int fd = open(inside, O_WRONLY | O_CREAT, 0644);
	assert_true(fd >= 0);
	close(fd);
	put(w, "marker.yaml", "1");
	expect_only(w, "+marker.yaml");
	assert_int_equal(mkdir(path_of(w, "odd.yaml"), 0755), 0);
	assert_int_equal(mkfifo(path_of(w, "fifo.yaml"), 0644), 0);
	expect(w, "!fifo.yaml");
}

/* As the kubelet does it. */
static void test_config_map(void **state)
{
	struct world *w = *state;
	assert_int_equal(mkdir(path_of(w, "..one"), 0755), 0);
	put(w, "..one/a.yaml", "1");
	assert_int_equal(symlink("..one", path_of(w, "..data")), 0);
	assert_int_equal(symlink("..data/a.yaml", path_of(w, "a.yaml")), 0);
	begin(w);
	check(w, "a.yaml", "1");
	strbuf_reset(&w->told);
	w->unordered = true;
	assert_int_equal(mkdir(path_of(w, "..two"), 0755), 0);
	put(w, "..two/a.yaml", "2");
	put(w, "..two/b.yaml", "2");
	assert_int_equal(symlink("..two", path_of(w, "..data_tmp")), 0);
	assert_int_equal(rename(path_of(w, "..data_tmp"), path_of(w, "..data")), 0);
	assert_int_equal(symlink("..data/b.yaml", path_of(w, "b.yaml")), 0);
	expect(w, "+a.yaml +b.yaml");
	/* A key is removed: its link dangles, then goes. */
	assert_int_equal(unlink(path_of(w, "..two/b.yaml")), 0);
	assert_int_equal(unlink(path_of(w, "b.yaml")), 0);
	expect_only(w, "-b.yaml");
}

static void test_overflow(void **state)
{
	struct world *w = *state;
	w->unordered = true;
	put(w, "a.yaml", "1");
	put(w, "b.yaml", "1");
	put(w, "gone.yaml", "1");
	begin(w);
	strbuf_reset(&w->told);
	for (int i = 0; i < 20000; i++) {
		put(w, i % 2 ? "a.yaml" : "b.yaml", "x");
		if (i == 15000)
			assert_int_equal(unlink(path_of(w, "gone.yaml")), 0);
	}
	put(w, "a.yaml", "last");
	put(w, "new.yaml", "1");
	expect(w, "+a.yaml +b.yaml +new.yaml -gone.yaml");
	check(w, "a.yaml", "last");
}

static void test_missing_at_start(void **state)
{
	struct world *w = *state;
	assert_int_equal(rmdir(w->root), 0);
	begin(w);
	assert_true(w->lost);
	assert_false(w->scanned);
	strbuf_reset(&w->told);
	assert_int_equal(mkdir(w->root, 0755), 0);
	put(w, "a.yaml", "1");
	expect(w, "= +a.yaml");
	assert_true(w->scanned);
}

static void test_root_goes(void **state)
{
	struct world *w = *state;
	char away[128];
	put(w, "a.yaml", "1");
	put(w, "b.yaml", "1");
	begin(w);
	strbuf_reset(&w->told);
	str_fmt(away, sizeof away, "%s/away", w->base);
	assert_int_equal(rename(w->root, away), 0);
	expect(w, "?");
	/* Back, but empty: a mount point without its mount. Nothing is taken away. */
	assert_int_equal(mkdir(w->root, 0755), 0);
	expect(w, "? =");
	expect_only(w, "");
	assert_int_equal(map_len(&w->files), 2);
	/* The first file shows that it is for real. */
	put(w, "a.yaml", "2");
	expect(w, "+a.yaml -b.yaml");
}

/* rm -r of everything: files vanish one by one, then the folder itself; that is no wish to delete. */
static void test_root_is_removed(void **state)
{
	struct world *w = *state;
	put(w, "a.yaml", "1");
	begin(w);
	strbuf_reset(&w->told);
	assert_int_equal(unlink(path_of(w, "a.yaml")), 0);
	assert_int_equal(rmdir(w->root), 0);
	expect(w, "?");
	expect_only(w, "");
	check(w, "a.yaml", "1");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_start),      TEST(test_changes),	   TEST(test_half_written),
		TEST(test_empty),      TEST(test_dances),	   TEST(test_folders),
		TEST(test_config_map), TEST(test_overflow),	   TEST(test_missing_at_start),
		TEST(test_root_goes),  TEST(test_root_is_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
