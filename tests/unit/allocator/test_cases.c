/* Drives the scripts of tests/conformance/allocator: each YAML document is a list of pools and a list of
 * steps "NAME | VERB ARGUMENTS | EXPECTATION". tests/conformance/allocator/README.md explains verbs and
 * expectations. */
#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <yaml.h>

#include "allocator/source.h"
#include "lib/base/must.h"
#include "lib/model/name_set.h"
#include "tests/unit/allocator/fixture.h"

enum { STRINGS = 256, CASES = 200 };

struct strings {
	char *v[STRINGS];
	size_t n;
};
struct script {
	char file[300], *name;
	struct strings pools, namespaces, steps;
	char *lb_class;
};

/* The state of one run. */
struct run {
	const struct script *script;
	struct board board;
	struct objects objects;
	struct source source;
	struct config *config;
	struct name_set broken;
	struct map published; /* key -> Ingot__Assignment * */
	struct map warned;    /* key -> (void *)id of the newest Warning */
	bool seen_deleted;
	mono_t now;
	const char *step;
};

static void free_assignment(void *a)
{
	ingot__assignment__free_unpacked(a, NULL);
}

static void on_assignment(void *ctx, const char *key, const Ingot__Assignment *a)
{
	struct run *r = ctx;
	void *old = NULL;
	if (a) {
		size_t n = ingot__assignment__get_packed_size(a);
		uint8_t *packed = malloc(n + 1);
		ingot__assignment__pack(a, packed);
		must(map_set(&r->published, key, ingot__assignment__unpack(NULL, n, packed), &old) == 0);
		free(packed);
	} else {
		old = map_del(&r->published, key);
	}
	free_assignment(old);
}

static void settle(struct run *r)
{
	while (board_run(&r->board, &r->objects, r->now, 7))
		;
}

static void configure(struct run *r)
{
	struct diags d = { 0 };
	struct config *next;
	struct name_set broken = { 0 };
	bool stale;
	must(source_compile(&r->source, &r->objects, FIXTURE_NS, &d, &next, &broken, &stale) == 0);
	diags_fini(&d);
	bool deleted = r->seen_deleted && map_len(&r->objects.by_kind[KIND_POOL]) == 0;
	must(board_configure(&r->board, next, &broken, deleted, &r->objects, r->now) == 0);
	config_free(r->config);
	name_set_fini(&r->broken);
	r->config = next;
	r->broken = broken;
	r->board.broken = &r->broken;
}

static void drop_pools(struct run *r)
{
	map_each (&r->objects.by_kind[KIND_POOL], e) {
		objects_del(&r->objects, KIND_POOL, e->key);
	}
}

static void begin(struct run *r)
{
	static const struct board_sink sink = { .assignment = on_assignment };
	board_init(&r->board, r->script->lb_class, &sink, r);
	must(board_lead(&r->board, true, &r->objects, r->now) == 0);
}

static void start(struct run *r, const struct script *s)
{
	*r = (struct run){ .script = s, .now = { SEC(100) } };
	objects_init(&r->objects);
	source_init(&r->source);
	map_init(&r->published);
	map_init(&r->warned);
	for (size_t i = 0; i < s->pools.n; i++)
		fixture_pool(&r->objects, s->pools.v[i]);
	for (size_t i = 0; i < s->namespaces.n; i++)
		fixture_namespace(&r->objects, s->namespaces.v[i]);
	begin(r);
	configure(r);
}

static void stop(struct run *r)
{
	board_fini(&r->board);
	source_fini(&r->source);
	config_free(r->config);
	name_set_fini(&r->broken);
	objects_fini(&r->objects);
	map_fini(&r->published, free_assignment);
	map_fini(&r->warned, NULL);
}

/* ---- what is seen, as words ---- */

static void see_holder(struct run *r, const char *key, struct strbuf *out)
{
	char text[ADDR_TEXT];
	const struct holder *h = alloc_holder(&r->board.alloc, key);
	for (size_t i = 0; h && i < h->n; i++)
		strbuf_fmt(out, "%s ", addr_text(h->seat[i].ip->addr, text));
	if (!h)
		strbuf_add(out, "none ");
}

static bool new_warning(struct run *r, const char *key, const Ingot__Assignment *a)
{
	uint64_t before = (uint64_t)(uintptr_t)map_get(&r->warned, key), newest = before;
	for (size_t i = 0; i < a->n_events; i++)
		if (a->events[i]->warning && a->events[i]->id > newest)
			newest = a->events[i]->id;
	must(map_set(&r->warned, key, (void *)(uintptr_t)newest, NULL) == 0);
	return newest > before;
}

