/* Shared by dir*.c only. */
#ifndef INGOT_WATCHER_DIR_INTERNAL_H
#define INGOT_WATCHER_DIR_INTERNAL_H

#include <sys/types.h>

#include "lib/base/map.h"
#include "lib/run/loop.h"
#include "watcher/files.h"

/* What the folder tells: paths are relative to its root. All calls come from dir_tree_* functions or the
 * loop. */
struct dir_reader {
	/* New content. `data` is lent. */
	void (*content)(void *ctx, const char *path, const char *data, size_t len);
	void (*unreadable)(void *ctx, const char *path, const char *reason);
	void (*deleted)(void *ctx, const char *path);
	/* A file that emptied itself may be on its way to new content: does anybody miss something if it is
	 * empty? */
	bool (*is_used)(void *ctx, const char *path);
	/* Before and after everything is looked at. In between come content, unreadable and nothing else;
	 * end: what did not come is to be given to dir_tree_missing (which waits a moment) by `each_unseen`.
	 */
	void (*scan_begin)(void *ctx, const char *folder);
	void (*each_unseen)(void *ctx, const char *folder, void (*fn)(void *tree, const char *path),
			    void *tree);
	/* After each batch; scanned: the whole folder was looked at. */
	void (*settled)(void *ctx, bool scanned);
	/* The folder cannot be read (reason), or can be again (NULL). */
	void (*lost)(void *ctx, const char *reason);
	/* The folder is another one than the sandbox allows: only a new life may read it. */
	void (*replaced)(void *ctx);
};

struct dir_tree;
struct dir_tree *dir_tree_new(const char *root, const struct dir_reader *reader, void *ctx);
void dir_tree_free(struct dir_tree *t);
/* Starts looking; the first scan is done before it returns, unless the folder is missing. */
int dir_tree_join(struct dir_tree *t, struct loop *l);
void dir_tree_rescan(struct dir_tree *t);

/* For tests: the descriptor that has news, and the moment when dir_tree_due must be called next. */
int dir_tree_fd(const struct dir_tree *t);

#endif
