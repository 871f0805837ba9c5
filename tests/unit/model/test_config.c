/* The compiler as a whole: look-ups, transient diagnostics, the digest, and that the order of arrival does
 * not show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "tests/unit/model/build.h"
#include "tests/unit/model/sample.h"

struct outcome {
	struct objects objects;
	struct config *config;
	struct diags diags;
};

static void compile(struct outcome *o, const char *const *lines, size_t n)
{
	struct config_input in = { &o->objects, BUILD_NAMESPACE, true };
	*o = (struct outcome){ 0 };
	objects_init(&o->objects);
	for (size_t i = 0; i < n; i++)
		build_line(&o->objects, lines[i]);
	assert_int_equal(config_compile(&in, &o->diags, &o->config), 0);
}

static void outcome_fini(struct outcome *o)
{
	config_free(o->config);
	diags_fini(&o->diags);
	objects_fini(&o->objects);
}

static void shuffle(const char **v, size_t n, uint64_t *seed)
{
	for (size_t i = n; i > 1; i--) {
		*seed = *seed * 6364136223846793005u + 1442695040888963407u;
		size_t j = (size_t)(*seed >> 33) % i;
		const char *t = v[i - 1];
		v[i - 1] = v[j];
		v[j] = t;
	}
}

static void test_any_order(void **state)
{
	(void)state;
	struct outcome want;
	struct strbuf want_text = { 0 };
	const char *lines[SAMPLE_N];
	uint64_t seed = 42;
	memcpy(lines, sample_lines, sizeof lines);
	compile(&want, lines, SAMPLE_N);
	dump_config(&want_text, want.config);
	assert_true(want.diags.n_errors > 0);
	for (int round = 0; round < 200; round++) {
		struct outcome got;
		struct strbuf text = { 0 };
		shuffle(lines, SAMPLE_N, &seed);
		compile(&got, lines, SAMPLE_N);
		dump_config(&text, got.config);
		assert_string_equal(strbuf_get(&text), strbuf_get(&want_text));
		assert_true(got.config->digest == want.config->digest);
		assert_int_equal(got.diags.n, want.diags.n);
		for (size_t i = 0; i < got.diags.n; i++)
			assert_string_equal(got.diags.v[i].message, want.diags.v[i].message);
		strbuf_fini(&text);
		outcome_fini(&got);
	}
	strbuf_fini(&want_text);
	outcome_fini(&want);
}

/* Each of these lines, added to the sample, changes what is compiled, and so the digest. */
static void test_digest_changes(void **state)
{
	(void)state;
	static const char *const changes[] = {
		"IPAddressPool a addresses=10.0.0.0/24,10.0.1.7-10.0.1.98 labels=tier=gold",
		"IPAddressPool a addresses=10.0.1.7-10.0.1.99,10.0.0.0/24 labels=tier=gold",
		"IPAddressPool a addresses=10.0.0.0/24,10.0.1.7-10.0.1.99 labels=tier=silver",
		("IPAddressPool b addresses=fd00::/120 service_allocation.namespaces=red "
		 "service_allocation.priority=2"),
		("IPAddressPool b addresses=fd00::/120 service_allocation.namespaces=blue "
		 "service_allocation.priority=1"),
		("IPAddressPool b addresses=fd00::/120 auto_assign=no service_allocation.namespaces=red "
		 "service_allocation.priority=1"),
		"Namespace green labels=team=blue",
		"Node n4 labels=host=n4,rack=a",
		"Node n1 labels=host=n1",
		"Community c1 communities=web=64512:3",
		"BFDProfile slow passive_mode=yes",
		"BFDProfile missing",
		"BGPPeer p2 my_asn=64512 dynamic_asn=internal peer_address=10.9.0.2 hold_time_ns=90000000000",
		"BGPPeer p2 my_asn=64512 dynamic_asn=external peer_address=10.9.0.2 hold_time_ns=93000000000",
		"BGPPeer p2 my_asn=64512 dynamic_asn=external peer_address=10.9.0.2",
		"BGPPeer p1 my_asn=64512 peer_asn=64513 peer_address=10.9.0.1 bfd_profile=fast",
		"Secret s type=Opaque keys=password",
		("L2Advertisement l2 ip_address_pools=a interfaces=eth0 node_selectors=rack=a "
		 "preferred_node_selectors=11/host=n1"),
		("L2Advertisement l2 ip_address_pools=a interfaces=eth1 node_selectors=rack=a "
		 "preferred_node_selectors=10/host=n1"),
		"L2Advertisement l3 ip_address_pools=a,nowhere service_selectors=app=mail",
		("BGPAdvertisement b3 aggregation_length=24 aggregation_length_v6=64 peers=p1,p8 "
		 "ip_address_pools=b,d"),
		("BGPAdvertisement b3 aggregation_length=23 aggregation_length_v6=64 peers=p1,p9 "
		 "ip_address_pools=b,d"),
		"BGPAdvertisement b1 communities=web,big local_pref=101 ip_address_pool_selectors=tier=gold",
	};
	const char *lines[SAMPLE_N + 1];
	struct outcome base;
	memcpy(lines, sample_lines, sizeof sample_lines);
	compile(&base, lines, SAMPLE_N);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct outcome got;
		lines[SAMPLE_N] = changes[i];
		compile(&got, lines, SAMPLE_N + 1);
		if (got.config->digest == base.config->digest)
			print_error("same digest: %s\n", changes[i]);
		assert_true(got.config->digest != base.config->digest);
		outcome_fini(&got);
	}
	outcome_fini(&base);
}

