/* What the tests of the source k8s share: dice, answers of a server, and texts for messages. */
#ifndef INGOT_TESTS_K8S_MAKE_H
#define INGOT_TESTS_K8S_MAKE_H

#include "lib/base/strbuf.h"
#include "watcher/k8s/write.h"

/* The same sequence for the same seed, everywhere. */
static inline uint32_t roll(uint64_t *state, uint32_t n)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33) % n;
}

static inline struct api_status api_error(int code, const char *reason, const char *message)
{
	struct api_status s = { .code = code, .retry_after_s = -1 };
	str_fmt(s.reason, sizeof s.reason, "%s", reason);
	str_fmt(s.message, sizeof s.message, "%s", message);
	return s;
}

/* The answer to a write; status 0 = none came. */
static inline struct write_outcome outcome(int status, const json_t *object)
{
	struct write_outcome o = { .status = status, .retry_after_us = -1, .object = object };
	if (status == 0)
		o.failure = "connection reset";
	else if (status >= 300)
		o.error = api_error(status, "", "the server's words");
	return o;
}

/* Texts in messages are char *; nobody writes to them. */
static inline char *text(const char *s)
{
	union {
		const char *in;
		char *out;
	} u = { s };
	return u.out;
}

#endif
