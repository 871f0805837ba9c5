/* What this API server offers: its version, and the versions of the groups that Ingot may use. Pure; run by
 * the watcher. Parsed from the answers to GET /version and GET /apis. */
#ifndef INGOT_WATCHER_K8S_DISCOVERY_H
#define INGOT_WATCHER_K8S_DISCOVERY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/map.h"

struct discovery {
	unsigned major, minor; /* 0.0: not known */
	char version[64];      /* as the server prints it */
	struct map versions;   /* "group/version" -> itself; "v1" is always there */
};

void discovery_init(struct discovery *d);
void discovery_fini(struct discovery *d);
/* 0; -EINVAL when it is not what an API server says (error has a sentence); -ENOMEM. On failure nothing
 * changed. */
int discovery_take_version(struct discovery *d, const void *data, size_t len, char *error, size_t error_size);
int discovery_take_groups(struct discovery *d, const void *data, size_t len, char *error, size_t error_size);
bool discovery_has(const struct discovery *d, const char *group_version);
/* Streamed lists are on by default, and right, from 1.34 on. */
bool discovery_streams_lists(const struct discovery *d);

#endif
