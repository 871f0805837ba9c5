/* The mirror: what is published when files come, change, break and go; duplicates; namespaces; the stored
 * status. */
#include "watcher/mirror.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/strbuf.h"
#include "lib/model/service.h"

#define SERVICE(name)                                                                                        \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name                                              \
	", namespace: shop}\nspec: {type: LoadBalancer, ports: [{port: 80}]}\n"
#define POOL(name, range)                                                                                    \
	"---\napiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: " name                   \
	", namespace: m}\nspec: {addresses: [" range "]}\n"

static int load(struct mirror *m, const char *path, const char *text)
{
	return mirror_load(m, path, text, strlen(text));
}

static void say_service(struct strbuf *out, const Ingot__Service *s)
{
	for (size_t i = 0; i < s->n_ingress; i++)
		strbuf_fmt(out, " %s", s->ingress[i]->ip);
	const char *pool = kv_get(s->meta->annotations, s->meta->n_annotations, ANNOTATION_FROM_POOL);
	if (pool)
		strbuf_fmt(out, " from %s", pool);
}

/* Everything that is to be published now: "+Service shop/web; -...". */
static const char *said(struct mirror *m)
{
	static struct strbuf out;
	struct mirror_action a;
	strbuf_fini(&out);
	while (mirror_next(m, &a)) {
		strbuf_fmt(&out, "%s%c%s %s", out.len ? "; " : "", a.message ? '+' : '-', kind_name(a.kind),
			   a.key);
		if (a.message && a.kind == KIND_SERVICE)
			say_service(&out, (const Ingot__Service *)a.message);
		const Ingot__IPAddressPool *p =
		    a.kind == KIND_POOL ? (const Ingot__IPAddressPool *)a.message : NULL;
		if (p && p->n_addresses)
			strbuf_fmt(&out, " %s", p->addresses[0]);
		if (a.loser)
			strbuf_fmt(&out, " (%s beats %s)", a.winner, a.loser);
	}
	return strbuf_get(&out);
}

static char *uid_of(struct mirror *m)
{
	struct mirror_action a;
	char *uid = NULL;
	while (mirror_next(m, &a)) {
		if (a.kind != KIND_SERVICE || !a.message)
			continue;
		free(uid);
		uid = strdup(((const Ingot__Service *)a.message)->meta->uid);
	}
	return uid;
}

static struct service_status *status(const char *ip, const char *pool)
{
	struct service_status *s = calloc(1, sizeof *s);
	assert_non_null(s);
	s->pool = strdup(pool);
	if (*ip)
		s->ips[s->n_ips++] = strdup(ip);
	return s;
}

static void test_life(void **state)
{
	(void)state;
	struct mirror *m = mirror_new();
	assert_int_equal(load(m, "a.yaml", SERVICE("web") POOL("p", "10.0.0.0/24")), 0);
	assert_string_equal(
	    said(m), "+Namespace shop; +Service shop/web; +Namespace m; +IPAddressPool m/p 10.0.0.0/24");
	/* The same again is no news, nor is another line. */
	assert_int_equal(load(m, "a.yaml", "# comment\n" SERVICE("web") POOL("p", "10.0.0.0/24")), 0);
	assert_string_equal(said(m), "+IPAddressPool m/p 10.0.0.0/24");
	assert_int_equal(load(m, "a.yaml", SERVICE("web") POOL("p", "10.0.1.0/24")), 0);
	assert_string_equal(said(m), "+IPAddressPool m/p 10.0.1.0/24");
	assert_int_equal(load(m, "a.yaml", POOL("p", "10.0.1.0/24")), 0);
	assert_string_equal(said(m), "+IPAddressPool m/p 10.0.1.0/24; -Service shop/web; -Namespace shop");
	assert_true(mirror_unload(m, "a.yaml"));
	assert_false(mirror_unload(m, "a.yaml"));
	assert_string_equal(said(m), "-IPAddressPool m/p; -Namespace m");
	assert_int_equal(mirror_files(m), 0);
	mirror_free(m);
}

