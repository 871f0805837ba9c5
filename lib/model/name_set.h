/* Building name sets (struct name_set of lib/model/config.h). Pure. */
#ifndef INGOT_MODEL_NAME_SET_H
#define INGOT_MODEL_NAME_SET_H

#include "lib/model/config.h"

/* Copy, sort and unify n names. *duplicate (may be NULL) receives one of the names that came twice, borrowed
 * from v, or NULL. -ENOMEM leaves *ret alone. The caller frees with name_set_fini. */
int name_set_build(const char *const *v, size_t n, struct name_set *ret, const char **duplicate);
/* The same for the repeated string of a message. */
int name_set_of(char *const *v, size_t n, struct name_set *ret, const char **duplicate);
/* Add the names of b to a. -ENOMEM leaves a as it was. */
int name_set_merge(struct name_set *a, const struct name_set *b);
bool name_set_equal(const struct name_set *a, const struct name_set *b);
void name_set_fini(struct name_set *s);

#endif
