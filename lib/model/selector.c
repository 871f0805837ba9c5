/* Label selectors: hygiene check, canonical text, matching. Pure; used by the configuration compiler and by
 * whoever matches Services and nodes. It never changes its input: values are sorted in a copy. */
#include "lib/model/selector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/model/label.h"
#include "lib/model/objects.h"

/* A term while it is built: matchLabels and a one-value In expression mean the same but read differently. */
struct draft {
	struct selector_term t;
	bool is_label;
};

static int cmp_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int cmp_terms(const struct selector_term *a, const struct selector_term *b)
{
	int c = strcmp(a->key, b->key);
	if (c == 0 && a->op != b->op)
		c = a->op < b->op ? -1 : 1;
	for (size_t i = 0; c == 0 && (i < a->n_values || i < b->n_values); i++) {
		if (i >= a->n_values || i >= b->n_values)
			return i >= a->n_values ? -1 : 1;
		c = strcmp(a->values[i], b->values[i]);
	}
	return c;
}

static int cmp_drafts(const void *a, const void *b)
{
	const struct draft *x = a, *y = b;
	int c = cmp_terms(&x->t, &y->t);
	return c ? c : (int)y->is_label - (int)x->is_label;
}

static int cmp_selectors(const void *a, const void *b)
{
	return strcmp(((const struct selector *)a)->text, ((const struct selector *)b)->text);
}

static void term_fini(struct selector_term *t)
{
	free(t->key);
	for (size_t i = 0; i < t->n_values; i++)
		free(t->values[i]);
	free(t->values);
}

static void selector_fini(struct selector *s)
{
	for (size_t i = 0; i < s->n_terms; i++)
		term_fini(&s->terms[i]);
	free(s->terms);
	free(s->text);
}

void selectors_fini(struct selectors *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		selector_fini(&s->v[i]);
	free(s->v);
	*s = (struct selectors){ 0 };
}

static int refuse(char **error, const char *what, const char *text)
{
	char escaped[160];
	struct strbuf b = { 0 };
	strbuf_fmt(&b, "%s \"%s\"", what, str_escape(text, strlen(text), escaped, sizeof escaped));
	*error = strbuf_take(&b);
	return *error ? -EINVAL : -ENOMEM;
}

static const struct {
	const char *name;
	bool wants_values;
} operators[] = {
	[SELECTOR_IN] = { "In", true },
	[SELECTOR_NOT_IN] = { "NotIn", true },
	[SELECTOR_EXISTS] = { "Exists", false },
	[SELECTOR_NOT_EXISTS] = { "DoesNotExist", false },
};

/* Copies key and values; on failure the half-built term stays in *t for the caller to free. */
static int term_fill(struct selector_term *t, const char *key, char *const *values, size_t n, char **error)
{
	t->key = strdup(key);
	t->values = calloc(n ? n : 1, sizeof *t->values);
	if (!t->key || !t->values)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!label_value_is_valid(values[i]))
			return refuse(error, "invalid label value", values[i]);
		t->values[i] = strdup(values[i]);
		if (!t->values[i])
			return -ENOMEM;
		t->n_values++;
	}
	qsort(t->values, n, sizeof *t->values, cmp_text);
	for (size_t i = 1; i < n; i++)
		if (strcmp(t->values[i - 1], t->values[i]) == 0)
			return refuse(error, "duplicate definition of value", t->values[i]);
	return 0;
}

static int expression_compile(const Ingot__LabelSelectorRequirement *r, struct selector_term *t, char **error)
{
	if (!*r->key)
		return refuse(error, "malformed expression: missing key, operator", r->operator_);
	if (!label_key_is_valid(r->key))
		return refuse(error, "invalid label key", r->key);
	size_t op = 0;
	while (op < ARRAY_LEN(operators) && strcmp(operators[op].name, r->operator_) != 0)
		op++;
	if (op == ARRAY_LEN(operators))
		return refuse(error, "not a valid label selector operator:", r->operator_);
	if (operators[op].wants_values && r->n_values == 0)
		return refuse(error, "malformed expression: values are missing for key", r->key);
	if (!operators[op].wants_values && r->n_values > 0)
		return refuse(error, "malformed expression: values must be empty for key", r->key);
	t->op = (enum selector_op)op;
	return term_fill(t, r->key, r->values, r->n_values, error);
}

static int label_compile(const Ingot__KeyValue *kv, struct selector_term *t, char **error)
{
	if (!label_key_is_valid(kv->key))
		return refuse(error, "invalid label key", kv->key);
	t->op = SELECTOR_IN;
	return term_fill(t, kv->key, &kv->value, 1, error);
}

