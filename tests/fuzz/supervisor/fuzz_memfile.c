/* A snapshot file as a former life may have left it: two parts of the input are the two slots. Whatever they
 * are, reading ends well, and writing after it makes the file whole. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "lib/run/memfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	void *got = NULL;
	size_t n = 0, first = len ? data[0] : 0;
	int fd = memfile_new("fuzz");
	must(fd >= 0);
	if (len > 0) {
		data++;
		len--;
	}
	if (first > len)
		first = len;
	must(pwrite(fd, data, first, 0) == (ssize_t)first);
	must(pwrite(fd, data + first, len - first, (off_t)1 << 40) == (ssize_t)(len - first));
	int r = memfile_read(fd, 1 << 16, &got, &n);
	must(r == 0 || r == -ENODATA || r == -EBADMSG || r == -EFBIG);
	if (r == 0)
		free(got);
	must(memfile_write(fd, "whole", 5) == 0);
	if (memfile_read(fd, 1 << 16, &got, &n) == 0) {
		must(n == 5 && memcmp(got, "whole", 5) == 0);
		free(got);
	}
	close(fd);
	return 0;
}
