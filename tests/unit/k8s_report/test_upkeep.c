/* Upkeep of one kind: ConfigurationState and IPAddressPool status as the kinds, failures of every sort,
 * texts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_api.h"
#include "watcher/api_text.h"
#include "watcher/k8s/report/config_state.h"
#include "watcher/k8s/report/pool_status.h"
#include "watcher/reports_json.h"

static const struct upkeep_place place = { "metallb-system", "node1" };

struct told {
	unsigned n;
	char what[320], message[512];
};

static void on_tell(void *ctx, const char *what, const struct api_status *why)
{
	struct told *t = ctx;
	t->n++;
	str_fmt(t->what, sizeof t->what, "%s", what);
	str_fmt(t->message, sizeof t->message, "%s", why->message);
}

static mono_t at(int64_t ms)
{
	return (mono_t){ SEC(1000) + MS(ms) };
}

static void see_news(struct fake_api *a, struct upkeep *u)
{
	struct fake_news n;
	while (fake_news(a, &n)) {
		const char *name =
		    json_string_value(json_object_get(json_object_get(n.object, "metadata"), "name"));
		if (n.deleted)
			upkeep_unsee(u, name);
		else
			assert_int_equal(upkeep_see(u, n.object), 0);
		json_decref(n.object);
	}
}

static void want_report(struct upkeep *u, const char *key, bool valid, const char *errors, int64_t since_ms)
{
	struct config_report r = {
		.exists = true, .valid = valid, .errors = strdup(errors), .since_ms = since_ms
	};
	json_t *status = reports_json_config_status("configReconcilerValid", &r);
	assert_int_equal(upkeep_want(u, key, status), 0);
	json_decref(status);
	free(r.errors);
}

static void answer(struct upkeep *u, struct write *w, struct write_outcome o, mono_t now)
{
	upkeep_desk.done(u, w->id, &o, now);
	write_fini(w);
}

static void check_body(const struct write *w, const char *path, const char *body)
{
	json_t *want = fake_json(body), *have = json_loads(w->body, 0, NULL);
	assert_string_equal(w->path, path);
	if (!json_equal(want, have))
		fail_msg("%s\nwanted %s", w->body, body);
	json_decref(want);
	json_decref(have);
}

#define STATES "/apis/metallb.io/v1beta1/namespaces/metallb-system/configurationstates"

static void test_config_state(void **state)
{
	(void)state;
	struct fake_api a;
	fake_init(&a);
	struct upkeep *u = upkeep_new(&config_state_kind, &place, NULL, NULL, NULL);
	assert_int_equal(upkeep_owner(u, "ingot-node-x", "pod-uid"), 0);
	want_report(u, "speaker-node1", true, "", 1769860800000);
	fake_nothing(&upkeep_desk, u, at(0)); /* not before the list is complete */
	assert_int_equal(upkeep_desk.wake(u).us, MONO_NEVER.us);
	upkeep_synced(u, at(0));
	struct write w = fake_next(&upkeep_desk, u, at(0));
	assert_int_equal(w.method, WRITE_POST);
	check_body(&w, STATES,
		   "{'apiVersion':'metallb.io/v1beta1','kind':'ConfigurationState','metadata':{"
		   "'name':'speaker-node1','namespace':'metallb-system','labels':{"
		   "'metallb.io/component-type':'speaker','metallb.io/node-name':'node1'},'ownerReferences':["
		   "{'apiVersion':'v1','kind':'Pod','name':'ingot-node-x','uid':'pod-uid'}]}}");
	fake_nothing(&upkeep_desk, u, at(0)); /* one request in flight */
	struct write_outcome o;
	json_t *object;
	fake_serve(&a, &w, &o, &object);
	answer(u, &w, o, at(1));
	json_decref(object);
	w = fake_next(&upkeep_desk, u, at(1));
	check_body(
	    &w, STATES "/speaker-node1/status",
	    "{'status':{'result':'Valid','errorSummary':'','conditions':[{'type':'configReconcilerValid',"
	    "'status':'True','reason':'Reconciled','message':'',"
	    "'lastTransitionTime':'2026-01-31T12:00:00Z'}]}}");
	fake_serve(&a, &w, &o, &object);
	answer(u, &w, o, at(2));
	json_decref(object);
	fake_nothing(&upkeep_desk, u, at(2));
	see_news(&a, u);
	fake_nothing(&upkeep_desk, u, at(3));
	upkeep_free(u);
	fake_fini(&a);
}

