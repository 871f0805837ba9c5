/* Shared by mirror*.c only. */
#ifndef INGOT_WATCHER_MIRROR_INTERNAL_H
#define INGOT_WATCHER_MIRROR_INTERNAL_H

#include "lib/base/map.h"
#include "lib/base/strbuf.h"
#include "watcher/mirror.h"

struct entry;

enum { MIRROR_REMEMBERED = 4096 };

/* One definition of an object in one file: at most one per object and file. Packed, because there may be
 * many. */
struct claim {
	struct file *file;
	struct entry *entry;
	struct claim *next; /* of the same object, in the order that decides who counts */
	uint8_t *packed;    /* without its origin: the file's path and the line */
	uint32_t len, line;
	struct manifest_secrets secrets;
};
struct file {
	struct claim **claims;
	size_t n_claims;
	struct diags diags;
	bool seen;
	char path[];
};
/* One object: it lives as long as it has a claim, was published, or (namespaces) is used. */
struct entry {
	enum kind kind;
	struct claim *claims;
	size_t used_by; /* namespaces: objects in it */
	unsigned lives; /* how often it was created again */
	bool dirty, published;
	struct entry *next_dirty;
	char key[];
};
struct mirror {
	uint8_t secret_key[16];	    /* of digests of secret bytes, see mirror_key */
	struct map files;	    /* path -> struct file */
	struct map entries[KIND_N]; /* key -> struct entry */
	struct map status;	    /* Service key -> struct service_status */
	struct entry *dirty, **last_dirty;
	struct entry *said; /* by the last action: may be settled at the next one */
	size_t n_services;
	struct map doubles; /* "Kind key" -> text: defined more than once */
	ProtobufCMessage *lent;
	struct strbuf winner, loser; /* lent too */
};

/* mirror.c */
struct entry *mirror_entry_get(struct mirror *m, enum kind k, const char *key); /* NULL on out of memory */
void mirror_entry_settle(struct mirror *m, struct entry *e);	  /* forget it when nothing holds it */
struct file *mirror_file_get(struct mirror *m, const char *path); /* NULL on out of memory */
void mirror_claim_free(struct claim *c);
int mirror_claim_link(struct mirror *m, struct claim *c); /* -ENOMEM */
void mirror_claim_unlink(struct mirror *m, struct claim *c);
/* Fill packed, len and line. False on out of memory. */
bool mirror_claim_pack(struct claim *c, enum kind k, ProtobufCMessage *message);
/* The message of a claim with its origin; NULL on out of memory. The caller frees. */
ProtobufCMessage *mirror_claim_unpack(const struct claim *c);
void mirror_claim_origin(const struct claim *c, struct strbuf *out);
struct claim *mirror_claim_of(const struct file *f, const struct entry *e);
void mirror_touch(struct mirror *m, struct entry *e);
/* One more claim of a file. False on out of memory or when the file has one for this object. */
bool mirror_claim(struct mirror *m, struct file *f, enum kind k, const char *key, ProtobufCMessage *message);
/* What is published for an entry, to be freed by the caller. NULL: nothing, or *oom. */
ProtobufCMessage *mirror_view(const struct mirror *m, const struct entry *e, bool *oom);

#endif
