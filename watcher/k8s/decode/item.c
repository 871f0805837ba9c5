/* Decodes one object: its tree by encoding, then the one decoder of lib/manifest, then what is not needed
 * goes. Pure; run by the watcher. */
#include "watcher/k8s/decode/item.h"

#include <errno.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/model/limits.h"
#include "proto/kubernetes.pb-c.h"
#include "watcher/k8s/decode/room.h"
#include "watcher/k8s/decode/scan.h"
#include "watcher/k8s/decode/strip.h"

/* An object as sent has things around it that Ingot never keeps: as for manifests, twice its own limit. */
enum { ITEM_BYTES = 2 * LIMIT_OBJECT_BYTES };
static const char too_large[] = "too large to be read";
static const char too_rich[] = "needs too much memory to be read";

/* Numbers of proto/kubernetes.proto; every object has its metadata in field 1. */
enum { OBJECT_METADATA = 1, META_NAME = 1, META_NAMESPACE = 3, META_UID = 5, META_RESOURCE_VERSION = 6 };

/* What makes an object known, even one that cannot be read. */
static const struct {
	const char *name;
	uint32_t number;
} identity[] = {
	{ "name", META_NAME },
	{ "namespace", META_NAMESPACE },
	{ "uid", META_UID },
	{ "resourceVersion", META_RESOURCE_VERSION },
};

static struct cur identity_of(enum encoding e, struct cur object, size_t i)
{
	if (e == ENCODING_JSON)
		return scan_get(scan_get(object, "metadata"), identity[i].name);
	return wire_get(wire_get(object, OBJECT_METADATA), identity[i].number);
}

/* A tree of these alone. NULL: out of memory. */
static const struct node *tree_of_identity(struct room *r, enum encoding e, struct cur object)
{
	struct node_pair *pairs = room_alloc(r, ARRAY_LEN(identity) * sizeof *pairs);
	struct node_pair *root = room_alloc(r, sizeof *root);
	size_t n = 0;
	if (!pairs || !root)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(identity); i++) {
		char text[LIMIT_NAME + 1];
		struct cur value = identity_of(e, object, i);
		if (!(e == ENCODING_JSON ? scan_text : wire_text)(value, text, sizeof text))
			continue;
		pairs[n].key = room_text(r, identity[i].name, strlen(identity[i].name));
		pairs[n].value = room_text(r, text, strlen(text));
		if (!pairs[n].key || !pairs[n].value)
			return NULL;
		n++;
	}
	root->key = room_text(r, "metadata", strlen("metadata"));
	root->value = room_map(r, pairs, n);
	return root->key && root->value ? room_map(r, root, 1) : NULL;
}

/* False: too long, or no text at all. */
static bool copy_text(const struct node *meta, const char *member, char *buf, size_t size)
{
	const struct node *n = node_get(meta, member);
	return !n || (n->type == NODE_STRING && str_fmt(buf, size, "%s", n->text));
}

static const char *identify(const struct node *root, struct item *ret)
{
	const struct node *meta = node_get(root, "metadata");
	bool good = copy_text(meta, "name", ret->name, sizeof ret->name) &&
		    copy_text(meta, "namespace", ret->ns, sizeof ret->ns) &&
		    copy_text(meta, "uid", ret->uid, sizeof ret->uid) &&
		    copy_text(meta, "resourceVersion", ret->resource_version, sizeof ret->resource_version);
	return good ? NULL : "name, namespace, uid or resourceVersion is no text, or too long";
}

/* A kind of which nobody wants more than its identity and its JSON. */
static int finish_foreign(const struct item_type *t, const char *defect, struct item *ret)
{
	char key[OBJECT_KEY];
	if (defect)
		diags_add(t->diags, DIAG_ERROR, t->kind_name, ret->name, "", "", "%s", defect);
	if (*ret->name)
		str_fmt(ret->key, sizeof ret->key, "%s", object_key(ret->ns, ret->name, key));
	return 0;
}

static int finish(const struct item_type *t, const struct node *root, const char *defect, struct item *ret)
{
	const char *unclear = identify(root, ret);
	struct manifest_object o;
	if (!defect)
		defect = unclear;
	if (t->kind == KIND_N)
		return finish_foreign(t, defect, ret);
	int rc = manifest_decode_node(root, t->api_version, t->kind_name, defect, t->diags, &o);
	if (rc < 0)
		return rc;
	ret->message = o.message;
	ret->secrets = o.secrets;
	if (o.kind != t->kind) {
		if (o.kind != KIND_N)
			answer_error(t->diags, t->kind, t->kind_name);
		protobuf_c_message_free_unpacked(ret->message, NULL);
		manifest_secrets_fini(&ret->secrets);
		ret->message = NULL;
		return 0;
	}
	str_fmt(ret->key, sizeof ret->key, "%s", o.key);
	if (ret->message)
		strip_object(t->kind, ret->message, &ret->secrets);
	return 0;
}

