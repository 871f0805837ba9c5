/* The ownership table: the cases of MetalLB's L2 controller (two nodes, iris1 and iris2), and what is ours:
 * links, sharing, terms, make-before-break, and that every incremental result equals one computed from
 * nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gossipd/owner.h"
#include "gossipd/snapshot.h"
#include "lib/base/must.h"
#include "tests/unit/model/build.h"

static const mono_t t0 = { SEC(50) };

struct world {
	struct objects objects;
	struct config *config;
	struct owner *owner;
	struct owner_member members[4];
	size_t n_members;
};

static void set_members(struct world *w)
{
	assert_int_equal(owner_set_members(w->owner, w->members, w->n_members), 0);
}

/* Members sorted by name, each with eth0 up. */
static void add_member(struct world *w, const char *name)
{
	struct owner_member *m = &w->members[w->n_members++];
	snprintf(m->name, sizeof m->name, "%s", name);
	m->n_links = 1;
	snprintf(m->links[0].name, sizeof m->links[0].name, "eth0");
	m->links[0].up = true;
}

static void compile(struct world *w)
{
	struct config_input in = { .objects = &w->objects, .ns = BUILD_NAMESPACE };
	struct diags diags = { 0 };
	struct config *next = NULL;
	assert_int_equal(config_compile(&in, &diags, &next), 0);
	assert_int_equal(diags.n_errors, 0);
	diags_fini(&diags);
	owner_set_config(w->owner, next);
	config_free(w->config);
	w->config = next;
}

static void begin(struct world *w, const char *own, bool ignore_exclude)
{
	struct owner_config c = {
		.own_node = own, .lb_class = "", .ignore_exclude = ignore_exclude, .hold = MS(500)
	};
	memset(w, 0, sizeof *w);
	objects_init(&w->objects);
	w->owner = owner_new(&c, &w->objects);
	assert_non_null(w->owner);
}

static void end(struct world *w)
{
	owner_free(w->owner);
	config_free(w->config);
	objects_fini(&w->objects);
}

static void service_changed(struct world *w, const char *key)
{
	const ProtobufCMessage *m = objects_get(&w->objects, KIND_SERVICE, key);
	assert_int_equal(owner_service_changed(w->owner, key, (const Ingot__Service *)(const void *)m), 0);
}

static void slice_changed(struct world *w, const char *key)
{
	const ProtobufCMessage *m = objects_get(&w->objects, KIND_ENDPOINTS, key);
	assert_int_equal(owner_slice_changed(w->owner, key, (const Ingot__EndpointSlice *)(const void *)m),
			 0);
}

static void tell_all(struct world *w)
{
	map_each (&w->objects.by_kind[KIND_SERVICE], s)
		service_changed(w, s->key);
	map_each (&w->objects.by_kind[KIND_ENDPOINTS], s)
		slice_changed(w, s->key);
	owner_nodes_changed(w->owner);
}

static void run(struct world *w, mono_t now)
{
	while (owner_run(w->owner, now, 3))
		;
}

/* ---- the cases of the compatible system ---- */

#define POOL  "IPAddressPool default addresses=10.20.30.0/24"
#define SVC1  "Service svc1 type=LoadBalancer ingress=10.20.30.1 "
#define SVC2  "Service svc2 type=LoadBalancer ingress=10.20.30.2 "
#define LOCAL "external_traffic_policy=Local "
#define EP1   "EndpointSlice svc1-a service_name=svc1 "
#define EP2   "EndpointSlice svc2-a service_name=svc2 "
#define AD    "L2Advertisement ad ip_address_pools=default"
#define NODES "Node iris1", "Node iris2"
#define EXCL  " labels=node.kubernetes.io/exclude-from-external-load-balancers="

