/* Messages between supervisor and children: what decodes also encodes to the same bytes. */
#include <stdint.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/run/supwire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sup_message m = { .fd = -7 };
	uint8_t again[SUP_PACKET];
	if (sup_decode(data, len, &m) < 0) {
		must(m.fd == -7);
		return 0;
	}
	must(m.fd == -1 && m.type > SUP_NONE && m.type < SUP_TYPE_N);
	must(sup_encode(&m, again) == len && memcmp(data, again, len) == 0);
	return 0;
}
