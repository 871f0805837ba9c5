/* Accepted connections: a peer that connects to us gets its session and its routes; the session survives
 * SIGKILL like one that we dialled; a stranger is turned away; when both sides connect at once exactly one
 * session remains, whoever has the higher identifier.
 *
 * usage: bgp_accept BGPD */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "tests/system/bgp_stream/house.h"
#include "tests/system/bgp_stream/receiver.h"

enum { ROUTES = 50, PATIENCE_S = 40, PORT = 11789 };

struct test {
	struct house house;
	struct receiver peer;  /* connects, and does not answer */
	struct receiver other; /* a stranger; or the listening half of the peer */
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
	printf("%s: %s (connected %llu, accepted %llu, routes %zu and %zu)\n", what,
	       t->failed ? "FAILED" : "ok", (unsigned long long)t->peer.sessions,
	       (unsigned long long)t->other.sessions, map_len(&t->peer.table), map_len(&t->other.table));
}

static bool ready(const struct test *t)
{
	return t->house.ready;
}

static bool turned_away(const struct test *t)
{
	return t->other.fd < 0 && t->other.ended == 1 && t->other.bytes == 0;
}

static bool all_there(const struct test *t)
{
	return map_len(&t->peer.table) == ROUTES && t->peer.end_of_rib > 0 && t->peer.fd >= 0;
}

static bool adopted(const struct test *t)
{
	return t->house.ready && t->peer.announced >= 2 * ROUTES && t->peer.sessions == 1 && all_there(t);
}

static bool accepted_left(const struct test *t)
{
	return all_there(t) && t->other.fd < 0 && t->other.code == 6 && t->other.subcode == 7;
}

static bool dialled_left(const struct test *t)
{
	return map_len(&t->other.table) == ROUTES && t->other.fd >= 0 && t->peer.fd < 0 &&
	       t->peer.code == 6 && t->peer.subcode == 7;
}

static bool a_while(const struct test *t)
{
	return mono_reached(loop_clock(), mono_add(t->deadline, -SEC(PATIENCE_S - 3)));
}

static bool accepted_still(const struct test *t)
{
	return a_while(t) && accepted_left(t) && t->other.sessions == 1;
}

static bool dialled_still(const struct test *t)
{
	return a_while(t) && dialled_left(t) && t->other.sessions == 1;
}

static void open_all(struct test *t, const char *program, bool peer_listens)
{
	char port[32];
	memset(t, 0, sizeof *t);
	str_fmt(port, sizeof port, "127.0.0.1:%d", PORT);
	setenv("INGOT_BGP_LISTEN", port, 1);
	must(house_open(&t->house, program) == 0);
	must(receiver_open(&t->peer, t->house.loop, 3, 64513) == 0);
	must(receiver_open(&t->other, t->house.loop, 2, 64513) == 0);
	/* When the peer does not listen, dialling goes to a port where nobody is. */
	house_put_peer(&t->house, "tor", "127.0.0.2", peer_listens ? t->other.port : 1, 64512, 64513);
	house_put_pool(&t->house, "10.100.0.0/16");
	for (unsigned n = 0; n < ROUTES; n++) {
		char text[ADDR_TEXT];
		house_put_service(&t->house, n, addr_text(addr_v4(0x0a640000u + n), text));
	}
	house_synced(&t->house);
	t->look = loop_timer_new(t->house.loop, on_look, t);
	must(house_start(&t->house) == 0);
}

static bool close_all(struct test *t)
{
	loop_timer_free(t->look);
	receiver_close(&t->peer);
	receiver_close(&t->other);
	house_close(&t->house);
	return t->failed;
}

static bool accepting(struct test *t, const char *program)
{
	open_all(t, program, false);
	expect(t, "ready", ready);
	must(receiver_connect(&t->other, 9, PORT) == 0);
	expect(t, "a stranger is turned away", turned_away);
	must(receiver_connect(&t->peer, 2, PORT) == 0);
	expect(t, "the peer connected and has its routes", all_there);
	house_kill(&t->house);
	must(house_start(&t->house) == 0);
	expect(t, "killed: the accepted session goes on", adopted);
	return close_all(t);
}

static bool dialled(const struct test *t)
{
	return t->other.sessions == 1;
}

/* It has our OPEN and the KEEPALIVE that answers its own: our side of it is in OpenConfirm. */
static bool opened(const struct test *t)
{
	return t->peer.keepalives > 0;
}

/* Both connections get as far as OpenConfirm. id: the peer's identifier; ours is 127.0.0.1. */
static bool colliding(struct test *t, const char *program, uint32_t id)
{
	bool higher = id > 0x7f000001;
	open_all(t, program, true);
	t->peer.id = t->other.id = id;
	t->peer.open_only = true;
	receiver_pause(&t->other, true);
	expect(t, "dialled, the peer does not answer", dialled);
	must(receiver_connect(&t->peer, 2, PORT) == 0);
	expect(t, "the peer connects too", opened);
	receiver_pause(&t->other, false);
	expect(t,
	       higher ? "its identifier is higher: its connection stays"
		      : "ours is higher: our connection stays",
	       higher ? accepted_left : dialled_left);
	expect(t, "for good", higher ? accepted_still : dialled_still);
	return close_all(t);
}

int main(int argc, char **argv)
{
	static struct test t;
	if (argc < 2) {
		fprintf(stderr, "usage: %s BGPD\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	bool failed = accepting(&t, argv[1]);
	failed |= colliding(&t, argv[1], 0x0a000001);
	failed |= colliding(&t, argv[1], 0xc0000001);
	return failed;
}
