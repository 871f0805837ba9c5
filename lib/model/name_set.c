/* Sorted sets of names. Pure; used by the configuration compiler and the announcement rules. */
#include "lib/model/name_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int cmp_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void name_set_fini(struct name_set *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	*s = (struct name_set){ 0 };
}

/* Copy the sorted list without repetitions; `sorted` is the caller's scratch. */
static int copy_unique(const char *const *sorted, size_t n, struct name_set *ret, const char **duplicate)
{
	struct name_set s = { .v = calloc(n, sizeof *s.v) };
	if (!s.v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && strcmp(sorted[i - 1], sorted[i]) == 0) {
			if (duplicate)
				*duplicate = sorted[i];
			continue;
		}
		s.v[s.n] = strdup(sorted[i]);
		if (!s.v[s.n]) {
			name_set_fini(&s);
			return -ENOMEM;
		}
		s.n++;
	}
	*ret = s;
	return 0;
}

int name_set_build(const char *const *v, size_t n, struct name_set *ret, const char **duplicate)
{
	if (duplicate)
		*duplicate = NULL;
	if (n == 0) {
		*ret = (struct name_set){ 0 };
		return 0;
	}
	const char **sorted = calloc(n, sizeof *sorted);
	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, v, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, cmp_names);
	int rc = copy_unique(sorted, n, ret, duplicate);
	free(sorted);
	return rc;
}

int name_set_of(char *const *v, size_t n, struct name_set *ret, const char **duplicate)
{
	return name_set_build((const char *const *)v, n, ret, duplicate);
}

int name_set_merge(struct name_set *a, const struct name_set *b)
{
	if (b->n == 0)
		return 0;
	const char **all = calloc(a->n + b->n, sizeof *all);
	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < a->n; i++)
		all[i] = a->v[i];
	for (size_t i = 0; i < b->n; i++)
		all[a->n + i] = b->v[i];
	struct name_set merged;
	int rc = name_set_build(all, a->n + b->n, &merged, NULL);
	free(all);
	if (rc < 0)
		return rc;
	name_set_fini(a);
	*a = merged;
	return 0;
}

bool name_set_equal(const struct name_set *a, const struct name_set *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

bool name_set_has(const struct name_set *s, const char *name)
{
	return s->n > 0 && bsearch(&name, s->v, s->n, sizeof *s->v, cmp_names) != NULL;
}

bool name_set_disjoint(const struct name_set *a, const struct name_set *b)
{
	for (size_t i = 0, j = 0; i < a->n && j < b->n;) {
		int c = strcmp(a->v[i], b->v[j]);
		if (c == 0)
			return false;
		if (c < 0)
			i++;
		else
			j++;
	}
	return true;
}

bool node_set_has(const struct node_set *s, const char *node)
{
	return s->all || name_set_has(&s->names, node);
}
