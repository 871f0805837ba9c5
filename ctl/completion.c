/* Shell completion, made from the table of commands. */
#include <string.h>

#include "ctl/ctl.h"
#include "lib/run/topics.h"

static void print_commands(const char *separator)
{
	for (const struct command *c = ctl_commands; c->name; c++)
		printf("%s%s", c == ctl_commands ? "" : separator, c->name);
}

static void print_daemons(void)
{
	for (int d = DAEMON_WATCHER; d < DAEMON_CTL; d++)
		printf("%s%s", d == DAEMON_WATCHER ? "" : " ", daemon_name((enum daemon_id)d));
}

/* The names of Services are asked from the running Ingot at completion time. */
#define SERVICE_NAMES "$(ingotctl services 2>/dev/null | awk 'NR > 1 { print $1 }')"

static void bash(void)
{
	puts("_ingotctl() {\n\tlocal word=${COMP_WORDS[COMP_CWORD]} command=\n\tlocal i\n"
	     "\tfor ((i = 1; i < COMP_CWORD; i++)); do case ${COMP_WORDS[i]} in -*) ;; *) "
	     "command=${COMP_WORDS[i]}; break ;; esac; done\n"
	     "\tcase $command in");
	printf("\t\"\") COMPREPLY=($(compgen -W \"");
	print_commands(" ");
	puts(" --run-dir= --namespace= -o\" -- \"$word\")) ;;");
	printf("\trestart) COMPREPLY=($(compgen -W \"");
	print_daemons();
	puts("\" -- \"$word\")) ;;");
	puts("\texplain) COMPREPLY=($(compgen -W \"" SERVICE_NAMES "\" -- \"$word\")) ;;\n"
	     "\tcompletion) COMPREPLY=($(compgen -W \"bash zsh fish\" -- \"$word\")) ;;\n"
	     "\tcrds) COMPREPLY=($(compgen -W \"apply print --kubeconfig= --context=\" -- \"$word\")) ;;\n"
	     "\tvalidate) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n\tesac\n}\ncomplete -F _ingotctl "
	     "ingotctl kubectl-ingot");
}

static void zsh(void)
{
	puts("#compdef ingotctl kubectl-ingot\n_ingotctl() {\n\tif ((CURRENT == 2)); then\n\t\tlocal -a "
	     "commands=(");
	for (const struct command *c = ctl_commands; c->name; c++)
		printf("\t\t\t'%s:%s'\n", c->name, c->help);
	puts("\t\t)\n\t\t_describe command commands\n\t\treturn\n\tfi\n\tcase $words[2] in");
	printf("\trestart) compadd ");
	print_daemons();
	puts(" ;;\n\texplain) compadd " SERVICE_NAMES " ;;\n\tcompletion) compadd bash zsh fish ;;\n\tcrds) "
	     "compadd apply print ;;\n\tvalidate) _files ;;\n"
	     "\tesac\n}\n_ingotctl \"$@\"");
}

static void fish(void)
{
	for (const struct command *c = ctl_commands; c->name; c++)
		printf("complete -c ingotctl -f -n __fish_use_subcommand -a %s -d '%s'\n", c->name, c->help);
	printf("complete -c ingotctl -f -n '__fish_seen_subcommand_from restart' -a '");
	print_daemons();
	puts("'\ncomplete -c ingotctl -f -n '__fish_seen_subcommand_from explain' -a "
	     "'(ingotctl services 2>/dev/null | awk \"NR > 1 { print \\$1 }\")'\n"
	     "complete -c ingotctl -f -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n"
	     "complete -c ingotctl -f -n '__fish_seen_subcommand_from crds' -a 'apply print'\n"
	     "complete -c ingotctl -F -n '__fish_seen_subcommand_from validate'");
}

int ctl_completion(const struct ctl *c)
{
	if (strcmp(c->argv[0], "bash") == 0)
		bash();
	else if (strcmp(c->argv[0], "zsh") == 0)
		zsh();
	else if (strcmp(c->argv[0], "fish") == 0)
		fish();
	else
		return ctl_usage_error("completion %s: bash, zsh and fish are known", c->argv[0]);
	return CTL_OK;
}
