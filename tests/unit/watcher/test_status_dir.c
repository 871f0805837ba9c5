/* The status store on a real folder: one holder of the lock writes, the others see it; broken records take
 * nothing away; documents and events of the own node. Two stores in one process stand for two nodes: flock
 * tells them apart by open file. */
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/map.h"
#include "lib/base/strbuf.h"
#include "watcher/files.h"
#include "watcher/status_dir.h"

enum { DEADLINE_US = 10000000 };

struct node {
	struct world *world;
	struct status_dir *store;
	struct map known; /* key -> "ip pool" */
	bool leads;
	char holder[64];
};
struct world {
	char root[64];
	struct loop *loop;
	struct loop_timer *timer, *poll;
	struct node a, b;
	bool (*done)(struct world *w);
	bool timeout;
};

static void on_changed(void *ctx, const char *key, struct service_status *taken)
{
	struct node *n = ctx;
	char text[256];
	void *old = NULL;
	if (!taken) {
		free(map_del(&n->known, key));
		return;
	}
	str_fmt(text, sizeof text, "%s %s", taken->n_ips ? taken->ips[0] : "-", taken->pool);
	map_set(&n->known, key, strdup(text), &old);
	free(old);
	service_status_free(taken);
}

static void on_lock(void *ctx, bool won, const char *holder)
{
	struct node *n = ctx;
	n->leads = won;
	str_fmt(n->holder, sizeof n->holder, "%s", holder);
}

static const struct status_reader reader = { .changed = on_changed, .lock = on_lock };

static void on_poll(void *ctx)
{
	struct world *w = ctx;
	if (w->done(w))
		loop_stop(w->loop);
	else
		loop_timer_set(w->poll, mono_add(loop_clock(), 2000));
}

static void on_timeout(void *ctx)
{
	struct world *w = ctx;
	w->timeout = true;
	loop_stop(w->loop);
}

/* Run until a condition holds; fails at the deadline. */
static void until(struct world *w, bool (*done)(struct world *w))
{
	w->done = done;
	w->timeout = false;
	loop_timer_set(w->timer, mono_add(loop_clock(), DEADLINE_US));
	loop_timer_set(w->poll, loop_clock());
	loop_run(w->loop);
	assert_false(w->timeout);
}

static void begin(struct world *w, struct node *n, const char *name, bool may_lead)
{
	n->world = w;
	map_init(&n->known);
	n->store = status_dir_new(w->root, name, &reader, n);
	assert_non_null(n->store);
	assert_int_equal(status_dir_prepare(n->store, (uid_t)-1), 0);
	assert_int_equal(status_dir_join(n->store, w->loop, may_lead), 0);
}

static void end(struct node *n)
{
	status_dir_free(n->store);
	n->store = NULL;
	map_fini(&n->known, free);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	str_fmt(w->root, sizeof w->root, "/tmp/ingot-status-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	w->loop = loop_new();
	w->timer = loop_timer_new(w->loop, on_timeout, w);
	w->poll = loop_timer_new(w->loop, on_poll, w);
	*state = w;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)type, (void)f;
	return remove(path);
}

