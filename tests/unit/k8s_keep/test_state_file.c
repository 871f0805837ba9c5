/* The state file: when it is written, what is found in it, and disks, folders and neighbours that are not as
 * they should be. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "lib/run/sandbox.h"
#include "tests/unit/k8s_keep/life.h"

enum { USER = 64101 };

static void the_state_file_is_written_and_found(void **unused)
{
	struct life a, b;
	int64_t before = loop_wall_ms();
	(void)unused;
	life_begin(&a, -1);
	assert_int_equal(a.found.origin, KEEP_NOTHING);
	put_service(&a, "web", "192.0.2.1");
	put_service(&a, "api", "192.0.2.2");
	keep_put(a.keep, KIND_SECRET, "default/s", "top", 3);
	keep_synced(a.keep);
	assert_int_equal(stat_of(path).st_ino, 0); /* a moment of quiet first */
	assert_true(run_until(&a, is_written));
	assert_int_equal(stat_of(path).st_mode & 07777, 0600);
	assert_int_equal(stat_of(temporary).st_ino, 0);
	life_begin(&b, -1); /* while the first one still holds the file, as when pods overlap */
	assert_int_equal(b.found.origin, KEEP_STATE_FILE);
	assert_int_equal(b.found.objects, 2);
	assert_int_equal(b.found.unusable, 0);
	assert_true(b.found.written_ms >= before - 1000 && b.found.written_ms <= loop_wall_ms());
	assert_string_equal(strbuf_get(&b.told), "Service default/web;Service default/api;");
	life_end(&a);
	life_end(&b);
}

static void changes_are_appended_to_the_file(void **unused)
{
	struct life a, b;
	(void)unused;
	life_begin(&a, -1);
	put_service(&a, "web", "192.0.2.1");
	keep_synced(a.keep);
	assert_true(run_until(&a, is_written));
	struct stat before = stat_of(path);
	mono_t start = loop_clock();
	put_service(&a, "web", "192.0.2.77");
	assert_true(run_until(&a, is_written_twice));
	assert_true(mono_sub(loop_clock(), start) >= MS(900)); /* not sooner than after a second of quiet */
	struct stat after = stat_of(path);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_true(after.st_size > before.st_size);
	life_begin(&b, -1);
	assert_string_equal(strbuf_get(&b.told), "Service default/web;");
	life_end(&b);
	life_end(&a);
}

static void a_file_that_was_removed_comes_back(void **unused)
{
	struct life l;
	(void)unused;
	life_begin(&l, -1);
	put_service(&l, "web", "192.0.2.1");
	keep_synced(l.keep);
	assert_true(run_until(&l, is_written));
	assert_int_equal(unlink(path), 0);
	put_service(&l, "api", "192.0.2.2");
	assert_true(run_until(&l, is_written_twice));
	life_end(&l);
	life_begin(&l, -1);
	assert_int_equal(l.found.objects, 2);
	life_end(&l);
}

static void foreign_and_torn_files(void **unused)
{
	struct life l;
	(void)unused;
	leave_file(3);
	struct stat st = stat_of(path);
	assert_int_equal(truncate(path, st.st_size - 1), 0); /* the mark that it is whole is torn */
	life_begin(&l, -1);
	assert_int_equal(l.found.origin, KEEP_NOTHING);
	life_end(&l);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("{\"not\": \"ours\"}\n", f);
	fclose(f);
	life_begin(&l, -1);
	assert_int_equal(l.found.origin, KEEP_NOTHING);
	life_end(&l);
	leave_file(3); /* and none of this is in the way */
	f = fopen(path, "a");
	assert_non_null(f);
	fputs("torn", f);
	fclose(f);
	life_begin(&l, -1);
	assert_int_equal(l.found.origin, KEEP_STATE_FILE);
	assert_int_equal(l.found.objects, 3);
	put_service(&l, "more", "192.0.2.1");
	life_end(&l);
	life_begin(&l, -1);
	assert_int_equal(l.found.objects, 4);
	life_end(&l);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	life_begin(&l, -1);
	assert_int_equal(l.found.origin, KEEP_NOTHING);
	life_end(&l);
}

static void without_a_usable_folder_the_rest_goes_on(void **unused)
{
	static const char *const dirs[] = { "", "/nonexistent/folder", "/dev/null" };
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		struct life l;
		life_prepare(&l, -1, dirs[i], who);
		keep_load(l.keep, on_object, &l, &l.found);
		put_service(&l, "web", "192.0.2.1");
		keep_synced(l.keep);
		if (dirs[i][0])
			assert_true(run_until(&l, has_failed));
		assert_int_equal(metric(&l, "ingot_watcher_kept_objects"), 1);
		int kept = retained_of(&l);
		life_end(&l);
		life_prepare(&l, kept, dirs[i], who);
		keep_load(l.keep, on_object, &l, &l.found);
		assert_int_equal(l.found.origin, KEEP_FORMER_LIFE);
		life_end(&l);
	}
}

