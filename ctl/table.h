/* Text tables: columns as wide as their widest cell, two blanks between them, optional colour of a cell.
 * Pure. */
#ifndef INGOT_CTL_TABLE_H
#define INGOT_CTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/strbuf.h"

enum cell_colour { CELL_PLAIN, CELL_GOOD, CELL_BAD, CELL_DIM };

struct table;

/* headers: NULL-terminated, borrowed. NULL on out of memory. */
struct table *table_new(const char *const *headers);
void table_free(struct table *t);
/* Append a cell to the current row; a row is full after as many cells as there are headers. The text is
 * copied; control bytes in it are escaped. */
void table_cell(struct table *t, enum cell_colour colour, const char *text);
void table_cell_fmt(struct table *t, enum cell_colour colour, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
size_t table_rows(const struct table *t);
/* The last column is not padded, so no line ends in blanks. */
void table_print(const struct table *t, bool colours, struct strbuf *out);

#endif
