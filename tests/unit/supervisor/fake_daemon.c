/* A child that does as the file <its path>.behave says, and writes what happens to it into the file `journal`
 * beside it. Copied under the daemons' names by test_supervisor.c. Words of the file, one per line: unready,
 * hang, deaf (ignores stop), rude (malformed packets), exit N, keep NAME, fill N (keeps N descriptors) */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/run/fds.h"
#include "lib/run/supwire.h"

extern char **environ;

enum { HEARTBEAT_MS = 1000, HANG_MS = 50 };

struct fake {
	char path[512];
	const char *name;
	char words[32][64];
	unsigned n_words;
};

static long long now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* One line, whole: "<us> <name> <text>". */
__attribute__((format(printf, 2, 3))) static void note(const struct fake *f, const char *fmt, ...)
{
	char path[600], line[4096];
	va_list ap;
	snprintf(path, sizeof path, "%.*s/journal", (int)(strrchr(f->path, '/') - f->path), f->path);
	int n = snprintf(line, sizeof line, "%lld %s ", now_us(), f->name);
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
	va_end(ap);
	line[n++] = '\n';
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, (size_t)n) != n)
		_exit(99);
	close(fd);
}

static void read_words(struct fake *f)
{
	char path[600];
	snprintf(path, sizeof path, "%s.behave", f->path);
	FILE *in = fopen(path, "re");
	while (in && f->n_words < 32 && fgets(f->words[f->n_words], sizeof f->words[0], in)) {
		f->words[f->n_words][strcspn(f->words[f->n_words], "\n")] = 0;
		f->n_words++;
	}
	if (in)
		fclose(in);
}

/* The rest of the word that starts so, or NULL. */
static const char *word(const struct fake *f, const char *start)
{
	for (unsigned i = 0; i < f->n_words; i++)
		if (strncmp(f->words[i], start, strlen(start)) == 0)
			return f->words[i] + strlen(start);
	return NULL;
}

static void say(enum sup_type type, uint64_t value, const char *name, int fd)
{
	struct sup_message m = { .type = type, .value = value, .fd = fd };
	struct pollfd p = { .fd = FD_SUPERVISOR, .events = POLLOUT };
	snprintf(m.name, sizeof m.name, "%s", name);
	int r;
	while ((r = sup_send(FD_SUPERVISOR, &m)) == -EAGAIN)
		poll(&p, 1, 1000);
	if (r < 0)
		_exit(98);
}

static void keep(const char *name, const char *text)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		_exit(97);
	say(SUP_RETAIN, 0, name, fd);
	close(fd);
}

/* Takes the descriptors of the former life; journals how many, and the text of the first. */
static void take_retained(struct fake *f)
{
	struct sup_message m;
	char first[64] = "none";
	unsigned n = 0;
	while (sup_receive(FD_SUPERVISOR, &m) == 1) {
		if (m.type == SUP_RETAINED_END) {
			note(f, "start pid=%d retained=%u first=%s unready=%llu", (int)getpid(), n, first,
			     (unsigned long long)m.value);
			return;
		}
		if (m.type != SUP_RETAINED)
			_exit(96);
		if (n++ == 0) {
			ssize_t len = pread(m.fd, first, sizeof first - 1, 0);
			first[len > 0 ? len : 0] = 0;
		}
		close(m.fd);
	}
	_exit(0);
}

static void describe(const struct fake *f)
{
	char list[3500] = "";
	size_t n = 0;
	for (char **e = environ; *e && n < sizeof list; e++)
		n += (size_t)snprintf(list + n, sizeof list - n, " %s", *e);
	note(f, "environment%s", list);
	n = 0;
	for (int fd = 0; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) >= 0 && n < sizeof list)
			n += (size_t)snprintf(list + n, sizeof list - n, " %d", fd);
	note(f, "descriptors%s", list);
}

static void be_rude(void)
{
	static const char junk[] = "this is no message of ours";
	(void)!send(FD_SUPERVISOR, junk, sizeof junk, MSG_NOSIGNAL);
	say(SUP_STOP, 0, "", -1);
}

static void begin(struct fake *f)
{
	const char *text;
	read_words(f);
	describe(f);
	take_retained(f);
	if ((text = word(f, "fill ")))
		for (int i = 0; i < atoi(text); i++) {
			char name[32];
			snprintf(name, sizeof name, "item-%d", i);
			keep(name, name);
		}
	if ((text = word(f, "keep ")))
		keep(text, text);
	if (word(f, "rude"))
		be_rude();
	if ((text = word(f, "exit ")))
		_exit(atoi(text));
	say(SUP_HEARTBEAT, word(f, "hang") ? HANG_MS : HEARTBEAT_MS, "", -1);
	if (!word(f, "unready"))
		say(SUP_READY, 0, "", -1);
	note(f, "running");
}

static void handle(const struct fake *f, const struct sup_message *m)
{
	if (m->type == SUP_DRAIN)
		note(f, "drain %d", (int)m->value);
	else if (m->type == SUP_RELOAD)
		note(f, "reload");
	if (m->type != SUP_STOP || word(f, "deaf"))
		return;
	note(f, "stop");
	say(SUP_STOPPED, 0, "", -1);
	_exit(0);
}

int main(int argc, char **argv)
{
	struct fake f = { .name = argc > 0 ? argv[0] : "?" };
	ssize_t n = readlink("/proc/self/exe", f.path, sizeof f.path - 1);
	f.path[n > 0 ? n : 0] = 0;
	begin(&f);
	for (;;) {
		struct pollfd p = { .fd = FD_SUPERVISOR, .events = POLLIN };
		struct sup_message m;
		if (poll(&p, 1, HEARTBEAT_MS / 2) == 0) {
			if (!word(&f, "hang"))
				say(SUP_HEARTBEAT, HEARTBEAT_MS, "", -1);
			continue;
		}
		int r = sup_receive(FD_SUPERVISOR, &m);
		if (r == 1)
			handle(&f, &m);
		if (r == 0) {
			note(&f, "orphan");
			return 0;
		}
	}
}
