/* Which of MetalLB's Pods run, and what people are told of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "watcher/k8s/hold.h"

static bool saw(struct hold *h, const char *key, const char *phase)
{
	json_t *pod = phase ? json_pack("{s:{s:s}}", "status", "phase", phase) : json_object();
	bool news = hold_saw(h, key, pod);
	json_decref(pod);
	return news;
}

static void assert_text(const struct hold *h, const char *expected)
{
	char text[64];
	hold_text(h, text, sizeof text);
	assert_string_equal(text, expected);
}

static void only_pods_that_run_count(void **unused)
{
	struct hold h;
	(void)unused;
	hold_init(&h);
	assert_int_equal(hold_now(&h), 0);
	assert_text(&h, "");
	assert_false(saw(&h, "metallb-system/done", "Succeeded"));
	assert_false(saw(&h, "metallb-system/broken", "Failed"));
	assert_true(saw(&h, "metallb-system/speaker-a", "Running"));
	assert_false(saw(&h, "metallb-system/speaker-a", "Running"));
	assert_text(&h, "metallb-system/speaker-a");
	assert_true(saw(&h, "metallb-system/controller", "Pending"));
	assert_true(saw(&h, "metallb-system/speaker-b", NULL)); /* no status yet: it will run */
	assert_true(saw(&h, "metallb-system/speaker-c", "Unknown"));
	assert_int_equal(hold_now(&h), 4);
	assert_text(&h, "metallb-system/speaker-a and 3 more");
	assert_true(saw(&h, "metallb-system/speaker-a", "Failed"));
	assert_text(&h, "metallb-system/controller and 2 more");
	assert_true(hold_gone(&h, "metallb-system/controller"));
	assert_false(hold_gone(&h, "metallb-system/controller"));
	assert_false(hold_gone(&h, "metallb-system/speaker-a"));
	assert_true(hold_gone(&h, "metallb-system/speaker-b"));
	assert_true(hold_gone(&h, "metallb-system/speaker-c"));
	assert_int_equal(hold_now(&h), 0);
	hold_fini(&h);
}

static void a_long_text_is_cut(void **unused)
{
	struct hold h;
	char text[12];
	(void)unused;
	hold_init(&h);
	saw(&h, "metallb-system/speaker-with-a-long-name", "Running");
	hold_text(&h, text, sizeof text);
	assert_string_equal(text, "metallb-sys");
	hold_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_pods_that_run_count),
		cmocka_unit_test(a_long_text_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
