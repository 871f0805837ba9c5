/* The privilege table, cell by cell: each forbidden thing is tried in each daemon's sandbox and refused, each
 * thing that a daemon needs still works there, and all of them work with the sandbox off, so that a probe
 * proves something. Needs root; says what it skips and why. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/if_packet.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "lib/run/sandbox.h"
#include "probes.h"

enum { UID_BASE = 64100, WORKED = 0, REFUSED = 10, BROKEN = 11, KILLED = 128 + SIGSYS };

static const struct {
	enum daemon_id daemon;
	const char *what, *source;
	unsigned offset;
} variants[VARIANT_N] = {
	[WATCHER_DIR] = { DAEMON_WATCHER, "watcher (directory)", "dir", 1 },
	[WATCHER_K8S] = { DAEMON_WATCHER, "watcher (API server)", "k8s", 1 },
	[ALLOCATOR] = { DAEMON_ALLOCATOR, "allocator", "dir", 2 },
	[GOSSIPD] = { DAEMON_GOSSIPD, "gossipd", "dir", 3 },
	[L2D] = { DAEMON_L2D, "l2d", "dir", 4 },
	[BGPD] = { DAEMON_BGPD, "bgpd", "dir", 5 },
	[STATUSD] = { DAEMON_STATUSD, "statusd", "dir", 7 },
	[BFDD] = { DAEMON_BFDD, "bfdd", "dir", 6 },
};

static char dir[] = "/tmp/ingot-sandbox-XXXXXX";
static char missing[256];

static void make(const char *name, mode_t mode, uid_t owner, bool folder)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (folder) {
		assert_int_equal(mkdir(path, mode), 0);
	} else {
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
		assert_true(fd >= 0);
		close(fd);
	}
	assert_int_equal(chmod(path, mode), 0);
	assert_int_equal(chown(path, owner, owner), 0);
}

static int make_rooms(void **state)
{
	(void)state;
	if (geteuid() != 0)
		return 0;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	static const char *const folders[] = { "run", "man", "keys", "kube", "pki", "store" };
	for (unsigned i = 0; i < ARRAY_LEN(folders); i++)
		make(folders[i], 0755, 0, true);
	for (unsigned v = 0; v < VARIANT_N; v++) {
		char name[64];
		snprintf(name, sizeof name, "run/%s", daemon_name(variants[v].daemon));
		if (v != WATCHER_K8S)
			make(name, 0755, UID_BASE + variants[v].offset, true);
	}
	make("man/.status", 0755, UID_BASE + 1, true);
	make("man/.status/services", 0755, UID_BASE + 1, true);
	make("man/service.yaml", 0644, 0, false);
	make("man/open-to-all.yaml", 0666, 0, false);
	make("keys/gossip", 0644, 0, false);
	make("kube/config", 0644, 0, false);
	make("pki/token", 0644, 0, false);
	make("pki/token.new", 0644, 0, false);
	make("store/client-1.key", 0644, 0, false);
	make("state", 0700, UID_BASE + 1, true);
	char link[256];
	snprintf(link, sizeof link, "%s/pki/client.key", dir);
	assert_int_equal(symlink("../store/client-1.key", link), 0);
	make("public", 0644, 0, false);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int remove_rooms(void **state)
{
	(void)state;
	if (geteuid() == 0)
		nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

/* What ops->open of a daemon would do, and more than any of them does. */
static bool open_before(struct room *r, enum variant v)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	*r = (struct room){ .name = daemon_name(variants[v].daemon) };
	strcpy(r->dir, dir);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	r->tcp = socket(AF_INET, SOCK_STREAM, 0);
	r->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	r->packet = socket(AF_PACKET, SOCK_RAW, 0);
	r->memfd = memfd_create("certificate", MFD_CLOEXEC);
	snprintf(a.sun_path, sizeof a.sun_path, "%s/socket", dir);
	unlink(a.sun_path);
	return r->tcp >= 0 && r->memfd >= 0 && bind(r->listener, (const struct sockaddr *)&a, sizeof a) == 0;
}

static void fill_options(struct options *o, enum variant v)
{
	static char run[128], source[128], key[128], kube[128], state[128];
	char error[256];
	clearenv();
	options_from_env(o, error, sizeof error);
	snprintf(run, sizeof run, "%s/run", dir);
	snprintf(source, sizeof source, "dir:%s/man", dir);
	snprintf(key, sizeof key, "%s/keys/gossip", dir);
	snprintf(kube, sizeof kube, "%s/kube/config", dir);
	o->run_dir = run;
	o->source = strcmp(variants[v].source, "k8s") == 0 ? "k8s" : source;
	o->gossip_key_file = key;
	o->kubeconfig = kube;
	snprintf(state, sizeof state, "%s/state", dir);
	o->state_dir = state;
}

