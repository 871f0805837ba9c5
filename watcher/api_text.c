/* Times and texts for the API. Pure; run by the watcher. */
#include "watcher/api_text.h"

#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"

/* Without the end: "2026-01-31T12:00:00". */
static void civil(int64_t s, char buf[static RFC3339_SIZE])
{
	/* Civil date of a day number, Gregorian. */
	int64_t days = s / 86400 - (s % 86400 < 0), rest = s - days * 86400;
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365,
		doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153, day = doy - (153 * mp + 2) / 5 + 1,
		month = mp < 10 ? mp + 3 : mp - 9;
	int64_t year = yoe + era * 400 + (month <= 2);
	str_fmt(buf, RFC3339_SIZE, "%04lld-%02lld-%02lldT%02lld:%02lld:%02lld", (long long)year,
		(long long)month, (long long)day, (long long)(rest / 3600), (long long)(rest / 60 % 60),
		(long long)(rest % 60));
}

const char *rfc3339(int64_t ms, char buf[static RFC3339_SIZE])
{
	char text[RFC3339_SIZE];
	civil(ms / 1000, text);
	str_fmt(buf, RFC3339_SIZE, "%sZ", text);
	return buf;
}

const char *rfc3339_micro(int64_t ms, char buf[static RFC3339_SIZE])
{
	char text[RFC3339_SIZE];
	int64_t s = ms / 1000 - (ms % 1000 < 0);
	civil(s, text);
	str_fmt(buf, RFC3339_SIZE, "%s.%03d000Z", text, (int)(ms - s * 1000));
	return buf;
}

const char *api_text(const char *text, char *buf, size_t size)
{
	must(size > 0);
	size_t n = strlen(text);
	if (!str_is_utf8(text, n))
		return str_escape(text, n, buf, size);
	if (n >= size)
		for (n = size - 1; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
			n--;
	memcpy(buf, text, n);
	buf[n] = 0;
	return buf;
}
