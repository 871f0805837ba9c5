/* The desk of the Services' addresses against a server that applies merge patches with preconditions, loses
 * answers, refuses and is late to tell, while others change Services and the allocator its mind. At the end
 * the server has what is wanted; no patch was ever accepted that changed nothing; then all is silent. And
 * many are no problem. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lib/model/service.h"
#include "tests/unit/k8s/make.h"
#include "watcher/k8s/service_status.h"

enum { SERVICES = 30, IN_FLIGHT = 8, EVENTS = 4096, STEPS = 8000, SEEDS = 20 };

struct thing {
	bool exists;
	uint64_t uid, version;
	unsigned ip; /* 0: none */
	bool has_pool;
};
struct told {
	unsigned i;
	struct thing thing;
};
struct request {
	bool used, served;
	struct write w;
	mono_t serve_at, answer_at;
	int status;
	json_t *object;
};
struct world {
	uint64_t dice;
	struct service_status_desk d;
	mono_t now;
	bool faults, paused;
	uint64_t version;
	struct thing server[SERVICES], seen[SERVICES];
	unsigned wanted[SERVICES];     /* address; 0: to be cleared */
	uint64_t wanted_uid[SERVICES]; /* 0: nothing was said */
	struct told events[EVENTS];
	size_t first, n_events;
	struct request r[IN_FLIGHT];
	uint64_t accepted, patches, reads, changes;
};

static void note(struct world *w, unsigned i)
{
	assert_true(w->n_events - w->first < EVENTS);
	w->events[w->n_events++ % EVENTS] = (struct told){ i, w->server[i] };
	w->changes++;
}

static void key_of(unsigned i, char key[static 32])
{
	str_fmt(key, 32, "ns-%u/s", i);
}

/* ---- the server ---- */

static json_t *object_of(const struct thing *t)
{
	char uid[24], rv[24], ip[24];
	str_fmt(uid, sizeof uid, "u%llu", (unsigned long long)t->uid);
	str_fmt(rv, sizeof rv, "%llu", (unsigned long long)t->version);
	str_fmt(ip, sizeof ip, "10.0.0.%u", t->ip);
	json_t *o = json_pack("{s:{s:s, s:s}}", "metadata", "uid", uid, "resourceVersion", rv);
	if (t->has_pool)
		json_object_set_new(json_object_get(o, "metadata"), "annotations",
				    json_pack("{s:s}", ANNOTATION_FROM_POOL, "p"));
	if (t->ip)
		json_object_set_new(o, "status",
				    json_pack("{s:{s:[{s:s}]}}", "loadBalancer", "ingress", "ip", ip));
	return o;
}

static int apply(struct world *w, unsigned i, const char *body)
{
	struct thing *t = &w->server[i], before = *t;
	json_t *root = json_loads(body, 0, NULL), *ingress, *pool;
	const char *uid, *rv;
	int ok = json_unpack(root, "{s:{s:s, s:s, s:{s:o}}, s:{s:{s:o}}}", "metadata", "uid", &uid,
			     "resourceVersion", &rv, "annotations", ANNOTATION_FROM_POOL, &pool, "status",
			     "loadBalancer", "ingress", &ingress);
	assert_int_equal(ok, 0);
	w->patches++;
	if (strtoull(uid + 1, NULL, 10) != t->uid || strtoull(rv, NULL, 10) != t->version) {
		json_decref(root);
		return 409;
	}
	const char *ip = json_string_value(json_object_get(json_array_get(ingress, 0), "ip"));
	t->ip = ip ? (unsigned)atoi(ip + 7) : 0;
	t->has_pool = json_is_string(pool);
	json_decref(root);
	assert_true(t->ip != before.ip || t->has_pool != before.has_pool);
	t->version = ++w->version;
	w->accepted++;
	note(w, i);
	return 200;
}

static void serve(struct world *w, struct request *r)
{
	static const int refusals[] = { 403, 409, 422, 429, 500, 503, 404 };
	unsigned i = (unsigned)atoi(r->w.path + strlen("/api/v1/namespaces/ns-"));
	r->served = true;
	if (w->faults && roll(&w->dice, 8) == 0)
		r->status = refusals[roll(&w->dice, sizeof refusals / sizeof *refusals)];
	else if (!w->server[i].exists)
		r->status = 404;
	else if (r->w.method == WRITE_PATCH)
		r->status = apply(w, i, r->w.body);
	else
		r->status = 200;
	w->reads += r->w.method == WRITE_GET;
	if (r->status == 200 && !(w->faults && roll(&w->dice, 20) == 0)) /* or the words of a proxy */
		r->object = object_of(&w->server[i]);
}

