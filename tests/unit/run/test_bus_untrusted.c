/* A reader of the bus against a publisher that lies: frames of old epochs, unreadable values, other daemons'
 * topics, replies that never end. The publisher here is made of bare sockets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>

#include "lib/base/must.h"
#include "lib/run/bus_wire.h"
#include "proto/bus.pb-c.h"
#include "tests/unit/run/bus_fixture.h"

struct liar {
	struct fixture f;
	nng_socket pub, rep, to_gossipd;
	struct loop_fd *watch;
	struct bus *gossipd;
	struct subscriber *s;
	struct mirror m;
	Ingot__SinceReply reply; /* to every since */
	unsigned n_since;
	unsigned wanted_since;
	const char *reason;
	int64_t wanted_drops;
	const char *wanted_key;
};

static void on_request(void *ctx, unsigned events)
{
	struct liar *l = ctx;
	nng_msg *m;
	(void)events;
	while (nng_recvmsg(l->rep, &m, NNG_FLAG_NONBLOCK) == 0) {
		Ingot__Request *request = ingot__request__unpack(NULL, nng_msg_len(m), nng_msg_body(m));
		uint8_t *payload = malloc(ingot__since_reply__get_packed_size(&l->reply) + 1);
		uint8_t frame[4096];
		Ingot__Reply reply = INGOT__REPLY__INIT;
		must(request && payload);
		struct bus_part part = { .instance = request->instance, .id = request->id, .is_last = true };
		reply.payload =
		    (ProtobufCBinaryData){ ingot__since_reply__pack(&l->reply, payload), payload };
		nng_msg_free(m);
		bus_wire_put_part(&part, frame);
		must(ingot__reply__get_packed_size(&reply) < sizeof(frame) - BUS_PART_HEAD);
		size_t len = BUS_PART_HEAD + ingot__reply__pack(&reply, frame + BUS_PART_HEAD);
		must(nng_msg_alloc(&m, 0) == 0 && nng_msg_append(m, frame, len) == 0);
		must(nng_sendmsg(l->to_gossipd, m, 0) == 0);
		l->n_since += request->kind == REQUEST_SINCE;
		ingot__request__free_unpacked(request, NULL);
		free(payload);
	}
}

static void liar_listen(struct liar *l)
{
	char url[128];
	int fd;
	assert_int_equal(nng_pub0_open(&l->pub), 0);
	assert_int_equal(nng_pull0_open(&l->rep), 0);
	assert_int_equal(nng_pub0_open(&l->to_gossipd), 0);
	assert_int_equal(nng_socket_set_int(l->pub, NNG_OPT_SENDBUF, BUS_QUEUE), 0);
	snprintf(url, sizeof(url), "ipc://%s/watcher/pub", l->f.run_dir);
	assert_int_equal(nng_listen(l->pub, url, NULL, 0), 0);
	snprintf(url, sizeof(url), "ipc://%s/watcher/rep", l->f.run_dir);
	assert_int_equal(nng_listen(l->rep, url, NULL, 0), 0);
	snprintf(url, sizeof(url), "ipc://%s/watcher/to-gossipd", l->f.run_dir);
	assert_int_equal(nng_listen(l->to_gossipd, url, NULL, 0), 0);
	assert_int_equal(nng_socket_get_int(l->rep, NNG_OPT_RECVFD, &fd), 0);
	l->watch = loop_fd_new(l->f.loop, fd, LOOP_READ, on_request, l);
}

static int liar_open(void **state)
{
	static struct liar l;
	memset(&l, 0, sizeof(l));
	fixture_open(&l.f);
	liar_listen(&l);
	mirror_init(&l.m);
	ingot__since_reply__init(&l.reply);
	l.reply.epoch = 1000;
	l.reply.restart = true;
	l.reply.synced = true;
	l.gossipd = fixture_bus(&l.f, DAEMON_GOSSIPD);
	l.s = bus_subscribe(l.gossipd, TOPIC_NAMESPACES, &mirror_reader, &l.m);
	assert_non_null(l.s);
	*state = &l;
	return 0;
}

static int liar_close(void **state)
{
	struct liar *l = *state;
	bus_free(l->gossipd);
	loop_fd_free(l->watch);
	nng_close(l->pub);
	nng_close(l->rep);
	nng_close(l->to_gossipd);
	mirror_fini(&l->m);
	fixture_close(&l->f);
	return 0;
}

static bool is_synced(void *ctx)
{
	return ((struct liar *)ctx)->m.synced > 0;
}

