/* A reflector with the time and the path of its last request, and the words to answer it. */
#ifndef INGOT_TESTS_K8S_LISTER_H
#define INGOT_TESTS_K8S_LISTER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/k8s/make.h"
#include "watcher/k8s/reflector.h"

#define SELECTOR "fieldSelector=spec.type%3DLoadBalancer"

struct world {
	struct reflector r;
	mono_t now;
	char path[600];
	bool is_watch;
	struct strbuf gone; /* "a,b," */
};

static inline struct world begin(bool can_stream)
{
	struct world w = { .now = { SEC(1000) } };
	reflector_init(&w.r, "/api/v1/services", SELECTOR, can_stream, 7);
	assert_int_equal(reflector_wake(&w.r).us, INT64_MAX);
	reflector_start(&w.r, w.now);
	return w;
}

static inline void end(struct world *w)
{
	reflector_fini(&w->r);
	strbuf_fini(&w->gone);
}

/* Goes to the moment of the next request; how long that took. */
static inline int64_t ask(struct world *w)
{
	struct strbuf path = { 0 };
	mono_t wake = reflector_wake(&w->r), before = w->now;
	assert_true(wake.us < INT64_MAX);
	if (mono_before(w->now, wake)) {
		w->now = (mono_t){ wake.us - 1 };
		assert_false(reflector_next(&w->r, w->now, &path, &w->is_watch));
		w->now = wake;
	}
	assert_true(reflector_next(&w->r, w->now, &path, &w->is_watch));
	assert_false(
	    reflector_next(&w->r, mono_add(w->now, SEC(3600)), &path, &w->is_watch)); /* one at a time */
	assert_int_equal(reflector_wake(&w->r).us, INT64_MAX);
	str_fmt(w->path, sizeof w->path, "%s", strbuf_get(&path));
	strbuf_fini(&path);
	return mono_sub(w->now, before);
}

static inline void on_gone(void *ctx, const char *key)
{
	struct world *w = ctx;
	strbuf_fmt(&w->gone, "%s,", key);
}

static inline void see(struct world *w, const char *keys, const char *rv)
{
	char key[2] = { 0 };
	for (; *keys; keys++) {
		key[0] = *keys;
		assert_int_equal(reflector_saw(&w->r, key, rv), 0);
	}
}

/* Answers a page with these objects, one letter each. */
static inline bool page(struct world *w, const char *keys, const char *rv, const char *token)
{
	char *copy = token ? strdup(token) : NULL;
	see(w, keys, "");
	bool last = reflector_page(&w->r, rv, copy);
	if (last)
		reflector_sweep(&w->r, on_gone, w);
	reflector_ended(&w->r, w->now);
	return last;
}

static inline void refuse(struct world *w, int code, const char *reason, const char *message)
{
	struct api_status s = api_error(code, reason, message);
	reflector_failed(&w->r, &s, message, -1, w->now);
}

static inline void breaks(struct world *w)
{
	reflector_failed(&w->r, NULL, "connection reset", -1, w->now);
}

/* Everything that is known, by the alphabet. */
static inline const char *known(struct world *w)
{
	static char all[100];
	all[0] = 0;
	for (int c = 'a'; c <= 'z'; c++)
		hashtab_each (&w->r.known, n)
			if (((const struct reflector_known *)n)->key[0] == c)
				str_fmt(all + strlen(all), sizeof all - strlen(all), "%c", c);
	return all;
}

static inline void assert_gone(struct world *w, const char *expected)
{
	assert_string_equal(strbuf_get(&w->gone), expected);
	strbuf_reset(&w->gone);
}

/* Listed whole, and being watched for long enough. */
static inline struct world watching(const char *keys)
{
	struct world w = begin(false);
	ask(&w);
	assert_true(page(&w, keys, "100", NULL));
	assert_int_equal(ask(&w), 0);
	reflector_answered(&w.r);
	w.now = mono_add(w.now, SEC(20));
	assert_true(w.r.complete && w.r.current);
	assert_int_equal(w.r.trouble, TROUBLE_NONE);
	return w;
}

#endif
