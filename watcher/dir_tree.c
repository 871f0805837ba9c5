/* A folder of manifests, watched with inotify: tells which files have new content and which are gone. Runs in
 * the watcher; reads only. What it must not do: take a half-written file for a whole one, or a rename dance
 * of an editor for a deletion.
 *
 * A file is read when its writer has closed it, or when it was moved into place, at once. Before the content
 * counts, all events are read again: if somebody opened it for a new version meanwhile, the content is thrown
 * away and the next close is waited for. A file that disappeared, or became empty, is given a moment to come
 * back. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/strbuf.h"
#include "lib/run/log.h"
#include "watcher/dir_tree_internal.h"

struct dir_tree *dir_tree_new(const char *root, const struct dir_reader *reader, void *ctx)
{
	struct dir_tree *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->reader = *reader;
	t->ctx = ctx;
	t->inotify = -1;
	map_init(&t->folders);
	map_init(&t->pending);
	if (str_fmt(t->root, sizeof t->root, "%s", root))
		return t;
	free(t);
	errno = ENAMETOOLONG;
	return NULL;
}

static void stop_watching(struct dir_tree *t)
{
	loop_fd_free(t->watch);
	t->watch = NULL;
	if (t->inotify >= 0)
		close(t->inotify);
	t->inotify = -1;
	map_fini(&t->folders, free);
	map_fini(&t->pending, free);
}

void dir_tree_free(struct dir_tree *t)
{
	if (!t)
		return;
	stop_watching(t);
	loop_timer_free(t->grace);
	loop_timer_free(t->retry);
	free(t);
}

int dir_tree_fd(const struct dir_tree *t)
{
	return t->inotify;
}

bool dir_absolute(const struct dir_tree *t, const char *path, char buf[static FILES_PATH])
{
	return files_join(buf, t->root, path);
}

void dir_lose(struct dir_tree *t, const char *reason)
{
	stop_watching(t);
	t->lost = true;
	if (strcmp(reason, t->lost_reason) != 0) {
		str_fmt(t->lost_reason, sizeof t->lost_reason, "%s", reason);
		t->reader.lost(t->ctx, reason);
	}
	loop_timer_set(t->grace, MONO_NEVER);
	loop_timer_set(t->retry, mono_add(loop_now(t->loop), RETRY_US));
}

/* Is the folder that we watch still the one with this name? */
static bool root_is_there(const struct dir_tree *t)
{
	struct stat st;
	return stat(t->root, &st) == 0 && st.st_dev == t->device && st.st_ino == t->inode;
}

static void unseen_file(void *tree, const char *path)
{
	struct dir_tree *t = tree;
	if (!map_get(&t->pending, path))
		dir_mark_gone(t, path, false, GRACE_DELETED_US);
}

static int watch_folder(struct dir_tree *t, const char *path)
{
	char full[FILES_PATH];
	void *old = NULL;
	if (map_len(&t->folders) >= FOLDERS)
		return -ENOSPC;
	if (!dir_absolute(t, path, full))
		return -ENAMETOOLONG;
	int wd = inotify_add_watch(t->inotify, full, EVENTS);
	if (wd < 0)
		return -errno;
	char *name = strdup(path);
	if (!name || map_set_n(&t->folders, &wd, sizeof wd, name, &old) < 0) {
		free(name);
		return -ENOMEM;
	}
	free(old);
	if (!*path)
		t->root_wd = wd;
	return 0;
}

static bool is_folder(const char *full, unsigned char type)
{
	struct stat st;
	if (type != DT_UNKNOWN)
		return type == DT_DIR;
	return lstat(full, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Watch first, then list: what comes in between is seen twice, never missed. */
static int list_folder(struct dir_tree *t, const char *path, int depth)
{
	char full[FILES_PATH], child[FILES_PATH], child_full[FILES_PATH];
	int rc = watch_folder(t, path);
	DIR *d = rc == 0 && dir_absolute(t, path, full) ? opendir(full) : NULL;
	if (!d)
		return rc < 0 ? rc : -errno;
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.' || !files_join(child, path, e->d_name) ||
		    !dir_absolute(t, child, child_full))
			continue;
		if (!is_folder(child_full, e->d_type)) {
			if (dir_is_manifest(e->d_name))
				dir_mark_found(t, child);
			continue;
		}
		rc = depth > 0 ? list_folder(t, child, depth - 1) : -ELOOP;
		if (rc < 0 && rc != -ENOENT)
			t->reader.unreadable(t->ctx, child, strerror(-rc));
	}
	closedir(d);
	return 0;
}

