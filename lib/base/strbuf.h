/* Growing text buffer with a sticky out-of-memory flag, and the few string functions that every room needs.
 */
#ifndef INGOT_BASE_STRBUF_H
#define INGOT_BASE_STRBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct strbuf {
	char *s; /* NUL-terminated, or NULL while empty */
	size_t len, cap;
	bool oom;
};

void strbuf_fini(struct strbuf *b);
void strbuf_reset(struct strbuf *b); /* empty, memory kept */
void strbuf_add(struct strbuf *b, const char *text);
void strbuf_add_n(struct strbuf *b, const char *text, size_t n);
void strbuf_char(struct strbuf *b, char c);
void strbuf_fmt(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vfmt(struct strbuf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
const char *strbuf_get(const struct strbuf *b); /* never NULL */
char *strbuf_take(struct strbuf *b); /* heap text, caller frees; NULL on oom. The buffer is empty again */

/* snprintf that always terminates; returns true when everything fitted. */
bool str_fmt(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool str_starts(const char *s, const char *prefix);
/* Decimal without sign or blanks, at most max; false leaves *ret alone. */
bool str_to_u64(const char *s, size_t n, unsigned long long max, unsigned long long *ret);
/* Copy of s (n bytes) with bytes that are not printable UTF-8 escaped as \xNN, cut at cap-1; for logging
 * foreign text. */
const char *str_escape(const void *s, size_t n, char *buf, size_t cap);
bool str_is_utf8(const void *s, size_t n);

#endif
