/* Waiting Services. Run by the allocator; may not touch the world. */
#include "allocator/wait.h"

#include <stdlib.h>
#include <string.h>

/* Longer names are cut: then a queue has a few more Services than it must. */
enum { WAIT_NAME = 1000 };

struct wait_queue {
	struct wait_link *head, *tail;
	size_t len;
	char name[];
};

void wait_names_fini(struct wait_names *w)
{
	strbuf_fini(&w->text);
	free(w->len);
}

static void add_name(struct wait_names *w, char kind, char family, const char *rest, size_t n)
{
	if (w->n == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 8;
		size_t *len = realloc(w->len, cap * sizeof *len);
		if (!len) {
			w->oom = true;
			return;
		}
		w->len = len;
		w->cap = cap;
	}
	strbuf_char(&w->text, kind);
	strbuf_char(&w->text, family);
	strbuf_add_n(&w->text, rest, n);
	w->oom |= w->text.oom;
	if (!w->oom) /* the lengths never add up to more than the text has */
		w->len[w->n++] = n + 2;
}

static char family_letter(const struct alloc_request *r)
{
	return r->family == SERVICE_FAMILY_DUAL ? 'd' : r->family == SERVICE_FAMILY_V6 ? '6' : '4';
}

void wait_for_pool(struct wait_names *w, const char *pool, const struct alloc_request *r)
{
	add_name(w, 'p', family_letter(r), pool, strlen(pool));
}

void wait_for_second(struct wait_names *w, const char *pool, unsigned fam)
{
	add_name(w, 'p', fam == FAM_V6 ? '6' : '4', pool, strlen(pool));
}

void wait_for_any(struct wait_names *w, const struct alloc_request *r)
{
	add_name(w, 'a', family_letter(r), "", 0);
}

void wait_for_ip(struct wait_names *w, addr_t a)
{
	char text[ADDR_TEXT];
	addr_text(a, text);
	add_name(w, 'i', '-', text, strlen(text));
}

void wait_for_group(struct wait_names *w, const struct alloc_request *r)
{
	if (*r->sharing)
		add_name(w, 's', '-', r->sharing, strnlen(r->sharing, WAIT_NAME));
}

/* The queue, or NULL: l was the last, and the queue is freed. */
static const struct wait_queue *leave(struct board *b, struct wait_link *l)
{
	struct wait_queue *q = l->queue;
	*(l->prev ? &l->prev->next : &q->head) = l->next;
	*(l->next ? &l->next->prev : &q->tail) = l->prev;
	if (q->head)
		return q;
	map_del_n(&b->queues, q->name, q->len);
	free(q);
	return NULL;
}

void wait_clear(struct board *b, struct svc *v)
{
	for (size_t i = 0; i < v->n_waits; i++) {
		bool was_head = !v->waits[i].prev;
		const struct wait_queue *q = leave(b, &v->waits[i]);
		if (was_head && q)
			board_mark(b, q->head->svc);
	}
	b->n_waiting -= v->n_waits > 0;
	free(v->waits);
	v->waits = NULL;
	v->n_waits = 0;
}

static bool waits_there(const struct svc *v, const struct wait_names *w)
{
	const char *name = strbuf_get(&w->text);
	if (v->n_waits != w->n)
		return false;
	for (size_t i = 0; i < w->n; name += w->len[i++]) {
		const struct wait_queue *q = v->waits[i].queue;
		if (q->len != w->len[i] || memcmp(q->name, name, q->len) != 0)
			return false;
	}
	return true;
}

static struct wait_queue *queue_get(struct board *b, const char *name, size_t len)
{
	struct wait_queue *q = map_get_n(&b->queues, name, len);
	if (q)
		return q;
	q = calloc(1, sizeof *q + len + 1);
	if (!q)
		return NULL;
	memcpy(q->name, name, len);
	q->len = len;
	if (map_set_n(&b->queues, name, len, q, NULL) == 0)
		return q;
	free(q);
	return NULL;
}

void wait_set(struct board *b, struct svc *v, const struct wait_names *w)
{
	const char *name = strbuf_get(&w->text);
	if (waits_there(v, w))
		return;
	wait_clear(b, v);
	v->waits = w->oom || w->n == 0 ? NULL : calloc(w->n, sizeof *v->waits);
	for (size_t i = 0; v->waits && i < w->n; name += w->len[i++]) {
		struct wait_queue *q = queue_get(b, name, w->len[i]);
		if (!q)
			return;
		b->n_waiting += v->n_waits == 0;
		struct wait_link *l = &v->waits[v->n_waits++];
		*l = (struct wait_link){ .queue = q, .svc = v, .prev = q->tail };
		*(l->prev ? &l->prev->next : &q->head) = l;
		q->tail = l;
	}
}

static void wake(struct board *b, char kind, char family, const char *rest, bool all)
{
	char name[2 + WAIT_NAME];
	size_t n = strnlen(rest, WAIT_NAME);
	name[0] = kind;
	name[1] = family;
	memcpy(name + 2, rest, n);
	const struct wait_queue *q = map_get_n(&b->queues, name, n + 2);
	for (const struct wait_link *l = q ? q->head : NULL; l; l = all ? l->next : NULL)
		board_mark(b, l->svc);
}

void wait_opened(void *ctx, const struct alloc_opening *o)
{
	struct board *b = ctx;
	char text[ADDR_TEXT], family = o->fam == FAM_V6 ? '6' : '4';
	if (map_len(&b->queues) == 0)
		return;
	wake(b, 'i', '-', addr_text(o->addr, text), true);
	if (o->group)
		wake(b, 's', '-', o->group->name, true);
	if (!o->freed)
		return;
	wake(b, 'p', family, o->pool->name, false);
	wake(b, 'p', 'd', o->pool->name, false);
	if (!o->pool->auto_assign || o->pool->pinned)
		return;
	wake(b, 'a', family, "", false);
	wake(b, 'a', 'd', "", false);
}
