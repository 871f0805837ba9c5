/* The sandbox of each daemon, as data (lib/run/sandbox_rules.c): user, capabilities, Landlock paths, system
 * calls. Two steps: sandbox_enter before nng starts its threads, sandbox_seal (seccomp with thread sync) once
 * the bus stands, which takes away what only starting needed. */
#ifndef INGOT_RUN_SANDBOX_H
#define INGOT_RUN_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/run/options.h"
#include "lib/run/topics.h"

struct sandbox_rules;

/* The rules of a daemon, from the one table. */
const struct sandbox_rules *sandbox_rules_of(enum daemon_id d);

struct sandbox_context {
	const struct options *options; /* paths are made from run_dir, source, kubeconfig, ... */
	const char *const *reads;      /* more files to read, as options name them; ends with NULL; or NULL */
	uid_t uid;		       /* become this user (and group); (uid_t)-1 = stay */
	bool enabled;
};
/* Become the user, drop capabilities and the bounding set, no_new_privs, rlimits, Landlock, first seccomp
 * filter. Steps that this kernel or user cannot do are reported in `missing` (a comma list, empty when all is
 * there); a step that fails though it should work gives a negative errno. */
int sandbox_enter(const struct sandbox_rules *r, const struct sandbox_context *c, char *missing,
		  unsigned long size);
int sandbox_seal(const struct sandbox_rules *r, const struct sandbox_context *c);

#endif
