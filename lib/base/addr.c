/* Addresses, prefixes and ranges: text (RFC 4291 section 2.2, RFC 5952) and arithmetic. Pure; used
 * everywhere. */
#include "lib/base/addr.h"

#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

addr_t addr_v4(uint32_t v)
{
	return (addr_t){ FAMILY_V4,
			 { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v } };
}

uint32_t addr_v4_value(addr_t a)
{
	must(a.family == FAMILY_V4);
	return (uint32_t)a.bytes[0] << 24 | (uint32_t)a.bytes[1] << 16 | (uint32_t)a.bytes[2] << 8 |
	       a.bytes[3];
}

size_t addr_size(addr_t a)
{
	return a.family == FAMILY_V4 ? 4 : a.family == FAMILY_V6 ? 16 : 0;
}

unsigned addr_bits(addr_t a)
{
	return (unsigned)addr_size(a) * 8;
}

addr_t addr_from_bytes(enum family f, const void *network_order)
{
	addr_t a = { .family = (uint8_t)f };
	memcpy(a.bytes, network_order, addr_size(a));
	return a;
}

/* Dotted quad of exactly n characters. */
static bool parse_v4(const char *s, size_t n, uint8_t ret[static 4])
{
	size_t i = 0;
	for (int field = 0; field < 4; field++) {
		if (field > 0 && (i == n || s[i++] != '.'))
			return false;
		size_t start = i;
		unsigned v = 0;
		for (; i < n && s[i] >= '0' && s[i] <= '9' && i - start < 3; i++)
			v = v * 10 + (unsigned)(s[i] - '0');
		if (i == start || v > 255 || (i - start > 1 && s[start] == '0'))
			return false;
		ret[field] = (uint8_t)v;
	}
	return i == n;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One group of one to four hex digits at s[*i]. */
static bool parse_group(const char *s, size_t n, size_t *i, uint8_t ret[static 2])
{
	unsigned v = 0;
	size_t start = *i, at = start;
	for (; at < n && hex_digit(s[at]) >= 0; at++) {
		if (at - start == 4)
			return false;
		v = v << 4 | (unsigned)hex_digit(s[at]);
	}
	if (at == start)
		return false;
	ret[0] = (uint8_t)(v >> 8);
	ret[1] = (uint8_t)v;
	*i = at;
	return true;
}

static bool has_dot(const char *s, size_t n)
{
	return n > 0 && memchr(s, '.', n) != NULL;
}

/* Groups until the end of the text; *gap is the offset in out of "::" or -1; returns bytes written or -1. */
static int parse_groups(const char *s, size_t n, uint8_t out[static 16], int *gap)
{
	int used = 0;
	size_t i = 0;
	*gap = -1;
	if (n >= 2 && s[0] == ':' && s[1] == ':') {
		*gap = 0;
		i = 2;
	}
	while (i < n) {
		const char *colon = memchr(s + i, ':', n - i);
		if (!colon && has_dot(s + i, n - i)) {
			if (used > 12 || !parse_v4(s + i, n - i, out + used))
				return -1;
			return used + 4;
		}
		if (used == 16 || !parse_group(s, n, &i, out + used))
			return -1;
		used += 2;
		if (i == n)
			break;
		if (s[i++] != ':' || i == n)
			return -1;
		if (s[i] == ':') {
			if (*gap >= 0)
				return -1;
			*gap = used;
			i++;
		}
	}
	return used;
}

static bool parse_v6(const char *s, size_t n, uint8_t ret[static 16])
{
	uint8_t out[16] = { 0 };
	int gap, used = parse_groups(s, n, out, &gap);
	/* A "::" stands for at least one group of zeros. */
	if (used < 0 || (gap < 0 ? used != 16 : used == 16))
		return false;
	memset(ret, 0, 16);
	size_t head = (size_t)(gap < 0 ? used : gap), tail = (size_t)used - head;
	memcpy(ret, out, head);
	memcpy(ret + 16 - tail, out + head, tail);
	return true;
}

/* As addr_parse_n, but an IPv4-mapped address stays IPv6. */
static bool parse_raw(const char *text, size_t n, addr_t *ret)
{
	addr_t a = { 0 };
	if (parse_v4(text, n, a.bytes)) {
		a.family = FAMILY_V4;
	} else {
		memset(a.bytes, 0, sizeof a.bytes);
		a.family = FAMILY_V6;
		if (!parse_v6(text, n, a.bytes))
			return false;
	}
	*ret = a;
	return true;
}

static bool is_mapped(addr_t a)
{
	return a.family == FAMILY_V6 && memcmp(a.bytes, mapped, sizeof mapped) == 0;
}

bool addr_parse_n(const char *text, size_t n, addr_t *ret)
{
	addr_t a;
	if (!parse_raw(text, n, &a))
		return false;
	*ret = is_mapped(a) ? addr_from_bytes(FAMILY_V4, a.bytes + 12) : a;
	return true;
}

bool addr_parse(const char *text, addr_t *ret)
{
	return addr_parse_n(text, strlen(text), ret);
}

static unsigned group(addr_t a, int i)
{
	return (unsigned)a.bytes[2 * i] << 8 | a.bytes[2 * i + 1];
}

/* The first longest run of at least two zero groups (RFC 5952 section 4.2); *len is 0 when there is none. */
static int longest_zeros(addr_t a, int *len)
{
	int best = -1;
	*len = 0;
	for (int i = 0; i < 8; i++) {
		int n = 0;
		while (i + n < 8 && group(a, i + n) == 0)
			n++;
		if (n >= 2 && n > *len) {
			best = i;
			*len = n;
		}
		i += n;
	}
	return best;
}

static char *put_v4(char *p, const uint8_t *b)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			*p++ = '.';
		if (b[i] >= 100)
			*p++ = (char)('0' + b[i] / 100);
		if (b[i] >= 10)
			*p++ = (char)('0' + b[i] / 10 % 10);
		*p++ = (char)('0' + b[i] % 10);
	}
	return p;
}

