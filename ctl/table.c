/* Text tables for ingotctl. Pure: it fills a buffer, the caller prints. Widths count code points, which is
 * right for the names and addresses that appear here. */
#include "ctl/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct cell {
	enum cell_colour colour;
	char *text;
};
struct table {
	const char *const *headers;
	size_t n_columns, n_cells, cap;
	struct cell *cells;
};

struct table *table_new(const char *const *headers)
{
	struct table *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->headers = headers;
	while (headers[t->n_columns])
		t->n_columns++;
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}

void table_cell(struct table *t, enum cell_colour colour, const char *text)
{
	if (t->n_cells == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		struct cell *cells = realloc(t->cells, cap * sizeof *cells);
		if (!cells)
			return;
		t->cells = cells;
		t->cap = cap;
	}
	size_t size = strlen(text) * 4 + 1;
	char *copy = malloc(size);
	if (!copy)
		return;
	str_escape(text, strlen(text), copy, size);
	t->cells[t->n_cells++] = (struct cell){ colour, copy };
}

void table_cell_fmt(struct table *t, enum cell_colour colour, const char *fmt, ...)
{
	struct strbuf b = { 0 };
	va_list ap;

	va_start(ap, fmt);
	strbuf_vfmt(&b, fmt, ap);
	va_end(ap);
	table_cell(t, colour, strbuf_get(&b));
	strbuf_fini(&b);
}

size_t table_rows(const struct table *t)
{
	return t->n_columns ? t->n_cells / t->n_columns : 0;
}

static size_t text_width(const char *s)
{
	size_t n = 0;
	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static size_t column_width(const struct table *t, size_t column)
{
	size_t widest = text_width(t->headers[column]);
	for (size_t i = column; i < t->n_cells; i += t->n_columns) {
		size_t w = text_width(t->cells[i].text);
		widest = w > widest ? w : widest;
	}
	return widest;
}

static const char *colour_code(enum cell_colour c)
{
	switch (c) {
	case CELL_GOOD: return "\033[32m";
	case CELL_BAD: return "\033[31m";
	case CELL_DIM: return "\033[2m";
	case CELL_PLAIN: break;
	}
	return "";
}

static void print_cell(struct strbuf *out, const char *text, enum cell_colour colour, size_t width, bool last)
{
	const char *code = colour_code(colour);

	strbuf_add(out, code);
	strbuf_add(out, text);
	if (*code)
		strbuf_add(out, "\033[0m");
	if (last) {
		strbuf_char(out, '\n');
		return;
	}
	for (size_t n = text_width(text); n < width + 2; n++)
		strbuf_char(out, ' ');
}

void table_print(const struct table *t, bool colours, struct strbuf *out)
{
	size_t *width = calloc(t->n_columns, sizeof *width);
	if (!width)
		return;
	for (size_t c = 0; c < t->n_columns; c++)
		width[c] = column_width(t, c);
	for (size_t c = 0; c < t->n_columns; c++)
		print_cell(out, t->headers[c], colours ? CELL_DIM : CELL_PLAIN, width[c],
			   c + 1 == t->n_columns);
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t c = i % t->n_columns;
		print_cell(out, t->cells[i].text, colours ? t->cells[i].colour : CELL_PLAIN, width[c],
			   c + 1 == t->n_columns);
	}
	free(width);
}
