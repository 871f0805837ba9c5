/* Where one object lives while it is decoded: memory with an upper limit, whatever the sender had in mind,
 * that is wiped and freed at once; and the document trees that are built in it. Pure; private to decode. */
#ifndef INGOT_WATCHER_K8S_ROOM_H
#define INGOT_WATCHER_K8S_ROOM_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

#include "lib/manifest/arena.h"
#include "lib/manifest/tree.h"

enum { ROOM_BYTES = 64 << 20 };

struct room {
	struct arena arena;
	size_t left;
	bool full;		      /* the limit was hit: the object's fault */
	bool oom;		      /* there is no memory: ours */
	ProtobufCAllocator allocator; /* for protobuf-c */
};

void room_init(struct room *r);
void room_fini(struct room *r);
void *room_alloc(struct room *r, size_t size); /* NULL: full or oom is set */

/* A scalar, copied; who makes a number or a truth sets its value. NULL: full or oom is set, as below. */
struct node *room_scalar(struct room *r, enum node_type type, const void *data, size_t len);
/* A text; NODE_BYTES when it is not UTF-8 or has a NUL. */
const struct node *room_text(struct room *r, const void *data, size_t len);
const struct node *room_number(struct room *r, int64_t v);
const struct node *room_truth(struct room *r, bool v);
/* Take items and pairs as they are (they lie in the room too). Keys are unique. */
const struct node *room_list(struct room *r, const struct node **items, size_t n);
const struct node *room_map(struct room *r, struct node_pair *pairs, size_t n);

/* The tree of a value; NULL: full or oom is set, or *defect says what is wrong with it. */
const struct node *tree_of_json(struct room *r, json_t *v, const char **defect);
/* The tree of a message of proto/kubernetes.proto, as its JSON would be read: what is empty or 0 is absent.
 * NULL: full or oom is set. */
const struct node *tree_of_proto(struct room *r, const ProtobufCMessage *m);

#endif
