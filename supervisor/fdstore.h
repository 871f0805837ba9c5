/* Descriptors kept by name for the next life of one daemon. */
#ifndef INGOT_SUPERVISOR_FDSTORE_H
#define INGOT_SUPERVISOR_FDSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/map.h"

struct fdstore {
	struct map by_name;
	uint64_t refused; /* over the cap, or out of memory */
};

void fdstore_init(struct fdstore *s);
void fdstore_fini(struct fdstore *s); /* closes all */
void fdstore_clear(struct fdstore *s);
/* Takes fd (closes it when it cannot be kept); replaces an older one of that name. False = over
 * SUP_MAX_RETAINED. */
bool fdstore_put(struct fdstore *s, const char *name, int fd);
void fdstore_drop(struct fdstore *s, const char *name);
size_t fdstore_count(const struct fdstore *s);
/* Walk in the order of keeping: the entry after `at`, the first for NULL; NULL at the end. */
const struct map_entry *fdstore_next(const struct fdstore *s, const struct map_entry *at);
int fdstore_fd(const struct map_entry *e);

#endif
