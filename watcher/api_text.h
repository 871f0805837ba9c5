/* Texts as the Kubernetes API wants them: times in RFC 3339 (UTC), and no more bytes than a field holds.
 * Pure. */
#ifndef INGOT_WATCHER_API_TEXT_H
#define INGOT_WATCHER_API_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum { RFC3339_SIZE = 40 };

/* ms since 1970, cut to seconds: "2026-01-31T12:00:00Z" (metav1.Time). Returns buf. */
const char *rfc3339(int64_t ms, char buf[static RFC3339_SIZE]);
/* "2026-01-31T12:00:00.123000Z" (metav1.MicroTime). Returns buf. */
const char *rfc3339_micro(int64_t ms, char buf[static RFC3339_SIZE]);
/* Copy of text in valid UTF-8, at most size - 1 bytes and cut between characters; bytes that are no UTF-8 are
 * escaped. Returns buf. */
const char *api_text(const char *text, char *buf, size_t size);

#endif
