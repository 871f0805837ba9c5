/* Locks a daemon in, by the rules of sandbox_rules.c. Runs in every daemon after its privileged descriptors
 * are open and before its first thread; the second step, once the bus stands, reaches all threads. Order
 * matters: the bounding set needs root, Landlock and seccomp need no_new_privs, and seccomp would refuse
 * everything before it. */
#include "lib/run/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cap-ng.h>
#include <seccomp.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/run/sandbox_rules.h"

/* Sanitizers make system calls of their own, and look for leaks by tracing themselves. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { PATH_BYTES = 512, EXIT_REFUSED = 128 + SIGSYS };

static void add_missing(char *missing, unsigned long size, const char *what)
{
	size_t n = strlen(missing);
	if (n < size)
		str_fmt(missing + n, size - n, "%s%s", n ? ", " : "", what);
}

static int become_user(uid_t uid, char *missing, unsigned long size)
{
	if (uid == (uid_t)-1 || uid == geteuid())
		return 0;
	if (geteuid() != 0) {
		add_missing(missing, size, "own user id");
		return 0;
	}
	if (setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0)
		return 0;
	return -errno;
}

/* Also for a root that stays root: it keeps its user id and loses its powers. */
static int drop_capabilities(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return -EPERM;
	return 0;
}

/* A container may hold back the power to do this; with no_new_privs nothing can be gained by exec anyway. */
static int drop_bounding(char *missing, unsigned long size)
{
	if (geteuid() != 0)
		return 0;
	for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++) {
		if (prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 0 || prctl(PR_CAPBSET_DROP, c, 0, 0, 0) == 0)
			continue;
		if (errno != EPERM)
			return -errno;
		add_missing(missing, size, "bounding set");
		return 0;
	}
	return 0;
}

static int set_limits(const struct sandbox_rules *r)
{
	const struct rlimit none = { 0, 0 };
	struct rlimit files;
	if (setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_MSGQUEUE, &none) < 0 ||
	    getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	if (files.rlim_max > r->files)
		files.rlim_max = r->files;
	files.rlim_cur = files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0;
}

/* Landlock. The constants that Debian's headers do not have yet, by the version that brought them. */
struct ruleset {
	uint64_t fs, net, scoped;
};
#define LL_V1	      ((1ull << 13) - 1)
#define LL_REFER      (1ull << 13) /* 2 */
#define LL_TRUNCATE   (1ull << 14) /* 3 */
#define LL_TCP	      3ull	   /* 4: bind and connect */
#define LL_IOCTL_DEV  (1ull << 15) /* 5 */
#define LL_SIGNAL     2ull	   /* 6: signals to processes outside */
#define LL_READ	      (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define LL_FILE_WORDS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LL_TRUNCATE)

static uint64_t landlock_rights(unsigned access, uint64_t handled)
{
	uint64_t rights = 0;
	if (access & FILES_READ)
		rights |= LL_READ;
	if (access & FILES_WRITE)
		rights |= LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
			  LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
			  LANDLOCK_ACCESS_FS_REMOVE_DIR | LL_REFER | LL_TRUNCATE;
	if (access & FILES_SOCKETS)
		rights |= LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE;
	return rights & handled;
}

static void folder_of(const char *file, char *buf, size_t size)
{
	const char *slash = strrchr(file, '/');
	size_t n = slash && slash != file ? (size_t)(slash - file) : 1;
	str_fmt(buf, size, "%.*s", (int)n, file);
}

/* False when the rule does not apply, with this source or because its option is not set. */
static bool rule_path(const struct sandbox_file *f, const struct sandbox_rules *r, const struct options *o,
		      char buf[static PATH_BYTES])
{
	bool dir = str_starts(o->source, "dir:");
	if (!(f->daemons & (1u << r->daemon)) || (f->when == WHEN_DIR && !dir) ||
	    (f->when == WHEN_K8S && dir))
		return false;
	buf[0] = 0;
	switch (f->path) {
	case PATH_LITERAL: str_fmt(buf, PATH_BYTES, "%s", f->literal); break;
	case PATH_OWN_RUN: str_fmt(buf, PATH_BYTES, "%s/%s", o->run_dir, daemon_name(r->daemon)); break;
	case PATH_MANIFESTS: str_fmt(buf, PATH_BYTES, "%s", o->source + 4); break;
	case PATH_STATUS: str_fmt(buf, PATH_BYTES, "%s/.status", o->source + 4); break;
	case PATH_KUBECONFIG:
		if (o->kubeconfig[0])
			folder_of(o->kubeconfig, buf, PATH_BYTES);
		break;
	case PATH_STATE: str_fmt(buf, PATH_BYTES, "%s", o->state_dir); break;
	case PATH_GOSSIP_KEY:
		if (o->gossip_key_file[0])
			folder_of(o->gossip_key_file, buf, PATH_BYTES);
		break;
	}
	return buf[0] != 0;
}

/* A path that does not exist gives no right to anything: that is no error. */
static int add_path(int ruleset, const char *path, uint64_t rights)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -errno;
	struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };
	int r = 0;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		r = -errno;
	if (r == -EINVAL) {
		/* Rights of folders make no sense on a file. */
		rule.allowed_access &= LL_FILE_WORDS;
		r = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno
												      : 0;
	}
	close(fd);
	return r;
}

/* A file by itself, since it may be a link to elsewhere, and its folder, since it is replaced as a whole when
 * it changes. The root folder would be everything. */
