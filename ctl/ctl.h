/* Types that ingotctl's files share. */
#ifndef INGOT_CTL_CTL_H
#define INGOT_CTL_CTL_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

/* Exit statuses. */
enum {
	CTL_OK = 0,
	CTL_ERROR = 1, /* an error answer, or validate or doctor found errors */
	CTL_USAGE = 2,
	CTL_UNREACHABLE = 3, /* nobody answers, in the run folder or at the API server */
};

struct ctl {
	const char *run_dir;
	const char *ns;			  /* namespace of the metallb.io objects, for validate */
	bool json;			  /* -o json */
	bool colours;			  /* stdout is a terminal and NO_COLOR is not set */
	const char *kubeconfig, *context; /* of crds apply; NULL = not given */
	int argc;			  /* arguments of the command */
	char **argv;
};

struct command {
	const char *name, *arguments, *help;
	int (*run)(const struct ctl *c);
	int min_args, max_args; /* max -1 = any */
	const char *words; /* what completion offers as argument: "daemons", "services", "files", "shells",
			      "crds", "" */
};
extern const struct command ctl_commands[]; /* ends with a NULL name */
const struct command *ctl_find(const char *name);
void ctl_usage(FILE *to);
/* usage_error("...") prints to stderr and returns CTL_USAGE. */
int ctl_usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Ask statusd over the bus for a document. CTL_OK and *ret (caller decrefs); else the exit status and *error
 * (heap, may be NULL, caller frees). */
int ctl_ask_statusd(const struct ctl *c, const char *what, const char *subject, json_t **ret, char **error);
/* Send one line to the supervisor's control socket. CTL_OK and *ret = its answer (heap, caller frees); else
 * the exit status and *error as above. */
int ctl_ask_supervisor(const struct ctl *c, const char *line, char **ret, char **error);

/* The commands (show.c, act.c, validate.c, completion.c). */
int ctl_status(const struct ctl *c);
int ctl_services(const struct ctl *c);
int ctl_pools(const struct ctl *c);
int ctl_peers(const struct ctl *c);
int ctl_members(const struct ctl *c);
int ctl_owners(const struct ctl *c);
int ctl_explain(const struct ctl *c);
int ctl_doctor(const struct ctl *c);
int ctl_restart(const struct ctl *c);
int ctl_validate(const struct ctl *c);
int ctl_crds(const struct ctl *c);
int ctl_completion(const struct ctl *c);
int ctl_help(const struct ctl *c);
int ctl_version(const struct ctl *c);

#endif