static void test_broken(void **state)
{
	(void)state;
	struct mirror *m = mirror_new();
	assert_int_equal(load(m, "a.yaml", SERVICE("web") POOL("p", "10.0.0.0/24")), 0);
	said(m);
	/* Not YAML: everything stays, though the part before the error could be read. */
	assert_int_equal(load(m, "a.yaml", POOL("q", "10.0.9.0/24") "---\nx: [\n"), 1);
	assert_string_equal(said(m), "");
	assert_int_equal(mirror_files_bad(m), 1);
	assert_int_equal(mirror_file_diags(m, "a.yaml")->n_errors, 1);
	/* One object broken: it stays, the others follow. */
	assert_int_equal(load(m, "a.yaml", SERVICE("web") POOL("p", "[1]")), 0);
	assert_string_equal(said(m), "");
	assert_int_equal(load(m, "a.yaml", SERVICE("api") POOL("p", "[1]")), 0);
	assert_string_equal(said(m), "+Service shop/api; -Service shop/web");
	/* Something unrecognizable: nobody can tell what it was, so nothing goes. */
	assert_int_equal(load(m, "a.yaml", "kind: Service\n---\n" SERVICE("new")), 0);
	assert_string_equal(said(m), "+Service shop/new");
	assert_true(mirror_has(m, KIND_SERVICE, "shop/api"));
	/* Good again. */
	assert_int_equal(load(m, "a.yaml", SERVICE("new")), 0);
	assert_string_equal(said(m), "-Service shop/api; -IPAddressPool m/p; -Namespace m");
	assert_int_equal(mirror_files_bad(m), 0);
	/* A file that is broken from the start has nothing to keep. */
	assert_int_equal(load(m, "b.yaml", "x: ["), 1);
	assert_string_equal(said(m), "");
	mirror_fail(m, "a.yaml", "cannot be read");
	assert_string_equal(said(m), "");
	assert_int_equal(mirror_files_bad(m), 2);
	mirror_free(m);
}

static void test_duplicates(void **state)
{
	(void)state;
	struct mirror *m = mirror_new();
	load(m, "b.yaml", POOL("p", "10.0.2.0/24"));
	assert_string_equal(said(m), "+Namespace m; +IPAddressPool m/p 10.0.2.0/24");
	load(m, "c.yaml", POOL("p", "10.0.3.0/24"));
	assert_string_equal(said(m), "+IPAddressPool m/p 10.0.2.0/24 (b.yaml:2 beats c.yaml:2)");
	assert_int_equal(mirror_doubles(m), 1);
	load(m, "a.yaml", POOL("p", "10.0.1.0/24"));
	assert_string_equal(said(m), "+IPAddressPool m/p 10.0.1.0/24 (a.yaml:2 beats b.yaml:2)");
	mirror_unload(m, "a.yaml");
	assert_string_equal(said(m), "+IPAddressPool m/p 10.0.2.0/24 (b.yaml:2 beats c.yaml:2)");
	mirror_unload(m, "b.yaml");
	assert_string_equal(said(m), "+IPAddressPool m/p 10.0.3.0/24");
	assert_int_equal(mirror_doubles(m), 0);
	/* Twice in one file: the first counts, the second is an error with both places. */
	load(m, "c.yaml", POOL("p", "10.0.3.0/24") POOL("p", "10.0.4.0/24"));
	assert_string_equal(said(m), "");
	const struct diags *d = mirror_file_diags(m, "c.yaml");
	assert_int_equal(d->n_errors, 1);
	assert_string_equal(d->v[0].origin, "c.yaml:7");
	assert_string_equal(d->v[0].message, "defined twice: the definition at c.yaml:2 counts");
	mirror_free(m);
}

static void test_scan(void **state)
{
	(void)state;
	struct mirror *m = mirror_new();
	load(m, "a.yaml", POOL("a", "10.0.1.0/24"));
	load(m, "sub/b.yaml", POOL("b", "10.0.2.0/24"));
	load(m, "subway.yaml", POOL("c", "10.0.3.0/24"));
	struct strbuf out = { 0 };
	mirror_scan_begin(m, "sub");
	mirror_each_unseen(m, "sub", (void (*)(void *, const char *))strbuf_add, &out);
	assert_string_equal(strbuf_get(&out), "sub/b.yaml");
	strbuf_reset(&out);
	mirror_scan_begin(m, "");
	mirror_seen(m, "a.yaml");
	load(m, "sub/b.yaml", POOL("b", "10.0.2.0/24"));
	mirror_each_unseen(m, "", (void (*)(void *, const char *))strbuf_add, &out);
	assert_string_equal(strbuf_get(&out), "subway.yaml");
	strbuf_fini(&out);
	mirror_free(m);
}

