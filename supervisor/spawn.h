/* fork and exec of one child. */
#ifndef INGOT_SUPERVISOR_SPAWN_H
#define INGOT_SUPERVISOR_SPAWN_H

#include <sys/types.h>

/* Starts path as name with env and with one end of a SOCK_SEQPACKET pair as FD_SUPERVISOR; no other
 * descriptor but stdin (/dev/null), stdout and stderr (both the supervisor's stderr) survives. *sock is our
 * end, non-blocking, owned by the caller. 0; -ENOENT or -EACCES when there is no such program; another
 * negative errno. */
int spawn_child(const char *path, const char *name, char *const *env, pid_t *pid, int *sock);

#endif