/* The watch may say that an object is gone before the answer to a patch of it: that is old then. */
static void test_deleted_while_patched(void **state)
{
	(void)state;
	struct fake_api a;
	fake_init(&a);
	struct upkeep *u = upkeep_new(&config_state_kind, &place, NULL, NULL, NULL);
	want_report(u, "speaker-node1", true, "", 1769860800000);
	upkeep_synced(u, at(0));
	struct write_outcome o;
	json_t *object;
	struct write w = fake_next(&upkeep_desk, u, at(0));
	fake_serve(&a, &w, &o, &object);
	answer(u, &w, o, at(1));
	json_decref(object);
	w = fake_next(&upkeep_desk, u, at(1));
	assert_int_equal(w.method, WRITE_PATCH);
	fake_serve(&a, &w, &o, &object);
	fake_delete(&a, "configurationstates", "speaker-node1");
	see_news(&a, u);
	answer(u, &w, o, at(2));
	json_decref(object);
	assert_int_equal(fake_run(&a, &upkeep_desk, u, at(2)), 2); /* made and filled anew */
	see_news(&a, u);
	assert_int_equal(fake_count(&a, "configurationstates"), 1);
	fake_nothing(&upkeep_desk, u, at(3));
	upkeep_free(u);
	fake_fini(&a);
}

static void test_config_changes(void **state)
{
	(void)state;
	struct fake_api a;
	fake_init(&a);
	struct upkeep *u = upkeep_new(&config_state_kind, &place, NULL, NULL, NULL);
	want_report(u, "speaker-node1", true, "", 1769860800000);
	upkeep_synced(u, at(0));
	assert_int_equal(fake_run(&a, &upkeep_desk, u, at(0)), 2);
	see_news(&a, u);

	/* The time of a condition changes with its status only. */
	want_report(u, "speaker-node1", true, "", 1769860900000);
	fake_nothing(&upkeep_desk, u, at(4));
	want_report(u, "speaker-node1", false, "a", 1769861000000);
	assert_int_equal(fake_run(&a, &upkeep_desk, u, at(5)), 1);
	want_report(u, "speaker-node1", false, "b", 1769862000000);
	assert_int_equal(fake_run(&a, &upkeep_desk, u, at(6)), 1);
	const json_t *c = json_array_get(
	    json_object_get(json_object_get(fake_get(&a, "configurationstates", "speaker-node1"), "status"),
			    "conditions"),
	    0);
	assert_string_equal(json_string_value(json_object_get(c, "message")), "configuration error: b");
	assert_string_equal(json_string_value(json_object_get(c, "lastTransitionTime")),
			    "2026-01-31T12:03:20Z");

	/* Mended after an edit and after a deletion. Other components' objects are none of ours. */
	see_news(&a, u);
	fake_edit(&a, "configurationstates", "speaker-node1", "result", json_string("Unknown"));
	see_news(&a, u);
	assert_int_equal(fake_run(&a, &upkeep_desk, u, at(7)), 1);
	fake_delete(&a, "configurationstates", "speaker-node1");
	fake_put(&a, "configurationstates", fake_json("{'metadata':{'name':'speaker-node2'}}"));
	see_news(&a, u);
	assert_int_equal(fake_run(&a, &upkeep_desk, u, at(8)), 2);
	see_news(&a, u);
	upkeep_whole(u);
	fake_nothing(&upkeep_desk, u, at(9));
	assert_int_equal(a.n[WRITE_DELETE], 0);
	upkeep_free(u);
	fake_fini(&a);
}

