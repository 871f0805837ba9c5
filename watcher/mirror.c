/* Files, their objects, and who counts when two define the same one. Pure; run by the watcher. */
#include "watcher/mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/model/limits.h"
#include "watcher/mirror_internal.h"

struct mirror *mirror_new(void)
{
	struct mirror *m = calloc(1, sizeof *m);
	if (!m)
		return NULL;
	map_init(&m->files);
	map_init(&m->status);
	map_init(&m->doubles);
	for (int k = 0; k < KIND_N; k++)
		map_init(&m->entries[k]);
	m->last_dirty = &m->dirty;
	return m;
}

void mirror_key(struct mirror *m, const uint8_t key[static 16])
{
	memcpy(m->secret_key, key, sizeof m->secret_key);
}

void mirror_claim_free(struct claim *c)
{
	if (!c)
		return;
	free(c->packed);
	manifest_secrets_fini(&c->secrets);
	free(c);
}

static void file_free(void *value)
{
	struct file *f = value;
	for (size_t i = 0; i < f->n_claims; i++)
		mirror_claim_free(f->claims[i]);
	free(f->claims);
	diags_fini(&f->diags);
	free(f);
}

static void status_free(void *value)
{
	service_status_free(value);
}

void mirror_free(struct mirror *m)
{
	if (!m)
		return;
	protobuf_c_message_free_unpacked(m->lent, NULL);
	strbuf_fini(&m->winner);
	strbuf_fini(&m->loser);
	map_fini(&m->files, file_free);
	map_fini(&m->status, status_free);
	map_fini(&m->doubles, free);
	for (int k = 0; k < KIND_N; k++)
		map_fini(&m->entries[k], free);
	free(m);
}

void mirror_touch(struct mirror *m, struct entry *e)
{
	if (e->dirty)
		return;
	e->dirty = true;
	e->next_dirty = NULL;
	*m->last_dirty = e;
	m->last_dirty = &e->next_dirty;
}

struct entry *mirror_entry_get(struct mirror *m, enum kind k, const char *key)
{
	struct entry *e = map_get(&m->entries[k], key);
	if (e)
		return e;
	size_t len = strlen(key);
	e = calloc(1, sizeof *e + len + 1);
	if (!e)
		return NULL;
	e->kind = k;
	memcpy(e->key, key, len + 1);
	if (map_set(&m->entries[k], key, e, NULL) < 0) {
		free(e);
		return NULL;
	}
	return e;
}

/* Gone for good: forgotten. How often a Service was created again is remembered a while: a late word about
 * its former life must not count for the new one. */
void mirror_entry_settle(struct mirror *m, struct entry *e)
{
	if (!e || e->claims || e->used_by || e->published || e->dirty)
		return;
	if (e->kind == KIND_SERVICE && e->lives &&
	    map_len(&m->entries[KIND_SERVICE]) < m->n_services + MIRROR_REMEMBERED)
		return;
	map_del(&m->entries[e->kind], e->key);
	free(e);
}

/* The namespace of an object: a Namespace that is used exists, declared or not. */
static struct entry *namespace_of(struct mirror *m, const struct entry *e)
{
	const char *slash = strchr(e->key, '/');
	char name[256];
	if (!slash || (size_t)(slash - e->key) >= sizeof name)
		return NULL;
	memcpy(name, e->key, (size_t)(slash - e->key));
	name[slash - e->key] = 0;
	return mirror_entry_get(m, KIND_NAMESPACE, name);
}

static bool comes_before(const struct claim *a, const struct claim *b)
{
	return strcmp(a->file->path, b->file->path) < 0;
}

/* The line at the end of an origin, "some/file.yaml:17". */
static uint32_t line_of(const char *origin)
{
	const char *colon = strrchr(origin, ':');
	unsigned long long line = 0;
	if (colon)
		str_to_u64(colon + 1, strlen(colon + 1), UINT32_MAX, &line);
	return (uint32_t)line;
}

bool mirror_claim_pack(struct claim *c, enum kind k, ProtobufCMessage *message)
{
	char empty[1] = "";
	/* The casts only find the member; the message is the caller's own. */
	Ingot__ObjectMeta *meta = (Ingot__ObjectMeta *)(uintptr_t)object_meta(k, message);
	char *origin = meta->origin;
	meta->origin = empty;
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *p = malloc(len ? len : 1);
	if (p)
		protobuf_c_message_pack(message, p);
	meta->origin = origin;
	free(c->packed);
	c->packed = p;
	c->len = (uint32_t)len;
	c->line = line_of(origin);
	return p != NULL;
}

