/* Taking the content of one file into the mirror: what is new, what stays although it is broken, what goes.
 * Pure; run by the watcher. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "lib/model/limits.h"
#include "watcher/mirror_internal.h"

/* What one parse of a file has found. */
struct harvest {
	struct mirror *m;
	struct file *file;
	struct claim **v;
	size_t n, cap;
	struct map broken; /* "KIND KEY" of objects that are there but cannot be used */
	bool unknown;	   /* something that is broken beyond recognition */
	bool oom;
	size_t over; /* objects over the cap of their kind */
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

/* A claim of a good object; takes its secrets. False on out of memory. */
static bool take_object(struct harvest *h, struct manifest_object *o)
{
#ifdef INGOT_TEST_HOOKS
	crash_on_demand(o);
#endif
	struct claim *c = calloc(1, sizeof *c);
	struct entry *e = c ? mirror_entry_get(h->m, o->kind, o->key) : NULL;
	if (c)
		*c = (struct claim){ .file = h->file, .entry = e };
	if (!e || !mirror_claim_pack(c, o->kind, o->message) || !harvest_push(h, c)) {
		mirror_claim_free(c);
		return false;
	}
	c->secrets = o->secrets;
	o->secrets = (struct manifest_secrets){ 0 };
	return true;
}

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
	if (map_len(&h->m->entries[o->kind]) >= LIMIT_OBJECTS && !map_get(&h->m->entries[o->kind], o->key))
		h->over++;
	else if (!take_object(h, o))
		h->oom = true;
	protobuf_c_message_free_unpacked(o->message, NULL);
	manifest_secrets_fini(&o->secrets);
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

/* Equal but for the line it stands in; that is not worth telling everybody about a thousand Services. */
static bool same_object(const struct claim *a, const struct claim *b)
{
	enum kind k = a->entry->kind;
	return a->len == b->len && memcmp(a->packed, b->packed, a->len) == 0 &&
	       (a->line == b->line || k == KIND_SERVICE || k == KIND_ENDPOINTS) &&
	       secrets_equal(&a->secrets, &b->secrets);
}

static void complain_double(struct diags *diags, const struct claim *c, const struct claim *first)
{
	struct strbuf here = { 0 }, there = { 0 };
	mirror_claim_origin(c, &here);
	mirror_claim_origin(first, &there);
	diags_add(diags, DIAG_ERROR, kind_name(c->entry->kind), c->entry->key, "", strbuf_get(&here),
		  "defined twice: the definition at %s counts", strbuf_get(&there));
	strbuf_fini(&here);
	strbuf_fini(&there);
}

/* A second definition in the same file: the first one counts, this one is only worth a message. */
static void drop_doubles(struct harvest *h, struct diags *diags)
{
	struct map seen;
	map_init(&seen);
	size_t kept = 0;
	for (size_t i = 0; i < h->n; i++) {
		struct claim *c = h->v[i];
		char name[OBJECT_KEY + 32];
		broken_name(c->entry->kind, c->entry->key, name);
		const struct claim *first = map_get(&seen, name);
		if (!first) {
			h->oom |= map_set(&seen, name, c, NULL) < 0;
			h->v[kept++] = c;
			continue;
		}
		complain_double(diags, c, first);
		mirror_claim_free(c);
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

/* The new claim in the place of the old one of the same object and file. */
static struct claim *replace(struct mirror *m, struct claim *old, struct claim *fresh)
{
	if (!same_object(old, fresh))
		mirror_touch(m, old->entry);
	struct claim former = *old;
	old->packed = fresh->packed;
	old->len = fresh->len;
	old->line = fresh->line;
	old->secrets = fresh->secrets;
	fresh->packed = former.packed;
	fresh->secrets = former.secrets;
	mirror_claim_free(fresh);
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
		struct claim *old = mirror_claim_of(f, h->v[i]->entry);
		if (old)
			v[n++] = replace(h->m, old, h->v[i]);
		else if (mirror_claim_link(h->m, h->v[i]) == 0)
			v[n++] = h->v[i];
		else {
			mirror_claim_free(h->v[i]);
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
		mirror_claim_unlink(h->m, old);
		mirror_claim_free(old);
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
		mirror_claim_free(h->v[i]);
		/* Two claims of one object may stand here; the last one lets go. */
		bool again = false;
		for (size_t k = i + 1; k < h->n; k++)
			again |= h->v[k]->entry == e;
		if (!again && e != h->m->said)
			mirror_entry_settle(h->m, e);
	}
	free(h->v);
	map_fini(&h->broken, NULL);
}

int mirror_load(struct mirror *m, const char *path, const void *data, size_t len)
{
	struct harvest h = { .m = m, .file = mirror_file_get(m, path) };
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
	if (h.over)
		diags_add(&diags, DIAG_ERROR, "file", "", "", path,
			  "%zu objects are over the limit of %d of one kind", h.over, LIMIT_OBJECTS);
	if (rc == -ENOMEM || h.oom) {
		diags_fini(&diags);
		return -ENOMEM;
	}
	diags_fini(&h.file->diags);
	h.file->diags = diags;
	return rc < 0 ? 1 : 0;
}
