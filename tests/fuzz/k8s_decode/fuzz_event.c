/* Any bytes as an event of a watch. */
#include <errno.h>

#include "tests/fuzz/k8s_decode/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct diags d = { 0 };
	struct event e;
	if (len == 0)
		return 0;
	enum kind k = fuzz_kind(data[0]);
	int rc = decode_event(k, fuzz_encoding(data[0]), data + 1, len - 1, &d, &e);
	must(rc == 0 || rc == -EINVAL);
	check_item(k, &e.item);
	must(rc == 0 || (d.n_errors > 0 && !e.item.message));
	must(str_is_utf8(e.status.message, strlen(e.status.message)));
	event_fini(&e);
	diags_fini(&d);
	return 0;
}
