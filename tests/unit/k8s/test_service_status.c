/* The desk of the Services' addresses, case by case: which request leaves, with exactly what, and when again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "lib/model/service.h"
#include "tests/unit/k8s/make.h"
#include "watcher/k8s/service_row.h"
#include "watcher/k8s/service_status.h"

#define KEY	    "default/web"
#define OBJECT	    "/api/v1/namespaces/default/services/web"
#define SUBRESOURCE OBJECT "/status"
#define OTHER	    "/api/v1/namespaces/default/services/other/status"

struct world {
	struct service_status_desk d;
	mono_t now;
	struct write w;
};

static void begin(struct world *w)
{
	*w = (struct world){ .now = { SEC(1000) } };
	service_status_init(&w->d, 3);
	service_status_pause(&w->d, false);
}

static void end(struct world *w)
{
	write_fini(&w->w);
	service_status_fini(&w->d);
}

/* addresses: "a b" or "". */
static void saw_type(struct world *w, const char *key, const char *uid, const char *rv, const char *type,
		     const char *addresses, const char *pool)
{
	char copy[200], *save = NULL;
	Ingot__Service s = INGOT__SERVICE__INIT;
	Ingot__ObjectMeta meta = INGOT__OBJECT_META__INIT;
	Ingot__KeyValue annotation = INGOT__KEY_VALUE__INIT, *annotations[] = { &annotation };
	Ingot__LoadBalancerIngress entry[4], *entries[4];
	s.meta = &meta;
	s.type = text(type);
	s.ingress = entries;
	annotation.key = text(ANNOTATION_FROM_POOL);
	annotation.value = text(pool);
	meta.annotations = annotations;
	meta.n_annotations = *pool != 0;
	str_fmt(copy, sizeof copy, "%s", addresses);
	for (char *a = strtok_r(copy, " ", &save); a; a = strtok_r(NULL, " ", &save)) {
		entries[s.n_ingress] = &entry[s.n_ingress];
		entry[s.n_ingress] = (Ingot__LoadBalancerIngress)INGOT__LOAD_BALANCER_INGRESS__INIT;
		/* Somebody else's load balancer may have a name instead of an address. */
		*(strchr(a, '.') || strchr(a, ':') ? &entry[s.n_ingress].ip : &entry[s.n_ingress].hostname) =
		    a;
		s.n_ingress++;
	}
	assert_int_equal(service_status_saw(&w->d, key, uid, rv, &s), 0);
}

static void saw(struct world *w, const char *key, const char *uid, const char *rv, const char *addresses,
		const char *pool)
{
	saw_type(w, key, uid, rv, "LoadBalancer", addresses, pool);
}

static void want(struct world *w, const char *key, const char *uid, const char *addresses, const char *pool,
		 bool clear)
{
	char copy[200], *save = NULL, *ips[4];
	Ingot__Assignment a = INGOT__ASSIGNMENT__INIT;
	a.uid = text(uid);
	a.ips = ips;
	a.pool = text(pool);
	a.clear = clear;
	str_fmt(copy, sizeof copy, "%s", addresses);
	for (char *ip = strtok_r(copy, " ", &save); ip; ip = strtok_r(NULL, " ", &save))
		ips[a.n_ips++] = ip;
	assert_int_equal(service_status_want(&w->d, key, &a), 0);
}

static bool is_quiet(struct world *w)
{
	return !service_status_next(&w->d, w->now, &w->w) && service_status_wake(&w->d).us == INT64_MAX;
}

/* Goes to the moment of the next request and takes it; how long that took. */
static int64_t next(struct world *w, enum write_method method, const char *path)
{
	mono_t wake = service_status_wake(&w->d), before = w->now;
	assert_true(wake.us < INT64_MAX);
	write_fini(&w->w);
	if (mono_before(w->now, wake)) {
		w->now = (mono_t){ wake.us - 1 };
		assert_false(service_status_next(&w->d, w->now, &w->w));
		w->now = wake;
	}
	assert_true(service_status_next(&w->d, w->now, &w->w));
	assert_int_equal(w->w.method, method);
	assert_string_equal(w->w.path, path);
	return mono_sub(w->now, before);
}

