/* Assignments per second of the allocator's core: empty and nearly full pools, a /64, and one change of a
 * Service among many. Usage: allocbench [ROUNDS]. One line per figure: name, value, unit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "allocator/board.h"
#include "lib/base/must.h"
#include "tests/unit/allocator/fixture.h"

static double seconds(void)
{
	struct timespec t;
	must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0); /* others may use this machine, too */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Keys are made once: printing them is not what is measured. */
static const char *key_of(unsigned i)
{
	static char keys[65536][16];
	if (!*keys[i])
		str_fmt(keys[i], sizeof keys[i], "default/s%u", i);
	return keys[i];
}

struct pool_bench {
	struct objects o;
	struct config *c;
	struct alloc a;
	mono_t now;
};

static void begin(struct pool_bench *b, const char *pool)
{
	*b = (struct pool_bench){ .now = { SEC(1) } };
	objects_init(&b->o);
	fixture_pool(&b->o, pool);
	b->c = fixture_config(&b->o);
	alloc_init(&b->a);
	must(alloc_configure(&b->a, b->c, b->now) == 0);
}

static void end(struct pool_bench *b)
{
	alloc_fini(&b->a);
	config_free(b->c);
	objects_fini(&b->o);
}

static void assign(struct pool_bench *b, enum service_family family, const char *sharing, uint32_t port,
		   unsigned i)
{
	struct alloc_error error;
	struct alloc_request r = { .key = key_of(i),
				   .ns = "default",
				   .sharing = sharing,
				   .backend = "",
				   .family = family,
				   .ports = { &port, 1 } };
	must(alloc_auto(&b->a, &r, b->now, &error) == 0);
}

static void release(struct pool_bench *b, unsigned i)
{
	alloc_release(&b->a, key_of(i), b->now);
	b->now = mono_add(b->now, ADDRESS_REST);
}

/* Fill, then take one out and put one in, again and again, at the fill level. */
static void bench_pool(const char *name, const char *pool, enum service_family family, unsigned fill,
		       unsigned rounds)
{
	struct pool_bench b;
	begin(&b, pool);
	for (unsigned i = 0; i < 65536; i++)
		key_of(i);
	double t = seconds();
	for (unsigned i = 0; i < fill; i++)
		assign(&b, family, "", 80, i);
	if (fill)
		printf("%s_fill %.0f assignments/s\n", name, fill / (seconds() - t));
	unsigned batch = fill ? fill : 1000;
	if (batch > 50)
		batch = 50;
	double spent = 0;
	for (unsigned done = 0; done < rounds; done += batch) {
		for (unsigned i = 0; i < batch && fill; i++)
			release(&b, i * (fill / batch));
		t = seconds();
		for (unsigned i = 0; i < batch; i++)
			assign(&b, family, "", 80, fill ? i * (fill / batch) : i);
		spent += seconds() - t;
		for (unsigned i = 0; i < batch && !fill; i++)
			release(&b, i);
	}
	printf("%s %.0f assignments/s\n", name, (rounds / batch * batch) / spent);
	end(&b);
}

/* Every Service shares one key and wants one port: each needs an address of its own, behind all those in use.
 */
static void bench_sharing(unsigned n)
{
	struct pool_bench b;
	begin(&b, "p 10.0.0.0/16");
	double t = seconds();
	for (unsigned i = 0; i < n; i++)
		assign(&b, SERVICE_FAMILY_V4, "key", 1u << 16 | 80, i);
	printf("sharing_%u %.0f assignments/s\n", n, n / (seconds() - t));
	end(&b);
}

static void on_assignment(void *ctx, const char *key, const Ingot__Assignment *a)
{
	(void)key;
	*(unsigned *)ctx += a && a->n_ips > 0;
}

/* One change among n Services, from object to assignment. */
static void bench_change(unsigned n, unsigned rounds)
{
	static const struct board_sink sink = { .assignment = on_assignment };
	struct objects o;
	struct board b;
	unsigned given = 0;
	char text[64], key[OBJECT_KEY];
	objects_init(&o);
	fixture_pool(&o, "p 10.0.0.0/8");
	struct config *c = fixture_config(&o);
	for (unsigned i = 0; i < n; i++) {
		str_fmt(text, sizeof text, "s%u", i);
		fixture_service(&o, text, key);
	}
	board_init(&b, "", &sink, &given);
	must(board_lead(&b, true, &o, (mono_t){ SEC(1) }) == 0);
	double t = seconds();
	must(board_configure(&b, c, NULL, false, &o, (mono_t){ SEC(1) }) == 0);
	while (board_run(&b, &o, (mono_t){ SEC(1) }, 10000))
		;
	printf("all_of_%u %.0f decisions/s\n", n, n / (seconds() - t));
	must(given == n);
	t = seconds();
	for (unsigned i = 0; i < rounds; i++) {
		str_fmt(text, sizeof text, "default/s%u", i * 7919u % n);
		board_touch(&b, text);
		board_run(&b, &o, (mono_t){ SEC(1) }, 10);
	}
	printf("change_among_%u %.3f us\n", n, (seconds() - t) / rounds * 1e6);
	board_fini(&b);
	config_free(c);
	objects_fini(&o);
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 500000;
	bench_pool("empty_16", "p 10.0.0.0/16", SERVICE_FAMILY_V4, 0, rounds);
	bench_pool("full_16", "p 10.0.0.0/16", SERVICE_FAMILY_V4, 65536 - 65, rounds);
	bench_pool("empty_64", "p fd00::/64", SERVICE_FAMILY_V6, 0, rounds);
	bench_pool("used_64", "p fd00::/64", SERVICE_FAMILY_V6, 65536 - 65, rounds);
	bench_pool("buggy_16", "p 10.0.0.0/16 buggy", SERVICE_FAMILY_V4, 65536 - 512 - 65, rounds);
	bench_sharing(1000);
	bench_sharing(30000);
	bench_change(100, rounds / 10);
	bench_change(10000, rounds / 10);
	bench_change(100000, rounds / 10);
	return 0;
}
