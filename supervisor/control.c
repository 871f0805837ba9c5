/* The control socket. Runs in the supervisor. Mode 0600, and the peer's user is asked of the kernel on top:
 * root, or the user that the supervisor runs as. A client that does not read its answer is hung up on, never
 * waited for. */
#include "supervisor/control.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool path_of(struct sockaddr_un *a, const char *run_dir)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return str_fmt(a->sun_path, sizeof a->sun_path, "%s/control.sock", run_dir);
}

int control_open(struct control *c, const char *run_dir)
{
	struct sockaddr_un address;
	*c = (struct control){ .listener = -1 };
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		c->clients[i] = -1;
	if (!path_of(&address, run_dir))
		return -ENAMETOOLONG;
	(void)unlink(address.sun_path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mode_t mask = umask(0177);
	int r =
	    bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 || listen(fd, CONTROL_CLIENTS) < 0
		? -errno
		: 0;
	umask(mask);
	if (r < 0)
		close(fd);
	else
		c->listener = fd;
	return r;
}

static void drop(struct control *c, unsigned i)
{
	close(c->clients[i]);
	c->clients[i] = -1;
}

void control_close(struct control *c, const char *run_dir)
{
	struct sockaddr_un address;
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		if (c->clients[i] >= 0)
			drop(c, i);
	if (c->listener < 0)
		return;
	close(c->listener);
	c->listener = -1;
	if (path_of(&address, run_dir))
		(void)unlink(address.sun_path);
}

void control_prepare(const struct control *c, struct pollfd *polls)
{
	polls[0] = (struct pollfd){ .fd = c->listener, .events = POLLIN };
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		polls[i + 1] = (struct pollfd){ .fd = c->clients[i], .events = POLLIN };
}

static bool is_allowed(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof peer;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static void take_client(struct control *c)
{
	int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	const char *why = "too many clients";
	if (fd < 0)
		return;
	if (is_allowed(fd)) {
		for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
			if (c->clients[i] < 0) {
				c->clients[i] = fd;
				return;
			}
	} else {
		why = "only root and the user of this process may ask";
	}
	log_limited(&c->complaints, 5, 10000000, LOG_WARN, "control socket", "refused", "%s", why);
	close(fd);
}

/* The line must be text of one line; the newline at its end may be there or not. */
static bool clean_line(char *line, size_t n)
{
	if (n > 0 && line[n - 1] == '\n')
		n--;
	line[n] = 0;
	for (size_t i = 0; i < n; i++)
		if (line[i] < ' ' || line[i] > '~')
			return false;
	return n > 0;
}

static void serve(struct control *c, unsigned i, control_command fn, void *ctx)
{
	char line[CONTROL_LINE + 2];
	struct strbuf answer = { 0 };
	ssize_t n = recv(c->clients[i], line, sizeof line - 1, MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(c, i);
		return;
	}
	if (n > CONTROL_LINE || !clean_line(line, (size_t)n))
		strbuf_fmt(&answer, "error: expected one line of text of at most %d bytes\n", CONTROL_LINE);
	else
		fn(ctx, line, &answer);
	if (answer.oom || send(c->clients[i], strbuf_get(&answer), answer.len, MSG_NOSIGNAL) < 0)
		drop(c, i);
	strbuf_fini(&answer);
}

void control_handle(struct control *c, const struct pollfd *polls, control_command fn, void *ctx)
{
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		if (c->clients[i] >= 0 && polls[i + 1].fd == c->clients[i] && polls[i + 1].revents)
			serve(c, i, fn, ctx);
	if (polls[0].revents)
		take_client(c);
}
