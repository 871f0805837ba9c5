/* What the text of a scalar means: YAML's plain scalars as kubectl reads them, and the string formats of the
 * Kubernetes API (durations, times, base64). Pure. */
#ifndef INGOT_MANIFEST_SCALAR_H
#define INGOT_MANIFEST_SCALAR_H

#include "lib/manifest/tree.h"

/* Set type (and integer, truth) of a plain, unquoted scalar from its text. An integer that does not fit 64
 * bits is a NODE_FLOAT, as in JSON. */
void scalar_resolve(struct node *n);
/* "90s", "1m30s", "1.5h", "-2ms", "0": nanoseconds. False when it is none, or does not fit. */
bool scalar_duration(const char *text, int64_t *ret);
/* RFC 3339, "2024-05-01T10:00:00Z", with optional fraction and offset: Unix time in ms. */
bool scalar_time(const char *text, int64_t *ret);
/* RFC 4648 section 4, with padding; line breaks are allowed. out has room for len / 4 * 3 + 3 bytes; false
 * when malformed. */
bool scalar_base64(const char *text, size_t len, uint8_t *out, size_t *out_len);

#endif
