/* ServiceL2Status and ServiceBGPStatus: their life, and the sweep after take-overs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_api.h"
#include "lib/base/must.h"
#include "watcher/k8s/report/status_objects.h"
#include "watcher/reports_json.h"

static const struct desk_ops *ops = &status_objects_desk;
static const struct upkeep_place place = { "metallb-system", "node1" };
#define L2  "servicel2statuses"
#define API "/apis/metallb.io/v1beta1/namespaces/metallb-system/"

struct world {
	struct fake_api a;
	struct status_objects *s;
	unsigned created[STATUS_KIND_N];
	char last[600];
};

static void on_created(void *ctx, enum status_kind k, const char *key)
{
	struct world *w = ctx;
	w->created[k]++;
	str_fmt(w->last, sizeof w->last, "%s", key);
}

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof *w);
	fake_init(&w->a);
	w->a.node = "node1";
	w->s = status_objects_new(&place, NULL, on_created, w);
	assert_non_null(w->s);
	assert_int_equal(status_objects_owner(w->s, "ingot-node-x", "pod-uid"), 0);
	return w;
}

static void world_free(struct world *w)
{
	status_objects_free(w->s);
	fake_fini(&w->a);
	free(w);
}

static mono_t at(int64_t ms)
{
	return (mono_t){ SEC(1000) + MS(ms) };
}

static void want_l2(struct world *w, const char *key, const char *interface)
{
	char *names[] = { strdup(interface) };
	Ingot__L2ServiceState state = INGOT__L2_SERVICE_STATE__INIT;
	state.announcing = true;
	state.all_interfaces = !*interface;
	state.interfaces = names;
	state.n_interfaces = 1;
	json_t *status = reports_json_l2_status("node1", key, &state);
	assert_int_equal(status_objects_want(w->s, STATUS_L2, key, status), 0);
	json_decref(status);
	free(names[0]);
}

static void deliver(struct world *w)
{
	struct fake_news n;
	while (fake_news(&w->a, &n)) {
		const json_t *meta = json_object_get(n.object, "metadata");
		const char *node =
		    json_string_value(json_object_get(json_object_get(meta, "labels"), "metallb.io/node"));
		enum status_kind k = strcmp(n.plural, L2) == 0 ? STATUS_L2 : STATUS_BGP;
		if (n.deleted || !node || strcmp(node, "node1") != 0)
			status_objects_unsee(w->s, k, json_string_value(json_object_get(meta, "name")));
		else
			assert_int_equal(status_objects_see(w->s, k, n.object), 0);
		json_decref(n.object);
	}
}

static void start(struct world *w)
{
	deliver(w);
	for (unsigned k = 0; k < STATUS_KIND_N; k++) {
		status_objects_synced(w->s, (enum status_kind)k, at(0));
		status_objects_whole(w->s, (enum status_kind)k);
	}
}

static void check(const struct write *w, enum write_method method, const char *path, const char *body)
{
	assert_int_equal(w->method, method);
	assert_string_equal(w->path, path);
	if (!body)
		return;
	json_t *want = fake_json(body), *have = json_loads(w->body, 0, NULL);
	if (!json_equal(want, have))
		fail_msg("%s\nwanted %s", w->body, body);
	json_decref(want);
	json_decref(have);
}

/* The answer of the server to w, which leaves. */
static void serve(struct world *w, struct write *write, mono_t now)
{
	struct write_outcome o;
	json_t *object;
	fake_serve(&w->a, write, &o, &object);
	ops->done(w->s, write->id, &o, now);
	json_decref(object);
	write_fini(write);
}

/* An object as node makes it, put there by hand. */
static void put(struct world *w, const char *node, const char *key, const char *status)
{
	char text[1024], ns[64];
	const char *slash = strchr(key, '/');
	str_fmt(ns, sizeof ns, "%.*s", (int)(slash - key), key);
	str_fmt(
	    text, sizeof text,
	    "{'metadata':{'generateName':'l2-','namespace':'metallb-system','labels':{'metallb.io/node':'%s',"
	    "'metallb.io/service-name':'%s','metallb.io/service-namespace':'%s'},'ownerReferences':[{"
	    "'apiVersion':'v1','kind':'Pod','name':'ingot-node-x','uid':'pod-uid'}]},'status':%s}",
	    node, slash + 1, ns, status);
	fake_put(&w->a, L2, fake_json(text));
}
#define WEB_ETH0                                                                                             \
	"{'node':'node1','serviceName':'web','serviceNamespace':'default','interfaces':[{'name':'eth0'}]}"