/* What does not reach the configuration does not change the digest. */
static void test_digest_stays(void **state)
{
	(void)state;
	static const char *const same[] = {
		"Secret other type=Opaque keys=x",
		"ConfigMap m data=a=b",
		"Service s ingress=10.0.0.1",
		"Namespace green labels=team=green",
		"Node n1 labels=host=n1,rack=a,extra=label",
		"IPAddressPool elsewhere/x addresses=10.99.0.0/16",
		"IPAddressPool broken addresses=nonsense",
	};
	const char *lines[SAMPLE_N + 1];
	struct outcome base;
	memcpy(lines, sample_lines, sizeof sample_lines);
	compile(&base, lines, SAMPLE_N);
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		struct outcome got;
		lines[SAMPLE_N] = same[i];
		compile(&got, lines, SAMPLE_N + 1);
		assert_true(got.config->digest == base.config->digest);
		outcome_fini(&got);
	}
	outcome_fini(&base);
}

static const char *pool_name(const struct config *c, const char *ip)
{
	addr_t a;
	assert_true(addr_parse(ip, &a));
	const struct pool *p = config_pool_of(c, a);
	if (p)
		assert_true(pool_contains(p, a));
	for (size_t i = 0; i < c->n_pools; i++)
		assert_int_equal(pool_contains(&c->pools[i], a), &c->pools[i] == p);
	return p ? p->name : "";
}

static void test_lookups(void **state)
{
	(void)state;
	static const struct {
		const char *ip, *pool;
	} table[] = {
		{ "9.255.255.255", "" },
		{ "10.0.0.0", "a" },
		{ "10.0.0.255", "a" },
		{ "10.0.1.6", "" },
		{ "10.0.1.7", "a" },
		{ "10.0.1.99", "a" },
		{ "10.0.1.100", "" },
		{ "10.3.0.0", "" },
		{ "10.3.0.1", "d" },
		{ "10.3.7.255", "" },
		{ "10.3.255.254", "d" },
		{ "10.4.0.0", "" },
		{ "fd00::", "b" },
		{ "fd00::ff", "b" },
		{ "fd00::100", "" },
		{ "fd00:1::", "d" },
		{ "::", "" },
		{ "0.0.0.0", "" },
		{ "255.255.255.255", "" },
		{ "ffff::", "" },
	};
	struct outcome o;
	compile(&o, sample_lines, SAMPLE_N);
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_string_equal(pool_name(o.config, table[i].ip), table[i].pool);
	assert_string_equal(config_pool(o.config, "d")->name, "d");
	assert_null(config_pool(o.config, "c"));
	assert_null(config_pool(o.config, ""));
	assert_string_equal(config_bfd_profile(o.config, "slow")->name, "slow");
	assert_null(config_bfd_profile(o.config, "missing"));
	outcome_fini(&o);
}

static const struct diag *find_diag(const struct diags *d, const char *fragment)
{
	for (size_t i = 0; i < d->n; i++)
		if (strstr(d->v[i].message, fragment))
			return &d->v[i];
	return NULL;
}

