/* Order of resourceVersions. Pure; run by the watcher. */
#include "watcher/k8s/version.h"

#include <string.h>

#include "lib/base/strbuf.h"

bool version_is_older(const char *a, const char *b)
{
	unsigned long long x, y;
	return str_to_u64(a, strlen(a), ~0ULL, &x) && str_to_u64(b, strlen(b), ~0ULL, &y) && x < y;
}