static int add_read(int ruleset, uint64_t handled, const char *file)
{
	char folder[PATH_BYTES];
	int result = add_path(ruleset, file, landlock_rights(FILES_READ, handled));
	folder_of(file, folder, sizeof folder);
	if (result == 0 && strcmp(folder, "/") != 0)
		result = add_path(ruleset, folder, landlock_rights(FILES_READ, handled));
	return result;
}

static int add_paths(int ruleset, uint64_t handled, const struct sandbox_rules *r,
		     const struct sandbox_context *c)
{
	char path[PATH_BYTES];
	int result = 0;
	for (size_t i = 0; i < sandbox_n_files && result == 0; i++)
		if (rule_path(&sandbox_files[i], r, c->options, path))
			result = add_path(ruleset, path, landlock_rights(sandbox_files[i].access, handled));
	for (size_t i = 0; c->reads && c->reads[i] && result == 0; i++)
		result = add_read(ruleset, handled, c->reads[i]);
	return result;
}

static int enter_landlock(const struct sandbox_rules *r, const struct sandbox_context *c, char *missing,
			  unsigned long size)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1) {
		add_missing(missing, size, "Landlock");
		return 0;
	}
	struct ruleset a = { .fs = LL_V1 };
	a.fs |= (abi >= 2 ? LL_REFER : 0) | (abi >= 3 ? LL_TRUNCATE : 0) | (abi >= 5 ? LL_IOCTL_DEV : 0);
	a.net = abi >= 4 && r->no_tcp ? LL_TCP : 0;
	a.scoped = abi >= 6 ? LL_SIGNAL : 0;
	size_t known = abi >= 6 ? sizeof a : abi >= 4 ? offsetof(struct ruleset, scoped) : sizeof a.fs;
	int fd = (int)syscall(SYS_landlock_create_ruleset, &a, known, 0);
	if (fd < 0)
		return -errno;
	int result = add_paths(fd, a.fs, r, c);
	if (result == 0 && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		result = -errno;
	close(fd);
	return result;
}

/* Says which call was refused, for whoever forgot it in the table. Only functions that are safe in a handler.
 */
static void refused(int signal, siginfo_t *info, void *context)
{
	char text[] = "level=error event=sandboxRefused msg=\"sandbox: refused syscall      \"\n";
	char *digit = text + sizeof text - 3;
	(void)signal;
	(void)context;
	for (int n = info->si_syscall; n > 0 || digit == text + sizeof text - 3; n /= 10)
		*--digit = (char)('0' + n % 10);
	ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
	(void)ignored;
	_exit(EXIT_REFUSED);
}

static struct scmp_arg_cmp comparison(const struct sandbox_arg *a)
{
	if (a->masked)
		return (struct scmp_arg_cmp){ a->index, SCMP_CMP_MASKED_EQ, a->mask, a->value };
	return (struct scmp_arg_cmp){ a->index, SCMP_CMP_EQ, a->value, 0 };
}

static int add_calls(scmp_filter_ctx filter, unsigned groups)
{
	for (size_t i = 0; i < sandbox_n_calls; i++) {
		const struct sandbox_call *c = &sandbox_calls[i];
		if (!(c->groups & groups))
			continue;
		const struct scmp_arg_cmp args[] = { comparison(&c->args[0]), comparison(&c->args[1]) };
		uint32_t action = c->error ? SCMP_ACT_ERRNO((unsigned)c->error) : SCMP_ACT_ALLOW;
		int r = seccomp_rule_add_array(filter, action, c->number, c->n_args, args);
		if (r < 0)
			return r;
	}
	const struct scmp_arg_cmp own = { 0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0 };
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &own);
}

static int load_filter(unsigned groups, bool all_threads)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	if (!filter)
		return -ENOMEM;
	/* no_new_privs is set already. */
	int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	if (r == 0 && all_threads)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = add_calls(filter, groups);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

static int enter_seccomp(unsigned groups, char *missing, unsigned long size)
{
	struct sigaction action = { .sa_sigaction = refused, .sa_flags = SA_SIGINFO };
	if (SANITIZED) {
		add_missing(missing, size, "seccomp (sanitizer build)");
		return 0;
	}
	if (sigaction(SIGSYS, &action, NULL) < 0)
		return -errno;
	int r = load_filter(groups, false);
	if (r == -EINVAL || r == -ENOSYS || r == -ECANCELED) {
		add_missing(missing, size, "seccomp");
		return 0;
	}
	return r;
}

static bool is_k8s(const struct sandbox_context *c)
{
	return !str_starts(c->options->source, "dir:");
}

int sandbox_enter(const struct sandbox_rules *r, const struct sandbox_context *c, char *missing,
		  unsigned long size)
{
	must(size > 0);
	missing[0] = 0;
	if (!c->enabled) {
		add_missing(missing, size, "everything (turned off)");
		return 0;
	}
	int result = set_limits(r);
	if (result == 0)
		result = drop_bounding(missing, size);
	if (result == 0)
		result = become_user(c->uid, missing, size);
	if (result == 0)
		result = drop_capabilities();
	if (result == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		result = -errno;
	if (result == 0 && prctl(PR_SET_DUMPABLE, SANITIZED, 0, 0, 0) < 0)
		result = -errno;
	if (result == 0)
		result = enter_landlock(r, c, missing, size);
	if (result == 0)
		result = enter_seccomp(r->enter | (is_k8s(c) ? r->enter_k8s : 0), missing, size);
	return result;
}

int sandbox_seal(const struct sandbox_rules *r, const struct sandbox_context *c)
{
	/* Without the first filter (an old kernel) there is nothing to tighten. */
	if (!c->enabled || SANITIZED || prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2)
		return 0;
	return load_filter(r->seal | (is_k8s(c) ? r->seal_k8s : 0), true);
}
