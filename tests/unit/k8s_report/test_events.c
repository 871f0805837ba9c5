/* Events: their bodies in three flavours, repetitions, combining, limits, failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_api.h"
#include "watcher/k8s/report/events.h"

static const struct desk_ops *ops = &events_desk;
static const int64_t wall = 1769860800123; /* 2026-01-31T12:00:00.123 */

static bool gone;
static bool exists(void *ctx, const char *ns, const char *service, const char *uid)
{
	(void)ctx;
	assert_true(*ns && *service && *uid);
	return !gone;
}

static mono_t at(int64_t s)
{
	return (mono_t){ SEC(1000 + s) };
}

/* The same for everybody, but what the test is about. */
static struct service_event event_of(const char *service, const char *note, int64_t s)
{
	return (struct service_event){ .at = at(s),
				       .wall_ms = wall + s * 1000,
				       .ns = "default",
				       .service = service,
				       .uid = "service-uid",
				       .reason = "IPAllocated",
				       .note = note,
				       .controller = "metallb-controller",
				       .instance = "ingot-controller-x" };
}

static void add(struct events *e, const char *service, const char *note, int64_t s)
{
	struct service_event ev = event_of(service, note, s);
	assert_int_equal(events_add(e, &ev), 0);
}

static struct events *desk_new(enum events_api api)
{
	struct events *e = events_new(NULL, exists, NULL);
	assert_non_null(e);
	gone = false;
	events_api(e, api);
	return e;
}

static void answer(struct events *e, struct write *w, struct write_outcome o, mono_t now)
{
	ops->done(e, w->id, &o, now);
	write_fini(w);
}

static struct write_outcome done(int status)
{
	return (struct write_outcome){ .status = status, .retry_after_us = -1 };
}

/* Compares a body; the name, which ends in a hash, is taken out into name. */
static void check(const struct write *w, enum write_method method, const char *body, char name[static 64])
{
	json_t *want = fake_json(body), *have = json_loads(w->body, 0, NULL);
	json_t *meta = json_object_get(have, "metadata");
	assert_int_equal(w->method, method);
	if (meta) {
		str_fmt(name, 64, "%s", json_string_value(json_object_get(meta, "name")));
		json_object_del(meta, "name");
	}
	if (!json_equal(want, have))
		fail_msg("%s\nwanted %s", w->body, body);
	json_decref(want);
	json_decref(have);
}

static void test_flavour_v1(void **state)
{
	(void)state;
	char name[64] = "", path[200];
	struct events *e = desk_new(EVENTS_API_V1);
	add(e, "web", "Assigned IP [\"10.0.0.1\"]", 0);
	struct write w = fake_next(ops, e, at(0));
	assert_string_equal(w.path, "/apis/events.k8s.io/v1/namespaces/default/events");
	assert_string_equal(w.what, "event IPAllocated of Service default/web");
	check(&w, WRITE_POST,
	      "{'kind':'Event','apiVersion':'events.k8s.io/v1','metadata':{'namespace':'default'},"
	      "'eventTime':'2026-01-31T12:00:00.123000Z','reportingController':'metallb-controller',"
	      "'reportingInstance':'ingot-controller-x','action':'IPAllocated','reason':'IPAllocated',"
	      "'regarding':{'kind':'Service','apiVersion':'v1','namespace':'default','name':'web',"
	      "'uid':'service-uid'},'note':'Assigned IP [\\\"10.0.0.1\\\"]','type':'Normal'}",
	      name);
	assert_true(str_starts(name, "web.18"));
	answer(e, &w, done(201), at(0));
	fake_nothing(ops, e, at(0));
	assert_int_equal(events_waiting(e), 0);
	/* The first repetition makes a series of two. */
	add(e, "web", "Assigned IP [\"10.0.0.1\"]", 5);
	w = fake_next(ops, e, at(5));
	str_fmt(path, sizeof path, "/apis/events.k8s.io/v1/namespaces/default/events/%s", name);
	assert_string_equal(w.path, path);
	check(&w, WRITE_PATCH, "{'series':{'count':2,'lastObservedTime':'2026-01-31T12:00:05.123000Z'}}",
	      name);
	/* Two more while that is in flight are one more request. */
	add(e, "web", "Assigned IP [\"10.0.0.1\"]", 6);
	add(e, "web", "Assigned IP [\"10.0.0.1\"]", 7);
	fake_nothing(ops, e, at(7));
	answer(e, &w, done(200), at(7));
	w = fake_next(ops, e, at(7));
	check(&w, WRITE_PATCH, "{'series':{'count':4,'lastObservedTime':'2026-01-31T12:00:07.123000Z'}}",
	      name);
	answer(e, &w, done(200), at(7));
	fake_nothing(ops, e, at(7));
	assert_int_equal(ops->wake(e).us, MONO_NEVER.us);
	assert_int_equal(events_counts(e).repeated, 3);
	events_free(e);
}

