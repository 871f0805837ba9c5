/* The list/watch machine against a server that forgets, breaks off, repeats itself and refuses, for thousands
 * of steps on virtual time. Nothing may be called gone that was there all the time; when the faults stop,
 * both know the same; and there are never more requests than a server would like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/k8s/make.h"
#include "watcher/k8s/reflector.h"

enum { KEYS = 60, HISTORY = 20000, STEPS = 6000, SEEDS = 40 };

struct change {
	unsigned key;
	bool exists;
};
struct server {
	uint64_t version, compacted;
	bool exists[KEYS];
	uint64_t changed[KEYS], deleted[KEYS]; /* versions */
	struct change history[HISTORY];	       /* by version */
	bool can_stream;
	/* What a list that is being read goes by. */
	uint64_t list_version;
	bool listed[KEYS];
	uint64_t listed_changed[KEYS];
};
struct world {
	uint64_t dice;
	struct server s;
	struct reflector r;
	mono_t now;
	bool faults;
	bool out, is_watch, answered;
	uint64_t at;  /* of the watch: the version that was told last */
	bool initial; /* ... which still tells the list */
	unsigned next_key;
	mono_t ends;
	uint64_t told[KEYS]; /* the version of each that the client was told last */
	uint64_t requests, gone, n_410;
};

static void change(struct world *w, unsigned key, bool exists)
{
	struct server *s = &w->s;
	if (s->version + 1 >= HISTORY || (!exists && !s->exists[key]))
		return;
	s->version++;
	s->history[s->version] = (struct change){ key, exists };
	s->exists[key] = exists;
	*(exists ? &s->changed[key] : &s->deleted[key]) = s->version;
}

static void key_name(unsigned key, char buf[static 16])
{
	str_fmt(buf, 16, "ns/%u", key);
}

/* What the shell does when an object is gone, with the invariant. */
static void on_gone(void *ctx, const char *name)
{
	struct world *w = ctx;
	unsigned key = (unsigned)atoi(name + 3);
	assert_true(w->s.deleted[key] > w->told[key]);
	w->gone++;
}

static void tell(struct world *w, unsigned key, uint64_t version, bool is_event)
{
	char name[16], rv[24];
	key_name(key, name);
	str_fmt(rv, sizeof rv, "%llu", (unsigned long long)version);
	w->told[key] = version;
	assert_int_equal(reflector_saw(&w->r, name, is_event ? rv : ""), 0);
}

static void tell_change(struct world *w, uint64_t version)
{
	const struct change *c = &w->s.history[version];
	char name[16], rv[24];
	if (c->exists) {
		tell(w, c->key, version, true);
		return;
	}
	key_name(c->key, name);
	str_fmt(rv, sizeof rv, "%llu", (unsigned long long)version);
	on_gone(w, name);
	reflector_deleted(&w->r, name, rv);
}

static void snapshot(struct server *s)
{
	s->list_version = s->version;
	memcpy(s->listed, s->exists, sizeof s->listed);
	memcpy(s->listed_changed, s->changed, sizeof s->listed_changed);
}

static void refuse(struct world *w, int code, const char *reason)
{
	struct api_status status = api_error(code, reason, "refused");
	int64_t after = code == 429 ? SEC(1) : -1;
	w->out = false;
	w->n_410 += code == 410;
	reflector_failed(&w->r, code ? &status : NULL, "refused", after, w->now);
}

static bool number_of(const char *path, const char *name, uint64_t *ret)
{
	const char *p = strstr(path, name);
	if (p)
		*ret = strtoull(p + strlen(name), NULL, 10);
	return p != NULL;
}

static void start(struct world *w)
{
	struct strbuf path = { 0 };
	if (!reflector_next(&w->r, w->now, &path, &w->is_watch))
		return;
	const char *p = strbuf_get(&path);
	uint64_t seconds = 0;
	w->requests++;
	w->out = true;
	w->answered = w->initial = false;
	w->next_key = 0;
	if (w->is_watch) {
		assert_true(number_of(p, "&timeoutSeconds=", &seconds));
		assert_in_range(seconds, 60, 600);
		w->initial = strstr(p, "sendInitialEvents") != NULL;
		if (w->initial)
			snapshot(&w->s);
		else
			assert_true(number_of(p, "&resourceVersion=", &w->at));
	} else if (number_of(p, "&continue=", &seconds)) {
		w->next_key = (unsigned)seconds;
	} else {
		snapshot(&w->s);
	}
	w->ends = mono_add(w->now, SEC(seconds));
	strbuf_fini(&path);
}

static bool trips(struct world *w, uint32_t percent)
{
	return w->faults && roll(&w->dice, 100) < percent;
}

/* Before anything of the answer has come. */
static bool refuses(struct world *w)
{
	static const int codes[] = { 0, 0, 401, 403, 404, 429, 429, 500, 503, 504, 410 };
	if (!trips(w, 25))
		return false;
	refuse(w, codes[roll(&w->dice, sizeof codes / sizeof *codes)], "");
	return true;
}