static void see_assignment(struct run *r, const char *key, struct strbuf *out)
{
	const Ingot__Assignment *a = map_get(&r->published, key);
	if (!a) {
		strbuf_add(out, "silent ");
		return;
	}
	for (size_t i = 0; i < a->n_ips; i++)
		strbuf_fmt(out, "%s ", a->ips[i]);
	if (a->n_ips == 0)
		strbuf_add(out, a->clear ? "cleared " : "untouched ");
	if (*a->reason)
		strbuf_fmt(out, "%s ", a->reason);
	if (*a->pool)
		strbuf_fmt(out, "pool=%s ", a->pool);
	strbuf_add(out, new_warning(r, key, a) ? "warn " : "quiet ");
	if (a->n_events)
		strbuf_fmt(out, "event=%s ", a->events[a->n_events - 1]->reason);
}

/* ---- verbs ---- */

static int low_level(struct run *r, const char *verb, char *args, struct alloc_error *error)
{
	struct fixture_request q;
	char *pool = NULL;
	if (strcmp(verb, "from") == 0) {
		pool = strsep(&args, " ");
		must(args);
	}
	fixture_request(args, &q);
	if (pool)
		return alloc_from_pool(&r->board.alloc, &q.r, pool, r->now, error);
	if (strcmp(verb, "auto") == 0)
		return alloc_auto(&r->board.alloc, &q.r, r->now, error);
	return alloc_assign(&r->board.alloc, &q.r, q.ips, q.n_ips, r->now, error);
}

static void do_low_level(struct run *r, const char *verb, char *args, struct strbuf *seen)
{
	struct alloc_error error = { 0 };
	struct strbuf before = { 0 }, after = { 0 };
	char copy[256];
	must(str_fmt(copy, sizeof copy, "%s", args));
	char *name = copy;
	if (strcmp(verb, "from") == 0)
		strsep(&name, " ");
	name = strsep(&name, " ");
	see_holder(r, name, &before);
	int e = low_level(r, verb, args, &error);
	see_holder(r, name, &after);
	if (e < 0) {
		strbuf_fmt(seen, "error %s ", alloc_reason_word(error.reason));
		must(*error.text);
		if (strcmp(strbuf_get(&before), strbuf_get(&after)) != 0)
			fail_msg("%s: a failure changed what %s holds", r->step, name);
	} else {
		strbuf_fmt(seen, "ok %s", strbuf_get(&after));
	}
	strbuf_fini(&before);
	strbuf_fini(&after);
}

static void confirm(struct run *r)
{
	map_each (&r->published, e) {
		const Ingot__Assignment *a = e->value;
		const Ingot__Service *s =
		    (const Ingot__Service *)objects_get(&r->objects, KIND_SERVICE, e->key);
		if (!s || (a->n_ips == 0 && !a->clear))
			continue;
		size_t n = ingot__service__get_packed_size(s);
		uint8_t *packed = malloc(n + 1);
		ingot__service__pack(s, packed);
		Ingot__Service *copy = ingot__service__unpack(NULL, n, packed);
		free(packed);
		for (size_t i = 0; i < copy->n_ingress; i++)
			ingot__load_balancer_ingress__free_unpacked(copy->ingress[i], NULL);
		copy->ingress = realloc(copy->ingress, (a->n_ips + 1) * sizeof *copy->ingress);
		for (copy->n_ingress = 0; copy->n_ingress < a->n_ips; copy->n_ingress++) {
			Ingot__LoadBalancerIngress *in = malloc(sizeof *in);
			ingot__load_balancer_ingress__init(in);
			in->ip = strdup(a->ips[copy->n_ingress]);
			copy->ingress[copy->n_ingress] = in;
		}
		must(objects_put(&r->objects, KIND_SERVICE, e->key, &copy->base) == 0);
		board_touch(&r->board, e->key);
	}
	settle(r);
}

static void reload(struct run *r, char *args)
{
	r->seen_deleted = map_len(&r->objects.by_kind[KIND_POOL]) > 0;
	drop_pools(r);
	for (char *p; args && (p = strsep(&args, ";"));)
		if (p[strspn(p, " ")])
			fixture_pool(&r->objects, p);
	configure(r);
	settle(r);
}

static void restart(struct run *r)
{
	board_fini(&r->board);
	map_fini(&r->published, free_assignment);
	map_init(&r->published);
	map_fini(&r->warned, NULL);
	map_init(&r->warned);
	config_free(r->config);
	r->config = NULL;
	r->seen_deleted = false;
	begin(r);
	configure(r);
	settle(r);
}

static void keyed(const char *name, char key[static OBJECT_KEY])
{
	must(str_fmt(key, OBJECT_KEY, "%s%s", strchr(name, '/') ? "" : "default/", name));
}