/* An answer with the object, or without one (uid NULL). */
static void answer(struct world *w, int status, const char *uid, const char *rv, const char *ip,
		   const char *pool)
{
	json_t *object = NULL;
	if (uid)
		object = json_pack("{s:{s:s, s:s, s:{s:s*}}, s:{s:{s:[{s:s*}]}}}", "metadata", "uid", uid,
				   "resourceVersion", rv, "annotations", ANNOTATION_FROM_POOL, pool, "status",
				   "loadBalancer", "ingress", "ip", ip);
	if (object && !ip)
		json_object_clear(json_object_get(object, "status"));
	struct write_outcome o = outcome(status, object);
	service_status_done(&w->d, w->w.id, &o, w->now);
	json_decref(object);
}

/* Which Service of that name the desk believes in. */
static const char *life_of(const struct world *w)
{
	const struct row *r = map_get(&w->d.services, KEY);
	return r && r->exists ? r->uid : NULL;
}

/* The first address is under way. */
static void assigning(struct world *w)
{
	begin(w);
	saw(w, KEY, "u1", "10", "", "");
	assert_true(is_quiet(w));
	want(w, KEY, "u1", "192.0.2.1", "p", false);
	assert_int_equal(next(w, WRITE_PATCH, SUBRESOURCE), 0);
}

static void assigned(void **unused)
{
	struct world w;
	(void)unused;
	assigning(&w);
	assert_string_equal(w.w.what, "Service default/web status");
	assert_string_equal(w.w.body,
			    "{\"metadata\":{\"uid\":\"u1\",\"resourceVersion\":\"10\",\"annotations\":"
			    "{\"metallb.io/ip-allocated-from-pool\":\"p\"}},"
			    "\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"}]}}}");
	assert_true(is_quiet(&w)); /* while it is under way */
	answer(&w, 200, "u1", "11", "192.0.2.1", "p");
	assert_true(is_quiet(&w));
	saw(&w, KEY, "u1", "11", "192.0.2.1", "p");
	saw(&w, KEY, "u1", "10", "", ""); /* an echo of before */
	assert_true(is_quiet(&w));
	assert_string_equal(life_of(&w), "u1");
	assert_int_equal(w.d.writes, 1);
	end(&w);
}

static void two_families(void **unused)
{
	struct world w;
	(void)unused;
	begin(&w);
	want(&w, KEY, "u1", "192.0.2.1 2001:db8::1", "", false);
	assert_true(is_quiet(&w)); /* not seen yet */
	assert_null(life_of(&w));
	saw(&w, KEY, "u1", "10", "192.0.2.1", "p");
	next(&w, WRITE_PATCH, SUBRESOURCE);
	assert_string_equal(
	    w.w.body,
	    "{\"metadata\":{\"uid\":\"u1\",\"resourceVersion\":\"10\",\"annotations\":"
	    "{\"metallb.io/ip-allocated-from-pool\":null}},\"status\":{\"loadBalancer\":{\"ingress\":"
	    "[{\"ip\":\"192.0.2.1\"},{\"ip\":\"2001:db8::1\"}]}}}");
	end(&w);
}