static void test_life(void **state)
{
	(void)state;
	struct world *w = world_new();
	want_l2(w, "default/web", "eth0");
	fake_nothing(ops, w->s, at(0));
	start(w);
	struct write r = fake_next(ops, w->s, at(0));
	check(&r, WRITE_POST, API L2,
	      "{'apiVersion':'metallb.io/v1beta1','kind':'ServiceL2Status','metadata':{'generateName':'l2-',"
	      "'namespace':'metallb-system','labels':{'metallb.io/node':'node1','metallb.io/"
	      "service-name':'web',"
	      "'metallb.io/service-namespace':'default'},'ownerReferences':[{'apiVersion':'v1','kind':'Pod',"
	      "'name':'ingot-node-x','uid':'pod-uid'}]}}");
	serve(w, &r, at(0));
	assert_int_equal(w->created[STATUS_L2], 1);
	assert_string_equal(w->last, "default/web");
	r = fake_next(ops, w->s, at(0)); /* without waiting for the watch */
	check(&r, WRITE_PATCH, API L2 "/l2-00001/status", "{'status':" WEB_ETH0 "}");
	serve(w, &r, at(0));
	r = fake_next(ops, w->s, at(0)); /* something was taken over, perhaps from somebody */
	check(&r, WRITE_GET, API L2 "?labelSelector=metallb.io%2Fnode%21%3Dnode1&limit=500", NULL);
	serve(w, &r, at(0));
	fake_nothing(ops, w->s, at(0));
	deliver(w);
	fake_nothing(ops, w->s, at(5000));
	want_l2(w, "default/web", ""); /* all interfaces: the list goes */
	r = fake_next(ops, w->s, at(5000));
	check(
	    &r, WRITE_PATCH, API L2 "/l2-00001/status",
	    "{'status':{'node':'node1','serviceName':'web','serviceNamespace':'default','interfaces':null}}");
	serve(w, &r, at(5000));
	fake_nothing(ops, w->s, at(5000));
	deliver(w);
	fake_nothing(ops, w->s, at(5000));
	assert_int_equal(status_objects_want(w->s, STATUS_L2, "default/web", NULL), 0);
	r = fake_next(ops, w->s, at(6000));
	check(&r, WRITE_DELETE, API L2 "/l2-00001",
	      "{'kind':'DeleteOptions','apiVersion':'v1','preconditions':{'uid':'uid-2'}}");
	serve(w, &r, at(6000));
	fake_nothing(ops, w->s, at(6000));
	deliver(w);
	assert_int_equal(ops->wake(w->s).us, MONO_NEVER.us);
	assert_int_equal(w->created[STATUS_L2], 1);
	world_free(w);
}

static void test_bgp(void **state)
{
	(void)state;
	char *peers[] = { (char[]){ "b" }, (char[]){ "a" } };
	struct world *w = world_new();
	Ingot__BgpServiceState s = INGOT__BGP_SERVICE_STATE__INIT;
	s.peers = peers;
	s.n_peers = 2;
	json_t *status = reports_json_bgp_status("node1", "default/web", &s);
	assert_int_equal(status_objects_want(w->s, STATUS_BGP, "default/web", status), 0);
	json_decref(status);
	start(w);
	assert_int_equal(fake_run(&w->a, ops, w->s, at(0)), 2); /* and no sweep */
	json_t *want =
	    fake_json("{'node':'node1','serviceName':'web','serviceNamespace':'default','peers':['a','b']}");
	assert_true(
	    json_equal(want, json_object_get(fake_get(&w->a, "servicebgpstatuses", "bgp-00001"), "status")));
	json_decref(want);
	assert_int_equal(w->created[STATUS_BGP], 1);
	world_free(w);
}

/* What is there already: nothing is written, nothing is swept, nobody is told. */
static void test_adoption(void **state)
{
	(void)state;
	struct world *w = world_new();
	put(w, "node1", "default/web", WEB_ETH0);
	put(w, "node2", "default/web", "{}");
	want_l2(w, "default/web", "eth0");
	start(w);
	fake_nothing(ops, w->s, at(0));
	assert_int_equal(ops->wake(w->s).us, MONO_NEVER.us);
	assert_int_equal(w->created[STATUS_L2], 0);
	/* Our Pod is another one now. */
	assert_int_equal(status_objects_owner(w->s, "ingot-node-y", "other-uid"), 0);
	struct write r = fake_next(ops, w->s, at(1));
	check(&r, WRITE_PATCH, API L2 "/l2-00001",
	      "{'metadata':{'labels':{'metallb.io/node':'node1','metallb.io/service-name':'web',"
	      "'metallb.io/service-namespace':'default'},'ownerReferences':[{'apiVersion':'v1','kind':'Pod',"
	      "'name':'ingot-node-y','uid':'other-uid'}]}}");
	serve(w, &r, at(1));
	fake_nothing(ops, w->s, at(1));
	/* Unknown: the owner that is there stays. */
	assert_int_equal(status_objects_owner(w->s, "", ""), 0);
	fake_nothing(ops, w->s, at(2));
	world_free(w);
}