/* A component that has not spoken yet. */
static void test_config_unknown(void **state)
{
	(void)state;
	struct config_report r = { 0 };
	json_t *status = reports_json_config_status("poolReconcilerValid", &r);
	json_t *want = fake_json("{'result':'Unknown','errorSummary':''}");
	assert_true(json_equal(status, want));
	json_decref(want);
	json_decref(status);
}

static void test_pool_status(void **state)
{
	(void)state;
	struct fake_api a;
	fake_init(&a);
	struct upkeep *u = upkeep_new(&pool_status_kind, &place, NULL, NULL, NULL);
	assert_int_equal(upkeep_owner(u, "pod", "uid"), 0); /* pools have no owner */
	fake_put(&a, "ipaddresspools",
		 fake_json("{'metadata':{'name':'first','namespace':'metallb-system'},'spec':{}}"));
	fake_put(&a, "ipaddresspools",
		 fake_json("{'metadata':{'name':'second','namespace':'metallb-system'},'spec':{}}"));
	fake_put(&a, "ipaddresspools", fake_json("{'metadata':{'name':'foreign','namespace':'other'}}"));
	see_news(&a, u);
	upkeep_synced(u, at(0));
	upkeep_whole(u);
	Ingot__PoolStatus s = INGOT__POOL_STATUS__INIT;
	s.assigned_v4 = 1;
	s.available_v4 = 255;
	s.available_v6 = INT64_MAX;
	json_t *status = pool_status_json(&s);
	assert_int_equal(upkeep_want(u, "first", status), 0);
	assert_int_equal(upkeep_want(u, "missing", status), 0);
	assert_int_equal(upkeep_want(u, "foreign", status), 0);
	upkeep_hold(u, true);
	fake_nothing(&upkeep_desk, u, at(1)); /* another controller leads */
	assert_int_equal(upkeep_desk.wake(u).us, MONO_NEVER.us);
	upkeep_hold(u, false);
	struct write w = fake_next(&upkeep_desk, u, at(1));
	check_body(&w, "/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools/first/status",
		   "{'status':{'assignedIPv4':1,'assignedIPv6':0,'availableIPv4':255,"
		   "'availableIPv6':9223372036854775807}}");
	struct write_outcome o;
	json_t *object;
	fake_serve(&a, &w, &o, &object);
	answer(u, &w, o, at(1));
	json_decref(object);
	fake_nothing(&upkeep_desk, u, at(1));
	see_news(&a, u);
	fake_edit(&a, "ipaddresspools", "first", "assignedIPv4", json_integer(77));
	see_news(&a, u);
	assert_int_equal(fake_run(&a, &upkeep_desk, u, at(1001)), 1);
	see_news(&a, u);
	fake_delete(&a, "ipaddresspools", "first");
	see_news(&a, u);
	fake_nothing(&upkeep_desk, u, at(5000));
	assert_int_equal(a.n[WRITE_POST] + a.n[WRITE_DELETE], 0);
	json_decref(status);
	upkeep_free(u);
	fake_fini(&a);
}

static void want_assigned(struct upkeep *u, const char *pool, int64_t assigned)
{
	Ingot__PoolStatus s = INGOT__POOL_STATUS__INIT;
	s.assigned_v4 = assigned;
	json_t *status = pool_status_json(&s);
	assert_int_equal(upkeep_want(u, pool, status), 0);
	json_decref(status);
}

static json_int_t assigned_of(const struct fake_api *a, const char *pool)
{
	const json_t *status = json_object_get(fake_get(a, "ipaddresspools", pool), "status");
	return json_integer_value(json_object_get(status, "assignedIPv4"));
}

/* While it changes, a pool's status is written once a second; the first change at once, the last one always.
 */
