/* The syntax of label keys and values in Kubernetes. Pure. */
#ifndef INGOT_MODEL_LABEL_H
#define INGOT_MODEL_LABEL_H

#include <stdbool.h>

/* "[prefix/]name": an RFC 1123 subdomain of at most 253 bytes, and a name of at most 63. */
bool label_key_is_valid(const char *key);
/* Empty, or at most 63 bytes of [A-Za-z0-9-_.] that begin and end with [A-Za-z0-9]. */
bool label_value_is_valid(const char *value);

#endif
