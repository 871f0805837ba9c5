/* Scalars of manifests: types of plain YAML scalars, durations, times, base64. Pure; run by the watcher and
 * ingotctl. */
#include "lib/manifest/scalar.h"

#include <string.h>

#include "lib/base/must.h"

static bool one_of(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* Digits of a base, underscores between them allowed. -1: not a number, 0: too big, 1: fine. */
static int digits(const char *s, int base, uint64_t *ret)
{
	uint64_t v = 0;
	bool any = false, fits = true;
	for (; *s; s++) {
		if (*s == '_' && any)
			continue;
		int d = digit_of(*s);
		if (d >= base)
			return -1;
		any = true;
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v))
			fits = false;
	}
	if (!any)
		return -1;
	*ret = v;
	return fits;
}

static bool resolve_integer(struct node *n)
{
	const char *s = n->text;
	bool negative = *s == '-';
	if (*s == '-' || *s == '+')
		s++;
	int base = 10;
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		base = 16, s += 2;
	else if (s[0] == '0' && (s[1] == 'o' || s[1] == 'O'))
		base = 8, s += 2;
	else if (s[0] == '0' && (s[1] == 'b' || s[1] == 'B'))
		base = 2, s += 2;
	else if (s[0] == '0' && s[1])
		base = 8, s++;
	uint64_t v = 0;
	int rc = digits(s, base, &v);
	if (rc < 0)
		return false;
	uint64_t limit = (uint64_t)INT64_MAX + (negative ? 1 : 0);
	n->type = rc == 0 || v > limit ? NODE_FLOAT : NODE_INT;
	if (n->type == NODE_INT)
		n->integer = negative ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

static bool is_float(const char *s)
{
	static const char *const words[] = { ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN" };
	if (*s == '-' || *s == '+')
		s++;
	if (one_of(s, words, ARRAY_LEN(words)))
		return true;
	bool digit = false;
	for (; *s >= '0' && *s <= '9'; s++)
		digit = true;
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++)
			digit = true;
	if (digit && (*s == 'e' || *s == 'E')) {
		s++;
		if (*s == '-' || *s == '+')
			s++;
		digit = false;
		for (; *s >= '0' && *s <= '9'; s++)
			digit = true;
	}
	return digit && !*s;
}

void scalar_resolve(struct node *n)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	static const char *const yes[] = { "true", "True", "TRUE", "yes", "Yes", "YES",
					   "on",   "On",   "ON",   "y",	  "Y" };
	static const char *const no[] = { "false", "False", "FALSE", "no", "No", "NO",
					  "off",   "Off",   "OFF",   "n",  "N" };
	if (one_of(n->text, nulls, ARRAY_LEN(nulls))) {
		n->type = NODE_NULL;
	} else if (one_of(n->text, yes, ARRAY_LEN(yes)) || one_of(n->text, no, ARRAY_LEN(no))) {
		n->type = NODE_BOOL;
		n->truth = one_of(n->text, yes, ARRAY_LEN(yes));
	} else if (!resolve_integer(n)) {
		n->type = is_float(n->text) ? NODE_FLOAT : NODE_STRING;
	}
}

static const struct {
	const char *text;
	int64_t ns;
} units[] = { { "ns", 1 },	     { "us", 1000 },	    { "\xc2\xb5s", 1000 }, /* micro sign */
	      { "\xce\xbcs", 1000 }, { "ms", 1000 * 1000 },			   /* Greek mu */
	      { "s", 1000000000 },   { "m", 60000000000 },  { "h", 3600000000000 } };

static const char *duration_unit(const char *s, int64_t *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		size_t n = strlen(units[i].text);
		if (strncmp(s, units[i].text, n) != 0 || (s[n] && s[n] != '.' && (s[n] < '0' || s[n] > '9')))
			continue;
		*ret = units[i].ns;
		return s + n;
	}
	return NULL;
}

__extension__ typedef __int128 wide_t;