static void test_pool_pause(void **state)
{
	(void)state;
	struct fake_api a;
	fake_init(&a);
	struct upkeep *u = upkeep_new(&pool_status_kind, &place, NULL, NULL, NULL);
	fake_put(&a, "ipaddresspools",
		 fake_json("{'metadata':{'name':'busy','namespace':'metallb-system'},'spec':{}}"));
	fake_put(&a, "ipaddresspools",
		 fake_json("{'metadata':{'name':'calm','namespace':'metallb-system'},'spec':{}}"));
	see_news(&a, u);
	upkeep_synced(u, at(0));
	want_assigned(u, "busy", 1);
	assert_int_equal(fake_run(&a, &upkeep_desk, u, at(0)), 1);
	for (int i = 2; i <= 50; i++) { /* 20 changes a second, each seen by the desk */
		see_news(&a, u);
		want_assigned(u, "busy", i);
		(void)fake_run(&a, &upkeep_desk, u, at(50 * (i - 1)));
	}
	assert_int_equal(a.n[WRITE_PATCH], 3); /* at 0, 1 and 2 seconds */
	assert_int_equal(assigned_of(&a, "busy"), 41);
	want_assigned(u, "calm", 7); /* the others do not wait for it */
	assert_int_equal(fake_run(&a, &upkeep_desk, u, at(2450)), 1);
	assert_int_equal(assigned_of(&a, "calm"), 7);
	assert_int_equal(upkeep_desk.wake(u).us, at(3000).us);
	fake_nothing(&upkeep_desk, u, at(2999));
	assert_int_equal(fake_run(&a, &upkeep_desk, u, at(3000)), 1);
	assert_int_equal(assigned_of(&a, "busy"), 50);
	see_news(&a, u);
	fake_nothing(&upkeep_desk, u, at(9000));
	want_assigned(u, "busy", 51); /* after a rest at once again */
	assert_int_equal(fake_run(&a, &upkeep_desk, u, at(9000)), 1);
	upkeep_free(u);
	fake_fini(&a);
}

/* A refusal that is about permissions: told once, the desk tries one at a time, and goes on when it is
 * granted. */
static void test_forbidden(void **state)
{
	(void)state;
	static const char text[] =
	    "configurationstates.metallb.io is forbidden: User \"system:serviceaccount:"
	    "metallb-system:ingot-node\" cannot create resource \"configurationstates\"";
	struct fake_api a;
	struct told told = { 0 };
	const struct desk_tell tell = { on_tell, &told };
	fake_init(&a);
	struct upkeep *u = upkeep_new(&config_state_kind, &place, &tell, NULL, NULL);
	want_report(u, "speaker-node1", true, "", 0);
	want_report(u, "controller", true, "", 0);
	upkeep_synced(u, at(0));
	mono_t now = at(0);
	unsigned tries = 0;
	for (; mono_before(now, at(600000)); tries++) {
		struct write w = fake_next(&upkeep_desk, u, now);
		if (tries > 0)
			fake_nothing(&upkeep_desk, u, now); /* one at a time */
		answer(u, &w, fake_failure(403, text), now);
		fake_nothing(&upkeep_desk, u, now);
		now = upkeep_desk.wake(u);
	}
	assert_in_range(tries, 15, 60);
	assert_int_equal(told.n, 1);
	assert_non_null(strstr(told.what, "ConfigurationState"));
	assert_string_equal(told.message, text);
	assert_int_equal(upkeep_counts(u)->refused, tries);
	assert_true(mono_sub(now, at(600000)) < SEC(80));
	now = mono_add(now, SEC(80));
	assert_int_equal(fake_run(&a, &upkeep_desk, u, now), 4);
	/* Later the same thing is news again. */
	upkeep_unsee(u, "controller");
	struct write w = fake_next(&upkeep_desk, u, now);
	answer(u, &w, fake_failure(403, text), now);
	assert_int_equal(told.n, 2);
	upkeep_free(u);
	fake_fini(&a);
}

