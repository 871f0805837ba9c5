/* Prints and reads the log of the mirror. Pure; run by the watcher. Every length is checked before it is
 * used, and a record counts only with its checksum. */
#include "watcher/k8s/keep/image.h"

#include <string.h>

#include "lib/base/map.h"
#include "lib/base/must.h"
#include "lib/base/strbuf.h"

#define IMAGE_MAGIC 0x696e676f746d6972u /* "ingotmir" */
enum { VERSION = 1, KIND_NAME = 64, SUM = 8, HEADER_HEAD = 24 };

/* Against torn writes and bad disks, not against an attacker: the key is public. */
static uint64_t checksum(const void *data, size_t len)
{
	static const uint8_t key[16] = "mirror's record";
	return siphash24(key, data, len);
}

/* Put the checksum of what follows it at `at`. */
static void seal(struct wbuf *w, size_t at)
{
	uint8_t sum[SUM];
	struct wbuf s = wbuf_of(sum, sizeof sum);
	wbuf_u64(&s, checksum(w->data + at + SUM, w->len - at - SUM));
	memcpy(w->data + at, sum, sizeof sum);
}

bool image_print_header(const char *identity, struct wbuf *w)
{
	size_t n = strlen(identity);
	if (n > IMAGE_IDENTITY)
		return false;
	wbuf_u64(w, IMAGE_MAGIC);
	size_t at = wbuf_reserve(w, SUM);
	wbuf_u32(w, VERSION);
	wbuf_u32(w, (uint32_t)n);
	wbuf_put(w, identity, n);
	if (!w->bad)
		seal(w, at);
	return !w->bad;
}

bool image_print(const struct image_entry *e, struct wbuf *w)
{
	bool named = e->what != IMAGE_WHOLE;
	const char *kind = named ? kind_name(e->kind) : "";
	size_t key = named ? strlen(e->key) : 0, len = e->what == IMAGE_PUT ? e->len : 0;
	if (key >= IMAGE_KEY || len > LIMIT_OBJECT_BYTES || (named && e->kind == KIND_SECRET))
		return false;
	must(strlen(kind) < KIND_NAME);
	size_t at = wbuf_reserve(w, SUM);
	wbuf_u32(w, (uint32_t)len);
	wbuf_u16(w, (uint16_t)key);
	wbuf_u8(w, (uint8_t)e->what);
	wbuf_u8(w, (uint8_t)strlen(kind));
	wbuf_put(w, kind, strlen(kind));
	wbuf_put(w, e->key, key);
	wbuf_put(w, e->data, len);
	if (!w->bad)
		seal(w, at);
	return !w->bad;
}

/* The fields of a record's head. */
struct head {
	uint64_t sum;
	uint32_t len;
	uint16_t key;
	uint8_t what, kind;
};

static struct head read_head(struct cur *c)
{
	struct head h;
	h.sum = cur_u64(c);
	h.len = cur_u32(c);
	h.key = cur_u16(c);
	h.what = cur_u8(c);
	h.kind = cur_u8(c);
	return h;
}

static size_t record_len(const struct head *h)
{
	return IMAGE_RECORD_HEAD + (size_t)h->kind + h->key + h->len;
}

size_t image_record_len(const uint8_t head[static IMAGE_RECORD_HEAD])
{
	struct cur c = cur_of(head, IMAGE_RECORD_HEAD);
	struct head h = read_head(&c);
	return record_len(&h);
}

bool image_is_about(const void *record, size_t len, enum kind k, const char *key)
{
	struct cur c = cur_of(record, len);
	struct head h = read_head(&c);
	const char *kind = kind_name(k);
	const uint8_t *own_kind = cur_take(&c, h.kind), *own_key = cur_take(&c, h.key);
	return own_kind && own_key && h.kind == strlen(kind) && h.key == strlen(key) &&
	       memcmp(own_kind, kind, h.kind) == 0 && memcmp(own_key, key, h.key) == 0;
}

void image_reader_init(struct image_reader *r, const char *identity)
{
	*r = (struct image_reader){ .identity = identity };
}

