/* Interfaces that must not announce: the list of regular expressions in the ConfigMap metallb-excludel2.
 * Pure. */
#ifndef INGOT_L2D_EXCLUDE_H
#define INGOT_L2D_EXCLUDE_H

#include <stdbool.h>
#include <stddef.h>

enum { EXCLUDE_MAX_TEXT = 64 << 10, EXCLUDE_MAX_PATTERNS = 256, EXCLUDE_MAX_PATTERN = 256 };

struct exclude;

/* From the YAML text of key excludel2.yaml: a mapping with the list announcedInterfacesToExclude. Expressions
 * are POSIX extended ones, searched unanchored. 0; -EINVAL with a sentence in error that names the fault;
 * -ENOMEM. */
int exclude_parse(const char *yaml, size_t len, struct exclude **ret, char *error, size_t error_size);
void exclude_free(struct exclude *e);
/* NULL excludes nothing. */
bool exclude_matches(const struct exclude *e, const char *interface);

#endif
