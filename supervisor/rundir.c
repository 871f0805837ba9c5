/* Folders of an instance. Runs in the supervisor at start, as root where it can; opens every folder before it
 * changes owner or mode, so that nobody can put a link in its place meanwhile. */
#include "supervisor/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/strbuf.h"

static const unsigned offsets[] = {
#define X(constant, name, offset) [DAEMON_##constant] = offset,
	DAEMONS(X)
#undef X
};

/* All parents too, as mkdir -p does. */
static int make_folders(const char *path)
{
	char part[256];
	if (!str_fmt(part, sizeof part, "%s", path))
		return -ENAMETOOLONG;
	for (char *p = part + 1;; p++) {
		if (*p != '/' && *p != 0)
			continue;
		char kept = *p;
		*p = 0;
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = kept;
		if (!kept)
			return 0;
	}
}

/* Owned by uid ((uid_t)-1: left as it is), mode 0755. What is right already is left alone, and the mode comes
 * first: root in a container may give a folder away, but not change one that belongs to another user. */
static int own_folder(int dir, const char *name, uid_t uid)
{
	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	struct stat st;
	int r = fstat(fd, &st) < 0 ? -errno : 0;
	if (r == 0 && (st.st_mode & 07777) != 0755 && fchmod(fd, 0755) < 0)
		r = -errno;
	bool given = uid == (uid_t)-1 || (st.st_uid == uid && st.st_gid == uid);
	if (r == 0 && !given && fchown(fd, uid, uid) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int lock_failed(int fd, const char *path, char *error, unsigned long size)
{
	char pid[16] = "?";
	int e = errno;
	if (e == EWOULDBLOCK) {
		ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
		if (n > 0)
			pid[n] = 0;
		pid[strcspn(pid, "\n")] = 0;
		str_fmt(error, size, "%s: another ingotd (pid %s) uses this run folder", path, pid);
	} else {
		str_fmt(error, size, "%s: %s", path, strerror(e));
	}
	return -e;
}

int rundir_lock(const char *run_dir, char *error, unsigned long size)
{
	char path[160], pid[16];
	struct stat st;
	int r = make_folders(run_dir);
	if (r == 0 && stat(run_dir, &st) < 0)
		r = -errno;
	if (r != 0) {
		str_fmt(error, size, "%s: the run folder cannot be made: %s", run_dir, strerror(-r));
		return r;
	}
	if (st.st_uid != geteuid() || (st.st_mode & 022)) {
		str_fmt(error, size,
			"%s: the run folder must belong to uid %u and be writable by nobody else", run_dir,
			(unsigned)geteuid());
		return -EPERM;
	}
	str_fmt(path, sizeof path, "%s/lock", run_dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = lock_failed(fd, path, error, size);
		if (fd >= 0)
			close(fd);
		return r;
	}
	str_fmt(pid, sizeof pid, "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, strlen(pid), 0) < 0) {
		r = lock_failed(fd, path, error, size);
		close(fd);
		return r;
	}
	return fd;
}

int rundir_folders(const char *run_dir, unsigned daemons, uid_t uid_base, char *error, unsigned long size)
{
	int dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = dir < 0 ? -errno : 0;
	for (unsigned d = 0; d < DAEMON_N && r == 0; d++) {
		if (!(daemons & (1u << d)))
			continue;
		uid_t uid = uid_base == (uid_t)-1 ? uid_base : uid_base + offsets[d];
		r = own_folder(dir, daemon_name((enum daemon_id)d), uid);
		if (r < 0)
			str_fmt(error, size, "%s/%s: %s", run_dir, daemon_name((enum daemon_id)d),
				strerror(-r));
	}
	if (dir < 0)
		str_fmt(error, size, "%s: %s", run_dir, strerror(-r));
	else
		close(dir);
	return r;
}

void rundir_status_folder(const char *source, uid_t uid_base)
{
	if (!str_starts(source, "dir:"))
		return;
	int dir = open(source + 4, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return;
	(void)own_folder(dir, ".status",
			 uid_base == (uid_t)-1 ? uid_base : uid_base + offsets[DAEMON_WATCHER]);
	close(dir);
}

void rundir_libexec(const char *option, char *buf, unsigned long size)
{
	char self[512], probe[576];
	if (option[0]) {
		str_fmt(buf, size, "%s", option);
		return;
	}
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	self[n > 0 ? n : 0] = 0;
	char *slash = strrchr(self, '/');
	if (slash)
		*slash = 0;
	str_fmt(probe, sizeof probe, "%s/%s", self, daemon_name(DAEMON_WATCHER));
	if (access(probe, X_OK) == 0)
		str_fmt(buf, size, "%s", self);
	else
		str_fmt(buf, size, "%s/../libexec/ingot", self);
}
