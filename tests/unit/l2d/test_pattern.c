/* Regular expressions of the exclude list: what matches, what is refused, what hostile ones cost. */
#include "l2d/pattern.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_matches(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *yes, *no; /* names, separated by blanks */
	} rows[] = {
		{ "^docker.*", "docker docker0 dockerx", "xdocker0 docke" },
		{ "^lo$", "lo", "lo0 xlo l" },
		{ "veth", "veth0 myveth", "vet" },
		{ "", "a eth0", NULL },
		{ "a.c", "abc xaccx", "ac a" },
		{ "^(eth|en)[0-9]+$", "eth0 en12 eth007", "eth en1x wlan0" },
		{ "^eth(0|1|12)$", "eth0 eth1 eth12", "eth2 eth" },
		{ "^ab*c$", "ac abc abbbc", "abb" },
		{ "^ab+c$", "abc abbbc", "ac" },
		{ "^ab?c$", "ac abc", "abbc" },
		{ "^(ab)*$", "ab abab", "a aba" },
		{ "^a{2}$", "aa", "a aaa" },
		{ "^a{2,}$", "aa aaa aaaaa", "a" },
		{ "^a{1,3}$", "a aa aaa", "aaaa" },
		{ "^(ab){0,2}c$", "c abc ababc", "abababc" },
		{ "^a{,2}$", "a{,2}", "a aa" },
		{ "^[^0-9]+$", "eth lo", "eth0" },
		{ "^[a\\d.-]+$", "a1.-", "b" },
		{ "^[]x]$", "] x", "y" },
		{ "^\\w+\\.\\d+$", "eth0.100 br_1.2", "eth0 eth0.x eth-0.1" },
		{ "^\\D\\S$", "ab", "1b abc" },
		{ "^(?:a|b)+?$", "abba a", "c" },
		{ "a$|^b", "a xa b bx", "xb ax" },
		{ "^(|x)y$", "y xy", "xxy" },
		{ "^(a*)*$", "a aaa", "b" },
		{ "(a|a)*(a|a)*(a|a)*(a|a)*b$", "aaab b", "aaaaaaaaaaaaaac" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct pattern *p = NULL;
		char error[64] = "", names[128];
		if (pattern_compile(rows[i].pattern, &p, error, sizeof error) != 0)
			fail_msg("%s: %s", rows[i].pattern, error);
		for (int wanted = 0; wanted < 2; wanted++) {
			const char *list = wanted ? rows[i].yes : rows[i].no;
			strcpy(names, list ? list : "");
			for (char *n = strtok(names, " "); n; n = strtok(NULL, " "))
				if (pattern_search(p, n) != wanted)
					fail_msg("%s on %s: not %d", rows[i].pattern, n, wanted);
		}
		pattern_free(p);
	}
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *error;
	} rows[] = {
		{ "(a", "( without )" },
		{ "a)", ") without (" },
		{ "[a", "[ without ]" },
		{ "*a", "repeats nothing" },
		{ "a**", "repeats a rep" },
		{ "a+++++++++++++++++++", "repeats a rep" },
		{ "a\\", "escape" },
		{ "(a)\\1", "escape" },
		{ "[z-a]", "backwards" },
		{ "(?i)a", "not supported" },
		{ "[[:alpha:]]", "named class" },
		{ "a{3,2}", "repeat count" },
		{ "a{1001}", "repeat count" },
		{ "((a{64}){64}){64}", "too" },
		{ "((((){900}){900}){900}){900}", "too" },
		{ "((((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))))", "deep" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct pattern *p = NULL;
		char error[64] = "";
		int r = pattern_compile(rows[i].pattern, &p, error, sizeof error);
		if (r != -EINVAL || !strstr(error, rows[i].error))
			fail_msg("%s: %d %s", rows[i].pattern, r, error);
		assert_null(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
