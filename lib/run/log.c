/* Log lines on stderr: logfmt or JSON, one write per line so that lines of several processes do not mix. Runs
 * in the shells of every process; the cores never log. It may not allocate: a line must get out when memory
 * is gone. */
#include "lib/run/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"

/* A pipe takes this much in one piece (PIPE_BUF). */
enum {
	LINE_MAX_BYTES = 4096,
	MESSAGE_MAX_BYTES = 3072,
	SUBJECT_VALUE = 512,
	SHORT_VALUE = 64,
	ALL_KEYS = 128
};
_Static_assert(MESSAGE_MAX_BYTES + SUBJECT_VALUE + 4 * SHORT_VALUE + ALL_KEYS < LINE_MAX_BYTES,
	       "every line fits");

/* The only process-wide state: set once in log_open, the level also at run time. */
static struct {
	const char *daemon;
	enum log_level level;
	bool json;
} settings = { "ingot", LOG_INFO, false };

static const char *const level_names[] = { "all", "debug", "info", "warn", "error", "none" };
_Static_assert(ARRAY_LEN(level_names) == LOG_NONE + 1, "one name per level");

struct line {
	char text[LINE_MAX_BYTES];
	size_t len, end; /* the value that is being written stops at end */
};

bool log_level_parse(const char *text, enum log_level *ret)
{
	for (unsigned i = 0; text && i < ARRAY_LEN(level_names); i++)
		if (strcmp(text, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	return false;
}

const char *log_level_name(enum log_level l)
{
	must((unsigned)l < ARRAY_LEN(level_names));
	return level_names[l];
}

void log_open(const char *daemon, const char *format, const char *level)
{
	settings.daemon = daemon;
	settings.json = format && strcmp(format, "json") == 0;
	if (!log_level_parse(level, &settings.level))
		settings.level = LOG_INFO;
}

void log_set_level(enum log_level l)
{
	settings.level = l;
}

enum log_level log_get_level(void)
{
	return settings.level;
}

bool log_wants(enum log_level l)
{
	return l >= settings.level && settings.level != LOG_NONE;
}

static bool add(struct line *l, const char *s, size_t n)
{
	if (l->len + n > l->end)
		return false;
	memcpy(l->text + l->len, s, n);
	l->len += n;
	return true;
}

static void add_end(struct line *l, char c)
{
	must(l->len < sizeof l->text);
	l->text[l->len++] = c;
}

/* Length of the UTF-8 sequence at p, 0 when there is none. */
static size_t sequence(const char *p, size_t n)
{
	for (size_t len = 1; len <= 4 && len <= n; len++)
		if (str_is_utf8(p, len))
			return len;
	return 0;
}

static unsigned code_point(const char *p, size_t len)
{
	unsigned c = (uint8_t)p[0];
	if (len > 1)
		c &= 0x7fu >> len;
	for (size_t i = 1; i < len; i++)
		c = c << 6 | ((uint8_t)p[i] & 0x3fu);
	return c;
}

/* One character of a value; the return value is how many bytes were used, 0 when the line is full. */
static size_t add_char(struct line *l, const char *p, size_t n)
{
	size_t len = sequence(p, n), used = len ? len : 1;
	char shown[32];
	str_escape(p, used, shown, sizeof shown);
	bool plain = len && strlen(shown) == len && memcmp(shown, p, len) == 0;
	if (*p == '"' || *p == '\\')
		str_fmt(shown, sizeof shown, "\\%c", *p);
	else if (*p == '\n')
		str_fmt(shown, sizeof shown, "\\n");
	else if (*p == '\t')
		str_fmt(shown, sizeof shown, "\\t");
	else if (!plain && settings.json)
		/* Everything that hides text lies in the basic plane: one \u is enough. */
		str_fmt(shown, sizeof shown, "\\u%04x", len ? code_point(p, len) & 0xffff : 0xfffdu);
	return add(l, shown, strlen(shown)) ? used : 0;
}

static bool needs_quotes(const char *value)
{
	for (const char *p = value; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == '=' || *p == '"' || *p == '\\')
			return true;
	return *value == 0;
}

/* The value is cut at `most` bytes. The sum of all keys and values stays below a line, so that a cut line is
 * still well-formed: its quotes and its end always fit. */
static void add_pair(struct line *l, const char *key, const char *value, size_t most)
{
	size_t n = strlen(value);
	l->end = sizeof l->text;
	bool quotes = settings.json || needs_quotes(value);
	if (l->len > 0 && !(settings.json && l->len == 1))
		add(l, settings.json ? "," : " ", 1);
	if (settings.json)
		add(l, "\"", 1);
	add(l, key, strlen(key));
	add(l, settings.json ? "\":" : "=", settings.json ? 2 : 1);
	if (quotes)
		add(l, "\"", 1);
	l->end = l->len + most;
	for (size_t i = 0, used; i < n; i += used)
		if ((used = add_char(l, value + i, n - i)) == 0)
			break;
	if (quotes)
		add_end(l, '"');
}

static void add_time(struct line *l)
{
	struct timespec now;
	struct tm tm;
	char text[64], date[32];
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
	str_fmt(text, sizeof text, "%s.%03dZ", date, (int)(now.tv_nsec / 1000000));
	add_pair(l, "ts", text, SHORT_VALUE);
}

/* Best effort: nobody is left to tell about a broken stderr. */
static void put(const char *text, size_t n)
{
	while (n > 0) {
		ssize_t sent = write(STDERR_FILENO, text, n);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return;
		text += sent;
		n -= (size_t)sent;
	}
}

static void emit(enum log_level level, const char *subject, const char *event, const char *msg)
{
	struct line l;
	int saved = errno;
	l.len = 0;
	l.end = sizeof l.text;
	if (settings.json)
		add(&l, "{", 1);
	add_time(&l);
	add_pair(&l, "level", log_level_name(level), SHORT_VALUE);
	add_pair(&l, "daemon", settings.daemon, SHORT_VALUE);
	if (subject && *subject)
		add_pair(&l, "subject", subject, SUBJECT_VALUE);
	if (event && *event)
		add_pair(&l, "event", event, SHORT_VALUE);
	if (*msg)
		add_pair(&l, "msg", msg, MESSAGE_MAX_BYTES);
	if (settings.json)
		add_end(&l, '}');
	add_end(&l, '\n');
	put(l.text, l.len);
	errno = saved;
}

/* The buffer is text up to its end even when the formatted message was longer. */
__attribute__((format(printf, 3, 0))) static void format_message(char *buf, size_t size, const char *fmt,
								 va_list ap)
{
	buf[0] = 0;
	if (fmt && vsnprintf(buf, size, fmt, ap) < 0)
		buf[0] = 0;
}

void log_line(enum log_level l, const char *subject, const char *event, const char *msg_fmt, ...)
{
	char msg[MESSAGE_MAX_BYTES];
	va_list ap;
	if (!log_wants(l))
		return;
	va_start(ap, msg_fmt);
	format_message(msg, sizeof msg, msg_fmt, ap);
	va_end(ap);
	emit(l, subject, event, msg);
}

static int64_t clock_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* True when this line may go out. */
static bool take_token(struct log_limit *limit, unsigned burst, int64_t interval_us)
{
	int64_t now = clock_us();
	if (!limit->started) {
		*limit = (struct log_limit){ .last_us = now, .tokens = burst, .started = true };
	} else if (interval_us > 0 && now - limit->last_us >= interval_us) {
		int64_t earned = (now - limit->last_us) / interval_us;
		limit->last_us += earned * interval_us;
		limit->tokens = earned >= (int64_t)burst - (int64_t)limit->tokens
				    ? burst
				    : limit->tokens + (unsigned)earned;
	}
	if (limit->tokens == 0) {
		limit->held++;
		return false;
	}
	limit->tokens--;
	return true;
}

void log_limited(struct log_limit *limit, unsigned burst, int64_t interval_us, enum log_level l,
		 const char *subject, const char *event, const char *msg_fmt, ...)
{
	char msg[MESSAGE_MAX_BYTES];
	va_list ap;
	if (!log_wants(l) || !take_token(limit, burst, interval_us))
		return;
	va_start(ap, msg_fmt);
	format_message(msg, sizeof msg - 64, msg_fmt, ap);
	va_end(ap);
	if (limit->held > 0) {
		size_t n = strlen(msg);
		str_fmt(msg + n, sizeof msg - n, " (%u more like this were not logged)", limit->held);
		limit->held = 0;
	}
	emit(l, subject, event, msg);
}