static void what_the_server_has_is_not_written(void **unused)
{
	struct world w;
	(void)unused;
	begin(&w);
	saw(&w, KEY, "u1", "10", "192.0.2.1 2001:db8::1", "p");
	want(&w, KEY, "u1", "192.0.2.1 2001:db8::1", "p", false);
	assert_true(is_quiet(&w));
	want(&w, KEY, "u1", "192.0.2.9", "p", false);
	want(&w, KEY, "u1", "192.0.2.1 2001:db8::1", "p", true); /* back again before it was written */
	assert_true(is_quiet(&w));
	/* Another order, another pool, a name: something else. */
	saw(&w, KEY, "u1", "11", "2001:db8::1 192.0.2.1", "p");
	next(&w, WRITE_PATCH, SUBRESOURCE);
	end(&w);
	begin(&w);
	saw(&w, KEY, "u1", "10", "lb.example", "p");
	want(&w, KEY, "u1", "192.0.2.1", "p", false);
	next(&w, WRITE_PATCH, SUBRESOURCE);
	end(&w);
}

static void cleared(void **unused)
{
	struct world w;
	(void)unused;
	begin(&w);
	saw(&w, KEY, "u1", "10", "192.0.2.1", "p");
	want(&w, KEY, "u1", "", "", false); /* no address, but not ours to empty */
	assert_true(is_quiet(&w));
	want(&w, KEY, "u1", "", "", true);
	next(&w, WRITE_PATCH, SUBRESOURCE);
	assert_string_equal(w.w.body,
			    "{\"metadata\":{\"uid\":\"u1\",\"resourceVersion\":\"10\",\"annotations\":"
			    "{\"metallb.io/ip-allocated-from-pool\":null}},"
			    "\"status\":{\"loadBalancer\":{\"ingress\":null}}}");
	answer(&w, 200, "u1", "11", NULL, NULL);
	assert_true(is_quiet(&w));
	/* The annotation alone is reason enough. */
	saw(&w, KEY, "u1", "12", "", "p");
	next(&w, WRITE_PATCH, SUBRESOURCE);
	end(&w);
}

static void another_life_of_the_same_name(void **unused)
{
	struct world w;
	(void)unused;
	begin(&w);
	saw(&w, KEY, "u2", "10", "", "");
	want(&w, KEY, "u1", "192.0.2.1", "p", false); /* about the former one */
	assert_true(is_quiet(&w));
	want(&w, KEY, "u2", "192.0.2.2", "p", false);
	next(&w, WRITE_PATCH, SUBRESOURCE);
	/* Replaced while it is under way: its answer is about nobody, and the new one has the older version.
	 */
	saw(&w, KEY, "u3", "9", "", "");
	answer(&w, 200, "u2", "11", "192.0.2.2", "p");
	assert_string_equal(life_of(&w), "u3");
	assert_true(is_quiet(&w));
	want(&w, KEY, "u3", "192.0.2.3", "p", false);
	next(&w, WRITE_PATCH, SUBRESOURCE);
	assert_non_null(strstr(w.w.body, "{\"uid\":\"u3\",\"resourceVersion\":\"9\""));
	end(&w);
}

static void a_conflict_is_read_first(void **unused)
{
	struct world w;
	(void)unused;
	assigning(&w);
	answer(&w, 409, NULL, NULL, NULL, NULL);
	assert_int_equal(w.d.conflicts, 1);
	assert_int_equal(next(&w, WRITE_GET, OBJECT), 0);
	assert_null(w.w.body);
	answer(&w, 200, "u1", "15", NULL, NULL);
	assert_int_equal(next(&w, WRITE_PATCH, SUBRESOURCE), 0);
	assert_non_null(strstr(w.w.body, "\"resourceVersion\":\"15\""));
	/* Again and again: slower. */
	int64_t waited = 0;
	for (int i = 0; i < 12; i++) {
		answer(&w, 409, NULL, NULL, NULL, NULL);
		waited = next(&w, WRITE_GET, OBJECT);
		assert_true(waited > 0);
		answer(&w, 200, "u1", "15", NULL, NULL);
		next(&w, WRITE_PATCH, SUBRESOURCE);
	}
	assert_in_range(waited, SEC(20), SEC(40));
	answer(&w, 200, "u1", "16", "192.0.2.1", "p");
	assert_true(is_quiet(&w));
	/* That is over. */
	want(&w, KEY, "u1", "192.0.2.5", "p", false);
	next(&w, WRITE_PATCH, SUBRESOURCE);
	answer(&w, 409, NULL, NULL, NULL, NULL);
	assert_int_equal(next(&w, WRITE_GET, OBJECT), 0);
	end(&w);
}