static char *put_group(char *p, unsigned v)
{
	bool started = false;
	for (int shift = 12; shift >= 0; shift -= 4) {
		unsigned digit = v >> shift & 15;
		started |= digit || shift == 0;
		if (started)
			*p++ = "0123456789abcdef"[digit];
	}
	return p;
}

const char *addr_text(addr_t a, char buf[static ADDR_TEXT])
{
	char *p = buf;
	if (a.family == FAMILY_V4) {
		p = put_v4(p, a.bytes);
	} else if (is_mapped(a)) {
		memcpy(p, "::ffff:", 7);
		p = put_v4(p + 7, a.bytes + 12);
	} else if (a.family == FAMILY_V6) {
		int len, gap = longest_zeros(a, &len);
		for (int i = 0; i < 8; i++) {
			if (i == gap) {
				*p++ = ':';
				*p++ = ':';
				i += len - 1;
				continue;
			}
			if (i && p[-1] != ':')
				*p++ = ':';
			p = put_group(p, group(a, i));
		}
	}
	*p = 0;
	return buf;
}

int addr_cmp(addr_t a, addr_t b)
{
	if (a.family != b.family)
		return a.family < b.family ? -1 : 1;
	return memcmp(a.bytes, b.bytes, addr_size(a));
}

bool addr_eq(addr_t a, addr_t b)
{
	return addr_cmp(a, b) == 0;
}

bool addr_add(addr_t a, uint64_t n, addr_t *ret)
{
	size_t i = addr_size(a);
	while (i-- > 0) {
		uint64_t sum = (n & 0xff) + a.bytes[i];
		a.bytes[i] = (uint8_t)sum;
		n = (n >> 8) + (sum >> 8);
	}
	if (n || a.family == FAMILY_NONE)
		return false;
	*ret = a;
	return true;
}

bool addr_next(addr_t *a)
{
	return addr_add(*a, 1, a);
}

bool addr_prev(addr_t *a)
{
	addr_t v = *a;
	size_t i = addr_size(v);
	while (i-- > 0)
		if (v.bytes[i]-- != 0) {
			*a = v;
			return true;
		}
	return false;
}

/* Keep the first len bits and set the others to zero or to one. */
static addr_t with_host_bits(addr_t a, unsigned len, bool ones)
{
	must(len <= addr_bits(a));
	for (unsigned i = 0; i < addr_size(a); i++) {
		unsigned kept = len > i * 8 ? len - i * 8 : 0;
		uint8_t host = (uint8_t)(kept >= 8 ? 0 : 0xff >> kept);
		a.bytes[i] = (uint8_t)(ones ? a.bytes[i] | host : a.bytes[i] & ~host);
	}
	return a;
}

addr_t addr_mask(addr_t a, unsigned len)
{
	return with_host_bits(a, len, false);
}

bool addr_is_link_local(addr_t a)
{
	if (a.family == FAMILY_V4)
		return a.bytes[0] == 169 && a.bytes[1] == 254;
	return a.family == FAMILY_V6 && a.bytes[0] == 0xfe && (a.bytes[1] & 0xc0) == 0x80;
}

