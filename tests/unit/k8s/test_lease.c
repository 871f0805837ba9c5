/* The election by one Lease, case by case: what is written, when, and who may believe that it leads. */
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

#define PATH  "/apis/coordination.k8s.io/v1/namespaces/ingot-system/leases"
#define CLOCK "2026-01-02T03:04:05.000006Z"

struct world {
	struct lease l;
	mono_t now;
	struct write w;
};

/* Contender "me", which knows nothing. */
static struct world begin(void)
{
	struct world w = { .now = { SEC(1000) } };
	lease_init(&w.l, "ingot-system", "ingot-controller", "me", 5);
	lease_clock(&w.l, CLOCK);
	lease_api(&w.l, "coordination.k8s.io/v1");
	return w;
}

static json_t *lease_of(const char *holder, const char *rv, int seconds)
{
	return json_pack("{s:{s:s}, s:{s:s, s:i, s:s, s:s, s:i}}", "metadata", "resourceVersion", rv, "spec",
			 "holderIdentity", holder, "leaseDurationSeconds", seconds, "acquireTime",
			 "2026-01-01T00:00:00.000000Z", "renewTime", "2026-01-01T00:00:00.000000Z",
			 "leaseTransitions", 4);
}

static void saw(struct world *w, const char *holder, const char *rv)
{
	json_t *object = holder ? lease_of(holder, rv, LEASE_DURATION_S) : NULL;
	lease_saw(&w->l, object, w->now);
	json_decref(object);
}

/* Goes to the moment of the next write and takes it; how long that took. */
static int64_t next(struct world *w, enum write_method method)
{
	mono_t wake = lease_wake(&w->l), before = w->now;
	assert_true(wake.us < INT64_MAX);
	write_fini(&w->w);
	if (mono_before(w->now, wake)) {
		w->now = (mono_t){ wake.us - 1 };
		assert_false(lease_next(&w->l, w->now, &w->w));
		w->now = wake;
	}
	assert_true(lease_next(&w->l, w->now, &w->w));
	assert_int_equal(w->w.method, method);
	assert_string_equal(w->w.path, method == WRITE_POST ? PATH : PATH "/ingot-controller");
	assert_string_equal(w->w.what, "Lease ingot-system/ingot-controller");
	assert_int_equal(lease_wake(&w->l).us, INT64_MAX); /* one at a time */
	return mono_sub(w->now, before);
}

static void answer(struct world *w, int status, const char *holder, const char *rv)
{
	json_t *object = holder ? lease_of(holder, rv, LEASE_DURATION_S) : NULL;
	struct write_outcome o = outcome(status, object);
	lease_done(&w->l, w->w.id, &o, w->now);
	json_decref(object);
}

static void end(struct world *w)
{
	write_fini(&w->w);
}

/* Leads, since the write that was sent at now. */
static struct world leading(void)
{
	struct world w = begin();
	saw(&w, NULL, NULL);
	assert_int_equal(next(&w, WRITE_POST), 0);
	answer(&w, 201, "me", "10");
	assert_true(lease_leads(&w.l, w.now));
	return w;
}

static bool stays_silent(struct world *w, int64_t us)
{
	struct write none;
	return mono_before(mono_add(w->now, us), lease_wake(&w->l)) &&
	       !lease_next(&w->l, mono_add(w->now, us), &none);
}

static void nothing_before_the_api_is_known(void **unused)
{
	struct lease l;
	struct write none;
	(void)unused;
	lease_init(&l, "ns", "name", "me", 1);
	assert_int_equal(lease_wake(&l).us, INT64_MAX);
	assert_false(lease_next(&l, (mono_t){ SEC(5) }, &none));
	assert_false(lease_leads(&l, (mono_t){ 0 }));
	assert_string_equal(lease_holder(&l), "");
}

