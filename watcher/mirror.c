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
	for (int k = 0; k < KIND_N; k++)
		map_init(&m->entries[k]);
	m->last_dirty = &m->dirty;
	return m;
}

static void claim_free(struct claim *c)
{
	if (!c)
		return;
	protobuf_c_message_free_unpacked(c->message, NULL);
	manifest_secrets_fini(&c->secrets);
	free(c);
}

static void file_free(void *value)
{
	struct file *f = value;
	for (size_t i = 0; i < f->n_claims; i++)
		claim_free(f->claims[i]);
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
	map_fini(&m->files, file_free);
	map_fini(&m->status, status_free);
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

static struct entry *entry_get(struct mirror *m, enum kind k, const char *key)
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
static void entry_settle(struct mirror *m, struct entry *e)
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
	return entry_get(m, KIND_NAMESPACE, name);
}

static bool comes_before(const struct claim *a, const struct claim *b)
{
	int order = strcmp(a->file->path, b->file->path);
	return order < 0 || (order == 0 && a->position < b->position);
}

static int claim_link(struct mirror *m, struct claim *c)
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

static void claim_unlink(struct mirror *m, struct claim *c)
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

/* What one parse of a file has found. */
struct harvest {
	struct mirror *m;
	struct file *file;
	struct claim **v;
	size_t n, cap;
	struct map broken; /* "KIND KEY" of objects that are there but cannot be used */
	bool unknown;	   /* something that is broken beyond recognition */
	bool oom;
};

static void broken_name(enum kind k, const char *key, char buf[static OBJECT_KEY + 32])
{
	str_fmt(buf, OBJECT_KEY + 32, "%d %s", (int)k, key);
}

static bool harvest_push(struct harvest *h, struct claim *c)
{
	if (h->n == h->cap) {
		size_t cap = h->cap ? h->cap * 2 : 8;
		struct claim **v = realloc(h->v, cap * sizeof *v);
		if (!v)
			return false;
		h->v = v;
		h->cap = cap;
	}
	h->v[h->n++] = c;
	return true;
}

#ifdef INGOT_TEST_HOOKS
/* A manifest that kills its reader at will, for the tests of the quarantine; no release has this. */
static void crash_on_demand(const struct manifest_object *o)
{
	const Ingot__ObjectMeta *meta = object_meta(o->kind, o->message);
	const char *who = kv_get(meta->annotations, meta->n_annotations, "ingot.dev/test-crash");
	if (who && strcmp(who, "watcher") == 0)
		abort();
}
#endif

static void on_object(void *ctx, struct manifest_object *o)
{
	struct harvest *h = ctx;
	char name[OBJECT_KEY + 32];
	if (!o->message) {
		broken_name(o->kind, o->key, name);
		if (o->kind == KIND_N || !o->key[0])
			h->unknown = true;
		else if (map_set(&h->broken, name, h, NULL) < 0)
			h->oom = true;
		return;
	}
#ifdef INGOT_TEST_HOOKS
	crash_on_demand(o);
#endif
	struct claim *c = calloc(1, sizeof *c);
	struct entry *e = c ? entry_get(h->m, o->kind, o->key) : NULL;
	if (!c || !e || !harvest_push(h, c)) {
		free(c);
		protobuf_c_message_free_unpacked(o->message, NULL);
		manifest_secrets_fini(&o->secrets);
		h->oom = true;
		return;
	}
	*c = (struct claim){
		.file = h->file, .position = h->n, .entry = e, .message = o->message, .secrets = o->secrets
	};
}

static bool secrets_equal(const struct manifest_secrets *a, const struct manifest_secrets *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i].key, b->v[i].key) != 0 || a->v[i].len != b->v[i].len ||
		    memcmp(a->v[i].value, b->v[i].value, a->v[i].len) != 0)
			return false;
	return true;
}

static uint8_t *pack(const ProtobufCMessage *m, size_t *len)
{
	*len = protobuf_c_message_get_packed_size(m);
	uint8_t *p = malloc(*len ? *len : 1);
	if (p)
		protobuf_c_message_pack(m, p);
	return p;
}

