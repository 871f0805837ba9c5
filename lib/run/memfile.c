/* Snapshots in a memfd that outlive their writer. Runs in daemons that retain state; the next life reads what
 * the former one, perhaps taken over or killed in mid-write, has left: nothing in it is believed before it is
 * checked.
 *
 * Two slots far apart in a sparse file, each a header and the bytes. A write goes to the slot that is not the
 * newest: header cleared, bytes written, header written, and only then the memory of the former snapshot is
 * given back. */
#include "lib/run/memfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/cur.h"
#include "lib/base/map.h"
#include "lib/base/must.h"
#include "lib/run/fdio.h"

enum { SLOTS = 2, HEADER = 40 };
#define MEMFILE_MAGIC 0x696e676f746d6631u /* "ingotmf1" */
#define SLOT_SPACE    ((uint64_t)1 << 40)
#define MOST_BYTES    ((uint64_t)1 << 32)

struct slot {
	bool blank, valid; /* valid: the header is one of ours, its bytes are not checked yet */
	uint64_t len, generation, sum;
};

/* Against torn writes, not against an attacker: the key is public. */
static uint64_t checksum(const void *data, size_t len)
{
	static const uint8_t key[16] = "ingot snapshots";
	return siphash24(key, data, len);
}

static int read_slot(int fd, unsigned i, struct slot *ret)
{
	static const uint8_t zero[HEADER];
	uint8_t raw[HEADER] = { 0 };
	struct slot s = { 0 };
	ssize_t n = fdio_read(fd, raw, sizeof raw, i * SLOT_SPACE);
	if (n < 0)
		return (int)n;
	s.blank = memcmp(raw, zero, sizeof raw) == 0;
	struct cur c = cur_of(raw, sizeof raw);
	bool magic = cur_u64(&c) == MEMFILE_MAGIC;
	s.generation = cur_u64(&c);
	s.len = cur_u64(&c);
	s.sum = cur_u64(&c);
	s.valid = magic && cur_u64(&c) == checksum(raw, HEADER - 8) && s.len <= MOST_BYTES;
	*ret = s;
	return 0;
}

int memfile_new(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void encode_header(uint8_t raw[static HEADER], const struct slot *s)
{
	struct wbuf w = wbuf_of(raw, HEADER);
	wbuf_u64(&w, MEMFILE_MAGIC);
	wbuf_u64(&w, s->generation);
	wbuf_u64(&w, s->len);
	wbuf_u64(&w, s->sum);
	wbuf_u64(&w, checksum(raw, w.len));
	must(!w.bad && w.len == HEADER);
}

int memfile_write(int fd, const void *data, size_t len)
{
	struct slot s[SLOTS];
	uint8_t raw[HEADER] = { 0 };
	if (len > MOST_BYTES)
		return -EFBIG;
	for (unsigned i = 0; i < SLOTS; i++) {
		int r = read_slot(fd, i, &s[i]);
		if (r < 0)
			return r;
	}
	bool second_is_newest = s[1].valid && (!s[0].valid || s[1].generation > s[0].generation);
	unsigned newest = second_is_newest ? 1 : 0, target = second_is_newest ? 0 : 1;
	uint64_t at = target * SLOT_SPACE;
	struct slot next = { .len = len, .sum = checksum(data, len) };
	next.generation = (s[newest].valid ? s[newest].generation : 0) + 1;
	int r = fdio_write(fd, raw, HEADER, at);
	if (r == 0)
		r = fdio_write(fd, data, len, at + HEADER);
	if (r < 0)
		return r;
	encode_header(raw, &next);
	r = fdio_write(fd, raw, HEADER, at);
	if (r == 0)
		/* Only to save memory; the older snapshot does no harm when it stays. */
		(void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(newest * SLOT_SPACE),
				(off_t)SLOT_SPACE);
	return r;
}

/* The bytes of slot i, whole and with the right checksum, or a negative errno. */
static int read_bytes(int fd, unsigned i, const struct slot *s, void **ret)
{
	void *data = malloc(s->len ? (size_t)s->len : 1);
	if (!data)
		return -ENOMEM;
	ssize_t n = fdio_read(fd, data, (size_t)s->len, i * SLOT_SPACE + HEADER);
	if (n < 0 || (uint64_t)n != s->len || checksum(data, (size_t)s->len) != s->sum) {
		free(data);
		return n < 0 ? (int)n : -EBADMSG;
	}
	*ret = data;
	return 0;
}

int memfile_read(int fd, size_t max, void **ret, size_t *len)
{
	struct slot s[SLOTS];
	for (unsigned i = 0; i < SLOTS; i++) {
		int r = read_slot(fd, i, &s[i]);
		if (r < 0)
			return r;
	}
	if (!s[0].valid && !s[1].valid)
		return s[0].blank && s[1].blank ? -ENODATA : -EBADMSG;
	unsigned order[SLOTS] = { 0, 1 };
	if (s[1].valid && (!s[0].valid || s[1].generation > s[0].generation)) {
		order[0] = 1;
		order[1] = 0;
	}
	int r = -EBADMSG;
	for (unsigned n = 0; n < SLOTS && r == -EBADMSG; n++) {
		unsigned i = order[n];
		if (!s[i].valid)
			continue;
		if (s[i].len > max)
			return -EFBIG;
		r = read_bytes(fd, i, &s[i], ret);
		if (r == 0)
			*len = (size_t)s[i].len;
	}
	return r;
}
