/* Notes about files that are being parsed. Pure; run by the watcher. */
#include "watcher/quarantine.h"

#include <stdlib.h>
#include <string.h>

struct note {
	uint64_t hash;
	unsigned attempts;
};

void quarantine_init(struct quarantine *q)
{
	*q = (struct quarantine){ .attempts = QUARANTINE_ATTEMPTS };
	map_init(&q->notes);
}

void quarantine_hurry(struct quarantine *q)
{
	q->attempts = 1;
}

void quarantine_fini(struct quarantine *q)
{
	map_fini(&q->notes, free);
}

/* Equal in every life, unlike the key of the maps; nobody gains anything from a collision but a skipped file.
 */
static uint64_t hash_of(const void *data, size_t len)
{
	static const uint8_t key[16] = "ingot quarantine";
	return siphash24(key, data, len);
}

static struct note *note_get(struct quarantine *q, const char *path, size_t len)
{
	struct note *n = map_get_n(&q->notes, path, len);
	if (n || map_len(&q->notes) >= QUARANTINE_NOTES)
		return n;
	n = calloc(1, sizeof *n);
	if (n && map_set_n(&q->notes, path, len, n, NULL) < 0) {
		free(n);
		return NULL;
	}
	return n;
}

/* "HASH ATTEMPTS PATH" per line; "files N" first. */
static void parse_line(struct quarantine *q, const char *line, size_t len)
{
	unsigned long long files, attempts;
	if (len > 6 && memcmp(line, "files ", 6) == 0) {
		if (str_to_u64(line + 6, len - 6, 1000000000, &files))
			q->files = (size_t)files;
		return;
	}
	const char *path = len > 19 ? memchr(line + 17, ' ', len - 17) : NULL;
	uint64_t hash = 0;
	if (!path || line[16] != ' ')
		return;
	for (int i = 0; i < 16; i++) {
		const char *digit = memchr("0123456789abcdef", line[i], 16);
		if (!digit)
			return;
		hash = hash << 4 | (uint64_t)(digit - "0123456789abcdef");
	}
	path++;
	size_t n = (size_t)(line + len - path);
	if (n == 0 || n > 4096 || memchr(path, 0, n) ||
	    !str_to_u64(line + 17, (size_t)(path - 1 - line - 17), 1000, &attempts))
		return;
	struct note *note = note_get(q, path, n);
	if (note)
		*note = (struct note){ hash, (unsigned)attempts };
}

void quarantine_parse(struct quarantine *q, const void *data, size_t len)
{
	const char *p = data, *end = p + len;
	while (p < end) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		if (!stop)
			return;
		parse_line(q, p, (size_t)(stop - p));
		p = stop + 1;
	}
}

void quarantine_print(const struct quarantine *q, struct strbuf *out)
{
	strbuf_fmt(out, "files %zu\n", q->files);
	map_each (&q->notes, e) {
		const struct note *n = e->value;
		strbuf_fmt(out, "%016llx %u %s\n", (unsigned long long)n->hash, n->attempts, e->key);
	}
}

void quarantine_resume(struct quarantine *q, struct quarantine_mark *mark)
{
	size_t len = strnlen(mark->path, sizeof mark->path);
	bool usable =
	    mark->valid == 1 && len > 0 && len < sizeof mark->path && !memchr(mark->path, '\n', len);
	mark->valid = 0;
	struct note *n = usable ? note_get(q, mark->path, len) : NULL;
	if (n)
		*n = (struct note){ mark->hash, mark->attempts < 1000 ? mark->attempts : 1000 };
}

bool quarantine_enter(struct quarantine *q, struct quarantine_mark *mark, const char *path, const void *data,
		      size_t len)
{
	uint64_t hash = hash_of(data, len);
	const struct note *n = map_get(&q->notes, path);
	bool same = n && n->hash == hash;
	if (same && n->attempts >= q->attempts)
		return false;
	mark->hash = hash;
	mark->attempts = same ? n->attempts + 1 : 1;
	/* A path that does not fit is read without a mark rather than not at all. */
	mark->valid = str_fmt(mark->path, sizeof mark->path, "%s", path);
	return true;
}

void quarantine_leave(struct quarantine *q, struct quarantine_mark *mark, const char *path)
{
	mark->valid = 0;
	quarantine_forget(q, path);
}

void quarantine_forget(struct quarantine *q, const char *path)
{
	free(map_del(&q->notes, path));
}