static void test_status(void **state)
{
	(void)state;
	struct mirror *m = mirror_new();
	assert_int_equal(mirror_status_set(m, "shop/web", status("10.0.0.1", "p")), 0);
	assert_string_equal(said(m), "");
	load(m, "a.yaml", SERVICE("web"));
	assert_string_equal(said(m), "+Namespace shop; +Service shop/web 10.0.0.1 from p");
	mirror_status_set(m, "shop/web", status("10.0.0.1", "p"));
	assert_string_equal(said(m), "");
	mirror_status_set(m, "shop/web", status("10.0.0.2", "q"));
	assert_string_equal(said(m), "+Service shop/web 10.0.0.2 from q");
	mirror_status_set(m, "shop/web", NULL);
	assert_string_equal(said(m), "+Service shop/web");
	/* The store wins over the manifest, a stored "none" too. */
	load(m, "a.yaml",
	     "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop, annotations: "
	     "{metallb.io/ip-allocated-from-pool: old}}\nspec: {type: LoadBalancer}\n"
	     "status: {loadBalancer: {ingress: [{ip: 10.9.9.9}]}}\n");
	assert_string_equal(said(m), "+Service shop/web 10.9.9.9 from old");
	mirror_status_set(m, "shop/web", status("10.0.0.2", "q"));
	assert_string_equal(said(m), "+Service shop/web 10.0.0.2 from q");
	mirror_status_set(m, "shop/web", status("", ""));
	assert_string_equal(said(m), "+Service shop/web");
	mirror_status_set(m, "shop/web", NULL);
	assert_string_equal(said(m), "+Service shop/web 10.9.9.9 from old");
	mirror_free(m);
}

static enum status_change judge(struct mirror *m, const char *uid, const char *ip, const char *pool,
				bool clear)
{
	char *ips[1] = { strdup(ip) }, *uid_copy = strdup(uid), *pool_copy = strdup(pool);
	Ingot__Assignment a = INGOT__ASSIGNMENT__INIT;
	a.uid = uid_copy;
	a.pool = pool_copy;
	a.clear = clear;
	a.n_ips = *ip ? 1 : 0;
	a.ips = ips;
	struct service_status *s = NULL;
	enum status_change c = mirror_judge(m, "shop/web", &a, &s);
	assert_true((c == STATUS_WRITE) == (s != NULL));
	if (s) {
		assert_int_equal(s->n_ips, a.n_ips);
		assert_int_equal(mirror_status_set(m, "shop/web", s), 0);
	}
	free(ips[0]);
	free(uid_copy);
	free(pool_copy);
	return c;
}

static void test_judge(void **state)
{
	(void)state;
	struct mirror *m = mirror_new();
	assert_int_equal(judge(m, "", "10.0.0.1", "p", false), STATUS_KEEP); /* no such Service */
	load(m, "a.yaml", SERVICE("web"));
	char *uid = uid_of(m);
	assert_int_equal(strlen(uid), 36);
	assert_int_equal(judge(m, "another", "10.0.0.1", "p", false), STATUS_KEEP);
	assert_int_equal(judge(m, uid, "", "", false), STATUS_KEEP);
	assert_int_equal(judge(m, uid, "", "", true), STATUS_KEEP); /* nothing stored, nothing to clear */
	assert_int_equal(judge(m, uid, "10.0.0.1", "p", false), STATUS_WRITE);
	assert_int_equal(judge(m, uid, "10.0.0.1", "p", false), STATUS_KEEP);
	assert_int_equal(judge(m, uid, "10.0.0.1", "renamed", false), STATUS_WRITE);
	assert_int_equal(judge(m, uid, "", "", false), STATUS_KEEP);
	assert_int_equal(judge(m, uid, "", "", true), STATUS_REMOVE);
	/* Deleted and created again: another uid, and the late word about the former one does not count. */
	mirror_status_set(m, "shop/web", NULL);
	mirror_unload(m, "a.yaml");
	free(uid_of(m));
	load(m, "a.yaml", SERVICE("web"));
	char *again = uid_of(m);
	assert_string_not_equal(uid, again);
	assert_int_equal(judge(m, uid, "10.0.0.1", "p", false), STATUS_KEEP);
	assert_int_equal(judge(m, again, "10.0.0.1", "p", false), STATUS_WRITE);
	/* A manifest with a status of its own: "none" must be stored. */
	load(m, "a.yaml", SERVICE("web") "status: {loadBalancer: {ingress: [{ip: 10.9.9.9}]}}\n");
	free(uid);
	uid = uid_of(m);
	assert_string_equal(uid, again);
	assert_int_equal(judge(m, uid, "", "", true), STATUS_WRITE);
	assert_int_equal(judge(m, uid, "", "", true), STATUS_KEEP);
	free(uid);
	free(again);
	mirror_free(m);
}