static void test_nothing_lost_at_start(void **state)
{
	(void)state;
	struct world *w = world_new();
	put(w, "node1", "default/web", WEB_ETH0);
	deliver(w);
	status_objects_synced(w->s, STATUS_L2, at(0));
	fake_nothing(ops, w->s, at(0)); /* gossipd has not spoken: absence of news is not news */
	status_objects_whole(w->s, STATUS_L2);
	struct write r = fake_next(ops, w->s, at(0));
	check(&r, WRITE_DELETE, API L2 "/l2-00001", NULL);
	serve(w, &r, at(0));
	world_free(w);
}

static void test_healing(void **state)
{
	(void)state;
	struct world *w = world_new();
	const char *name = "l2-00001";
	put(w, "node1", "default/web", WEB_ETH0);
	want_l2(w, "default/web", "eth0");
	start(w);
	fake_edit(&w->a, L2, name, "interfaces", json_array());
	deliver(w);
	assert_int_equal(fake_run(&w->a, ops, w->s, at(0)), 1);
	deliver(w);
	fake_delete(&w->a, L2, name);
	deliver(w);
	assert_int_equal(fake_run(&w->a, ops, w->s, at(1)), 2); /* made and filled; nothing to sweep */
	deliver(w);
	assert_int_equal(w->created[STATUS_L2], 0); /* it was announced all the time */
	/* Old news that comes after the answer to our request: before the edit below was mended. */
	name = "l2-00003";
	fake_edit(&w->a, L2, name, "interfaces", json_array());
	deliver(w);
	fake_edit(&w->a, L2, name, "interfaces", fake_json("[{'name':'x'}]"));
	assert_int_equal(fake_run(&w->a, ops, w->s, at(2)), 1);
	struct fake_news n;
	assert_true(fake_news(&w->a, &n));
	assert_int_equal(status_objects_see(w->s, STATUS_L2, n.object), 0);
	json_decref(n.object);
	fake_nothing(ops, w->s, at(2));
	deliver(w);
	fake_nothing(ops, w->s, at(2));
	/* A label is taken away: it is nobody's any more. */
	json_t *o = json_deep_copy(fake_get(&w->a, L2, name));
	json_object_del(json_object_get(json_object_get(o, "metadata"), "labels"), "metallb.io/service-name");
	json_object_set_new(json_object_get(o, "metadata"), "resourceVersion", json_string("99999"));
	assert_int_equal(status_objects_see(w->s, STATUS_L2, o), 0);
	json_decref(o);
	assert_int_equal(fake_run(&w->a, ops, w->s, at(3)), 2);
	world_free(w);
}

static void test_duplicates(void **state)
{
	(void)state;
	struct world *w = world_new();
	w->a.created_s = 30;
	put(w, "node1", "default/web", WEB_ETH0); /* l2-00001 */
	w->a.created_s = 10;
	put(w, "node1", "default/web", WEB_ETH0); /* 3 */
	put(w, "node1", "default/web", WEB_ETH0); /* 5 */
	w->a.created_s = 20;
	put(w, "node1", "default/web", WEB_ETH0); /* 7 */
	want_l2(w, "default/web", "eth0");
	start(w);
	assert_int_equal(fake_run(&w->a, ops, w->s, at(0)), 3);
	assert_int_equal(fake_count(&w->a, L2), 1);
	assert_non_null(fake_get(&w->a, L2, "l2-00003"));
	/* The watch is late: a modification from before the deletion comes after its answer. */
	struct fake_news n;
	while (fake_news(&w->a, &n)) {
		if (!n.deleted)
			assert_int_equal(status_objects_see(w->s, STATUS_L2, n.object), 0);
		json_decref(n.object);
	}
	fake_nothing(ops, w->s, at(1));
	/* An object whose fixed fields say something else has to go. */
	fake_edit(&w->a, L2, "l2-00003", "serviceName", json_string("other"));
	deliver(w);
	assert_int_equal(fake_run(&w->a, ops, w->s, at(2)), 3);
	assert_null(fake_get(&w->a, L2, "l2-00003"));
	world_free(w);
}

