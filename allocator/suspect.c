/* The memory of unfinished work. Run by the allocator; decides nothing else. */
#include "allocator/suspect.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SUSPECT_MAGIC = 0x696e7331 };

static bool is_sound(const struct suspect_file *f)
{
	if (f->magic != SUSPECT_MAGIC || f->busy > 1 || !memchr(f->current.key, 0, SUSPECT_KEY))
		return false;
	for (size_t i = 0; i < SUSPECTS; i++)
		if (f->entry[i].used > 1 || !memchr(f->entry[i].key, 0, SUSPECT_KEY))
			return false;
	return true;
}

static struct suspect_entry *find(struct suspect_file *f, const char *key)
{
	for (size_t i = 0; i < SUSPECTS; i++)
		if (f->entry[i].used && strcmp(f->entry[i].key, key) == 0)
			return &f->entry[i];
	return NULL;
}

static struct suspect_entry *find_room(struct suspect_file *f)
{
	for (size_t i = 0; i < SUSPECTS; i++)
		if (!f->entry[i].used)
			return &f->entry[i];
	return &f->entry[0];
}

/* The former life ended in the middle of something. */
static void count_unfinished(struct suspect_file *f)
{
	if (!f->busy)
		return;
	f->busy = 0;
	struct suspect_entry *e = find(f, f->current.key);
	if (!e) {
		e = find_room(f);
		*e = f->current;
		e->lives = 0;
	}
	if (e->fingerprint != f->current.fingerprint)
		e->lives = 0;
	e->fingerprint = f->current.fingerprint;
	e->lives++;
	e->used = 1;
}

static int fresh(struct suspect *s)
{
	s->fd = memfd_create("allocator-suspects", MFD_CLOEXEC);
	if (s->fd < 0)
		return -errno;
	return ftruncate(s->fd, sizeof *s->file) == 0 ? 0 : -errno;
}

int suspect_open(struct suspect *s, int fd)
{
	struct stat st;
	*s = (struct suspect){ .fd = fd };
	bool kept = fd >= 0 && fstat(fd, &st) == 0 && st.st_size == (off_t)sizeof *s->file;
	if (!kept && fd >= 0)
		close(fd);
	int rc = kept ? 0 : fresh(s);
	void *at =
	    rc == 0 ? mmap(NULL, sizeof *s->file, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0) : MAP_FAILED;
	if (at == MAP_FAILED) {
		rc = rc < 0 ? rc : -errno;
		suspect_close(s);
		return rc;
	}
	s->file = at;
	if (!is_sound(s->file)) {
		memset(s->file, 0, sizeof *s->file);
		s->file->magic = SUSPECT_MAGIC;
	}
	count_unfinished(s->file);
	for (size_t i = 0; i < SUSPECTS; i++)
		s->any |= s->file->entry[i].used;
	return 0;
}

void suspect_close(struct suspect *s)
{
	if (s->file)
		munmap(s->file, sizeof *s->file);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct suspect){ .fd = -1 };
}

void suspect_begin(struct suspect *s, const char *key, uint64_t fingerprint)
{
	if (!s->file)
		return;
	size_t n = strnlen(key, SUSPECT_KEY - 1);
	memcpy(s->file->current.key, key, n);
	s->file->current.key[n] = 0;
	s->file->current.fingerprint = fingerprint;
	__atomic_store_n(&s->file->busy, 1, __ATOMIC_RELEASE);
}

void suspect_end(struct suspect *s, bool decided)
{
	if (!s->file)
		return;
	__atomic_store_n(&s->file->busy, 0, __ATOMIC_RELEASE);
	if (!s->any || !decided)
		return;
	struct suspect_entry *e = find(s->file, s->file->current.key);
	if (e)
		e->used = 0;
}

void suspect_each(const struct suspect *s, unsigned lives,
		  void (*each)(void *ctx, const char *key, uint64_t fingerprint), void *ctx)
{
	for (size_t i = 0; s->file && i < SUSPECTS; i++) {
		const struct suspect_entry *e = &s->file->entry[i];
		if (e->used && e->lives >= lives)
			each(ctx, e->key, e->fingerprint);
	}
}
