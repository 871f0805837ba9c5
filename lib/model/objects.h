/* Object store: the newest version of every object, by kind and key. A key is "namespace/name", or "name" for
 * cluster-scoped kinds. The store owns the unpacked messages. Pure. */
#ifndef INGOT_MODEL_OBJECTS_H
#define INGOT_MODEL_OBJECTS_H

#include "lib/base/map.h"
#include "lib/model/kinds.h"
#include "proto/objects.pb-c.h"

struct objects {
	struct map by_kind[KIND_N]; /* key -> ProtobufCMessage * of the kind's type */
};

enum { OBJECT_KEY = 2 * 253 + 2 };

void objects_init(struct objects *o);
void objects_fini(struct objects *o);
/* Take ownership of message (of kind k); an older version is freed. -ENOMEM (message freed), -ENOSPC over
 * LIMIT_OBJECTS. */
int objects_put(struct objects *o, enum kind k, const char *key, ProtobufCMessage *message);
bool objects_del(struct objects *o, enum kind k, const char *key);
const ProtobufCMessage *objects_get(const struct objects *o, enum kind k, const char *key);
/* "namespace/name" into buf; returns buf. ns may be empty. */
const char *object_key(const char *ns, const char *name, char buf[static OBJECT_KEY]);
/* The metadata of a message of kind k; NULL when it has none. */
const Ingot__ObjectMeta *object_meta(enum kind k, const ProtobufCMessage *m);

/* Value of a label, annotation or selector entry; NULL when absent. */
const char *kv_get(Ingot__KeyValue *const *kv, size_t n, const char *key);

#endif