/* No answer to a creation: not twice, as long as the watch may still show it. */
static void test_doubt(void **state)
{
	(void)state;
	struct world *w = world_new();
	want_l2(w, "default/web", "eth0");
	want_l2(w, "default/api", "eth0");
	start(w);
	struct write r = fake_next(ops, w->s, at(0)), second = fake_next(ops, w->s, at(0));
	struct write_outcome o;
	json_t *object;
	fake_serve(&w->a, &r, &o, &object);
	json_decref(object);
	o = fake_failure(0, "");
	o.failure = "connection reset";
	ops->done(w->s, r.id, &o, at(0));
	write_fini(&r);
	serve(w, &second, at(0));
	w->created[STATUS_L2] = 0;
	fake_run(&w->a, ops, w->s, at(0));
	fake_nothing(ops, w->s, at(9000));
	assert_int_equal(fake_count(&w->a, L2), 2);
	deliver(w);
	assert_int_equal(w->created[STATUS_L2], 1);		   /* it was ours */
	assert_int_equal(fake_run(&w->a, ops, w->s, at(9000)), 2); /* its status, a sweep */
	deliver(w);
	fake_nothing(ops, w->s, at(20000));

	/* This one never happened. */
	want_l2(w, "default/third", "eth0");
	r = fake_next(ops, w->s, at(30000));
	o = fake_failure(504, "timeout");
	ops->done(w->s, r.id, &o, at(30000));
	write_fini(&r);
	fake_nothing(ops, w->s, at(39999));
	assert_int_equal(ops->wake(w->s).us, at(40000).us);
	assert_int_equal(fake_run(&w->a, ops, w->s, at(40000)), 3);
	assert_int_equal(w->created[STATUS_L2], 2);

	/* Made, and gone before any watch has shown it: a new list is the word. */
	fake_delete(&w->a, L2, "l2-00005");
	struct fake_news n;
	while (fake_news(&w->a, &n))
		json_decref(n.object);
	fake_nothing(ops, w->s, at(41000));
	status_objects_synced(w->s, STATUS_L2, at(45000)); /* its list may have begun before */
	fake_nothing(ops, w->s, at(45000));
	status_objects_synced(w->s, STATUS_L2, at(50000));
	assert_int_equal(fake_run(&w->a, ops, w->s, at(50000)), 2);
	world_free(w);
}

static void test_sweep(void **state)
{
	(void)state;
	struct world *w = world_new();
	char key[64];
	for (unsigned i = 0; i < 1200;
	     i++) { /* three pages of another node's objects; every second one ours */
		str_fmt(key, sizeof key, "default/s%04u", i);
		put(w, "node2", key, "{}");
		if (i % 2)
			want_l2(w, key, "eth0");
	}
	start(w);
	fake_run(&w->a, ops, w->s, at(0));
	/* One list began with the first of 600 take-overs, the rest wait for the next. */
	assert_int_equal(w->a.n[WRITE_GET], 3);
	assert_int_equal(w->a.n[WRITE_DELETE], 600);
	fake_nothing(ops, w->s, at(999));
	for (int64_t t = 1000; t < 20000; t += 100)
		fake_run(&w->a, ops, w->s, at(t));
	assert_in_range(w->a.n[WRITE_GET], 3, 8);
	assert_int_equal(fake_count(&w->a, L2), 1200); /* 600 of node2, 600 of ours */
	deliver(w);
	fake_nothing(ops, w->s, at(30000));
	assert_int_equal(ops->wake(w->s).us, MONO_NEVER.us);

	/* Two take-overs within a second: the list for the second one waits. */
	want_l2(w, "default/x", "eth0");
	assert_int_equal(fake_run(&w->a, ops, w->s, at(31000)), 2 + 2);
	want_l2(w, "default/y", "eth0");
	assert_int_equal(fake_run(&w->a, ops, w->s, at(31500)), 2);
	fake_nothing(ops, w->s, at(31999));
	assert_int_equal(fake_run(&w->a, ops, w->s, at(32000)), 2);
	deliver(w);
	world_free(w);
}

