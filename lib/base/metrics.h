/* Metrics registry: counters and gauges with labels, printed in the Prometheus text format. A daemon owns
 * one. Series are created once and then are plain integers; the number of series per metric is capped. */
#ifndef INGOT_BASE_METRICS_H
#define INGOT_BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/strbuf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE };
enum { METRIC_MAX_LABELS = 6, METRIC_MAX_SERIES = 65536 };

struct metrics; /* registry */
struct metric;	/* one name */

struct metrics *metrics_new(void); /* NULL on out of memory */
void metrics_free(struct metrics *m);
/* Register a name; labels is a NULL-terminated list of label names or NULL. The strings are borrowed
 * (literals). Registering the same name again returns the first. */
struct metric *metrics_add(struct metrics *m, const char *name, const char *help, enum metric_type type,
			   const char *const *labels);
/* The series with these label values (in the order of the label names); created at 0. NULL when over the cap.
 * The pointer stays valid until the series is deleted. Values are copied. */
int64_t *metric_series(struct metric *m, const char *const *values);
int64_t *metric_value(struct metric *m); /* the one series of a metric without labels */
void metric_delete(struct metric *m, const char *const *values);
void metric_clear(struct metric *m);
/* Everything in the text exposition format 0.0.4, metrics and series in order of creation. */
void metrics_print(const struct metrics *m, struct strbuf *out);

#endif