void mirror_claim_origin(const struct claim *c, struct strbuf *out)
{
	strbuf_reset(out);
	strbuf_add(out, c->file->path);
	if (c->line)
		strbuf_fmt(out, ":%u", c->line);
}

ProtobufCMessage *mirror_claim_unpack(const struct claim *c)
{
	struct strbuf origin = { 0 };
	ProtobufCMessage *m =
	    protobuf_c_message_unpack(kind_descriptor(c->entry->kind), NULL, c->len, c->packed);
	Ingot__ObjectMeta *meta = (Ingot__ObjectMeta *)(uintptr_t)object_meta(c->entry->kind, m);
	mirror_claim_origin(c, &origin);
	char *text = strbuf_take(&origin);
	if (!meta || !text) {
		free(text);
		protobuf_c_message_free_unpacked(m, NULL);
		return NULL;
	}
	if (meta->origin != protobuf_c_empty_string)
		free(meta->origin);
	meta->origin = text;
	return m;
}

int mirror_claim_link(struct mirror *m, struct claim *c)
{
	struct entry *e = c->entry, *ns = kind_is_namespaced(e->kind) ? namespace_of(m, e) : NULL;
	if (kind_is_namespaced(e->kind) && !ns)
		return -ENOMEM;
	if (!e->claims && ns && ns->used_by++ == 0)
		mirror_touch(m, ns);
	struct claim **at = &e->claims;
	while (*at && comes_before(*at, c))
		at = &(*at)->next;
	m->n_services += e->kind == KIND_SERVICE && !e->claims;
	c->next = *at;
	*at = c;
	mirror_touch(m, e);
	return 0;
}

void mirror_claim_unlink(struct mirror *m, struct claim *c)
{
	struct entry *e = c->entry;
	struct claim **at = &e->claims;
	while (*at && *at != c)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = c->next;
	mirror_touch(m, e);
	if (e->claims)
		return;
	e->lives++;
	m->n_services -= e->kind == KIND_SERVICE;
	struct entry *ns = kind_is_namespaced(e->kind) ? namespace_of(m, e) : NULL;
	if (ns && --ns->used_by == 0)
		mirror_touch(m, ns);
}

struct claim *mirror_claim_of(const struct file *f, const struct entry *e)
{
	for (struct claim *c = e->claims; c; c = c->next)
		if (c->file == f)
			return c;
	return NULL;
}

bool mirror_claim(struct mirror *m, struct file *f, enum kind k, const char *key, ProtobufCMessage *message)
{
	struct entry *e = mirror_entry_get(m, k, key);
	struct claim *c = e && !mirror_claim_of(f, e) ? calloc(1, sizeof *c) : NULL;
	struct claim **v = c ? realloc(f->claims, (f->n_claims + 1) * sizeof(struct claim *)) : NULL;
	if (v)
		f->claims = v;
	if (c)
		*c = (struct claim){ .file = f, .entry = e };
	if (v && mirror_claim_pack(c, k, message) && mirror_claim_link(m, c) == 0) {
		v[f->n_claims++] = c;
		return true;
	}
	mirror_claim_free(c);
	return false;
}

struct file *mirror_file_get(struct mirror *m, const char *path)
{
	struct file *f = map_get(&m->files, path);
	if (f)
		return f;
	size_t len = strlen(path);
	f = calloc(1, sizeof *f + len + 1);
	if (!f)
		return NULL;
	memcpy(f->path, path, len + 1);
	if (map_set(&m->files, path, f, NULL) < 0) {
		free(f);
		return NULL;
	}
	return f;
}

int mirror_fail(struct mirror *m, const char *path, const char *reason)
{
	struct file *f = mirror_file_get(m, path);
	if (!f)
		return -ENOMEM;
	f->seen = true;
	diags_fini(&f->diags);
	diags_add(&f->diags, DIAG_ERROR, "file", "", "", path, "%s", reason);
	return 0;
}

bool mirror_unload(struct mirror *m, const char *path)
{
	struct file *f = map_del(&m->files, path);
	if (!f)
		return false;
	for (size_t i = 0; i < f->n_claims; i++)
		mirror_claim_unlink(m, f->claims[i]);
	file_free(f);
	return true;
}

static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);
	return n == 0 || (strncmp(path, folder, n) == 0 && path[n] == '/');
}

void mirror_scan_begin(struct mirror *m, const char *folder)
{
	map_each (&m->files, e) {
		struct file *f = e->value;
		if (is_below(f->path, folder))
			f->seen = false;
	}
}

void mirror_seen(struct mirror *m, const char *path)
{
	struct file *f = map_get(&m->files, path);
	if (f)
		f->seen = true;
}

