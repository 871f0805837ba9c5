/* What a server says of itself. Either it is taken, or nothing changes and there is a sentence to print. */
#include <stdint.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "watcher/k8s/discovery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_error(const char *error)
{
	must(*error && str_is_utf8(error, strlen(error)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char before[] = "{\"groups\":[{\"versions\":[{\"groupVersion\":\"a/v1\"}]}]}",
			  version[] = "{\"gitVersion\":\"v1.2.3\",\"major\":\"1\",\"minor\":\"2\"}";
	struct discovery d;
	char error[200] = "";
	discovery_init(&d);
	must(discovery_take_groups(&d, before, sizeof before - 1, error, sizeof error) == 0);
	must(discovery_take_version(&d, version, sizeof version - 1, error, sizeof error) == 0);
	if (discovery_take_version(&d, data, len, error, sizeof error) < 0) {
		check_error(error);
		must(d.major == 1 && d.minor == 2 && strcmp(d.version, "v1.2.3") == 0);
	}
	must(d.major <= 10000 && d.minor <= 10000 && str_is_utf8(d.version, strlen(d.version)));
	error[0] = 0;
	if (discovery_take_groups(&d, data, len, error, sizeof error) < 0) {
		check_error(error);
		must(discovery_has(&d, "a/v1") && map_len(&d.versions) == 1);
	}
	must(map_len(&d.versions) <= 4096 && discovery_has(&d, "v1"));
	discovery_fini(&d);
	return 0;
}
