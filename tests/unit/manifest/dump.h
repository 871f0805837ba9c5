/* For tests: objects and diagnostics of a manifest as text, field by field. */
#ifndef INGOT_TESTS_MANIFEST_DUMP_H
#define INGOT_TESTS_MANIFEST_DUMP_H

#include "lib/base/strbuf.h"
#include "lib/manifest/manifest.h"

void dump_message(const ProtobufCMessage *m, int indent, struct strbuf *out);
/* Parse and print everything: result, objects in order, diagnostics. */
void dump_manifest(const char *file_name, const void *data, size_t len, struct strbuf *out);

#endif
