/* The object store: newest version of every object by kind and key. Pure; run by every daemon that reads
 * objects. It does not judge objects, it only owns them. */
#include "lib/model/objects.h"

#include <errno.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/model/limits.h"

void objects_init(struct objects *o)
{
	for (int k = 0; k < KIND_N; k++)
		map_init(&o->by_kind[k]);
}

static void message_free(void *message)
{
	protobuf_c_message_free_unpacked(message, NULL);
}

void objects_fini(struct objects *o)
{
	if (!o)
		return;
	for (int k = 0; k < KIND_N; k++)
		map_fini(&o->by_kind[k], message_free);
}

int objects_put(struct objects *o, enum kind k, const char *key, ProtobufCMessage *message)
{
	must(k < KIND_N);
	struct map *m = &o->by_kind[k];
	if (map_len(m) >= LIMIT_OBJECTS && !map_get(m, key)) {
		message_free(message);
		return -ENOSPC;
	}
	void *old = NULL;
	int rc = map_set(m, key, message, &old);
	if (rc < 0) {
		message_free(message);
		return rc;
	}
	if (old)
		message_free(old);
	return 0;
}

bool objects_del(struct objects *o, enum kind k, const char *key)
{
	must(k < KIND_N);
	void *old = map_del(&o->by_kind[k], key);
	if (old)
		message_free(old);
	return old != NULL;
}

const ProtobufCMessage *objects_get(const struct objects *o, enum kind k, const char *key)
{
	must(k < KIND_N);
	return map_get(&o->by_kind[k], key);
}

const char *object_key(const char *ns, const char *name, char buf[static OBJECT_KEY])
{
	bool namespaced = ns && *ns;
	str_fmt(buf, OBJECT_KEY, "%s%s%s", namespaced ? ns : "", namespaced ? "/" : "", name ? name : "");
	return buf;
}

const Ingot__ObjectMeta *object_meta(enum kind k, const ProtobufCMessage *m)
{
	if (!m)
		return NULL;
	switch (k) {
#define X(constant, type, prefix, name, scope)                                                               \
	case constant: return ((const type *)m)->meta;
		MODEL_KINDS(X)
#undef X
	case KIND_N: break;
	}
	return NULL;
}

const char *kv_get(Ingot__KeyValue *const *kv, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (kv[i] && kv[i]->key && strcmp(kv[i]->key, key) == 0)
			return kv[i]->value ? kv[i]->value : "";
	return NULL;
}