static void answer(struct world *w, struct request *r, bool is_lost)
{
	struct write_outcome o = outcome(is_lost ? 0 : r->status, is_lost ? NULL : r->object);
	service_status_done(&w->d, r->w.id, &o, w->now);
	json_decref(r->object);
	write_fini(&r->w);
	*r = (struct request){ 0 };
}

/* ---- the shell ---- */

static void work(struct world *w)
{
	for (unsigned k = 0; k < IN_FLIGHT; k++) {
		struct request *r = &w->r[k];
		if (!r->used && service_status_next(&w->d, w->now, &r->w)) {
			r->used = true;
			r->serve_at = mono_add(w->now, (int64_t)roll(&w->dice, MS(300)));
			r->answer_at = mono_add(r->serve_at, (int64_t)roll(&w->dice, MS(300)));
		}
		if (r->used && !r->served && mono_reached(w->now, r->serve_at))
			serve(w, r);
		if (r->used && mono_reached(w->now, r->answer_at))
			answer(w, r, w->faults && roll(&w->dice, 10) == 0);
	}
}

static void pause_or_not(struct world *w)
{
	w->paused = !w->paused;
	service_status_pause(&w->d, w->paused);
	for (unsigned k = 0; w->paused && k < IN_FLIGHT; k++) {
		if (!w->r[k].used)
			continue;
		if (!w->r[k].served && roll(&w->dice, 2))
			serve(w, &w->r[k]); /* it was on its way */
		answer(w, &w->r[k], true);
	}
}

/* The allocator, which sees what the watch sees. */
static void decide(struct world *w, unsigned i)
{
	char key[32], uid[24], ip[24];
	key_of(i, key);
	Ingot__Assignment a = INGOT__ASSIGNMENT__INIT;
	char *ips[] = { ip };
	if (!w->seen[i].exists) {
		service_status_unwant(&w->d, key);
		w->wanted_uid[i] = 0;
		return;
	}
	w->wanted[i] = roll(&w->dice, 4) ? 1 + roll(&w->dice, 200) : 0;
	w->wanted_uid[i] = w->seen[i].uid;
	str_fmt(uid, sizeof uid, "u%llu", (unsigned long long)w->wanted_uid[i]);
	str_fmt(ip, sizeof ip, "10.0.0.%u", w->wanted[i]);
	a.uid = uid;
	a.ips = ips;
	a.n_ips = w->wanted[i] != 0;
	a.pool = text("p");
	a.clear = !w->wanted[i];
	assert_int_equal(service_status_want(&w->d, key, &a), 0);
}

static void watch_tells(struct world *w)
{
	const struct told *e = &w->events[w->first++ % EVENTS];
	char key[32], uid[24], rv[24], ip[24];
	Ingot__Service s = INGOT__SERVICE__INIT;
	Ingot__ObjectMeta meta = INGOT__OBJECT_META__INIT;
	Ingot__KeyValue pool = INGOT__KEY_VALUE__INIT, *pools[] = { &pool };
	Ingot__LoadBalancerIngress ingress = INGOT__LOAD_BALANCER_INGRESS__INIT, *list[] = { &ingress };
	key_of(e->i, key);
	w->seen[e->i] = e->thing;
	if (!e->thing.exists) {
		service_status_gone(&w->d, key);
		return;
	}
	str_fmt(uid, sizeof uid, "u%llu", (unsigned long long)e->thing.uid);
	str_fmt(rv, sizeof rv, "%llu", (unsigned long long)e->thing.version);
	str_fmt(ip, sizeof ip, "10.0.0.%u", e->thing.ip);
	pool.key = text(ANNOTATION_FROM_POOL);
	pool.value = text("p");
	ingress.ip = ip;
	s.meta = &meta;
	meta.annotations = pools;
	meta.n_annotations = e->thing.has_pool;
	s.ingress = list;
	s.n_ingress = e->thing.ip != 0;
	assert_int_equal(service_status_saw(&w->d, key, uid, rv, &s), 0);
}

/* ---- the others ---- */

static void live(struct world *w)
{
	unsigned i = roll(&w->dice, SERVICES);
	struct thing *t = &w->server[i];
	uint32_t what = roll(&w->dice, 10);
	if (!t->exists)
		*t = (struct thing){ .exists = true, .uid = ++w->version };
	else if (what < 3)
		t->exists = false;
	else if (what < 6)
		t->ip = roll(&w->dice, 3) ? 200 : 0; /* somebody else writes a status */
	t->version = ++w->version;
	note(w, i);
}

