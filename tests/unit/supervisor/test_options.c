/* Flags, environment and defaults, and what each option refuses. */
#include "lib/run/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"

static int parse(const char *const *flags, struct options *o, char error[static 8192])
{
	char *argv[16] = { NULL };
	char storage[16][128];
	int n = 1;
	strcpy(storage[0], "ingotd");
	argv[0] = storage[0];
	/* The strings are kept: duplicates that this test frees at the end of the process would only be
	 * noise. */
	static char kept[64][128];
	static unsigned used;
	for (; *flags; flags++, n++) {
		char *copy = kept[used++ % ARRAY_LEN(kept)];
		strcpy(copy, *flags);
		argv[n] = copy;
	}
	return options_parse(n, argv, o, error, 8192);
}

static int clear_environment(void **state)
{
	(void)state;
	return clearenv();
}

static void test_defaults(void **state)
{
	(void)state;
	struct options o;
	char error[8192] = "";
	assert_int_equal(parse((const char *const[]){ NULL }, &o, error), 0);
#define X(field, flag, env, value, placeholder, told, help) assert_string_equal(o.field, value);
	OPTIONS(X)
#undef X
}

static void test_order_of_precedence(void **state)
{
	(void)state;
	struct options o;
	char error[8192] = "";
	setenv("INGOT_NODE", "from-env", 1);
	setenv("INGOT_ROLE", "node", 1);
	assert_int_equal(
	    parse((const char *const[]){ "--node=from-flag", "--log-level", "debug", NULL }, &o, error), 0);
	assert_string_equal(o.node, "from-flag");
	assert_string_equal(o.role, "node");
	assert_string_equal(o.log_level, "debug");
	assert_int_equal(options_from_env(&o, error, sizeof error), 0);
	assert_string_equal(o.node, "from-env");
	setenv("INGOT_GOSSIP_PORT", "0", 1);
	assert_int_equal(options_from_env(&o, error, sizeof error), -EINVAL);
	assert_string_equal(error, "INGOT_GOSSIP_PORT: \"0\" is not valid, expected a port from 1 to 65535");
}

static void test_good_values(void **state)
{
	(void)state;
	static const char *const good[] = {
		"--role=controller",
		"--source=dir:/etc/ingot",
		"--source=dir:x",
		"--node=node-1.example",
		"--run-dir=/run/x",
		"--kubeconfig=/root/.kube/config",
		"--pod-name=ingot-node-x7k2p",
		"--pod-uid=6f1b1d5c-6f0e-4f0e-9a55-1d2c3b4a5f60",
		"--state-dir=",
		"--coexist",
		"--ml-secret-name=metallb-memberlist",
		"--gossip-bind=fd00::1",
		"--gossip-port=65535",
		"--metrics=",
		"--metrics=[::]:9120",
		"--metrics=:0",
		"--health=127.0.0.1:1",
		"--bgp-listen=10.0.0.1:179",
		"--lb-class=example.com/x",
		"--ignore-exclude-lb",
		"--ignore-exclude-lb=no",
		"--log-format=json",
		"--log-level=none",
		"--uid-base=-1",
		"--uid-base=70000",
		"--libexec=/usr/libexec",
		"--sandbox=off",
	};
	for (unsigned i = 0; i < ARRAY_LEN(good); i++) {
		struct options o;
		char error[8192] = "";
		if (parse((const char *const[]){ good[i], NULL }, &o, error) != 0)
			fail_msg("%s: %s", good[i], error);
	}
}

static void test_bad_values_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *flag, *error;
	} bad[] = {
		{ "--role=none", "--role: \"none\" is not valid, expected node, controller or all" },
		{ "--source=dir:", "--source: \"dir:\" is not valid, expected k8s or dir:PATH" },
		{ "--node=a b", "--node: \"a b\" is not valid, expected a Kubernetes name" },
		{ "--node=a\x1b", "--node: \"a\\x1b\" is not valid, expected a Kubernetes name" },
		{ "--run-dir=", "--run-dir: \"\" is not valid, expected a path of at most 80 bytes" },
		{ "--pod-uid=a/b", "--pod-uid: \"a/b\" is not valid, expected a Kubernetes name" },
		{ "--coexist=x", "--coexist: \"x\" is not valid, expected true or false" },
		{ "--ml-secret-name=", "--ml-secret-name: \"\" is not valid, expected the name of a Secret" },
		{ "--gossip-bind=x", "--gossip-bind: \"x\" is not valid, expected an IP address" },
		{ "--gossip-port=65536",
		  "--gossip-port: \"65536\" is not valid, expected a port from 1 to 65535" },
		{ "--metrics=::1:5", "--metrics: \"::1:5\" is not valid, expected ADDRESS:PORT, with an IPv6 "
				     "address in brackets" },
		{ "--health=x:",
		  "--health: \"x:\" is not valid, expected ADDRESS:PORT, with an IPv6 address in brackets" },
		{ "--ignore-exclude-lb=maybe",
		  "--ignore-exclude-lb: \"maybe\" is not valid, expected true or false" },
		{ "--log-format=xml", "--log-format: \"xml\" is not valid, expected logfmt or json" },
		{ "--log-level=loud",
		  "--log-level: \"loud\" is not valid, expected all, debug, info, warn, error or none" },
		{ "--uid-base=0", "--uid-base: \"0\" is not valid, expected a user id" },
		{ "--sandbox=maybe", "--sandbox: \"maybe\" is not valid, expected on or off" },
		{ "--nonsense=1", "--nonsense: no such option" },
		{ "nonsense", "nonsense: unexpected argument" },
		{ "--node", "--node: a value is missing" },
	};
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		struct options o = { .node = "untouched" };
		char error[8192] = "";
		assert_int_equal(parse((const char *const[]){ bad[i].flag, NULL }, &o, error), -EINVAL);
		assert_string_equal(error, bad[i].error);
		assert_string_equal(o.node, "untouched");
	}
}

static void test_help_names_every_option(void **state)
{
	(void)state;
	struct options o;
	char error[8192] = "";
	assert_int_equal(parse((const char *const[]){ "--nonsense", "--help", NULL }, &o, error), 1);
#define X(field, flag, env, value, placeholder, told, help)                                                  \
	assert_non_null(strstr(error, "--" flag "=" placeholder));
	OPTIONS(X)
#undef X
	assert_int_equal(error[strlen(error) - 1], '\n');
	assert_int_equal(parse((const char *const[]){ "--version", NULL }, &o, error), 1);
	assert_string_equal(error, "ingotd " INGOT_VERSION "\n");
}

static void test_roles(void **state)
{
	(void)state;
	assert_int_equal(options_daemons("all"), ALL_ROOMS);
	assert_int_equal(options_daemons("node"), ALL_ROOMS & ~READS(ALLOCATOR));
	assert_int_equal(options_daemons("controller"), READS(WATCHER) | READS(ALLOCATOR) | READS(STATUSD));
	assert_int_equal(options_daemons(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_defaults, clear_environment),
		cmocka_unit_test_setup(test_order_of_precedence, clear_environment),
		cmocka_unit_test_setup(test_good_values, clear_environment),
		cmocka_unit_test_setup(test_bad_values_are_named, clear_environment),
		cmocka_unit_test_setup(test_help_names_every_option, clear_environment),
		cmocka_unit_test_setup(test_roles, clear_environment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
