/* Objects for tests from one line of text, and a compiled configuration as lines of text. The line names the
 *kind, the object and its fields by their names in proto/objects.proto:
 *
 *	IPAddressPool p1 addresses=10.0.0.0/24,"10.0.1.1 - 10.0.1.9" labels=tier=gold
 *service_allocation.priority=1
 *
 * Lists are separated by commas. A label selector is {} or terms joined by &: key=value, key:In:a+b,
 *key:Exists:. A preference is weight/selector. An endpoint is node@address+address/ready=no/serving=yes.
 *Namespace: "ns/name", else metallb-system (Services and EndpointSlices: default). `key=` overrides the key
 *in the store. */
#ifndef INGOT_TESTS_MODEL_BUILD_H
#define INGOT_TESTS_MODEL_BUILD_H

#include "lib/base/strbuf.h"
#include "lib/model/config.h"

#define BUILD_NAMESPACE "metallb-system"

/* Cut a line into words in place; double quotes keep blanks. Returns the number of words, at most max. */
size_t build_words(char *line, char **word, size_t max);
/* Add the object to the store; returns NULL, or what is wrong with the line (a literal). */
const char *build_object(struct objects *o, char *const *word, size_t n);
/* The same from one literal line; fails the test when the line is wrong. */
void build_line(struct objects *o, const char *line);

/* One line per object: "pool p1 auto=yes ranges=... l2=a,b"; blanks inside values become underscores. */
void dump_config(struct strbuf *out, const struct config *c);

#endif
