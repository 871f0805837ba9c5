/* The mirror as bytes: a log of objects and of their ends, in which the last word about a key counts. It
 * stands in the memfd that outlives the watcher and in the state file on the host. Pure. Whoever reads it
 * takes it for foreign input: it may come from a life that was taken over, from another release or from a
 * torn disk.
 *
 * A log is a header (magic, version, identity, checksum) and records (checksum, lengths, what, kind, key,
 * packed message), big-endian. Kinds stand there by name, because their numbers change between releases.
 * Secrets never stand there. */
#ifndef INGOT_WATCHER_K8S_IMAGE_H
#define INGOT_WATCHER_K8S_IMAGE_H

#include "lib/base/cur.h"
#include "lib/model/limits.h"
#include "lib/model/objects.h"

enum {
	IMAGE_IDENTITY = 1024,	     /* bytes of it at most, and a NUL */
	IMAGE_KEY = OBJECT_KEY + 16, /* of a key, with its NUL */
	IMAGE_RECORD_HEAD = 16,
	IMAGE_RECORD = IMAGE_RECORD_HEAD + 64 + IMAGE_KEY + LIMIT_OBJECT_BYTES, /* the longest one */
	IMAGE_ABOUT = IMAGE_RECORD_HEAD + 64 + IMAGE_KEY,
	IMAGE_HEADER = 24 + IMAGE_IDENTITY,
};
#define IMAGE_BYTES ((uint64_t)256 << 20) /* of live records, over all kinds */

enum image_what {
	IMAGE_PUT = 1,
	IMAGE_GONE,
	IMAGE_WHOLE, /* what stands before is everything that there was: no kind, no key */
};

/* Everything in it is lent. */
struct image_entry {
	enum image_what what;
	enum kind kind;
	const char *key;
	const void *data; /* packed message, when what is IMAGE_PUT */
	size_t len;
};

/* Into w, which has to have room for IMAGE_HEADER or IMAGE_RECORD bytes. False: too long, or a kind that is
 * not kept; nothing usable was written. */
bool image_print_header(const char *identity, struct wbuf *w);
bool image_print(const struct image_entry *e, struct wbuf *w);
/* Length of the record that begins with these IMAGE_RECORD_HEAD bytes. */
size_t image_record_len(const uint8_t head[static IMAGE_RECORD_HEAD]);

/* Whether the record that begins with these bytes is about this object; as many as IMAGE_ABOUT tell it. */
bool image_is_about(const void *record, size_t len, enum kind k, const char *key);

enum image_fault {
	IMAGE_FINE,
	IMAGE_FOREIGN,	/* no log of ours, or of another version */
	IMAGE_OF_OTHER, /* of another cluster, namespace or role */
	IMAGE_TORN,	/* from `at` on nothing is believed */
};

struct image_reader {
	const char *identity; /* lent: what the log must say */
	bool begun;	      /* the header was read */
	bool whole;	      /* IMAGE_WHOLE was read */
	enum image_fault fault;
	uint64_t at;	    /* bytes that were read and are good */
	size_t passed_over; /* records of unknown kinds, or with a key that cannot be one */
};
/* The record at byte `at` of the log. */
typedef void (*image_each)(void *ctx, const struct image_entry *e, uint64_t at);

void image_reader_init(struct image_reader *r, const char *identity);
/* Read the whole records at the beginning of data, which follows what was read before. Returns how many bytes
 * are done; call it again with the rest and more behind it. After a fault everything is done. */
size_t image_read(struct image_reader *r, const void *data, size_t len, image_each each, void *ctx);
/* No more bytes come; left: how many image_read did not take. */
void image_read_end(struct image_reader *r, size_t left);
const char *image_fault_text(enum image_fault f);

/* The message of an entry, when it is what it says: of that kind and named as its key. The caller frees it
 * with protobuf_c_message_free_unpacked. NULL otherwise. */
ProtobufCMessage *image_message(const struct image_entry *e);

#endif
