/* For tests: what came out of the decoder, as text. */
#ifndef INGOT_TESTS_K8S_DUMP_H
#define INGOT_TESTS_K8S_DUMP_H

#include "lib/base/strbuf.h"
#include "watcher/k8s/decode/decode.h"

/* A list: its items, its metadata, the diagnostics. */
void dump_list(enum kind k, enum encoding e, const void *data, size_t len, struct strbuf *out);
/* One event, or all of a stream. */
void dump_event(enum kind k, enum encoding e, const void *data, size_t len, struct strbuf *out);
void dump_stream(enum kind k, enum encoding e, const void *data, size_t len, struct strbuf *out);
void dump_status(const struct api_status *s, struct strbuf *out);

#endif
