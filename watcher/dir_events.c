/* What inotify says about the folder of manifests, noted as pending files: dirty, being written, gone. Runs
 * in the watcher; reads the inotify descriptor only. dir_tree.c acts on the notes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/strbuf.h"
#include "watcher/dir_tree_internal.h"

bool dir_is_manifest(const char *name)
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
void dir_mark_found(struct dir_tree *t, const char *path)
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

void dir_mark_gone(struct dir_tree *t, const char *path, bool folder, int64_t grace)
{
	struct pending *p = pending_get(t, path);
	if (!p)
		return;
	p->writing = p->dirty = p->late = false;
	p->folder = folder;
	p->gone = mono_add(loop_clock(), grace);
	p->changes++;
}

static void on_root_event(struct dir_tree *t, const struct inotify_event *e)
{
	if (e->mask & IN_UNMOUNT)
		dir_lose(t, "the folder was unmounted");
	else if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
		dir_lose(t, "the folder was moved or deleted");
}

static void on_folder_event(struct dir_tree *t, const char *path, const struct inotify_event *e)
{
	if (e->mask & (IN_CREATE | IN_MOVED_TO))
		dir_scan_folder(t, path);
	else if (e->mask & (IN_DELETE | IN_MOVED_FROM))
		dir_mark_gone(t, path, true, e->mask & IN_DELETE ? GRACE_DELETED_US : GRACE_MOVED_US);
}

static bool is_plain_file(const struct dir_tree *t, const char *path)
{
	char full[FILES_PATH];
	struct stat st;
	/* A second name of a file is complete, and so is a symbolic link: no close will follow. (When the
	 * first name of a linked file is gone already the grace helps: whoever made the file would have begun
	 * to write.) */
	return dir_absolute(t, path, full) && lstat(full, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_nlink == 1;
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
		dir_mark_gone(t, path, false, GRACE_CREATED_US);
	else if (e->mask & IN_CREATE)
		mark_dirty(t, path);
	else if (e->mask & (IN_DELETE | IN_MOVED_FROM))
		dir_mark_gone(t, path, false, e->mask & IN_DELETE ? GRACE_DELETED_US : GRACE_MOVED_US);
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
		dir_scan_folder(t, child);
		return;
	}
	if (e->name[0] == '.' || !files_join(child, folder, e->name))
		return;
	if (e->mask & IN_ISDIR)
		on_folder_event(t, child, e);
	else if (dir_is_manifest(e->name))
		on_file_event(t, child, e);
}

/* Everything that the kernel has to say now. */
void dir_drain(struct dir_tree *t)
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
