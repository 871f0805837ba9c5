/* Options as data: flags and environment into one struct, checked. Runs in the supervisor (flags) and in its
 * children (environment only). Reads argv and the environment, nothing else; keeps pointers into them. */
#include "lib/run/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/addr.h"
#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/run/log.h"

struct option_row {
	const char *flag, *env, *value, *placeholder, *help;
	size_t offset;
};
static const struct option_row rows[] = {
#define X(field, flag, env, value, placeholder, told, help)                                                  \
	{ flag, env, value, placeholder, help, offsetof(struct options, field) },
	OPTIONS(X)
#undef X
};

static const char **slot_of(struct options *o, const struct option_row *row)
{
	/* Every field of the struct is a const char *, made from the same table. */
	return (const char **)(void *)((char *)o + row->offset);
}

bool options_bool(const char *value)
{
	static const char *const yes[] = { "true", "1", "yes", "on" };
	for (unsigned i = 0; value && i < ARRAY_LEN(yes); i++)
		if (strcmp(value, yes[i]) == 0)
			return true;
	return false;
}

unsigned options_daemons(const char *role)
{
	const unsigned node = READS(WATCHER) | READS(GOSSIPD) | READS(L2D) | READS(BGPD) | READS(STATUSD);
	const unsigned controller = READS(WATCHER) | READS(ALLOCATOR) | READS(STATUSD);
	if (strcmp(role, "node") == 0)
		return node;
	if (strcmp(role, "controller") == 0)
		return controller;
	return strcmp(role, "all") == 0 ? node | controller : 0;
}

/* Checks return NULL, or what the value should have been. */
static const char *check_role(const char *v)
{
	return options_daemons(v) ? NULL : "node, controller or all";
}

static const char *check_source(const char *v)
{
	if (strcmp(v, "k8s") == 0 || (str_starts(v, "dir:") && v[4] != 0 && strlen(v) <= 250))
		return NULL;
	return "k8s or dir:PATH";
}

static const char *check_path_or_empty(const char *v)
{
	return strlen(v) <= 250 ? NULL : "a path of at most 250 bytes";
}

/* The folder holds Unix sockets, whose paths have at most 107 bytes (unix(7)). */
static const char *check_run_dir(const char *v)
{
	return v[0] && strlen(v) <= 80 ? NULL : "a path of at most 80 bytes";
}

static const char *check_name(const char *v)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
	return strlen(v) <= 253 && strspn(v, allowed) == strlen(v) ? NULL : "a Kubernetes name";
}

static const char *check_secret_name(const char *v)
{
	return v[0] ? check_name(v) : "the name of a Secret";
}

static const char *check_class(const char *v)
{
	return strlen(v) <= 253 && strcspn(v, " \t\r\n\"\\") == strlen(v) ? NULL : "a load balancer class";
}

static const char *check_address(const char *v)
{
	addr_t a;
	return v[0] == 0 || addr_parse(v, &a) ? NULL : "an IP address";
}

static const char *check_port(const char *v)
{
	unsigned long long port;
	return str_to_u64(v, strlen(v), 65535, &port) && port > 0 ? NULL : "a port from 1 to 65535";
}

static const char *check_listener(const char *v)
{
	static const char want[] = "ADDRESS:PORT, with an IPv6 address in brackets";
	const char *colon = strrchr(v, ':');
	unsigned long long port;
	addr_t a;
	if (v[0] == 0)
		return NULL;
	if (!colon || !str_to_u64(colon + 1, strlen(colon + 1), 65535, &port))
		return want;
	size_t n = (size_t)(colon - v);
	if (n == 0)
		return NULL;
	if (v[0] == '[')
		return n > 2 && colon[-1] == ']' && addr_parse_n(v + 1, n - 2, &a) ? NULL : want;
	return addr_parse_n(v, n, &a) && a.family == FAMILY_V4 ? NULL : want;
}

static const char *check_bool(const char *v)
{
	static const char *const no[] = { "false", "0", "no", "off" };
	for (unsigned i = 0; i < ARRAY_LEN(no); i++)
		if (strcmp(v, no[i]) == 0)
			return NULL;
	return options_bool(v) ? NULL : "true or false";
}

static const char *check_format(const char *v)
{
	return strcmp(v, "logfmt") == 0 || strcmp(v, "json") == 0 ? NULL : "logfmt or json";
}

static const char *check_level(const char *v)
{
	enum log_level l;
	return log_level_parse(v, &l) ? NULL : "all, debug, info, warn, error or none";
}

/* -1: the daemons run as the user who started the supervisor. */
static const char *check_uid(const char *v)
{
	unsigned long long uid;
	return strcmp(v, "-1") == 0 || (str_to_u64(v, strlen(v), UINT32_MAX - 1000, &uid) && uid > 0)
		   ? NULL
		   : "a user id";
}

static const char *check_switch(const char *v)
{
	return strcmp(v, "on") == 0 || strcmp(v, "off") == 0 ? NULL : "on or off";
}

