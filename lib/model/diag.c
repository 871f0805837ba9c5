/* Diagnostics: a capped list of what is wrong with which object. Pure; filled by the configuration compiler.
 */
#include "lib/model/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"

static void diag_fini(struct diag *g)
{
	free(g->kind);
	free(g->name);
	free(g->field);
	free(g->message);
	free(g->origin);
}

void diags_fini(struct diags *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n; i++)
		diag_fini(&d->v[i]);
	free(d->v);
	*d = (struct diags){ 0 };
}

static bool diags_grow(struct diags *d)
{
	if (d->n < d->cap)
		return true;
	size_t cap = d->cap ? 2 * d->cap : 16;
	struct diag *v = realloc(d->v, cap * sizeof *v);
	if (!v)
		return false;
	d->v = v;
	d->cap = cap;
	return true;
}

static char *copy(const char *s)
{
	return strdup(s ? s : "");
}

void diags_add(struct diags *d, enum diag_severity severity, const char *kind, const char *name,
	       const char *field, const char *origin, const char *fmt, ...)
{
	if (!d)
		return;
	if (severity == DIAG_ERROR)
		d->n_errors++;
	if (d->n >= DIAGS_CAP || !diags_grow(d)) {
		d->n_dropped++;
		return;
	}
	struct strbuf text = { 0 };
	va_list ap;
	va_start(ap, fmt);
	strbuf_vfmt(&text, fmt, ap);
	va_end(ap);
	struct diag g = { .severity = severity,
			  .kind = copy(kind),
			  .name = copy(name),
			  .field = copy(field),
			  .message = text.len || text.oom ? strbuf_take(&text) : copy(""),
			  .origin = copy(origin) };
	strbuf_fini(&text);
	if (g.kind && g.name && g.field && g.message && g.origin) {
		d->v[d->n++] = g;
	} else {
		diag_fini(&g);
		d->n_dropped++;
	}
}

const char *diag_text(const struct diag *d, char *buf, size_t size)
{
	str_fmt(buf, size, "%s%s%s%s%s%s%s%s%s", d->origin, *d->origin ? ": " : "", d->kind,
		*d->name ? " " : "", d->name, ": ", d->field, *d->field ? ": " : "", d->message);
	return buf;
}
