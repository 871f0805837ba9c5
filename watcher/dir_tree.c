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

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/manifest/manifest.h"
#include "lib/run/log.h"
#include "watcher/dir_internal.h"

enum {
	GRACE_DELETED_US = 20000,   /* unlink, then create: a version control system */
	GRACE_MOVED_US = 200000,    /* moved to a backup name, then written anew: an editor */
	GRACE_CREATED_US = 1000000, /* created, and neither written nor closed */
	RETRY_US = 1000000,	    /* a missing folder */
	FILE_BYTES = 64 << 20,
	FOLDERS = 65536,
};
#define EVENTS                                                                                               \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_MODIFY | IN_DELETE_SELF | \
	 IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR | IN_EXCL_UNLINK)

struct pending {
	bool writing; /* somebody has it open and changed it: not before it is closed */
	bool dirty;   /* to be read */
	bool folder;  /* a folder that disappeared */
	bool late;    /* grace is over */
	bool failed;  /* was unreadable */
	mono_t gone;  /* MONO_NEVER, or when the grace is over */
	unsigned changes;
};
struct dir_tree {
	char root[FILES_PATH / 2];
	struct dir_reader reader;
	void *ctx;
	struct loop *loop;
	int inotify, root_wd;
	struct loop_fd *watch;
	struct loop_timer *grace, *retry;
	struct map folders; /* wd -> path */
	struct map pending; /* path -> struct pending */
	dev_t device;
	ino_t inode;
	bool lost, was_lost, overflow, complete;
	uint32_t moved_cookie; /* of the last file that was moved away */
	char moved[FILES_PATH];
	char lost_reason[256];
};

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

static bool is_manifest(const char *name)
{
	const char *dot = strrchr(name, '.');
	return name[0] != '.' && dot &&
	       (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0);
}

static struct pending *pending_get(struct dir_tree *t, const char *path)
{
	struct pending *p = map_get(&t->pending, path);
	if (p)
		return p;
	p = calloc(1, sizeof *p);
	if (!p || map_set(&t->pending, path, p, NULL) < 0) {
		free(p);
		t->overflow = true; /* no memory to remember it: look at everything again */
		return NULL;
	}
	p->gone = MONO_NEVER;
	return p;
}

static void mark_dirty(struct dir_tree *t, const char *path)
{
	struct pending *p = pending_get(t, path);
	if (!p)
		return;
	p->dirty = true;
	p->writing = p->folder = p->late = false;
	p->gone = MONO_NEVER;
}

/* Met while listing: as mark_dirty, but who writes it will close it. */
static void mark_found(struct dir_tree *t, const char *path)
{
	const struct pending *p = map_get(&t->pending, path);
	if (!p || !p->writing)
		mark_dirty(t, path);
}

static void mark_writing(struct dir_tree *t, const char *path)
{
	struct pending *p = pending_get(t, path);
	if (!p)
		return;
	p->writing = true;
	p->changes++;
	p->gone = MONO_NEVER;
}

static void mark_gone(struct dir_tree *t, const char *path, bool folder, int64_t grace)
{
	struct pending *p = pending_get(t, path);
	if (!p)
		return;
	p->writing = p->dirty = p->late = false;
	p->folder = folder;
	p->gone = mono_add(loop_clock(), grace);
	p->changes++;
}

static void lose(struct dir_tree *t, const char *reason)
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

static bool absolute(const struct dir_tree *t, const char *path, char buf[static FILES_PATH])
{
	return files_join(buf, t->root, path);
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
		mark_gone(t, path, false, GRACE_DELETED_US);
}

static int watch_folder(struct dir_tree *t, const char *path)
{
	char full[FILES_PATH];
	void *old = NULL;
	if (map_len(&t->folders) >= FOLDERS)
		return -ENOSPC;
	if (!absolute(t, path, full))
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
	DIR *d = rc == 0 && absolute(t, path, full) ? opendir(full) : NULL;
	if (!d)
		return rc < 0 ? rc : -errno;
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.' || !files_join(child, path, e->d_name) ||
		    !absolute(t, child, child_full))
			continue;
		if (!is_folder(child_full, e->d_type)) {
			if (is_manifest(e->d_name))
				mark_found(t, child);
			continue;
		}
		rc = depth > 0 ? list_folder(t, child, depth - 1) : -ELOOP;
		if (rc < 0 && rc != -ENOENT)
			t->reader.unreadable(t->ctx, child, strerror(-rc));
	}
	closedir(d);
	return 0;
}

static void scan_folder(struct dir_tree *t, const char *path)
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

static void on_root_event(struct dir_tree *t, const struct inotify_event *e)
{
	if (e->mask & IN_UNMOUNT)
		lose(t, "the folder was unmounted");
	else if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
		lose(t, "the folder was moved or deleted");
}

static void on_folder_event(struct dir_tree *t, const char *path, const struct inotify_event *e)
{
	if (e->mask & (IN_CREATE | IN_MOVED_TO))
		scan_folder(t, path);
	else if (e->mask & (IN_DELETE | IN_MOVED_FROM))
		mark_gone(t, path, true, e->mask & IN_DELETE ? GRACE_DELETED_US : GRACE_MOVED_US);
}

