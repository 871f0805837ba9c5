/* The decision ring: order, repetition, wrapping, cutting. */
#include "lib/base/decisions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_find(void **state)
{
	(void)state;
	struct decisions d = { 0 };
	const struct decision *v[8];
	assert_int_equal(decisions_find(&d, NULL, v, 8), 0);
	decisions_note(&d, 1, "a", "assigned", "pool x");
	decisions_note(&d, 2, "b", "pending", "no pool");
	decisions_note(&d, 3, "a", "released", "deleted");
	assert_int_equal(decisions_find(&d, "a", v, 8), 2);
	assert_int_equal(v[0]->at_ms, 3);
	assert_string_equal(v[0]->fact, "released");
	assert_int_equal(v[1]->at_ms, 1);
	assert_string_equal(v[1]->reason, "pool x");
	assert_int_equal(decisions_find(&d, "", v, 8), 3);
	assert_int_equal(decisions_find(&d, NULL, v, 2), 2);
	assert_string_equal(v[1]->subject, "b");
	assert_int_equal(decisions_find(&d, "c", v, 8), 0);
	decisions_fini(&d);
	assert_int_equal(decisions_find(&d, NULL, v, 8), 0);
	decisions_fini(NULL);
}

static void test_repeat(void **state)
{
	(void)state;
	struct decisions d = { 0 };
	decisions_note(&d, 1, "a", "owner", "first");
	decisions_note(&d, 2, "b", "owner", "first");
	decisions_note(&d, 3, "a", "owner", "first");
	assert_int_equal(d.n, 2);
	decisions_note(&d, 4, "a", "owner", "other");
	decisions_note(&d, 5, "a", "owner", "first");
	assert_int_equal(d.n, 4);
	decisions_note(&d, 6, "a", "loser", "first");
	assert_int_equal(d.n, 5);
	decisions_fini(&d);
}

static void test_wrap(void **state)
{
	(void)state;
	enum { NOTES = DECISIONS_CAP * 2 + 7 };
	static const struct decision *v[DECISIONS_CAP + 1];
	struct decisions d = { 0 };
	char subject[32];
	for (int i = 0; i < NOTES; i++) {
		snprintf(subject, sizeof subject, "s%d", i);
		decisions_note(&d, i, subject, "fact", "reason");
	}
	assert_int_equal(decisions_find(&d, NULL, v, DECISIONS_CAP + 1), DECISIONS_CAP);
	for (int i = 0; i < DECISIONS_CAP; i++)
		assert_int_equal(v[i]->at_ms, NOTES - 1 - i);
	assert_int_equal(decisions_find(&d, "s6", v, 1), 0);
	/* Forgotten, so it is news again. */
	decisions_note(&d, NOTES, "s6", "fact", "reason");
	assert_int_equal(decisions_find(&d, "s6", v, 1), 1);
	assert_int_equal(v[0]->at_ms, NOTES);
	decisions_fini(&d);
}

static void test_cut(void **state)
{
	(void)state;
	struct decisions d = { 0 };
	const struct decision *v[2];
	char subject[300], reason[400];
	memset(subject, 's', sizeof subject);
	subject[sizeof subject - 1] = 0;
	memset(reason, 'r', sizeof reason);
	reason[sizeof reason - 1] = 0;
	/* A two-byte letter across the end of the field leaves as a whole. */
	memcpy(reason + DECISION_REASON - 2, "\xc3\xa9", 2);
	decisions_note(&d, 1, subject, "fact", reason);
	decisions_note(&d, 2, subject, "fact", reason);
	assert_int_equal(d.n, 1);
	assert_int_equal(decisions_find(&d, subject, v, 2), 1);
	assert_int_equal(strlen(v[0]->subject), DECISION_SUBJECT - 1);
	assert_int_equal(strlen(v[0]->reason), DECISION_REASON - 2);
	decisions_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_find), cmocka_unit_test(test_repeat),
					    cmocka_unit_test(test_wrap), cmocka_unit_test(test_cut) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
