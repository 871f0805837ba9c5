/* Five contenders for one Lease, on a network that delays and loses, with clocks that drift by a tenth and
 * processes that stand still or die. Never two lead at once; when a leader dies, another leads soon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "tests/unit/k8s/make.h"
#include "watcher/k8s/lease.h"

enum { CONTENDERS = 5, MESSAGES = 256, TICK_US = 10000, TIMEOUT_US = 10000000, FAULTS_S = 1200 };
#ifdef MODEL_SHORT
enum { SEEDS = 3 };
#else
enum { SEEDS = 12 };
#endif

enum message_kind { TO_SERVER, TO_CONTENDER, TO_WATCH };
struct message {
	bool used;
	enum message_kind kind;
	unsigned who;
	mono_t at;
	uint64_t id; /* of the write */
	enum write_method method;
	int status;
	json_t *object; /* NULL: none, or deleted */
};
struct contender {
	struct lease l;
	bool alive, stopping, busy;
	uint64_t id; /* of the write under way */
	mono_t sent;
	mono_t frozen_until, back_at; /* both by the true time */
	unsigned per_mille;	      /* how fast its clock runs */
	int64_t offset;
	mono_t heard; /* when the last event of its watch arrives: they keep their order */
};
struct world {
	uint64_t dice;
	mono_t now; /* the true time */
	json_t *object;
	json_int_t version;
	struct contender c[CONTENDERS];
	struct message m[MESSAGES];
	bool faults, deletes;
	unsigned lives, changes;
	int leader; /* -1: nobody */
};

static mono_t clock_of(const struct world *w, unsigned i)
{
	return (mono_t){ w->now.us / 1000 * w->c[i].per_mille + w->c[i].offset };
}

static int64_t delay(struct world *w)
{
	if (w->faults && !w->deletes && roll(&w->dice, 20) == 0)
		return (int64_t)roll(&w->dice, SEC(12));
	return MS(1) + (int64_t)roll(&w->dice, w->faults ? 400000 : 40000);
}

static struct message *post(struct world *w, enum message_kind kind, unsigned who)
{
	for (unsigned i = 0; i < MESSAGES; i++) {
		if (w->m[i].used)
			continue;
		w->m[i] = (struct message){ true, kind, who, .at = mono_add(w->now, delay(w)) };
		return &w->m[i];
	}
	must(false);
	return NULL;
}

static bool loses(struct world *w)
{
	return w->faults && !w->deletes && roll(&w->dice, 12) == 0;
}

static void tell_watches(struct world *w)
{
	for (unsigned i = 0; i < CONTENDERS; i++) {
		if (!w->c[i].alive)
			continue;
		struct message *m = post(w, TO_WATCH, i);
		m->object = json_deep_copy(w->object);
		if (mono_before(m->at, w->c[i].heard))
			m->at = w->c[i].heard;
		w->c[i].heard = m->at;
	}
}

static void store(struct world *w, json_t *object)
{
	char rv[24];
	str_fmt(rv, sizeof rv, "%lld", (long long)++w->version);
	json_decref(w->object);
	w->object = object;
	if (object)
		json_object_set_new(json_object_get(object, "metadata"), "resourceVersion", json_string(rv));
	tell_watches(w);
}

static const char *version_of(const json_t *object)
{
	const char *rv =
	    json_string_value(json_object_get(json_object_get(object, "metadata"), "resourceVersion"));
	return rv ? rv : "";
}

/* What a server answers; body is taken. */
static int serve(struct world *w, enum write_method method, json_t *body)
{
	if (method == WRITE_POST && w->object) {
		json_decref(body);
		return 409;
	}
	if (method != WRITE_POST && !w->object) {
		json_decref(body);
		return 404;
	}
	if (method == WRITE_GET)
		return 200;
	if (method == WRITE_PUT && strcmp(version_of(body), version_of(w->object)) != 0) {
		json_decref(body);
		return 409;
	}
	store(w, body);
	return 200;
}

static void at_server(struct world *w, struct message m)
{
	int status = serve(w, m.method, m.object);
	if (loses(w))
		return;
	struct message *a = post(w, TO_CONTENDER, m.who);
	a->id = m.id;
	a->status = status;
	a->object = status == 200 ? json_deep_copy(w->object) : NULL;
}