struct want {
	const char *service, *owner;
	enum withdraw_reason iris1, iris2;
};
static const struct {
	const char *what;
	const char *lines[10];
	bool ignore_exclude;
	struct want want[2];
} cases[] = {
	{ "Local, both endpoints on iris1",
	  { NODES, POOL, AD, SVC1 LOCAL, EP1 "endpoints=iris1@2.3.4.5,iris1@2.3.4.15" },
	  false,
	  { { "svc1", "iris1", WITHDRAW_ANNOUNCE, WITHDRAW_NOT_OWNER } } },
	{ "Local, one endpoint on each",
	  { NODES, POOL, AD, SVC1 LOCAL, EP1 "endpoints=iris1@2.3.4.5,iris2@2.3.4.15" },
	  false,
	  { { "svc1", "iris2", WITHDRAW_NOT_OWNER, WITHDRAW_ANNOUNCE } } },
	{ "Local, none ready",
	  { NODES, POOL, AD, SVC1 LOCAL, EP1 "endpoints=iris1@2.3.4.5/ready=no,iris2@2.3.4.15/ready=no" },
	  false,
	  { { "svc1", "", WITHDRAW_NOT_OWNER, WITHDRAW_NOT_OWNER } } },
	{ "Local, iris2's is not ready",
	  { NODES, POOL, AD, SVC1 LOCAL, EP1 "endpoints=iris1@2.3.4.5,iris2@2.3.4.15/ready=no" },
	  false,
	  { { "svc1", "iris1", WITHDRAW_ANNOUNCE, WITHDRAW_NOT_OWNER } } },
	{ "not ready but serving",
	  { NODES, POOL, AD, SVC1 LOCAL,
	    EP1 "endpoints=iris1@2.3.4.5/ready=no/serving=yes,iris2@2.3.4.15/ready=no" },
	  false,
	  { { "svc1", "iris1", WITHDRAW_ANNOUNCE, WITHDRAW_NOT_OWNER } } },
	{ "Local, two Services on both",
	  { NODES, POOL, AD, SVC1 LOCAL, SVC2 LOCAL, EP1 "endpoints=iris1@2.3.4.5,iris2@2.3.4.15",
	    EP2 "endpoints=iris1@2.3.4.5,iris2@2.3.4.15" },
	  false,
	  { { "svc1", "iris2", WITHDRAW_NOT_OWNER, WITHDRAW_ANNOUNCE },
	    { "svc2", "iris1", WITHDRAW_ANNOUNCE, WITHDRAW_NOT_OWNER } } },
	{ "Local, two slices",
	  { NODES, POOL, AD, SVC1 LOCAL, EP1 "endpoints=iris1@2.3.4.5",
	    "EndpointSlice svc1-b service_name=svc1 endpoints=iris2@2.3.4.15" },
	  false,
	  { { "svc1", "iris2", WITHDRAW_NOT_OWNER, WITHDRAW_ANNOUNCE } } },
	{ "advertisement for iris1 only",
	  { NODES, POOL, AD " node_selectors=kubernetes.io/hostname=iris1", SVC1,
	    EP1 "endpoints=iris1@2.3.4.5", "Node iris1 labels=kubernetes.io/hostname=iris1" },
	  false,
	  { { "svc1", "iris1", WITHDRAW_ANNOUNCE, WITHDRAW_NO_MATCHING_ADVERTISEMENT } } },
	{ "Local, endpoint on iris1, advertisement for iris2: nobody",
	  { NODES, POOL, AD " node_selectors=kubernetes.io/hostname=iris2", SVC1 LOCAL,
	    EP1 "endpoints=iris1@2.3.4.5", "Node iris2 labels=kubernetes.io/hostname=iris2" },
	  false,
	  { { "svc1", "", WITHDRAW_NO_MATCHING_ADVERTISEMENT, WITHDRAW_NOT_OWNER } } },
	{ "Cluster, endpoint on iris1: location does not matter",
	  { NODES, POOL, AD, SVC1, EP1 "endpoints=iris1@2.3.4.5" },
	  false,
	  { { "svc1", "iris2", WITHDRAW_NOT_OWNER, WITHDRAW_ANNOUNCE } } },
	{ "iris2 excluded by label",
	  { "Node iris1", "Node iris2" EXCL, POOL, AD, SVC1, EP1 "endpoints=iris1@2.3.4.5" },
	  false,
	  { { "svc1", "iris1", WITHDRAW_ANNOUNCE, WITHDRAW_NOT_OWNER } } },
	{ "both excluded",
	  { "Node iris1" EXCL, "Node iris2" EXCL, POOL, AD, SVC1, EP1 "endpoints=iris1@2.3.4.5" },
	  false,
	  { { "svc1", "", WITHDRAW_NOT_OWNER, WITHDRAW_NOT_OWNER } } },
	{ "both excluded, the label ignored",
	  { "Node iris1" EXCL, "Node iris2" EXCL, POOL, AD, SVC1 LOCAL, EP1 "endpoints=iris1@2.3.4.5" },
	  true,
	  { { "svc1", "iris1", WITHDRAW_ANNOUNCE, WITHDRAW_NOT_OWNER } } },
	{ "network of iris2 unavailable",
	  { "Node iris1", "Node iris2 network_unavailable=yes", POOL, AD, SVC1,
	    EP1 "endpoints=iris1@2.3.4.5" },
	  false,
	  { { "svc1", "iris1", WITHDRAW_ANNOUNCE, WITHDRAW_NOT_OWNER } } },
	{ "service selector does not match",
	  { NODES, POOL, AD " service_selectors=app=other", SVC1 "labels=app=web",
	    EP1 "endpoints=iris1@2.3.4.5" },
	  false,
	  { { "svc1", "", WITHDRAW_NO_MATCHING_ADVERTISEMENT, WITHDRAW_NO_MATCHING_ADVERTISEMENT } } },
	{ "two service selectors, one matches",
	  { NODES, POOL, AD " service_selectors=app=other,app=web", SVC1 "labels=app=web",
	    EP1 "endpoints=iris1@2.3.4.5" },
	  false,
	  { { "svc1", "iris2", WITHDRAW_NOT_OWNER, WITHDRAW_ANNOUNCE } } },
	{ "sharing annotation and selectors",
	  { NODES, POOL, AD " service_selectors=app=web",
	    SVC1 "labels=app=web annotations=metallb.universe.tf/allow-shared-ip=x",
	    EP1 "endpoints=iris1@2.3.4.5" },
	  false,
	  { { "svc1", "", WITHDRAW_SHARED_IP_WITH_SERVICE_SELECTOR,
	      WITHDRAW_SHARED_IP_WITH_SERVICE_SELECTOR } } },
	{ "preferred iris1",
	  { "Node iris1 labels=zone=a", "Node iris2", POOL, AD " preferred_node_selectors=100/zone=a", SVC1,
	    EP1 "endpoints=iris1@2.3.4.5" },
	  false,
	  { { "svc1", "iris1", WITHDRAW_ANNOUNCE, WITHDRAW_NOT_OWNER } } },
	{ "no endpoint",
	  { NODES, POOL, AD, SVC1 },
	  false,
	  { { "svc1", "", WITHDRAW_NOT_OWNER, WITHDRAW_NOT_OWNER } } },
	{ "address in no pool",
	  { NODES, POOL, AD, "Service svc1 type=LoadBalancer ingress=10.99.0.1",
	    EP1 "endpoints=iris1@2.3.4.5" },
	  false,
	  { { "svc1", "", WITHDRAW_IP_NOT_ALLOWED, WITHDRAW_IP_NOT_ALLOWED } } },
	{ "no address yet",
	  { NODES, POOL, AD, "Service svc1 type=LoadBalancer", EP1 "endpoints=iris1@2.3.4.5" },
	  false,
	  { { "svc1", "", WITHDRAW_NO_IP_ALLOCATED, WITHDRAW_NO_IP_ALLOCATED } } },
	{ "of another class",
	  { NODES, POOL, AD, SVC1 "load_balancer_class=example.com/other", EP1 "endpoints=iris1@2.3.4.5" },
	  false,
	  { { "svc1", "", WITHDRAW_FOREIGN_CLASS, WITHDRAW_FOREIGN_CLASS } } },
};

