/* The configuration that allocation works with. A pool that was right once and is broken by an edit goes on
 * as it was, while everything else follows the newest objects: no typing mistake takes addresses away. Pure.
 */
#ifndef INGOT_ALLOCATOR_SOURCE_H
#define INGOT_ALLOCATOR_SOURCE_H

#include "lib/model/config.h"

struct source {
	struct map good; /* object key -> the newest IPAddressPool that compiled */
};
void source_init(struct source *s);
void source_fini(struct source *s);
/* Compile the pools among the objects. *broken (free with name_set_fini) are the names of pools that exist
 * but have never been right; *stale says that an older pool stands in for a broken one. diags is reset first.
 * -ENOMEM: nothing changed but diags. */
int source_compile(struct source *s, const struct objects *objects, const char *ns, struct diags *diags,
		   struct config **ret, struct name_set *broken, bool *stale);

#endif
