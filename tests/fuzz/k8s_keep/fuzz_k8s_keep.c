/* The log of the mirror as a later life reads it: whole, and in pieces, which must come to the same. What was
 * understood survives printing. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/map.h"
#include "lib/base/must.h"
#include "watcher/k8s/keep/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct sum {
	size_t entries;
	uint64_t hash;
};

static void print_again(const struct image_entry *e)
{
	static uint8_t raw[IMAGE_RECORD];
	struct wbuf w = wbuf_of(raw, sizeof raw);
	must(image_print(e, &w));
	must(w.len == image_record_len(raw));
}

static void on_entry(void *ctx, const struct image_entry *e, uint64_t at)
{
	struct sum *s = ctx;
	must(e->kind < KIND_N && e->kind != KIND_SECRET && e->key[0] && strlen(e->key) < IMAGE_KEY);
	must(e->len <= LIMIT_OBJECT_BYTES);
	s->entries++;
	s->hash = s->hash * 31 + at + e->kind + e->len + (e->what == IMAGE_PUT ? 1 : 2);
	print_again(e);
	if (e->what == IMAGE_PUT)
		protobuf_c_message_free_unpacked(image_message(e), NULL);
}

/* All at once, or as if it came in pieces of `step` bytes. */
static struct image_reader read_all(const uint8_t *data, size_t len, size_t step, struct sum *ret)
{
	struct image_reader r;
	size_t done = 0;
	image_reader_init(&r, "fuzz");
	*ret = (struct sum){ 0 };
	for (size_t seen = step; done < len; seen += step) {
		size_t end = seen < len ? seen : len;
		if (end > done)
			done += image_read(&r, data + done, end - done, on_entry, ret);
		if (end == len)
			break;
	}
	image_read_end(&r, len - done);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sum once, pieces;
	struct image_reader a = read_all(data, len, len ? len : 1, &once);
	struct image_reader b = read_all(data, len, 7, &pieces);
	must(once.entries == pieces.entries && once.hash == pieces.hash);
	must(a.fault == b.fault && a.whole == b.whole && a.at == b.at && a.at <= len);
	return 0;
}