static void test_transient(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"BGPPeer a my_asn=1 peer_asn=2 peer_address=1.1.1.1 password_secret=missing origin=p.yaml:7",
		"BGPPeer b my_asn=1 peer_asn=2 peer_address=1.1.1.2 bfd_profile=missing",
		"BGPAdvertisement c communities=missing",
		"BGPAdvertisement d communities=1:99999999",
		"BGPPeer e peer_asn=2 peer_address=1.1.1.3",
	};
	static const struct {
		const char *fragment;
		bool transient;
	} table[] = {
		{ "secret ref not found", true },     { "non existing bfd profile", true },
		{ "invalid community format", true }, { "invalid community value", false },
		{ "missing local ASN", false },
	};
	struct outcome o;
	compile(&o, lines, ARRAY_LEN(lines));
	assert_int_equal(o.diags.n_errors, ARRAY_LEN(lines));
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct diag *d = find_diag(&o.diags, table[i].fragment);
		assert_non_null(d);
		assert_int_equal(d->transient, table[i].transient);
	}
	assert_string_equal(find_diag(&o.diags, "secret ref")->origin, "p.yaml:7");
	assert_string_equal(find_diag(&o.diags, "secret ref")->kind, "BGPPeer");
	assert_string_equal(find_diag(&o.diags, "secret ref")->name, BUILD_NAMESPACE "/a");
	outcome_fini(&o);
}

/* Text of a stranger in a message is escaped and cut. */
static void test_hostile_text(void **state)
{
	(void)state;
	struct outcome o;
	struct strbuf line = { 0 };
	strbuf_add(&line, "IPAddressPool p addresses=\x1b[2J\x01");
	for (int i = 0; i < 100000; i++)
		strbuf_char(&line, 'x');
	const char *lines[] = { strbuf_get(&line) };
	compile(&o, lines, 1);
	assert_int_equal(o.diags.n_errors, 1);
	assert_null(strchr(o.diags.v[0].message, '\x1b'));
	assert_true(strlen(o.diags.v[0].message) < 300);
	strbuf_fini(&line);
	outcome_fini(&o);
}

/* Messages as a broken publisher could send them: nothing but defaults, and a key that fits nothing. */
static void test_bare_messages(void **state)
{
	(void)state;
	struct outcome o = { 0 };
	struct config_input in = { &o.objects, "", true };
	objects_init(&o.objects);
	for (int k = 0; k < KIND_N; k++) {
		const ProtobufCMessageDescriptor *d = kind_descriptor((enum kind)k);
		ProtobufCMessage *m = calloc(1, d->sizeof_message);
		assert_non_null(m);
		protobuf_c_message_init(d, m);
		assert_int_equal(objects_put(&o.objects, (enum kind)k, "x/y/z", m), 0);
	}
	assert_int_equal(config_compile(&in, &o.diags, &o.config), 0);
	assert_int_equal(o.config->n_pools + o.config->n_peers + o.config->n_l2_ads + o.config->n_bgp_ads, 0);
	in.ns = NULL;
	config_free(o.config);
	assert_int_equal(config_compile(&in, NULL, &o.config), 0);
	outcome_fini(&o);
	config_free(NULL);
}

/* A thousand of each, to notice a quadratic accident: this takes well under a second. */
static void test_many(void **state)
{
	(void)state;
	struct outcome o = { 0 };
	struct config_input in = { &o.objects, BUILD_NAMESPACE, true };
	char line[256];
	objects_init(&o.objects);
	for (unsigned i = 0; i < 1000; i++) {
		str_fmt(line, sizeof line, "IPAddressPool p%u addresses=10.%u.%u.0/24 labels=n=%u", i,
			i / 256, i % 256, i);
		build_line(&o.objects, line);
		str_fmt(line, sizeof line, "L2Advertisement a%u ip_address_pools=p%u", i, i);
		build_line(&o.objects, line);
		str_fmt(line, sizeof line, "BGPAdvertisement b%u ip_address_pool_selectors=n=%u", i, i);
		build_line(&o.objects, line);
		str_fmt(line, sizeof line, "Node n%u labels=host=n%u", i, i);
		build_line(&o.objects, line);
		str_fmt(line, sizeof line,
			"BGPPeer t%u my_asn=%u peer_asn=1 peer_address=10.200.0.1 node_selectors=host=n%u", i,
			i + 1, i);
		build_line(&o.objects, line);
	}
	assert_int_equal(config_compile(&in, &o.diags, &o.config), 0);
	assert_int_equal(o.diags.n, 0);
	assert_int_equal(o.config->n_peers, 1000);
	assert_int_equal(o.config->n_spans, 1000);
	for (size_t i = 0; i < o.config->n_pools; i++) {
		assert_int_equal(o.config->pools[i].n_l2_ads, 1);
		assert_int_equal(o.config->pools[i].n_bgp_ads, 1);
	}
	outcome_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_order),     cmocka_unit_test(test_digest_changes),
		cmocka_unit_test(test_digest_stays),  cmocka_unit_test(test_lookups),
		cmocka_unit_test(test_transient),     cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_bare_messages), cmocka_unit_test(test_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