/* Equal but for the line it stands in; that is not worth telling everybody about a thousand Services. */
static bool same_object(enum kind k, ProtobufCMessage *a, ProtobufCMessage *b)
{
	Ingot__ObjectMeta *meta = k == KIND_SERVICE	? ((Ingot__Service *)a)->meta
				  : k == KIND_ENDPOINTS ? ((Ingot__EndpointSlice *)a)->meta
							: NULL;
	const Ingot__ObjectMeta *other = object_meta(k, b);
	char *mine = meta ? meta->origin : NULL;
	if (meta)
		meta->origin = other->origin;
	size_t a_len, b_len;
	uint8_t *x = pack(a, &a_len), *y = pack(b, &b_len);
	bool same = x && y && a_len == b_len && memcmp(x, y, a_len) == 0;
	if (meta)
		meta->origin = mine;
	free(x);
	free(y);
	return same;
}

static struct claim *claim_of(const struct file *f, const struct entry *e)
{
	for (struct claim *c = e->claims; c; c = c->next)
		if (c->file == f)
			return c;
	return NULL;
}

/* A second definition in the same file: the first one counts, this one is only worth a message. */
static void drop_doubles(struct harvest *h, struct diags *diags)
{
	struct map seen;
	map_init(&seen);
	size_t kept = 0;
	for (size_t i = 0; i < h->n; i++) {
		struct claim *c = h->v[i], *first;
		char name[OBJECT_KEY + 32];
		broken_name(c->entry->kind, c->entry->key, name);
		first = map_get(&seen, name);
		if (!first) {
			h->oom |= map_set(&seen, name, c, NULL) < 0;
			h->v[kept++] = c;
			continue;
		}
		diags_add(diags, DIAG_ERROR, kind_name(c->entry->kind), c->entry->key, "",
			  object_meta(c->entry->kind, c->message)->origin,
			  "defined twice: the definition at %s counts",
			  object_meta(c->entry->kind, first->message)->origin);
		claim_free(c);
	}
	h->n = kept;
	map_fini(&seen, NULL);
}

/* Old claims that stay although the new content does not have them: broken ones, and all when nobody can
 * tell. */
static bool stays(const struct harvest *h, const struct claim *old)
{
	char name[OBJECT_KEY + 32];
	broken_name(old->entry->kind, old->entry->key, name);
	return h->unknown || map_get(&h->broken, name) != NULL;
}

static bool in_harvest(const struct map *fresh, const struct claim *old)
{
	char name[OBJECT_KEY + 32];
	broken_name(old->entry->kind, old->entry->key, name);
	return map_get(fresh, name) != NULL;
}

/* The new claim in the place of the old one of the same object and file; the old one when nothing changed. */
static struct claim *replace(struct mirror *m, struct claim *old, struct claim *fresh)
{
	if (same_object(fresh->entry->kind, fresh->message, old->message) &&
	    secrets_equal(&fresh->secrets, &old->secrets)) {
		/* Position counts only against other claims in this file, of which there are none. */
		old->position = fresh->position;
		claim_free(fresh);
		return old;
	}
	ProtobufCMessage *message = old->message;
	struct manifest_secrets secrets = old->secrets;
	old->message = fresh->message;
	old->secrets = fresh->secrets;
	old->position = fresh->position;
	fresh->message = message;
	fresh->secrets = secrets;
	claim_free(fresh);
	mirror_touch(m, old->entry);
	return old;
}

