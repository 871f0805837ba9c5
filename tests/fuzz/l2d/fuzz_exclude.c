/* The exclude list: no YAML and no expression does harm, and a refusal always says why. */
#include <stdint.h>
#include <string.h>

#include "l2d/exclude.h"
#include "lib/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct exclude *e = NULL;
	char error[256] = "";
	int r = exclude_parse((const char *)data, len, &e, error, sizeof error);
	must((r == 0) == (e != NULL));
	must(r == 0 || error[0]);
	exclude_matches(e, "eth0");
	exclude_matches(e, "docker0123456789");
	exclude_free(e);
	return 0;
}
