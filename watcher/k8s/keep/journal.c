/* The append-only log in a memfd. Runs in the watcher. A record is appended by one pwrite, and the index
 * moves only when the record stands there whole. */
#include "watcher/k8s/keep/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/run/fdio.h"
#include "lib/run/memfile.h"

enum { WASTE_FLOOR = 1 << 20 };
/* For reading: has room for the longest record. */
#define CHUNK (2 * (size_t)IMAGE_RECORD)
/* The log is compacted long before this. */
#define MOST_BYTES ((uint64_t)1 << 30)

int journal_init(struct journal *j, const char *identity)
{
	memset(j, 0, sizeof *j);
	j->fd = -1;
	if (!str_fmt(j->identity, sizeof j->identity, "%s", identity))
		return -ENAMETOOLONG;
	j->record = malloc(2 * (size_t)IMAGE_RECORD);
	return j->record ? 0 : -ENOMEM;
}

static void forget(struct journal *j)
{
	numtab_fini(&j->at);
	memset(j->n, 0, sizeof j->n);
	j->len = j->live = 0;
	j->whole = false;
}

void journal_fini(struct journal *j)
{
	forget(j);
	if (j->fd >= 0)
		close(j->fd);
	free(j->record);
}

static int write_header(const struct journal *j, int fd, uint64_t *len)
{
	uint8_t raw[IMAGE_HEADER];
	struct wbuf w = wbuf_of(raw, sizeof raw);
	must(image_print_header(j->identity, &w));
	*len = w.len;
	return fdio_write(fd, raw, w.len, 0);
}

/* The log is in fd from now on. */
static void move_to(struct journal *j, int fd, uint64_t len)
{
	if (j->fd >= 0)
		close(j->fd);
	j->fd = fd;
	j->len = len;
	j->generation++;
}

int journal_begin(struct journal *j)
{
	uint64_t len = 0;
	int fd = memfile_new("ingot-mirror");
	int rc = fd < 0 ? fd : write_header(j, fd, &len);
	if (rc < 0) {
		if (fd >= 0)
			close(fd);
		return rc;
	}
	forget(j);
	move_to(j, fd, len);
	return 0;
}

/* Bytes of the record at `at`; 0 when it cannot be read. */
static size_t size_at(const struct journal *j, uint64_t at)
{
	uint8_t head[IMAGE_RECORD_HEAD];
	bool is_there = fdio_read(j->fd, head, sizeof head, at) == (ssize_t)sizeof head;
	size_t size = is_there ? image_record_len(head) : 0;
	return size <= IMAGE_RECORD ? size : 0;
}

/* An object that is looked up. */
struct object {
	const struct journal *j;
	enum kind kind;
	const char *key;
};

static bool is_about(uintptr_t at, const void *object)
{
	const struct object *o = object;
	uint8_t record[IMAGE_ABOUT];
	ssize_t n = fdio_read(o->j->fd, record, sizeof record, at);
	return n > 0 && image_is_about(record, (size_t)n, o->kind, o->key);
}

enum { KIND_AT = 32 }; /* bits of the hash below the kind */

static uint64_t hash_of(enum kind k, const char *key)
{
	return (uint64_t)k << KIND_AT | map_hash(key, strlen(key));
}

static struct numtab_slot *find(const struct journal *j, enum kind k, const char *key)
{
	struct object o = { j, k, key };
	return numtab_find(&j->at, hash_of(k, key), is_about, &o);
}

static void drop(struct journal *j, enum kind k, const char *key)
{
	struct numtab_slot *old = find(j, k, key);
	if (!old)
		return;
	j->live -= size_at(j, old->value);
	j->n[k]--;
	numtab_remove(&j->at, old);
}

static bool has_room(const struct journal *j, enum kind k, const struct numtab_slot *old, size_t size)
{
	return j->live + size <= IMAGE_BYTES && (j->n[k] < LIMIT_OBJECTS || old);
}

/* A record of `size` bytes stands at `at`: it is the last one of its key. old: the one before. */
static int note(struct journal *j, enum kind k, const char *key, struct numtab_slot *old, uint64_t at,
		size_t size)
{
	if (old) {
		j->live -= size_at(j, old->value);
		old->value = at;
	} else {
		int rc = numtab_add(&j->at, hash_of(k, key), at);
		if (rc < 0)
			return rc;
		j->n[k]++;
	}
	j->live += size;
	return 0;
}

static void adopt_entry(void *ctx, const struct image_entry *e, uint64_t at)
{
	struct journal *j = ctx;
	size_t size = size_at(j, at);
	struct numtab_slot *old = find(j, e->kind, e->key);
	if (e->what == IMAGE_GONE) {
		drop(j, e->kind, e->key);
	} else if (!has_room(j, e->kind, old, size) || note(j, e->kind, e->key, old, at, size) < 0) {
		drop(j, e->kind, e->key);
		j->refused++;
	}
}