static void test_flavour_core(void **state)
{
	(void)state;
	char name[64] = "";
	struct events *e = desk_new(EVENTS_API_CORE_V1);
	struct service_event ev = event_of("web", "no address", 0);
	ev.warning = true;
	ev.reason = "AllocationFailed";
	assert_int_equal(events_add(e, &ev), 0);
	struct write w = fake_next(ops, e, at(0));
	assert_string_equal(w.path, "/api/v1/namespaces/default/events");
	check(&w, WRITE_POST,
	      "{'kind':'Event','apiVersion':'v1','metadata':{'namespace':'default'},'involvedObject':{"
	      "'kind':'Service','apiVersion':'v1','namespace':'default','name':'web','uid':'service-uid'},"
	      "'reason':'AllocationFailed','message':'no address','source':{'component':'metallb-controller',"
	      "'host':'ingot-controller-x'},'firstTimestamp':'2026-01-31T12:00:00Z',"
	      "'lastTimestamp':'2026-01-31T12:00:00Z','count':1,'type':'Warning',"
	      "'reportingComponent':'metallb-controller','reportingInstance':'ingot-controller-x'}",
	      name);
	answer(e, &w, done(201), at(0));
	ev.wall_ms += 60000;
	ev.at = at(60);
	assert_int_equal(events_add(e, &ev), 0);
	w = fake_next(ops, e, at(60));
	check(&w, WRITE_PATCH, "{'count':2,'lastTimestamp':'2026-01-31T12:01:00Z','message':'no address'}",
	      name);
	answer(e, &w, done(200), at(60));
	events_free(e);
}

/* Nothing is lost before the flavour is known; what is repeated until then is in the creation. */
static void test_before_discovery(void **state)
{
	(void)state;
	struct events *e = desk_new(EVENTS_API_UNKNOWN);
	add(e, "web", "a", 0);
	add(e, "api", "a", 1);
	add(e, "web", "a", 2);
	fake_nothing(ops, e, at(10));
	assert_int_equal(ops->wake(e).us, MONO_NEVER.us);
	events_api(e, EVENTS_API_V1BETA1);
	struct write w = fake_next(ops, e, at(10)), second = fake_next(ops, e, at(10));
	fake_nothing(ops, e, at(10));
	const struct write *web = strstr(w.what, "/web") ? &w : &second;
	assert_string_equal(web->path, "/apis/events.k8s.io/v1beta1/namespaces/default/events");
	assert_non_null(strstr(web->body, "\"series\":{\"count\":2,\"lastObservedTime\":"));
	assert_non_null(strstr(web->body, "\"apiVersion\":\"events.k8s.io/v1beta1\""));
	answer(e, &w, done(201), at(10));
	answer(e, &second, done(201), at(10));
	events_free(e);
}

static void test_combined(void **state)
{
	(void)state;
	struct fake_api a;
	fake_init(&a);
	struct events *e = desk_new(EVENTS_API_V1);
	char note[64];
	for (unsigned i = 0; i < 15; i++) {
		str_fmt(note, sizeof note, "reason %u", i);
		add(e, "web", note, i);
		fake_run(&a, ops, e, at(i));
	}
	assert_int_equal(fake_count(&a, "events"), EVENTS_SIMILAR + 1);
	assert_int_equal(events_counts(e).combined, 5);
	unsigned combined = 0;
	map_each (&a.objects, o) {
		const json_t *text = json_object_get(o->value, "note");
		if (strcmp(json_string_value(text), "(combined from similar events): reason 10") != 0)
			continue;
		combined++;
		assert_int_equal(
		    json_integer_value(json_object_get(json_object_get(o->value, "series"), "count")), 5);
	}
	assert_int_equal(combined, 1);
	/* Another Service is another matter, and after a silence they stand by themselves again. */
	add(e, "api", "reason 99", 20);
	add(e, "web", "reason 99", 15 + EVENTS_SIMILAR_S + 1);
	fake_run(&a, ops, e, at(700));
	assert_int_equal(fake_count(&a, "events"), EVENTS_SIMILAR + 3);
	events_free(e);
	fake_fini(&a);
}

static void test_spam(void **state)
{
	(void)state;
	struct fake_api a;
	fake_init(&a);
	struct events *e = desk_new(EVENTS_API_V1);
	for (unsigned i = 0; i < 100; i++) {
		add(e, "web", "flapping", 0);
		fake_run(&a, ops, e, at(0));
	}
	assert_int_equal(a.n[WRITE_POST] + a.n[WRITE_PATCH], EVENTS_BURST);
	assert_int_equal(events_counts(e).spam, 100 - EVENTS_BURST);
	add(e, "api", "flapping", 0); /* a bucket each */
	assert_int_equal(fake_run(&a, ops, e, at(0)), 1);
	add(e, "web", "flapping", EVENTS_REFILL_S - 1);
	assert_int_equal(fake_run(&a, ops, e, at(EVENTS_REFILL_S)), 0);
	add(e, "web", "flapping", EVENTS_REFILL_S);
	struct write w = fake_next(ops, e, at(EVENTS_REFILL_S));
	assert_non_null(strstr(w.body, "\"count\":102")); /* what was not written was counted */
	answer(e, &w, done(200), at(EVENTS_REFILL_S));
	events_free(e);
	fake_fini(&a);
}

