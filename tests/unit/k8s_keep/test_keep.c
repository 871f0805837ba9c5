/* What is kept, over lives: the memfd that the supervisor holds, the state file, and which of them counts. */
#include <unistd.h>

#include "tests/unit/k8s_keep/life.h"

static void nothing_is_written_before_it_is_whole(void **unused)
{
	struct life l;
	(void)unused;
	leave_file(1);
	ino_t file = stat_of(path).st_ino;
	life_prepare(&l, -1, folder, "https://10.0.0.2:6443 another cluster");
	keep_load(l.keep, on_object, &l, &l.found);
	assert_int_equal(l.found.origin, KEEP_NOTHING);
	put_service(&l, "web", "192.0.2.9");
	int kept = retained_of(&l);
	life_end(&l);
	assert_int_equal(stat_of(path).st_ino, file);
	life_begin(&l, kept); /* nor is the memfd believed; the file is */
	assert_int_equal(l.found.origin, KEEP_STATE_FILE);
	life_end(&l);
}

static void a_life_that_saw_half_of_it_leaves_nothing(void **unused)
{
	struct life l;
	(void)unused;
	life_begin(&l, -1);
	put_service(&l, "web", "192.0.2.1");
	int kept = retained_of(&l);
	life_end(&l);
	assert_int_equal(stat_of(path).st_ino, 0);
	life_begin(&l, kept);
	assert_int_equal(l.found.origin, KEEP_NOTHING);
	assert_int_equal(l.told.len, 0);
	life_end(&l);
}

static void nothing_is_written_when_nothing_changed(void **unused)
{
	struct life l;
	(void)unused;
	leave_file(2);
	struct stat before = stat_of(path);
	life_begin(&l, -1);
	assert_int_equal(l.found.objects, 2);
	put_service(&l, "web0", "192.0.2.1");
	put_service(&l, "web1", "192.0.2.1");
	keep_del(l.keep, KIND_SERVICE, "default/never");
	keep_synced(l.keep);
	life_end(&l);
	struct stat after = stat_of(path);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_memory_equal(&after.st_mtim, &before.st_mtim, sizeof after.st_mtim);
}

static void a_killed_life_is_followed_from_memory(void **unused)
{
	struct life a, b;
	(void)unused;
	leave_file(1);
	life_begin(&a, -1);
	keep_del(a.keep, KIND_SERVICE, "default/web0");
	put_service(&a, "new", "192.0.2.1");
	int kept = retained_of(&a);
	assert_true(kept >= 0);
	life_begin(&b, kept); /* nothing was written yet: the memfd knows more than the file */
	assert_int_equal(b.found.origin, KEEP_FORMER_LIFE);
	assert_string_equal(strbuf_get(&b.told), "Service default/new;");
	assert_true(b.found.written_ms > 0);
	assert_true(run_until(&b, is_written)); /* and the file catches up */
	life_end(&b);
	life_begin(&b, -1);
	assert_int_equal(b.found.origin, KEEP_STATE_FILE);
	assert_string_equal(strbuf_get(&b.told), "Service default/new;");
	life_end(&b);
	life_end(&a);
}

static void a_compacted_journal_is_a_new_file_and_a_new_memfd(void **unused)
{
	struct life a, b;
	char ip[32];
	(void)unused;
	life_begin(&a, -1);
	put_service(&a, "web", "192.0.2.1");
	keep_synced(a.keep);
	assert_true(run_until(&a, is_written));
	struct stat before = stat_of(path);
	int first = retained_of(&a), last;
	assert_true(first >= 0);
	unsigned n = 0;
	for (last = -1; last < 0 && n < 100000; n++) {
		str_fmt(ip, sizeof ip, "192.0.%u.%u", n / 250 % 250, n % 250);
		put_service(&a, "web", ip);
		last = retained_of(&a);
	}
	assert_true(last >= 0 && n > 1000);
	assert_true(run_until(&a, is_written_twice));
	assert_int_not_equal(stat_of(path).st_ino, before.st_ino);
	assert_true(stat_of(path).st_size < 1000);
	life_begin(&b, last);
	assert_int_equal(b.found.origin, KEEP_FORMER_LIFE);
	assert_int_equal(b.found.objects, 1);
	life_end(&b);
	close(first);
	life_end(&a);
}

static void an_object_that_is_not_what_it_says_is_forgotten(void **unused)
{
	struct life l;
	(void)unused;
	life_begin(&l, -1);
	put_service(&l, "web", "192.0.2.1");
	keep_put(l.keep, KIND_SERVICE, "default/bad", "\xff\xff", 2);
	keep_synced(l.keep);
	int kept = retained_of(&l);
	life_end(&l);
	life_begin(&l, kept);
	assert_int_equal(l.found.objects, 1);
	assert_int_equal(l.found.unusable, 1);
	assert_int_equal(metric(&l, "ingot_watcher_kept_unusable_total"), 1);
	kept = retained_of(&l);
	life_end(&l);
	life_begin(&l, kept);
	assert_int_equal(l.found.unusable, 0);
	life_end(&l);
}

static void what_may_have_killed_two_lives_is_not_read(void **unused)
{
	struct life l;
	(void)unused;
	leave_file(1);
	life_prepare(&l, -1, folder, who);
	l.d.unready_lives = 2;
	keep_load(l.keep, on_object, &l, &l.found);
	assert_int_equal(l.found.origin, KEEP_NOTHING);
	life_end(&l);
	life_prepare(&l, -1, folder, who);
	l.d.unready_lives = 1;
	keep_load(l.keep, on_object, &l, &l.found);
	assert_int_equal(l.found.origin, KEEP_STATE_FILE);
	life_end(&l);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, open_folder, close_folder)
	const struct CMUnitTest tests[] = {
		T(nothing_is_written_before_it_is_whole),
		T(a_life_that_saw_half_of_it_leaves_nothing),
		T(nothing_is_written_when_nothing_changed),
		T(a_killed_life_is_followed_from_memory),
		T(a_compacted_journal_is_a_new_file_and_a_new_memfd),
		T(an_object_that_is_not_what_it_says_is_forgotten),
		T(what_may_have_killed_two_lives_is_not_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