static bool service_verb(struct run *r, const char *verb, char *args, struct strbuf *seen)
{
	char key[OBJECT_KEY];
	if (strcmp(verb, "apply") == 0 || strcmp(verb, "put") == 0) {
		fixture_service(&r->objects, args, key);
		board_touch(&r->board, key);
		if (*verb == 'p')
			return true; /* decided together with the next step */
		settle(r);
	} else if (strcmp(verb, "delete") == 0) {
		keyed(args, key);
		must(objects_del(&r->objects, KIND_SERVICE, key));
		board_touch(&r->board, key);
		settle(r);
	} else if (strcmp(verb, "see") == 0) {
		keyed(args, key);
	} else {
		return false;
	}
	see_assignment(r, key, seen);
	return true;
}

static void count(struct run *r, const char *pool, struct strbuf *seen)
{
	Ingot__PoolStatus s;
	const struct pool *p = config_pool(r->config, pool);
	if (!p) {
		strbuf_add(seen, "gone ");
		return;
	}
	board_pool_status(&r->board, p, &s);
	strbuf_fmt(seen, "used=%lld+%lld available=%lld+%lld total=%lld+%lld ", (long long)s.assigned_v4,
		   (long long)s.assigned_v6, (long long)s.available_v4, (long long)s.available_v6,
		   (long long)s.total_v4, (long long)s.total_v6);
}

static void release_all(struct run *r)
{
	map_each (&r->board.alloc.holders, e) {
		char key[256];
		must(str_fmt(key, sizeof key, "%s", e->key));
		alloc_release(&r->board.alloc, key, r->now);
	}
}

static void run_verb(struct run *r, const char *verb, char *args, struct strbuf *seen)
{
	if (strcmp(verb, "assign") == 0 || strcmp(verb, "from") == 0 || strcmp(verb, "auto") == 0) {
		do_low_level(r, verb, args, seen);
	} else if (strcmp(verb, "release") == 0) {
		alloc_release(&r->board.alloc, args, r->now);
	} else if (strcmp(verb, "release-all") == 0) {
		release_all(r);
	} else if (strcmp(verb, "holds") == 0) {
		see_holder(r, args, seen);
	} else if (strcmp(verb, "pool-of") == 0) {
		const struct holder *h = alloc_holder(&r->board.alloc, args);
		strbuf_fmt(seen, "%s ", h ? alloc_pool_of(&r->board.alloc, h)->name : "none");
	} else if (strcmp(verb, "count") == 0) {
		count(r, args, seen);
	} else if (strcmp(verb, "pools") == 0) {
		reload(r, args);
	} else if (strcmp(verb, "advance") == 0) {
		r->now = mono_add(r->now, MS(atoi(args)));
	} else if (strcmp(verb, "confirm") == 0) {
		confirm(r);
	} else if (strcmp(verb, "restart") == 0) {
		restart(r);
	} else if (strcmp(verb, "follow") == 0 || strcmp(verb, "lead") == 0) {
		must(board_lead(&r->board, *verb == 'l', &r->objects, r->now) == 0);
		settle(r);
	} else if (strcmp(verb, "namespace") == 0) {
		fixture_namespace(&r->objects, args);
		configure(r);
		settle(r);
	} else if (strcmp(verb, "explain") == 0) {
		board_explain(&r->board, args, seen);
		strbuf_char(seen, ' ');
	} else if (!service_verb(r, verb, args, seen)) {
		fail_msg("%s: unknown verb %s", r->step, verb);
	}
}

/* Every expected word must be among the seen ones; the addresses must be exactly these, in this order. */
static bool is_ip(const char *w)
{
	addr_t a;
	return addr_parse(w, &a);
}