static void a_conflict_with_another_life(void **unused)
{
	struct world w;
	(void)unused;
	assigning(&w);
	answer(&w, 409, NULL, NULL, NULL, NULL);
	next(&w, WRITE_GET, OBJECT);
	answer(&w, 200, "u2", "15", NULL, NULL);
	assert_true(is_quiet(&w)); /* the watch is about to say so */
	assert_null(life_of(&w));
	service_status_gone(&w.d, KEY);
	saw(&w, KEY, "u2", "15", "", "");
	assert_true(is_quiet(&w));
	want(&w, KEY, "u2", "192.0.2.1", "p", false);
	next(&w, WRITE_PATCH, SUBRESOURCE);
	end(&w);
}

static void an_unknown_outcome_is_read_first(void **unused)
{
	(void)unused;
	for (int written = 0; written < 2; written++) {
		struct world w;
		assigning(&w);
		answer(&w, 0, NULL, NULL, NULL, NULL);
		assert_in_range(next(&w, WRITE_GET, OBJECT), MS(180), MS(320));
		answer(&w, 200, "u1", "11", written ? "192.0.2.1" : NULL, written ? "p" : NULL);
		if (!written)
			next(&w, WRITE_PATCH, SUBRESOURCE);
		else
			assert_true(is_quiet(&w));
		assert_int_equal(w.d.writes, written ? 1 : 2);
		end(&w);
	}
}

static void a_lost_service(void **unused)
{
	struct world w;
	(void)unused;
	assigning(&w);
	answer(&w, 404, NULL, NULL, NULL, NULL);
	service_status_gone(&w.d, KEY);
	assert_null(life_of(&w));
	assert_true(is_quiet(&w));
	service_status_unwant(&w.d, KEY);
	assert_int_equal(map_len(&w.d.services), 0);
	end(&w);
	/* It was no word about the Service, for the watch says nothing: look again. */
	assigning(&w);
	answer(&w, 404, NULL, NULL, NULL, NULL);
	assert_int_equal(next(&w, WRITE_GET, OBJECT), SEC(60));
	end(&w);
}

/* One missing permission, many Services: one of them asks now and then, not all. */
static void a_missing_permission_closes_the_desk(void **unused)
{
	struct world w;
	(void)unused;
	assigning(&w);
	answer(&w, 403, NULL, NULL, NULL, NULL);
	saw(&w, "default/other", "u9", "20", "", "");
	want(&w, "default/other", "u9", "192.0.2.77", "p", false);
	assert_false(service_status_next(&w.d, w.now, &w.w));
	assert_in_range(next(&w, WRITE_PATCH, OTHER), MS(180), MS(320));
	answer(&w, 200, "u9", "21", "192.0.2.77", "p");
	next(&w, WRITE_PATCH, SUBRESOURCE);
	end(&w);
}

static void what_is_refused_waits_for_a_change(void **unused)
{
	static const int codes[] = { 400, 405, 413, 415, 422 };
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct world w;
		assigning(&w);
		answer(&w, codes[i], NULL, NULL, NULL, NULL);
		assert_int_equal(next(&w, WRITE_PATCH, SUBRESOURCE), SEC(60));
		answer(&w, codes[i], NULL, NULL, NULL, NULL);
		w.now = mono_add(w.now, SEC(1));
		saw(&w, KEY, "u1", "12", "", "");
		assert_int_equal(next(&w, WRITE_PATCH, SUBRESOURCE), 0);
		assert_non_null(strstr(w.w.body, "\"resourceVersion\":\"12\""));
		answer(&w, codes[i], NULL, NULL, NULL, NULL);
		want(&w, KEY, "u1", "192.0.2.7", "p", false);
		assert_int_equal(next(&w, WRITE_PATCH, SUBRESOURCE), 0);
		end(&w);
	}
}

