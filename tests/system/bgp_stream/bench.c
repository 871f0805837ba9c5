/* What bgpd costs: routes until a plain receiver has them all, one route at a time, and memory. Prints
 * figures; exit 1 when the receivers do not get what was asked for.
 *
 * usage: bgp_bench BGPD [routes=10000] [peers=2] [singles=200] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "tests/system/bgp_stream/house.h"
#include "tests/system/bgp_stream/receiver.h"

enum { MOST_PEERS = 16, PATIENCE_S = 60 };

struct bench {
	struct house house;
	struct receiver receivers[MOST_PEERS];
	unsigned peers, routes;
	size_t wanted;
	uint64_t end_of_rib;
	struct loop_timer *look;
	mono_t deadline;
	bool failed;
};

static void on_look(void *ctx)
{
	struct bench *b = ctx;
	bool done = true;
	for (unsigned i = 0; i < b->peers; i++)
		done &= map_len(&b->receivers[i].table) == b->wanted &&
			b->receivers[i].end_of_rib >= b->end_of_rib;
	mono_t now = loop_clock();
	b->failed = !done && mono_reached(now, b->deadline);
	if (done || b->failed)
		loop_stop(b->house.loop);
	else
		loop_timer_set(b->look, mono_add(now, 50));
}

/* Runs until all receivers have `wanted` prefixes; milliseconds, or -1. */
static double wait_for(struct bench *b, size_t wanted)
{
	mono_t start = loop_clock();
	b->wanted = wanted;
	b->deadline = mono_add(start, SEC(PATIENCE_S));
	loop_timer_set(b->look, start);
	loop_run(b->house.loop);
	return b->failed ? -1 : (double)mono_sub(loop_clock(), start) / 1000;
}

static void put(struct bench *b, unsigned n)
{
	char text[ADDR_TEXT];
	house_put_service(&b->house, n, addr_text(addr_v4(0x0a640000u + n), text));
}

static long pss_kb(pid_t pid)
{
	char path[64], line[128];
	long kb = -1;
	str_fmt(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "Pss: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void singles(struct bench *b, unsigned n)
{
	double *add = calloc(n, sizeof *add), *del = calloc(n, sizeof *del);
	for (unsigned i = 0; i < n && !b->failed; i++) {
		put(b, b->routes + i);
		add[i] = wait_for(b, b->routes + 1);
		house_del_service(&b->house, b->routes + i);
		del[i] = wait_for(b, b->routes);
	}
	qsort(add, n, sizeof *add, compare);
	qsort(del, n, sizeof *del, compare);
	if (n)
		printf("one at a time, published to received: added p50 %.2f ms, p99 %.2f; removed p50 %.2f, "
		       "p99 %.2f\n",
		       add[n / 2], add[n * 99 / 100], del[n / 2], del[n * 99 / 100]);
	free(add);
	free(del);
}

static void run(struct bench *b, unsigned n_singles)
{
	for (unsigned i = 0; i < b->peers; i++) {
		char name[16], address[16];
		must(receiver_open(&b->receivers[i], b->house.loop, 1 + i, 64513) == 0);
		str_fmt(name, sizeof name, "peer%u", i);
		str_fmt(address, sizeof address, "127.0.0.%u", 1 + i);
		house_put_peer(&b->house, name, address, b->receivers[i].port, 64512, 64513);
	}
	house_put_pool(&b->house, "10.100.0.0/16");
	house_synced(&b->house);
	must(house_start(&b->house) == 0);
	b->end_of_rib = 1;
	wait_for(b, 0);
	long idle = pss_kb(b->house.pid);
	for (unsigned i = 0; i < b->routes; i++)
		put(b, i);
	double cold = wait_for(b, b->routes);
	long full = pss_kb(b->house.pid);
	printf("%u routes x %u peers: %.0f ms, %llu UPDATEs to the first peer\n", b->routes, b->peers, cold,
	       (unsigned long long)b->receivers[0].updates);
	singles(b, n_singles);
	house_kill(&b->house);
	b->end_of_rib = 0;
	uint64_t before = b->receivers[0].announced;
	must(house_start(&b->house) == 0);
	mono_t start = loop_clock();
	while (!b->failed && b->receivers[0].announced < before + b->routes)
		wait_for(b, b->routes);
	printf("killed: all announced again after %.0f ms\n", (double)mono_sub(loop_clock(), start) / 1000);
	for (unsigned i = 0; i < b->routes; i++)
		house_del_service(&b->house, i);
	printf("all removed: %.0f ms\n", wait_for(b, 0));
	printf("memory (PSS): idle %ld kB, with routes %ld kB, after %ld kB\n", idle, full,
	       pss_kb(b->house.pid));
}

int main(int argc, char **argv)
{
	static struct bench b;
	if (argc < 2) {
		fprintf(stderr, "usage: %s BGPD [routes] [peers] [singles]\n", argv[0]);
		return 2;
	}
	b.routes = argc > 2 ? (unsigned)atoi(argv[2]) : 10000;
	b.peers = argc > 3 ? (unsigned)atoi(argv[3]) : 2;
	must(b.peers > 0 && b.peers <= MOST_PEERS && house_open(&b.house, argv[1]) == 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	b.look = loop_timer_new(b.house.loop, on_look, &b);
	run(&b, argc > 4 ? (unsigned)atoi(argv[4]) : 200);
	loop_timer_free(b.look);
	for (unsigned i = 0; i < b.peers; i++)
		receiver_close(&b.receivers[i]);
	house_close(&b.house);
	return b.failed;
}
