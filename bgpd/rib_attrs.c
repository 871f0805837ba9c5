/* Sets of attributes and lists of peers, each stored once and counted. Runs in bgpd; pure. */
#include <stdlib.h>
#include <string.h>

#include "bgpd/rib_internal.h"
#include "lib/base/must.h"
#include "lib/base/strbuf.h"

/* Grow an array so that index n exists; false on out of memory. New elements are zero. */
static bool grow(void **v, uint32_t n, uint32_t *cap, size_t size)
{
	if (n < *cap)
		return true;
	uint32_t wanted = *cap ? *cap * 2 : 16;
	char *p = realloc(*v, wanted * size);
	if (!p)
		return false;
	memset(p + *cap * size, 0, (wanted - *cap) * size);
	*v = p;
	*cap = wanted;
	return true;
}

/* Ids are stored in the map as pointers of their value; never 0, so that absent is told apart. */
static void *id_value(uint32_t id)
{
	return (void *)(uintptr_t)(id + 1);
}

static uint32_t id_of(const void *value)
{
	return (uint32_t)(uintptr_t)value - 1;
}

static uint32_t attrs_new(struct attrs_table *t, const struct strbuf *key, uint32_t local_pref,
			  const community_t *v, size_t n)
{
	if (t->n == 0) {
		t->n = ATTRS_FIRST;
		t->free = NIL;
	}
	uint32_t id = t->free != NIL ? t->free : t->n;
	void *array = t->v;
	if (!grow(&array, id, &t->cap, sizeof *t->v))
		return ATTRS_NONE;
	t->v = array;
	community_t *copy = n ? malloc(n * sizeof *copy) : NULL;
	if ((n && !copy) || map_set_n(&t->by_value, key->s, key->len, id_value(id), NULL) < 0) {
		free(copy);
		return ATTRS_NONE;
	}
	if (n)
		memcpy(copy, v, n * sizeof *copy);
	struct attrs *a = &t->v[id];
	if (id == t->free)
		t->free = a->next_free;
	else
		t->n++;
	*a = (struct attrs){ .refs = 1, .n = (uint32_t)n, .local_pref = local_pref, .v = copy };
	a->key = map_find_n(&t->by_value, key->s, key->len);
	return id;
}

uint32_t attrs_intern(struct attrs_table *t, uint32_t local_pref, const community_t *v, size_t n)
{
	struct strbuf key = { 0 };
	strbuf_add_n(&key, (const char *)&local_pref, sizeof local_pref);
	for (size_t i = 0; i < n; i++) {
		char large = v[i].large;
		strbuf_add_n(&key, &large, 1);
		strbuf_add_n(&key, (const char *)v[i].v, sizeof v[i].v);
	}
	uint32_t id = ATTRS_NONE;
	if (!key.oom) {
		void *found = map_get_n(&t->by_value, key.s, key.len);
		if (found) {
			id = id_of(found);
			t->v[id].refs++;
		} else {
			id = attrs_new(t, &key, local_pref, v, n);
		}
	}
	strbuf_fini(&key);
	return id;
}

void attrs_ref(struct attrs_table *t, uint32_t id)
{
	if (id >= ATTRS_FIRST)
		t->v[id].refs++;
}

void attrs_unref(struct attrs_table *t, uint32_t id)
{
	if (id < ATTRS_FIRST || --t->v[id].refs > 0)
		return;
	struct attrs *a = &t->v[id];
	free(a->v);
	map_del_n(&t->by_value, a->key->key, a->key->key_len);
	*a = (struct attrs){ .next_free = t->free };
	t->free = id;
}

uint32_t attrs_merge(struct attrs_table *t, uint32_t a, uint32_t b, uint64_t *dropped)
{
	const struct attrs *x = &t->v[a], *y = &t->v[b];
	community_t v[BGP_MAX_COMMUNITIES];
	size_t n = 0, i = 0, j = 0;
	while (i < x->n || j < y->n) {
		int order = i == x->n ? 1 : j == y->n ? -1 : community_cmp(x->v[i], y->v[j]);
		community_t c = order <= 0 ? x->v[i] : y->v[j];
		i += order <= 0;
		j += order >= 0;
		if (n < BGP_MAX_COMMUNITIES)
			v[n++] = c;
		else
			(*dropped)++;
	}
	return attrs_intern(t, x->local_pref > y->local_pref ? x->local_pref : y->local_pref, v, n);
}

void attrs_table_fini(struct attrs_table *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		free(t->v[i].v);
	free(t->v);
	map_fini(&t->by_value, NULL);
}

/* Whether the list (names joined by newlines) has this name. */
static bool listed(const char *text, const char *name)
{
	size_t len = strlen(name);
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "\n");
		if (n == len && memcmp(p, name, len) == 0)
			return true;
		p += n + (p[n] == '\n');
	}
	return false;
}

static void audience_judge(const struct rib *r, struct audience *a, unsigned peer)
{
	const struct peer_rib *p = &r->peers[peer];
	bool in = p->used && (*a->text == 0 || listed(a->text, p->name));
	uint64_t bit = (uint64_t)1 << (peer % 64);
	if (in)
		a->mask[peer / 64] |= bit;
	else
		a->mask[peer / 64] &= ~bit;
}

bool audience_has(const struct audience *a, unsigned peer)
{
	return a->mask[peer / 64] >> (peer % 64) & 1;
}

void audience_peer(struct rib *r, unsigned peer)
{
	for (uint32_t i = 0; i < r->audiences.n; i++)
		if (r->audiences.v[i].refs > 0)
			audience_judge(r, &r->audiences.v[i], peer);
}

static uint32_t audience_new(struct rib *r, char *text)
{
	struct audience_table *t = &r->audiences;
	if (t->n == 0)
		t->free = NIL;
	uint32_t id = t->free != NIL ? t->free : t->n;
	void *array = t->v;
	if (!grow(&array, id, &t->cap, sizeof *t->v))
		return NIL;
	t->v = array;
	if (map_set(&t->by_text, text, id_value(id), NULL) < 0)
		return NIL;
	struct audience *a = &t->v[id];
	if (id == t->free)
		t->free = a->next_free;
	else
		t->n++;
	*a = (struct audience){ .refs = 1, .text = text };
	for (unsigned p = 0; p < r->n_peers; p++)
		audience_judge(r, a, p);
	return id;
}

uint32_t audience_intern(struct rib *r, const struct name_set *names)
{
	struct strbuf b = { 0 };
	for (size_t i = 0; i < names->n; i++) {
		strbuf_add(&b, names->v[i]);
		strbuf_char(&b, '\n');
	}
	const void *found = b.oom ? NULL : map_get(&r->audiences.by_text, strbuf_get(&b));
	if (found) {
		strbuf_fini(&b);
		r->audiences.v[id_of(found)].refs++;
		return id_of(found);
	}
	strbuf_add(&b, "");
	char *text = b.oom ? NULL : b.s ? strbuf_take(&b) : calloc(1, 1);
	strbuf_fini(&b);
	uint32_t id = text ? audience_new(r, text) : NIL;
	if (id == NIL)
		free(text);
	return id;
}

void audience_unref(struct audience_table *t, uint32_t id)
{
	struct audience *a = &t->v[id];
	if (--a->refs > 0)
		return;
	map_del(&t->by_text, a->text);
	free(a->text);
	*a = (struct audience){ .next_free = t->free };
	t->free = id;
}

void audience_table_fini(struct audience_table *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		free(t->v[i].text);
	free(t->v);
	map_fini(&t->by_text, NULL);
}