static void check_case(size_t i, const char *own, bool is_iris1)
{
	struct world w;
	begin(&w, own, cases[i].ignore_exclude);
	for (size_t k = 0; k < ARRAY_LEN(cases[i].lines) && cases[i].lines[k]; k++)
		build_line(&w.objects, cases[i].lines[k]);
	add_member(&w, "iris1");
	add_member(&w, "iris2");
	compile(&w);
	set_members(&w);
	tell_all(&w);
	run(&w, t0);
	for (size_t k = 0; k < ARRAY_LEN(cases[i].want) && cases[i].want[k].service; k++) {
		const struct want *want = &cases[i].want[k];
		char key[64];
		snprintf(key, sizeof key, "default/%s", want->service);
		const struct owner_service *s = owner_service(w.owner, key);
		assert_non_null(s);
		assert_string_equal(s->owner, want->owner);
		assert_int_equal(s->reason, is_iris1 ? want->iris1 : want->iris2);
		const struct owner_entry *e =
		    s->n_addrs ? owner_entry(w.owner, k ? "10.20.30.2" : "10.20.30.1") : NULL;
		if (e) {
			assert_string_equal(e->owner, want->owner);
			assert_int_equal(e->mine, s->reason == WITHDRAW_ANNOUNCE);
		}
	}
	end(&w);
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		print_message("%s\n", cases[i].what);
		check_case(i, "iris1", true);
		check_case(i, "iris2", false);
	}
}

