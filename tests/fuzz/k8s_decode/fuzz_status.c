/* Any bytes as the body of an answer that is no success. The first byte chooses what it claims to be. */
#include "tests/fuzz/k8s_decode/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const types[] = { "application/json", "application/vnd.kubernetes.protobuf",
					     "text/html", "" };
	struct api_status s;
	if (len == 0)
		return 0;
	decode_status(500, types[data[0] % ARRAY_LEN(types)], data + 1, len - 1, &s);
	must(s.code >= 100 && s.code <= 999);
	must(s.retry_after_s == -1 || s.retry_after_s > 0);
	must(*s.message || *s.reason);
	must(str_is_utf8(s.message, strlen(s.message)) && str_is_utf8(s.reason, strlen(s.reason)));
	return 0;
}
