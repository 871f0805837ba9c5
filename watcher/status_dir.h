/* The status store below a folder of manifests: PATH/.status. The holder of its lock leads: it alone writes
 * .status/services/NAMESPACE/NAME.json; all others watch these files. .status/NODE/ is written by that node.
 */
#ifndef INGOT_WATCHER_STATUS_DIR_H
#define INGOT_WATCHER_STATUS_DIR_H

#include <sys/types.h>

#include "lib/run/loop.h"
#include "watcher/mirror.h"

struct status_dir;
struct status_reader {
	/* A record appeared or changed (taken), or went (NULL). */
	void (*changed)(void *ctx, const char *key, struct service_status *taken);
	/* The lock was won; holder is empty then. Or who holds it became known. */
	void (*lock)(void *ctx, bool won, const char *holder);
};

/* root: the folder of manifests; node: name of the own folder. NULL with errno. */
struct status_dir *status_dir_new(const char *root, const char *node, const struct status_reader *reader,
				  void *ctx);
void status_dir_free(struct status_dir *s);
/* Before the sandbox: make the folders; when we are root and will become uid, give it what is root's. 0 or a
 * negative errno. */
int status_dir_prepare(struct status_dir *s, uid_t uid);
/* Read all records (changed is called for each), watch them, and, when may_lead, try for the lock from now
 * on. */
int status_dir_join(struct status_dir *s, struct loop *l, bool may_lead);
/* Everything again, after the folder came back. */
void status_dir_rescan(struct status_dir *s);
/* Only for the holder of the lock. Both are queued, and done together at the end of the turn; `changed`
 * follows. A failure is logged and tried again. */
void status_dir_write(struct status_dir *s, const char *key, struct service_status *taken);
void status_dir_remove(struct status_dir *s, const char *key);
/* Tell the record of this key again, as it is now. */
void status_dir_reread(struct status_dir *s, const char *key);
/* A document in the own node's folder; text is lent. Not written when it equals the last one. */
void status_dir_node(struct status_dir *s, const char *name, const char *text);
/* A line for the own node's log of events, which is cut when it grows. */
void status_dir_event(struct status_dir *s, const char *line);
uint64_t status_dir_writes(const struct status_dir *s);

#endif
