/* What is wrong with the manifests, for the topic watcher_config: ingotctl status shows it. Runs in the
 * watcher. */
#include "watcher/findings.h"

#include <stdlib.h>
#include <string.h>

enum { FINDINGS_MAX = 200, FINDING_TEXT = 1024 };

struct texts {
	size_t n;
	char *v[FINDINGS_MAX];
};
struct findings {
	struct texts errors, warnings;
};

static void texts_add(struct texts *t, const struct diag *d)
{
	char text[FINDING_TEXT];
	char *copy = t->n < FINDINGS_MAX ? strdup(diag_text(d, text, sizeof text)) : NULL;
	if (copy)
		t->v[t->n++] = copy;
}

static void texts_fini(struct texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i]);
}

static void add_file(void *ctx, const char *path, const struct diags *d)
{
	struct findings *f = ctx;
	(void)path;
	for (size_t i = 0; i < d->n; i++)
		texts_add(d->v[i].severity == DIAG_ERROR ? &f->errors : &f->warnings, &d->v[i]);
}

static void add_double(void *ctx, const char *object, const char *text)
{
	struct findings *f = ctx;
	(void)object;
	char *copy = f->errors.n < FINDINGS_MAX ? strdup(text) : NULL;
	if (copy)
		f->errors.v[f->errors.n++] = copy;
}

void findings_publish(struct watcher *w, const struct mirror *m)
{
	struct findings *f = calloc(1, sizeof *f);
	Ingot__ConfigStatus s = INGOT__CONFIG_STATUS__INIT;
	if (!f)
		return;
	mirror_each_file(m, add_file, f);
	mirror_each_double(m, add_double, f);
	s.loaded = true;
	s.n_errors = f->errors.n;
	s.errors = f->errors.v;
	s.n_warnings = f->warnings.n;
	s.warnings = f->warnings.v;
	watcher_findings(w, &s);
	texts_fini(&f->errors);
	texts_fini(&f->warnings);
	free(f);
}
