/* The table of ingotctl's commands, its usage text, and the commands that need nobody else. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "lib/base/strbuf.h"

const struct command ctl_commands[] = {
	{ "status", "", "daemons, configuration, what is wrong", ctl_status, 0, 0, "" },
	{ "services", "", "Services, their addresses and where they are announced", ctl_services, 0, 0, "" },
	{ "pools", "", "address pools and how full they are", ctl_pools, 0, 0, "" },
	{ "peers", "", "BGP sessions", ctl_peers, 0, 0, "" },
	{ "members", "", "nodes as gossip sees them", ctl_members, 0, 0, "" },
	{ "owners", "", "who answers for each L2 address, and why", ctl_owners, 0, 0, "" },
	{ "explain", "SERVICE", "why a Service has its address or none, is announced or not", ctl_explain, 1,
	  1, "services" },
	{ "doctor", "", "what is wrong here, and what to try", ctl_doctor, 0, 0, "" },
	{ "restart", "DAEMON", "restart one daemon; nothing is withdrawn", ctl_restart, 1, 1, "daemons" },
	{ "validate", "PATH...", "check manifests without a running Ingot", ctl_validate, 1, -1, "files" },
	{ "crds", "apply|print", "bring a cluster's definitions of the metallb.io kinds up to date", ctl_crds,
	  1, 1, "crds" },
	{ "completion", "bash|zsh|fish", "print a completion script for a shell", ctl_completion, 1, 1,
	  "shells" },
	{ "help", "", "this text", ctl_help, 0, 0, "" },
	{ "version", "", "the version", ctl_version, 0, 0, "" },
	{ NULL, NULL, NULL, NULL, 0, 0, NULL },
};

const struct command *ctl_find(const char *name)
{
	for (const struct command *c = ctl_commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

void ctl_usage(FILE *to)
{
	fputs("usage: ingotctl [--run-dir=DIR] [--namespace=NAME] [-o table|json] COMMAND\n\n", to);
	for (const struct command *c = ctl_commands; c->name; c++) {
		char head[64];
		str_fmt(head, sizeof head, "%s %s", c->name, c->arguments);
		fprintf(to, "  %-26s %s\n", head, c->help);
	}
	fputs("\nThe run folder is that of ingotd; the environment variable INGOT_RUN_DIR and /run/ingot "
	      "stand in for it.\n"
	      "crds apply takes --kubeconfig=FILE and --context=NAME; KUBECONFIG, ~/.kube/config and the "
	      "service\n"
	      "account of a Pod stand in for them.\n"
	      "Exit status: 0 done, 1 an error answer, 2 wrong usage, 3 nobody answers.\n",
	      to);
}

int ctl_usage_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("ingotctl: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return CTL_USAGE;
}

int ctl_help(const struct ctl *c)
{
	(void)c;
	ctl_usage(stdout);
	return CTL_OK;
}

int ctl_version(const struct ctl *c)
{
	(void)c;
	puts("ingotctl " INGOT_VERSION);
	return CTL_OK;
}
