/* Keeps the state file in step with the journal. Runs in the watcher; writes below the state folder only.
 * Copies a slice per turn of the loop and lets a thread wait for the disk, so that nothing else waits. A disk
 * that fails is said once and tried again later: the file is for bad days, and nobody waits for it on good
 * ones. */
#include "watcher/k8s/keep/state_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/run/fdio.h"
#include "lib/run/log.h"

enum { PATH_BYTES = 4096, SLICE = 128 << 10 };
#define QUIET	   SEC(1) /* after the last change */
#define INTERVAL   SEC(2)
#define RETRY	   SEC(30)
#define MOST_BYTES ((off_t)1 << 30)

enum phase { IDLE, COPYING, SYNCING };

struct state_file {
	struct loop *loop;
	const struct journal *journal;
	char dir[PATH_BYTES / 2], path[PATH_BYTES], temporary[PATH_BYTES];
	int fd;		     /* -1 = the next writing begins a new file */
	bool is_new;	     /* fd is the temporary one, not renamed yet */
	uint64_t generation; /* of the journal that the file follows */
	uint64_t len, goal;  /* bytes written, and to be written in this round */
	enum phase phase;
	struct loop_timer *timer;
	struct loop_defer *slice;
	struct loop_sync *sync;
	bool is_armed;
	mono_t first, last; /* changes that are not written */
	mono_t earliest;    /* of the next round */
	int said;	    /* the error that was said, and is not over */
	int64_t *writes, *failures;
};

/* Said when it begins, when it is another one, and when it is over. */
static void complain(struct state_file *f, const char *what, int rc)
{
	++*f->failures;
	if (f->said != rc)
		log_line(LOG_ERROR, "source", "stateFile",
			 "%s: %s: %s; without it a start while the API server is away announces nothing",
			 f->path, what, strerror(-rc));
	f->said = rc;
}

static void close_file(struct state_file *f)
{
	if (f->fd >= 0 && f->is_new)
		unlink(f->temporary); /* gives the space back */
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	f->is_new = false;
}

static void fail(struct state_file *f, const char *what, int rc)
{
	complain(f, what, rc);
	close_file(f);
	f->phase = IDLE;
	f->earliest = mono_add(loop_now(f->loop), RETRY);
	f->is_armed = true;
	loop_timer_set(f->timer, f->earliest);
}

/* Two instances may write here for a moment, while one takes over from the other: whoever writes a temporary
 * file holds its lock, and the last one to rename wins with a whole file. */
