/* Runs the cases of tests/conformance/model: objects in, configuration, diagnostics and announcements out.
 * The format is in README.txt there. Every case is also compiled from the same objects in reverse order,
 * which must change nothing. */
#include <dirent.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/model/announce.h"
#include "tests/unit/model/build.h"

enum { MAX_LINES = 256, MAX_WORDS = 64, MAX_LIVE = 32 };

struct test_case {
	const char *file, *name;
	size_t n;
	char *line[MAX_LINES];
	struct objects objects;
	struct config *config;
	struct diags diags;
	struct strbuf dump;
	bool ignore_exclude, secrets, live_given;
	char lb_class[64];
	size_t n_live, n_errors_wanted, n_failed;
	struct l2_node live[MAX_LIVE];
	char *live_names;
};

static void fail_case(struct test_case *t, const char *line, const char *why)
{
	print_error("%s: case %s\n\t%s\n\t%s\n", t->file, t->name, line, why);
	t->n_failed++;
}

static void report_state(const struct test_case *t)
{
	char text[2048];
	for (size_t i = 0; i < t->diags.n; i++)
		print_error("\t! %s\n", diag_text(&t->diags.v[i], text, sizeof text));
	print_error("%s", strbuf_get(&t->dump));
}

static bool any_diag(const struct test_case *t, enum diag_severity severity, const char *fragment)
{
	char text[4096];
	for (size_t i = 0; i < t->diags.n; i++)
		if (t->diags.v[i].severity == severity &&
		    strstr(diag_text(&t->diags.v[i], text, sizeof text), fragment))
			return true;
	return false;
}

/* The line of the dump that begins with "kind name ", as a copy; NULL when there is none. */
static char *dump_line(const struct test_case *t, const char *kind, const char *name)
{
	char head[512];
	str_fmt(head, sizeof head, "%s %s ", kind, name);
	for (const char *s = strbuf_get(&t->dump); *s; s = strchr(s, '\n') + 1)
		if (str_starts(s, head))
			return strndup(s, (size_t)(strchr(s, '\n') - s));
	return NULL;
}

static bool has_word(const char *line, const char *word)
{
	size_t n = strlen(word);
	for (const char *s = strstr(line, word); s; s = strstr(s + 1, word))
		if ((s == line || s[-1] == ' ') && (s[n] == ' ' || s[n] == '\0'))
			return true;
	return false;
}

static void check_has(struct test_case *t, const char *line, char *const *word, size_t n)
{
	char *found = n >= 2 ? dump_line(t, word[0], word[1]) : NULL;
	if (!found)
		fail_case(t, line, "not in the configuration");
	for (size_t i = 2; found && i < n; i++)
		if (!has_word(found, word[i]))
			fail_case(t, line, found);
	free(found);
}

static void check_words(struct test_case *t, const char *line, const char *got, char *const *word, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!has_word(got, word[i]))
			fail_case(t, line, got);
}

static const Ingot__Service *find_service(const struct test_case *t, const char *name)
{
	char key[OBJECT_KEY];
	return (const Ingot__Service *)objects_get(&t->objects, KIND_SERVICE,
						   object_key("default", name, key));
}

static void collect(const struct test_case *t, const char *service, struct endpoints *e)
{
	const Ingot__EndpointSlice *slices[MAX_LINES];
	size_t n = 0;
	map_each (&t->objects.by_kind[KIND_ENDPOINTS], entry) {
		const Ingot__EndpointSlice *s = entry->value;
		if (strcmp(s->service_name, service) == 0)
			slices[n++] = s;
	}
	assert_int_equal(endpoints_collect(slices, n, e), 0);
}

static void verdict_text(struct strbuf *b, enum withdraw_reason r)
{
	const char *text = withdraw_reason_text(r);
	strbuf_add(b, *text ? text : "announce");
}

static void l2_text(struct strbuf *b, const struct l2_verdict *v)
{
	verdict_text(b, v->reason);
	strbuf_fmt(b, " owner=%s successor=%s candidates=%zu score=%" PRId64 " interfaces=", v->owner,
		   v->successor, v->n_candidates, v->owner_score);
	if (v->all_interfaces)
		strbuf_add(b, "all");
	for (size_t i = 0; i < v->interfaces.n; i++)
		strbuf_fmt(b, "%s%s", i ? "," : "", v->interfaces.v[i]);
	strbuf_fmt(b, " lacks_link=%s", v->lacks_link ? "yes" : "no");
	strbuf_add(b, " why=");
	for (const char *s = v->why; *s; s++)
		strbuf_char(b, *s == ' ' ? '_' : *s);
}

static void route_text(struct strbuf *b, const struct bgp_route *r)
{
	char text[PREFIX_TEXT], community[COMMUNITY_TEXT];
	strbuf_fmt(b, "%s@%" PRIu32 "[", prefix_text(r->prefix, text), r->local_pref);
	for (size_t i = 0; i < r->n_communities; i++)
		strbuf_fmt(b, "%s%s", i ? "," : "", community_text(r->communities[i], community));
	strbuf_add(b, "]{");
	for (size_t i = 0; i < r->peers->n; i++)
		strbuf_fmt(b, "%s%s", i ? "," : "", r->peers->v[i]);
	strbuf_char(b, '}');
}

