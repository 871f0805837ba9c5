/* What Ingot does not need of an object, taken off after decoding, whatever its encoding was: less to
 * publish, and no news where nothing has changed for us. Pure; private to decode. */
#ifndef INGOT_WATCHER_K8S_STRIP_H
#define INGOT_WATCHER_K8S_STRIP_H

#include "lib/manifest/manifest.h"

/* m: of kind k. secrets: what came with it; values that nobody may ask for are wiped. */
void strip_object(enum kind k, ProtobufCMessage *m, struct manifest_secrets *secrets);

#endif