static void created_and_renewed(void **unused)
{
	struct world w = begin();
	(void)unused;
	assert_int_equal(next(&w, WRITE_GET), 0);
	assert_null(w.w.body);
	answer(&w, 404, NULL, NULL);
	assert_false(lease_leads(&w.l, w.now));
	next(&w, WRITE_POST);
	assert_string_equal(w.w.body,
			    "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\","
			    "\"metadata\":{\"name\":\"ingot-controller\",\"namespace\":\"ingot-system\"},"
			    "\"spec\":{\"holderIdentity\":\"me\",\"leaseDurationSeconds\":6,"
			    "\"acquireTime\":\"" CLOCK "\",\"renewTime\":\"" CLOCK "\","
			    "\"leaseTransitions\":0}}");
	mono_t sent = w.now;
	w.now = mono_add(w.now, MS(700));
	answer(&w, 201, "me", "10");
	assert_true(lease_leads(&w.l, w.now));
	assert_string_equal(lease_holder(&w.l), "me");
	/* It counts from the moment when the write was sent, for the others may have seen it then. */
	assert_int_equal(lease_deadline(&w.l).us, mono_add(sent, LEASE_TRUST_US).us);
	assert_int_equal(next(&w, WRITE_PUT), LEASE_RENEW_US - MS(700));
	assert_string_equal(w.w.body,
			    "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\","
			    "\"metadata\":{\"name\":\"ingot-controller\",\"namespace\":\"ingot-system\","
			    "\"resourceVersion\":\"10\"},"
			    "\"spec\":{\"holderIdentity\":\"me\",\"leaseDurationSeconds\":6,"
			    "\"acquireTime\":\"2026-01-01T00:00:00.000000Z\",\"renewTime\":\"" CLOCK "\","
			    "\"leaseTransitions\":4}}");
	answer(&w, 200, "me", "11");
	assert_int_equal(lease_deadline(&w.l).us, mono_add(w.now, LEASE_TRUST_US).us);
	end(&w);
}

static void another_is_taken_over_when_it_was_silent(void **unused)
{
	struct world w = begin();
	(void)unused;
	next(&w, WRITE_GET);
	answer(&w, 200, "other", "50");
	assert_string_equal(lease_holder(&w.l), "other");
	for (int rv = 51; rv < 60; rv++) {
		char text_rv[8];
		assert_true(stays_silent(&w, SEC(LEASE_DURATION_S) - 1));
		w.now = mono_add(w.now, SEC(5));
		str_fmt(text_rv, sizeof text_rv, "%d", rv);
		saw(&w, "other", text_rv); /* with a clock that stands still */
	}
	saw(&w, "other", "59"); /* the same again is no sign of life */
	assert_int_equal(next(&w, WRITE_PUT), SEC(LEASE_DURATION_S));
	assert_non_null(strstr(w.w.body, "\"resourceVersion\":\"59\""));
	assert_non_null(strstr(w.w.body, "\"leaseTransitions\":5"));
	assert_non_null(strstr(w.w.body, "\"acquireTime\":\"" CLOCK "\""));
	assert_false(lease_leads(&w.l, w.now));
	answer(&w, 200, "me", "60");
	assert_true(lease_leads(&w.l, w.now));
	end(&w);
}

static void the_duration_is_that_of_the_object(void **unused)
{
	static const struct {
		int seconds;
		int64_t wait_us;
	} cases[] = { { 15, SEC(15) }, { 1, SEC(1) }, { 0, SEC(6) }, { -5, SEC(6) }, { 100000, SEC(6) } };
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w = begin();
		json_t *object = lease_of("other", "1", cases[i].seconds);
		lease_saw(&w.l, object, w.now);
		json_decref(object);
		assert_int_equal(next(&w, WRITE_PUT), cases[i].wait_us);
		end(&w);
	}
}

static void a_conflict_is_looked_at(void **unused)
{
	struct world w = begin();
	(void)unused;
	saw(&w, "", "5"); /* released */
	assert_int_equal(next(&w, WRITE_PUT), 0);
	answer(&w, 409, NULL, NULL);
	assert_false(lease_leads(&w.l, w.now));
	assert_string_equal(w.l.trouble, "");
	assert_in_range(next(&w, WRITE_GET), 1, MS(400));
	answer(&w, 200, "other", "6");
	assert_int_equal(next(&w, WRITE_PUT), SEC(LEASE_DURATION_S));
	end(&w);
}

/* To read that the Lease is ours is no renewal: the others count from our last write, and have waited by now.
 */
static void reading_gives_no_trust(void **unused)
{
	struct world w = leading();
	(void)unused;
	next(&w, WRITE_PUT);
	w.now = mono_add(w.now, SEC(10)); /* no answer, though it was written */
	answer(&w, 0, NULL, NULL);
	assert_false(lease_leads(&w.l, w.now));
	assert_string_equal(w.l.trouble, "connection reset");
	next(&w, WRITE_GET);
	answer(&w, 200, "me", "11");
	assert_false(lease_leads(&w.l, w.now));
	assert_int_equal(next(&w, WRITE_PUT), 0);
	assert_non_null(strstr(w.w.body, "\"resourceVersion\":\"11\""));
	answer(&w, 200, "me", "12");
	assert_true(lease_leads(&w.l, w.now));
	assert_string_equal(w.l.trouble, "");
	end(&w);
}