void mirror_each_unseen(const struct mirror *m, const char *folder, void (*fn)(void *ctx, const char *path),
			void *ctx)
{
	map_each (&m->files, e) {
		const struct file *f = e->value;
		if (!f->seen && is_below(f->path, folder))
			fn(ctx, f->path);
	}
}

size_t mirror_files(const struct mirror *m)
{
	return map_len(&m->files);
}

size_t mirror_files_bad(const struct mirror *m)
{
	size_t n = 0;
	map_each (&m->files, e)
		n += ((const struct file *)e->value)->diags.n_errors > 0;
	return n;
}

size_t mirror_objects(const struct mirror *m, enum kind k)
{
	size_t n = 0;
	map_each (&m->entries[k], e)
		n += ((const struct entry *)e->value)->claims != NULL;
	return n;
}

bool mirror_file_has_objects(const struct mirror *m, const char *path)
{
	const struct file *f = map_get(&m->files, path);
	return f && f->n_claims > 0;
}

size_t mirror_remembered(const struct mirror *m)
{
	return map_len(&m->entries[KIND_SERVICE]);
}

const struct diags *mirror_file_diags(const struct mirror *m, const char *path)
{
	const struct file *f = map_get(&m->files, path);
	return f ? &f->diags : NULL;
}

void mirror_each_file(const struct mirror *m, void (*fn)(void *ctx, const char *path, const struct diags *d),
		      void *ctx)
{
	map_each (&m->files, e) {
		const struct file *f = e->value;
		fn(ctx, f->path, &f->diags);
	}
}

bool mirror_has(const struct mirror *m, enum kind k, const char *key)
{
	const struct entry *e = map_get(&m->entries[k], key);
	return e && e->claims;
}

const struct manifest_secret *mirror_secret(const struct mirror *m, enum kind k, const char *key,
					    const char *item)
{
	const struct entry *e = map_get(&m->entries[k], key);
	return e && e->claims ? manifest_secret_get(&e->claims->secrets, item) : NULL;
}

bool mirror_origin(const struct mirror *m, enum kind k, const char *key, struct strbuf *out)
{
	const struct entry *e = map_get(&m->entries[k], key);
	if (!e || !e->claims)
		return false;
	mirror_claim_origin(e->claims, out);
	return true;
}

static void note_double(struct mirror *m, const struct mirror_action *a)
{
	char object[OBJECT_KEY + 64], text[1200];
	if (!a->loser && map_len(&m->doubles) == 0)
		return;
	str_fmt(object, sizeof object, "%s %s", kind_name(a->kind), a->key);
	if (!a->loser) {
		free(map_del(&m->doubles, object));
		return;
	}
	str_fmt(text, sizeof text, "%s: %s: also defined there; the definition at %s counts", a->loser,
		object, a->winner);
	char *copy = strdup(text);
	void *old = NULL;
	if (!copy || map_set(&m->doubles, object, copy, &old) < 0)
		free(copy);
	free(old);
}

size_t mirror_doubles(const struct mirror *m)
{
	return map_len(&m->doubles);
}

void mirror_each_double(const struct mirror *m, void (*fn)(void *ctx, const char *object, const char *text),
			void *ctx)
{
	map_each (&m->doubles, e)
		fn(ctx, e->key, e->value);
}

/* Fill the action about an entry; false when there is nothing to say, or no memory to say it. */
static bool say(struct mirror *m, struct entry *e, struct mirror_action *ret)
{
	bool oom = false;
	m->lent = mirror_view(m, e, &oom);
	if (oom)
		mirror_touch(m, e);
	if (!m->lent && (oom || !e->published))
		return false;
	const struct claim *winner = e->claims, *loser = winner ? winner->next : NULL;
	if (winner)
		mirror_claim_origin(winner, &m->winner);
	if (loser)
		mirror_claim_origin(loser, &m->loser);
	e->published = m->lent != NULL;
	*ret = (struct mirror_action){
		.kind = e->kind,
		.key = e->key,
		.message = m->lent,
		.winner = winner ? strbuf_get(&m->winner) : NULL,
		.loser = loser ? strbuf_get(&m->loser) : NULL,
	};
	note_double(m, ret);
	return true;
}

bool mirror_next(struct mirror *m, struct mirror_action *ret)
{
	protobuf_c_message_free_unpacked(m->lent, NULL);
	m->lent = NULL;
	mirror_entry_settle(m, m->said);
	m->said = NULL;
	struct entry *e;
	while ((e = m->dirty)) {
		m->dirty = e->next_dirty;
		if (!m->dirty)
			m->last_dirty = &m->dirty;
		e->dirty = false;
		if (say(m, e, ret)) {
			m->said = e;
			return true;
		}
		if (e->dirty)
			return false; /* no memory: later */
		mirror_entry_settle(m, e);
	}
	return false;
}
