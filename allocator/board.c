/* The collection of Services: order of decisions, leading, events, what is published. Run by the allocator;
 * may not touch the world. */
#include "allocator/board.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/wait.h"
#include "allocator/wish.h"
#include "lib/base/must.h"

static void no_decided(void *ctx, const char *key, const char *fact, const char *reason)
{
	(void)ctx, (void)key, (void)fact, (void)reason;
}

void board_init(struct board *b, const char *lb_class, const struct board_sink *sink, void *ctx)
{
	*b = (struct board){ .lb_class = lb_class ? lb_class : "", .sink = *sink, .ctx = ctx };
	if (!b->sink.decided)
		b->sink.decided = no_decided;
	alloc_init(&b->alloc);
	b->alloc.opened = wait_opened;
	b->alloc.ctx = b;
	map_init(&b->services);
	map_init(&b->queues);
}

void svc_forget(struct svc *v)
{
	free(v->message);
	v->message = NULL;
	v->say = v->clear = false;
	v->reason = ALLOC_OK;
}

static void svc_free(void *p)
{
	struct svc *v = p;
	for (size_t i = 0; i < v->n_notes; i++)
		free(v->notes[i].message);
	free(v->message);
	free(v->uid);
	free(v->waits);
	free(v);
}

void board_fini(struct board *b)
{
	map_fini(&b->queues, free);
	map_fini(&b->services, svc_free);
	alloc_fini(&b->alloc);
}

struct svc *board_svc(struct board *b, const char *key)
{
	struct svc *v = map_get(&b->services, key);
	if (v)
		return v;
	size_t len = strlen(key);
	v = calloc(1, sizeof *v + len + 1);
	if (!v)
		return NULL;
	memcpy(v->key, key, len);
	if (map_set(&b->services, key, v, NULL) == 0)
		return v;
	free(v);
	return NULL;
}

void board_mark(struct board *b, struct svc *v)
{
	if (v->dirty)
		return;
	v->dirty = true;
	v->dirty_next = NULL;
	v->dirty_prev = b->dirty_tail;
	*(v->dirty_prev ? &v->dirty_prev->dirty_next : &b->dirty_head) = v;
	b->dirty_tail = v;
}

static void unmark(struct board *b, struct svc *v)
{
	*(v->dirty_prev ? &v->dirty_prev->dirty_next : &b->dirty_head) = v->dirty_next;
	*(v->dirty_next ? &v->dirty_next->dirty_prev : &b->dirty_tail) = v->dirty_prev;
	v->dirty = false;
}

void svc_note(struct svc *v, mono_t now, bool warning, const char *reason, const char *fmt, ...)
{
	struct strbuf b = { 0 };
	va_list ap;
	va_start(ap, fmt);
	strbuf_vfmt(&b, fmt, ap);
	va_end(ap);
	char *message = strbuf_take(&b);
	const struct note *newest = v->n_notes ? &v->notes[v->n_notes - 1] : NULL;
	if (!message ||
	    (newest && strcmp(newest->reason, reason) == 0 && strcmp(newest->message, message) == 0)) {
		free(message);
		return;
	}
	if (v->n_notes == SERVICE_EVENTS) {
		free(v->notes[0].message);
		memmove(v->notes, v->notes + 1, (SERVICE_EVENTS - 1) * sizeof *v->notes);
		v->n_notes--;
	}
	/* Ids grow, over restarts, too: readers skip what is not above the newest that they passed on. */
	uint64_t at = now.us > 0 ? (uint64_t)now.us : 0;
	v->last_note = at > v->last_note ? at : v->last_note + 1;
	v->notes[v->n_notes++] = (struct note){ v->last_note, warning, reason, message };
}

/* The message is put together on the stack; everything in it is borrowed. */
static void say(struct board *b, struct svc *v)
{
	Ingot__Assignment a = INGOT__ASSIGNMENT__INIT;
	Ingot__ServiceEvent events[SERVICE_EVENTS], *event_list[SERVICE_EVENTS];
	char text[2][ADDR_TEXT], *ips[2] = { text[0], text[1] };
	const struct holder *h = v->reason == ALLOC_OK ? alloc_holder(&b->alloc, v->key) : NULL;
	for (size_t i = 0; h && i < h->n; i++)
		addr_text(h->seat[i].ip->addr, text[i]);
	a.n_ips = h ? h->n : 0;
	a.ips = ips;
	a.uid = v->uid ? v->uid : a.uid;
	a.pool = h ? alloc_pool_of(&b->alloc, h)->name : a.pool;
	a.reason = (char *)(uintptr_t)alloc_reason_word(v->reason);
	a.message = v->message ? v->message : a.message;
	a.clear = v->clear;
	for (size_t i = 0; i < v->n_notes; i++) {
		ingot__service_event__init(&events[i]);
		events[i].id = v->notes[i].id;
		events[i].warning = v->notes[i].warning;
		events[i].reason = (char *)(uintptr_t)v->notes[i].reason;
		events[i].message = v->notes[i].message;
		event_list[i] = &events[i];
	}
	a.n_events = v->n_notes;
	a.events = event_list;
	b->sink.assignment(b->ctx, v->key, &a);
	v->said = true;
}

static void publish(struct board *b, struct svc *v)
{
	if (v->say && b->leading) {
		say(b, v);
	} else if (v->said) {
		b->sink.assignment(b->ctx, v->key, NULL);
		v->said = false;
	}
}

static void remove_svc(struct board *b, struct svc *v, mono_t now)
{
	alloc_release(&b->alloc, v->key, now);
	wait_clear(b, v);
	v->say = false;
	publish(b, v);
	if (v->dirty)
		unmark(b, v);
	map_del(&b->services, v->key);
	svc_free(v);
}