/* ---- what is ours ---- */

static void simple(struct world *w, const char *own)
{
	begin(w, own, false);
	build_line(&w->objects, "Node iris1");
	build_line(&w->objects, "Node iris2");
	build_line(&w->objects, POOL);
	build_line(&w->objects, AD);
	build_line(&w->objects, SVC1);
	build_line(&w->objects, EP1 "endpoints=iris1@2.3.4.5");
	add_member(w, "iris1");
	add_member(w, "iris2");
	compile(w);
	set_members(w);
	tell_all(w);
	run(w, t0);
	owner_changes_clear(w->owner);
}

static void test_link_down_moves_and_back(void **state)
{
	(void)state;
	struct world w;
	simple(&w, "iris1");
	const struct owner_entry *e = owner_entry(w.owner, "10.20.30.1");
	assert_string_equal(e->owner, "iris2");
	assert_string_equal(e->successor, "iris1");
	uint64_t term = e->term;
	w.members[1].links[0].up = false;
	set_members(&w);
	run(&w, t0);
	assert_string_equal(e->owner, "iris1");
	assert_true(e->mine && !e->hold && e->term == term + 1);
	assert_string_equal(e->was, "iris2");
	owner_changes_clear(w.owner);
	/* It comes back: we go on answering until the other is heard, at most so long. */
	w.members[1].links[0].up = true;
	set_members(&w);
	run(&w, t0);
	assert_string_equal(e->owner, "iris2");
	assert_true(!e->mine && e->hold && e->term == term + 2);
	owner_changes_clear(w.owner);
	size_t n;
	assert_int_equal(owner_next(w.owner).us, t0.us + MS(500));
	owner_expire(w.owner, mono_add(t0, MS(499)));
	(void)owner_entries_changed(w.owner, &n);
	assert_int_equal(n, 0);
	owner_expire(w.owner, mono_add(t0, MS(500)));
	(void)owner_entries_changed(w.owner, &n);
	assert_int_equal(n, 1);
	assert_false(e->hold);
	assert_int_equal(owner_next(w.owner).us, MONO_NEVER.us);
	end(&w);
}

static void test_interfaces_of_the_advertisement_count(void **state)
{
	(void)state;
	struct world w;
	simple(&w, "iris1");
	build_line(&w.objects, AD " interfaces=eth1");
	compile(&w);
	run(&w, t0);
	/* eth1 is up nowhere. */
	assert_string_equal(owner_entry(w.owner, "10.20.30.1")->owner, "");
	snprintf(w.members[0].links[0].name, sizeof w.members[0].links[0].name, "eth1");
	set_members(&w);
	run(&w, t0);
	const struct owner_entry *e = owner_entry(w.owner, "10.20.30.1");
	assert_string_equal(e->owner, "iris1");
	assert_false(e->all_interfaces);
	assert_int_equal(e->interfaces.n, 1);
	assert_string_equal(e->interfaces.v[0], "eth1");
	end(&w);
}

static void test_member_gone_and_none_left(void **state)
{
	(void)state;
	struct world w;
	simple(&w, "iris1");
	w.n_members = 1;
	set_members(&w);
	run(&w, t0);
	const struct owner_entry *e = owner_entry(w.owner, "10.20.30.1");
	assert_true(e->mine);
	assert_string_equal(e->successor, "");
	w.n_members = 0;
	set_members(&w);
	run(&w, t0);
	assert_string_equal(e->owner, "");
	assert_false(e->mine || e->hold);
	end(&w);
}

