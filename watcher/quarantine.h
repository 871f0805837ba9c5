/* Files that kill their reader. Before a file is parsed a note is made {path, hash of the content, attempt},
 * in memory that survives the process; when the same content has killed two lives, the third one skips it
 * until it changes. Pure: the caller keeps the text of the notes. Notes are foreign input. */
#ifndef INGOT_WATCHER_QUARANTINE_H
#define INGOT_WATCHER_QUARANTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/map.h"
#include "lib/base/strbuf.h"

enum { QUARANTINE_ATTEMPTS = 2, QUARANTINE_NOTES = 64, QUARANTINE_BYTES = 1 << 20 };

struct quarantine {
	struct map notes; /* path -> struct note */
	size_t files;	  /* how many files the former life knew */
};

void quarantine_init(struct quarantine *q);
void quarantine_fini(struct quarantine *q);
/* From the text of a former life; anything malformed is passed over. */
void quarantine_parse(struct quarantine *q, const void *data, size_t len);
void quarantine_print(const struct quarantine *q, struct strbuf *out);
/* About to parse. False: it has killed twice, skip it. True: a note was made (print it before parsing). */
bool quarantine_enter(struct quarantine *q, const char *path, const void *data, size_t len);
void quarantine_leave(struct quarantine *q, const char *path); /* it was parsed, or deleted */

#endif