/* One "1.5h" of a duration, added to *sum; the text after it, or NULL. */
static const char *duration_part(const char *s, int64_t *sum)
{
	int64_t whole = 0, fraction = 0, scale = 1, unit = 0, v = 0;
	bool any = false;
	for (; *s >= '0' && *s <= '9'; s++, any = true)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, *s - '0', &whole))
			return NULL;
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++, any = true)
			if (scale <= 100000000000) { /* further digits are below a nanosecond of an hour */
				fraction = fraction * 10 + (*s - '0');
				scale *= 10;
			}
	if (!any || !(s = duration_unit(s, &unit)))
		return NULL;
	int64_t part = (int64_t)((wide_t)fraction * unit / scale);
	if (__builtin_mul_overflow(whole, unit, &v) || __builtin_add_overflow(v, part, &v) ||
	    __builtin_add_overflow(*sum, v, sum))
		return NULL;
	return s;
}

bool scalar_duration(const char *text, int64_t *ret)
{
	int64_t sum = 0;
	bool negative = *text == '-';
	const char *s = text + (*text == '-' || *text == '+');
	if (strcmp(s, "0") == 0) {
		*ret = 0;
		return true;
	}
	if (!*s)
		return false;
	while (*s)
		if (!(s = duration_part(s, &sum)))
			return false;
	*ret = negative ? -sum : sum;
	return true;
}

/* Exactly n decimal digits. */
static bool fixed(const char **s, int n, int *ret)
{
	int v = 0;
	for (; n > 0; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		v = v * 10 + (**s - '0');
	}
	*ret = v;
	return true;
}

static bool letter(const char **s, const char *allowed)
{
	if (!**s || !strchr(allowed, **s))
		return false;
	(*s)++;
	return true;
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool zone(const char **s, int *minutes)
{
	int h, m;
	if (letter(s, "Zz")) {
		*minutes = 0;
		return true;
	}
	bool west = **s == '-';
	if (!letter(s, "+-") || !fixed(s, 2, &h) || !letter(s, ":") || !fixed(s, 2, &m) || h > 23 || m > 59)
		return false;
	*minutes = (h * 60 + m) * (west ? -1 : 1);
	return true;
}

bool scalar_time(const char *text, int64_t *ret)
{
	const char *s = text;
	int year, month, day, hour, minute, second, offset, ms = 0;
	if (!fixed(&s, 4, &year) || !letter(&s, "-") || !fixed(&s, 2, &month) || !letter(&s, "-") ||
	    !fixed(&s, 2, &day) || !letter(&s, "Tt ") || !fixed(&s, 2, &hour) || !letter(&s, ":") ||
	    !fixed(&s, 2, &minute) || !letter(&s, ":") || !fixed(&s, 2, &second))
		return false;
	if (letter(&s, ".")) {
		int weight = 100;
		if (*s < '0' || *s > '9')
			return false;
		for (; *s >= '0' && *s <= '9'; s++, weight /= 10)
			ms += (*s - '0') * weight;
	}
	if (!zone(&s, &offset) || *s)
		return false;
	if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
		return false;
	int64_t minutes = days_of(year, month, day) * 1440 + hour * 60 + minute - offset;
	*ret = (minutes * 60 + second) * 1000 + ms;
	return true;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool scalar_base64(const char *text, size_t len, uint8_t *out, size_t *out_len)
{
	uint32_t bits = 0;
	size_t n = 0, letters = 0, padding = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n' || text[i] == '\r')
			continue;
		int v = text[i] == '=' ? 0 : base64_value(text[i]);
		padding += text[i] == '=';
		if (v < 0 || (padding && text[i] != '=') || padding > 2)
			return false;
		bits = bits << 6 | (uint32_t)v;
		if (++letters % 4 == 0) {
			out[n++] = (uint8_t)(bits >> 16);
			out[n++] = (uint8_t)(bits >> 8);
			out[n++] = (uint8_t)bits;
		}
	}
	if (letters % 4 != 0)
		return false;
	*out_len = n - padding;
	return true;
}