static void run_l2(struct test_case *t, struct strbuf *b, const struct service_addresses *a,
		   const Ingot__Service *s, const struct endpoints *e, const char *node)
{
	struct l2_verdict v;
	assert_int_equal(l2_decide(a, s, e, t->live, t->n_live, node, t->ignore_exclude, &v), 0);
	l2_text(b, &v);
	l2_verdict_fini(&v);
}

static void run_bgp(struct test_case *t, struct strbuf *b, const struct service_addresses *a,
		    const Ingot__Service *s, const struct endpoints *e, const char *node)
{
	struct bgp_verdict v;
	const Ingot__Node *own = (const Ingot__Node *)objects_get(&t->objects, KIND_NODE, node);
	assert_int_equal(bgp_decide(a, s, e, node, own, t->ignore_exclude, &v), 0);
	verdict_text(b, v.reason);
	strbuf_add(b, " routes=");
	for (size_t i = 0; i < v.n_routes; i++) {
		strbuf_add(b, i ? "|" : "");
		route_text(b, &v.routes[i]);
	}
	bgp_verdict_fini(&v);
}

/* l2|bgp SERVICE NODE REASON WORD... */
static void check_verdict(struct test_case *t, const char *line, bool is_l2, char *const *word, size_t n)
{
	const Ingot__Service *s = n >= 3 ? find_service(t, word[0]) : NULL;
	struct service_addresses a;
	struct endpoints e;
	struct strbuf got = { 0 };
	enum withdraw_reason r = service_gate(t->config, s, t->lb_class, &a);
	if (n < 3) {
		fail_case(t, line, "service, node and reason are wanted");
		return;
	}
	collect(t, word[0], &e);
	if (r != WITHDRAW_ANNOUNCE)
		verdict_text(&got, r);
	else if (is_l2)
		run_l2(t, &got, &a, s, &e, word[1]);
	else
		run_bgp(t, &got, &a, s, &e, word[1]);
	check_words(t, line, strbuf_get(&got), word + 2, n - 2);
	endpoints_fini(&e);
	strbuf_fini(&got);
}

static int cmp_live(const void *a, const void *b)
{
	return strcmp(((const struct l2_node *)a)->name, ((const struct l2_node *)b)->name);
}

static void add_live(struct test_case *t, const char *name, bool link_ok)
{
	assert_true(t->n_live < MAX_LIVE);
	t->live[t->n_live++] =
	    (struct l2_node){ name, (const Ingot__Node *)objects_get(&t->objects, KIND_NODE, name), link_ok };
}

/* Without a line "live", every known node is. */
static void settle_live(struct test_case *t)
{
	char *rest = t->live_names;
	for (char *name; rest && (name = strsep(&rest, " "));) {
		size_t n = strlen(name);
		bool down = n > 0 && name[n - 1] == '!';
		if (down)
			name[n - 1] = '\0';
		if (*name)
			add_live(t, name, !down);
	}
	if (!t->live_names)
		map_each (&t->objects.by_kind[KIND_NODE], e)
			add_live(t, e->key, true);
	qsort(t->live, t->n_live, sizeof *t->live, cmp_live);
}

static void set_option(struct test_case *t, const char *line, char *const *word, size_t n)
{
	if (n == 1 && strcmp(word[0], "ignore-exclude") == 0)
		t->ignore_exclude = true;
	else if (n == 1 && strcmp(word[0], "secrets") == 0)
		t->secrets = true;
	else if (n == 2 && strcmp(word[0], "class") == 0)
		str_fmt(t->lb_class, sizeof t->lb_class, "%s", word[1]);
	else
		fail_case(t, line, "no such option");
}

static bool is_check(const char *word)
{
	static const char *const checks[] = { "ok", "errors", "error", "warning", "has", "no", "l2", "bgp" };
	for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
		if (strcmp(checks[i], word) == 0)
			return true;
	return false;
}

/* Objects and options, in the given or the reverse order. */
static void build(struct test_case *t, bool backwards)
{
	objects_init(&t->objects);
	for (size_t i = 0; i < t->n; i++) {
		char *copy = strdup(t->line[backwards ? t->n - 1 - i : i]), *word[MAX_WORDS];
		size_t n = build_words(copy, word, MAX_WORDS);
		const char *bad = NULL;
		if (n > 0 && strcmp(word[0], "option") == 0)
			set_option(t, t->line[i], word + 1, n - 1);
		else if (n > 0 && strcmp(word[0], "live") == 0)
			bad = NULL;
		else if (n > 0 && !is_check(word[0]))
			bad = build_object(&t->objects, word, n);
		if (bad)
			fail_case(t, t->line[backwards ? t->n - 1 - i : i], bad);
		free(copy);
	}
}

static void compile(struct test_case *t)
{
	struct config_input in = { &t->objects, BUILD_NAMESPACE, t->secrets };
	assert_int_equal(config_compile(&in, &t->diags, &t->config), 0);
	dump_config(&t->dump, t->config);
}

