/* The folder, the processes and the questions of test_supervisor.c. */
#include "house.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

static const char *const daemons[] = { "watcher", "gossipd", "allocator", "l2d", "bgpd", "statusd" };

long long house_now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void path_of(const struct house *h, const char *name, char buf[static 256])
{
	snprintf(buf, 256, "%s/%s", h->dir, name);
}

static void copy_file(const char *from, const char *to)
{
	char block[65536];
	ssize_t n;
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, block, sizeof block)) > 0)
		assert_int_equal(write(out, block, (size_t)n), n);
	close(in);
	close(out);
}

void house_init(struct house *h)
{
	char path[256];
	memset(h, 0, sizeof *h);
	strcpy(h->dir, "/tmp/ingot-house-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	path_of(h, "libexec", path);
	assert_int_equal(mkdir(path, 0755), 0);
	path_of(h, "man", path);
	assert_int_equal(mkdir(path, 0755), 0);
	for (unsigned i = 0; i < sizeof daemons / sizeof *daemons; i++) {
		char name[64];
		snprintf(name, sizeof name, "libexec/%s", daemons[i]);
		path_of(h, name, path);
		copy_file(FAKE_DAEMON, path);
	}
}

static void nap(void)
{
	const struct timespec t = { 0, 2000000 };
	nanosleep(&t, NULL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void house_free(struct house *h)
{
	if (h->pid > 0) {
		kill(h->pid, SIGKILL);
		waitpid(h->pid, NULL, 0);
	}
	/* Orphans write a last line; until they are gone the folder may fill again while it is emptied. */
	long long deadline = house_now_us() + PATIENCE_MS * 1000ll;
	do {
		nftw(h->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
		nap();
	} while (access(h->dir, F_OK) == 0 && house_now_us() < deadline);
}

void house_behave(const struct house *h, const char *daemon, const char *words)
{
	char name[64], path[256];
	snprintf(name, sizeof name, "libexec/%s.behave", daemon);
	path_of(h, name, path);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(words, f);
	fclose(f);
}

void house_start(struct house *h, const char *role)
{
	char flags[5][128], log[256];
	snprintf(flags[0], sizeof flags[0], "--role=%s", role);
	snprintf(flags[1], sizeof flags[1], "--run-dir=%s/run", h->dir);
	snprintf(flags[2], sizeof flags[2], "--libexec=%s/libexec", h->dir);
	snprintf(flags[3], sizeof flags[3], "--source=dir:%s/man", h->dir);
	path_of(h, "log", log);
	h->pid = fork();
	assert_true(h->pid >= 0);
	if (h->pid > 0)
		return;
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
	dup2(fd, STDERR_FILENO);
	execl(INGOTD, "ingotd", flags[0], flags[1], flags[2], flags[3], "--log-level=debug",
	      "--bgp-listen=10.0.0.1:179", (char *)NULL);
	_exit(1);
}

int house_stop(struct house *h)
{
	int status = -1;
	kill(h->pid, SIGTERM);
	assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
	h->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *read_file(struct house *h, const char *name)
{
	char path[256];
	path_of(h, name, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, h->text, sizeof h->text - 1);
	if (fd >= 0)
		close(fd);
	h->text[n > 0 ? n : 0] = 0;
	return h->text;
}

const char *house_journal(struct house *h)
{
	return read_file(h, "libexec/journal");
}

const char *house_log(struct house *h)
{
	return read_file(h, "log");
}

/* The nth matching line, or NULL; *count gets how many there are up to it. The text is cut into lines. */
static char *find_line(char *text, const char *daemon, const char *part, unsigned nth, unsigned *count)
{
	char want[128], *rest = text, *line;
	snprintf(want, sizeof want, " %s %s", daemon, part);
	*count = 0;
	while ((line = strsep(&rest, "\n")))
		if (strstr(line, want) && ++*count == nth)
			return line;
	return NULL;
}

const char *house_wait(struct house *h, const char *daemon, const char *part, unsigned nth)
{
	long long deadline = house_now_us() + PATIENCE_MS * 1000ll;
	unsigned count;
	while (house_now_us() < deadline) {
		house_journal(h);
		char *line = find_line(h->text, daemon, part, nth, &count);
		if (line)
			return line;
		nap();
	}
	fail_msg("no line \"%s %s\" number %u in the journal:\n%s\nlog:\n%s", daemon, part, nth,
		 house_journal(h), "");
	return NULL;
}

unsigned house_count(struct house *h, const char *daemon, const char *part)
{
	unsigned count;
	house_journal(h);
	find_line(h->text, daemon, part, UINT32_MAX, &count);
	return count;
}

static int connect_control(const struct house *h)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	snprintf(a.sun_path, sizeof a.sun_path, "%s/run/control.sock", h->dir);
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_true(s >= 0);
	if (connect(s, (const struct sockaddr *)&a, sizeof a) == 0)
		return s;
	close(s);
	return -1;
}

const char *house_ask(struct house *h, const char *line, size_t n)
{
	long long deadline = house_now_us() + PATIENCE_MS * 1000ll;
	int s;
	while ((s = connect_control(h)) < 0 && house_now_us() < deadline)
		nap();
	assert_true(s >= 0);
	assert_int_equal(send(s, line, n, MSG_NOSIGNAL), n);
	ssize_t got = recv(s, h->text, sizeof h->text - 1, 0);
	close(s);
	h->text[got > 0 ? got : 0] = 0;
	return h->text;
}

void house_wait_status(struct house *h, const char *daemon, const char *part)
{
	long long deadline = house_now_us() + PATIENCE_MS * 1000ll;
	char name[64];
	snprintf(name, sizeof name, "{\"name\": \"%s\"", daemon);
	while (house_now_us() < deadline) {
		house_ask(h, "status", strlen("status"));
		char *object = strstr(h->text, name), *end = object ? strchr(object, '}') : NULL;
		if (end)
			*end = 0;
		if (object && strstr(object, part))
			return;
		nap();
	}
	fail_msg("%s never had %s in its status:\n%s", daemon, part,
		 house_ask(h, "status", strlen("status")));
}

pid_t line_pid(const char *line)
{
	const char *p = strstr(line, "pid=");
	assert_non_null(p);
	return (pid_t)atoi(p + strlen("pid="));
}

long long line_us(const char *line)
{
	return atoll(line);
}