static void the_watch_gives_no_trust(void **unused)
{
	struct world w = begin();
	(void)unused;
	saw(&w, NULL, NULL);
	next(&w, WRITE_POST);
	saw(&w, "me", "10"); /* sooner than the answer */
	assert_false(lease_leads(&w.l, w.now));
	answer(&w, 201, "me", "10");
	assert_true(lease_leads(&w.l, w.now));
	end(&w);
}

static void the_watch_may_lag(void **unused)
{
	struct world w = leading();
	(void)unused;
	saw(&w, "other", "9"); /* of a time before our own write */
	assert_true(lease_leads(&w.l, w.now));
	assert_string_equal(lease_holder(&w.l), "me");
	saw(&w, "me", "10");
	assert_true(lease_leads(&w.l, w.now));
	saw(&w, "other", "11");
	assert_false(lease_leads(&w.l, w.now));
	end(&w);
}

static void an_answer_may_lag(void **unused)
{
	struct world w = leading();
	(void)unused;
	next(&w, WRITE_PUT);
	saw(&w, "other", "12"); /* has taken it since */
	answer(&w, 200, "me", "11");
	assert_false(lease_leads(&w.l, w.now));
	assert_string_equal(lease_holder(&w.l), "other");
	end(&w);
}

static void deleted_while_we_lead(void **unused)
{
	struct world w = leading();
	(void)unused;
	saw(&w, NULL, NULL);
	assert_false(lease_leads(&w.l, w.now));
	assert_string_equal(lease_holder(&w.l), "");
	next(&w, WRITE_POST);
	answer(&w, 201, "me", "20");
	assert_true(lease_leads(&w.l, w.now));
	next(&w, WRITE_PUT);
	answer(&w, 404, NULL, NULL);
	assert_false(lease_leads(&w.l, w.now));
	assert_in_range(next(&w, WRITE_POST), 1, MS(400));
	end(&w);
}

/* Its holder may not have heard of it. */
static void deleted_while_another_leads(void **unused)
{
	struct world w = begin();
	(void)unused;
	saw(&w, "other", "5");
	w.now = mono_add(w.now, SEC(5));
	saw(&w, NULL, NULL);
	assert_string_equal(lease_holder(&w.l), "");
	assert_int_equal(next(&w, WRITE_POST), SEC(LEASE_DURATION_S));
	answer(&w, 409, NULL, NULL);
	next(&w, WRITE_GET);
	answer(&w, 200, "other", "7");
	assert_int_equal(next(&w, WRITE_PUT), SEC(LEASE_DURATION_S));
	end(&w);
}

/* Long before others may take over. */
static void a_leader_that_cannot_renew_stops_trusting_itself(void **unused)
{
	static const int codes[] = { 0, 403, 500, 503, 429 };
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct world w = leading();
		mono_t end_of_trust = lease_deadline(&w.l);
		assert_int_equal(mono_sub(end_of_trust, w.now), LEASE_TRUST_US);
		next(&w, WRITE_PUT);
		answer(&w, codes[i], NULL, NULL);
		int tries = 1;
		for (; mono_before(lease_wake(&w.l), end_of_trust); tries++) {
			next(&w, codes[i] == 0 ? WRITE_GET : WRITE_PUT);
			assert_true(lease_leads(&w.l, w.now));
			answer(&w, codes[i], NULL, NULL);
		}
		assert_in_range(tries, 3, 6);
		assert_true(lease_leads(&w.l, (mono_t){ end_of_trust.us - 1 }));
		assert_false(lease_leads(&w.l, end_of_trust));
		assert_string_not_equal(w.l.trouble, "");
		end(&w);
	}
}

/* No role, no namespace, or a server that agrees with nothing: slowly, and for ever. */
static void refusals_are_no_storm(void **unused)
{
	static const int codes[] = { 0, 200, 400, 403, 404, 409, 422, 500 };
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct world w = begin();
		int requests = 0;
		for (mono_t end_at = mono_add(w.now, SEC(60)); mono_before(lease_wake(&w.l), end_at);
		     requests++) {
			w.now = lease_wake(&w.l).us > w.now.us ? lease_wake(&w.l) : w.now;
			assert_true(lease_next(&w.l, w.now, &w.w));
			answer(&w, codes[i], NULL, NULL);
			write_fini(&w.w);
			assert_false(lease_leads(&w.l, w.now));
		}
		assert_in_range(requests, 20, 45);
		end(&w);
	}
}

