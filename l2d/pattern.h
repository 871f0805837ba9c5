/* Regular expressions for interface names, as operators write them for MetalLB. Matching costs time
 * proportional to pattern times name whatever the pattern is, and compiling is bounded. Pure. */
#ifndef INGOT_L2D_PATTERN_H
#define INGOT_L2D_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

enum { PATTERN_MAX_CODE = 1024 };

struct pattern;

/* Literals, `.`, classes, \d \w \s and their opposites, groups, `|`, `*`, `+`, `?`, {m,n}, `^`, `$`. 0;
 * -EINVAL with a sentence in error; -ENOMEM. */
int pattern_compile(const char *text, struct pattern **ret, char *error, size_t error_size);
void pattern_free(struct pattern *p);
/* Whether it matches anywhere in s. */
bool pattern_search(const struct pattern *p, const char *s);

#endif
