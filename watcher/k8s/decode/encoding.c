/* Which encoding an answer has. Pure; run by the watcher. */
#include "watcher/k8s/decode/decode.h"

#include <string.h>

enum encoding encoding_of(const char *content_type)
{
	size_t n = strcspn(content_type, "; \t");
	if (n == strlen("application/json") && strncmp(content_type, "application/json", n) == 0)
		return ENCODING_JSON;
	if (n == strlen("application/vnd.kubernetes.protobuf") &&
	    strncmp(content_type, "application/vnd.kubernetes.protobuf", n) == 0)
		return ENCODING_PROTOBUF;
	return ENCODING_UNKNOWN;
}
