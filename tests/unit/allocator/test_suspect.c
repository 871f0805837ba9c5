/* The memory of unfinished work over several lives, and what the board makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "allocator/suspect.h"
#include "lib/base/must.h"
#include "tests/unit/allocator/fixture.h"

struct found {
	size_t n;
	char key[SUSPECT_KEY];
	uint64_t fingerprint;
};

static void on_found(void *ctx, const char *key, uint64_t fingerprint)
{
	struct found *f = ctx;
	f->n++;
	f->fingerprint = fingerprint;
	must(str_fmt(f->key, sizeof f->key, "%s", key));
}

static struct found suspects(const struct suspect *s)
{
	struct found f = { 0 };
	suspect_each(s, SUSPECT_LIVES, on_found, &f);
	return f;
}

/* The process ends: its mapping goes, the descriptor stays with the supervisor. */
static void die(struct suspect *s)
{
	int kept = dup(s->fd);
	suspect_close(s);
	assert_int_equal(suspect_open(s, kept), 0);
}

static void test_two_lives(void **state)
{
	(void)state;
	struct suspect s;
	assert_int_equal(suspect_open(&s, -1), 0);
	suspect_begin(&s, "ns/good", 1);
	suspect_end(&s, true);
	die(&s);
	assert_int_equal(suspects(&s).n, 0);
	suspect_begin(&s, "ns/poison", 7);
	die(&s);
	assert_int_equal(suspects(&s).n, 0);
	suspect_begin(&s, "ns/good", 1);
	suspect_end(&s, true);
	/* A follower adopts it without harm; that proves nothing about deciding. */
	suspect_begin(&s, "ns/poison", 7);
	suspect_end(&s, false);
	suspect_begin(&s, "ns/poison", 7);
	die(&s);
	assert_int_equal(suspects(&s).n, 1);
	assert_string_equal(suspects(&s).key, "ns/poison");
	assert_int_equal(suspects(&s).fingerprint, 7);
	/* It stays so in later lives, and others are counted beside it. */
	suspect_begin(&s, "ns/other", 9);
	die(&s);
	assert_int_equal(suspects(&s).n, 1);
	/* Handled well: no suspect any more. */
	suspect_begin(&s, "ns/poison", 8);
	suspect_end(&s, true);
	assert_int_equal(suspects(&s).n, 0);
	suspect_close(&s);
}

static void test_changed_between(void **state)
{
	(void)state;
	struct suspect s;
	assert_int_equal(suspect_open(&s, -1), 0);
	suspect_begin(&s, "ns/a", 1);
	die(&s);
	suspect_begin(&s, "ns/a", 2);
	die(&s);
	assert_int_equal(suspects(&s).n, 0);
	suspect_begin(&s, "ns/a", 2);
	die(&s);
	assert_int_equal(suspects(&s).n, 1);
	suspect_close(&s);
}

/* Whatever the memory holds, it is only read within bounds. */
static void test_foreign(void **state)
{
	(void)state;
	struct suspect s;
	for (unsigned fill = 0; fill < 256; fill += 51) {
		int fd = memfd_create("foreign", MFD_CLOEXEC);
		char block[4096];
		memset(block, (int)fill, sizeof block);
		for (size_t left = sizeof(struct suspect_file); left > 0;) {
			ssize_t n = write(fd, block, left < sizeof block ? left : sizeof block);
			assert_true(n > 0);
			left -= (size_t)n;
		}
		assert_int_equal(suspect_open(&s, fd), 0);
		assert_int_equal(suspects(&s).n, 0);
		suspect_close(&s);
	}
	int small = memfd_create("small", MFD_CLOEXEC);
	assert_int_equal(ftruncate(small, 100), 0);
	assert_int_equal(suspect_open(&s, small), 0);
	suspect_begin(&s, "ns/a", 1);
	die(&s);
	die(&s);
	assert_int_equal(suspects(&s).n, 0);
	suspect_close(&s);
}

/* ---- the board skips what is in quarantine ---- */

struct seen {
	char reason[64], ip[64];
	size_t n, n_before;
};

static void on_assignment(void *ctx, const char *key, const Ingot__Assignment *a)
{
	struct seen *s = ctx;
	if (!a || strcmp(key, "default/poison") != 0)
		return;
	s->n++;
	must(str_fmt(s->reason, sizeof s->reason, "%s", a->reason));
	must(str_fmt(s->ip, sizeof s->ip, "%s", a->n_ips ? a->ips[0] : ""));
}

static void on_before(void *ctx, const char *key, uint64_t fingerprint)
{
	struct seen *s = ctx;
	(void)fingerprint;
	s->n_before += strcmp(key, "default/poison") == 0;
}

static void on_after(void *ctx, bool decided)
{
	(void)ctx;
	(void)decided;
}

static void test_board(void **state)
{
	(void)state;
	static const struct board_sink sink = { on_assignment, NULL, on_before, on_after };
	struct objects o;
	struct board b;
	struct seen seen = { .n = 0 };
	char key[OBJECT_KEY];
	mono_t now = { SEC(5) };
	objects_init(&o);
	fixture_pool(&o, "p 1.2.3.0/30");
	fixture_service(&o, "poison status=1.2.3.0 from=p", key);
	uint64_t print =
	    service_fingerprint((const Ingot__Service *)objects_get(&o, KIND_SERVICE, "default/poison"));
	struct config *c = fixture_config(&o);
	board_init(&b, "", &sink, &seen);
	board_quarantine(&b, "default/poison", print);
	assert_int_equal(board_lead(&b, true, &o, now), 0);
	assert_int_equal(board_configure(&b, c, NULL, false, &o, now), 0);
	fixture_service(&o, "other born=1", key);
	board_touch(&b, key);
	while (board_run(&b, &o, now, 10))
		;
	assert_int_equal(seen.n_before, 0);
	assert_string_equal(seen.reason, "quarantined");
	/* Its address is nobody else's, and the others go on. */
	assert_non_null(alloc_user(&b.alloc, addr_v4(0x01020300)));
	assert_non_null(alloc_holder(&b.alloc, "default/other"));
	/* It changes: looked at again. */
	fixture_service(&o, "poison status=1.2.3.0 from=p label=a=b", key);
	board_touch(&b, key);
	while (board_run(&b, &o, now, 10))
		;
	assert_int_equal(seen.n_before, 1);
	assert_string_equal(seen.reason, "");
	assert_string_equal(seen.ip, "1.2.3.0");
	board_fini(&b);
	config_free(c);
	objects_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_lives),
		cmocka_unit_test(test_changed_between),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_board),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