/* False: not all of it is there yet, or it is not ours (fault). */
static bool read_header(struct image_reader *r, struct cur *c)
{
	struct cur rest = *c;
	uint64_t magic = cur_u64(&rest), sum = cur_u64(&rest);
	const uint8_t *summed = rest.p;
	uint32_t version = cur_u32(&rest), n = cur_u32(&rest);
	if (rest.bad)
		return false;
	if (magic != IMAGE_MAGIC || version != VERSION || n > IMAGE_IDENTITY) {
		r->fault = IMAGE_FOREIGN;
		return false;
	}
	const uint8_t *identity = cur_take(&rest, n);
	if (!identity)
		return false;
	if (checksum(summed, SUM + n) != sum)
		r->fault = IMAGE_TORN;
	else if (n != strlen(r->identity) || memcmp(identity, r->identity, n) != 0)
		r->fault = IMAGE_OF_OTHER;
	if (r->fault)
		return false;
	r->begun = true;
	r->at = HEADER_HEAD + n;
	*c = rest;
	return true;
}

/* KIND_N for a kind that this release does not know or never keeps. */
static enum kind find_kind(const uint8_t *name, size_t n)
{
	for (int k = 0; k < KIND_N; k++) {
		const char *own = kind_name((enum kind)k);
		if (k != KIND_SECRET && strlen(own) == n && memcmp(own, name, n) == 0)
			return (enum kind)k;
	}
	return KIND_N;
}

static void tell(struct image_reader *r, const struct head *h, struct cur *c, image_each each, void *ctx)
{
	char text[IMAGE_KEY];
	struct image_entry e = { .what = (enum image_what)h->what, .key = text, .len = h->len };
	if (h->what == IMAGE_WHOLE) {
		r->whole = true;
		return;
	}
	e.kind = find_kind(cur_take(c, h->kind), h->kind);
	cur_copy(c, text, h->key);
	text[h->key] = 0;
	e.data = cur_take(c, h->len);
	bool is_known = e.kind != KIND_N && (h->what == IMAGE_PUT || h->what == IMAGE_GONE);
	if (is_known && h->key > 0 && !memchr(text, 0, h->key) && str_is_utf8(text, h->key))
		each(ctx, &e, r->at);
	else
		r->passed_over++;
}

/* False: not all of it is there yet, or nothing more is believed (fault). */
static bool read_record(struct image_reader *r, struct cur *c, image_each each, void *ctx)
{
	struct cur rest = *c;
	struct head h = read_head(&rest);
	if (rest.bad)
		return false;
	if (h.len > LIMIT_OBJECT_BYTES || h.key >= IMAGE_KEY || h.kind >= KIND_NAME) {
		r->fault = IMAGE_TORN;
		return false;
	}
	size_t size = record_len(&h);
	const uint8_t *record = cur_left(c) >= size ? cur_take(c, size) : NULL;
	if (!record)
		return false;
	if (checksum(record + SUM, size - SUM) != h.sum) {
		r->fault = IMAGE_TORN;
		return false;
	}
	tell(r, &h, &rest, each, ctx);
	r->at += size;
	return true;
}

size_t image_read(struct image_reader *r, const void *data, size_t len, image_each each, void *ctx)
{
	struct cur c = cur_of(data, len);
	if (r->fault || (!r->begun && !read_header(r, &c)))
		return r->fault ? len : 0;
	while (read_record(r, &c, each, ctx))
		;
	return r->fault ? len : len - cur_left(&c);
}

void image_read_end(struct image_reader *r, size_t left)
{
	if (r->fault == IMAGE_FINE && (left > 0 || !r->begun))
		r->fault = r->begun ? IMAGE_TORN : IMAGE_FOREIGN;
}

const char *image_fault_text(enum image_fault f)
{
	switch (f) {
	case IMAGE_FINE: return "it is fine";
	case IMAGE_FOREIGN: return "it is none of ours, or of another version";
	case IMAGE_OF_OTHER: return "it belongs to another cluster, namespace or role";
	case IMAGE_TORN: return "it is torn";
	}
	return "";
}

ProtobufCMessage *image_message(const struct image_entry *e)
{
	ProtobufCMessage *m = protobuf_c_message_unpack(kind_descriptor(e->kind), NULL, e->len, e->data);
	const Ingot__ObjectMeta *meta = m ? object_meta(e->kind, m) : NULL;
	size_t name = meta ? strlen(meta->name) : 0, key = strlen(e->key);
	char own[OBJECT_KEY];
	if (name > 0 && name <= LIMIT_NAME && strlen(meta->namespace_) <= LIMIT_NAME) {
		object_key(meta->namespace_, meta->name, own);
		/* Endpoints may carry a prefix before their name. */
		if (strcmp(own, e->key) == 0 ||
		    (e->kind == KIND_ENDPOINTS && key > name && strcmp(e->key + key - name, meta->name) == 0))
			return m;
	}
	protobuf_c_message_free_unpacked(m, NULL);
	return NULL;
}
