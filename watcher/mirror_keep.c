/* The last good objects of files that cannot be used now, carried over the death of the process. Pure; run by
 * the watcher. What is read comes from a former life that may have been taken over: everything is checked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cur.h"
#include "lib/model/limits.h"
#include "watcher/mirror_internal.h"

enum { KEEP_VERSION = 2, PATH_BYTES = 4096 };

/* Records: kind (1), line (4), lengths of path (2), key (2) and message (4), then the three. */
static size_t record_size(const struct file *f, const struct claim *c)
{
	return 13 + strlen(f->path) + strlen(c->entry->key) + c->len;
}

/* Bytes of Secrets stay in the process that reads them from their file. */
static bool is_kept(const struct file *f, const struct claim *c, const char *also)
{
	bool wanted = f->diags.n_errors > 0 || (also && strcmp(also, f->path) == 0);
	return wanted && c->entry->kind != KIND_SECRET && strlen(f->path) < PATH_BYTES;
}

static void print_claim(const struct file *f, const struct claim *c, struct wbuf *w)
{
	size_t path = strlen(f->path), key = strlen(c->entry->key);
	wbuf_u8(w, (uint8_t)c->entry->kind);
	wbuf_u32(w, c->line);
	wbuf_u16(w, (uint16_t)path);
	wbuf_u16(w, (uint16_t)key);
	wbuf_u32(w, c->len);
	wbuf_put(w, f->path, path);
	wbuf_put(w, c->entry->key, key);
	wbuf_put(w, c->packed, c->len);
}

static size_t each_kept(const struct mirror *m, const char *also, struct wbuf *w)
{
	size_t size = 1;
	map_each (&m->files, e) {
		const struct file *f = e->value;
		for (size_t i = 0; i < f->n_claims; i++) {
			size_t more = is_kept(f, f->claims[i], also) ? record_size(f, f->claims[i]) : 0;
			if (more == 0 || size + more > MIRROR_KEEP_BYTES)
				continue;
			size += more;
			if (w)
				print_claim(f, f->claims[i], w);
		}
	}
	return size;
}

int mirror_keep_print(const struct mirror *m, const char *also, uint8_t **ret, size_t *len)
{
	size_t size = each_kept(m, also, NULL);
	uint8_t *data = malloc(size);
	if (!data)
		return -ENOMEM;
	struct wbuf w = wbuf_of(data, size);
	wbuf_u8(&w, KEEP_VERSION);
	each_kept(m, also, &w);
	*ret = data;
	*len = w.len;
	return 0;
}

/* A path or key as text; false when it has a NUL inside or does not fit. */
static bool take_text(struct cur *c, size_t n, char *buf, size_t size)
{
	const uint8_t *p = cur_take(c, n);
	if (!p || n == 0 || n >= size || memchr(p, 0, n))
		return false;
	memcpy(buf, p, n);
	buf[n] = 0;
	return true;
}

/* The message, when it is what the record says: of that kind, named as its key. */
static ProtobufCMessage *take_message(struct cur *c, size_t n, enum kind k, const char *key)
{
	const uint8_t *p = cur_take(c, n);
	if (!p || n > LIMIT_OBJECT_BYTES)
		return NULL;
	ProtobufCMessage *m = protobuf_c_message_unpack(kind_descriptor(k), NULL, n, p);
	const Ingot__ObjectMeta *meta = object_meta(k, m);
	char own[OBJECT_KEY];
	size_t name = meta ? strlen(meta->name) : 0;
	if (meta && name && name <= LIMIT_NAME && strlen(meta->namespace_) <= LIMIT_NAME) {
		object_key(meta->namespace_, meta->name, own);
		/* Endpoints carry a prefix before their name. */
		if (strcmp(own, key) == 0 || (k == KIND_ENDPOINTS && strlen(key) > name &&
					      strcmp(key + strlen(key) - name, meta->name) == 0))
			return m;
	}
	protobuf_c_message_free_unpacked(m, NULL);
	return NULL;
}

static bool parse_record(struct mirror *m, struct cur *c, size_t *taken)
{
	char path[PATH_BYTES], key[OBJECT_KEY + 16];
	unsigned kind = cur_u8(c);
	uint32_t line = cur_u32(c);
	size_t path_len = cur_u16(c), key_len = cur_u16(c), size = cur_u32(c);
	if (!take_text(c, path_len, path, sizeof path) || !take_text(c, key_len, key, sizeof key) ||
	    kind >= KIND_N)
		return false;
	ProtobufCMessage *message = take_message(c, size, (enum kind)kind, key);
	struct file *f = map_get(&m->files, path);
	if (message && f && f->diags.n_errors > 0 && mirror_claim(m, f, (enum kind)kind, key, message)) {
		f->claims[f->n_claims - 1]->line = line;
		++*taken;
	}
	protobuf_c_message_free_unpacked(message, NULL);
	return !c->bad;
}

size_t mirror_keep_parse(struct mirror *m, const void *data, size_t len)
{
	struct cur c = cur_of(data, len);
	size_t taken = 0;
	if (cur_u8(&c) != KEEP_VERSION)
		return 0;
	while (cur_left(&c) > 0 && parse_record(m, &c, &taken))
		;
	return taken;
}