uint64_t service_fingerprint(const Ingot__Service *s)
{
	static const uint8_t key[16] = "ingot object v1";
	size_t n = ingot__service__get_packed_size(s);
	uint8_t *packed = malloc(n + 1);
	if (!packed)
		return 1;
	uint64_t h = siphash24(key, packed, ingot__service__pack(s, packed));
	free(packed);
	return h ? h : 1;
}

/* A decision, noted before and after. An object in quarantine is not noted: it is not looked at. */
static void decide_one(struct board *b, struct svc *v, const Ingot__Service *s, mono_t now, bool adopt)
{
	uint64_t print = b->sink.before || v->quarantine ? service_fingerprint(s) : 0;
	if (v->quarantine != print)
		v->quarantine = 0;
	bool watched = b->sink.before && !v->quarantine;
	if (watched)
		b->sink.before(b->ctx, v->key, print);
	if (adopt && !v->quarantine)
		converge_adopt(b, v->key, s, now);
	else if (!adopt)
		converge(b, v, s, now);
	if (watched)
		b->sink.after(b->ctx, !adopt);
}

bool board_run(struct board *b, const struct objects *objects, mono_t now, size_t max)
{
	if (!b->configured)
		return false;
	for (struct svc *v; (v = b->dirty_head) && max > 0; max--) {
		const Ingot__Service *s = (const Ingot__Service *)objects_get(objects, KIND_SERVICE, v->key);
		unmark(b, v);
		if (!s) {
			remove_svc(b, v, now);
			continue;
		}
		if (!b->leading)
			alloc_release(&b->alloc, v->key, now);
		decide_one(b, v, s, now, !b->leading);
		publish(b, v);
	}
	return b->dirty_head != NULL;
}

void board_touch(struct board *b, const char *key)
{
	struct svc *v = board_svc(b, key);
	if (v)
		board_mark(b, v);
	else
		b->n_out_of_memory++;
}

void board_quarantine(struct board *b, const char *key, uint64_t fingerprint)
{
	struct svc *v = board_svc(b, key);
	if (v)
		v->quarantine = fingerprint;
}

/* The order of decisions when all are due. */
struct due {
	const char *key;
	const Ingot__Service *s;
};

static size_t count_ips(const Ingot__Service *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_ingress; i++)
		n += *s->ingress[i]->ip != 0;
	return n;
}

static int cmp_due(const void *a, const void *b)
{
	const struct due *x = a, *y = b;
	size_t n = count_ips(x->s), m = count_ips(y->s);
	if (n != m)
		return n > m ? -1 : 1;
	int64_t t = x->s->meta ? x->s->meta->creation_ms : 0, u = y->s->meta ? y->s->meta->creation_ms : 0;
	if (t != u)
		return t < u ? -1 : 1;
	return strcmp(x->key, y->key);
}

/* All Services in that order; NULL when out of memory. */
static struct due *all_due(const struct objects *objects, size_t *ret_n)
{
	const struct map *m = &objects->by_kind[KIND_SERVICE];
	struct due *v = calloc(map_len(m) + 1, sizeof *v);
	size_t n = 0;
	if (!v)
		return NULL;
	map_each (m, e) {
		v[n++] = (struct due){ e->key, e->value };
	}
	qsort(v, n, sizeof *v, cmp_due);
	*ret_n = n;
	return v;
}

static int mark_all(struct board *b, const struct objects *objects)
{
	size_t n;
	struct due *v = all_due(objects, &n);
	if (!v)
		return -ENOMEM;
	while (b->dirty_head)
		unmark(b, b->dirty_head);
	for (size_t i = 0; i < n; i++)
		board_touch(b, v[i].key);
	free(v);
	/* Those whose object is gone meanwhile. */
	map_each (&b->services, e) {
		board_mark(b, e->value);
	}
	return 0;
}

static int adopt_all(struct board *b, const struct objects *objects, mono_t now)
{
	size_t n;
	struct due *v = all_due(objects, &n);
	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n && count_ips(v[i].s) > 0; i++) {
		struct svc *known = board_svc(b, v[i].key);
		if (known)
			decide_one(b, known, v[i].s, now, true);
	}
	free(v);
	return 0;
}

int board_configure(struct board *b, const struct config *c, const struct name_set *broken,
		    bool pools_deleted, const struct objects *objects, mono_t now)
{
	int e = alloc_configure(&b->alloc, c, now);
	if (e < 0)
		return e;
	bool first = !b->configured;
	b->broken = broken;
	b->pools_deleted = pools_deleted;
	b->configured = true;
	if (first)
		e = adopt_all(b, objects, now);
	return e < 0 ? e : mark_all(b, objects);
}

/* Forget everything that the objects do not confirm. */
static void start_over(struct board *b)
{
	map_each (&b->services, e) {
		struct svc *v = e->value;
		addr_t dropped[2];
		alloc_drop(&b->alloc, v->key, dropped);
		wait_clear(b, v);
		svc_forget(v);
		v->owned = v->confirmed = false;
		v->seen = 0;
	}
}

int board_lead(struct board *b, bool leading, const struct objects *objects, mono_t now)
{
	if (b->leading == leading)
		return 0;
	b->leading = leading;
	start_over(b);
	map_each (&b->services, e) {
		publish(b, e->value);
	}
	if (!b->configured)
		return 0;
	int e = adopt_all(b, objects, now);
	return e < 0 ? e : mark_all(b, objects);
}
