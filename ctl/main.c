/* ingotctl: what an operator asks a running Ingot. Options first, then a command of the table in commands.c.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"

static int parse_output(const char *value, struct ctl *c)
{
	if (strcmp(value, "json") == 0)
		c->json = true;
	else if (strcmp(value, "table") == 0)
		c->json = false;
	else
		return ctl_usage_error("-o %s: only table and json are known", value);
	return CTL_OK;
}

static int parse_options(int argc, char **argv, struct ctl *c)
{
	static const struct option options[] = {
		{ "run-dir", required_argument, NULL, 'r' }, { "namespace", required_argument, NULL, 'n' },
		{ "output", required_argument, NULL, 'o' },  { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },	     { "kubeconfig", required_argument, NULL, 'k' },
		{ "context", required_argument, NULL, 'c' }, { 0 },
	};
	int opt, status = CTL_OK;

	while (status == CTL_OK && (opt = getopt_long(argc, argv, "r:n:o:hV", options, NULL)) != -1) {
		switch (opt) {
		case 'r': c->run_dir = optarg; break;
		case 'n': c->ns = optarg; break;
		case 'o': status = parse_output(optarg, c); break;
		case 'k': c->kubeconfig = optarg; break;
		case 'c': c->context = optarg; break;
		case 'h': ctl_usage(stdout); exit(CTL_OK);
		case 'V': exit(ctl_version(c));
		default: return CTL_USAGE; /* getopt has said why */
		}
	}
	c->argc = argc - optind;
	c->argv = argv + optind;
	return status;
}

int main(int argc, char **argv)
{
	const char *run_dir = getenv("INGOT_RUN_DIR"), *ns = getenv("METALLB_NAMESPACE");
	const char *no_colour = getenv("NO_COLOR");
	struct ctl c = {
		.run_dir = run_dir && *run_dir ? run_dir : "/run/ingot",
		.ns = ns && *ns ? ns : "metallb-system",
		.colours = isatty(STDOUT_FILENO) && (!no_colour || !*no_colour),
	};
	int status = parse_options(argc, argv, &c);
	if (status != CTL_OK)
		return status;
	if (c.argc == 0) {
		ctl_usage(stderr);
		return CTL_USAGE;
	}
	const struct command *command = ctl_find(c.argv[0]);
	if (!command)
		return ctl_usage_error("unknown command %s; see ingotctl help", c.argv[0]);
	c.argc--;
	c.argv++;
	if (c.argc < command->min_args || (command->max_args >= 0 && c.argc > command->max_args))
		return ctl_usage_error("usage: ingotctl %s %s", command->name, command->arguments);
	return command->run(&c);
}
