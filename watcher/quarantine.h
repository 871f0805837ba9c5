/* Files that kill their reader. While a file is parsed a mark {path, hash of the content, attempt} stands in
 * memory that survives the process; when the same content has killed two lives, the third one skips it until
 * it changes. Pure: the caller keeps mark and notes. Both are foreign input to the next life. */
#ifndef INGOT_WATCHER_QUARANTINE_H
#define INGOT_WATCHER_QUARANTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/map.h"
#include "lib/base/strbuf.h"

enum { QUARANTINE_ATTEMPTS = 2, QUARANTINE_NOTES = 64, QUARANTINE_BYTES = 1 << 20 };

struct quarantine {
	struct map notes;  /* path -> struct note */
	size_t files;	   /* how many files the former life knew */
	unsigned attempts; /* lives that a file may end before it is skipped */
};

/* The file that is being parsed. Plain memory, shared with the next life; `valid` is written last. */
struct quarantine_mark {
	uint64_t hash;
	uint32_t attempts;
	volatile uint32_t valid;
	char path[4096];
};

void quarantine_init(struct quarantine *q);
void quarantine_fini(struct quarantine *q);
/* The former life did not even become ready: one attempt was enough, because after two of those the
 * supervisor drops the notes too. */
void quarantine_hurry(struct quarantine *q);
/* From the text of a former life; anything malformed is passed over. */
void quarantine_parse(struct quarantine *q, const void *data, size_t len);
void quarantine_print(const struct quarantine *q, struct strbuf *out);
/* At the start of a life: what the former one died of, if it died parsing, becomes a note. */
void quarantine_resume(struct quarantine *q, struct quarantine_mark *mark);
/* About to parse. False: it has killed twice, skip it. True: the mark is set. */
bool quarantine_enter(struct quarantine *q, struct quarantine_mark *mark, const char *path, const void *data,
		      size_t len);
void quarantine_leave(struct quarantine *q, struct quarantine_mark *mark,
		      const char *path);			/* it was parsed */
void quarantine_forget(struct quarantine *q, const char *path); /* deleted */

#endif
