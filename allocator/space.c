/* The address space of the pools. Run by the allocator; may not touch the world.
 *
 * A run never contains an address that could be handed out. Where a pool avoids buggy addresses, a run is
 * stretched over those next to it, so that the address after a run is always a candidate. */
#include "allocator/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"

static struct okey busy_key(uint32_t span, struct ipnum at)
{
	return (struct okey){ span, at };
}

static struct okey open_key(const struct space *s, uint32_t span)
{
	const struct span *sp = &s->spans[span];
	return (struct okey){ 2 * sp->pool + fam_of(sp->range.first), { 0, span } };
}

static bool num_is_buggy(const struct span *sp, struct ipnum n)
{
	return sp->avoid_buggy && sp->range.first.family == FAMILY_V4 &&
	       ((n.lo & 255) == 0 || (n.lo & 255) == 255);
}

/* The first free address of one span. */
static bool span_first_free(const struct space *s, uint32_t span, struct ipnum *ret)
{
	const struct span *sp = &s->spans[span];
	struct ipnum at = ipnum_of(sp->range.first), last = ipnum_of(sp->range.last);
	while (num_is_buggy(sp, at)) {
		if (ipnum_cmp(at, last) == 0)
			return false;
		at = ipnum_next(at);
	}
	const struct onode *run = otree_at_or_below(&s->busy, busy_key(span, at));
	if (run && run->key.space == span && ipnum_cmp(run->last, at) >= 0) {
		if (ipnum_cmp(run->last, last) >= 0)
			return false;
		at = ipnum_next(run->last);
	}
	*ret = at;
	return true;
}

static int note_open(struct space *s, uint32_t span)
{
	struct okey key = open_key(s, span);
	if (otree_find(&s->open, key))
		return 0;
	return otree_add(&s->open, key) ? 0 : -ENOMEM;
}

static void note_taken(struct space *s, uint32_t span)
{
	struct ipnum unused;
	if (!span_first_free(s, span, &unused))
		otree_remove(&s->open, open_key(s, span));
}

/* Add one address to the runs. */
static int runs_take(struct space *s, uint32_t span, struct ipnum x)
{
	const struct span *sp = &s->spans[span];
	struct ipnum lo = x, hi = x, first = ipnum_of(sp->range.first), last = ipnum_of(sp->range.last);
	while (ipnum_cmp(lo, first) > 0 && num_is_buggy(sp, ipnum_prev(lo)))
		lo = ipnum_prev(lo);
	while (ipnum_cmp(hi, last) < 0 && num_is_buggy(sp, ipnum_next(hi)))
		hi = ipnum_next(hi);
	struct onode *below = otree_at_or_below(&s->busy, busy_key(span, lo));
	bool joins_below = below && below->key.space == span &&
			   (ipnum_cmp(below->last, lo) >= 0 || ipnum_cmp(ipnum_next(below->last), lo) == 0);
	struct onode *above = NULL;
	if (ipnum_cmp(hi, last) < 0) {
		above = otree_at_or_below(&s->busy, busy_key(span, ipnum_next(hi)));
		if (above && (above->key.space != span || ipnum_cmp(above->key.at, lo) <= 0))
			above = NULL;
	}
	if (above && joins_below) {
		below->last = above->last;
		otree_remove(&s->busy, above->key);
	} else if (above) {
		above->key.at = lo; /* nothing lies between, so the order stays */
	} else if (joins_below) {
		below->last = ipnum_cmp(below->last, hi) > 0 ? below->last : hi;
	} else {
		struct onode *run = otree_add(&s->busy, busy_key(span, lo));
		if (!run)
			return -ENOMEM;
		run->last = hi;
	}
	return 0;
}

static bool only_buggy(const struct span *sp, struct ipnum first, struct ipnum last)
{
	for (; ipnum_cmp(first, last) <= 0; first = ipnum_next(first))
		if (!num_is_buggy(sp, first))
			return false;
	return true;
}

/* Take one address out of its run. Without memory for a split it stays blocked until the next configuration.
 */
static void runs_give(struct space *s, uint32_t span, struct ipnum x)
{
	const struct span *sp = &s->spans[span];
	struct onode *run = otree_at_or_below(&s->busy, busy_key(span, x));
	must(run && run->key.space == span && ipnum_cmp(run->last, x) >= 0);
	struct ipnum first = run->key.at, last = run->last;
	bool left = ipnum_cmp(first, x) < 0 && !only_buggy(sp, first, ipnum_prev(x));
	bool right = ipnum_cmp(x, last) < 0 && !only_buggy(sp, ipnum_next(x), last);
	if (left && right) {
		struct onode *rest = otree_add(&s->busy, busy_key(span, ipnum_next(x)));
		if (!rest)
			return;
		rest->last = last;
		run->last = ipnum_prev(x);
	} else if (left) {
		run->last = ipnum_prev(x);
	} else if (right) {
		run->key.at = ipnum_next(x);
	} else {
		otree_remove(&s->busy, run->key);
	}
	note_open(s, span);
}

