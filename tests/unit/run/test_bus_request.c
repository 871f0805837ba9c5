/* Requests of the bus: many at once, answered in any order, late, never, or by the server's next life. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/must.h"
#include "proto/bus.pb-c.h"
#include "tests/unit/run/bus_fixture.h"

enum { MANY = 50 };

struct asked {
	unsigned n, index;
	int error;
	char text[64];
	unsigned order; /* when it was answered */
};

struct server {
	struct fixture f;
	struct bus *watcher, *gossipd;
	struct exchange *held[4 * MANY];
	char names[4 * MANY][32];
	unsigned n_held, n_answers;
	struct asked asked[MANY];
	unsigned wanted;
};

static int server_open(void **state)
{
	static struct server s;
	memset(&s, 0, sizeof(s));
	fixture_open(&s.f);
	s.watcher = fixture_bus(&s.f, DAEMON_WATCHER);
	s.gossipd = fixture_bus(&s.f, DAEMON_GOSSIPD);
	*state = &s;
	return 0;
}

static int server_close(void **state)
{
	struct server *s = *state;
	bus_free(s->gossipd);
	bus_free(s->watcher);
	fixture_close(&s->f);
	return 0;
}

static void hold(void *ctx, const ProtobufCMessage *payload, struct exchange *x)
{
	struct server *s = ctx;
	must(s->n_held < ARRAY_LEN(s->held));
	snprintf(s->names[s->n_held], sizeof(s->names[0]), "%s",
		 ((const Ingot__SecretRequest *)(const void *)payload)->name);
	s->held[s->n_held++] = x;
}

static void answer(struct exchange *x, const char *text)
{
	char copy[32];
	Ingot__SecretReply reply = INGOT__SECRET_REPLY__INIT;
	snprintf(copy, sizeof(copy), "%s", text);
	reply.value = (ProtobufCBinaryData){ strlen(copy), (uint8_t *)copy };
	bus_reply(x, &reply.base);
}

static void answer_at_once(void *ctx, const ProtobufCMessage *payload, struct exchange *x)
{
	(void)ctx;
	answer(x, ((const Ingot__SecretRequest *)(const void *)payload)->name);
}

static struct server *current;

static void on_answer(void *ctx, int error, const char *message, const ProtobufCMessage *payload)
{
	struct asked *a = ctx;
	const Ingot__SecretReply *r = (const Ingot__SecretReply *)(const void *)payload;
	a->n++;
	a->error = error;
	a->order = current->n_answers++;
	if (payload)
		snprintf(a->text, sizeof(a->text), "%.*s", (int)r->value.len, (const char *)r->value.data);
	else
		snprintf(a->text, sizeof(a->text), "%s", message);
}

static uint64_t ask(struct server *s, unsigned i, const char *name)
{
	char copy[32];
	Ingot__SecretRequest request = INGOT__SECRET_REQUEST__INIT;
	current = s;
	snprintf(copy, sizeof(copy), "%s", name);
	request.name = copy;
	uint64_t id =
	    bus_request(s->gossipd, DAEMON_WATCHER, REQUEST_SECRET, &request.base, on_answer, &s->asked[i]);
	assert_true(id != 0);
	assert_int_equal(s->asked[i].n, 0); /* never from inside the call */
	return id;
}

static bool all_held(void *ctx)
{
	struct server *s = ctx;
	return s->n_held >= s->wanted;
}

static bool all_answered(void *ctx)
{
	struct server *s = ctx;
	return s->n_answers >= s->wanted;
}

static void fifty_at_once_are_answered_in_reverse(void **state)
{
	struct server *s = *state;
	assert_int_equal(bus_serve(s->watcher, REQUEST_SECRET, hold, s), 0);
	for (unsigned i = 0; i < MANY; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%u", i);
		ask(s, i, name);
	}
	s->wanted = MANY;
	run_until(s->f.loop, all_held, s);
	for (unsigned i = MANY; i-- > 0;)
		answer(s->held[i], s->names[i]);
	run_until(s->f.loop, all_answered, s);
	for (unsigned i = 0; i < MANY; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%u", i);
		assert_int_equal(s->asked[i].n, 1);
		assert_int_equal(s->asked[i].error, 0);
		assert_string_equal(s->asked[i].text, name);
		assert_int_equal(s->asked[i].order, MANY - 1 - i);
	}
}

static void no_answer_is_an_answer_after_the_deadline(void **state)
{
	struct server *s = *state;
	assert_int_equal(bus_serve(s->watcher, REQUEST_SECRET, hold, s), 0);
	mono_t start = loop_clock();
	ask(s, 0, "late");
	s->wanted = 1;
	run_until(s->f.loop, all_answered, s);
	int64_t took = mono_sub(loop_clock(), start);
	assert_int_equal(s->asked[0].error, -ETIMEDOUT);
	assert_true(took >= MS(2000));
	/* Its answer comes now, belongs to nobody, and must not be taken for the next one's. */
	answer(s->held[0], "late");
	ask(s, 1, "next");
	s->wanted = 2;
	run_until(s->f.loop, all_held, s);
	answer(s->held[1], "next");
	run_until(s->f.loop, all_answered, s);
	assert_string_equal(s->asked[1].text, "next");
	assert_int_equal(s->asked[0].n, 1);
	assert_int_equal(fixture_dropped(&s->f, "stray_reply"), 1);
}

static void a_server_that_starts_later_gets_it(void **state)
{
	struct server *s = *state;
	bus_free(s->watcher);
	s->watcher = NULL;
	ask(s, 0, "early");
	run_for(s->f.loop, MS(30));
	assert_int_equal(s->asked[0].n, 0);
	s->watcher = fixture_bus(&s->f, DAEMON_WATCHER);
	assert_int_equal(bus_serve(s->watcher, REQUEST_SECRET, answer_at_once, s), 0);
	s->wanted = 1;
	run_until(s->f.loop, all_answered, s);
	assert_string_equal(s->asked[0].text, "early");
}

