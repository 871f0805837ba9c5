/* Diagnostics: text, counters and the cap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "lib/model/diag.h"

static void test_text(void **state)
{
	(void)state;
	static const struct {
		const char *kind, *name, *field, *origin, *want;
	} table[] = {
		{ "BGPPeer", "ns/a", "spec.myASN", "", "BGPPeer ns/a: spec.myASN: no 7" },
		{ "BGPPeer", "ns/a", "", "", "BGPPeer ns/a: no 7" },
		{ "BGPPeer", "", "", "", "BGPPeer: no 7" },
		{ "BGPPeer", "ns/a", "spec", "x.yaml:3", "x.yaml:3: BGPPeer ns/a: spec: no 7" },
		{ "BGPPeer", NULL, NULL, NULL, "BGPPeer: no 7" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct diags d = { 0 };
		char buf[256];
		diags_add(&d, DIAG_ERROR, table[i].kind, table[i].name, table[i].field, table[i].origin,
			  "no %d", 7);
		assert_int_equal(d.n, 1);
		assert_string_equal(diag_text(&d.v[0], buf, sizeof buf), table[i].want);
		diag_text(&d.v[0], buf, 8);
		assert_true(strlen(buf) <= 7);
		diags_fini(&d);
		assert_int_equal(d.n, 0);
	}
	diags_fini(NULL);
}

static void test_cap(void **state)
{
	(void)state;
	struct diags d = { 0 };
	for (int i = 0; i < DIAGS_CAP + 10; i++)
		diags_add(&d, i % 2 ? DIAG_ERROR : DIAG_WARNING, "k", "n", "f", "", "%s", "");
	assert_int_equal(d.n, DIAGS_CAP);
	assert_int_equal(d.n_dropped, 10);
	assert_int_equal(d.n_errors, DIAGS_CAP / 2 + 5);
	assert_string_equal(d.v[0].message, "");
	diags_fini(&d);
	diags_add(NULL, DIAG_ERROR, "k", "n", "f", "", "nobody listens");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_text), cmocka_unit_test(test_cap) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