static bool is_frozen(const struct world *w, const struct contender *c)
{
	return mono_before(w->now, c->frozen_until);
}

static void at_contender(struct world *w, struct message m)
{
	struct contender *c = &w->c[m.who];
	mono_t now = clock_of(w, m.who);
	if (c->alive && m.kind == TO_WATCH) {
		lease_saw(&c->l, m.object, now);
	} else if (c->alive && c->busy && m.id == c->id) {
		struct write_outcome o = outcome(m.status, m.object);
		c->busy = false;
		lease_done(&c->l, m.id, &o, now);
	}
	json_decref(m.object);
}

static void deliver(struct world *w)
{
	for (bool any = true; any;) {
		struct message *first = NULL;
		for (unsigned i = 0; i < MESSAGES; i++) {
			struct message *m = &w->m[i];
			bool waits = m->kind != TO_SERVER && is_frozen(w, &w->c[m->who]);
			if (m->used && mono_reached(w->now, m->at) && !waits &&
			    (!first || mono_before(m->at, first->at)))
				first = m;
		}
		any = first != NULL;
		if (!any)
			break;
		struct message copy = *first;
		first->used = false;
		if (copy.kind == TO_SERVER)
			at_server(w, copy);
		else
			at_contender(w, copy);
	}
}

static void start(struct world *w, unsigned i)
{
	struct contender *c = &w->c[i];
	char identity[32];
	str_fmt(identity, sizeof identity, "pod-%u_%u", i, w->lives++);
	*c = (struct contender){ .alive = true, .frozen_until = { 0 }, .heard = w->now };
	c->per_mille = 900 + roll(&w->dice, 201);
	c->offset = (int64_t)roll(&w->dice, SEC(1000));
	lease_init(&c->l, "ns", "name", identity, roll(&w->dice, 1000000));
	lease_clock(&c->l, "2026-01-01T00:00:00.000000Z"); /* the time of day is of no use to anybody */
	lease_api(&c->l, "coordination.k8s.io/v1");
}

static void die(struct world *w, unsigned i)
{
	struct contender *c = &w->c[i];
	c->alive = c->busy = false;
	c->back_at = mono_add(w->now, (int64_t)roll(&w->dice, SEC(20)));
	for (unsigned k = 0; k < MESSAGES; k++)
		if (w->m[k].used && w->m[k].who == i && w->m[k].kind != TO_SERVER) {
			json_decref(w->m[k].object);
			w->m[k].used = false;
		}
}

static void act(struct world *w, unsigned i)
{
	struct contender *c = &w->c[i];
	struct write out;
	mono_t now = clock_of(w, i);
	if (c->busy && mono_sub(now, c->sent) > TIMEOUT_US) {
		struct write_outcome o = outcome(0, NULL);
		c->busy = false;
		lease_done(&c->l, c->id, &o, now);
	}
	if (!mono_reached(now, lease_wake(&c->l)) || !lease_next(&c->l, now, &out))
		return;
	assert_false(c->busy);
	c->busy = true;
	c->id = out.id;
	c->sent = now;
	if (!loses(w)) {
		struct message *m = post(w, TO_SERVER, i);
		m->id = out.id;
		m->method = out.method;
		m->object = out.body ? json_loads(out.body, 0, NULL) : NULL;
	}
	write_fini(&out);
}

static void mishaps(struct world *w)
{
	uint32_t what = roll(&w->dice, 3000), who = roll(&w->dice, CONTENDERS);
	struct contender *c = &w->c[who];
	if (w->deletes) {
		/* Whoever begins without knowing that there was a holder cannot wait for it. */
		if (what < 2 && w->object)
			store(w, NULL);
		return;
	}
	if (!c->alive || is_frozen(w, c))
		return;
	if (what < 3) {
		c->frozen_until = mono_add(w->now, (int64_t)roll(&w->dice, SEC(15)));
	} else if (what < 5) {
		die(w, who);
	} else if (what < 7) {
		c->stopping = true;
		lease_release(&c->l, clock_of(w, who));
	}
}