static void test_queue(void **state)
{
	(void)state;
	char service[32];
	struct events *e = desk_new(EVENTS_API_UNKNOWN);
	for (unsigned i = 0; i < EVENTS_QUEUE + 100; i++) {
		str_fmt(service, sizeof service, "s%u", i);
		add(e, service, "a", i / 10);
	}
	assert_int_equal(events_waiting(e), EVENTS_QUEUE);
	assert_int_equal(events_counts(e).full, 100);
	add(e, "s1", "a", 9999); /* waits already: it costs nothing */
	assert_int_equal(events_counts(e).full, 100);
	events_api(e, EVENTS_API_V1);
	struct fake_api a;
	fake_init(&a);
	assert_int_equal(fake_run(&a, ops, e, at(10000)), EVENTS_QUEUE);
	assert_int_equal(events_waiting(e), 0);
	assert_true(events_counts(e).forgotten >= EVENTS_QUEUE - EVENTS_KNOWN);
	/* The newest are known; the oldest are forgotten, and come as new objects. */
	unsigned posts = a.n[WRITE_POST];
	str_fmt(service, sizeof service, "s%u", EVENTS_QUEUE - 1);
	add(e, service, "a", 10001);
	add(e, "s0", "a", 10001);
	fake_run(&a, ops, e, at(10001));
	assert_int_equal(a.n[WRITE_PATCH], 1);
	assert_int_equal(a.n[WRITE_POST], posts + 1);
	events_free(e);
	fake_fini(&a);
}

static void test_failures(void **state)
{
	(void)state;
	char name[64] = "", second[64] = "";
	struct events *e = desk_new(EVENTS_API_V1);

	/* The name is somebody else's: another one. */
	add(e, "web", "a", 0);
	struct write w = fake_next(ops, e, at(0));
	json_t *body = json_loads(w.body, 0, NULL);
	str_fmt(name, sizeof name, "%s",
		json_string_value(json_object_get(json_object_get(body, "metadata"), "name")));
	json_decref(body);
	answer(e, &w, fake_failure(409, "events.events.k8s.io \"x\" already exists"), at(0));
	w = fake_next(ops, e, at(0));
	body = json_loads(w.body, 0, NULL);
	str_fmt(second, sizeof second, "%s",
		json_string_value(json_object_get(json_object_get(body, "metadata"), "name")));
	json_decref(body);
	assert_string_not_equal(name, second);
	/* No answer, then "exists": it was made the first time. */
	answer(e, &w, fake_failure(0, ""), at(0));
	fake_nothing(ops, e, at(0));
	w = fake_next(ops, e, at(4));
	assert_non_null(strstr(w.body, second));
	answer(e, &w, fake_failure(409, "events.events.k8s.io \"x\" already exists"), at(4));
	fake_nothing(ops, e, at(100));
	assert_int_equal(events_waiting(e), 0);

	/* The server has forgotten it: made anew, with its count. */
	add(e, "web", "a", 4000);
	w = fake_next(ops, e, at(4000));
	assert_int_equal(w.method, WRITE_PATCH);
	answer(e, &w, fake_failure(404, "events.events.k8s.io \"web.1\" not found"), at(4000));
	w = fake_next(ops, e, at(4000));
	assert_int_equal(w.method, WRITE_POST);
	assert_null(strstr(w.body, second));
	assert_non_null(strstr(w.body, "\"count\":2"));
	answer(e, &w, done(201), at(4000));
	fake_nothing(ops, e, at(4001));
	events_free(e);
}

