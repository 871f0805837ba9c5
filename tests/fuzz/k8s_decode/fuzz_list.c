/* Any bytes as the answer to a list: no crash, no leak, items within their caps, every broken one with an
 * error. */
#include "tests/fuzz/k8s_decode/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct tally {
	enum kind kind;
	size_t broken;
};

static void on_item(void *ctx, struct item *i)
{
	struct tally *t = ctx;
	check_item(t->kind, i);
	t->broken += t->kind != KIND_N && !i->message;
	if (i->message)
		protobuf_c_message_free_unpacked(i->message, NULL);
	manifest_secrets_fini(&i->secrets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct diags d = { 0 };
	struct list_meta meta;
	if (len == 0)
		return 0;
	struct tally t = { .kind = fuzz_kind(data[0]) };
	int rc = decode_list(t.kind, fuzz_encoding(data[0]), data + 1, len - 1, &d, on_item, &t, &meta);
	must(rc == 0 || (rc < 0 && !meta.continue_token));
	must(d.n_errors >= t.broken + (rc < 0));
	must(strlen(meta.resource_version) < sizeof meta.resource_version);
	free(meta.continue_token);
	diags_fini(&d);
	return 0;
}
