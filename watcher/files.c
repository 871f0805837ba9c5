/* Whole-file reading and atomic writing. Runs in the watcher; paths are below the folder of manifests only.
 */
#include "watcher/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/strbuf.h"

bool files_join(char buf[static FILES_PATH], const char *folder, const char *name)
{
	return str_fmt(buf, FILES_PATH, "%s%s%s", folder, *folder && *name ? "/" : "", name);
}

/* The file may grow while it is read; what came after its size was taken is told by a later event. */
static int read_all(int fd, size_t size, char **ret, size_t *len)
{
	char *data = malloc(size + 1);
	size_t n = 0;
	if (!data)
		return -ENOMEM;
	while (n < size) {
		ssize_t got = read(fd, data + n, size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int rc = -errno;
			free(data);
			return rc;
		}
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*ret = data;
	*len = n;
	return 0;
}

int files_read(const char *path, size_t max, char **ret, size_t *len)
{
	struct stat st;
	/* Not blocking: a fifo with this name must not stop the daemon. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	int rc = fstat(fd, &st) < 0 ? -errno : 0;
	if (rc == 0 && !S_ISREG(st.st_mode))
		rc = -EISDIR;
	if (rc == 0 && (uint64_t)st.st_size > max)
		rc = -EFBIG;
	if (rc == 0)
		rc = read_all(fd, (size_t)st.st_size, ret, len);
	close(fd);
	return rc;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static bool temporary(char buf[static FILES_PATH], const char *folder, const char *name)
{
	return str_fmt(buf, FILES_PATH, "%s/.%s.tmp", folder, name);
}

int files_prepare(const char *folder, const char *name, const char *text, bool sync)
{
	char path[FILES_PATH];
	if (!temporary(path, folder, name))
		return -ENAMETOOLONG;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	int rc = write_all(fd, text, strlen(text));
	if (rc == 0 && sync && fsync(fd) < 0)
		rc = -errno;
	close(fd);
	if (rc < 0)
		unlink(path);
	return rc;
}

int files_commit(const char *folder, const char *name)
{
	char from[FILES_PATH], to[FILES_PATH];
	if (!temporary(from, folder, name) || !files_join(to, folder, name))
		return -ENAMETOOLONG;
	return rename(from, to) < 0 ? -errno : 0;
}

int files_write(const char *folder, const char *name, const char *text)
{
	int rc = files_prepare(folder, name, text, true);
	return rc < 0 ? rc : files_commit(folder, name);
}

int files_folder(const char *path)
{
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static void give_one(const char *path, uid_t uid)
{
	struct stat st;
	if (lstat(path, &st) == 0 && st.st_uid == 0)
		(void)!lchown(path, uid, uid);
}

void files_give(const char *path, uid_t uid, int depth)
{
	give_one(path, uid);
	DIR *d = depth > 0 ? opendir(path) : NULL;
	for (struct dirent *e; d && (e = readdir(d));) {
		char inner[FILES_PATH];
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    !files_join(inner, path, e->d_name))
			continue;
		if (e->d_type == DT_DIR)
			files_give(inner, uid, depth - 1);
		else
			give_one(inner, uid);
	}
	if (d)
		closedir(d);
}