static void test_missing_kind(void **state)
{
	(void)state;
	struct told told = { 0 };
	const struct desk_tell tell = { on_tell, &told };
	struct upkeep *u = upkeep_new(&config_state_kind, &place, &tell, NULL, NULL);
	want_report(u, "controller", true, "", 0);
	upkeep_synced(u, at(0));
	struct write w = fake_next(&upkeep_desk, u, at(0));
	answer(u, &w, fake_failure(404, "the server could not find the requested resource"), at(0));
	assert_int_equal(told.n, 1);
	fake_nothing(&upkeep_desk, u, at(0));
	assert_true(mono_sub(upkeep_desk.wake(u), at(0)) <= SEC(2));
	/* Many different refusals: no more than eight are told. */
	want_report(u, "speaker-node1", true, "", 0);
	mono_t now = at(0);
	for (unsigned i = 0; i < 50; i++) {
		char text[64];
		str_fmt(text, sizeof text, "invalid in way %u", i);
		now = upkeep_desk.wake(u);
		if (!mono_before(now, at(500000)))
			now = at(500000); /* within the ten minutes */
		while (!upkeep_desk.next(u, now, &w))
			now = mono_add(now, MS(100));
		answer(u, &w, fake_failure(422, text), now);
		if (mono_sub(now, at(0)) > SEC(550))
			break;
	}
	assert_int_equal(told.n, 8);
	assert_true(upkeep_counts(u)->untold > 0);
	upkeep_free(u);
}

static void test_overload(void **state)
{
	(void)state;
	struct upkeep *u = upkeep_new(&config_state_kind, &place, NULL, NULL, NULL);
	want_report(u, "controller", true, "", 0);
	upkeep_synced(u, at(0));
	struct write w = fake_next(&upkeep_desk, u, at(0));
	struct write_outcome o = fake_failure(429, "too many requests");
	o.retry_after_us = SEC(7);
	answer(u, &w, o, at(0));
	assert_int_equal(upkeep_desk.wake(u).us, at(7000).us);
	fake_nothing(&upkeep_desk, u, at(6999));
	w = fake_next(&upkeep_desk, u, at(7000));
	o.retry_after_us = INT64_MAX; /* a proxy's idea */
	answer(u, &w, o, at(7000));
	assert_int_equal(upkeep_desk.wake(u).us, at(307000).us);
	upkeep_free(u);
}

/* No answer to a creation under a fixed name: it exists, or it does not. */
static void test_taken(void **state)
{
	(void)state;
	struct fake_api a;
	fake_init(&a);
	struct upkeep *u = upkeep_new(&config_state_kind, &place, NULL, NULL, NULL);
	want_report(u, "controller", true, "", 0);
	upkeep_synced(u, at(0));
	struct write w = fake_next(&upkeep_desk, u, at(0));
	fake_put(&a, "configurationstates", fake_json("{'metadata':{'name':'controller'}}"));
	answer(u, &w, fake_failure(409, "configurationstates \"controller\" already exists"), at(0));
	fake_nothing(&upkeep_desk, u, at(9999));
	see_news(&a, u);
	w = fake_next(&upkeep_desk, u, at(9999)); /* at once: labels, then status */
	check_body(&w, STATES "/controller",
		   "{'metadata':{'labels':{'metallb.io/component-type':'controller'}}}");
	struct write_outcome o;
	json_t *object;
	fake_serve(&a, &w, &o, &object);
	answer(u, &w, o, at(10000));
	json_decref(object);
	assert_int_equal(fake_run(&a, &upkeep_desk, u, at(10001)), 1);
	upkeep_free(u);
	fake_fini(&a);
}

/* A server that says yes and keeps something else is not asked without end. */
static void test_futile(void **state)
{
	(void)state;
	struct upkeep *u = upkeep_new(&config_state_kind, &place, NULL, NULL, NULL);
	json_t *stubborn =
	    fake_json("{'metadata':{'name':'controller','uid':'u','resourceVersion':'5','labels':{"
		      "'metallb.io/component-type':'controller'}},'status':{'result':'Unknown'}}");
	assert_int_equal(upkeep_see(u, stubborn), 0);
	want_report(u, "controller", true, "", 0);
	upkeep_synced(u, at(0));
	mono_t now = at(0);
	unsigned n = 0;
	while (mono_before(now, at(3600000))) {
		struct write w = fake_next(&upkeep_desk, u, now);
		struct write_outcome o = { .status = 200, .retry_after_us = -1, .object = stubborn };
		answer(u, &w, o, now);
		fake_nothing(&upkeep_desk, u, now);
		now = upkeep_desk.wake(u);
		n++;
	}
	assert_in_range(n, 8, 20);
	/* A success without an object: the watch has time to show it. */
	struct write w = fake_next(&upkeep_desk, u, now);
	answer(u, &w, (struct write_outcome){ .status = 200, .retry_after_us = -1 }, now);
	assert_int_equal(mono_sub(upkeep_desk.wake(u), now), SEC(10));
	json_decref(stubborn);
	upkeep_free(u);
}