/* From here on the file has the claims of the harvest. */
static int adopt(struct harvest *h)
{
	struct file *f = h->file;
	struct map fresh;
	map_init(&fresh);
	for (size_t i = 0; i < h->n; i++) {
		char name[OBJECT_KEY + 32];
		broken_name(h->v[i]->entry->kind, h->v[i]->entry->key, name);
		h->oom |= map_set(&fresh, name, h, NULL) < 0;
	}
	size_t n_old = f->n_claims;
	struct claim **v = h->oom ? NULL : calloc(h->n + n_old + 1, sizeof(struct claim *));
	if (!v) {
		map_fini(&fresh, NULL);
		return -ENOMEM;
	}
	/* What is new first: a namespace that stays in use is never out of use. */
	size_t n = 0;
	for (size_t i = 0; i < h->n; i++) {
		struct claim *old = claim_of(f, h->v[i]->entry);
		if (old)
			v[n++] = replace(h->m, old, h->v[i]);
		else if (claim_link(h->m, h->v[i]) == 0)
			v[n++] = h->v[i];
		else {
			claim_free(h->v[i]);
			h->oom = true;
		}
	}
	for (size_t i = 0; i < n_old; i++) {
		struct claim *old = f->claims[i];
		if (in_harvest(&fresh, old))
			continue; /* its successor has taken it over */
		if (stays(h, old)) {
			v[n++] = old;
			continue;
		}
		claim_unlink(h->m, old);
		claim_free(old);
	}
	map_fini(&fresh, NULL);
	free(f->claims);
	f->claims = v;
	f->n_claims = n;
	h->n = 0;
	return 0;
}

static void harvest_fini(struct harvest *h)
{
	for (size_t i = 0; i < h->n; i++) {
		struct entry *e = h->v[i]->entry;
		claim_free(h->v[i]);
		/* Two claims of one object may stand here; the last one lets go. */
		bool again = false;
		for (size_t k = i + 1; k < h->n; k++)
			again |= h->v[k]->entry == e;
		if (!again && e != h->m->said)
			entry_settle(h->m, e);
	}
	free(h->v);
	map_fini(&h->broken, NULL);
}

static struct file *file_get(struct mirror *m, const char *path)
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

int mirror_load(struct mirror *m, const char *path, const void *data, size_t len)
{
	struct harvest h = { .m = m, .file = file_get(m, path) };
	struct diags diags = { 0 };
	map_init(&h.broken);
	if (!h.file)
		return -ENOMEM;
	h.file->seen = true;
	int rc = manifest_parse(path, data, len, &diags, on_object, &h, NULL);
	if (rc == 0 && !h.oom) {
		drop_doubles(&h, &diags);
		rc = adopt(&h);
	}
	harvest_fini(&h);
	if (rc == -ENOMEM || h.oom) {
		diags_fini(&diags);
		return -ENOMEM;
	}
	diags_fini(&h.file->diags);
	h.file->diags = diags;
	return rc < 0 ? 1 : 0;
}

int mirror_fail(struct mirror *m, const char *path, const char *reason)
{
	struct file *f = file_get(m, path);
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
		claim_unlink(m, f->claims[i]);
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

const Ingot__ObjectMeta *mirror_meta(const struct mirror *m, enum kind k, const char *key)
{
	const struct entry *e = map_get(&m->entries[k], key);
	return e && e->claims ? object_meta(k, e->claims->message) : NULL;
}

bool mirror_next(struct mirror *m, struct mirror_action *ret)
{
	protobuf_c_message_free_unpacked(m->lent, NULL);
	m->lent = NULL;
	entry_settle(m, m->said);
	m->said = NULL;
	struct entry *e;
	while ((e = m->dirty)) {
		m->dirty = e->next_dirty;
		if (!m->dirty)
			m->last_dirty = &m->dirty;
		e->dirty = false;
		bool oom = false;
		const ProtobufCMessage *view = mirror_view(m, e, &m->lent, &oom);
		if (oom) {
			mirror_touch(m, e);
			return false;
		}
		if (!view && !e->published) {
			entry_settle(m, e);
			continue;
		}
		e->published = view != NULL;
		m->said = e;
		const struct claim *winner = e->claims, *loser = winner ? winner->next : NULL;
		*ret = (struct mirror_action){
			.kind = e->kind,
			.key = e->key,
			.message = view,
			.winner = winner ? object_meta(e->kind, winner->message)->origin : NULL,
			.loser = loser ? object_meta(e->kind, loser->message)->origin : NULL,
		};
		return true;
	}
	return false;
}
