/* The mirror of a folder of manifests: which objects exist, from which file, with which confirmed addresses,
 * and what is to be published about them. Pure: bytes of files come in, actions come out. Run by the watcher.
 *
 * A file that cannot be parsed keeps its last good objects; an object that cannot be decoded keeps its last
 * good version. When two places define one object, the first by path (then by position) counts. */
#ifndef INGOT_WATCHER_MIRROR_H
#define INGOT_WATCHER_MIRROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/strbuf.h"
#include "lib/manifest/manifest.h"
#include "lib/model/diag.h"
#include "proto/state.pb-c.h"

enum { STATUS_MAX_IPS = 4 };

/* The confirmed addresses of a Service, as stored. n_ips = 0 is a record too: "none", whatever the manifest
 * says. */
struct service_status {
	size_t n_ips;
	char *ips[STATUS_MAX_IPS];
	char *pool;
};
void service_status_free(struct service_status *s);
bool service_status_equal(const struct service_status *a, const struct service_status *b);

struct mirror;
struct mirror *mirror_new(void); /* NULL on out of memory */
void mirror_free(struct mirror *m);
/* The key of the digests by which changed secret bytes are told; random, once, before anything is loaded. */
void mirror_key(struct mirror *m, const uint8_t key[static 16]);

/* The content of a file, new or changed. 0; 1 when its former objects were kept because it cannot be used;
 * -ENOMEM (nothing changed). Its diagnostics are replaced: mirror_file_diags. */
int mirror_load(struct mirror *m, const char *path, const void *data, size_t len);
/* The file is there, but cannot be read or is skipped: its objects stay, the reason becomes its diagnostic.
 */
int mirror_fail(struct mirror *m, const char *path, const char *reason);
/* The file was deleted, and its objects with it. False when it was not known. */
bool mirror_unload(struct mirror *m, const char *path);
/* Rescan: begin marks all files below a folder ("" = all) unseen; load, fail and mirror_seen mark; end
 * unloads the rest. */
void mirror_scan_begin(struct mirror *m, const char *folder);
void mirror_seen(struct mirror *m, const char *path);
void mirror_each_unseen(const struct mirror *m, const char *folder, void (*fn)(void *ctx, const char *path),
			void *ctx);

size_t mirror_files(const struct mirror *m);
bool mirror_file_has_objects(const struct mirror *m, const char *path);
size_t mirror_files_bad(const struct mirror *m); /* with at least one error */
size_t mirror_objects(const struct mirror *m, enum kind k);
size_t mirror_remembered(const struct mirror *m);				 /* Services, gone ones too */
const struct diags *mirror_file_diags(const struct mirror *m, const char *path); /* NULL: file not known */
/* Every file, in order of first sight. */
void mirror_each_file(const struct mirror *m, void (*fn)(void *ctx, const char *path, const struct diags *d),
		      void *ctx);

/* Every object that is defined in more than one file: which definition counts. */
size_t mirror_doubles(const struct mirror *m);
void mirror_each_double(const struct mirror *m, void (*fn)(void *ctx, const char *object, const char *text),
			void *ctx);

/* The stored status of a Service; NULL = there is none. Takes it. -ENOMEM (freed). */
int mirror_status_set(struct mirror *m, const char *key, struct service_status *taken);
const struct service_status *mirror_status(const struct mirror *m, const char *key);
void mirror_each_status(const struct mirror *m, void (*fn)(void *ctx, const char *key), void *ctx);
bool mirror_has(const struct mirror *m, enum kind k, const char *key);

/* What the lock holder has to store because of an assignment. On STATUS_WRITE *ret is new, the caller frees
 * it. */
enum status_change { STATUS_KEEP, STATUS_WRITE, STATUS_REMOVE, STATUS_NO_MEMORY };
enum status_change mirror_judge(const struct mirror *m, const char *key, const Ingot__Assignment *a,
				struct service_status **ret);

/* The objects of files with errors, and of one that is about to be read again (NULL: none), for the next
 * life: it cannot read them anywhere. Heap memory, caller frees; without Secrets. -ENOMEM. */
enum { MIRROR_KEEP_BYTES = 64 << 20 };
int mirror_keep_print(const struct mirror *m, const char *also, uint8_t **ret, size_t *len);
/* After the first scan of the new life: objects of files that still have errors come back, unless the file
 * gave a new version. Foreign input. Returns how many. */
size_t mirror_keep_parse(struct mirror *m, const void *data, size_t len);

/* The next thing to publish; false when all is said. The message is lent until the next call. */
struct mirror_action {
	enum kind kind;
	const char *key;
	const ProtobufCMessage *message; /* NULL: the object is gone */
	const char *loser;		 /* not NULL: "file:line" of another definition that does not count */
	const char *winner;
};
bool mirror_next(struct mirror *m, struct mirror_action *ret);

/* Bytes that never travel on the bus; NULL when there are none. */
const struct manifest_secret *mirror_secret(const struct mirror *m, enum kind k, const char *key,
					    const char *item);
/* "file:line" of the definition that counts; false when there is none. */
bool mirror_origin(const struct mirror *m, enum kind k, const char *key, struct strbuf *out);

#endif
