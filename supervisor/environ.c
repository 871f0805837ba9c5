/* Environments of the children. Runs in the supervisor before it forks. What is not in a table is not passed
 * on: a variable such as LD_PRELOAD or a locale reaches no daemon. */
#include "supervisor/environ.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"

extern char **environ;

enum { MOST_VARIABLES = 64 };

struct list {
	char **v;
	unsigned n;
	bool failed;
};

static void add(struct list *l, const char *name, const char *value)
{
	struct strbuf b = { 0 };
	if (l->n + 1 >= MOST_VARIABLES) {
		l->failed = true;
		return;
	}
	strbuf_fmt(&b, "%s=%s", name, value);
	char *text = strbuf_take(&b);
	if (text)
		l->v[l->n++] = text;
	else
		l->failed = true;
}

static void add_options(struct list *l, const struct table_row *row, const struct options *o,
			const char *uid_base)
{
	const unsigned self = 1u << row->daemon;
#define X(field, flag, env, value, placeholder, told, help)                                                  \
	if ((told)&self)                                                                                     \
		add(l, env, strcmp(env, "INGOT_UID_BASE") == 0 ? uid_base : o->field);
	OPTIONS(X)
#undef X
}

/* Builds for tests also pass on what steers sanitizers and crash hooks; a release has neither. */
static bool is_for_tests(const char *variable)
{
	static const char *const prefixes[] = {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(INGOT_TEST_HOOKS)
		"ASAN_OPTIONS=",
		"LSAN_OPTIONS=",
		"UBSAN_OPTIONS=",
		"TSAN_OPTIONS=",
#endif
#ifdef INGOT_TEST_HOOKS
		"INGOT_TEST_",
#endif
		NULL,
	};
	for (unsigned i = 0; prefixes[i]; i++)
		if (str_starts(variable, prefixes[i]))
			return true;
	return false;
}

static void add_test_variables(struct list *l)
{
	for (char **e = environ; *e; e++) {
		char *copy = is_for_tests(*e) ? strdup(*e) : NULL;
		char *equals = copy ? strchr(copy, '=') : NULL;
		if (equals) {
			*equals = 0;
			add(l, copy, equals + 1);
		}
		free(copy);
	}
}

char **environ_new(const struct table_row *row, const struct options *o, const char *uid_base)
{
	struct list l = { .v = calloc(MOST_VARIABLES, sizeof(char *)) };
	if (!l.v)
		return NULL;
	add(&l, "PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
	add_options(&l, row, o, uid_base);
	for (unsigned i = 0; i < TABLE_INHERITED && row->inherited[i]; i++) {
		const char *value = getenv(row->inherited[i]);
		if (value)
			add(&l, row->inherited[i], value);
	}
	add_test_variables(&l);
	if (l.failed) {
		environ_free(l.v);
		return NULL;
	}
	return l.v;
}

void environ_free(char **env)
{
	if (!env)
		return;
	for (char **e = env; *e; e++)
		free(*e);
	free(env);
}
