/* Many objects, and much that goes wrong. Whatever the server answers, however late the watch is, whoever
 * edits: when the failures end, what is seen is what is wanted, nothing is written any more, and no two
 * objects are left for one Service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "fake_api.h"
#include "watcher/k8s/report/status_objects.h"
#include "watcher/reports_json.h"

enum { SERVICES = 12, STEPS = 3000, FLYING = 8, RUNS = 40, MANY = 10000 };
#define L2 "servicel2statuses"

static const struct desk_ops *ops = &status_objects_desk;

struct world {
	struct fake_api a;
	struct status_objects *s;
	uint64_t seed;
	mono_t now;
	const char *wanted[SERVICES]; /* interface; NULL: not wanted */
	struct write flying[FLYING];
	size_t n_flying;
	struct map known; /* names that the watch has shown */
	bool calm;
};

static unsigned pick(struct world *w, unsigned n)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return (unsigned)(w->seed >> 20) % n;
}

static void key_of(unsigned i, char buf[static 64])
{
	str_fmt(buf, 64, "ns%u/service%u", i % 3, i);
}

static void want(struct world *w, unsigned i, const char *interface)
{
	char key[64], *name = (char *)(uintptr_t)interface;
	key_of(i, key);
	w->wanted[i] = interface;
	Ingot__L2ServiceState state = INGOT__L2_SERVICE_STATE__INIT;
	state.announcing = true;
	state.interfaces = &name;
	state.n_interfaces = 1;
	json_t *status = interface ? reports_json_l2_status("node1", key, &state) : NULL;
	assert_int_equal(status_objects_want(w->s, STATUS_L2, key, status), 0);
	json_decref(status);
}

static const char *name_of(const json_t *o)
{
	return json_string_value(json_object_get(json_object_get(o, "metadata"), "name"));
}

static bool is_ours(const json_t *o)
{
	const json_t *labels = json_object_get(json_object_get(o, "metadata"), "labels");
	const char *node = json_string_value(json_object_get(labels, "metallb.io/node"));
	return node && strcmp(node, "node1") == 0;
}

static void watch_one(struct world *w)
{
	struct fake_news n;
	if (!fake_news(&w->a, &n))
		return;
	const char *name = name_of(n.object);
	if (strcmp(n.plural, L2) == 0 && is_ours(n.object)) {
		if (n.deleted) {
			map_del(&w->known, name);
			status_objects_unsee(w->s, STATUS_L2, name);
		} else {
			assert_int_equal(map_set(&w->known, name, w, NULL), 0);
			assert_int_equal(status_objects_see(w->s, STATUS_L2, n.object), 0);
		}
	}
	json_decref(n.object);
}

/* A new list instead of the news that were to come. */
static void relist(struct world *w)
{
	struct fake_news n;
	while (fake_news(&w->a, &n))
		json_decref(n.object);
	map_each (&w->known, e) {
		if (fake_get(&w->a, L2, e->key))
			continue;
		status_objects_unsee(w->s, STATUS_L2, e->key);
		map_del(&w->known, e->key);
	}
	map_each (&w->a.objects, e)
		if (is_ours(e->value)) {
			assert_int_equal(map_set(&w->known, name_of(e->value), w, NULL), 0);
			assert_int_equal(status_objects_see(w->s, STATUS_L2, e->value), 0);
		}
	status_objects_synced(w->s, STATUS_L2, w->now);
}

/* An answer comes, right or wrong; what it says of failure may have happened all the same. */
static void answer_one(struct world *w)
{
	static const struct {
		int status;
		bool happened;
		const char *text;
	} failures[] = {
		{ 0, true, "" },
		{ 0, false, "" },
		{ 500, true, "" },
		{ 503, false, "" },
		{ 504, true, "" },
		{ 429, false, "" },
		{ 403, false, "x is forbidden: User \"u\" cannot patch resource" },
		{ 403, false, "refused by policy" },
		{ 404, false, "the server could not find the requested resource" },
		{ 409, false, "the object has been modified" },
		{ 422, false, "invalid" },
		{ 302, false, "" },
	};
	if (w->n_flying == 0)
		return;
	size_t i = pick(w, (unsigned)w->n_flying), f = pick(w, sizeof failures / sizeof *failures * 2);
	struct write write = w->flying[i];
	w->flying[i] = w->flying[--w->n_flying];
	struct write_outcome o;
	json_t *object = NULL;
	bool fails = !w->calm && f < sizeof failures / sizeof *failures;
	if (!fails || failures[f].happened)
		fake_serve(&w->a, &write, &o, &object);
	if (fails)
		o = fake_failure(failures[f].status, failures[f].text);
	if (fails && o.status == 429)
		o.retry_after_us = MS(pick(w, 3000));
	ops->done(w->s, write.id, &o, w->now);
	json_decref(object);
	write_fini(&write);
}