static void test_sharing(void **state)
{
	(void)state;
	struct world w;
	simple(&w, "iris1");
	/* Another Service on the address, with endpoints on the other node only and policy Local: on its own
	 * it would be announced elsewhere. */
	build_line(&w.objects, "Service web2 type=LoadBalancer ingress=10.20.30.1 " LOCAL);
	build_line(&w.objects, "EndpointSlice web2-a service_name=web2 endpoints=iris1@2.3.4.5");
	service_changed(&w, "default/web2");
	slice_changed(&w, "default/web2-a");
	run(&w, t0);
	const struct owner_entry *e = owner_entry(w.owner, "10.20.30.1");
	assert_int_equal(owner_service(w.owner, "default/web2")->reason, WITHDRAW_ANNOUNCE);
	assert_string_equal(e->owner, "iris2");
	assert_false(e->mine);
	assert_int_equal(e->n_services, 2);
	/* The first one goes: the second decides. */
	objects_del(&w.objects, KIND_SERVICE, "default/svc1");
	service_changed(&w, "default/svc1");
	run(&w, t0);
	assert_int_equal(e->n_services, 1);
	assert_true(e->mine);
	owner_changes_clear(w.owner);
	assert_null(owner_service(w.owner, "default/svc1"));
	/* The second one goes, too. */
	objects_del(&w.objects, KIND_SERVICE, "default/web2");
	service_changed(&w, "default/web2");
	run(&w, t0);
	size_t n;
	struct owner_entry *const *changed = owner_entries_changed(w.owner, &n);
	assert_int_equal(n, 1);
	assert_true(changed[0]->gone);
	assert_null(owner_entry(w.owner, "10.20.30.1"));
	owner_changes_clear(w.owner);
	assert_int_equal(owner_count(w.owner), 0);
	end(&w);
}

static void test_dual_stack_follows_the_first(void **state)
{
	(void)state;
	struct world w;
	simple(&w, "iris2");
	build_line(&w.objects, "IPAddressPool default addresses=10.20.30.0/24,1000::/64");
	build_line(&w.objects, "Service svc1 type=LoadBalancer ingress=10.20.30.1,1000::1");
	compile(&w);
	service_changed(&w, "default/svc1");
	run(&w, t0);
	/* Alone 1000::1 would go to iris1. */
	assert_string_equal(owner_entry(w.owner, "1000::1")->owner, "iris2");
	assert_true(owner_entry(w.owner, "1000::1")->mine);
	/* The address changes: the old one goes, the new one comes. */
	build_line(&w.objects, "Service svc1 type=LoadBalancer ingress=10.20.30.7");
	service_changed(&w, "default/svc1");
	run(&w, t0);
	assert_null(owner_entry(w.owner, "1000::1"));
	assert_null(owner_entry(w.owner, "10.20.30.1"));
	assert_non_null(owner_entry(w.owner, "10.20.30.7"));
	end(&w);
}

static void test_slice_moves_between_services(void **state)
{
	(void)state;
	struct world w;
	simple(&w, "iris1");
	build_line(&w.objects, SVC2);
	service_changed(&w, "default/svc2");
	run(&w, t0);
	assert_string_equal(owner_entry(w.owner, "10.20.30.2")->owner, "");
	build_line(&w.objects, "EndpointSlice svc1-a service_name=svc2 endpoints=iris1@2.3.4.5");
	slice_changed(&w, "default/svc1-a");
	run(&w, t0);
	assert_string_equal(owner_entry(w.owner, "10.20.30.2")->owner, "iris1");
	assert_string_equal(owner_entry(w.owner, "10.20.30.1")->owner, "");
	objects_del(&w.objects, KIND_ENDPOINTS, "default/svc1-a");
	slice_changed(&w, "default/svc1-a");
	run(&w, t0);
	assert_string_equal(owner_entry(w.owner, "10.20.30.2")->owner, "");
	end(&w);
}

/* A restart with its memory is no change: same owner, same term, nothing to tell but the table itself. */
static void test_restored(void **state)
{
	(void)state;
	struct world w, next;
	simple(&w, "iris2");
	uint64_t term = owner_entry(w.owner, "10.20.30.1")->term + 41;
	size_t len;
	assert_int_equal(owner_restore(w.owner, "10.20.30.99", "iris1", 3), 0);
	uint8_t *data = snapshot_owners(w.owner, &len);
	assert_non_null(data);
	begin(&next, "iris2", false);
	assert_int_equal(snapshot_read_owners(data, len, next.owner), 0);
	for (size_t cut = 0; cut < len; cut++)
		assert_true(snapshot_read_owners(data, cut, next.owner) < 0);
	end(&next);
	free(data);
	end(&w);
	/* With a term far from the first. */
	begin(&next, "iris2", false);
	assert_int_equal(owner_restore(next.owner, "10.20.30.1", "iris2", term), 0);
	build_line(&next.objects, "Node iris1");
	build_line(&next.objects, "Node iris2");
	build_line(&next.objects, POOL);
	build_line(&next.objects, AD);
	build_line(&next.objects, SVC1);
	build_line(&next.objects, EP1 "endpoints=iris1@2.3.4.5");
	add_member(&next, "iris1");
	add_member(&next, "iris2");
	compile(&next);
	set_members(&next);
	tell_all(&next);
	run(&next, t0);
	const struct owner_entry *e = owner_entry(next.owner, "10.20.30.1");
	assert_int_equal(e->term, term);
	assert_true(e->mine);
	assert_ptr_equal(e->was, e->owner);
	next.n_members = 1;
	set_members(&next);
	run(&next, t0);
	assert_int_equal(e->term, term + 1);
	end(&next);
}

