/* Whole reads and writes at an offset, of files that outlive their writer. */
#ifndef INGOT_RUN_FDIO_H
#define INGOT_RUN_FDIO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All len bytes. 0 or a negative errno. */
int fdio_write(int fd, const void *data, size_t len, uint64_t at);
/* Bytes read before the end of the file, or a negative errno. */
ssize_t fdio_read(int fd, void *data, size_t len, uint64_t at);

#endif
