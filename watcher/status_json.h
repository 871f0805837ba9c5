/* The JSON of the status store: confirmed addresses of a Service. Pure. */
#ifndef INGOT_WATCHER_STATUS_JSON_H
#define INGOT_WATCHER_STATUS_JSON_H

#include "lib/base/strbuf.h"
#include "watcher/mirror.h"

enum { STATUS_MAX_BYTES = 64 << 10 };

/* {"ingress":[{"ip":"10.0.0.1"}],"pool":"first"}. The caller frees *ret. -EINVAL with a sentence in error;
 * -ENOMEM. */
int status_json_parse(const void *data, size_t len, struct service_status **ret, char *error,
		      size_t error_size);
/* Heap text that ends with a newline; NULL on out of memory. */
char *status_json_print(const struct service_status *s);

#endif