static void test_refusals(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *text;
		bool kept, is_gone;
	} rows[] = {
		{ 403,
		  "events.events.k8s.io is forbidden: User \"u\" cannot create resource \"events\" in API "
		  "group "
		  "\"events.k8s.io\"",
		  true, false },
		{ 403,
		  "events.events.k8s.io \"web.1\" is forbidden: unable to create new content in namespace "
		  "default "
		  "because it is being terminated",
		  false, true },
		{ 403, "admission webhook \"policy.example\" denied the request", false, false },
		{ 404, "namespaces \"default\" not found", false, true },
		{ 404, "the server could not find the requested resource", true, false },
		{ 400, "invalid", false, false },
		{ 422, "invalid", false, false },
		{ 401, "Unauthorized", true, false },
		{ 429, "", true, false },
		{ 503, "", true, false },
		{ 0, "", true, false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct events *e = desk_new(EVENTS_API_V1);
		add(e, "web", "a", 0);
		struct write w = fake_next(ops, e, at(0));
		answer(e, &w, fake_failure(rows[i].status, rows[i].text), at(0));
		fake_nothing(ops, e, at(0));
		assert_int_equal(events_waiting(e), rows[i].kept ? 1 : 0);
		assert_int_equal(events_counts(e).gone, rows[i].is_gone ? 1 : 0);
		assert_int_equal(events_counts(e).refused, !rows[i].kept && !rows[i].is_gone ? 1 : 0);
		if (rows[i].kept) {
			w = fake_next(ops, e, at(10));
			answer(e, &w, done(201), at(10));
		}
		fake_nothing(ops, e, at(11));
		assert_int_equal(ops->wake(e).us, MONO_NEVER.us);
		events_free(e);
	}
}

static void test_gone(void **state)
{
	(void)state;
	struct events *e = desk_new(EVENTS_API_V1);
	add(e, "web", "a", 0);
	add(e, "web", "b", 0);
	struct write w = fake_next(ops, e, at(0));
	gone = true;
	fake_nothing(ops, e, at(0));
	assert_int_equal(events_counts(e).gone, 1);
	answer(e, &w, fake_failure(500, ""), at(0));
	fake_nothing(ops, e, at(10));
	assert_int_equal(events_counts(e).gone, 2);
	assert_int_equal(events_waiting(e), 0);
	events_free(e);
}

/* Texts that the API would refuse are cut, between characters. */
static void test_long_texts(void **state)
{
	(void)state;
	char note[2048], instance[300];
	struct events *e = desk_new(EVENTS_API_V1);
	memset(note, 'n', sizeof note);
	memcpy(note + 1023, "\xc3\xa4", 2);
	note[sizeof note - 1] = 0;
	memset(instance, 'i', sizeof instance);
	instance[sizeof instance - 1] = 0;
	struct service_event ev = event_of("web", note, 0);
	ev.instance = instance;
	assert_int_equal(events_add(e, &ev), 0);
	ev.note = "bad \xff byte";
	ev.instance = "";
	assert_int_equal(events_add(e, &ev), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct write w = fake_next(ops, e, at(0));
		json_t *body = json_loads(w.body, 0, NULL);
		const json_t *text = json_object_get(body, "note");
		if (json_string_length(text) > 100) {
			assert_int_equal(json_string_length(text), 1023);
			assert_int_equal(json_string_length(json_object_get(body, "reportingInstance")), 128);
		} else {
			assert_string_equal(json_string_value(text), "bad \\xff byte");
			assert_string_equal(json_string_value(json_object_get(body, "reportingInstance")),
					    "metallb-controller");
		}
		json_decref(body);
		answer(e, &w, done(201), at(0));
	}
	/* One that is in flight when the desk goes. */
	add(e, "web", "c", 1);
	struct write w = fake_next(ops, e, at(1));
	write_fini(&w);
	events_free(e);
}

/* Whatever is answered: in the end every event is in the API once, with its count. */
static void test_random(void **state)
{
	(void)state;
	static const int statuses[] = { 0, 0, 500, 429, 503, 200, 200, 200, 200, 200 };
	struct fake_api a;
	fake_init(&a);
	struct events *e = desk_new(EVENTS_API_V1);
	char service[32];
	uint64_t seed = 88172645463325252u;
	for (unsigned i = 0; i < 3000; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		str_fmt(service, sizeof service, "s%u", i % 300);
		if (i % 3 == 0)
			add(e, service, "a", i);
		struct write w;
		if (!ops->next(e, at(i), &w))
			continue;
		int status = statuses[seed >> 20 & 7];
		struct write_outcome o;
		json_t *object = NULL;
		if (status == 200 || status == 500 || (status == 0 && seed >> 40 & 1))
			fake_serve(&a, &w, &o, &object);
		if (status != 200)
			o = fake_failure(status, "");
		answer(e, &w, o, at(i));
		json_decref(object);
	}
	for (int64_t t = 3000; events_waiting(e) > 0; t++) {
		assert_true(t < 10000);
		fake_run(&a, ops, e, at(t));
	}
	assert_int_equal(fake_count(&a, "events"), 100);
	map_each (&a.objects, o)
		assert_int_equal(
		    json_integer_value(json_object_get(json_object_get(o->value, "series"), "count")), 10);
	assert_int_equal(ops->wake(e).us, MONO_NEVER.us);
	events_free(e);
	fake_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flavour_v1),
		cmocka_unit_test(test_flavour_core),
		cmocka_unit_test(test_before_discovery),
		cmocka_unit_test(test_combined),
		cmocka_unit_test(test_spam),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