static bool has_drops(void *ctx)
{
	struct liar *l = ctx;
	return fixture_dropped(&l->f, l->reason) >= l->wanted_drops;
}

static bool has_key(void *ctx)
{
	struct liar *l = ctx;
	uint64_t v;
	return mirror_get(&l->m, l->wanted_key, &v);
}

static bool has_asked(void *ctx)
{
	struct liar *l = ctx;
	return l->n_since >= l->wanted_since;
}

static void wait_drops(struct liar *l, const char *reason, int64_t n)
{
	l->reason = reason;
	l->wanted_drops = n;
	run_until(l->f.loop, has_drops, l);
}

static void wait_key(struct liar *l, const char *key)
{
	l->wanted_key = key;
	run_until(l->f.loop, has_key, l);
}

struct lie {
	uint8_t topic;
	uint32_t version;
	uint64_t epoch, sequence;
	Ingot__Op op;
	const char *key, *payload;
};

static void send_bytes(struct liar *l, const void *data, size_t len)
{
	nng_msg *m;
	must(nng_msg_alloc(&m, 0) == 0 && nng_msg_append(m, data, len) == 0);
	must(nng_sendmsg(l->pub, m, 0) == 0);
}

static void tell(struct liar *l, const struct lie *lie)
{
	uint8_t frame[4096];
	char key[1024], payload[256];
	Ingot__Envelope e = INGOT__ENVELOPE__INIT;
	snprintf(key, sizeof(key), "%s", lie->key ? lie->key : "");
	snprintf(payload, sizeof(payload), "%s", lie->payload ? lie->payload : "");
	e.version = lie->version ? lie->version : BUS_VERSION;
	e.epoch = lie->epoch;
	e.sequence = lie->sequence;
	e.op = lie->op;
	e.key = key;
	e.payload = (ProtobufCBinaryData){ strlen(payload), (uint8_t *)payload };
	frame[0] = lie->topic ? lie->topic : 'n';
	send_bytes(l, frame, 1 + ingot__envelope__pack(&e, frame + 1));
}

/* Until the table is complete and frames are known to arrive, with none under way. */
static void connect_frames(struct liar *l)
{
	run_until(l->f.loop, is_synced, l);
	while (fixture_dropped(&l->f, "old_epoch") == 0) {
		tell(l, &(struct lie){ .epoch = 999, .op = INGOT__OP__OP_IDLE });
		run_for(l->f.loop, MS(1));
	}
	int64_t before = fixture_dropped(&l->f, "malformed");
	tell(l, &(struct lie){ .epoch = 1000, .op = (Ingot__Op)9 });
	wait_drops(l, "malformed", before + 1);
}

static void frames_of_an_old_epoch_are_dropped(void **state)
{
	struct liar *l = *state;
	connect_frames(l);
	int64_t before = fixture_dropped(&l->f, "old_epoch");
	for (uint64_t i = 1; i <= 100; i++)
		tell(l,
		     &(struct lie){ .epoch = 999, .sequence = i, .op = INGOT__OP__OP_UPSERT, .key = "old" });
	tell(l, &(struct lie){ .epoch = 1000, .sequence = 1, .op = INGOT__OP__OP_UPSERT, .key = "new" });
	wait_key(l, "new");
	assert_int_equal(fixture_dropped(&l->f, "old_epoch"), before + 100);
	assert_int_equal(map_len(&l->m.values), 1);
}

/* One row, one frame, one counter; the frame after it still applies. */
static void bad_frames_are_counted_and_skipped(void **state)
{
	static const struct {
		struct lie lie;
		const char *reason;
	} rows[] = {
		{ { .topic = 'n', .version = BUS_VERSION + 2 }, "version" },
		{ { .epoch = 0, .sequence = 1 }, "malformed" },
		{ { .epoch = INT64_MAX - 1 }, "malformed" },
		{ { .epoch = UINT64_MAX }, "malformed" },
		{ { .op = (Ingot__Op)9 }, "malformed" },
		{ { .op = INGOT__OP__OP_UPSERT, .key = "" }, "bad_key" },
		{ { .op = INGOT__OP__OP_DELETE, .key = "" }, "bad_key" },
		{ { .op = INGOT__OP__OP_UPSERT, .key = "bad\xff" }, "bad_key" },
		{ { .op = INGOT__OP__OP_IDLE, .key = "idle-with-key" }, "malformed" },
		{ { .op = INGOT__OP__OP_SYNCED, .payload = "x" }, "malformed" },
	};
	struct liar *l = *state;
	connect_frames(l);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lie lie = rows[i].lie;
		char key[16];
		int64_t before = fixture_dropped(&l->f, rows[i].reason);
		lie.epoch = i == 1 || lie.epoch != 0 ? lie.epoch : 1000;
		lie.sequence = i + 1;
		tell(l, &lie);
		snprintf(key, sizeof(key), "good-%zu", i);
		tell(l, &(struct lie){
			    .epoch = 1000, .sequence = i + 1, .op = INGOT__OP__OP_UPSERT, .key = key });
		wait_key(l, key);
		assert_int_equal(fixture_dropped(&l->f, rows[i].reason), before + 1);
	}
	unsigned asked = l->n_since;
	send_bytes(l, "n\xff\xff\xff", 4);
	wait_drops(l, "malformed", fixture_dropped(&l->f, "malformed") + 1);
	assert_int_equal(l->n_since, asked); /* nothing to ask for */
}