static int open_temporary(struct state_file *f)
{
	struct stat own, named;
	int fd = open(f->temporary, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	int rc = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
	/* Perhaps the other one has renamed it in between. */
	if (rc == 0 && (fstat(fd, &own) < 0 || stat(f->temporary, &named) < 0 || own.st_ino != named.st_ino))
		rc = -EAGAIN;
	if (rc == 0 && ftruncate(fd, 0) < 0)
		rc = -errno;
	if (rc < 0) {
		close(fd);
		return rc;
	}
	f->fd = fd;
	f->is_new = true;
	f->generation = f->journal->generation;
	f->len = 0;
	return 0;
}

/* Somebody may have removed or replaced it. */
static bool is_still_there(const struct state_file *f)
{
	struct stat st;
	return f->fd >= 0 && fstat(f->fd, &st) == 0 && st.st_nlink > 0;
}

static bool is_in_step(const struct state_file *f)
{
	return f->fd >= 0 && f->generation == f->journal->generation && f->len == f->journal->len;
}

/* Choose the file of this round. 0 or a negative errno. */
static int begin(struct state_file *f)
{
	if (f->generation != f->journal->generation || !is_still_there(f))
		close_file(f);
	int rc = f->fd >= 0 ? 0 : open_temporary(f);
	f->goal = f->journal->len;
	return rc;
}

/* The next bytes of the journal. 1: there are more; 0: all written; or a negative errno. */
static int copy_slice(struct state_file *f)
{
	static uint8_t buf[SLICE];
	uint64_t left = f->goal - f->len;
	size_t n = left < SLICE ? (size_t)left : SLICE;
	ssize_t got = fdio_read(f->journal->fd, buf, n, f->len);
	if (got != (ssize_t)n)
		return got < 0 ? (int)got : -EIO;
	int rc = fdio_write(f->fd, buf, n, f->len);
	if (rc < 0)
		return rc;
	f->len += n;
	return f->len < f->goal;
}

/* The disk has it. 0 or a negative errno. */
static int finish(struct state_file *f)
{
	if (f->is_new && rename(f->temporary, f->path) < 0)
		return -errno;
	f->is_new = false;
	++*f->writes;
	if (f->said)
		log_line(LOG_INFO, "source", "stateFile", "%s is written again", f->path);
	f->said = 0;
	return 0;
}

static void on_synced(void *ctx, int error)
{
	struct state_file *f = ctx;
	int rc = error < 0 ? error : finish(f);
	if (rc < 0) {
		fail(f, "cannot be written", rc);
		return;
	}
	f->phase = IDLE;
	if (!is_in_step(f))
		state_file_changed(f);
}

static void on_slice(void *ctx)
{
	struct state_file *f = ctx;
	bool is_same = f->generation == f->journal->generation;
	int rc = is_same ? copy_slice(f) : 0;
	if (rc > 0) {
		loop_defer_ask(f->slice);
		return;
	}
	/* The journal moved under the copy: once more, from its beginning. */
	if (!is_same) {
		close_file(f);
		f->phase = IDLE;
		state_file_changed(f);
		return;
	}
	rc = rc < 0 ? rc : loop_sync_start(f->sync, f->fd);
	f->phase = SYNCING;
	if (rc < 0)
		fail(f, "cannot be written", rc);
}

static void on_timer(void *ctx)
{
	struct state_file *f = ctx;
	mono_t now = loop_now(f->loop),
	       due = mono_min(mono_add(f->last, QUIET), mono_add(f->first, INTERVAL));
	if (mono_before(due, f->earliest))
		due = f->earliest;
	if (!mono_reached(now, due)) {
		loop_timer_set(f->timer, due);
		return;
	}
	f->is_armed = false;
	f->earliest = mono_add(now, INTERVAL);
	int rc = begin(f);
	if (rc < 0) {
		fail(f, "cannot be made", rc);
		return;
	}
	f->phase = COPYING;
	on_slice(f);
}

void state_file_changed(struct state_file *f)
{
	if (!f->dir[0] || !f->journal->whole)
		return;
	f->last = loop_now(f->loop);
	if (f->is_armed || f->phase != IDLE)
		return;
	f->first = f->last;
	f->is_armed = true;
	mono_t due = mono_add(f->first, QUIET);
	loop_timer_set(f->timer, mono_before(due, f->earliest) ? f->earliest : due);
}

/* What is left, at once: the daemon ends. */
static void write_rest(struct state_file *f)
{
	int rc = begin(f), more = 1;
	while (rc == 0 && more > 0) {
		more = copy_slice(f);
		rc = more < 0 ? more : 0;
	}
	if (rc == 0 && fdatasync(f->fd) < 0)
		rc = -errno;
	rc = rc < 0 ? rc : finish(f);
	if (rc < 0)
		complain(f, "cannot be written", rc);
}

struct state_file *state_file_new(struct loop *l, struct metrics *m, const char *dir, const char *name,
				  const struct journal *j)
{
	struct state_file *f = calloc(1, sizeof *f);
	if (!f)
		return NULL;
	f->loop = l;
	f->journal = j;
	f->fd = -1;
	f->writes = metric_value(metrics_add(m, "ingot_watcher_state_writes_total",
					     "Times that the state file was brought up to date.",
					     METRIC_COUNTER, NULL));
	f->failures = metric_value(metrics_add(m, "ingot_watcher_state_failures_total",
					       "Times that the state file could not be written.",
					       METRIC_COUNTER, NULL));
	f->timer = loop_timer_new(l, on_timer, f);
	f->slice = loop_defer_new(l, on_slice, f);
	f->sync = loop_sync_new(l, on_synced, f);
	errno = ENOMEM;
	if (f->timer && f->slice && f->sync) {
		if (str_fmt(f->dir, sizeof f->dir, "%s", dir) &&
		    str_fmt(f->path, sizeof f->path, "%s/%s", dir, name) &&
		    str_fmt(f->temporary, sizeof f->temporary, "%s/.%s.tmp", dir, name))
			return f;
		errno = ENAMETOOLONG;
	}
	f->dir[0] = 0;
	state_file_free(f);
	return NULL;
}

void state_file_free(struct state_file *f)
{
	if (!f)
		return;
	if (f->dir[0] && f->journal->whole && (f->is_armed || f->phase != IDLE))
		write_rest(f);
	close_file(f);
	loop_timer_free(f->timer);
	loop_defer_free(f->slice);
	loop_sync_free(f->sync);
	free(f);
}

/* A folder that holds nothing but state files. */
static bool is_ours(const char *path)
{
	DIR *d = opendir(path);
	bool ours = d != NULL;
	for (struct dirent *e; ours && (e = readdir(d));)
		ours = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		       str_starts(e->d_name, "mirror.") || str_starts(e->d_name, ".mirror.");
	if (d)
		closedir(d);
	return ours;
}

/* The folder came from whoever runs this host: it is taken over only if nothing of theirs is in it. */
static int give_folder(const struct state_file *f, uid_t uid)
{
	struct stat st;
	if (lstat(f->dir, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (st.st_uid == uid)
		return 0;
	if (st.st_uid != 0)
		return -EPERM;
	if (!is_ours(f->dir))
		return -ENOTEMPTY;
	return lchown(f->dir, uid, uid) < 0 ? -errno : 0;
}

static int give_file(const char *path, uid_t uid)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	return st.st_uid == 0 && S_ISREG(st.st_mode) && lchown(path, uid, uid) < 0 ? -errno : 0;
}

int state_file_prepare(struct state_file *f, uid_t uid)
{
	if (!f->dir[0])
		return 0;
	int rc = mkdir(f->dir, 0700) < 0 && errno != EEXIST ? -errno : 0;
	if (rc == 0 && uid != (uid_t)-1) {
		rc = give_folder(f, uid);
		rc = rc < 0 ? rc : give_file(f->path, uid);
		rc = rc < 0 ? rc : give_file(f->temporary, uid);
	}
	if (rc < 0)
		complain(f, "its folder cannot be used", rc);
	return rc;
}

int state_file_open(const struct state_file *f, int64_t *written_ms)
{
	struct stat st;
	if (!f->dir[0])
		return -ENOENT;
	int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	int rc = fstat(fd, &st) < 0	   ? -errno
		 : !S_ISREG(st.st_mode)	   ? -EINVAL
		 : st.st_size > MOST_BYTES ? -EFBIG
					   : 0;
	if (rc < 0) {
		close(fd);
		return rc;
	}
	*written_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	return fd;
}

const char *state_file_path(const struct state_file *f)
{
	return f->path;
}
