/* The log of the mirror (image.h) in a memfd: changes are appended as they come, so whoever takes the memfd
 * over after a death at any instant has lost one record at most. It knows where the last record of each key
 * stands, nothing else is held in memory. Private to keep. */
#ifndef INGOT_WATCHER_K8S_JOURNAL_H
#define INGOT_WATCHER_K8S_JOURNAL_H

#include "lib/base/numtab.h"
#include "watcher/k8s/keep/image.h"

struct journal {
	char identity[IMAGE_IDENTITY + 1];
	int fd;		     /* -1 until it was begun or adopted */
	uint64_t generation; /* another memfd, another number */
	uint64_t len, live;  /* bytes: of the log, of the records that count in it */
	bool whole;
	struct numtab at; /* where the last record of each object stands; the keys are in the log alone */
	size_t n[KIND_N]; /* objects */
	uint8_t *record;  /* room for two records: the one that is written, the one that is compared */
	/* What was refused because of a cap or of memory, and what was passed over in a log that was adopted.
	 */
	uint64_t refused, passed_over;
};

/* 0; -ENAMETOOLONG for an identity over IMAGE_IDENTITY; -ENOMEM. */
int journal_init(struct journal *j, const char *identity);
void journal_fini(struct journal *j);
/* An empty log in a new memfd. 0 or a negative errno. */
int journal_begin(struct journal *j);
/* Go on with the log in fd, which is taken on success: what is torn at its end is cut off. -EBADMSG: not
 * usable, *fault says why (IMAGE_FINE: it is not whole); or another negative errno. */
int journal_adopt(struct journal *j, int fd, enum image_fault *fault);
/* 1: appended; 0: it stood there already; -ENOSPC over a cap (counted, what was known of the key is gone); or
 * another negative errno. */
int journal_put(struct journal *j, enum kind k, const char *key, const void *data, size_t len);
int journal_del(struct journal *j, enum kind k, const char *key);
int journal_mark_whole(struct journal *j);
/* Every object that counts, kinds in their order, objects in the order of their last change. fn may delete
 * that object. 0 or a negative errno. */
int journal_each(struct journal *j, image_each fn, void *ctx);
bool journal_is_wasteful(const struct journal *j);
/* Only what counts, in a new memfd. On failure everything is as before. 0 or a negative errno. */
int journal_compact(struct journal *j);
size_t journal_objects(const struct journal *j);

#endif
