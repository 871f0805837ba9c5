/* A snapshot in a memfd that survives its writer at any instant: two slots, each with length, generation and
 * checksum. Readers treat it as foreign input. */
#ifndef INGOT_RUN_MEMFILE_H
#define INGOT_RUN_MEMFILE_H

#include <stddef.h>
#include <stdint.h>

int memfile_new(const char *name); /* a fresh memfd (close-on-exec), or a negative errno */
int memfile_write(
    int fd, const void *data,
    size_t len); /* 0 or a negative errno; the former snapshot stays readable until this one is whole */
/* The newest whole snapshot: *ret is heap memory of *len bytes, caller frees. -ENODATA when empty, -EBADMSG
 * when no slot is intact, -EFBIG over max. */
int memfile_read(int fd, size_t max, void **ret, size_t *len);

#endif