/* The object is broken, but may have a name. */
static int finish_broken(const struct item_type *t, enum encoding e, struct cur object, const char *defect,
			 struct item *ret)
{
	struct room r;
	room_init(&r);
	const struct node *root = tree_of_identity(&r, e, object);
	int rc = root ? finish(t, root, defect, ret) : -ENOMEM;
	room_fini(&r);
	return rc;
}

int answer_error(struct diags *d, enum kind k, const char *what)
{
	diags_add(d, DIAG_ERROR, k == KIND_N ? "answer" : kind_name(k), "", "", "",
		  "the server sent something else: %s", what);
	return -EINVAL;
}

static int finish_json(const struct item_type *t, struct cur text, struct item *ret)
{
	struct room r;
	const char *defect = NULL;
	if (t->kind == KIND_N)
		return finish_broken(t, ENCODING_JSON, text, NULL, ret);
	room_init(&r);
	const struct node *root = tree_of_json(&r, ret->json, &defect);
	int rc = root ? finish(t, root, NULL, ret) : r.oom ? -ENOMEM : 0;
	room_fini(&r);
	if (root || rc < 0)
		return rc;
	return finish_broken(t, ENCODING_JSON, text, defect ? defect : too_rich, ret);
}

int item_of_json(const struct item_type *t, struct cur text, struct item *ret)
{
	/* Objects of typed lists do not say what they are; others do. */
	struct item_type own = *t;
	json_error_t why;
	*ret = (struct item){ 0 };
	scan_name(scan_get(text, "apiVersion"), own.api_version);
	scan_name(scan_get(text, "kind"), own.kind_name);
	if (cur_left(&text) > ITEM_BYTES)
		return finish_broken(&own, ENCODING_JSON, text, too_large, ret);
	ret->json = scan_parse(text, &why);
	if (!ret->json) {
		/* jansson goes on with the text near the place, which may be a secret. */
		char *near = strstr(why.text, " near ");
		if (json_error_code(&why) == json_error_out_of_memory)
			return -ENOMEM;
		if (near)
			*near = 0;
		return finish_broken(&own, ENCODING_JSON, text, why.text, ret);
	}
	/* Who wrote which field when: often more than the object itself. */
	json_object_del(json_object_get(ret->json, "metadata"), "managedFields");
	return finish_json(&own, text, ret);
}

static const ProtobufCMessageDescriptor *descriptor_of(const char *kind_name)
{
	static const struct {
		const char *kind_name;
		const ProtobufCMessageDescriptor *descriptor;
	} known[] = {
		{ "Service", &k8s__service__descriptor },
		{ "EndpointSlice", &k8s__endpoint_slice__descriptor },
		{ "Endpoints", &k8s__endpoints__descriptor },
		{ "Node", &k8s__node__descriptor },
		{ "Namespace", &k8s__namespace__descriptor },
		{ "Secret", &k8s__secret__descriptor },
		{ "ConfigMap", &k8s__config_map__descriptor },
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i].kind_name, kind_name) == 0)
			return known[i].descriptor;
	return NULL;
}

int item_of_proto(const struct item_type *t, struct cur raw, struct item *ret)
{
	const ProtobufCMessageDescriptor *descriptor = descriptor_of(t->kind_name);
	struct room r;
	*ret = (struct item){ 0 };
	if (t->kind == KIND_N)
		return finish_broken(t, ENCODING_PROTOBUF, raw, NULL, ret);
	if (cur_left(&raw) > ITEM_BYTES)
		return finish_broken(t, ENCODING_PROTOBUF, raw, too_large, ret);
	if (!descriptor)
		return finish_broken(t, ENCODING_PROTOBUF, raw, "not read in this encoding", ret);
	room_init(&r);
	ProtobufCMessage *m = protobuf_c_message_unpack(descriptor, &r.allocator, cur_left(&raw), raw.p);
	const struct node *root = m ? tree_of_proto(&r, m) : NULL;
	int rc = root ? finish(t, root, NULL, ret) : r.oom ? -ENOMEM : 0;
	bool full = r.full;
	room_fini(&r);
	if (root || rc < 0)
		return rc;
	return finish_broken(t, ENCODING_PROTOBUF, raw, full ? too_rich : "damaged", ret);
}

void item_fini(struct item *i)
{
	if (i->message)
		protobuf_c_message_free_unpacked(i->message, NULL);
	manifest_secrets_fini(&i->secrets);
	json_decref(i->json);
	*i = (struct item){ 0 };
}