static int teardown(void **state)
{
	struct world *w = *state;
	end(&w->a);
	end(&w->b);
	loop_timer_free(w->timer);
	loop_timer_free(w->poll);
	loop_free(w->loop);
	nftw(w->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(w);
	return 0;
}

static struct service_status *status(const char *ip, const char *pool)
{
	struct service_status *s = calloc(1, sizeof *s);
	s->pool = strdup(pool);
	s->ips[s->n_ips++] = strdup(ip);
	return s;
}

static const char *known(const struct node *n, const char *key)
{
	const char *s = map_get(&n->known, key);
	return s ? s : "(none)";
}

static char *content(const struct world *w, const char *name)
{
	static char buf[4096];
	char path[256], *data = NULL;
	size_t len = 0;
	str_fmt(path, sizeof path, "%s/.status/%s", w->root, name);
	str_fmt(buf, sizeof buf, "(none)");
	if (files_read(path, sizeof buf - 1, &data, &len) == 0)
		str_fmt(buf, sizeof buf, "%.*s", (int)len, data);
	free(data);
	return buf;
}

static void put(const struct world *w, const char *name, const char *text)
{
	char folder[256];
	static const char *const parents[] = { ".status", ".status/services", ".status/services/shop" };
	for (size_t i = 0; i < 3; i++) {
		str_fmt(folder, sizeof folder, "%s/%s", w->root, parents[i]);
		assert_int_equal(files_folder(folder), 0);
	}
	assert_int_equal(files_write(folder, name, text), 0);
}

static bool a_leads_b_knows(struct world *w)
{
	return w->a.leads && strcmp(w->b.holder, "node-a") == 0;
}
static bool b_leads(struct world *w)
{
	return w->b.leads;
}
static bool somebody_leads(struct world *w)
{
	return w->a.leads || w->b.leads;
}
static bool both_know_web(struct world *w)
{
	return strcmp(known(&w->a, "shop/web"), "10.0.0.1 first") == 0 &&
	       strcmp(known(&w->b, "shop/web"), "10.0.0.1 first") == 0;
}
static bool nobody_knows_web(struct world *w)
{
	return map_len(&w->a.known) == 0 && map_len(&w->b.known) == 0;
}
static bool both_know_many(struct world *w)
{
	return map_len(&w->a.known) == 1000 && map_len(&w->b.known) == 1000;
}

static void test_leader_writes(void **state)
{
	struct world *w = *state;
	put(w, "left.json", "{}");
	put(w, ".left.json.tmp", "half a rec");
	begin(w, &w->a, "node-a", true);
	begin(w, &w->b, "node-b", true);
	until(w, a_leads_b_knows);
	assert_false(w->b.leads);
	assert_string_equal(content(w, "services/shop/.left.json.tmp"), "(none)");
	status_dir_remove(w->a.store, "shop/left");
	until(w, nobody_knows_web);
	status_dir_write(w->a.store, "shop/web", status("10.0.0.9", "first"));
	status_dir_write(w->a.store, "shop/web", status("10.0.0.1", "first"));
	until(w, both_know_web);
	assert_string_equal(content(w, "services/shop/web.json"),
			    "{\"ingress\":[{\"ip\":\"10.0.0.1\"}],\"pool\":\"first\"}\n");
	assert_int_equal(status_dir_writes(w->a.store), 2);
	status_dir_remove(w->a.store, "shop/web");
	until(w, nobody_knows_web);
	assert_string_equal(content(w, "services/shop/web.json"), "(none)");
	/* The holder goes: the next one takes over, with what is stored. */
	status_dir_write(w->a.store, "shop/web", status("10.0.0.1", "first"));
	until(w, both_know_web);
	end(&w->a);
	until(w, b_leads);
	assert_string_equal(known(&w->b, "shop/web"), "10.0.0.1 first");
	begin(w, &w->a, "node-a", false);
	assert_string_equal(known(&w->a, "shop/web"), "10.0.0.1 first");
}

static void test_many(void **state)
{
	struct world *w = *state;
	begin(w, &w->a, "node-a", true);
	begin(w, &w->b, "node-b", false);
	for (int i = 0; i < 1000; i++) {
		char key[64];
		str_fmt(key, sizeof key, "ns%d/s%d", i % 7, i);
		status_dir_write(w->a.store, key, status("10.0.0.1", "first"));
	}
	until(w, both_know_many);
	assert_int_equal(status_dir_writes(w->a.store), 1000);
}

static bool b_knows_api(struct world *w)
{
	return strcmp(known(&w->b, "shop/api"), "10.0.0.3 p") == 0;
}

static void test_foreign_records(void **state)
{
	struct world *w = *state;
	begin(w, &w->b, "node-b", false);
	put(w, "web.json", "{\"ingress\":[{\"ip\":\"10.0.0.2\"}],\"pool\":\"p\"}");
	put(w, "bad.json", "{\"ingress\":[{\"ip\":\"nonsense\"}]}");
	put(w, "web.json", "{\"ingress\":");
	put(w, ".hidden.json", "{}");
	put(w, "note.txt", "{}");
	put(w, "api.json", "{\"ingress\":[{\"ip\":\"10.0.0.3\"}],\"pool\":\"p\"}");
	until(w, b_knows_api);
	assert_int_equal(map_len(&w->b.known), 1);
	assert_string_equal(known(&w->b, "shop/bad"), "(none)");
	/* A broken record takes no address away. */
	put(w, "api.json", "{");
	put(w, "web.json", "{\"ingress\":[{\"ip\":\"10.0.0.1\"}],\"pool\":\"first\"}");
	w->a.known = (struct map){ 0 };
	map_set(&w->a.known, "shop/web", strdup("10.0.0.1 first"), NULL);
	until(w, both_know_web);
	assert_string_equal(known(&w->b, "shop/api"), "10.0.0.3 p");
}

static void test_node_documents(void **state)
{
	struct world *w = *state;
	begin(w, &w->a, "node-a", false);
	status_dir_node(w->a.store, "x.json", "{\"lastTransitionTime\": \"2024-01-01T00:00:00Z\", \"a\": 1}");
	status_dir_node(w->a.store, "x.json", "{\"lastTransitionTime\": \"2024-01-01T00:00:00Z\", \"a\": 1}");
	assert_int_equal(status_dir_writes(w->a.store), 1);
	end(&w->a);
	/* The next life has another clock, and nothing to say. */
	begin(w, &w->a, "node-a", false);
	status_dir_node(w->a.store, "x.json", "{\"lastTransitionTime\": \"2025-02-02T00:00:00Z\", \"a\": 1}");
	assert_int_equal(status_dir_writes(w->a.store), 0);
	status_dir_node(w->a.store, "x.json", "{\"lastTransitionTime\": \"2025-02-02T00:00:00Z\", \"a\": 2}");
	assert_int_equal(status_dir_writes(w->a.store), 1);
	assert_non_null(strstr(content(w, "node-a/x.json"), "2025-02-02"));
	status_dir_event(w->a.store, "one\n");
	status_dir_event(w->a.store, "two\n");
	assert_string_equal(content(w, "node-a/events.log"), "one\ntwo\n");
	/* It does not grow for ever. */
	char line[4096];
	memset(line, 'x', sizeof line);
	line[sizeof line - 1] = 0;
	for (int i = 0; i < 600; i++)
		status_dir_event(w->a.store, line);
	struct stat st;
	char path[256];
	str_fmt(path, sizeof path, "%s/.status/node-a/events.log", w->root);
	assert_true(stat(path, &st) < 0 || st.st_size <= 1 << 20);
	str_fmt(path, sizeof path, "%s/.status/node-a/events.log.1", w->root);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= (1 << 20) + 4096);
}

/* The folder was replaced: a lock on a file without a name is given up. */
static void test_lost_lock(void **state)
{
	struct world *w = *state;
	char path[256];
	begin(w, &w->a, "node-a", true);
	begin(w, &w->b, "node-b", true);
	until(w, a_leads_b_knows);
	str_fmt(path, sizeof path, "%s/.status/lock", w->root);
	assert_int_equal(unlink(path), 0);
	status_dir_rescan(w->a.store);
	assert_false(w->a.leads);
	until(w, somebody_leads);
	assert_true(w->a.leads != w->b.leads);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { TEST(test_leader_writes), TEST(test_many),
					    TEST(test_foreign_records), TEST(test_node_documents),
					    TEST(test_lost_lock) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