static void expect(const struct run *r, const char *seen, char *wanted)
{
	char *save = NULL, ips[256] = "", have[256] = "", copy[1024], padded[1100];
	size_t n_ips = 0;
	must(str_fmt(padded, sizeof padded, " %s", seen));
	for (char *w = strtok_r(wanted, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char padded_word[256];
		str_fmt(padded_word, sizeof padded_word, " %s ", w);
		if (is_ip(w)) {
			n_ips++;
			strncat(strncat(ips, w, 60), " ", 2);
		} else if (!strstr(padded, padded_word)) {
			fail_msg("%s: %s: expected \"%s\", seen: %s", r->script->file, r->step, w, seen);
		}
	}
	must(str_fmt(copy, sizeof copy, "%s", seen));
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		if (is_ip(w))
			strncat(strncat(have, w, 60), " ", 2);
	if (n_ips > 0 && strcmp(ips, have) != 0)
		fail_msg("%s: %s: expected addresses %s, seen: %s", r->script->file, r->step, ips, seen);
}

static char *trim(char *s)
{
	s += strspn(s, " ");
	for (size_t n = strlen(s); n > 0 && s[n - 1] == ' '; n--)
		s[n - 1] = 0;
	return s;
}

static void run_step(struct run *r, const char *text)
{
	char copy[1024], *rest = copy;
	struct strbuf seen = { 0 };
	must(str_fmt(copy, sizeof copy, "%s", text));
	r->step = text;
	strsep(&rest, "|");
	must(rest);
	char *command = trim(strsep(&rest, "|")), *wanted = rest ? trim(rest) : NULL;
	char *verb = strsep(&command, " ");
	run_verb(r, verb, command ? trim(command) : copy + strlen(copy), &seen);
	if (wanted)
		expect(r, strbuf_get(&seen), wanted);
	strbuf_fini(&seen);
}

static void test_script(void **state)
{
	struct run r;
	const struct script *s = *state;
	start(&r, s);
	for (size_t i = 0; i < s->steps.n; i++)
		run_step(&r, s->steps.v[i]);
	stop(&r);
}

/* ---- reading the scripts ---- */

static void take_scalar(struct script *s, const char *key, const char *value)
{
	struct strings *list = strcmp(key, "pools") == 0	? &s->pools
			       : strcmp(key, "namespaces") == 0 ? &s->namespaces
			       : strcmp(key, "steps") == 0	? &s->steps
								: NULL;
	if (list) {
		must(list->n < STRINGS);
		list->v[list->n++] = strdup(value);
	} else if (strcmp(key, "class") == 0) {
		s->lb_class = strdup(value);
	} else {
		must(strcmp(key, "name") == 0);
		s->name = strdup(value);
	}
}

static void read_file(const char *path, const char *file, struct script *cases, size_t *n)
{
	FILE *f = fopen(path, "r");
	yaml_parser_t p;
	yaml_event_t e;
	char key[64] = "";
	bool in_list = false, end = false;
	must(f && yaml_parser_initialize(&p));
	yaml_parser_set_input_file(&p, f);
	while (!end) {
		if (!yaml_parser_parse(&p, &e)) {
			fprintf(stderr, "%s:%zu: %s\n", path, p.problem_mark.line + 1, p.problem);
			abort();
		}
		const char *value = e.type == YAML_SCALAR_EVENT ? (const char *)e.data.scalar.value : "";
		if (e.type == YAML_DOCUMENT_START_EVENT) {
			must(*n < CASES);
			str_fmt(cases[*n].file, sizeof cases[*n].file, "%s", file);
		} else if (e.type == YAML_DOCUMENT_END_EVENT) {
			++*n;
		} else if (e.type == YAML_SEQUENCE_START_EVENT || e.type == YAML_SEQUENCE_END_EVENT) {
			in_list = e.type == YAML_SEQUENCE_START_EVENT;
			if (!in_list)
				*key = 0;
		} else if (e.type == YAML_SCALAR_EVENT && !in_list && !*key) {
			str_fmt(key, sizeof key, "%s", value);
		} else if (e.type == YAML_SCALAR_EVENT) {
			take_scalar(&cases[*n], key, value);
			if (!in_list)
				*key = 0;
		}
		end = e.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&e);
	}
	yaml_parser_delete(&p);
	fclose(f);
}

static void free_strings(struct strings *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
}

int main(void)
{
	static struct script cases[CASES];
	static struct CMUnitTest tests[CASES];
	const char *source = getenv("INGOT_SOURCE_DIR");
	char folder[PATH_MAX], path[PATH_MAX];
	struct dirent **names;
	size_t n = 0;
	must(source && str_fmt(folder, sizeof folder, "%s/tests/conformance/allocator", source));
	int n_names = scandir(folder, &names, NULL, alphasort);
	must(n_names > 0);
	for (int i = 0; i < n_names; i++) {
		size_t len = strlen(names[i]->d_name);
		if (len > 5 && strcmp(names[i]->d_name + len - 5, ".yaml") == 0) {
			must(str_fmt(path, sizeof path, "%s/%s", folder, names[i]->d_name));
			read_file(path, names[i]->d_name, cases, &n);
		}
		free(names[i]);
	}
	free(names);
	for (size_t i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){ cases[i].name, test_script, NULL, NULL, &cases[i] };
	int failed = _cmocka_run_group_tests("allocator", tests, n, NULL, NULL);
	for (size_t i = 0; i < n; i++) {
		free_strings(&cases[i].pools);
		free_strings(&cases[i].namespaces);
		free_strings(&cases[i].steps);
		free(cases[i].name);
		free(cases[i].lb_class);
	}
	return n > 0 ? failed : 1;
}
