/* What must not kill bgpd for ever: an UPDATE that ends it, retained memory that is damaged, retained memory
 * that ends every life before it is ready, a table of prefixes full of rubbish. Each time it comes back, only
 * what was poisoned is gone, and the receivers have all routes again. Needs a build with test hooks; without
 * them it says so and is skipped (exit 77).
 *
 * usage: bgp_poison BGPD */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bgpd/store.h"
#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "tests/system/bgp_stream/house.h"
#include "tests/system/bgp_stream/receiver.h"

enum { ROUTES = 50, PEERS = 2, PATIENCE_S = 40 };

struct test {
	struct house house;
	struct receiver receivers[PEERS];
	uint64_t sessions[PEERS]; /* wanted */
	unsigned crashes, lives;
	struct loop_timer *look;
	mono_t deadline;
	const char *failed;
};

static bool settled(const struct test *t)
{
	bool ok = t->house.ready && t->house.lives >= t->lives && t->house.crashes >= t->crashes;
	for (int i = 0; i < PEERS; i++) {
		const struct receiver *r = &t->receivers[i];
		ok &= r->sessions == t->sessions[i] && map_len(&r->table) == ROUTES && r->end_of_rib > 0;
	}
	return ok;
}

static void on_look(void *ctx)
{
	struct test *t = ctx;
	mono_t now = loop_clock();
	if (settled(t) || mono_reached(now, t->deadline))
		loop_stop(t->house.loop);
	else
		loop_timer_set(t->look, mono_add(now, MS(5)));
}

/* Wait until everything is as the fields of t want it. */
static void expect(struct test *t, const char *what)
{
	if (t->failed)
		return;
	t->deadline = mono_add(loop_clock(), SEC(PATIENCE_S));
	loop_timer_set(t->look, loop_clock());
	loop_run(t->house.loop);
	bool ok = settled(t) && t->house.crashes == t->crashes;
	printf("%s: %s (sessions %llu and %llu, crashes %u, lives %u, routes %zu and %zu)\n", what,
	       ok ? "ok" : "FAILED", (unsigned long long)t->receivers[0].sessions,
	       (unsigned long long)t->receivers[1].sessions, t->house.crashes, t->house.lives,
	       map_len(&t->receivers[0].table), map_len(&t->receivers[1].table));
	if (!ok)
		t->failed = what;
}

static void send_poison(struct receiver *r)
{
	static const char word[] = "ingot: crash";
	uint8_t buf[BGP_MAX];
	struct wbuf w = wbuf_of(buf, sizeof buf);
	size_t at = bgp_begin(&w, BGP_UPDATE);
	wbuf_u16(&w, 0);
	wbuf_u16(&w, 3 + sizeof word);
	wbuf_u8(&w, 0xc0);
	wbuf_u8(&w, 250);
	wbuf_u8(&w, sizeof word);
	wbuf_put(&w, word, sizeof word);
	bgp_end(&w, at);
	receiver_say(r, buf, w.len);
}

/* Which retained memory belongs to this peer. */
static int memory_of(const struct test *t, const char *peer)
{
	for (int id = 0; id < 8; id++) {
		char name[16];
		struct store_params p;
		str_fmt(name, sizeof name, "m%d", id);
		int fd = house_retained(&t->house, name);
		if (fd >= 0 && pread(fd, &p, sizeof p, offsetof(struct store, params)) == (ssize_t)sizeof p &&
		    strcmp(p.peer, peer) == 0)
			return fd;
	}
	return -1;
}

static void overwrite(int fd, const void *data, size_t n, size_t at)
{
	must(fd >= 0 && pwrite(fd, data, n, (off_t)at) == (ssize_t)n);
}

static void run(struct test *t)
{
	static uint8_t rubbish[4000];
	const uint32_t trigger = 0xdeadbeef;
	memset(rubbish, 0x5a, sizeof rubbish);
	t->sessions[0] = t->sessions[1] = 1;
	expect(t, "both sessions stand");
	send_poison(&t->receivers[0]);
	t->crashes++;
	t->lives += 2;
	t->sessions[0]++;
	expect(t, "an UPDATE that ends the daemon costs its own session, the other goes on");
	house_kill(&t->house);
	overwrite(memory_of(t, "peer0"), rubbish, 100, offsetof(struct store, params));
	must(house_start(&t->house) == 0);
	t->sessions[0]++;
	expect(t, "damaged memory of one session");
	house_kill(&t->house);
	overwrite(house_retained(&t->house, "prefixes"), rubbish, sizeof rubbish, 0);
	must(house_start(&t->house) == 0);
	t->sessions[0]++;
	t->sessions[1]++;
	expect(t, "the table of prefixes is rubbish");
	house_kill(&t->house);
	overwrite(memory_of(t, "peer1"), &trigger, sizeof trigger, offsetof(struct store, spare));
	must(house_start(&t->house) == 0);
	t->crashes += 2;
	t->sessions[0]++;
	t->sessions[1]++;
	expect(t, "memory that ends every life before it is ready");
}

static bool has_hooks(void)
{
#ifdef INGOT_TEST_HOOKS
	return true;
#else
	return false;
#endif
}

int main(int argc, char **argv)
{
	static struct test t;
	if (argc < 2) {
		fprintf(stderr, "usage: %s BGPD\n", argv[0]);
		return 2;
	}
	if (!has_hooks()) {
		printf("skipped: this build has no test hooks\n");
		return 77;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	must(house_open(&t.house, argv[1]) == 0);
	for (unsigned i = 0; i < PEERS; i++) {
		char name[16], address[16];
		must(receiver_open(&t.receivers[i], t.house.loop, 1 + i, 64513) == 0);
		str_fmt(name, sizeof name, "peer%u", i);
		str_fmt(address, sizeof address, "127.0.0.%u", 1 + i);
		house_put_peer(&t.house, name, address, t.receivers[i].port, 64512, 64513);
	}
	house_put_pool(&t.house, "10.100.0.0/16");
	for (unsigned n = 0; n < ROUTES; n++) {
		char text[ADDR_TEXT];
		house_put_service(&t.house, n, addr_text(addr_v4(0x0a640000u + n), text));
	}
	house_synced(&t.house);
	t.look = loop_timer_new(t.house.loop, on_look, &t);
	must(house_start(&t.house) == 0);
	run(&t);
	loop_timer_free(t.look);
	for (int i = 0; i < PEERS; i++)
		receiver_close(&t.receivers[i]);
	house_close(&t.house);
	return t.failed ? 1 : 0;
}
