/* Shared by dir_tree.c (what to do about the folder) and dir_events.c (what the kernel says about it) only.
 */
#ifndef INGOT_WATCHER_DIR_TREE_INTERNAL_H
#define INGOT_WATCHER_DIR_TREE_INTERNAL_H

#include <stdint.h>

#include "watcher/dir_internal.h"

enum {
	GRACE_DELETED_US = 20000,   /* unlink, then create: a version control system */
	GRACE_MOVED_US = 200000,    /* moved to a backup name, then written anew: an editor */
	GRACE_CREATED_US = 1000000, /* created, and neither written nor closed */
	CHECK_US = 2000000,	    /* is the folder still the one with its name? */
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

/* dir_events.c */
bool dir_is_manifest(const char *name);
void dir_mark_found(struct dir_tree *t, const char *path); /* met while listing */
void dir_mark_gone(struct dir_tree *t, const char *path, bool folder, int64_t grace);
void dir_drain(struct dir_tree *t); /* everything that the kernel has to say now */

/* dir_tree.c */
void dir_scan_folder(struct dir_tree *t, const char *path);
void dir_lose(struct dir_tree *t, const char *reason);
bool dir_absolute(const struct dir_tree *t, const char *path, char buf[static FILES_PATH]);

#endif
