/* The run folder: who may be in it, its lock, one folder per daemon; and where the programs are. */
#ifndef INGOT_SUPERVISOR_RUNDIR_H
#define INGOT_SUPERVISOR_RUNDIR_H

#include <sys/types.h>

#include "lib/run/options.h"

/* Makes RUN and takes its lock: the descriptor that holds it, or a negative errno with a sentence in error.
 */
int rundir_lock(const char *run_dir, char *error, unsigned long size);
/* RUN/<daemon> for each daemon of the mask, owned by its user ((uid_t)-1: by ours), mode 0755. 0, or a
 * negative errno. */
int rundir_folders(const char *run_dir, unsigned daemons, uid_t uid_base, char *error, unsigned long size);
/* The folder that the watcher writes status to, in a directory of manifests. Failing is the watcher's to
 * report. */
void rundir_status_folder(const char *source, uid_t uid_base);
/* Folder of the daemons: --libexec, else the one of this program, else ../libexec/ingot beside it. */
void rundir_libexec(const char *option, char *buf, unsigned long size);

#endif
