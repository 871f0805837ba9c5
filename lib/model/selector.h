/* metav1.LabelSelector: hygiene check, compile, match. Inside one selector all terms must hold (AND); a list
 * of selectors is an OR; {} matches everything. */
#ifndef INGOT_MODEL_SELECTOR_H
#define INGOT_MODEL_SELECTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/objects.pb-c.h"

enum selector_op { SELECTOR_IN, SELECTOR_NOT_IN, SELECTOR_EXISTS, SELECTOR_NOT_EXISTS };
struct selector_term {
	char *key;
	enum selector_op op;
	size_t n_values;
	char **values; /* sorted */
};
struct selector {
	size_t n_terms;
	struct selector_term *terms; /* sorted by key, operator */
	char *text;		     /* canonical form, "bar in (quux),foo=bar" */
};
struct selectors {
	size_t n;
	struct selector *v;
};

/* Compile a list. On failure -EINVAL and *error (heap, caller frees) says why: malformed ("..."), or a
 * repeated value, expression or selector ("duplicate definition of ..." without the field name). -ENOMEM
 * leaves *error NULL. */
int selectors_compile(Ingot__LabelSelector *const *list, size_t n, struct selectors *ret, char **error);
void selectors_fini(struct selectors *s);
bool selector_matches(const struct selector *s, Ingot__KeyValue *const *labels, size_t n);
/* True when the list is empty, too ("no restriction"). */
bool selectors_match(const struct selectors *s, Ingot__KeyValue *const *labels, size_t n);
bool selectors_equal(const struct selectors *a, const struct selectors *b);

#endif
