/* One question to the supervisor over its control socket RUN/control.sock: a text line there, a text answer
 * back. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "lib/base/strbuf.h"

enum { ANSWER_MAX = 1 << 20, ANSWER_MS = 10000 };

static int unreachable(const struct ctl *c, int error, char **ret)
{
	struct strbuf b = { 0 };

	strbuf_fmt(&b,
		   "%s/control.sock: %s: is ingotd running with --run-dir=%s, and may you (root) reach it?",
		   c->run_dir, strerror(error), c->run_dir);
	*ret = strbuf_take(&b);
	return CTL_UNREACHABLE;
}

static int control_connect(const struct ctl *c)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (!str_fmt(address.sun_path, sizeof address.sun_path, "%s/control.sock", c->run_dir))
		return -ENAMETOOLONG;
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -errno;
	if (connect(s, (const struct sockaddr *)&address, sizeof address) < 0) {
		int error = -errno;
		close(s);
		return error;
	}
	return s;
}

/* The answer as heap text, or NULL with errno. */
static char *read_answer(int s)
{
	struct pollfd p = { .fd = s, .events = POLLIN };
	char *text = malloc(ANSWER_MAX + 1);

	if (!text)
		return NULL;
	int ready = poll(&p, 1, ANSWER_MS);
	ssize_t n = ready == 1 ? recv(s, text, ANSWER_MAX, 0) : -1;
	if (n <= 0) {
		int error = ready == 0 ? ETIMEDOUT : n == 0 ? ECONNRESET : errno;
		free(text);
		errno = error;
		return NULL;
	}
	text[n] = '\0';
	return text;
}

int ctl_ask_supervisor(const struct ctl *c, const char *line, char **ret, char **error)
{
	int s = control_connect(c);
	if (s < 0)
		return unreachable(c, -s, error);
	char *answer = NULL;
	if (send(s, line, strlen(line), MSG_NOSIGNAL) >= 0)
		answer = read_answer(s);
	int failed = errno;
	close(s);
	if (!answer)
		return unreachable(c, failed, error);
	if (str_starts(answer, "error: ")) {
		*error = strdup(answer + strlen("error: "));
		free(answer);
		return CTL_ERROR;
	}
	*ret = answer;
	return CTL_OK;
}
