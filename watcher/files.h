/* Files as the watcher reads and writes them: whole, and written so that a reader never sees half of one. */
#ifndef INGOT_WATCHER_FILES_H
#define INGOT_WATCHER_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { FILES_PATH = 4096 };

/* A regular file (links are followed) of at most max bytes: heap memory, caller wipes and frees. -EFBIG,
 * -EISDIR (not a regular file), or another negative errno. */
int files_read(const char *path, size_t max, char **ret, size_t *len);
/* Write to "FOLDER/.NAME.tmp", fsync when `sync`, and leave it there; files_commit renames it. 0 or a
 * negative errno. */
int files_prepare(const char *folder, const char *name, const char *text, bool sync);
int files_commit(const char *folder, const char *name);
int files_write(const char *folder, const char *name, const char *text); /* both */
/* mkdir that does not mind an existing folder. */
int files_folder(const char *path);
/* "FOLDER/NAME" into buf; false when it does not fit. */
bool files_join(char buf[static FILES_PATH], const char *folder, const char *name);
/* Make what root owns belong to uid: path itself and, down to depth, what is in it. Somebody else's stays
 * theirs. */
void files_give(const char *path, uid_t uid, int depth);

#endif
