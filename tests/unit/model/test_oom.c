/* Memory that runs out: every allocation of one compilation and of the decisions fails once; nothing may
 * crash, leak or be half done. Linked with --wrap for malloc, calloc, realloc, strdup. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/model/announce.h"
#include "tests/unit/model/build.h"
#include "tests/unit/model/sample.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);

static long countdown = -1; /* the allocation that fails; -1 = none */

static int fails(void)
{
	return countdown >= 0 && countdown-- == 0;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

/* Without diagnostics: their loss is counted, it does not fail the compilation. */
static void test_compile(void **state)
{
	(void)state;
	struct objects o;
	struct config_input in = { &o, BUILD_NAMESPACE, true };
	struct config *c, *got;
	long n = 0, failed = 0;
	objects_init(&o);
	for (size_t i = 0; i < SAMPLE_N; i++)
		build_line(&o, sample_lines[i]);
	assert_int_equal(config_compile(&in, NULL, &c), 0);
	for (bool done = false; !done; n++) {
		countdown = n;
		int rc = config_compile(&in, NULL, &got);
		done = countdown >= 0;
		countdown = -1;
		if (rc == 0) {
			assert_true(got->digest == c->digest);
			config_free(got);
			continue;
		}
		assert_int_equal(rc, -ENOMEM);
		failed++;
	}
	assert_true(failed > 100);
	config_free(c);
	objects_fini(&o);
}

static void test_diags(void **state)
{
	(void)state;
	for (long n = 0; n < 8; n++) {
		struct diags d = { 0 };
		countdown = n;
		diags_add(&d, DIAG_ERROR, "kind", "name", "field", "origin", "%s", "message");
		bool hit = countdown < 0;
		countdown = -1;
		assert_int_equal(d.n_errors, 1);
		assert_int_equal(d.n + d.n_dropped, 1);
		assert_int_equal(d.n_dropped, hit);
		diags_fini(&d);
	}
}

struct setting {
	struct objects objects;
	struct config *config;
	const Ingot__Service *service;
	const Ingot__EndpointSlice *slice;
};

static void setting_build(struct setting *s)
{
	struct config_input in = { &s->objects, BUILD_NAMESPACE, true };
	objects_init(&s->objects);
	for (size_t i = 0; i < SAMPLE_N; i++)
		build_line(&s->objects, sample_lines[i]);
	build_line(&s->objects, "Service s ingress=10.0.0.7 labels=app=web");
	build_line(&s->objects, "EndpointSlice s service_name=s endpoints=n1@1.1.1.1,n2@1.1.1.2");
	assert_int_equal(config_compile(&in, NULL, &s->config), 0);
	s->service = (const Ingot__Service *)objects_get(&s->objects, KIND_SERVICE, "default/s");
	s->slice = (const Ingot__EndpointSlice *)objects_get(&s->objects, KIND_ENDPOINTS, "default/s");
}

static int decide(const struct setting *s)
{
	const struct l2_node live[] = { { "n1", NULL, true }, { "n2", NULL, true } };
	struct service_addresses a;
	struct endpoints e;
	struct l2_verdict l2;
	struct bgp_verdict bgp;
	assert_int_equal(service_gate(s->config, s->service, "", &a), WITHDRAW_ANNOUNCE);
	int rc = endpoints_collect(&s->slice, 1, &e);
	if (rc < 0)
		return rc;
	rc = l2_decide(&a, s->service, &e, live, 2, "n1", false, &l2);
	if (rc == 0) {
		l2_verdict_fini(&l2);
		rc = bgp_decide(&a, s->service, &e, "n1", NULL, false, &bgp);
	}
	if (rc == 0)
		bgp_verdict_fini(&bgp);
	endpoints_fini(&e);
	return rc;
}

static void test_decisions(void **state)
{
	(void)state;
	struct setting s;
	long failed = 0;
	setting_build(&s);
	for (long n = 0;; n++) {
		countdown = n;
		int rc = decide(&s);
		bool done = countdown >= 0;
		countdown = -1;
		if (done) {
			assert_int_equal(rc, 0);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
		failed++;
	}
	assert_true(failed > 6);
	config_free(s.config);
	objects_fini(&s.objects);
}

static void test_sort(void **state)
{
	(void)state;
	const char *names[] = { "x", "y" };
	countdown = 0;
	int rc = election_sort(names, NULL, 2, addr_v4(1));
	countdown = -1;
	assert_int_equal(rc, -ENOMEM);
	assert_string_equal(names[0], "x");
}

static void test_put(void **state)
{
	(void)state;
	for (long n = 0; n < 2; n++) {
		struct objects o;
		Ingot__Node *m = calloc(1, sizeof *m);
		assert_non_null(m);
		ingot__node__init(m);
		objects_init(&o);
		countdown = n;
		int rc = objects_put(&o, KIND_NODE, "n", &m->base);
		countdown = -1;
		assert_int_equal(rc, -ENOMEM);
		assert_null(objects_get(&o, KIND_NODE, "n"));
		objects_fini(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compile),	  cmocka_unit_test(test_diags),
		cmocka_unit_test(test_decisions), cmocka_unit_test(test_sort),
		cmocka_unit_test(test_put),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
