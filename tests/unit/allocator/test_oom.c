/* Memory that runs out at every single allocation in turn: no crash, no leak, nobody on two addresses, and
 * the next try works. Linked with --wrap, so that only our own calls fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "allocator/source.h"
#include "lib/base/must.h"
#include "lib/model/name_set.h"
#include "tests/unit/allocator/fixture.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static int left = -1; /* allocations that still succeed; then one fails; -1: all succeed */

static bool fails(void)
{
	if (left < 0)
		return false;
	return left-- == 0;
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

static void on_assignment(void *ctx, const char *key, const Ingot__Assignment *a)
{
	(void)ctx, (void)key, (void)a;
}

struct house {
	struct objects o;
	struct board b;
	struct source s;
	struct config *c;
	struct name_set broken;
	mono_t now;
};

static void configure(struct house *h)
{
	struct diags d = { 0 };
	struct config *c;
	struct name_set broken = { 0 };
	bool stale;
	if (source_compile(&h->s, &h->o, FIXTURE_NS, &d, &c, &broken, &stale) == 0) {
		if (board_configure(&h->b, c, &broken, false, &h->o, h->now) == 0 ||
		    h->b.alloc.space.config == c) {
			config_free(h->c);
			name_set_fini(&h->broken);
			h->c = c;
			h->broken = broken;
			h->b.broken = &h->broken;
		} else {
			config_free(c);
			name_set_fini(&broken);
		}
	}
	diags_fini(&d);
}

static void run(struct house *h)
{
	while (board_run(&h->b, &h->o, h->now, 100))
		;
}

static const char *const services[] = {
	"a status=10.0.0.3 from=p",
	"b cluster=1.1.1.1,::1 policy=Prefer",
	"c share=k port=tcp/80 port=tcp/81",
	"d share=k port=tcp/443",
	"e ips=10.0.0.2",
	"f",
	"g",
	"h",
	"i cluster=1.1.1.1,::1 policy=Require share=m port=udp/1",
};

/* One life with a failure somewhere; then everything is asked for again. False when the failure was not
 * reached. */
static bool life(int nth)
{
	static const struct board_sink sink = { .assignment = on_assignment };
	struct house h = { .now = { SEC(1) } };
	char key[OBJECT_KEY];
	objects_init(&h.o);
	source_init(&h.s);
	fixture_pool(&h.o, "p 10.0.0.0/29 fd00::/126");
	fixture_pool(&h.o, "q 10.1.0.0/30 fd01::/126 prio=1 ns=default");
	for (size_t i = 0; i < ARRAY_LEN(services); i++)
		fixture_service(&h.o, services[i], key);
	board_init(&h.b, "", &sink, NULL);
	left = nth;
	board_lead(&h.b, true, &h.o, h.now);
	configure(&h);
	for (size_t i = 0; i < ARRAY_LEN(services); i++) {
		char name[OBJECT_KEY];
		str_fmt(name, sizeof name, "default/%.1s", services[i]);
		board_touch(&h.b, name);
	}
	run(&h);
	bool reached = left < 0;
	left = -1;
	fixture_pool(&h.o, "p 10.0.0.0/28 fd00::/126");
	configure(&h);
	run(&h);
	assert_int_equal(map_len(&h.b.alloc.holders), ARRAY_LEN(services));
	map_each (&h.b.alloc.ips, e) {
		const struct alloc_ip *ip = e->value;
		assert_non_null(ip->head);
		assert_true(!ip->head->next || ip->group);
	}
	for (size_t i = 0; i < ARRAY_LEN(services); i++) {
		str_fmt(key, sizeof key, "default/%.1s", services[i]);
		objects_del(&h.o, KIND_SERVICE, key);
		board_touch(&h.b, key);
	}
	run(&h);
	assert_int_equal(map_len(&h.b.alloc.ips), 0);
	assert_int_equal(map_len(&h.b.alloc.shares.groups), 0);
	assert_int_equal(map_len(&h.b.queues), 0);
	board_fini(&h.b);
	source_fini(&h.s);
	config_free(h.c);
	name_set_fini(&h.broken);
	objects_fini(&h.o);
	return reached;
}

static void test_every_allocation(void **state)
{
	(void)state;
	int nth = 0;
	while (life(nth))
		assert_true(nth++ < 20000);
	assert_true(nth > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_allocation) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
