/* Whole reads and writes at an offset. Private to keep. */
#ifndef INGOT_WATCHER_K8S_FDIO_H
#define INGOT_WATCHER_K8S_FDIO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All len bytes. 0 or a negative errno. */
int fdio_write(int fd, const void *data, size_t len, uint64_t at);
/* Bytes read before the end of the file, or a negative errno. */
ssize_t fdio_read(int fd, void *data, size_t len, uint64_t at);

#endif