static bool enter(enum variant v, bool seal)
{
	static char token[128], linked[128];
	struct options o;
	const struct sandbox_rules *rules = sandbox_rules_of(variants[v].daemon);
	fill_options(&o, v);
	/* Only a watcher of an API server has a kubeconfig that names more files. */
	snprintf(token, sizeof token, "%s/pki/token", dir);
	snprintf(linked, sizeof linked, "%s/pki/client.key", dir);
	const char *const reads[] = { token, linked, NULL };
	const struct sandbox_context c = { .options = &o,
					   .reads = v == WATCHER_K8S ? reads : NULL,
					   .uid = UID_BASE + variants[v].offset,
					   .enabled = true };
	return sandbox_enter(rules, &c, missing, sizeof missing) == 0 &&
	       (!seal || sandbox_seal(rules, &c) == 0);
}

static void silence(void)
{
	int null = open("/dev/null", O_WRONLY);
	dup2(null, STDERR_FILENO);
}

/* Runs one probe in a process of its own; sandboxed or not. */
static int try_probe(const struct probe *p, enum variant v, bool sandboxed)
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct room r;
		silence();
		if (!open_before(&r, v) || (sandboxed && !enter(v, true)))
			_exit(BROKEN);
		_exit(p->run(&r) == 0 ? WORKED : REFUSED);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN;
}

/* What this kernel and build cannot do, as sandbox_enter says it. */
static void find_missing(void)
{
	int pipe_ends[2];
	char text[256] = "";
	assert_int_equal(pipe(pipe_ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		bool ok = enter(ALLOCATOR, false);
		ssize_t n = write(pipe_ends[1], missing, strlen(missing));
		_exit(ok && n >= 0 ? 0 : 1);
	}
	close(pipe_ends[1]);
	ssize_t n = read(pipe_ends[0], text, sizeof text - 1);
	text[n > 0 ? n : 0] = 0;
	close(pipe_ends[0]);
	int status;
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	strcpy(missing, text);
}

static bool guard_is_missing(enum guard g)
{
	return (g == BY_SECCOMP && strstr(missing, "seccomp")) ||
	       (g == BY_LANDLOCK && strstr(missing, "Landlock"));
}

static void test_every_cell(void **state)
{
	(void)state;
	unsigned bad = 0, cells = 0;
	if (geteuid() != 0) {
		print_message("skipped: only root can give up what the probes try\n");
		skip();
	}
	find_missing();
	if (missing[0])
		print_message("without: %s\n", missing);
	for (size_t i = 0; i < n_probes; i++) {
		const struct probe *p = &probes[i];
		int off = try_probe(p, ALLOCATOR, false);
		if (off != WORKED) {
			print_message("skipped: %s does not work here without a sandbox either (%d)\n",
				      p->name, off);
			continue;
		}
		for (unsigned v = 0; v < VARIANT_N; v++) {
			bool may = p->may & MAY(v);
			if (!may && guard_is_missing(p->guard))
				continue;
			int got = try_probe(p, (enum variant)v, true);
			cells++;
			if (may ? got == WORKED : got == REFUSED || got == KILLED)
				continue;
			print_message("%s: %s: %s (%d)\n", variants[v].what, p->name,
				      may ? "is needed, and refused" : "is not refused", got);
			bad++;
		}
	}
	print_message("%u cells tried\n", cells);
	assert_int_equal(bad, 0);
}

/* Between the two steps: what starting a bus needs. */
static void test_starting_works(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	for (unsigned v = 0; v < VARIANT_N; v++) {
		int status;
		pid_t pid = fork();
		if (pid == 0) {
			struct sockaddr_un a = { .sun_family = AF_UNIX };
			struct room r;
			bool ok = open_before(&r, (enum variant)v) && enter((enum variant)v, false);
			snprintf(a.sun_path, sizeof a.sun_path, "%s/run/%s/pub", dir, r.name);
			for (int life = 0; ok && life < 2; life++) {
				int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
				(void)unlink(a.sun_path);
				ok = s >= 0 && bind(s, (const struct sockaddr *)&a, sizeof a) == 0 &&
				     chmod(a.sun_path, 0666) == 0 && listen(s, 8) == 0;
				close(s);
			}
			_exit(ok && unlink(a.sun_path) == 0 ? 0 : 1);
		}
		waitpid(pid, &status, 0);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			fail_msg("%s cannot start (status %#x)", variants[v].what, (unsigned)status);
	}
}

static sem_t go;

static void *listen_later(void *arg)
{
	const struct room *r = arg;
	sem_wait(&go);
	/* Not exit: the process must live long enough to be killed, or to report. */
	_exit(listen(r->listener, 1) == 0 ? WORKED : REFUSED);
}

/* The second step reaches threads that were started before it. */
static void test_seal_reaches_all_threads(void **state)
{
	(void)state;
	int status;
	if (geteuid() != 0 || guard_is_missing(BY_SECCOMP))
		skip();
	pid_t pid = fork();
	if (pid == 0) {
		static struct room r;
		pthread_t t;
		silence();
		sem_init(&go, 0, 0);
		if (!open_before(&r, L2D) || !enter(L2D, false) ||
		    pthread_create(&t, NULL, listen_later, &r) != 0)
			_exit(BROKEN);
		struct options o;
		fill_options(&o, L2D);
		const struct sandbox_context c = { .options = &o, .uid = (uid_t)-1, .enabled = true };
		if (sandbox_seal(sandbox_rules_of(DAEMON_L2D), &c) < 0)
			_exit(BROKEN);
		sem_post(&go);
		pthread_join(t, NULL);
		_exit(BROKEN);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == KILLED);
}

static void test_a_refused_call_is_named(void **state)
{
	(void)state;
	int ends[2], status;
	char text[256] = "", want[64];
	if (geteuid() != 0 || guard_is_missing(BY_SECCOMP))
		skip();
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		if (enter(ALLOCATOR, true))
			(void)syscall(SYS_swapoff, "x");
		_exit(1);
	}
	close(ends[1]);
	ssize_t n = read(ends[0], text, sizeof text - 1);
	text[n > 0 ? n : 0] = 0;
	close(ends[0]);
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == KILLED);
	snprintf(want, sizeof want, "refused syscall%*d\"", 6, (int)SYS_swapoff);
	assert_non_null(strstr(text, want));
	assert_int_equal(text[strlen(text) - 1], '\n');
}

