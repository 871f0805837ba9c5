/* BGP communities as text and back: RFC 1997 "a:b" and RFC 8092 "large:a:b:c". Pure; used by the
 * configuration compiler and bgpd. */
#include "lib/model/community.h"

#include <errno.h>
#include <string.h>

#include "lib/base/strbuf.h"

enum { PARTS = 5 }; /* one more than any valid form has */

struct part {
	const char *s;
	size_t n;
};

/* Split at every colon; at most PARTS are counted, which is enough to know that there are too many. */
static size_t split(const char *text, struct part part[static PARTS])
{
	size_t n = 0;
	for (const char *s = text; n < PARTS; n++) {
		size_t len = strcspn(s, ":");
		part[n] = (struct part){ s, len };
		if (!s[len])
			return n + 1;
		s += len + 1;
	}
	return n;
}

static bool number(struct part p, unsigned long long max, uint32_t *ret)
{
	unsigned long long v;
	if (!str_to_u64(p.s, p.n, max, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

int community_parse(const char *text, community_t *ret)
{
	struct part part[PARTS];
	size_t n = split(text, part);
	if (n != 2 && n != 4)
		return -EDOM;
	community_t c = { .large = n == 4 };
	if (!c.large) {
		uint32_t high, low;
		if (!number(part[0], UINT16_MAX, &high) || !number(part[1], UINT16_MAX, &low))
			return -EINVAL;
		c.v[0] = high << 16 | low;
	} else {
		if (part[0].n != strlen("large") || memcmp(part[0].s, "large", part[0].n) != 0)
			return -EINVAL;
		for (int i = 0; i < 3; i++)
			if (!number(part[i + 1], UINT32_MAX, &c.v[i]))
				return -EINVAL;
	}
	*ret = c;
	return 0;
}

const char *community_text(community_t c, char buf[static COMMUNITY_TEXT])
{
	if (c.large)
		str_fmt(buf, COMMUNITY_TEXT, "%u:%u:%u", c.v[0], c.v[1], c.v[2]);
	else
		str_fmt(buf, COMMUNITY_TEXT, "%u:%u", c.v[0] >> 16, c.v[0] & 0xffff);
	return buf;
}

int community_cmp(community_t a, community_t b)
{
	for (int i = 0; i < 3; i++)
		if (a.v[i] != b.v[i])
			return a.v[i] < b.v[i] ? -1 : 1;
	return (int)a.large - (int)b.large;
}