void dir_scan_folder(struct dir_tree *t, const char *path)
{
	int rc = list_folder(t, path, 32);
	if (rc < 0 && rc != -ENOENT)
		t->reader.unreadable(t->ctx, path, strerror(-rc));
}

static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);
	return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == 0);
}

/* Read one file. When it was changed meanwhile its next close will tell. */
static void read_file(struct dir_tree *t, const char *path)
{
	char full[FILES_PATH], *data = NULL;
	size_t len = 0;
	struct pending *p = map_get(&t->pending, path);
	unsigned changes = p->changes;
	p->dirty = false;
	int rc = dir_absolute(t, path, full) ? files_read(full, FILE_BYTES, &data, &len) : -ENAMETOOLONG;
	dir_drain(t);
	p = map_get(&t->pending, path); /* gone when the whole folder was lost */
	if (!p || p->changes != changes || p->dirty) {
		if (data)
			explicit_bzero(data, len);
		free(data);
		return;
	}
	p->failed = rc < 0;
	if (rc == -ENOENT || rc == -ENOTDIR)
		dir_mark_gone(t, path, false, GRACE_DELETED_US);
	else if (rc == -EISDIR)
		t->reader.unreadable(t->ctx, path, "not a regular file");
	else if (rc < 0)
		t->reader.unreadable(t->ctx, path, strerror(-rc));
	else if (len == 0 && !p->late && t->reader.is_used(t->ctx, path))
		dir_mark_gone(t, path, false, GRACE_MOVED_US);
	else
		t->reader.content(t->ctx, path, data, len);
	if (data)
		explicit_bzero(data, len);
	free(data);
}

static void folder_gone(struct dir_tree *t, const char *path)
{
	/* Watches of folders that were moved elsewhere in the tree have their new path by now. */
	map_each (&t->folders, e) {
		if (!is_below(e->value, path))
			continue;
		int wd;
		memcpy(&wd, e->key, sizeof wd);
		inotify_rm_watch(t->inotify, wd);
	}
	t->reader.scan_begin(t->ctx, path);
	t->reader.each_unseen(t->ctx, path, unseen_file, t);
}

static void grace_over(struct dir_tree *t, const char *path, struct pending *p)
{
	char full[FILES_PATH];
	struct stat st;
	p->gone = MONO_NEVER;
	bool there = dir_absolute(t, path, full) && stat(full, &st) == 0;
	if (p->folder && !there) {
		folder_gone(t, path);
	} else if (there) {
		p->late = true;
		p->dirty = !p->folder && !p->writing;
	} else if (root_is_there(t)) {
		t->reader.deleted(t->ctx, path);
	} else {
		dir_lose(t, "the folder was replaced");
	}
}

static void scan_all(struct dir_tree *t)
{
	t->overflow = false;
	t->reader.scan_begin(t->ctx, "");
	/* The news of a close may have been lost with the others. */
	map_each (&t->pending, e)
		((struct pending *)e->value)->writing = false;
	int rc = list_folder(t, "", 32);
	if (rc < 0) {
		char reason[256];
		str_fmt(reason, sizeof reason, "the folder cannot be read: %s", strerror(-rc));
		dir_lose(t, reason);
		return;
	}
	/* Back from nowhere and empty: more likely a mount that is missing than everything deleted at once.
	 */
	if (t->was_lost && map_len(&t->pending) == 0 && t->reader.is_used(t->ctx, "")) {
		t->reader.lost(t->ctx, "the folder is back, but has no manifests: nothing is taken away");
		return;
	}
	t->was_lost = false;
	t->complete = true;
}

/* After a scan and what it has found: whatever was not met is missing. */
static void sweep(struct dir_tree *t)
{
	t->complete = false;
	t->reader.each_unseen(t->ctx, "", unseen_file, t);
}

static bool is_idle(const struct pending *p)
{
	return p->gone.us == MONO_NEVER.us && !p->dirty && !p->writing;
}

/* Act on one pending path: content first, so that objects that moved to another file are never without one.
 * False when there is nothing to do now. */
