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

enum { PATH_BYTES = 512 };

/* Children and the sandbox want absolute paths; prefix ("dir:") stays in front. False when it becomes too
 * long. */
static bool make_absolute(const char **path, const char *prefix, char buf[static PATH_BYTES])
{
	char here[256];
	const char *p = *path + strlen(prefix);
	if (!p[0] || p[0] == '/')
		return true;
	if (!getcwd(here, sizeof here) ||
	    !str_fmt(buf, PATH_BYTES, "%s%s/%s", prefix, strcmp(here, "/") == 0 ? "" : here, p))
		return false;
	*path = buf;
	return true;
}

static bool fill_paths(struct options *o)
{
	static char paths[6][PATH_BYTES];
	return make_absolute(&o->run_dir, "", paths[0]) && strlen(o->run_dir) <= 80 &&
	       (!str_starts(o->source, "dir:") || make_absolute(&o->source, "dir:", paths[1])) &&
	       make_absolute(&o->kubeconfig, "", paths[2]) &&
	       make_absolute(&o->gossip_key_file, "", paths[3]) && make_absolute(&o->libexec, "", paths[4]) &&
	       make_absolute(&o->state_dir, "", paths[5]);
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
	if (r == 0 && !fill_paths(&self.options)) {
		str_fmt(text, sizeof text, "a path is too long (--run-dir: at most 80 bytes)");
		r = -1;
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