/* Build the index from j->fd. The result of the reader says how far the log is good. */
static int read_log(struct journal *j, uint64_t size, struct image_reader *r)
{
	uint8_t *chunk = malloc(CHUNK);
	uint64_t at = 0;
	if (!chunk)
		return -ENOMEM;
	ssize_t n = 1;
	forget(j);
	image_reader_init(r, j->identity);
	while (at < size && !r->fault) {
		n = fdio_read(j->fd, chunk, CHUNK, at);
		size_t done = n > 0 ? image_read(r, chunk, (size_t)n, adopt_entry, j) : 0;
		if (done == 0)
			break;
		at += done;
	}
	if (n >= 0)
		image_read_end(r, at < size);
	free(chunk);
	j->len = r->at;
	j->whole = r->whole;
	j->passed_over += r->passed_over;
	return n < 0 ? (int)n : 0;
}

int journal_adopt(struct journal *j, int fd, enum image_fault *fault)
{
	struct image_reader r = { 0 };
	struct stat st;
	must(j->fd < 0);
	if (fstat(fd, &st) < 0)
		return -errno;
	*fault = IMAGE_FOREIGN;
	if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > MOST_BYTES)
		return -EBADMSG;
	j->fd = fd;
	int rc = read_log(j, (uint64_t)st.st_size, &r);
	*fault = r.fault;
	if (rc == 0 && !j->whole)
		rc = -EBADMSG;
	if (rc == 0 && r.at < (uint64_t)st.st_size && ftruncate(fd, (off_t)r.at) < 0)
		rc = -errno;
	if (rc < 0) {
		j->fd = -1;
		forget(j);
		return rc;
	}
	j->generation++;
	return 0;
}

static int append(struct journal *j, const struct wbuf *w)
{
	if (j->len + w->len > MOST_BYTES)
		return -EFBIG;
	int rc = fdio_write(j->fd, w->data, w->len, j->len);
	if (rc == 0)
		j->len += w->len;
	else
		(void)!ftruncate(j->fd, (off_t)j->len); /* a torn end is not believed anyway */
	return rc;
}

/* Does the record at `at` consist of these bytes? */
static bool stands_at(const struct journal *j, uint64_t at, const struct wbuf *w)
{
	uint8_t *have = j->record + IMAGE_RECORD;
	return fdio_read(j->fd, have, w->len, at) == (ssize_t)w->len && memcmp(have, w->data, w->len) == 0;
}

int journal_put(struct journal *j, enum kind k, const char *key, const void *data, size_t len)
{
	struct image_entry e = { IMAGE_PUT, k, key, data, len };
	struct wbuf w = wbuf_of(j->record, IMAGE_RECORD);
	if (k == KIND_SECRET)
		return 0;
	struct numtab_slot *old = find(j, k, key);
	if (!image_print(&e, &w) || !has_room(j, k, old, w.len)) {
		j->refused++;
		int rc = journal_del(j, k, key);
		return rc < 0 ? rc : -ENOSPC;
	}
	if (old && stands_at(j, old->value, &w))
		return 0;
	uint64_t at = j->len;
	int rc = append(j, &w);
	rc = rc < 0 ? rc : note(j, k, key, old, at, w.len);
	return rc < 0 ? rc : 1;
}

int journal_del(struct journal *j, enum kind k, const char *key)
{
	struct image_entry e = { .what = IMAGE_GONE, .kind = k, .key = key };
	struct wbuf w = wbuf_of(j->record, IMAGE_RECORD);
	if (!find(j, k, key))
		return 0;
	must(image_print(&e, &w)); /* the key stood there before */
	int rc = append(j, &w);
	if (rc < 0)
		return rc;
	drop(j, k, key);
	return 1;
}

int journal_mark_whole(struct journal *j)
{
	struct image_entry e = { .what = IMAGE_WHOLE };
	struct wbuf w = wbuf_of(j->record, IMAGE_RECORD);
	if (j->whole)
		return 0;
	must(image_print(&e, &w));
	int rc = append(j, &w);
	if (rc < 0)
		return rc;
	j->whole = true;
	return 1;
}

struct each {
	image_each fn;
	void *ctx;
	uint64_t at;
};

static void pass_on(void *ctx, const struct image_entry *e, uint64_t at)
{
	struct each *x = ctx;
	(void)at;
	x->fn(x->ctx, e, x->at);
}

static int by_kind_and_place(const void *a, const void *b)
{
	const struct numtab_slot *x = *(struct numtab_slot *const *)a, *y = *(struct numtab_slot *const *)b;
	uint64_t k = x->hash >> KIND_AT, l = y->hash >> KIND_AT;
	return k != l ? (k > l) - (k < l) : (x->value > y->value) - (x->value < y->value);
}

