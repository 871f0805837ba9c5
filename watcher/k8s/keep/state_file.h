/* The journal on the host's disk, for a start while the API server is away: STATE_DIR/mirror.ROLE. It follows
 * the journal byte by byte: what was appended there is appended here; a journal that was begun anew or
 * compacted becomes a new file, renamed into place when the disk has it. Private to keep. */
#ifndef INGOT_WATCHER_K8S_STATE_FILE_H
#define INGOT_WATCHER_K8S_STATE_FILE_H

#include <sys/types.h>

#include "lib/base/metrics.h"
#include "lib/run/loop.h"
#include "watcher/k8s/keep/journal.h"

struct state_file;

/* dir "" = there is none, which is no error. The journal is lent. NULL on out of memory, or with
 * ENAMETOOLONG. */
struct state_file *state_file_new(struct loop *l, struct metrics *m, const char *dir, const char *name,
				  const struct journal *j);
/* Writes what is not written yet, and waits for the disk. */
void state_file_free(struct state_file *f);
/* As root: make the folder, or give it to uid when nobody else uses it. 0 or a negative errno (said). */
int state_file_prepare(struct state_file *f, uid_t uid);
/* The file, to be read, and when it was written (Unix time, ms). A descriptor, the caller closes it; or a
 * negative errno: -ENOENT is no news. */
int state_file_open(const struct state_file *f, int64_t *written_ms);
/* The journal was changed: written at most every 2 s while that goes on, and 1 s after the last time. */
void state_file_changed(struct state_file *f);
const char *state_file_path(const struct state_file *f);

#endif
