/* Which EndpointSlices are published: only those of Services that are published. A cluster has many more of
 * them, and the other daemons need not store what they will never look at. Pure; run by the watcher. */
#ifndef INGOT_WATCHER_K8S_SLICES_H
#define INGOT_WATCHER_K8S_SLICES_H

#include <stdbool.h>

#include "lib/base/hashtab.h"
#include "proto/objects.pb-c.h"

struct slices_sink {
	/* message is lent; NULL: it is not published any more. */
	void (*publish)(void *ctx, const char *key, const ProtobufCMessage *message);
	/* What is published under this key, packed and lent; NULL: nothing. A slice is kept there or here. */
	const void *(*published)(void *ctx, const char *key, size_t *len);
};
struct slices {
	struct hashtab by_key;	   /* of struct slice */
	struct hashtab by_service; /* "namespace/name"; of struct slice_owner */
	const struct slices_sink *sink;
	void *ctx;
};

void slices_init(struct slices *s, const struct slices_sink *sink, void *ctx);
void slices_fini(struct slices *s);
/* Lent. -ENOMEM: as it was before. */
int slices_put(struct slices *s, const char *key, const Ingot__EndpointSlice *slice);
void slices_gone(struct slices *s, const char *key);
/* The Service is published from now on, or no longer. -ENOMEM: that is so, but slices of it may be missing.
 */
int slices_service(struct slices *s, const char *service_key, bool published);

#endif
