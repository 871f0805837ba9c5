/* For tests: objects of the API in its protobuf encoding, made from their JSON. */
#ifndef INGOT_TESTS_K8S_SAMPLE_H
#define INGOT_TESTS_K8S_SAMPLE_H

#include <stdbool.h>

#include "lib/base/strbuf.h"

/* A whole file below INGOT_SOURCE_DIR; empty when there is none. The caller frees. */
bool sample_read(const char *path, struct strbuf *out);

/* The message of proto/kubernetes.proto that a JSON object means; members that it does not have are left out.
 */
void sample_message(const char *json, const char *kind, struct strbuf *out);
/* What is around it. */
void sample_envelope(const char *api_version, const char *kind, const struct strbuf *message,
		     struct strbuf *out);
void sample_field(struct strbuf *out, unsigned number, const void *data, size_t len);
void sample_event(const char *type, const struct strbuf *envelope, struct strbuf *out);
/* The frame of a stream. */
void sample_frame(const struct strbuf *event, struct strbuf *out);

#endif
