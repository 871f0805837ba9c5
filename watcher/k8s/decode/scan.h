/* JSON text cut into its values without parsing them: so that one bad object of a list is one bad object, and
 * only one at a time is in memory. What a value means is jansson's business. Pure; private to decode. */
#ifndef INGOT_WATCHER_K8S_SCAN_H
#define INGOT_WATCHER_K8S_SCAN_H

#include <jansson.h>

#include "lib/base/cur.h"

/* Step into the object ('{') or list ('[') that is the next value; c is bad when it is another. */
void scan_enter(struct cur *c, char open);
/* The next member of an object, or item of a list, as text; false at its end, or when c->bad says that the
 * text is broken. key keeps its quotes. */
bool scan_member(struct cur *c, struct cur *key, struct cur *value);
bool scan_item(struct cur *c, struct cur *value);

/* Is this key, which keeps its quotes, that name? Names of the API need no escapes. */
bool scan_is(struct cur key, const char *name);
/* The value of a member of an object; of many, the last. bad: absent, or no whole
 * object. */
struct cur scan_get(struct cur object, const char *name);
/* The parsed value, the caller gives it back; NULL: not JSON, why (if not NULL) says what is wrong. */
json_t *scan_parse(struct cur value, json_error_t *why);
/* A text of at most size - 1 bytes without NUL; false, and an empty one, when it is none. */
bool scan_text(struct cur value, char *buf, size_t size);
/* A short one, made printable; false leaves buf alone. */
enum { SCAN_NAME = 128 };
bool scan_name(struct cur value, char buf[static SCAN_NAME]);

#endif