static void send_one(struct world *w)
{
	if (w->n_flying < FLYING && ops->next(w->s, w->now, &w->flying[w->n_flying]))
		w->n_flying++;
}

/* Somebody edits, deletes, or makes an object of his own. */
static void meddle(struct world *w)
{
	char text[512];
	size_t n = map_len(&w->a.objects), i = n ? pick(w, (unsigned)n) : 0;
	const struct map_entry *e = w->a.objects.head;
	unsigned service = pick(w, SERVICES);
	for (; e && i > 0; i--)
		e = e->next;
	switch (pick(w, 4)) {
	case 0:
		str_fmt(text, sizeof text,
			"{'metadata':{'generateName':'l2-','labels':{'metallb.io/node':'node%u',"
			"'metallb.io/service-name':'service%u','metallb.io/service-namespace':'ns%u'}}}",
			1 + pick(w, 2), service, service % 3);
		fake_put(&w->a, L2, fake_json(text));
		break;
	case 1:
		if (e && strncmp(e->key, L2, strlen(L2)) == 0)
			fake_delete(&w->a, L2, e->key + strlen(L2) + 1);
		break;
	case 2:
		if (e)
			fake_edit(&w->a, L2, e->key + strlen(L2) + 1, "interfaces", json_array());
		break;
	case 3:
		if (e)
			fake_edit(&w->a, L2, e->key + strlen(L2) + 1, "serviceName", json_string("zzz"));
		break;
	}
}

static void step(struct world *w)
{
	static const char *const interfaces[] = { NULL, "eth0", "eth1", "eth2" };
	switch (pick(w, 12)) {
	case 0: want(w, pick(w, SERVICES), interfaces[pick(w, 4)]); break;
	case 1: meddle(w); break;
	case 2: w->now = mono_add(w->now, MS(pick(w, 5000))); break;
	case 3:
		if (pick(w, 10) == 0)
			relist(w);
		break;
	case 4:
	case 5: watch_one(w); break;
	case 6:
	case 7:
	case 8: answer_one(w); break;
	default: send_one(w); break;
	}
}

/* No failures and no meddling from now on. */
static void calm_down(struct world *w)
{
	w->calm = true;
	relist(w);
	for (unsigned i = 0; i < 100000; i++) {
		while (w->a.n_news)
			watch_one(w);
		if (w->n_flying) {
			answer_one(w);
			continue;
		}
		size_t before = w->n_flying;
		send_one(w);
		if (w->n_flying > before)
			continue;
		mono_t wake = ops->wake(w->s);
		if (wake.us == MONO_NEVER.us)
			return;
		/* It wakes for something, and not again and again for nothing. */
		w->now = mono_before(w->now, wake) ? wake : mono_add(w->now, MS(1));
	}
	fail_msg("it never comes to rest");
}

static void check(struct world *w, unsigned run)
{
	unsigned found[SERVICES] = { 0 };
	map_each (&w->a.objects, e) {
		char ns[64], key[130];
		unsigned i = 0;
		const json_t *labels = json_object_get(json_object_get(e->value, "metadata"), "labels");
		const char *service = json_string_value(json_object_get(labels, "metallb.io/service-name"));
		if (!is_ours(e->value))
			continue;
		assert_int_equal(sscanf(service, "service%u", &i), 1);
		key_of(i, key);
		str_fmt(ns, sizeof ns, "ns%u", i % 3);
		found[i]++;
		if (!w->wanted[i])
			fail_msg("run %u: %s is not wanted", run, key);
		json_t *status =
		    json_pack("{s:s, s:s, s:s, s:[{s:s}]}", "node", "node1", "serviceName", service,
			      "serviceNamespace", ns, "interfaces", "name", w->wanted[i]);
		assert_true(json_equal(status, json_object_get(e->value, "status")));
		json_decref(status);
		assert_int_equal(json_array_size(json_object_get(json_object_get(e->value, "metadata"),
								 "ownerReferences")),
				 1);
	}
	for (unsigned i = 0; i < SERVICES; i++)
		if (found[i] != (w->wanted[i] ? 1 : 0))
			fail_msg("run %u: service%u has %u objects", run, i, found[i]);
}

