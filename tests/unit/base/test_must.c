/* must(): passes silently, or ends the process with the expression on stderr. */
#include "lib/base/must.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void breaks(int fd)
{
	const struct rlimit none = { 0 };
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGABRT, SIG_DFL);
	dup2(fd, STDERR_FILENO);
	must(1 + 1 == 3);
	_exit(0);
}

static void test_failed(void **state)
{
	(void)state;
	int fds[2], status = 0;
	char text[256] = "";
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		breaks(fds[1]);
	close(fds[1]);
	assert_true(read(fds[0], text, sizeof text - 1) > 0);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(text, "1 + 1 == 3"));
	assert_non_null(strstr(text, "test_must.c:"));
}

static void test_holds(void **state)
{
	(void)state;
	int evaluated = 0;
	must(++evaluated == 1);
	assert_int_equal(evaluated, 1);
	static const int three[3];
	assert_int_equal(ARRAY_LEN(three), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_failed), cmocka_unit_test(test_holds) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