static void test_uid_is_stable(void **state)
{
	(void)state;
	struct mirror *a = mirror_new(), *b = mirror_new();
	load(a, "x.yaml", SERVICE("web"));
	load(b, "other/place.yaml", "# moved\n" SERVICE("web"));
	char *x = uid_of(a), *y = uid_of(b);
	assert_string_equal(x, y);
	/* The object moves to another file: the same object. */
	load(a, "y.yaml", SERVICE("web"));
	mirror_unload(a, "x.yaml");
	free(x);
	x = uid_of(a);
	assert_string_equal(x, y);
	free(x);
	free(y);
	mirror_free(a);
	mirror_free(b);
}

static void test_secrets(void **state)
{
	(void)state;
	struct mirror *m = mirror_new();
	load(m, "a.yaml",
	     "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: m}\nstringData: {k: one}\n");
	const struct manifest_secret *s = mirror_secret(m, KIND_SECRET, "m/s", "k");
	assert_non_null(s);
	assert_memory_equal(s->value, "one", 3);
	assert_null(mirror_secret(m, KIND_SECRET, "m/s", "other"));
	assert_null(mirror_secret(m, KIND_SECRET, "m/none", "k"));
	said(m);
	/* Only the bytes change: the metadata is said again, so that readers ask again. */
	load(m, "a.yaml",
	     "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: m}\nstringData: {k: two}\n");
	assert_string_equal(said(m), "+Secret m/s");
	assert_memory_equal(mirror_secret(m, KIND_SECRET, "m/s", "k")->value, "two", 3);
	mirror_free(m);
}

/* Many Services that come and go do not fill the memory. */
static void test_forgets(void **state)
{
	(void)state;
	struct mirror *m = mirror_new();
	for (int i = 0; i < 6000; i++) {
		char text[256];
		str_fmt(text, sizeof text,
			"apiVersion: v1\nkind: Service\nmetadata: {name: s%d, namespace: shop}\nspec: {}\n",
			i);
		load(m, "a.yaml", text);
		said(m);
	}
	assert_int_equal(mirror_objects(m, KIND_SERVICE), 1);
	assert_true(mirror_remembered(m) <= 4100);
	mirror_free(m);
}

/* A file breaks, then the process dies: the next one still knows what was good. */
static void test_kept(void **state)
{
	(void)state;
	struct mirror *m = mirror_new();
	uint8_t *data = NULL;
	size_t len = 0;
	load(m, "good.yaml", SERVICE("api"));
	load(m, "bad.yaml",
	     SERVICE("web")
		 POOL("p", "10.0.0.0/24") "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {}\n"
					  "---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: web, "
					  "namespace: shop}\n");
	load(m, "bad.yaml", "x: [");
	assert_int_equal(mirror_keep_print(m, NULL, &data, &len), 0);
	mirror_free(m);

	m = mirror_new();
	load(m, "good.yaml", SERVICE("api"));
	load(m, "bad.yaml", "x: [");
	said(m);
	assert_int_equal(mirror_keep_parse(m, data, len), 3);
	assert_string_equal(said(m), "+Service shop/web; +Namespace m; +IPAddressPool m/p 10.0.0.0/24; "
				     "+EndpointSlice shop/endpoints:web");
	assert_int_equal(mirror_keep_parse(m, data, len), 0);
	load(m, "bad.yaml", SERVICE("web"));
	assert_string_equal(said(m), "-IPAddressPool m/p; -Namespace m; -EndpointSlice shop/endpoints:web");
	mirror_free(m);

	/* The file was mended, or deleted, while nobody looked: it counts, not the memory. */
	m = mirror_new();
	load(m, "bad.yaml", SERVICE("web"));
	said(m);
	assert_int_equal(mirror_keep_parse(m, data, len), 0);
	mirror_free(m);

	/* Foreign input: cut anywhere, any bit wrong. */
	for (size_t n = 0; n < len; n++) {
		for (int bit = 0; bit < 8; bit++) {
			m = mirror_new();
			load(m, "bad.yaml", "x: [");
			data[n] ^= (uint8_t)(1 << bit);
			assert_true(mirror_keep_parse(m, data, len) <= 3);
			assert_true(mirror_keep_parse(m, data, n) <= 3);
			data[n] ^= (uint8_t)(1 << bit);
			said(m);
			mirror_free(m);
		}
	}
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),	      cmocka_unit_test(test_broken),
		cmocka_unit_test(test_duplicates),    cmocka_unit_test(test_scan),
		cmocka_unit_test(test_status),	      cmocka_unit_test(test_judge),
		cmocka_unit_test(test_uid_is_stable), cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_forgets),	      cmocka_unit_test(test_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
