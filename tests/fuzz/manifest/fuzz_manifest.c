/* Any bytes as a manifest: no crash, no leak, objects within their caps, and every broken object has an
 * error. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/manifest/manifest.h"
#include "lib/model/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_object(void *ctx, struct manifest_object *o)
{
	size_t *broken = ctx;
	if (!o->message) {
		++*broken;
		must(o->secrets.n == 0);
		return;
	}
	must(o->kind < KIND_N && o->key[0]);
	must(o->message->descriptor == kind_descriptor(o->kind));
	size_t size = protobuf_c_message_get_packed_size(o->message);
	must(size <= LIMIT_OBJECT_BYTES);
	uint8_t *bytes = malloc(size + 1);
	must(bytes != NULL);
	must(protobuf_c_message_pack(o->message, bytes) == size);
	ProtobufCMessage *again = protobuf_c_message_unpack(o->message->descriptor, NULL, size, bytes);
	must(again != NULL);
	protobuf_c_message_free_unpacked(again, NULL);
	free(bytes);
	protobuf_c_message_free_unpacked(o->message, NULL);
	manifest_secrets_fini(&o->secrets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct diags d = { 0 };
	size_t broken = 0;
	struct manifest_counts c;
	int rc = manifest_parse("fuzz.yaml", data, len, &d, on_object, &broken, &c);
	must(c.broken == broken);
	must(d.n_errors >= broken);
	must(rc == 0 || d.n_errors > 0);
	diags_fini(&d);
	return 0;
}
