/* Metrics in the Prometheus text exposition format 0.0.4. Pure; each daemon owns one registry and prints it
 * on request. A series beyond the cap is refused and counted, so that no remote can fill the memory with
 * label values. */
#include "lib/base/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/map.h"
#include "lib/base/must.h"

struct metric {
	const char *name, *help;
	enum metric_type type;
	const char *const *labels;
	size_t n_labels;
	struct map series; /* label values, each with its NUL, one after the other -> int64_t */
	uint64_t refused;
};

struct metrics {
	struct map by_name;
};

struct metrics *metrics_new(void)
{
	return calloc(1, sizeof(struct metrics));
}

static void metric_free(void *value)
{
	struct metric *m = value;
	map_fini(&m->series, free);
	free(m);
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	map_fini(&m->by_name, metric_free);
	free(m);
}

struct metric *metrics_add(struct metrics *m, const char *name, const char *help, enum metric_type type,
			   const char *const *labels)
{
	struct metric *v = map_get(&m->by_name, name);
	if (v)
		return v;
	if (!(v = calloc(1, sizeof *v)))
		return NULL;
	v->name = name;
	v->help = help;
	v->type = type;
	v->labels = labels;
	while (labels && labels[v->n_labels])
		v->n_labels++;
	must(v->n_labels <= METRIC_MAX_LABELS);
	/* Without labels the series exists from the start, so that a scraper sees the zero before the first
	 * event. */
	if ((v->n_labels == 0 && !metric_value(v)) || map_set(&m->by_name, name, v, NULL) < 0) {
		metric_free(v);
		return NULL;
	}
	return v;
}

static void series_key(const struct metric *m, const char *const *values, struct strbuf *key)
{
	for (size_t i = 0; i < m->n_labels; i++)
		strbuf_add_n(key, values[i], strlen(values[i]) + 1);
}

static int64_t *series_get(struct metric *m, const struct strbuf *key)
{
	int64_t *v = map_get_n(&m->series, strbuf_get(key), key->len);
	if (v)
		return v;
	if (map_len(&m->series) >= METRIC_MAX_SERIES || key->oom || !(v = calloc(1, sizeof *v))) {
		m->refused++;
		return NULL;
	}
	if (map_set_n(&m->series, strbuf_get(key), key->len, v, NULL) < 0) {
		m->refused++;
		free(v);
		return NULL;
	}
	return v;
}

int64_t *metric_series(struct metric *m, const char *const *values)
{
	struct strbuf key = { 0 };
	series_key(m, values, &key);
	int64_t *v = series_get(m, &key);
	strbuf_fini(&key);
	return v;
}

int64_t *metric_value(struct metric *m)
{
	must(m->n_labels == 0);
	return metric_series(m, NULL);
}

void metric_delete(struct metric *m, const char *const *values)
{
	struct strbuf key = { 0 };
	series_key(m, values, &key);
	if (!key.oom)
		free(map_del_n(&m->series, strbuf_get(&key), key.len));
	strbuf_fini(&key);
}

void metric_clear(struct metric *m)
{
	map_fini(&m->series, free);
}

/* A scraper refuses the whole page for one byte that is not UTF-8, so such text loses its non-ASCII bytes. */
static void add_escaped(struct strbuf *out, const char *text, bool quote)
{
	bool utf8 = str_is_utf8(text, strlen(text));
	for (; *text; text++) {
		if (*text == '\n')
			strbuf_add(out, "\\n");
		else if (*text == '\\' || (quote && *text == '"'))
			strbuf_fmt(out, "\\%c", *text);
		else
			strbuf_char(out, utf8 || (unsigned char)*text < 0x80 ? *text : '?');
	}
}

static void print_series(const struct metric *m, const struct map_entry *e, struct strbuf *out)
{
	strbuf_add(out, m->name);
	const char *value = e->key;
	for (size_t i = 0; i < m->n_labels; i++) {
		strbuf_fmt(out, "%c%s=\"", i ? ',' : '{', m->labels[i]);
		add_escaped(out, value, true);
		strbuf_char(out, '"');
		value += strlen(value) + 1;
	}
	strbuf_fmt(out, "%s %" PRId64 "\n", m->n_labels ? "}" : "", *(const int64_t *)e->value);
}

static void print_refused(const struct metrics *m, struct strbuf *out)
{
	bool first = true;
	map_each (&m->by_name, e) {
		const struct metric *v = e->value;
		if (v->refused == 0)
			continue;
		if (first)
			strbuf_add(out,
				   "# HELP ingot_metrics_refused_total Updates lost because a metric has "
				   "too many series.\n# TYPE ingot_metrics_refused_total counter\n");
		first = false;
		strbuf_fmt(out, "ingot_metrics_refused_total{metric=\"%s\"} %" PRIu64 "\n", v->name,
			   v->refused);
	}
}

void metrics_print(const struct metrics *m, struct strbuf *out)
{
	map_each (&m->by_name, e) {
		const struct metric *v = e->value;
		if (map_len(&v->series) == 0)
			continue;
		strbuf_fmt(out, "# HELP %s ", v->name);
		add_escaped(out, v->help, false);
		strbuf_fmt(out, "\n# TYPE %s %s\n", v->name, v->type == METRIC_COUNTER ? "counter" : "gauge");
		map_each (&v->series, s)
			print_series(v, s, out);
	}
	print_refused(m, out);
}