static void test_random(void **state)
{
	static const struct upkeep_place place = { "metallb-system", "node1" };
	(void)state;
	for (unsigned run = 0; run < RUNS; run++) {
		struct world *w = calloc(1, sizeof *w);
		assert_non_null(w);
		fake_init(&w->a);
		map_init(&w->known);
		w->a.node = "node1";
		w->seed = 0x9e3779b97f4a7c15u * (run + 1);
		w->now = (mono_t){ SEC(100) };
		w->s = status_objects_new(&place, NULL, NULL, NULL);
		assert_int_equal(status_objects_owner(w->s, "pod", "uid"), 0);
		status_objects_synced(w->s, STATUS_L2, w->now);
		status_objects_whole(w->s, STATUS_L2);
		for (unsigned i = 0; i < STEPS; i++)
			step(w);
		calm_down(w);
		check(w, run);
		unsigned patches = w->a.n[WRITE_PATCH];
		relist(w);
		fake_nothing(ops, w->s, mono_add(w->now, SEC(3600)));
		assert_int_equal(w->a.n[WRITE_PATCH], patches);
		if (run == 0)
			print_message("run 0: %u created, %u patched, %u deleted, %u lists\n",
				      w->a.n[WRITE_POST], w->a.n[WRITE_PATCH], w->a.n[WRITE_DELETE],
				      w->a.n[WRITE_GET]);
		status_objects_free(w->s);
		map_fini(&w->known, NULL);
		fake_fini(&w->a);
		free(w);
	}
}

static void count_created(void *ctx, enum status_kind k, const char *key)
{
	(void)k;
	(void)key;
	++*(unsigned *)ctx;
}

static void want_many(struct status_objects *s)
{
	char key[64];
	for (unsigned i = 0; i < MANY; i++) {
		str_fmt(key, sizeof key, "ns%u/service%u", i % 100, i);
		json_t *status = reports_json_l2_status(
		    "node1", key, &(Ingot__L2ServiceState)INGOT__L2_SERVICE_STATE__INIT);
		assert_int_equal(status_objects_want(s, STATUS_L2, key, status), 0);
		json_decref(status);
	}
}

static void answer_many(struct fake_api *a, struct status_objects *s, struct write *r)
{
	for (unsigned i = 0; i < MANY; i++) {
		struct write_outcome o;
		json_t *object;
		fake_serve(a, &r[i], &o, &object);
		ops->done(s, r[i].id, &o, (mono_t){ SEC(2) });
		json_decref(object);
		write_fini(&r[i]);
	}
	while (a->n_news > 0) /* the list shows the same */
		json_decref(a->news[--a->n_news].object);
}

static void list_many(const struct fake_api *a, struct status_objects *s)
{
	map_each (&a->objects, e)
		assert_int_equal(status_objects_see(s, STATUS_L2, e->value), 0);
	status_objects_synced(s, STATUS_L2, (mono_t){ SEC(1) });
	status_objects_whole(s, STATUS_L2);
}

/* A cold start and a warm one with ten thousand Services: no write too many, and time that grows with them
 * only. */
static void test_many(void **state)
{
	static const struct upkeep_place place = { "metallb-system", "node1" };
	(void)state;
	unsigned created = 0;
	struct fake_api a;
	fake_init(&a);
	a.node = "node1";
	struct status_objects *s = status_objects_new(&place, NULL, count_created, &created);
	clock_t before = clock();
	want_many(s);
	list_many(&a, s);
	/* Every request is in flight before the first answer comes. */
	struct write *r = calloc(MANY, sizeof *r);
	assert_non_null(r);
	for (unsigned i = 0; i < MANY; i++)
		r[i] = fake_next(ops, s, (mono_t){ SEC(1) });
	fake_nothing(ops, s, (mono_t){ SEC(1) });
	clock_t desk = clock() - before;
	answer_many(&a, s, r);
	free(r);
	fake_run(&a, ops, s, (mono_t){ SEC(2) });
	assert_int_equal(fake_count(&a, L2), MANY);
	assert_int_equal(a.n[WRITE_PATCH], MANY);
	assert_int_equal(created, MANY);
	status_objects_free(s);

	/* A restart: everything is as it should be, nothing is written. */
	s = status_objects_new(&place, NULL, count_created, &created);
	before = clock();
	want_many(s);
	list_many(&a, s);
	fake_nothing(ops, s, (mono_t){ SEC(3) });
	desk += clock() - before;
	assert_int_equal(created, MANY);
	/* Half a second without sanitizers; anything quadratic takes minutes. */
	print_message("%d objects: %.2f s of the desk\n", MANY, (double)desk / CLOCKS_PER_SEC);
	assert_true(desk < 10 * (clock_t)CLOCKS_PER_SEC);
	status_objects_free(s);
	fake_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random), cmocka_unit_test(test_many) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