static void a_daemon_speaks_for_its_own_topics_only(void **state)
{
	struct liar *l = *state;
	connect_frames(l);
	/* A socket delivers what any topic of the daemon has asked for: links is l2d's topic. */
	struct mirror links;
	mirror_init(&links);
	assert_non_null(bus_subscribe(l->gossipd, TOPIC_LINKS, &mirror_reader, &links));
	assert_null(bus_subscribe(l->gossipd, TOPIC_LINKS, &mirror_reader, &links)); /* twice */
	tell(l, &(struct lie){
		    .topic = 'L', .epoch = 5000, .sequence = 1, .op = INGOT__OP__OP_UPSERT, .key = "eth0" });
	tell(l, &(struct lie){ .epoch = 1000, .sequence = 1, .op = INGOT__OP__OP_UPSERT, .key = "mine" });
	wait_key(l, "mine");
	assert_int_equal(map_len(&links.values), 0);
	mirror_fini(&links);
}

static void a_value_that_cannot_be_read_is_skipped_and_not_asked_for(void **state)
{
	struct liar *l = *state;
	connect_frames(l);
	unsigned asked = l->n_since;
	tell(l, &(struct lie){ .epoch = 1000, .sequence = 1, .op = INGOT__OP__OP_UPSERT, .key = "a" });
	tell(l, &(struct lie){ .epoch = 1000,
			       .sequence = 2,
			       .op = INGOT__OP__OP_UPSERT,
			       .key = "poison",
			       .payload = "\xff\xff" });
	tell(l, &(struct lie){ .epoch = 1000,
			       .sequence = 3,
			       .op = INGOT__OP__OP_UPSERT,
			       .key = "a",
			       .payload = "\x0a\xff" });
	tell(l, &(struct lie){ .epoch = 1000, .sequence = 4, .op = INGOT__OP__OP_UPSERT, .key = "b" });
	wait_key(l, "b");
	assert_int_equal(fixture_dropped(&l->f, "bad_payload"), 2);
	assert_int_equal(map_len(&l->m.values), 2); /* a keeps its readable value */
	assert_int_equal(l->n_since, asked);
	/* The deletion of a key that was never readable tells nobody. */
	tell(l, &(struct lie){ .epoch = 1000, .sequence = 5, .op = INGOT__OP__OP_DELETE, .key = "poison" });
	tell(l, &(struct lie){ .epoch = 1000, .sequence = 6, .op = INGOT__OP__OP_UPSERT, .key = "c" });
	wait_key(l, "c");
	assert_int_equal(l->m.removes, 0);
}

static void a_gap_that_no_answer_fills_does_not_storm(void **state)
{
	struct liar *l = *state;
	connect_frames(l);
	l->reply.restart = false;
	unsigned asked = l->n_since;
	mono_t start = loop_clock();
	/* Every idle frame claims changes that no since ever brings. */
	for (int i = 0; i < 200; i++) {
		tell(l, &(struct lie){ .epoch = 1000, .sequence = 50, .op = INGOT__OP__OP_IDLE });
		run_for(l->f.loop, MS(1));
	}
	int64_t ms = mono_sub(loop_clock(), start) / 1000;
	unsigned n = l->n_since - asked;
	assert_true(n >= 2);
	assert_true(n <= 10 + (uint64_t)ms / 20);
	assert_int_equal(l->m.removes, 0);
}

