/* Manifests, as kubectl takes them, to messages of proto/objects.proto: multi-document YAML and JSON, List
 * kinds, defaults and schema checks as the API server would do them. Objects that an API server sent take the
 * same way. Pure: bytes in memory to objects. Used by the watcher and by ingotctl validate. */
#ifndef INGOT_MANIFEST_MANIFEST_H
#define INGOT_MANIFEST_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "lib/model/diag.h"
#include "lib/model/objects.h"

struct node; /* lib/manifest/tree.h */

/* What must not travel on the bus: values of a Secret, the inline password of a BGPPeer (key "password"). */
struct manifest_secret {
	char *key;
	uint8_t *value;
	size_t len;
};
struct manifest_secrets {
	struct manifest_secret *v;
	size_t n;
};
void manifest_secrets_fini(struct manifest_secrets *s); /* wipes and frees */
const struct manifest_secret *manifest_secret_get(const struct manifest_secrets *s, const char *key);

struct manifest_object {
	enum kind kind; /* KIND_N: broken, and not even its kind is known */
	char key[OBJECT_KEY +
		 16]; /* "namespace/name"; core Endpoints are "namespace/endpoints:name"; empty = unknown */
	ProtobufCMessage *message; /* NULL: broken, the diagnostics say why */
	struct manifest_secrets secrets;
};

struct manifest_counts {
	size_t objects; /* good ones */
	size_t broken;
	size_t ignored; /* of kinds that Ingot does not read */
};

/* Parse one file of len bytes. file_name stands in diagnostics and origins. `each` is called for every object
 * of a known kind, in document order, broken ones too; it takes message and secrets. The messages are never
 * larger than LIMIT_OBJECT_BYTES. 0; -EINVAL when the text is not YAML (one error in diags names the place;
 * objects before it were given, the caller decides whether to keep them); -EFBIG over TREE_MAX_BYTES;
 * -ENOMEM. counts may be NULL. */
typedef void (*manifest_each)(void *ctx, struct manifest_object *object);
int manifest_parse(const char *file_name, const void *data, size_t len, struct diags *diags,
		   manifest_each each, void *ctx, struct manifest_counts *counts);

/* One object of an API server, as a tree (lines and columns are not used). Against a manifest: no origin,
 * neither in the message nor in diagnostics; unknown fields are passed over; no cluster IPs are made up.
 * api_version and kind: the object's own or its list's. defect: why the object could not be read whole (n is
 * then what is left of it, its metadata at least if it is to be named), NULL for a good one. The caller takes
 * message and secrets of *ret; its message is NULL when it is broken. 0; -ENOMEM (message NULL). */
int manifest_decode_node(const struct node *n, const char *api_version, const char *kind, const char *defect,
			 struct diags *diags, struct manifest_object *ret);

#endif
