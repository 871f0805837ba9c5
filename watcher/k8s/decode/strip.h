/* What Ingot does not need of an object, taken off after decoding, whatever its encoding was: less to
 * publish, and no news where nothing has changed for us. Pure. */
#ifndef INGOT_WATCHER_K8S_STRIP_H
#define INGOT_WATCHER_K8S_STRIP_H

#include "lib/manifest/manifest.h"

/* m: of kind k. secrets: what came with it; values that nobody may ask for are wiped. */
void strip_object(enum kind k, ProtobufCMessage *m, struct manifest_secrets *secrets);

/* What only who gives addresses looks at goes as well: for roles without an allocator, where each node holds
 * every Service and every EndpointSlice. */
void strip_for_node(enum kind k, ProtobufCMessage *m);

#endif