static void answer_page(struct world *w)
{
	struct server *s = &w->s;
	char token[24], rv[24];
	if (s->list_version < s->compacted && w->next_key > 0) {
		refuse(w, 410, "Expired");
		return;
	}
	unsigned n = 1 + roll(&w->dice, 20);
	for (; n > 0 && w->next_key < KEYS; n--, w->next_key++) {
		if (s->listed[w->next_key])
			tell(w, w->next_key, s->listed_changed[w->next_key], false);
		if (trips(w, 2)) {
			refuse(w, 0, ""); /* broken off in the middle */
			return;
		}
	}
	w->out = false;
	str_fmt(token, sizeof token, "%u", w->next_key);
	str_fmt(rv, sizeof rv, "%llu", (unsigned long long)s->list_version);
	if (reflector_page(&w->r, rv, w->next_key < KEYS ? strdup(token) : NULL))
		reflector_sweep(&w->r, on_gone, w);
	reflector_ended(&w->r, w->now);
}

static void bookmark(struct world *w, uint64_t version, bool initial_end)
{
	char rv[24];
	str_fmt(rv, sizeof rv, "%llu", (unsigned long long)version);
	bool whole = reflector_bookmark(&w->r, rv, initial_end);
	assert_int_equal(whole, initial_end);
	if (whole)
		reflector_sweep(&w->r, on_gone, w);
}

static void stream_list(struct world *w)
{
	struct server *s = &w->s;
	for (unsigned n = roll(&w->dice, 30); n > 0 && w->next_key < KEYS; n--, w->next_key++)
		if (s->listed[w->next_key])
			tell(w, w->next_key, s->listed_changed[w->next_key], true);
	if (w->next_key < KEYS)
		return;
	w->initial = false;
	w->at = s->list_version;
	bookmark(w, w->at, true);
}

static void watch_on(struct world *w)
{
	struct server *s = &w->s;
	if (!w->answered)
		reflector_answered(&w->r);
	w->answered = true;
	if (w->initial) {
		stream_list(w);
	} else if (w->at < s->compacted) {
		refuse(w, trips(w, 50) ? 0 : 410, "Expired");
		return;
	}
	for (unsigned n = roll(&w->dice, 8); !w->initial && n > 0 && w->at < s->version; n--) {
		tell_change(w, ++w->at);
		if (trips(w, 3) && s->history[w->at].exists)
			tell_change(w, w->at); /* once more */
	}
	if (!w->initial && roll(&w->dice, 30) == 0)
		bookmark(w, w->at, false);
	if (trips(w, 3)) {
		refuse(w, roll(&w->dice, 2) ? 0 : 500, "");
	} else if (mono_reached(w->now, w->ends) || trips(w, 2)) {
		w->out = false;
		reflector_ended(&w->r, w->now);
	}
}

static void step(struct world *w)
{
	w->now = mono_add(w->now, (int64_t)roll(&w->dice, MS(400)));
	if (!w->out)
		start(w);
	else if (w->is_watch && !w->s.can_stream && w->initial)
		refuse(w, 422, "Invalid");
	else if (!w->answered && refuses(w))
		return;
	else if (w->is_watch)
		watch_on(w);
	else
		answer_page(w);
}

static void live(struct world *w)
{
	for (unsigned n = roll(&w->dice, 4); n > 0; n--)
		change(w, roll(&w->dice, KEYS), roll(&w->dice, 3) > 0);
	if (roll(&w->dice, 50) == 0)
		w->s.compacted = w->s.version - roll(&w->dice, 3) * (w->s.version > 3);
}

static void assert_same(struct world *w)
{
	unsigned n = 0;
	char name[16];
	for (unsigned key = 0; key < KEYS; key++) {
		n += w->s.exists[key];
		key_name(key, name);
		assert_int_equal(hashtab_find(&w->r.known, name, strlen(name)) != NULL, w->s.exists[key]);
	}
	assert_int_equal(hashtab_len(&w->r.known), n);
}

static void run(uint64_t seed, bool asks_streams, bool can_stream)
{
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	w->dice = seed;
	w->now = (mono_t){ SEC(1) };
	w->s.version = w->s.compacted = 1;
	w->s.can_stream = can_stream;
	reflector_init(&w->r, "/api/v1/things", "", asks_streams, seed);
	reflector_start(&w->r, w->now);
	w->faults = true;
	mono_t began = w->now;
	for (int i = 0; i < STEPS; i++) {
		live(w);
		step(w);
	}
	/* However bad the server is. */
	assert_true(w->requests < (uint64_t)mono_sub(w->now, began) / SEC(1));
	assert_true(w->requests > 200 && w->gone > 50 && w->n_410 > 10); /* or there was nothing to see */
	w->faults = false;
	for (mono_t end = mono_add(w->now, SEC(60)); mono_before(w->now, end);)
		step(w);
	assert_same(w);
	assert_true(w->r.complete && w->r.current);
	assert_int_equal(w->r.trouble, TROUBLE_NONE);
	/* Quiet: watches alone, and one at a time. */
	uint64_t before = w->requests;
	for (mono_t end = mono_add(w->now, SEC(3600)); mono_before(w->now, end);)
		step(w);
	assert_in_range(w->requests - before, 1, 3600 / REFLECTOR_WATCH_S + 1);
	assert_same(w);
	reflector_fini(&w->r);
	free(w);
}

static void lists_in_pages(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run(seed, false, false);
}

static void streamed_lists(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run(seed * 1000, true, true);
}

static void streams_that_are_not_offered(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run(seed * 77777, true, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_in_pages),
		cmocka_unit_test(streamed_lists),
		cmocka_unit_test(streams_that_are_not_offered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
