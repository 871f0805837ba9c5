/* The kept table of l2d as foreign input: whatever decodes encodes to a table that decodes to as many
 * addresses. */
#include <stdint.h>
#include <stdlib.h>

#include "l2d/snapshot.h"
#include "lib/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void start(struct responder *r, mono_t now)
{
	struct link k = {
		.index = 3, .up = true, .arp = true, .ndp = true, .name = "eth0", .mac = { 2, 0, 0, 0, 0, 2 }
	};
	must(addr_parse("fe80::2", &k.link_local));
	responder_init(r, NULL, NULL);
	responder_link(r, &k, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct responder a, b;
	uint8_t *bytes = NULL;
	size_t n = 0;
	mono_t now = { SEC(100) };
	start(&a, now);
	start(&b, now);
	snapshot_decode(&a, data, len, now);
	must(snapshot_encode(&a, &bytes, &n) == 0);
	must(snapshot_decode(&b, bytes, n, now) == (int)a.n_vips);
	must(a.n_vips == b.n_vips && a.n_ifs == b.n_ifs && a.n_yielded == b.n_yielded && !a.oom && !b.oom);
	free(bytes);
	responder_fini(&a);
	responder_fini(&b);
	return 0;
}
