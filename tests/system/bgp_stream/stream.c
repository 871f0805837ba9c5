/* One TCP session, a thousand kills: the real bgpd is killed with SIGKILL at random moments while routes come
 * and go. The receiver decodes every byte. At the end its table equals the wanted one, there was one session,
 * and no byte was lost, repeated or out of place.
 *
 * usage: bgp_stream BGPD [kills=1000] [routes=10000] [seed=1]      exit 0 when all of that holds */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "tests/system/bgp_stream/house.h"
#include "tests/system/bgp_stream/receiver.h"

enum { MY_AS = 64512, PEER_AS = 64513, PATIENCE_S = 60 };

struct test {
	struct house house;
	struct receiver receiver;
	unsigned kills, kills_wanted, routes, early;
	uint64_t rng;
	bool *there;
	struct loop_timer *churn, *kill, *look;
	mono_t deadline;
	bool ending, done, failed;
};

static uint64_t roll(struct test *t, uint64_t n)
{
	t->rng ^= t->rng << 13;
	t->rng ^= t->rng >> 7;
	t->rng ^= t->rng << 17;
	return t->rng % n;
}

static addr_t address_of(unsigned n)
{
	return addr_v4(0x0a640000u + n); /* 10.100.0.0 */
}

static void set_route(struct test *t, unsigned n, bool there)
{
	char text[ADDR_TEXT];
	if (t->there[n] == there)
		return;
	t->there[n] = there;
	if (there)
		house_put_service(&t->house, n, addr_text(address_of(n), text));
	else
		house_del_service(&t->house, n);
}

/* Mostly single changes; now and then thousands at once; the receiver stops reading at times. */
static void on_churn(void *ctx)
{
	struct test *t = ctx;
	uint64_t kind = roll(t, 100);
	if (kind < 90) {
		for (uint64_t i = 1 + roll(t, 20); i > 0; i--)
			set_route(t, (unsigned)roll(t, t->routes), roll(t, 3) > 0);
	} else if (kind < 94) {
		bool there = roll(t, 3) > 0;
		unsigned from = (unsigned)roll(t, t->routes), n = (unsigned)roll(t, t->routes / 2);
		for (unsigned i = 0; i < n; i++)
			set_route(t, (from + i) % t->routes, there);
	} else {
		receiver_pause(&t->receiver, !t->receiver.paused);
	}
	loop_timer_set(t->churn, mono_add(loop_now(t->house.loop), MS(1 + roll(t, 20))));
}

static void on_kill(void *ctx)
{
	struct test *t = ctx;
	if (t->receiver.end_of_rib == 0) { /* only sessions that stand are kept */
		loop_timer_set(t->kill, mono_add(loop_now(t->house.loop), MS(10)));
		return;
	}
	t->early += !t->house.ready;
	house_kill(&t->house);
	t->kills++;
	must(house_start(&t->house) == 0);
	if (t->kills >= t->kills_wanted) {
		t->ending = true;
		t->deadline = mono_add(loop_clock(), SEC(PATIENCE_S));
		loop_timer_set(t->churn, MONO_NEVER);
		receiver_pause(&t->receiver, false);
	} else if (t->house.unready_lives == 0 && roll(t, 10) == 0) {
		loop_timer_set(t->kill, mono_add(loop_now(t->house.loop),
						 (int64_t)roll(t, 30000))); /* before it is ready */
	}
	if (t->kills % 100 == 0)
		printf("%u kills, %llu bytes, %llu updates, %llu sessions\n", t->kills,
		       (unsigned long long)t->receiver.bytes, (unsigned long long)t->receiver.updates,
		       (unsigned long long)t->receiver.sessions);
}

static void on_ready(void *ctx)
{
	struct test *t = ctx;
	if (t->ending)
		return;
	loop_timer_set(t->kill, mono_add(loop_now(t->house.loop), (int64_t)roll(t, 30000)));
}

static size_t differences(const struct test *t)
{
	size_t wanted = 0, missing = 0;
	for (unsigned n = 0; n < t->routes; n++) {
		if (!t->there[n])
			continue;
		wanted++;
		missing += !receiver_has(&t->receiver, prefix_of(address_of(n), 32));
	}
	size_t has = map_len(&t->receiver.table);
	return missing + (has + missing > wanted ? has + missing - wanted : 0);
}

static void on_look(void *ctx)
{
	struct test *t = ctx;
	mono_t now = loop_clock();
	bool equal = t->ending && t->house.ready && differences(t) == 0;
	t->failed = t->receiver.broken || t->house.crashes > 0 || t->receiver.sessions > 1 ||
		    (t->ending && !equal && mono_reached(now, t->deadline));
	if (equal || t->failed)
		loop_stop(t->house.loop);
	else
		loop_timer_set(t->look, mono_add(now, MS(20)));
}

static int run(struct test *t, const char *program)
{
	t->there = calloc(t->routes, sizeof *t->there);
	must(t->there && house_open(&t->house, program) == 0);
	must(receiver_open(&t->receiver, t->house.loop, 1, PEER_AS) == 0);
	t->house.on_ready = on_ready;
	t->house.ctx = t;
	house_put_peer(&t->house, "stream", "127.0.0.1", t->receiver.port, MY_AS, PEER_AS);
	house_put_pool(&t->house, "10.100.0.0/16");
	for (unsigned n = 0; n < t->routes / 2; n++)
		set_route(t, n, true);
	house_synced(&t->house);
	t->churn = loop_timer_new(t->house.loop, on_churn, t);
	t->kill = loop_timer_new(t->house.loop, on_kill, t);
	t->look = loop_timer_new(t->house.loop, on_look, t);
	loop_timer_set(t->churn, loop_clock());
	loop_timer_set(t->look, mono_add(loop_clock(), SEC(2)));
	must(house_start(&t->house) == 0);
	loop_run(t->house.loop);
	printf("%u kills (%u before it was ready), %u lives, %llu session(s), %llu bytes, %llu updates, "
	       "%llu announced, %llu withdrawn, %zu in the table, %zu differences, stream %s\n",
	       t->kills, t->early, t->house.lives, (unsigned long long)t->receiver.sessions,
	       (unsigned long long)t->receiver.bytes, (unsigned long long)t->receiver.updates,
	       (unsigned long long)t->receiver.announced, (unsigned long long)t->receiver.withdrawn,
	       map_len(&t->receiver.table), differences(t), t->receiver.broken ? "BROKEN" : "unbroken");
	loop_timer_free(t->churn);
	loop_timer_free(t->kill);
	loop_timer_free(t->look);
	receiver_close(&t->receiver);
	house_close(&t->house);
	free(t->there);
	return t->failed;
}

int main(int argc, char **argv)
{
	static struct test t;
	if (argc < 2) {
		fprintf(stderr, "usage: %s BGPD [kills] [routes] [seed]\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	t.kills_wanted = argc > 2 ? (unsigned)atoi(argv[2]) : 1000;
	t.routes = argc > 3 ? (unsigned)atoi(argv[3]) : 10000;
	t.rng = argc > 4 ? (uint64_t)atoi(argv[4]) : 1;
	t.rng = t.rng * 0x9e3779b97f4a7c15u + 1;
	return run(&t, argv[1]);
}