static void step(struct world *w)
{
	w->now = mono_add(w->now, (int64_t)roll(&w->dice, MS(100)));
	if (w->faults && roll(&w->dice, 4) == 0)
		live(w);
	if (w->faults && roll(&w->dice, 4) == 0)
		decide(w, roll(&w->dice, SERVICES));
	if (w->faults && roll(&w->dice, 400) == 0)
		pause_or_not(w);
	while (w->first < w->n_events && roll(&w->dice, 3))
		watch_tells(w);
	work(w);
}

static void assert_wanted(struct world *w)
{
	for (unsigned i = 0; i < SERVICES; i++) {
		const struct thing *t = &w->server[i];
		assert_true(t->uid == w->seen[i].uid && t->version == w->seen[i].version);
		if (!t->exists || w->wanted_uid[i] != t->uid)
			continue;
		assert_int_equal(t->ip, w->wanted[i]);
		assert_int_equal(t->has_pool, w->wanted[i] != 0);
	}
}

static void run(uint64_t seed)
{
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	w->dice = seed;
	service_status_init(&w->d, seed);
	service_status_pause(&w->d, false);
	w->faults = true;
	for (int i = 0; i < STEPS; i++)
		step(w);
	assert_true(w->accepted > 300 && w->d.conflicts > 15); /* or there was nothing to see */
	/* Each change costs a few requests at most. */
	assert_true(w->patches + w->reads < 2 * w->changes);
	w->faults = false;
	if (w->paused)
		pause_or_not(w);
	for (mono_t end = mono_add(w->now, SEC(200)); mono_before(w->now, end);)
		step(w);
	assert_wanted(w);
	uint64_t before = w->patches + w->reads;
	assert_int_equal(service_status_wake(&w->d).us, INT64_MAX);
	service_status_pause(&w->d, true);
	service_status_pause(&w->d, false);
	for (mono_t end = mono_add(w->now, SEC(200)); mono_before(w->now, end);)
		step(w);
	assert_int_equal(w->patches + w->reads, before);
	assert_int_equal(map_len(&w->d.under_way), 0);
	service_status_fini(&w->d);
	free(w);
}

static void the_server_has_what_is_wanted(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run(seed);
}

/* All of them are created, wanted, refused, tried again and deleted, in the order that is worst for lists. */
static double many(unsigned n)
{
	struct service_status_desk d;
	Ingot__Service s = INGOT__SERVICE__INIT;
	Ingot__Assignment a = INGOT__ASSIGNMENT__INIT;
	struct write_outcome refused = outcome(403, NULL);
	char key[32], ip[] = "10.0.0.1", *ips[] = { ip };
	mono_t now = { SEC(1) };
	struct write w;
	clock_t began = clock();
	service_status_init(&d, 1);
	service_status_pause(&d, false);
	a.uid = text("u");
	a.ips = ips;
	a.n_ips = 1;
	for (unsigned i = 0; i < n; i++) {
		str_fmt(key, sizeof key, "ns/%u", i);
		assert_int_equal(service_status_saw(&d, key, "u", "1", &s), 0);
		assert_int_equal(service_status_want(&d, key, &a), 0);
	}
	for (unsigned i = 0; i < 3 * n; i++) {
		mono_t wake = service_status_wake(&d);
		now = mono_before(now, wake) ? wake : now;
		assert_true(service_status_next(&d, now, &w));
		service_status_done(&d, w.id, &refused, now);
		write_fini(&w);
	}
	for (unsigned i = n; i-- > 0;) {
		str_fmt(key, sizeof key, "ns/%u", i);
		if (i % 2)
			assert_int_equal(service_status_saw(&d, key, "u", "2", &s), 0); /* due at once */
	}
	for (unsigned i = n; i-- > 0;) {
		str_fmt(key, sizeof key, "ns/%u", i);
		service_status_gone(&d, key);
		service_status_unwant(&d, key);
	}
	assert_int_equal(map_len(&d.services), 0);
	assert_int_equal(service_status_wake(&d).us, INT64_MAX);
	service_status_fini(&d);
	return (double)(clock() - began);
}

/* Four times as many cost four times as much, not sixteen; in processor time, the better of two. */
static void many_are_no_problem(void **unused)
{
	double few = 1e18, more = 1e18;
	(void)unused;
	for (int i = 0; i < 2; i++) {
		double a = many(5000), b = many(20000);
		few = a < few ? a : few;
		more = b < more ? b : more;
	}
	assert_true(more < 10 * few);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_server_has_what_is_wanted),
		cmocka_unit_test(many_are_no_problem),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
