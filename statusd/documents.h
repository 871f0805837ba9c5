/* The JSON documents that ingotctl and the health listener give out (docs/usage.md has their shapes). Pure.
 * Each function returns a new reference, or NULL on out of memory. */
#ifndef INGOT_STATUSD_DOCUMENTS_H
#define INGOT_STATUSD_DOCUMENTS_H

#include <jansson.h>

#include "statusd/state.h"

json_t *document_services(const struct state *s);
json_t *document_pools(const struct state *s);
json_t *document_peers(const struct state *s);
json_t *document_members(const struct state *s);
json_t *document_owners(const struct state *s);
/* {"leader": {...}, "source": {...}, "config": {...}, "topics": {...}} */
json_t *document_status(const struct state *s);

/* Everything known about one Service. subject is "namespace/name", or a name when only one Service has it. On
 * failure NULL; *error (heap, caller frees) says why, with names that are near. */
json_t *document_explain(const struct state *s, const char *subject, char **error);

struct config_summary {
	bool loaded, stale;
};
struct config_summary config_summary(const struct state *s);

/* Objects are published from memory or from the state file, because their source cannot be asked now. */
bool source_is_stale(const struct state *s);

/* Arrays of texts for documents. */
json_t *json_texts(char *const *v, size_t n);

#endif