/* The fragment of "error FRAGMENT" is the rest of the line. */
static const char *rest_of(const char *line)
{
	const char *s = line + strspn(line, " \t");
	s += strcspn(s, " \t");
	return s + strspn(s, " \t");
}

static void check_line(struct test_case *t, const char *line)
{
	char *copy = strdup(line), *word[MAX_WORDS];
	size_t n = build_words(copy, word, MAX_WORDS);
	const char *check = n ? word[0] : "";
	if (strcmp(check, "ok") == 0 && t->diags.n_errors > 0)
		fail_case(t, line, "there are errors");
	else if (strcmp(check, "errors") == 0 && t->diags.n_errors != strtoul(word[1], NULL, 10))
		fail_case(t, line, "another number of errors");
	else if (strcmp(check, "error") == 0 && !any_diag(t, DIAG_ERROR, rest_of(line)))
		fail_case(t, line, "no such error");
	else if (strcmp(check, "warning") == 0 && !any_diag(t, DIAG_WARNING, rest_of(line)))
		fail_case(t, line, "no such warning");
	else if (strcmp(check, "has") == 0)
		check_has(t, line, word + 1, n - 1);
	else if (strcmp(check, "l2") == 0 || strcmp(check, "bgp") == 0)
		check_verdict(t, line, check[0] == 'l', word + 1, n - 1);
	else if (strcmp(check, "no") == 0) {
		char *found = n == 3 ? dump_line(t, word[1], word[2]) : NULL;
		if (found || n != 3)
			fail_case(t, line, found ? found : "kind and name are wanted");
		free(found);
	}
	free(copy);
}

static void check_reverse(struct test_case *t)
{
	struct test_case u = { .file = t->file, .name = t->name, .n = t->n };
	memcpy(u.line, t->line, sizeof u.line);
	build(&u, true);
	compile(&u);
	if (u.config->digest != t->config->digest)
		fail_case(t, "reverse order", "gives another digest");
	if (strcmp(strbuf_get(&u.dump), strbuf_get(&t->dump)) != 0)
		fail_case(t, "reverse order", strbuf_get(&u.dump));
	if (u.diags.n != t->diags.n || u.diags.n_errors != t->diags.n_errors)
		fail_case(t, "reverse order", "gives other diagnostics");
	config_free(u.config);
	diags_fini(&u.diags);
	strbuf_fini(&u.dump);
	objects_fini(&u.objects);
}

static size_t run_case(struct test_case *t)
{
	size_t checks = 0;
	build(t, false);
	for (size_t i = 0; i < t->n; i++) {
		char first[16] = "";
		sscanf(t->line[i], "%15s", first);
		checks += is_check(first);
		if (strcmp(first, "live") == 0)
			t->live_names = strdup(rest_of(t->line[i]));
	}
	compile(t);
	char *live_names = t->live_names;
	settle_live(t);
	for (size_t i = 0; i < t->n; i++)
		check_line(t, t->line[i]);
	check_reverse(t);
	if (checks == 0)
		fail_case(t, "", "a case without a check");
	if (t->n_failed)
		report_state(t);
	config_free(t->config);
	diags_fini(&t->diags);
	strbuf_fini(&t->dump);
	objects_fini(&t->objects);
	free(live_names);
	for (size_t i = 0; i < t->n; i++)
		free(t->line[i]);
	return t->n_failed;
}

struct totals {
	size_t cases, failed;
};

static void finish(struct test_case *t, struct totals *totals)
{
	if (t->name && t->n > 0) {
		totals->cases++;
		totals->failed += run_case(t) > 0;
	}
}

static void run_file(const char *path, const char *base, struct totals *totals)
{
	FILE *f = fopen(path, "r");
	char line[4096], name[256] = "";
	assert_non_null(f);
	struct test_case t = { .file = base };
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = '\0';
		const char *s = line + strspn(line, " \t");
		if (!*s || *s == '#')
			continue;
		if (str_starts(s, "case ")) {
			finish(&t, totals);
			str_fmt(name, sizeof name, "%s", s + 5);
			t = (struct test_case){ .file = base, .name = name };
			continue;
		}
		assert_true(t.n < MAX_LINES && t.name);
		t.line[t.n++] = strdup(s);
	}
	finish(&t, totals);
	fclose(f);
}

static void test_files(void **state)
{
	(void)state;
	const char *root = getenv("INGOT_SOURCE_DIR");
	char dir[1024], path[2048];
	struct totals totals = { 0 };
	str_fmt(dir, sizeof dir, "%s/tests/conformance/model", root ? root : ".");
	struct dirent **v;
	int n = scandir(dir, &v, NULL, alphasort);
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		size_t len = strlen(v[i]->d_name);
		str_fmt(path, sizeof path, "%s/%s", dir, v[i]->d_name);
		if (len > 6 && strcmp(v[i]->d_name + len - 6, ".cases") == 0)
			run_file(path, v[i]->d_name, &totals);
		free(v[i]);
	}
	free(v);
	print_message("%zu cases, %zu failed\n", totals.cases, totals.failed);
	assert_true(totals.cases > 100);
	assert_int_equal(totals.failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_files) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