static void the_next_life_of_the_server_gets_what_the_former_took_along(void **state)
{
	struct server *s = *state;
	assert_int_equal(bus_serve(s->watcher, REQUEST_SECRET, hold, s), 0);
	for (unsigned i = 0; i < 10; i++) {
		char name[16];
		snprintf(name, sizeof(name), "r%u", i);
		ask(s, i, name);
	}
	s->wanted = 10;
	run_until(s->f.loop, all_held, s);
	bus_free(s->watcher);
	s->watcher = fixture_bus(&s->f, DAEMON_WATCHER);
	assert_int_equal(bus_serve(s->watcher, REQUEST_SECRET, answer_at_once, s), 0);
	run_until(s->f.loop, all_answered, s);
	for (unsigned i = 0; i < 10; i++) {
		char name[16];
		snprintf(name, sizeof(name), "r%u", i);
		assert_string_equal(s->asked[i].text, name);
		assert_int_equal(s->asked[i].n, 1);
	}
}

static void a_cancelled_request_is_never_answered(void **state)
{
	struct server *s = *state;
	assert_int_equal(bus_serve(s->watcher, REQUEST_SECRET, hold, s), 0);
	uint64_t ids[3] = { ask(s, 0, "a"), ask(s, 1, "b"), ask(s, 2, "c") };
	bus_cancel(s->gossipd, ids[1]);
	bus_cancel(s->gossipd, ids[1]); /* twice is harmless, so is an unknown id */
	bus_cancel(s->gossipd, 12345);
	s->wanted = 2;
	run_until(s->f.loop, all_held, s);
	run_for(s->f.loop, MS(20));
	unsigned n = s->n_held;
	for (unsigned i = 0; i < n; i++)
		answer(s->held[i], s->names[i]);
	run_until(s->f.loop, all_answered, s);
	run_for(s->f.loop, MS(20));
	assert_int_equal(s->asked[0].n, 1);
	assert_int_equal(s->asked[1].n, 0);
	assert_int_equal(s->asked[2].n, 1);
}

static void errors_come_back_with_a_sentence(void **state)
{
	struct server *s = *state;
	ask(s, 0, "nobody-serves");
	s->wanted = 1;
	run_until(s->f.loop, all_answered, s);
	assert_int_equal(s->asked[0].error, -ENOSYS);
	assert_string_equal(s->asked[0].text, "nobody serves that request here");
	assert_int_equal(bus_serve(s->watcher, REQUEST_SECRET, hold, s), 0);
	ask(s, 1, "refused");
	s->n_held = 0;
	run_until(s->f.loop, all_held, s);
	bus_reply_error(s->held[0], -ENOENT, "no such Secret");
	s->wanted = 2;
	run_until(s->f.loop, all_answered, s);
	assert_int_equal(s->asked[1].error, -ENOENT);
	assert_string_equal(s->asked[1].text, "no such Secret");
}

static void edges_that_are_not_on_the_map_are_refused(void **state)
{
	struct server *s = *state;
	Ingot__SecretRequest secret = INGOT__SECRET_REQUEST__INIT;
	Ingot__StateRequest metrics = INGOT__STATE_REQUEST__INIT;
	errno = 0;
	assert_int_equal(bus_request(s->gossipd, DAEMON_L2D, REQUEST_SECRET, &secret.base, on_answer, NULL),
			 0);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(
	    bus_request(s->gossipd, DAEMON_BGPD, REQUEST_METRICS, &metrics.base, on_answer, NULL), 0);
	assert_int_equal(errno, EHOSTUNREACH);
	assert_int_equal(bus_serve(s->gossipd, REQUEST_SECRET, hold, s), -EINVAL);
	assert_int_equal(bus_serve(s->watcher, REQUEST_SINCE, hold, s), -EINVAL);
}

static unsigned nested;

static void ask_again(void *ctx, int error, const char *message, const ProtobufCMessage *payload)
{
	struct server *s = ctx;
	Ingot__SecretRequest request = INGOT__SECRET_REQUEST__INIT;
	(void)message;
	assert_int_equal(error, 0);
	assert_non_null(payload);
	s->n_answers++;
	if (nested++ < 20)
		assert_true(bus_request(s->gossipd, DAEMON_WATCHER, REQUEST_SECRET, &request.base, ask_again,
					s) != 0);
}

static void a_callback_may_ask_again(void **state)
{
	struct server *s = *state;
	assert_int_equal(bus_serve(s->watcher, REQUEST_SECRET, answer_at_once, s), 0);
	nested = 0;
	Ingot__SecretRequest request = INGOT__SECRET_REQUEST__INIT;
	assert_true(bus_request(s->gossipd, DAEMON_WATCHER, REQUEST_SECRET, &request.base, ask_again, s) !=
		    0);
	s->wanted = 21;
	run_until(s->f.loop, all_answered, s);
	assert_int_equal(nested, 21);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, server_open, server_close)
	const struct CMUnitTest tests[] = {
		T(fifty_at_once_are_answered_in_reverse),
		T(no_answer_is_an_answer_after_the_deadline),
		T(a_server_that_starts_later_gets_it),
		T(the_next_life_of_the_server_gets_what_the_former_took_along),
		T(a_cancelled_request_is_never_answered),
		T(errors_come_back_with_a_sentence),
		T(edges_that_are_not_on_the_map_are_refused),
		T(a_callback_may_ask_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