int64_t saturating_add(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* Addresses 0..n (inclusive) whose last octet is 0 or 255. */
static uint64_t buggy_below(uint64_t n)
{
	return (n + 1) / 256 * 2 + ((n + 1) % 256 ? 1 : 0);
}

static int64_t range_buggy(range_t r)
{
	if (r.first.family != FAMILY_V4)
		return 0;
	uint64_t first = addr_v4_value(r.first), last = addr_v4_value(r.last);
	return (int64_t)(buggy_below(last) - (first ? buggy_below(first - 1) : 0));
}

int64_t space_capacity(const struct pool *p, unsigned fam)
{
	int64_t sum = 0;
	for (size_t i = 0; i < p->n_prefixes; i++) {
		if (fam_of(p->prefixes[i].addr) != fam)
			continue;
		unsigned host = addr_bits(p->prefixes[i].addr) - p->prefixes[i].len;
		sum = saturating_add(sum, host >= 62 ? INT64_MAX : (int64_t)1 << host);
	}
	for (size_t i = 0; p->avoid_buggy && i < p->n_ranges; i++)
		if (fam_of(p->ranges[i].first) == fam)
			sum -= range_buggy(p->ranges[i]);
	return sum;
}

uint32_t space_span(const struct space *s, addr_t a)
{
	const struct config *c = s->config;
	for (size_t low = 0, high = c->n_spans; low < high;) {
		size_t mid = low + (high - low) / 2;
		if (range_contains(c->spans[mid].range, a)) {
			uint32_t span = s->by_address[mid];
			return s->spans[span].avoid_buggy && addr_is_buggy(a) ? SPACE_NOWHERE : span;
		}
		if (addr_cmp(a, c->spans[mid].range.first) < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return SPACE_NOWHERE;
}

const struct pool *space_pool(const struct space *s, uint32_t span)
{
	return &s->config->pools[s->spans[span].pool];
}

static int cmp_spans(const void *a, const void *b)
{
	const struct span *const *x = a, *const *y = b;
	return addr_cmp((*x)->range.first, (*y)->range.first);
}

/* Both lists sorted by address name the same ranges in the same order. */
static int index_spans(struct space *s)
{
	const struct span **sorted = calloc(s->n_spans + 1, sizeof *sorted);
	s->by_address = calloc(s->n_spans + 1, sizeof *s->by_address);
	if (!sorted || !s->by_address) {
		free(sorted);
		return -ENOMEM;
	}
	for (size_t i = 0; i < s->n_spans; i++)
		sorted[i] = &s->spans[i];
	qsort(sorted, s->n_spans, sizeof *sorted, cmp_spans);
	for (size_t i = 0; i < s->n_spans; i++)
		s->by_address[i] = (uint32_t)(sorted[i] - s->spans);
	free(sorted);
	return 0;
}

static void fill_spans(struct space *s)
{
	uint32_t at = 0;
	for (size_t i = 0; i < s->config->n_pools; i++) {
		const struct pool *p = &s->config->pools[i];
		struct pool_space *ps = &s->pools[i];
		ps->first_span = at;
		ps->n_spans = (uint32_t)p->n_ranges;
		ps->total[FAM_V4] = space_capacity(p, FAM_V4);
		ps->total[FAM_V6] = space_capacity(p, FAM_V6);
		for (size_t r = 0; r < p->n_ranges; r++)
			s->spans[at++] = (struct span){ p->ranges[r], (uint32_t)i, p->avoid_buggy };
	}
}

int space_init(struct space *s, const struct config *c)
{
	*s = (struct space){ .config = c };
	map_init(&s->rests);
	for (size_t i = 0; i < c->n_pools; i++)
		s->n_spans += c->pools[i].n_ranges;
	must(s->n_spans == c->n_spans);
	s->pools = calloc(c->n_pools + 1, sizeof *s->pools);
	s->spans = calloc(s->n_spans + 1, sizeof *s->spans);
	if (!s->pools || !s->spans)
		goto fail;
	fill_spans(s);
	if (index_spans(s) < 0)
		goto fail;
	for (uint32_t i = 0; i < s->n_spans; i++) {
		struct ipnum unused;
		if (span_first_free(s, i, &unused) && note_open(s, i) < 0)
			goto fail;
	}
	return 0;
fail:
	space_fini(s);
	return -ENOMEM;
}

void space_fini(struct space *s)
{
	map_fini(&s->rests, free);
	otree_fini(&s->busy);
	otree_fini(&s->open);
	free(s->pools);
	free(s->spans);
	free(s->by_address);
	*s = (struct space){ 0 };
}

static struct rest_list *pool_rests(struct space *s, const struct rest *r)
{
	return &s->pools[s->spans[r->span].pool].resting[fam_of(r->addr)];
}

static void rest_link(struct space *s, struct rest *r)
{
	struct rest_list *l = pool_rests(s, r);
	r->prev = s->resting.tail;
	*(r->prev ? &r->prev->next : &s->resting.head) = r;
	s->resting.tail = r;
	r->pool_prev = l->tail;
	*(r->pool_prev ? &r->pool_prev->pool_next : &l->head) = r;
	l->tail = r;
}

static void rest_end(struct space *s, struct rest *r)
{
	struct rest_list *l = pool_rests(s, r);
	*(r->prev ? &r->prev->next : &s->resting.head) = r->next;
	*(r->next ? &r->next->prev : &s->resting.tail) = r->prev;
	*(r->pool_prev ? &r->pool_prev->pool_next : &l->head) = r->pool_next;
	*(r->pool_next ? &r->pool_next->pool_prev : &l->tail) = r->pool_prev;
	map_del_n(&s->rests, &r->addr, sizeof r->addr);
	free(r);
}

int space_take(struct space *s, uint32_t span, addr_t a)
{
	/* A resting address is in a run already. */
	struct rest *r = s->rests.n ? map_get_n(&s->rests, &a, sizeof a) : NULL;
	if (r) {
		rest_end(s, r);
	} else {
		if (runs_take(s, span, ipnum_of(a)) < 0)
			return -ENOMEM;
		note_taken(s, span);
	}
	s->pools[s->spans[span].pool].used[fam_of(a)]++;
	return 0;
}

void space_give(struct space *s, uint32_t span, addr_t a)
{
	runs_give(s, span, ipnum_of(a));
	s->pools[s->spans[span].pool].used[fam_of(a)]--;
}

void space_rest(struct space *s, uint32_t span, addr_t a, mono_t until)
{
	struct rest *r = map_get_n(&s->rests, &a, sizeof a) ? NULL : calloc(1, sizeof *r);
	if (!r)
		return;
	*r = (struct rest){ .addr = a, .span = span, .until = until };
	if (map_set_n(&s->rests, &a, sizeof a, r, NULL) < 0) {
		free(r);
		return;
	}
	if (runs_take(s, span, ipnum_of(a)) < 0) {
		map_del_n(&s->rests, &a, sizeof a);
		free(r);
		return;
	}
	note_taken(s, span);
	rest_link(s, r);
}

void space_expire(struct space *s, mono_t now)
{
	for (struct rest *r; (r = s->resting.head) && mono_reached(now, r->until);) {
		addr_t a = r->addr;
		uint32_t span = r->span;
		rest_end(s, r);
		runs_give(s, span, ipnum_of(a));
	}
}

bool space_is_resting(const struct space *s, addr_t a)
{
	return map_get_n(&s->rests, &a, sizeof a) != NULL;
}

bool space_first_free(const struct space *s, uint32_t pool, unsigned fam, uint32_t *ret_span, addr_t *ret)
{
	struct ipnum at;
	uint32_t space = 2 * pool + fam;
	const struct onode *n = otree_at_or_above(&s->open, (struct okey){ space, { 0, 0 } });
	if (!n || n->key.space != space || !span_first_free(s, (uint32_t)n->key.at.lo, &at))
		return false;
	*ret_span = (uint32_t)n->key.at.lo;
	*ret = ipnum_addr(fam == FAM_V6 ? FAMILY_V6 : FAMILY_V4, at);
	return true;
}

bool space_longest_resting(const struct space *s, uint32_t pool, unsigned fam, uint32_t *ret_span,
			   addr_t *ret)
{
	const struct rest *r = s->pools[pool].resting[fam].head;
	if (!r)
		return false;
	*ret_span = r->span;
	*ret = r->addr;
	return true;
}

bool space_has_room(const struct space *s, uint32_t pool, unsigned fam)
{
	uint32_t span;
	addr_t a;
	return s->pools[pool].resting[fam].head || space_first_free(s, pool, fam, &span, &a);
}