static void test_foreign_input(void **state)
{
	(void)state;
	static const char *const broken[] = {
		"[]",
		"{}",
		"{'metadata':[]}",
		"{'metadata':{'name':5,'uid':'x'}}",
		"{'metadata':{'name':'controller'}}",
		("{'metadata':{'name':'controller','uid':"
		 "'0123456789012345678901234567890123456789012345678901234567890123456789'}}"),
	};
	static const char *const odd[] = {
		"{'metadata':{'name':'controller','uid':'a'},'status':7}",
		"{'metadata':{'name':'controller','uid':'a','labels':[],'ownerReferences':{}},'status':[1]}",
		("{'metadata':{'name':'controller','uid':'a','resourceVersion':'x','creationTimestamp':"
		 "'01234567890123456789012345678901234567890123456789'},'status':{'conditions':{'a':1}}}"),
		"{'metadata':{'name':'controller','uid':'a'},'status':{'conditions':[1,{'type':3}]}}",
	};
	struct upkeep *u = upkeep_new(&config_state_kind, &place, NULL, NULL, NULL);
	assert_int_equal(upkeep_owner(u, "pod", "uid"), 0);
	want_report(u, "controller", true, "", 0);
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
		json_t *o = fake_json(broken[i]);
		assert_int_equal(upkeep_see(u, o), -EINVAL);
		json_decref(o);
	}
	upkeep_synced(u, at(0));
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		json_t *o = fake_json(odd[i]);
		assert_int_equal(upkeep_see(u, o), 0);
		struct write w = fake_next(&upkeep_desk, u, at((int64_t)i * 100000));
		assert_int_equal(w.method, WRITE_PATCH);
		answer(u, &w, fake_failure(500, ""), at((int64_t)i * 100000));
		json_decref(o);
	}
	json_t *list = json_array();
	assert_int_equal(upkeep_want(u, "controller", list), -EINVAL);
	json_decref(list);
	upkeep_desk.done(u, 12345, &(struct write_outcome){ .status = 200 }, at(0)); /* nobody asked */
	upkeep_free(u);
}

static void test_texts(void **state)
{
	(void)state;
	char buf[RFC3339_SIZE], text[8];
	assert_string_equal(rfc3339(0, buf), "1970-01-01T00:00:00Z");
	assert_string_equal(rfc3339(951782400000, buf), "2000-02-29T00:00:00Z");
	assert_string_equal(rfc3339_micro(951782400007, buf), "2000-02-29T00:00:00.007000Z");
	assert_string_equal(rfc3339_micro(-1, buf), "1969-12-31T23:59:59.999000Z");
	assert_string_equal(api_text("short", text, sizeof text), "short");
	assert_string_equal(api_text("abcdefgh", text, sizeof text), "abcdefg");
	assert_string_equal(api_text("abcdef\xc3\xa4", text, sizeof text), "abcdef");
	assert_string_equal(api_text("abcde\xc3\xa4z", text, sizeof text), "abcde\xc3\xa4");
	assert_string_equal(api_text("a\xff", text, sizeof text), "a\\xff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_state),
		cmocka_unit_test(test_config_changes),
		cmocka_unit_test(test_config_unknown),
		cmocka_unit_test(test_pool_status),
		cmocka_unit_test(test_pool_pause),
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_missing_kind),
		cmocka_unit_test(test_overload),
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_futile),
		cmocka_unit_test(test_foreign_input),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_deleted_while_patched),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