bool addr_is_multicast(addr_t a)
{
	if (a.family == FAMILY_V4)
		return (a.bytes[0] & 0xf0) == 0xe0;
	return a.family == FAMILY_V6 && a.bytes[0] == 0xff;
}

bool addr_is_unspecified(addr_t a)
{
	static const uint8_t zero[16];
	return a.family != FAMILY_NONE && memcmp(a.bytes, zero, addr_size(a)) == 0;
}

bool addr_is_loopback(addr_t a)
{
	static const uint8_t one[16] = { [15] = 1 };
	if (a.family == FAMILY_V4)
		return a.bytes[0] == 127;
	return a.family == FAMILY_V6 && memcmp(a.bytes, one, sizeof one) == 0;
}

bool addr_is_buggy(addr_t a)
{
	return a.family == FAMILY_V4 && (a.bytes[3] == 0 || a.bytes[3] == 255);
}

uint64_t addr_distance(addr_t a, addr_t b)
{
	must(a.family == b.family && addr_cmp(a, b) <= 0);
	uint8_t diff[16] = { 0 };
	size_t size = addr_size(a);
	int borrow = 0;
	for (size_t i = size; i-- > 0;) {
		int v = b.bytes[i] - a.bytes[i] - borrow;
		borrow = v < 0;
		diff[i] = (uint8_t)v;
	}
	uint64_t n = 0;
	for (size_t i = 0; i < size; i++) {
		if (n >> 56)
			return UINT64_MAX;
		n = n << 8 | diff[i];
	}
	return n;
}

bool prefix_parse(const char *text, prefix_t *ret)
{
	const char *slash = strchr(text, '/');
	addr_t a;
	unsigned long long len;
	if (!slash || !parse_raw(text, (size_t)(slash - text), &a) ||
	    !str_to_u64(slash + 1, strlen(slash + 1), addr_bits(a), &len))
		return false;
	/* A mapped prefix is an IPv4 prefix as long as it keeps the marker whole; above it, a plain IPv6 one.
	 */
	if (is_mapped(a) && len >= 96) {
		a = addr_from_bytes(FAMILY_V4, a.bytes + 12);
		len -= 96;
	}
	*ret = prefix_of(a, (unsigned)len);
	return true;
}

const char *prefix_text(prefix_t p, char buf[static PREFIX_TEXT])
{
	char a[ADDR_TEXT];
	str_fmt(buf, PREFIX_TEXT, "%s/%u", addr_text(p.addr, a), p.len);
	return buf;
}

prefix_t prefix_of(addr_t a, unsigned len)
{
	return (prefix_t){ addr_mask(a, len), (uint8_t)len };
}

bool prefix_contains(prefix_t p, addr_t a)
{
	return p.addr.family == a.family && addr_eq(p.addr, addr_mask(a, p.len));
}

bool prefix_overlaps(prefix_t a, prefix_t b)
{
	return a.len <= b.len ? prefix_contains(a, b.addr) : prefix_contains(b, a.addr);
}

bool prefix_eq(prefix_t a, prefix_t b)
{
	return prefix_cmp(a, b) == 0;
}

int prefix_cmp(prefix_t a, prefix_t b)
{
	int c = addr_cmp(a.addr, b.addr);
	return c ? c : (int)a.len - (int)b.len;
}

range_t prefix_range(prefix_t p)
{
	return (range_t){ p.addr, with_host_bits(p.addr, p.len, true) };
}

bool range_contains(range_t r, addr_t a)
{
	return addr_cmp(r.first, a) <= 0 && addr_cmp(a, r.last) <= 0;
}

bool range_overlaps(range_t a, range_t b)
{
	return addr_cmp(a.first, b.last) <= 0 && addr_cmp(b.first, a.last) <= 0;
}

uint64_t range_count(range_t r)
{
	uint64_t n = addr_distance(r.first, r.last);
	return n == UINT64_MAX ? n : n + 1;
}

void range_split(range_t r, void (*each)(void *ctx, prefix_t p), void *ctx)
{
	must(r.first.family == r.last.family && addr_cmp(r.first, r.last) <= 0);
	addr_t at = r.first;
	for (;;) {
		/* The shortest prefix that starts here and does not pass the end. */
		unsigned len = addr_bits(at);
		while (len > 0 && addr_eq(addr_mask(at, len - 1), at) &&
		       addr_cmp(with_host_bits(at, len - 1, true), r.last) <= 0)
			len--;
		each(ctx, prefix_of(at, len));
		at = with_host_bits(at, len, true);
		if (addr_eq(at, r.last))
			return;
		addr_next(&at);
	}
}