/* Also answers that say yes and are no API server's. */
static void failures_double_their_wait(void **unused)
{
	static const int codes[] = { 0, 200, 401, 403, 408, 429, 500, 503 };
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct world w;
		int64_t waited = 0;
		bool reads = codes[i] == 0 || codes[i] == 200;
		assigning(&w);
		for (int n = 0; n < 12; n++) {
			answer(&w, codes[i], NULL, NULL, NULL, NULL);
			waited = next(&w, reads ? WRITE_GET : WRITE_PATCH, reads ? OBJECT : SUBRESOURCE);
			assert_in_range(waited, MS(180), n == 0 ? MS(320) : SEC(40));
		}
		assert_in_range(waited, SEC(20), SEC(40));
		end(&w);
	}
	struct world w;
	struct write_outcome o = outcome(429, NULL);
	assigning(&w);
	o.retry_after_us = SEC(7);
	service_status_done(&w.d, w.w.id, &o, w.now);
	assert_int_equal(next(&w, WRITE_PATCH, SUBRESOURCE), SEC(7));
	o.retry_after_us = SEC(70000);
	service_status_done(&w.d, w.w.id, &o, w.now);
	assert_int_equal(next(&w, WRITE_PATCH, SUBRESOURCE), SEC(60));
	end(&w);
}

/* The watch tells of somebody else's change before our own answer is there. */
static void an_answer_that_is_older_than_the_watch(void **unused)
{
	struct world w;
	(void)unused;
	assigning(&w);
	saw(&w, KEY, "u1", "12", "203.0.113.66", "x");
	answer(&w, 200, "u1", "11", "192.0.2.1", "p");
	assert_int_equal(next(&w, WRITE_PATCH, SUBRESOURCE), 0);
	assert_non_null(strstr(w.w.body, "\"resourceVersion\":\"12\""));
	end(&w);
}

static void changed_while_under_way(void **unused)
{
	struct world w;
	(void)unused;
	assigning(&w);
	want(&w, KEY, "u1", "192.0.2.2", "p", false);
	assert_true(is_quiet(&w)); /* one at a time for each */
	answer(&w, 200, "u1", "11", "192.0.2.1", "p");
	next(&w, WRITE_PATCH, SUBRESOURCE);
	assert_non_null(strstr(w.w.body, "192.0.2.2"));
	assert_non_null(strstr(w.w.body, "\"resourceVersion\":\"11\""));
	end(&w);
}

/* What the server refuses is not what is wanted any more: no minute of waiting for that. */
static void refused_when_already_something_else_is_wanted(void **unused)
{
	struct world w;
	(void)unused;
	assigning(&w);
	want(&w, KEY, "u1", "192.0.2.2", "p", false);
	answer(&w, 422, NULL, NULL, NULL, NULL);
	assert_int_equal(next(&w, WRITE_PATCH, SUBRESOURCE), 0);
	assert_non_null(strstr(w.w.body, "192.0.2.2"));
	answer(&w, 422, NULL, NULL, NULL, NULL); /* this one was the last word */
	assert_int_equal(next(&w, WRITE_PATCH, SUBRESOURCE), SEC(60));
	end(&w);
}

/* The type changed before the allocator heard of it: no server takes an address then. */
static void no_address_for_another_type(void **unused)
{
	struct world w;
	(void)unused;
	assigning(&w);
	saw_type(&w, KEY, "u1", "11", "ClusterIP", "", "");
	answer(&w, 422, NULL, NULL, NULL, NULL);
	assert_true(is_quiet(&w));
	want(&w, KEY, "u1", "", "", true);
	assert_true(is_quiet(&w));
	saw_type(&w, KEY, "u1", "12", "LoadBalancer", "", "");
	want(&w, KEY, "u1", "192.0.2.1", "p", false);
	assert_int_equal(next(&w, WRITE_PATCH, SUBRESOURCE), 0);
	end(&w);
}

