/* Structured log lines on stderr, one line each, logfmt or JSON: ts (RFC 3339, UTC, ms), level, daemon,
 * subject, event, then msg. Shells log, cores never do. The only process-wide state in Ingot: format, level
 * and daemon name, set once. */
#ifndef INGOT_RUN_LOG_H
#define INGOT_RUN_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ALL, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_NONE };

void log_open(const char *daemon, const char *format, const char *level);
bool log_level_parse(const char *text, enum log_level *ret);
const char *log_level_name(enum log_level l);
void log_set_level(enum log_level l);
enum log_level log_get_level(void);
bool log_wants(enum log_level l);

/* subject: who it is about ("service default/web", "peer tor1"), event: MetalLB's word where the same event
 * exists
 * ("serviceAnnounced", "sessionUp"), msg: the reason, a sentence without a final stop. Values are escaped. */
void log_line(enum log_level l, const char *subject, const char *event, const char *msg_fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Token bucket for lines that a remote can provoke: at most `burst` lines, one more each `interval_us`. When
 * lines were held back the next one says how many. Zero-initialise. */
struct log_limit {
	int64_t last_us;
	unsigned tokens, held;
	bool started;
};
void log_limited(struct log_limit *limit, unsigned burst, int64_t interval_us, enum log_level l,
		 const char *subject, const char *event, const char *msg_fmt, ...)
    __attribute__((format(printf, 7, 8)));

#endif