static int drafts_compile(const Ingot__LabelSelector *in, struct draft *d, char **error)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < in->n_match_labels; i++, d++) {
		d->is_label = true;
		rc = label_compile(in->match_labels[i], &d->t, error);
	}
	for (size_t i = 0; rc == 0 && i < in->n_match_expressions; i++, d++)
		rc = expression_compile(in->match_expressions[i], &d->t, error);
	return rc;
}

static void term_text(struct strbuf *b, const struct draft *d)
{
	const struct selector_term *t = &d->t;
	if (b->len)
		strbuf_char(b, ',');
	if (t->op == SELECTOR_NOT_EXISTS)
		strbuf_char(b, '!');
	strbuf_add(b, t->key);
	if (d->is_label) {
		strbuf_char(b, '=');
		strbuf_add(b, t->values[0]);
		return;
	}
	if (t->n_values == 0)
		return;
	strbuf_add(b, t->op == SELECTOR_IN ? " in (" : " notin (");
	for (size_t i = 0; i < t->n_values; i++) {
		strbuf_add(b, i ? "," : "");
		strbuf_add(b, t->values[i]);
	}
	strbuf_char(b, ')');
}

/* Sorted drafts become the selector; an expression that repeats its neighbour is refused. */
static int drafts_finish(struct draft *d, size_t n, struct selector *s, char **error)
{
	qsort(d, n, sizeof *d, cmp_drafts);
	struct strbuf text = { 0 };
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && cmp_drafts(&d[i - 1], &d[i]) == 0) {
			strbuf_fini(&text);
			return refuse(error, "duplicate definition of expression on key", d[i].t.key);
		}
		term_text(&text, &d[i]);
	}
	s->text = text.len || text.oom ? strbuf_take(&text) : strdup("");
	s->terms = calloc(n ? n : 1, sizeof *s->terms);
	if (!s->text || !s->terms)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		s->terms[i] = d[i].t;
		d[i].t = (struct selector_term){ 0 };
	}
	s->n_terms = n;
	return 0;
}

static int selector_compile(const Ingot__LabelSelector *in, struct selector *s, char **error)
{
	size_t n = in->n_match_labels + in->n_match_expressions;
	struct draft *d = calloc(n ? n : 1, sizeof *d);
	if (!d)
		return -ENOMEM;
	int rc = drafts_compile(in, d, error);
	if (rc == 0)
		rc = drafts_finish(d, n, s, error);
	for (size_t i = 0; i < n; i++)
		term_fini(&d[i].t);
	free(d);
	return rc;
}

int selectors_compile(Ingot__LabelSelector *const *list, size_t n, struct selectors *ret, char **error)
{
	*error = NULL;
	if (n == 0) {
		*ret = (struct selectors){ 0 };
		return 0;
	}
	struct selectors s = { .v = calloc(n, sizeof *s.v) };
	int rc = s.v ? 0 : -ENOMEM;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		s.n++;
		rc = selector_compile(list[i], &s.v[i], error);
	}
	if (rc == 0)
		qsort(s.v, n, sizeof *s.v, cmp_selectors);
	for (size_t i = 1; rc == 0 && i < n; i++)
		if (cmp_selectors(&s.v[i - 1], &s.v[i]) == 0)
			rc = refuse(error, "duplicate definition of selector", s.v[i].text);
	if (rc < 0)
		selectors_fini(&s);
	else
		*ret = s;
	return rc;
}

static bool has_value(const struct selector_term *t, const char *value)
{
	return bsearch(&value, t->values, t->n_values, sizeof *t->values, cmp_text) != NULL;
}

static bool term_matches(const struct selector_term *t, Ingot__KeyValue *const *labels, size_t n)
{
	const char *value = kv_get(labels, n, t->key);
	switch (t->op) {
	case SELECTOR_IN: return value && has_value(t, value);
	case SELECTOR_NOT_IN: return !value || !has_value(t, value);
	case SELECTOR_EXISTS: return value != NULL;
	case SELECTOR_NOT_EXISTS: return value == NULL;
	}
	return false;
}

bool selector_matches(const struct selector *s, Ingot__KeyValue *const *labels, size_t n)
{
	for (size_t i = 0; i < s->n_terms; i++)
		if (!term_matches(&s->terms[i], labels, n))
			return false;
	return true;
}

bool selectors_match(const struct selectors *s, Ingot__KeyValue *const *labels, size_t n)
{
	for (size_t i = 0; i < s->n; i++)
		if (selector_matches(&s->v[i], labels, n))
			return true;
	return s->n == 0;
}

bool selectors_equal(const struct selectors *a, const struct selectors *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i].text, b->v[i].text) != 0)
			return false;
	return true;
}
