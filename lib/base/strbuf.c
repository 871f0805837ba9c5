/* Text that grows, and careful small string functions (UTF-8 by RFC 3629). Pure; used everywhere. */
#include "lib/base/strbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"

void strbuf_fini(struct strbuf *b)
{
	if (!b)
		return;
	free(b->s);
	*b = (struct strbuf){ 0 };
}

void strbuf_reset(struct strbuf *b)
{
	b->len = 0;
	b->oom = false;
	if (b->s)
		b->s[0] = 0;
}

/* Room for n more bytes and the NUL. */
static bool reserve(struct strbuf *b, size_t n)
{
	if (b->oom)
		return false;
	if (n < b->cap - b->len)
		return true;
	size_t cap = b->cap ? b->cap : 64;
	while (cap - b->len <= n) {
		if (cap > SIZE_MAX / 4) {
			b->oom = true;
			return false;
		}
		cap *= 2;
	}
	char *s = realloc(b->s, cap);
	if (!s) {
		b->oom = true;
		return false;
	}
	b->s = s;
	b->cap = cap;
	return true;
}

void strbuf_add_n(struct strbuf *b, const char *text, size_t n)
{
	if (!reserve(b, n))
		return;
	if (n)
		memcpy(b->s + b->len, text, n);
	b->len += n;
	b->s[b->len] = 0;
}

void strbuf_add(struct strbuf *b, const char *text)
{
	strbuf_add_n(b, text, strlen(text));
}

void strbuf_char(struct strbuf *b, char c)
{
	strbuf_add_n(b, &c, 1);
}

void strbuf_vfmt(struct strbuf *b, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	size_t room = b->cap - b->len;
	int n = b->oom ? -1 : vsnprintf(b->s ? b->s + b->len : NULL, room, fmt, ap);
	if (n < 0)
		b->oom = true;
	else if ((size_t)n < room)
		b->len += (size_t)n;
	else if (reserve(b, (size_t)n) && vsnprintf(b->s + b->len, b->cap - b->len, fmt, again) == n)
		b->len += (size_t)n;
	else
		b->oom = true;
	if (b->s)
		b->s[b->len] = 0;
	va_end(again);
}

void strbuf_fmt(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	strbuf_vfmt(b, fmt, ap);
	va_end(ap);
}

const char *strbuf_get(const struct strbuf *b)
{
	return b->s ? b->s : "";
}

char *strbuf_take(struct strbuf *b)
{
	reserve(b, 0);
	char *s = b->s;
	if (b->oom) {
		free(s);
		s = NULL;
	} else {
		s[b->len] = 0;
	}
	*b = (struct strbuf){ 0 };
	return s;
}

bool str_fmt(char *buf, size_t size, const char *fmt, ...)
{
	must(size > 0);
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	if (n < 0)
		buf[0] = 0;
	return n >= 0 && (size_t)n < size;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_to_u64(const char *s, size_t n, unsigned long long max, unsigned long long *ret)
{
	unsigned long long v = 0;
	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		unsigned digit = (unsigned)(s[i] - '0');
		if (v > max / 10 || (v == max / 10 && digit > max % 10))
			return false;
		v = v * 10 + digit;
	}
	*ret = v;
	return true;
}

/* Length of the well-formed UTF-8 sequence at p (n > 0 bytes are left), 0 when it is none; *code is its code
 * point. */
static size_t utf8_at(const uint8_t *p, size_t n, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = p[0] < 0x80   ? 1
		     : p[0] < 0xc2 ? 0
		     : p[0] < 0xe0 ? 2
		     : p[0] < 0xf0 ? 3
		     : p[0] < 0xf5 ? 4
				   : 0;
	if (len == 0 || len > n)
		return 0;
	uint32_t c = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*code = c;
	return len;
}

bool str_is_utf8(const void *s, size_t n)
{
	const uint8_t *p = s;
	uint32_t code;
	for (size_t i = 0, len; i < n; i += len)
		if (!(len = utf8_at(p + i, n - i, &code)))
			return false;
	return true;
}

/* Controls, and the marks that change the direction of text: in a log they hide what was really said. */
static bool is_printable(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false;
	return c != 0x200e && c != 0x200f && !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069);
}

const char *str_escape(const void *s, size_t n, char *buf, size_t cap)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *p = s;
	size_t out = 0;
	must(cap > 0);
	for (size_t i = 0; i < n;) {
		uint32_t code = 0;
		size_t len = utf8_at(p + i, n - i, &code);
		if (len && is_printable(code)) {
			if (out + len >= cap)
				break;
			memcpy(buf + out, p + i, len);
			out += len;
			i += len;
			continue;
		}
		if (out + 4 >= cap)
			break;
		buf[out++] = '\\';
		buf[out++] = 'x';
		buf[out++] = hex[p[i] >> 4];
		buf[out++] = hex[p[i] & 15];
		i++;
	}
	buf[out] = 0;
	return buf;
}
