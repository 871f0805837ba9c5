/* The environment of a child, made from scratch: the options it is told, PATH, and what its row of the table
 * names. */
#ifndef INGOT_SUPERVISOR_ENVIRON_H
#define INGOT_SUPERVISOR_ENVIRON_H

#include "lib/run/options.h"
#include "supervisor/table.h"

/* Heap list for execve(), ended by NULL; NULL when memory is gone. uid_base as it is in force, not as it was
 * asked for. */
char **environ_new(const struct table_row *row, const struct options *o, const char *uid_base);
void environ_free(char **env);

#endif
