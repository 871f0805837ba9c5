/* Starts a child. Runs in the supervisor; between fork and exec only calls that are safe there. */
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/run/fds.h"

enum { EXIT_NO_EXEC = 127 };

/* Handlers are reset by exec, ignored signals and the mask are not. */
static void reset_signals(void)
{
	const struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;
	for (int s = 1; s < SIGRTMIN; s++)
		(void)sigaction(s, &standard, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int place_descriptors(int sock)
{
	int null = open("/dev/null", O_RDONLY);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return -1;
	/* dup2 onto itself would leave close-on-exec set. */
	if (sock == FD_SUPERVISOR ? fcntl(sock, F_SETFD, 0) < 0 : dup2(sock, FD_SUPERVISOR) < 0)
		return -1;
	return syscall(SYS_close_range, FD_SUPERVISOR + 1, ~0u, 0) < 0 ? -1 : 0;
}

static _Noreturn void become(const char *path, const char *name, char *const *env, int sock)
{
	static const char failed[] = "level=error event=execFailed msg=\"a daemon could not be executed\"\n";
	char own_name[64];
	char *argv[] = { own_name, NULL };
	snprintf(own_name, sizeof own_name, "%s", name);
	/* A session of its own: Ctrl-C on our terminal is for us, and the children are stopped in order. */
	(void)setsid();
	umask(022);
	reset_signals();
	if (place_descriptors(sock) == 0)
		execve(path, argv, env);
	ssize_t ignored = write(STDERR_FILENO, failed, sizeof failed - 1);
	(void)ignored;
	_exit(EXIT_NO_EXEC);
}

int spawn_child(const char *path, const char *name, char *const *env, pid_t *pid, int *sock)
{
	int pair[2];
	if (access(path, X_OK) < 0)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid_t child = fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0 ? -1 : fork();
	if (child == 0)
		become(path, name, env, pair[1]);
	int error = errno;
	close(pair[1]);
	if (child < 0) {
		close(pair[0]);
		return -error;
	}
	*pid = child;
	*sock = pair[0];
	return 0;
}