/* An expired token: from the beginning. Meanwhile the Service moves away again: nothing is deleted. */
static void test_sweep_expired(void **state)
{
	(void)state;
	struct world *w = world_new();
	char key[64];
	for (unsigned i = 0; i < 600; i++) {
		str_fmt(key, sizeof key, "default/s%04u", i);
		put(w, "node2", key, "{}");
	}
	start(w);
	want_l2(w, "default/s0000", "eth0");
	struct write r = fake_next(ops, w->s, at(40000));
	serve(w, &r, at(40000));
	r = fake_next(ops, w->s, at(40000));
	serve(w, &r, at(40000));
	r = fake_next(ops, w->s, at(40000));
	assert_int_equal(r.method, WRITE_GET);
	serve(w, &r, at(40000));
	r = fake_next(ops, w->s, at(40000));
	struct write page = { 0 };
	if (r.method == WRITE_DELETE) {
		page = fake_next(ops, w->s, at(40000));
	} else {
		page = r;
		r = fake_next(ops, w->s, at(40000));
	}
	assert_int_equal(page.method, WRITE_GET);
	assert_non_null(strstr(page.path, "&continue="));
	struct write_outcome o = fake_failure(410, "The provided continue parameter is too old");
	ops->done(w->s, page.id, &o, at(40000));
	write_fini(&page);
	assert_int_equal(r.method, WRITE_DELETE);
	assert_int_equal(status_objects_want(w->s, STATUS_L2, "default/s0000", NULL), 0);
	o = fake_failure(0, "");
	ops->done(w->s, r.id, &o, at(40000));
	write_fini(&r);
	unsigned deleted = w->a.n[WRITE_DELETE];
	for (int64_t t = 40000; t < 60000; t += 100)
		fake_run(&w->a, ops, w->s, at(t));
	assert_true(w->a.n[WRITE_GET] > 2);
	assert_int_equal(w->a.n[WRITE_DELETE], deleted + 1); /* only our own */
	world_free(w);
}

static const json_t *status_of(const struct world *w, const char *key)
{
	const char *slash = strchr(key, '/');
	map_each (&w->a.objects, e) {
		const json_t *labels = json_object_get(json_object_get(e->value, "metadata"), "labels");
		const char *ns = json_string_value(json_object_get(labels, "metallb.io/service-namespace"));
		const char *name = json_string_value(json_object_get(labels, "metallb.io/service-name"));
		if (strlen(ns) == (size_t)(slash - key) && strncmp(ns, key, strlen(ns)) == 0 &&
		    strcmp(name, slash + 1) == 0)
			return json_object_get(e->value, "status");
	}
	return NULL;
}

/* What is alike in many statuses is kept once, and what follows from the key not at all: each is written as
 * it was wanted all the same, also when one of those that were alike changes or goes. */
static void test_written_as_wanted(void **state)
{
	(void)state;
	static const char *const wanted[][2] = {
		{ "default/web", WEB_ETH0 },
		{ "other/web", "{'node':'node1','serviceName':'web','serviceNamespace':'other','interfaces':["
			       "{'name':'eth0'}]}" },
		{ "default/api", "{'node':'node1','serviceName':'api','serviceNamespace':'default',"
				 "'interfaces':[{'name':'eth0'}]}" },
		{ "default/less", "{'interfaces':[{'name':'eth0'}]}" },
		{ "default/part", "{'node':'node1','interfaces':[{'name':'eth0'}]}" },
		{ "default/bare", "{'node':'node1','serviceName':'bare','serviceNamespace':'default'}" },
	};
	struct world *w = world_new();
	start(w);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		json_t *status = fake_json(wanted[i][1]);
		assert_int_equal(status_objects_want(w->s, STATUS_L2, wanted[i][0], status), 0);
		json_decref(status);
	}
	want_l2(w, "default/web", "eth1");
	want_l2(w, "default/web", "eth0");
	assert_int_equal(status_objects_want(w->s, STATUS_L2, "default/gone", NULL), 0);
	for (int64_t t = 0; t < 20000; t += 100) {
		fake_run(&w->a, ops, w->s, at(t));
		deliver(w);
	}
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		json_t *status = fake_json(wanted[i][1]);
		if (!json_equal(status_of(w, wanted[i][0]), status))
			fail_msg("%s: %s", wanted[i][0], json_dumps(status_of(w, wanted[i][0]), 0));
		json_decref(status);
	}
	assert_int_equal(fake_count(&w->a, L2), ARRAY_LEN(wanted));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),	      cmocka_unit_test(test_bgp),
		cmocka_unit_test(test_adoption),      cmocka_unit_test(test_nothing_lost_at_start),
		cmocka_unit_test(test_healing),	      cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_doubt),	      cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_sweep_expired), cmocka_unit_test(test_written_as_wanted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