static void retry_after_is_heeded_a_little(void **unused)
{
	struct world w = begin();
	struct write_outcome o = outcome(429, NULL);
	(void)unused;
	next(&w, WRITE_GET);
	o.retry_after_us = SEC(100);
	lease_done(&w.l, w.w.id, &o, w.now);
	assert_int_equal(next(&w, WRITE_GET), LEASE_RETRY_US);
	end(&w);
}

static void released_at_once(void **unused)
{
	struct world w = leading();
	(void)unused;
	w.now = mono_add(w.now, SEC(1));
	lease_release(&w.l, w.now);
	assert_false(lease_leads(&w.l, w.now)); /* the other may lead before we hear of it */
	assert_int_equal(next(&w, WRITE_PUT), 0);
	assert_non_null(strstr(w.w.body, "\"holderIdentity\":\"\",\"leaseDurationSeconds\":1,"));
	assert_non_null(strstr(w.w.body, "\"resourceVersion\":\"10\""));
	answer(&w, 200, "", "11");
	assert_string_equal(lease_holder(&w.l), "");
	assert_int_equal(lease_wake(&w.l).us, INT64_MAX);
	/* The standby sees it, and does not wait. */
	struct world standby = begin();
	saw(&standby, "me", "10");
	saw(&standby, "", "11");
	assert_int_equal(next(&standby, WRITE_PUT), 0);
	end(&standby);
	end(&w);
}

static void released_while_a_renewal_is_under_way(void **unused)
{
	struct world w = leading();
	(void)unused;
	next(&w, WRITE_PUT);
	lease_release(&w.l, w.now);
	answer(&w, 200, "me", "11");
	assert_false(lease_leads(&w.l, w.now));
	assert_int_equal(next(&w, WRITE_PUT), 0);
	assert_non_null(strstr(w.w.body, "\"holderIdentity\":\"\""));
	/* Whether it was written is not known: look, and then there is nothing more to do. */
	answer(&w, 0, NULL, NULL);
	assert_true(next(&w, WRITE_GET) > 0);
	answer(&w, 200, "", "12");
	assert_int_equal(lease_wake(&w.l).us, INT64_MAX);
	end(&w);
}

static void nothing_to_release(void **unused)
{
	struct world w = begin();
	(void)unused;
	saw(&w, "other", "5");
	lease_release(&w.l, w.now);
	assert_int_equal(lease_wake(&w.l).us, INT64_MAX);
	end(&w);
}

static void foreign_numbers(void **unused)
{
	static const char *const counts[] = { "-1", "2147483647", "9223372036854775807" };
	char json[200];
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		struct world w = begin();
		str_fmt(json, sizeof json,
			"{\"metadata\":{\"resourceVersion\":\"3\"},\"spec\":{\"leaseTransitions\":%s}}",
			counts[i]);
		json_t *object = json_loads(json, 0, NULL);
		lease_saw(&w.l, object, w.now);
		json_decref(object);
		next(&w, WRITE_PUT);
		assert_non_null(strstr(w.w.body, "\"leaseTransitions\":1}")); /* the server takes 32 bits */
		end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_before_the_api_is_known),
		cmocka_unit_test(created_and_renewed),
		cmocka_unit_test(another_is_taken_over_when_it_was_silent),
		cmocka_unit_test(the_duration_is_that_of_the_object),
		cmocka_unit_test(a_conflict_is_looked_at),
		cmocka_unit_test(reading_gives_no_trust),
		cmocka_unit_test(the_watch_gives_no_trust),
		cmocka_unit_test(the_watch_may_lag),
		cmocka_unit_test(an_answer_may_lag),
		cmocka_unit_test(deleted_while_we_lead),
		cmocka_unit_test(deleted_while_another_leads),
		cmocka_unit_test(a_leader_that_cannot_renew_stops_trusting_itself),
		cmocka_unit_test(refusals_are_no_storm),
		cmocka_unit_test(retry_after_is_heeded_a_little),
		cmocka_unit_test(released_at_once),
		cmocka_unit_test(released_while_a_renewal_is_under_way),
		cmocka_unit_test(nothing_to_release),
		cmocka_unit_test(foreign_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