/* Any sequence of events ends where a fresh start with the same input ends. */
static void check_same(const struct world *w, const char *own)
{
	struct world fresh;
	begin(&fresh, own, false);
	struct objects mine = fresh.objects;
	fresh.objects = w->objects;
	memcpy(fresh.members, w->members, sizeof fresh.members);
	fresh.n_members = w->n_members;
	compile(&fresh);
	set_members(&fresh);
	tell_all(&fresh);
	run(&fresh, t0);
	assert_int_equal(owner_count(fresh.owner), owner_count(w->owner));
	for (unsigned i = 1; i < 30; i++) {
		char ip[32];
		snprintf(ip, sizeof ip, "10.20.30.%u", i);
		const struct owner_entry *a = owner_entry(fresh.owner, ip), *b = owner_entry(w->owner, ip);
		assert_int_equal(a == NULL, b == NULL);
		if (!a)
			continue;
		assert_string_equal(a->owner, b->owner);
		assert_string_equal(a->successor, b->successor);
		assert_string_equal(a->why, b->why);
		assert_int_equal(a->mine, b->mine);
		assert_int_equal(a->n_services, b->n_services);
	}
	fresh.objects = mine;
	end(&fresh);
}

static unsigned dice(unsigned *state, unsigned sides)
{
	*state = *state * 1103515245u + 12345u;
	return (*state >> 16) % sides;
}

static void one_event(struct world *w, unsigned *seed)
{
	unsigned i = dice(seed, 25) + 1, ip = dice(seed, 15) + 1, node = dice(seed, 3) + 1;
	char line[200], key[64];
	snprintf(key, sizeof key, "default/s%u", i);
	switch (dice(seed, 5)) {
	case 0:
	case 1:
		snprintf(line, sizeof line, "Service s%u type=LoadBalancer ingress=10.20.30.%u %s", i, ip,
			 i % 3 ? "" : LOCAL);
		build_line(&w->objects, line);
		service_changed(w, key);
		break;
	case 2:
		snprintf(line, sizeof line, "EndpointSlice s%u service_name=s%u endpoints=iris%u@2.3.4.%u", i,
			 i, node, i);
		build_line(&w->objects, line);
		slice_changed(w, key);
		break;
	case 3:
		objects_del(&w->objects, KIND_SERVICE, key);
		service_changed(w, key);
		break;
	default: w->members[node - 1].links[0].up = dice(seed, 2); set_members(w);
	}
}

static void test_incremental_equals_fresh(void **state)
{
	(void)state;
	unsigned seed = 7;
	struct world w;
	begin(&w, "iris2", false);
	build_line(&w.objects, "Node iris1");
	build_line(&w.objects, "Node iris2");
	build_line(&w.objects, POOL);
	build_line(&w.objects, AD);
	add_member(&w, "iris1");
	add_member(&w, "iris2");
	add_member(&w, "iris3");
	compile(&w);
	set_members(&w);
	for (int round = 0; round < 150; round++) {
		for (unsigned n = dice(&seed, 12); n; n--)
			one_event(&w, &seed);
		run(&w, t0);
		if (dice(&seed, 2))
			owner_changes_clear(w.owner);
		check_same(&w, "iris2");
	}
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_link_down_moves_and_back),
		cmocka_unit_test(test_interfaces_of_the_advertisement_count),
		cmocka_unit_test(test_member_gone_and_none_left),
		cmocka_unit_test(test_sharing),
		cmocka_unit_test(test_dual_stack_follows_the_first),
		cmocka_unit_test(test_slice_moves_between_services),
		cmocka_unit_test(test_restored),
		cmocka_unit_test(test_incremental_equals_fresh),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
