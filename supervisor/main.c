/* ingotd: the program that people start. It starts, watches and restarts the daemons; it runs in the
 * foreground.
 *
 * 1 options: flags, then the environment, then defaults; 2 the log; 3 facts of this host that options leave
 * open; 4 supervisor_run: folders, children, the loop, orderly stop. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/strbuf.h"
#include "lib/run/fds.h"
#include "lib/run/log.h"
#include "supervisor/supervisor.h"

enum { EXIT_OK = 0 };

/* The first line of a file, without its end. */
static bool read_line(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	buf[n] = 0;
	buf[strcspn(buf, " \t\r\n")] = 0;
	return buf[0] != 0;
}

static void fill_namespace(struct options *o, char buf[static 256])
{
	static const char account[] = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
	const char *reference = getenv("METALLB_NAMESPACE");
	if (o->namespace[0])
		return;
	if (reference && reference[0])
		str_fmt(buf, 256, "%s", reference);
	else if (!read_line(account, buf, 256))
		str_fmt(buf, 256, "metallb-system");
	o->namespace = buf;
}

static void fill_node(struct options *o, char buf[static 256])
{
	if (o->node[0])
		return;
	if (gethostname(buf, 256) < 0)
		buf[0] = 0;
	buf[255] = 0;
	o->node = buf[0] ? buf : "localhost";
}

/* Descriptors 0 to 2 must exist: a socket that took the place of stderr would be given to all children. */
static void open_standard(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	static struct supervisor self;
	static char text[8192], node[256], namespace[256];
	open_standard();
	int r = options_parse(argc, argv, &self.options, text, sizeof text);
	if (r == 1) {
		fputs(text, stdout);
		return EXIT_OK;
	}
	if (r < 0) {
		fprintf(stderr, "ingotd: %s\n", text);
		return EXIT_CONFIG;
	}
	log_open("ingotd", self.options.log_format, self.options.log_level);
	fill_node(&self.options, node);
	fill_namespace(&self.options, namespace);
	return supervisor_run(&self);
}