static bool is_plain_file(const struct dir_tree *t, const char *path)
{
	char full[FILES_PATH];
	struct stat st;
	/* A second name of a file is complete, and so is a symbolic link: no close will follow. (When the
	 * first name of a linked file is gone already the grace helps: whoever made the file would have begun
	 * to write.) */
	return absolute(t, path, full) && lstat(full, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1;
}

/* One manifest became another: no editor's dance, so the old name need not wait. (Objects move over: new
 * names are read before old ones are given up.) */
static void on_moved_to(struct dir_tree *t, const struct inotify_event *e)
{
	struct pending *p = e->cookie && e->cookie == t->moved_cookie ? map_get(&t->pending, t->moved) : NULL;
	if (p && p->gone.us != MONO_NEVER.us)
		p->gone = (mono_t){ 0 };
	t->moved_cookie = 0;
}

static void on_file_event(struct dir_tree *t, const char *path, const struct inotify_event *e)
{
	const struct pending *p = map_get(&t->pending, path);
	if (e->mask & IN_MOVED_TO)
		on_moved_to(t, e);
	if (e->mask & IN_MOVED_FROM) {
		t->moved_cookie = e->cookie;
		str_fmt(t->moved, sizeof t->moved, "%s", path);
	}
	if (e->mask & (IN_CLOSE_WRITE | IN_MOVED_TO))
		mark_dirty(t, path);
	else if (e->mask & IN_MODIFY)
		mark_writing(t, path);
	else if (e->mask & IN_CREATE && is_plain_file(t, path))
		mark_gone(t, path, false, GRACE_CREATED_US);
	else if (e->mask & IN_CREATE)
		mark_dirty(t, path);
	else if (e->mask & (IN_DELETE | IN_MOVED_FROM))
		mark_gone(t, path, false, e->mask & IN_DELETE ? GRACE_DELETED_US : GRACE_MOVED_US);
	else if (e->mask & IN_ATTRIB && !(p && p->writing))
		mark_dirty(t, path);
}

static void on_event(struct dir_tree *t, const struct inotify_event *e)
{
	char child[FILES_PATH];
	const char *folder = map_get_n(&t->folders, &e->wd, sizeof e->wd);
	if (e->mask & IN_Q_OVERFLOW)
		t->overflow = true;
	if (!folder || e->mask & IN_Q_OVERFLOW)
		return;
	if (e->len == 0) {
		if (e->wd == t->root_wd)
			on_root_event(t, e);
		else if (e->mask & IN_IGNORED)
			free(map_del_n(&t->folders, &e->wd, sizeof e->wd));
		return;
	}
	/* The volume of a ConfigMap: files are links into ..data, which is swapped as a whole. */
	if (strcmp(e->name, "..data") == 0 && e->mask & (IN_MOVED_TO | IN_CREATE)) {
		if (!files_join(child, folder, ""))
			return;
		scan_folder(t, child);
		return;
	}
	if (e->name[0] == '.' || !files_join(child, folder, e->name))
		return;
	if (e->mask & IN_ISDIR)
		on_folder_event(t, child, e);
	else if (is_manifest(e->name))
		on_file_event(t, child, e);
}

/* Everything that the kernel has to say now. */
static void drain(struct dir_tree *t)
{
	_Alignas(struct inotify_event) char buf[64 << 10];
	for (ssize_t n; t->inotify >= 0 && (n = read(t->inotify, buf, sizeof buf)) > 0;) {
		for (ssize_t at = 0; at < n && t->inotify >= 0;) {
			const struct inotify_event *e =
			    (const struct inotify_event *)(const void *)(buf + at);
			at += (ssize_t)(sizeof *e + e->len);
			on_event(t, e);
		}
	}
}

/* Read one file. When it was changed meanwhile its next close will tell. */
static void read_file(struct dir_tree *t, const char *path)
{
	char full[FILES_PATH], *data = NULL;
	size_t len = 0;
	struct pending *p = map_get(&t->pending, path);
	unsigned changes = p->changes;
	p->dirty = false;
	int rc = absolute(t, path, full) ? files_read(full, FILE_BYTES, &data, &len) : -ENAMETOOLONG;
	drain(t);
	p = map_get(&t->pending, path); /* gone when the whole folder was lost */
	if (!p || p->changes != changes || p->dirty) {
		explicit_bzero(data, len);
		free(data);
		return;
	}
	p->failed = rc < 0;
	if (rc == -ENOENT || rc == -ENOTDIR)
		mark_gone(t, path, false, GRACE_DELETED_US);
	else if (rc == -EISDIR)
		t->reader.unreadable(t->ctx, path, "not a regular file");
	else if (rc < 0)
		t->reader.unreadable(t->ctx, path, strerror(-rc));
	else if (len == 0 && !p->late && t->reader.is_used(t->ctx, path))
		mark_gone(t, path, false, GRACE_MOVED_US);
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
	bool there = absolute(t, path, full) && stat(full, &st) == 0;
	if (p->folder && !there) {
		folder_gone(t, path);
	} else if (there) {
		p->late = true;
		p->dirty = !p->folder && !p->writing;
	} else if (root_is_there(t)) {
		t->reader.deleted(t->ctx, path);
	} else {
		lose(t, "the folder was replaced");
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
		lose(t, reason);
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
	drain(t);
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
		lose(t, reason);
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
		lose(t, reason);
		return;
	}
	t->device = st.st_dev;
	t->inode = st.st_ino;
	t->was_lost = t->lost;
	t->lost = false;
	scan_all(t);
	if (t->lost)
		return;
	if (t->lost_reason[0])
		t->reader.lost(t->ctx, NULL);
	t->lost_reason[0] = 0;
	process(t);
}

static void on_retry(void *ctx)
{
	start(ctx);
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