static void check(struct world *w)
{
	int leader = -1;
	for (unsigned i = 0; i < CONTENDERS; i++) {
		if (!w->c[i].alive || !lease_leads(&w->c[i].l, clock_of(w, i)))
			continue;
		assert_int_equal(leader, -1);
		leader = (int)i;
	}
	w->changes += leader >= 0 && leader != w->leader;
	if (leader >= 0)
		w->leader = leader;
}

static void tick(struct world *w)
{
	w->now = mono_add(w->now, TICK_US);
	deliver(w);
	for (unsigned i = 0; i < CONTENDERS; i++) {
		struct contender *c = &w->c[i];
		if (!c->alive && mono_reached(w->now, c->back_at))
			start(w, i);
		if (!c->alive || is_frozen(w, c))
			continue;
		act(w, i);
		if (c->stopping && strcmp(lease_holder(&c->l), c->l.identity) != 0)
			die(w, i);
		check(w); /* also between the steps of two */
	}
	if (w->faults)
		mishaps(w);
	check(w);
}

static int leader_now(const struct world *w)
{
	for (unsigned i = 0; i < CONTENDERS; i++)
		if (w->c[i].alive && lease_leads(&w->c[i].l, clock_of(w, i)))
			return (int)i;
	return -1;
}

static int64_t until_somebody_leads(struct world *w)
{
	mono_t began = w->now;
	while (leader_now(w) < 0) {
		tick(w);
		assert_true(mono_sub(w->now, began) < SEC(60));
	}
	return mono_sub(w->now, began);
}

static void run_for(struct world *w, int64_t us)
{
	for (mono_t end = mono_add(w->now, us); mono_before(w->now, end);)
		tick(w);
}

static struct world *begin(uint64_t seed)
{
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	w->dice = seed;
	w->now = (mono_t){ SEC(1000) };
	w->version = 100;
	w->leader = -1;
	for (unsigned i = 0; i < CONTENDERS; i++)
		start(w, i);
	/* Nothing exists, so nobody waits. */
	assert_true(until_somebody_leads(w) < SEC(1));
	return w;
}

static void end(struct world *w)
{
	for (unsigned i = 0; i < MESSAGES; i++)
		if (w->m[i].used)
			json_decref(w->m[i].object);
	json_decref(w->object);
	free(w);
}

/* Nothing fails any more: one leads, stays, and costs one write every two seconds. */
static void calm(struct world *w)
{
	w->faults = false;
	run_for(w, SEC(60));
	int leader = leader_now(w);
	assert_true(leader >= 0);
	unsigned changes = w->changes;
	json_int_t version = w->version;
	for (mono_t end_at = mono_add(w->now, SEC(120)); mono_before(w->now, end_at);) {
		tick(w);
		assert_int_equal(leader_now(w), leader);
	}
	assert_int_equal(w->changes, changes);
	assert_in_range(w->version - version, 120 / 2 * 8 / 10, 120 / 2 * 12 / 10);
}

static void never_two(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world *w = begin(seed);
		w->faults = true;
		run_for(w, SEC(FAULTS_S));
		assert_true(w->changes > 20);
		calm(w);
		end(w);
	}
}

static void never_two_when_it_is_deleted(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world *w = begin(seed * 31);
		run_for(w, SEC(5));
		w->faults = w->deletes = true;
		run_for(w, SEC(FAULTS_S));
		assert_true(w->version > 300);
		calm(w);
		end(w);
	}
}

static void another_leads_soon(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world *w = begin(seed * 777);
		for (int i = 0; i < 20; i++) {
			run_for(w, SEC(25) + (int64_t)roll(&w->dice, SEC(2)));
			unsigned leader = (unsigned)leader_now(w);
			if (i % 2) {
				die(w, leader);
				assert_true(until_somebody_leads(w) < SEC(LEASE_DURATION_S) + SEC(2));
			} else {
				w->c[leader].stopping = true;
				lease_release(&w->c[leader].l, clock_of(w, leader));
				assert_true(until_somebody_leads(w) < SEC(1));
			}
			assert_int_not_equal(leader_now(w), leader);
		}
		end(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_two),
		cmocka_unit_test(never_two_when_it_is_deleted),
		cmocka_unit_test(another_leads_soon),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
