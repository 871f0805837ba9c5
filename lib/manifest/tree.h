/* A YAML (so also JSON) document as a tree of nodes that know their line and column. Pure. Aliases share
 * nodes; the weight of a node is its size with all aliases expanded, so a caller can refuse what would grow.
 */
#ifndef INGOT_MANIFEST_TREE_H
#define INGOT_MANIFEST_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TREE_MAX_DEPTH = 64,
	TREE_MAX_ANCHORS = 1024,     /* per document */
	TREE_MAX_MERGED = 4096,	     /* keys that one map gets by << */
	TREE_MAX_BYTES = 64 << 20,   /* one file */
	TREE_MAX_WEIGHT = 256 << 20, /* one document, aliases expanded */
};

enum node_type {
	NODE_NULL,
	NODE_BOOL,
	NODE_INT,
	NODE_FLOAT,
	NODE_STRING,
	NODE_LIST,
	NODE_MAP,
	NODE_BYTES, /* no text: not UTF-8, with a NUL, or meant as bytes. Only from an API server, never from
		       a file */
};

struct node;
struct node_pair {
	const struct node *key; /* a scalar */
	const struct node *value;
};
struct node {
	enum node_type type;
	uint32_t line, column; /* from 1 */
	size_t weight;	       /* bytes of scalars plus one per node, aliases expanded; saturates */
	const char *text;      /* scalars: as written, NUL-terminated, without inner NUL but in NODE_BYTES */
	size_t n;	       /* scalars: bytes of text; lists and maps: entries */
	union {
		const struct node *const *items; /* NODE_LIST */
		const struct node_pair *pairs;	 /* NODE_MAP, keys unique */
		int64_t integer;		 /* NODE_INT */
		bool truth;			 /* NODE_BOOL */
	};
};

struct tree_error {
	uint32_t line, column; /* from 1 */
	char text[160];
};

struct tree_reader;

/* data is borrowed until tree_reader_free. NULL on out of memory. */
struct tree_reader *tree_reader_new(const void *data, size_t len);
void tree_reader_free(struct tree_reader *r);
/* The next document: 1 and *ret (owned by the reader, until the next call); 0 at the end; -EINVAL and *error
 * when the text is not YAML or over a cap (no more documents follow); -ENOMEM. */
int tree_next(struct tree_reader *r, const struct node **ret, struct tree_error *error);

/* The value of a key; NULL when absent, or when n is not a map. */
const struct node *node_get(const struct node *n, const char *key);
/* "the string "abc"", "the number 5", "a list": for messages. Returns buf. */
const char *node_describe(const struct node *n, char *buf, size_t size);

#endif