static const struct {
	const char *flag;
	const char *(*check)(const char *value);
} checks[] = {
	{ "role", check_role },
	{ "source", check_source },
	{ "node", check_name },
	{ "run-dir", check_run_dir },
	{ "namespace", check_name },
	{ "kubeconfig", check_path_or_empty },
	{ "pod-name", check_name },
	{ "pod-uid", check_name },
	{ "state-dir", check_path_or_empty },
	{ "coexist", check_bool },
	{ "gossip-bind", check_address },
	{ "gossip-port", check_port },
	{ "gossip-key-file", check_path_or_empty },
	{ "ml-secret-name", check_secret_name },
	{ "metrics", check_listener },
	{ "health", check_listener },
	{ "bgp-listen", check_listener },
	{ "lb-class", check_class },
	{ "ignore-exclude-lb", check_bool },
	{ "log-format", check_format },
	{ "log-level", check_level },
	{ "uid-base", check_uid },
	{ "libexec", check_path_or_empty },
	{ "sandbox", check_switch },
};
_Static_assert(ARRAY_LEN(checks) == ARRAY_LEN(rows), "every option is checked");

static const char *check_value(const struct option_row *row, const char *value)
{
	for (unsigned i = 0; i < ARRAY_LEN(checks); i++)
		if (strcmp(checks[i].flag, row->flag) == 0)
			return checks[i].check(value);
	must(false);
	return NULL;
}

static int set(struct options *o, const struct option_row *row, const char *value, bool from_env, char *error,
	       unsigned long size)
{
	const char *want = check_value(row, value);
	if (want) {
		char shown[128];
		str_escape(value, strlen(value), shown, sizeof shown);
		str_fmt(error, size, "%s%s: \"%s\" is not valid, expected %s", from_env ? "" : "--",
			from_env ? row->env : row->flag, shown, want);
		return -EINVAL;
	}
	*slot_of(o, row) = value;
	return 0;
}

int options_from_env(struct options *ret, char *error, unsigned long error_size)
{
	struct options o;
	memset(&o, 0, sizeof o);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		const char *value = getenv(rows[i].env);
		int r = set(&o, &rows[i], value ? value : rows[i].value, value != NULL, error, error_size);
		if (r < 0)
			return r;
	}
	*ret = o;
	return 0;
}

static const struct option_row *find_flag(const char *text, size_t n)
{
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		if (strlen(rows[i].flag) == n && memcmp(rows[i].flag, text, n) == 0)
			return &rows[i];
	return NULL;
}

static void write_help(char *text, unsigned long size)
{
	size_t at = 0;
	str_fmt(
	    text, size,
	    "Usage: ingotd [OPTION]...\n"
	    "Gives Services of type LoadBalancer an address and announces it. Runs in the foreground.\n\n");
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		char left[96], value[64] = "";
		str_fmt(left, sizeof left, "--%s=%s", rows[i].flag, rows[i].placeholder);
		if (rows[i].value[0])
			str_fmt(value, sizeof value, " [%s]", rows[i].value);
		at = strlen(text);
		str_fmt(text + at, size - at, "  %-38s %s%s\n", left, rows[i].help, value);
	}
	at = strlen(text);
	str_fmt(text + at, size - at,
		"  %-38s %s\n  %-38s %s\n\nEvery option can also be given in the environment: --run-dir is "
		"INGOT_RUN_DIR.\n"
		"SIGTERM stops in order, SIGHUP reads files again.\n",
		"--help", "this text", "--version", "the version");
}

/* One argument (and perhaps its value in the next one); the number of arguments used, or a negative errno. */
static int parse_one(char **argv, int left, struct options *o, char *error, unsigned long size)
{
	const char *arg = argv[0];
	char shown[128];
	if (!str_starts(arg, "--")) {
		str_fmt(error, size, "%s: unexpected argument",
			str_escape(arg, strlen(arg), shown, sizeof shown));
		return -EINVAL;
	}
	size_t n = strcspn(arg + 2, "=");
	const struct option_row *row = find_flag(arg + 2, n);
	if (!row) {
		str_fmt(error, size, "%s: no such option", str_escape(arg, 2 + n, shown, sizeof shown));
		return -EINVAL;
	}
	const char *value = arg[2 + n] == '=' ? arg + 2 + n + 1 : NULL;
	if (!value && strcmp(row->placeholder, "BOOL") == 0) {
		int r = set(o, row, "true", false, error, size);
		return r < 0 ? r : 1;
	}
	if (!value && left < 2) {
		str_fmt(error, size, "--%s: a value is missing", row->flag);
		return -EINVAL;
	}
	int used = value ? 1 : 2;
	int r = set(o, row, value ? value : argv[1], false, error, size);
	return r < 0 ? r : used;
}

int options_parse(int argc, char **argv, struct options *ret, char *error, unsigned long error_size)
{
	struct options o;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			write_help(error, error_size);
			return 1;
		}
		if (strcmp(argv[i], "--version") == 0) {
			str_fmt(error, error_size, "ingotd %s\n", INGOT_VERSION);
			return 1;
		}
	}
	int r = options_from_env(&o, error, error_size);
	if (r < 0)
		return r;
	for (int i = 1; i < argc; i += r) {
		r = parse_one(argv + i, argc - i, &o, error, error_size);
		if (r < 0)
			return r;
	}
	*ret = o;
	return 0;
}
