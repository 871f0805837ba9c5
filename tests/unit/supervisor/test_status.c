/* The text of "status", byte for byte: programs read it. */
#include "supervisor/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_text(void **state)
{
	(void)state;
	struct strbuf b = { 0 };
	struct policy ready = { .state = POLICY_READY, .lives = 3, .watchdog_kills = 1 };
	struct policy waiting = {
		.state = POLICY_BACKOFF, .unready_lives = 2, .backoff_us = SEC(2), .emptied = 1
	};
	const mono_t now = { SEC(7) };
	const struct status_head head = { .version = "1.2.3",
					  .role = "all",
					  .node = "a\"b\\c\x01",
					  .run_dir = "/run/x",
					  .pid = 11,
					  .draining = true,
					  .uptime_us = SEC(7) };
	ready.since.us = SEC(5);
	ready.heartbeat_at.us = MS(6900);
	const struct status_daemon one = { .name = "bgpd",
					   .policy = &ready,
					   .pid = 12,
					   .last_exit = "signal 9",
					   .retained = 4,
					   .retained_refused = 1,
					   .malformed = 2 };
	const struct status_daemon two = { .name = "l2d", .policy = &waiting, .last_exit = "" };
	status_begin(&b, &head);
	status_daemon(&b, &one, now);
	status_daemon(&b, &two, now);
	status_end(&b);
	assert_string_equal(
	    strbuf_get(&b),
	    "{\"version\": \"1.2.3\", \"pid\": 11, \"role\": \"all\", \"node\": \"a\\\"b\\\\c\\\\x01\", "
	    "\"run_dir\": \"/run/x\", \"ready\": false, \"draining\": true, \"stopping\": false, "
	    "\"uptime_ms\": 7000, \"daemons\": [\n"
	    " {\"name\": \"bgpd\", \"pid\": 12, \"state\": \"ready\", \"ready\": true, \"since_ms\": 2000, "
	    "\"restarts\": 2, \"last_exit\": \"signal 9\", \"retained\": 4, \"retained_refused\": 1, "
	    "\"unready_lives\": 0, \"heartbeat_age_ms\": 100, \"backoff_ms\": 0, \"watchdog_kills\": 1, "
	    "\"store_emptied\": 0, \"malformed\": 2},\n"
	    " {\"name\": \"l2d\", \"pid\": 0, \"state\": \"backoff\", \"ready\": false, \"since_ms\": 7000, "
	    "\"restarts\": 0, \"last_exit\": \"\", \"retained\": 0, \"retained_refused\": 0, "
	    "\"unready_lives\": 2, \"heartbeat_age_ms\": -1, \"backoff_ms\": 2000, \"watchdog_kills\": 0, "
	    "\"store_emptied\": 1, \"malformed\": 0}]}\n");
	strbuf_fini(&b);
}

static void test_no_daemons(void **state)
{
	(void)state;
	struct strbuf b = { 0 };
	const struct status_head head = {
		.version = "", .role = "", .node = "", .run_dir = "", .ready = true
	};
	status_begin(&b, &head);
	status_end(&b);
	assert_string_equal(strbuf_get(&b), "{\"version\": \"\", \"pid\": 0, \"role\": \"\", \"node\": \"\", "
					    "\"run_dir\": \"\", \"ready\": true, \"draining\": false, "
					    "\"stopping\": false, \"uptime_ms\": 0, \"daemons\": []}\n");
	strbuf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_text), cmocka_unit_test(test_no_daemons) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
