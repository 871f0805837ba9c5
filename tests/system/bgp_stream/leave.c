/* Leaving in order: drain marks the routes (RFC 8326), withdraws them and keeps the session; serving again
 * announces them; a stop marks, withdraws, and ends the session with Cease/Administrative Shutdown, and the
 * program exits with 0. A peer that goes away is told that it was de-configured; a harmless change does not
 * touch its session.
 *
 * usage: bgp_leave BGPD */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "tests/system/bgp_stream/house.h"
#include "tests/system/bgp_stream/receiver.h"

enum { ROUTES = 50, PATIENCE_S = 40 };

struct test {
	struct house house;
	struct receiver r;
	bool (*met)(const struct test *t);
	struct loop_timer *look;
	mono_t deadline;
	bool failed;
};

static void on_look(void *ctx)
{
	struct test *t = ctx;
	if (t->met(t) || mono_reached(loop_clock(), t->deadline))
		loop_stop(t->house.loop);
	else
		loop_timer_set(t->look, mono_add(loop_clock(), MS(2)));
}

static void expect(struct test *t, const char *what, bool (*met)(const struct test *t))
{
	if (t->failed)
		return;
	t->met = met;
	t->deadline = mono_add(loop_clock(), SEC(PATIENCE_S));
	loop_timer_set(t->look, loop_clock());
	loop_run(t->house.loop);
	t->failed = !met(t);
	printf("%s: %s (routes %zu, marked %llu, sessions %llu, NOTIFICATION %u/%u)\n", what,
	       t->failed ? "FAILED" : "ok", map_len(&t->r.table), (unsigned long long)t->r.marked,
	       (unsigned long long)t->r.sessions, t->r.code, t->r.subcode);
}

static bool all_there(const struct test *t)
{
	return map_len(&t->r.table) == ROUTES && t->r.end_of_rib > 0 && t->r.sessions == 1;
}

static bool marked_but_there(const struct test *t)
{
	return t->r.marked > 0 && map_len(&t->r.table) == ROUTES && t->r.withdrawn == 0;
}

static bool withdrawn_but_up(const struct test *t)
{
	return map_len(&t->r.table) == 0 && t->r.withdrawn == ROUTES && t->r.notifications == 0 &&
	       t->r.sessions == 1;
}

static bool there_unmarked(const struct test *t)
{
	return map_len(&t->r.table) == ROUTES && t->r.announced >= 3 * ROUTES && t->r.sessions == 1;
}

static bool none_marked(const struct test *t)
{
	return t->r.marked == 0;
}

static bool gone_and_shut_down(const struct test *t)
{
	return t->house.stopped && t->r.code == 6 && t->r.subcode == 2 && t->r.withdrawn == 2 * ROUTES &&
	       t->r.fd < 0;
}

static bool deconfigured(const struct test *t)
{
	return t->r.code == 6 && t->r.subcode == 3 && t->r.fd < 0;
}

static bool back(const struct test *t)
{
	return t->r.sessions == 2 && map_len(&t->r.table) == ROUTES;
}

static void open_all(struct test *t, const char *program)
{
	must(house_open(&t->house, program) == 0);
	must(receiver_open(&t->r, t->house.loop, 1, 64513) == 0);
	house_put_peer(&t->house, "tor", "127.0.0.1", t->r.port, 64512, 64513);
	house_put_pool(&t->house, "10.100.0.0/16");
	for (unsigned n = 0; n < ROUTES; n++) {
		char text[ADDR_TEXT];
		house_put_service(&t->house, n, addr_text(addr_v4(0x0a640000u + n), text));
	}
	house_synced(&t->house);
	t->look = loop_timer_new(t->house.loop, on_look, t);
	must(house_start(&t->house) == 0);
}

static void close_all(struct test *t)
{
	loop_timer_free(t->look);
	receiver_close(&t->r);
	house_close(&t->house);
}

int main(int argc, char **argv)
{
	static struct test t;
	if (argc < 2) {
		fprintf(stderr, "usage: %s BGPD\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	open_all(&t, argv[1]);
	expect(&t, "routes are there", all_there);
	house_tell(&t.house, SUP_DRAIN, 1);
	expect(&t, "drain: marked first", marked_but_there);
	expect(&t, "drain: withdrawn, the session stays", withdrawn_but_up);
	house_tell(&t.house, SUP_DRAIN, 0);
	t.r.announced = 2 * ROUTES;
	t.r.marked = 0;
	expect(&t, "serving again", there_unmarked);
	expect(&t, "not marked any more", none_marked);
	house_tell(&t.house, SUP_STOP, 0);
	expect(&t, "stop", gone_and_shut_down);
	bool failed = t.failed;
	close_all(&t);
	memset(&t, 0, sizeof t);
	open_all(&t, argv[1]);
	expect(&t, "again: routes are there", all_there);
	publisher_delete(t.house.topic[TOPIC_BGP_PEERS_WANTED], "metallb-system/tor");
	expect(&t, "peer removed", deconfigured);
	house_put_peer(&t.house, "tor", "127.0.0.1", t.r.port, 64512, 64513);
	expect(&t, "peer back", back);
	failed |= t.failed;
	close_all(&t);
	return failed;
}