static void deleted_while_under_way(void **unused)
{
	struct world w;
	(void)unused;
	assigning(&w);
	service_status_gone(&w.d, KEY);
	answer(&w, 200, "u1", "11", "192.0.2.1", "p"); /* it was written before it was deleted */
	assert_null(life_of(&w));
	service_status_unwant(&w.d, KEY);
	assert_int_equal(map_len(&w.d.services), 0);
	assert_int_equal(map_len(&w.d.under_way), 0);
	answer(&w, 200, "u1", "11", "192.0.2.1", "p"); /* of nobody */
	assert_true(is_quiet(&w));
	end(&w);
}

static void paused_and_on_again(void **unused)
{
	struct world w;
	(void)unused;
	assigning(&w);
	saw(&w, "default/b", "u2", "3", "", "");
	want(&w, "default/b", "u2", "192.0.2.2", "p", false);
	service_status_pause(&w.d, true);
	assert_true(is_quiet(&w));
	answer(&w, 0, NULL, NULL, NULL, NULL); /* given up */
	saw(&w, "default/c", "u3", "4", "", "");
	want(&w, "default/c", "u3", "192.0.2.3", "p", false);
	w.now = mono_add(w.now, SEC(3600));
	assert_true(is_quiet(&w));
	/* Another has led meanwhile, and has given b its address. */
	saw(&w, "default/b", "u2", "5", "192.0.2.2", "p");
	service_status_pause(&w.d, false);
	assert_int_equal(next(&w, WRITE_GET, OBJECT), 0);
	assert_int_equal(next(&w, WRITE_PATCH, "/api/v1/namespaces/default/services/c/status"), 0);
	assert_true(is_quiet(&w));
	end(&w);
}

static void first_come_first_served(void **unused)
{
	struct world w;
	char key[32], path[80];
	(void)unused;
	begin(&w);
	for (int i = 0; i < 5; i++) {
		str_fmt(key, sizeof key, "ns/s%d", i);
		saw(&w, key, "u", "1", "", "");
		want(&w, key, "u", "192.0.2.1", "p", false);
	}
	service_status_gone(&w.d, "ns/s0");
	service_status_gone(&w.d, "ns/s2");
	service_status_gone(&w.d, "ns/s4");
	saw(&w, "ns/s2", "u", "9", "", ""); /* back, and last now */
	for (int i = 1; i <= 3; i++) {
		str_fmt(path, sizeof path, "/api/v1/namespaces/ns/services/s%d/status",
			i == 3 ? 2 : 2 * i - 1);
		next(&w, WRITE_PATCH, path);
	}
	assert_true(is_quiet(&w));
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(assigned),
		cmocka_unit_test(two_families),
		cmocka_unit_test(what_the_server_has_is_not_written),
		cmocka_unit_test(cleared),
		cmocka_unit_test(another_life_of_the_same_name),
		cmocka_unit_test(a_conflict_is_read_first),
		cmocka_unit_test(a_conflict_with_another_life),
		cmocka_unit_test(an_unknown_outcome_is_read_first),
		cmocka_unit_test(a_lost_service),
		cmocka_unit_test(a_missing_permission_closes_the_desk),
		cmocka_unit_test(what_is_refused_waits_for_a_change),
		cmocka_unit_test(failures_double_their_wait),
		cmocka_unit_test(an_answer_that_is_older_than_the_watch),
		cmocka_unit_test(changed_while_under_way),
		cmocka_unit_test(refused_when_already_something_else_is_wanted),
		cmocka_unit_test(no_address_for_another_type),
		cmocka_unit_test(deleted_while_under_way),
		cmocka_unit_test(paused_and_on_again),
		cmocka_unit_test(first_come_first_served),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