static void tell_idle(struct liar *l, uint64_t epoch, uint8_t topic, uint64_t sequence)
{
	uint8_t frame[128] = { '.' };
	Ingot__IdleTopic row = INGOT__IDLE_TOPIC__INIT, *rows[1] = { &row };
	Ingot__Idle idle = INGOT__IDLE__INIT;
	row.topic = topic;
	row.sequence = sequence;
	idle.version = BUS_VERSION;
	idle.epoch = epoch;
	idle.n_topics = 1;
	idle.topics = rows;
	send_bytes(l, frame, 1 + ingot__idle__pack(&idle, frame + 1));
}

static void the_common_idle_frame_shows_gaps_too(void **state)
{
	static const struct {
		uint64_t epoch;
		uint8_t topic;
		uint64_t sequence;
		bool is_gap;
	} rows[] = {
		{ 1000, 'n', 0, false }, { 1000, 'L', 9, false },	   { 1000, '!', 9, false },
		{ 999, 'n', 9, false },	 { INT64_MAX - 1, 'n', 9, false }, { 1000, 'n', 9, true },
	};
	struct liar *l = *state;
	connect_frames(l);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned asked = l->n_since;
		int64_t before = fixture_dropped(&l->f, "old_epoch");
		tell_idle(l, rows[i].epoch, rows[i].topic, rows[i].sequence);
		if (rows[i].is_gap) {
			l->wanted_since = asked + 1;
			run_until(l->f.loop, has_asked, l);
			continue;
		}
		tell(l, &(struct lie){ .epoch = 999, .op = INGOT__OP__OP_IDLE }); /* comes after it */
		wait_drops(l, "old_epoch", before + 1);
		assert_int_equal(l->n_since, asked);
	}
	int64_t before = fixture_dropped(&l->f, "malformed");
	send_bytes(l, ".\xff", 2);
	wait_drops(l, "malformed", before + 1);
}