/* Facts that the kernel tells about a process in the sandbox. */
static void test_capabilities_are_gone(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"CapInh:\t0000000000000000",	    "CapPrm:\t0000000000000000",
		"CapEff:\t0000000000000000",	    "CapBnd:\t0000000000000000",
		"CapAmb:\t0000000000000000",	    "NoNewPrivs:\t1",
		"Uid:\t64105\t64105\t64105\t64105", "Gid:\t64105\t64105\t64105\t64105"
	};
	int status;
	if (geteuid() != 0)
		skip();
	pid_t pid = fork();
	if (pid == 0) {
		char text[4096];
		if (!enter(BGPD, true))
			_exit(100);
		int fd = open("/proc/self/status", O_RDONLY);
		ssize_t n = read(fd, text, sizeof text - 1);
		text[n > 0 ? n : 0] = 0;
		for (unsigned i = 0; i < ARRAY_LEN(lines); i++)
			if (!strstr(text, lines[i]))
				_exit(1 + (int)i);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Off means off: nothing changes. As a user who is not root, it does what it can and says what it cannot. */
static void test_off_and_unprivileged(void **state)
{
	(void)state;
	int status;
	struct options o;
	char text[256];
	fill_options(&o, L2D);
	const struct sandbox_rules *rules = sandbox_rules_of(DAEMON_L2D);
	const struct sandbox_context off = { .options = &o, .uid = 1, .enabled = false };
	assert_int_equal(sandbox_enter(rules, &off, text, sizeof text), 0);
	assert_string_equal(text, "everything (turned off)");
	assert_int_equal(sandbox_seal(rules, &off), 0);
	assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	pid_t pid = fork();
	if (pid == 0) {
		const struct sandbox_context other = { .options = &o, .uid = 64104, .enabled = true };
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
			_exit(1);
		if (sandbox_enter(rules, &other, text, sizeof text) < 0)
			_exit(2);
		_exit(strstr(text, "own user id") ? 0 : 3);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_every_daemon_has_rules(void **state)
{
	(void)state;
	for (unsigned d = 0; d < DAEMON_N; d++)
		if (ALL_ROOMS & (1u << d))
			assert_non_null(sandbox_rules_of((enum daemon_id)d));
	assert_null(sandbox_rules_of(DAEMON_CTL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cell),
		cmocka_unit_test(test_starting_works),
		cmocka_unit_test(test_seal_reaches_all_threads),
		cmocka_unit_test(test_a_refused_call_is_named),
		cmocka_unit_test(test_capabilities_are_gone),
		cmocka_unit_test(test_off_and_unprivileged),
		cmocka_unit_test(test_every_daemon_has_rules),
	};
	return cmocka_run_group_tests(tests, make_rooms, remove_rooms);
}
