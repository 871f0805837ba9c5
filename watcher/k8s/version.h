/* resourceVersions. Pure. */
#ifndef INGOT_WATCHER_K8S_VERSION_H
#define INGOT_WATCHER_K8S_VERSION_H

#include <stdbool.h>

/* Whether a is surely an older version of the same object than b. They are decimal numbers of etcd's; for any
 * other text nothing is sure. Used only to tell news from echoes that come late. */
bool version_is_older(const char *a, const char *b);

#endif