/* Of all objects, kinds in their order, in each by offset. NULL: out of memory. Lent until the next change.
 */
static struct numtab_slot **sorted_slots(const struct journal *j)
{
	struct numtab_slot **v = calloc(j->at.n + 1, sizeof(struct numtab_slot *));
	size_t n = 0;
	for (size_t i = 0; v && i < j->at.cap; i++)
		if (j->at.v[i].value)
			v[n++] = &j->at.v[i];
	if (v)
		qsort(v, n, sizeof(struct numtab_slot *), by_kind_and_place);
	return v;
}

/* The offsets alone: whoever is told of an object may delete it. */
static int all_offsets(const struct journal *j, uint64_t **ret, size_t *n)
{
	struct numtab_slot **sorted = sorted_slots(j);
	uint64_t *all = calloc(j->at.n + 1, sizeof *all);
	int rc = sorted && all ? 0 : -ENOMEM;
	for (size_t i = 0; rc == 0 && i < j->at.n; i++)
		all[i] = sorted[i]->value;
	free(sorted);
	if (rc < 0) {
		free(all);
		return rc;
	}
	*ret = all;
	*n = j->at.n;
	return 0;
}

int journal_each(struct journal *j, image_each fn, void *ctx)
{
	uint8_t *raw = malloc(IMAGE_RECORD); /* fn may write, which uses j->record */
	uint64_t *all = NULL;
	struct each x = { fn, ctx, 0 };
	size_t n = 0;
	int rc = raw ? all_offsets(j, &all, &n) : -ENOMEM;
	for (size_t i = 0; i < n && rc == 0; i++) {
		struct image_reader r = { .begun = true };
		x.at = all[i];
		ssize_t got = fdio_read(j->fd, raw, size_at(j, x.at), x.at);
		if (got < 0)
			rc = (int)got;
		else
			image_read(&r, raw, (size_t)got, pass_on, &x);
	}
	free(raw);
	free(all);
	return rc;
}

bool journal_is_wasteful(const struct journal *j)
{
	return j->len > 2 * j->live + WASTE_FLOOR;
}

/* Records on their way from the old log to the new one. */
struct copy {
	const struct journal *from;
	int fd;
	uint64_t len;		  /* of the new log, with what is still in the buffer */
	struct numtab_slot **old; /* of the records, in the order in which they are copied */
	uint64_t *at;		  /* where they stand in the new log */
	struct wbuf out;
};

static int flush(struct copy *c)
{
	int rc = fdio_write(c->fd, c->out.data, c->out.len, c->len - c->out.len);
	c->out.len = 0;
	return rc;
}

static int copy_record(struct copy *c, size_t i)
{
	uint64_t at = c->old[i]->value;
	size_t size = size_at(c->from, at);
	int rc = size == 0 ? -EIO : wbuf_left(&c->out) < size ? flush(c) : 0;
	if (rc < 0)
		return rc;
	if (fdio_read(c->from->fd, c->out.data + c->out.len, size, at) != (ssize_t)size)
		return -EIO;
	c->at[i] = c->len;
	c->out.len += size;
	c->len += size;
	return 0;
}

static int copy_all(struct copy *c)
{
	const struct journal *j = c->from;
	struct image_entry whole = { .what = IMAGE_WHOLE };
	int rc = write_header(j, c->fd, &c->len);
	for (size_t i = 0; i < j->at.n && rc == 0; i++)
		rc = copy_record(c, i);
	if (rc == 0 && wbuf_left(&c->out) < IMAGE_RECORD_HEAD)
		rc = flush(c);
	size_t before = c->out.len;
	if (rc == 0 && j->whole && image_print(&whole, &c->out))
		c->len += c->out.len - before;
	return rc < 0 ? rc : flush(c);
}

int journal_compact(struct journal *j)
{
	struct copy c = { .from = j, .fd = memfile_new("ingot-mirror"), .old = sorted_slots(j) };
	uint8_t *buf = malloc(IMAGE_RECORD);
	c.at = calloc(j->at.n + 1, sizeof *c.at);
	c.out = wbuf_of(buf, buf ? IMAGE_RECORD : 0);
	int rc = c.fd < 0 ? c.fd : !buf || !c.at || !c.old ? -ENOMEM : copy_all(&c);
	if (rc == 0) {
		for (size_t i = 0; i < j->at.n; i++)
			c.old[i]->value = c.at[i];
		move_to(j, c.fd, c.len);
	} else if (c.fd >= 0) {
		close(c.fd);
	}
	free(buf);
	free(c.at);
	free(c.old);
	return rc;
}

size_t journal_objects(const struct journal *j)
{
	return j->at.n;
}