static void replies_that_cannot_be_meant_are_counted_and_asked_for_again_slowly(void **state)
{
	struct liar *l = *state;
	connect_frames(l);
	Ingot__Envelope change = INGOT__ENVELOPE__INIT, *changes[2] = { &change, &change };
	change.version = BUS_VERSION;
	change.epoch = 1000;
	change.sequence = 7;
	change.op = INGOT__OP__OP_UPSERT;
	change.key = "twice";
	const struct {
		uint64_t epoch, covered;
		bool restart, more;
		size_t n_changes;
		const char *reason;
	} rows[] = {
		{ 999, 9, true, false, 0, "old_epoch" },	   { 1001, 9, false, false, 0, "bad_order" },
		{ 1000, 9, false, false, 2, "bad_order" },	   { 1000, 5, false, false, 1, "bad_order" },
		{ 1000, 0, false, true, 0, "bad_order" },	   { 0, 9, true, false, 0, "malformed" },
		{ INT64_MAX - 1, 9, true, false, 0, "malformed" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t before = fixture_dropped(&l->f, rows[i].reason);
		l->reply.epoch = rows[i].epoch;
		l->reply.covered = rows[i].covered;
		l->reply.restart = rows[i].restart;
		l->reply.more = rows[i].more;
		l->reply.n_changes = rows[i].n_changes;
		l->reply.changes = changes;
		tell(l, &(struct lie){ .epoch = 1000, .sequence = 50, .op = INGOT__OP__OP_IDLE });
		wait_drops(l, rows[i].reason, before + 1);
		assert_int_equal(map_len(&l->m.values), 0);
	}
	/* And when it tells the truth again, it is believed. */
	l->reply = (Ingot__SinceReply)INGOT__SINCE_REPLY__INIT;
	l->reply.epoch = 1001;
	l->reply.restart = true;
	l->reply.covered = 8;
	l->reply.n_changes = 1;
	l->reply.changes = changes;
	wait_key(l, "twice");
}

struct raw_request {
	const char *what, *reason;
	uint32_t version, kind, caller;
	const char *payload;
	int error; /* 0 = no answer */
};

static void push_request(nng_socket push, const struct raw_request *row, uint32_t id)
{
	nng_msg *m;
	uint8_t packed[256];
	char payload[16];
	Ingot__Request request = INGOT__REQUEST__INIT;
	snprintf(payload, sizeof(payload), "%s", row->payload);
	request.version = row->version;
	request.kind = row->kind;
	request.caller = row->caller;
	request.instance = 77;
	request.id = id;
	request.payload = (ProtobufCBinaryData){ strlen(payload), (uint8_t *)payload };
	must(nng_msg_alloc(&m, 0) == 0);
	must(nng_msg_append(m, packed, ingot__request__pack(&request, packed)) == 0);
	must(nng_sendmsg(push, m, 0) == 0);
}

static void bad_requests_are_counted_and_answered_with_an_error(void **state)
{
	static const struct raw_request rows[] = {
		{ "far release", "version", BUS_VERSION + 2, REQUEST_METRICS, DAEMON_STATUSD, "",
		  -EPROTONOSUPPORT },
		{ "kind", "unknown_request", BUS_VERSION, 99, DAEMON_STATUSD, "", -ENOSYS },
		{ "payload", "bad_payload", BUS_VERSION, REQUEST_METRICS, DAEMON_STATUSD, "\xff", -EBADMSG },
		{ "caller", "caller_not_allowed", BUS_VERSION, REQUEST_METRICS, DAEMON_L2D, "", -EACCES },
		{ "no such daemon", "caller_not_allowed", BUS_VERSION, REQUEST_METRICS, 1000, "", 0 },
	};
	struct liar *l = *state;
	nng_socket push, sub;
	char url[128];
	nng_msg *m;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t before = fixture_dropped(&l->f, rows[i].reason);
		enum daemon_id caller =
		    rows[i].caller < DAEMON_N ? (enum daemon_id)rows[i].caller : DAEMON_STATUSD;
		assert_int_equal(nng_push0_open(&push), 0);
		assert_int_equal(nng_sub0_open(&sub), 0);
		nng_socket_set(sub, NNG_OPT_SUB_SUBSCRIBE, "", 0);
		nng_socket_set_ms(sub, NNG_OPT_RECVTIMEO, 100);
		snprintf(url, sizeof(url), "ipc://%s/gossipd/rep", l->f.run_dir);
		assert_int_equal(nng_dial(push, url, NULL, 0), 0);
		snprintf(url, sizeof(url), "ipc://%s/gossipd/to-%s", l->f.run_dir, daemon_name(caller));
		assert_int_equal(nng_dial(sub, url, NULL, 0), 0);
		int error = 0;
		for (int try = 0; try < 50 && (try == 0 || (rows[i].error != 0 && error == 0)); try++) {
			/* The first answer may be lost: gossipd may not know yet that somebody listens. */
			push_request(push, &rows[i], 5);
			wait_drops(l, rows[i].reason, ++before);
			if (nng_recvmsg(sub, &m, 0) != 0)
				continue;
			struct bus_part part;
			assert_int_equal(bus_wire_part(nng_msg_body(m), nng_msg_len(m), &part),
					 BUS_DROP_NONE);
			assert_int_equal(part.instance, 77);
			assert_int_equal(part.id, 5);
			Ingot__Reply *r = ingot__reply__unpack(NULL, part.len, part.data);
			assert_non_null(r);
			assert_true(strlen(r->message) > 10);
			error = r->error;
			ingot__reply__free_unpacked(r, NULL);
			nng_msg_free(m);
		}
		assert_int_equal(error, rows[i].error);
		nng_close(push);
		nng_close(sub);
	}
	snprintf(url, sizeof(url), "ipc://%s/gossipd/rep", l->f.run_dir);
	assert_int_equal(nng_push0_open(&push), 0);
	assert_int_equal(nng_dial(push, url, NULL, 0), 0);
	must(nng_msg_alloc(&m, 0) == 0 && nng_msg_append(m, "\xff", 1) == 0 && nng_sendmsg(push, m, 0) == 0);
	wait_drops(l, "malformed", fixture_dropped(&l->f, "malformed") + 1);
	nng_close(push);
}

static void a_reader_whose_publisher_answers_nothing_asks_again(void **state)
{
	struct liar *l = *state;
	connect_frames(l);
	l->wanted_since = l->n_since + 2;
	l->reply.epoch = 0; /* never acceptable */
	tell(l, &(struct lie){ .epoch = 1000, .sequence = 50, .op = INGOT__OP__OP_IDLE });
	run_until(l->f.loop, has_asked, l);
	assert_true(subscriber_synced(l->s));
	assert_int_equal(l->m.removes, 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, liar_open, liar_close)
	const struct CMUnitTest tests[] = {
		T(frames_of_an_old_epoch_are_dropped),
		T(bad_frames_are_counted_and_skipped),
		T(a_daemon_speaks_for_its_own_topics_only),
		T(a_value_that_cannot_be_read_is_skipped_and_not_asked_for),
		T(a_gap_that_no_answer_fills_does_not_storm),
		T(the_common_idle_frame_shows_gaps_too),
		T(replies_that_cannot_be_meant_are_counted_and_asked_for_again_slowly),
		T(bad_requests_are_counted_and_answered_with_an_error),
		T(a_reader_whose_publisher_answers_nothing_asks_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