static bool act_one(struct dir_tree *t, mono_t now, bool deletions)
{
	char path[FILES_PATH];
	map_each (&t->pending, e) {
		struct pending *p = e->value;
		bool due = p->gone.us != MONO_NEVER.us && mono_reached(now, p->gone);
		if (is_idle(p)) {
			free(map_del_n(&t->pending, e->key, e->key_len));
			continue;
		}
		if (deletions ? !due : due || !p->dirty || p->writing)
			continue;
		/* What follows may forget everything that is pending. */
		str_fmt(path, sizeof path, "%s", e->key);
		if (deletions)
			grace_over(t, path, p);
		else
			read_file(t, path);
		return true;
	}
	return false;
}

/* Act on what is pending; set the timer for what must wait. */
static void act(struct dir_tree *t)
{
	mono_t now = loop_clock(), next = MONO_NEVER;
	while (!t->lost && (act_one(t, now, false) || (!t->lost && act_one(t, now, true))))
		;
	if (t->lost)
		return;
	map_each (&t->pending, e)
		next = mono_min(next, ((const struct pending *)e->value)->gone);
	loop_timer_set(t->grace, next);
}

static void process(struct dir_tree *t)
{
	bool scanned = false;
	dir_drain(t);
	for (int rounds = 0; !t->lost && rounds < 8; rounds++) {
		if (t->overflow || (t->was_lost && map_len(&t->pending))) {
			if (t->overflow)
				log_line(LOG_WARN, "source", "rescan",
					 "too many changes at once: everything is read again");
			scan_all(t);
		}
		act(t);
		if (t->complete && !t->lost) {
			scanned = true;
			sweep(t);
			act(t);
		}
		if (!t->overflow)
			break;
	}
	if (!t->lost)
		t->reader.settled(t->ctx, scanned);
}

static void on_readable(void *ctx, unsigned events)
{
	(void)events;
	process(ctx);
}

static void on_grace(void *ctx)
{
	process(ctx);
}

/* The sandbox names folders by identity, not by name: what it forbids though file modes do not is a folder
 * that came later. */
static bool is_forbidden(const struct dir_tree *t)
{
	if (faccessat(AT_FDCWD, t->root, R_OK | X_OK, AT_EACCESS) < 0)
		return false;
	DIR *d = opendir(t->root);
	if (d)
		closedir(d);
	return !d && errno == EACCES;
}

static void start(struct dir_tree *t)
{
	struct stat st;
	char reason[256];
	if (stat(t->root, &st) < 0 || !S_ISDIR(st.st_mode)) {
		str_fmt(reason, sizeof reason, "%s: %s", t->root,
			stat(t->root, &st) < 0 ? strerror(errno) : "not a folder");
		dir_lose(t, reason);
		return;
	}
	if (is_forbidden(t)) {
		t->reader.replaced(t->ctx);
		return;
	}
	t->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	t->watch = t->inotify < 0 ? NULL : loop_fd_new(t->loop, t->inotify, LOOP_READ, on_readable, t);
	if (!t->watch) {
		str_fmt(reason, sizeof reason, "inotify: %s", strerror(errno));
		dir_lose(t, reason);
		return;
	}
	t->device = st.st_dev;
	t->inode = st.st_ino;
	t->was_lost = t->lost;
	t->lost = false;
	loop_timer_set(t->retry, mono_add(loop_now(t->loop), CHECK_US));
	scan_all(t);
	if (t->lost)
		return;
	if (t->lost_reason[0])
		t->reader.lost(t->ctx, NULL);
	t->lost_reason[0] = 0;
	process(t);
}

/* Lost: try again. Else look whether the name still means our folder: of a mount on top of it, or of a
 * deletion while a file in it is open, the kernel tells nothing. */
static void on_retry(void *ctx)
{
	struct dir_tree *t = ctx;
	if (t->lost)
		start(t);
	else if (!root_is_there(t))
		dir_lose(t, "the folder was moved or deleted");
	else
		loop_timer_set(t->retry, mono_add(loop_now(t->loop), CHECK_US));
}

int dir_tree_join(struct dir_tree *t, struct loop *l)
{
	t->loop = l;
	t->grace = loop_timer_new(l, on_grace, t);
	t->retry = loop_timer_new(l, on_retry, t);
	if (!t->grace || !t->retry)
		return -ENOMEM;
	start(t);
	return 0;
}

void dir_tree_rescan(struct dir_tree *t)
{
	if (t->lost) {
		start(t);
		return;
	}
	t->overflow = true;
	process(t);
}
