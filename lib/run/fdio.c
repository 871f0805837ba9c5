/* Whole reads and writes at an offset. Runs in daemons that retain state, and in the watcher on its state
 * file. */
#include "lib/run/fdio.h"

#include <errno.h>
#include <unistd.h>

int fdio_write(int fd, const void *data, size_t len, uint64_t at)
{
	const char *p = data;
	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t fdio_read(int fd, void *data, size_t len, uint64_t at)
{
	char *p = data;
	size_t done = 0;
	while (done < len) {
		ssize_t n = pread(fd, p + done, len - done, (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}