/* In a mount namespace of its own. */
static int full_disk(void)
{
	struct life l;
	char name[32];
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", folder, "tmpfs", 0, "size=64k") < 0)
		return 77;
	life_begin(&l, -1);
	put_service(&l, "web", "192.0.2.1");
	keep_synced(l.keep);
	must(run_until(&l, is_written));
	for (unsigned i = 0; i < 3000; i++) {
		str_fmt(name, sizeof name, "more%u", i);
		put_service(&l, name, "192.0.2.1");
	}
	must(run_until(&l, has_failed));
	must(stat_of(temporary).st_ino == 0); /* gives back what it could not use */
	struct life b;
	life_begin(&b, -1); /* what stands there is still good, as far as it goes */
	must(b.found.origin == KEEP_STATE_FILE && b.found.objects > 1);
	life_close(&b);
	must(mount("none", folder, "tmpfs", MS_REMOUNT, "size=8m") == 0);
	life_end(&l);
	life_begin(&l, -1);
	must(l.found.objects == 3001);
	life_end(&l);
	return 0;
}

static void a_full_disk_is_survived(void **unused)
{
	(void)unused;
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(full_disk());
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip(); /* no right to mount */
	assert_int_equal(status, 0);
}

/* Two pods that overlap, or two instances by mistake: the file is always a whole one. */
static void two_writers_do_not_mix(void **unused)
{
	struct life a, b, next;
	char name[32];
	(void)unused;
	life_begin(&a, -1);
	life_begin(&b, -1);
	for (unsigned i = 0; i < 2000; i++) {
		str_fmt(name, sizeof name, "s%u", i);
		put_service(&a, name, "192.0.2.1");
		put_service(&b, name, "192.0.2.2");
	}
	keep_synced(a.keep);
	keep_synced(b.keep);
	assert_true(run_until(&a, is_written));
	put_service(&b, "last", "192.0.2.2");
	life_end(&b);
	life_begin(&next, -1);
	assert_int_equal(next.found.objects, 2001);
	life_end(&next);
	put_service(&a, "x", "192.0.2.1");
	put_service(&a, "y", "192.0.2.1");
	life_end(&a); /* its own file was replaced: it writes a whole one again */
	life_begin(&next, -1);
	assert_int_equal(next.found.objects, 2002);
	life_end(&next);
}

static void a_killed_writer_leaves_a_usable_file(void **unused)
{
	(void)unused;
	leave_file(50);
	for (unsigned round = 0; round < 30; round++) {
		struct life l;
		int go[2];
		char byte;
		assert_int_equal(pipe(go), 0);
		fflush(NULL);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			for (unsigned i = 0;; i++) {
				leave_file(50 + i % 3);
				if (i == round % 4 && write(go[1], "x", 1) != 1)
					_exit(1);
			}
		}
		assert_int_equal(read(go[0], &byte, 1), 1);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		life_begin(&l, -1);
		assert_int_equal(l.found.origin, KEEP_STATE_FILE);
		assert_true(l.found.objects >= 50);
		life_end(&l);
		close(go[0]);
		close(go[1]);
	}
}

/* As the watcher runs: another user, Landlock, system calls. */
static int locked_in(void)
{
	struct life l;
	struct options o = { .role = "node", .source = "k8s", .node = "n1", .run_dir = "/nonexistent" };
	struct sandbox_context c = { .options = &o, .uid = USER, .enabled = true };
	char missing[256];
	o.state_dir = folder;
	o.kubeconfig = o.gossip_key_file = "";
	life_prepare(&l, -1, "", who);
	keep_free(l.keep);
	l.keep = keep_new(&l.d, folder, who, USER);
	must(l.keep && stat_of(folder).st_uid == USER);
	must(sandbox_enter(sandbox_rules_of(DAEMON_WATCHER), &c, missing, sizeof missing) == 0);
	keep_load(l.keep, on_object, &l, &l.found);
	must(l.found.origin == KEEP_STATE_FILE && l.found.objects == 5);
	must(sandbox_seal(sandbox_rules_of(DAEMON_WATCHER), &c) == 0);
	put_service(&l, "web", "192.0.2.1");
	must(run_until(&l, is_written));
	put_service(&l, "web", "192.0.2.2");
	must(run_until(&l, is_written_twice));
	life_end(&l);
	return 0;
}

static void it_works_in_the_sandbox(void **unused)
{
	int status = 0;
	(void)unused;
	if (geteuid() != 0)
		skip();
	leave_file(5);
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(locked_in());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(stat_of(path).st_uid, USER);
}

static void a_folder_with_other_things_is_not_taken(void **unused)
{
	struct life l;
	char other[128];
	(void)unused;
	if (geteuid() != 0)
		skip();
	str_fmt(other, sizeof other, "%s/precious", folder);
	int fd = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	life_prepare(&l, -1, "", who);
	keep_free(l.keep);
	l.keep = keep_new(&l.d, folder, who, USER);
	assert_int_equal(stat_of(folder).st_uid, 0);
	assert_int_equal(metric(&l, "ingot_watcher_state_failures_total"), 1);
	life_end(&l);
	assert_int_equal(unlink(other), 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, open_folder, close_folder)
	const struct CMUnitTest tests[] = {
		T(the_state_file_is_written_and_found),
		T(changes_are_appended_to_the_file),
		T(a_file_that_was_removed_comes_back),
		T(foreign_and_torn_files),
		T(without_a_usable_folder_the_rest_goes_on),
		T(a_full_disk_is_survived),
		T(two_writers_do_not_mix),
		T(a_killed_writer_leaves_a_usable_file),
		T(it_works_in_the_sandbox),
		T(a_folder_with_other_things_is_not_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
