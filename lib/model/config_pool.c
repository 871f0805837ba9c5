/* IPAddressPools: address syntax, overlap, pinning. Pure; part of the configuration compiler. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "lib/model/compile.h"
#include "lib/model/name_set.h"

/* IPv4 as its IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2), the order in which a mixed range is judged. */
static void as_mapped(addr_t a, uint8_t out[static 16])
{
	memset(out, 0, 16);
	if (a.family == FAMILY_V6) {
		memcpy(out, a.bytes, 16);
		return;
	}
	out[10] = out[11] = 0xff;
	memcpy(out + 12, a.bytes, 4);
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool parse_trimmed(const char *s, size_t n, addr_t *ret)
{
	for (; n > 0 && is_blank(*s); s++)
		n--;
	while (n > 0 && is_blank(s[n - 1]))
		n--;
	return addr_parse_n(s, n, ret);
}

enum entry { ENTRY_BAD, ENTRY_EMPTY, ENTRY_RANGE };

/* "start-end". A range across the families has no addresses in it; it is accepted, with a warning. */
static enum entry parse_dashed(const struct subject *s, const char *field, const char *text, const char *dash,
			       range_t *ret)
{
	char q[QUOTED];
	addr_t first, last;
	uint8_t low[16], high[16];
	if (!parse_trimmed(text, (size_t)(dash - text), &first) ||
	    !parse_trimmed(dash + 1, strlen(dash + 1), &last)) {
		compile_error(s, field, "invalid IP range \"%s\"", quoted(text, q));
		return ENTRY_BAD;
	}
	as_mapped(first, low);
	as_mapped(last, high);
	if (memcmp(low, high, 16) > 0) {
		compile_error(s, field, "invalid IP range \"%s\": the start IP is after the end IP",
			      quoted(text, q));
		return ENTRY_BAD;
	}
	if (first.family != last.family) {
		compile_warning(s, field, "IP range \"%s\" spans both families and has no addresses",
				quoted(text, q));
		return ENTRY_EMPTY;
	}
	*ret = (range_t){ first, last };
	return ENTRY_RANGE;
}

static enum entry parse_entry(const struct subject *s, const char *field, const char *text, range_t *ret)
{
	char q[QUOTED];
	prefix_t p;
	const char *dash = strchr(text, '-');
	if (dash)
		return parse_dashed(s, field, text, dash, ret);
	if (!prefix_parse(text, &p)) {
		compile_error(s, field, "invalid CIDR \"%s\"", quoted(text, q));
		return ENTRY_BAD;
	}
	*ret = prefix_range(p);
	return ENTRY_RANGE;
}

static bool parse_ranges(const struct subject *s, const Ingot__IPAddressPool *in, struct pool *p)
{
	p->ranges = compile_array(s->cc, in->n_addresses, sizeof *p->ranges);
	if (!p->ranges)
		return false;
	if (in->n_addresses == 0) {
		compile_error(s, "spec.addresses", "pool has no prefixes defined");
		return false;
	}
	for (size_t i = 0; i < in->n_addresses; i++) {
		char field[64];
		str_fmt(field, sizeof field, "spec.addresses[%zu]", i);
		range_t *r = &p->ranges[p->n_ranges];
		enum entry e = parse_entry(s, field, in->addresses[i], r);
		if (e == ENTRY_BAD)
			return false;
		if (e == ENTRY_EMPTY)
			continue;
		p->n_ranges++;
		p->has_v4 |= r->first.family == FAMILY_V4;
		p->has_v6 |= r->first.family == FAMILY_V6;
	}
	return true;
}

struct prefix_list {
	size_t n, cap;
	prefix_t *v;
	bool oom;
};

static void prefix_append(void *ctx, prefix_t prefix)
{
	struct prefix_list *l = ctx;
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 16;
		prefix_t *v = l->oom ? NULL : realloc(l->v, cap * sizeof *v);
		if (!v) {
			l->oom = true;
			return;
		}
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = prefix;
}

static bool split_ranges(struct compiler *cc, struct pool *p)
{
	struct prefix_list l = { 0 };
	for (size_t i = 0; i < p->n_ranges; i++)
		range_split(p->ranges[i], prefix_append, &l);
	p->prefixes = l.v;
	p->n_prefixes = l.n;
	cc->oom |= l.oom;
	return !l.oom;
}

static int cmp_spans(const void *a, const void *b)
{
	const struct pool_span *x = a, *y = b;
	int c = addr_cmp(x->range.first, y->range.first);
	return c ? c : addr_cmp(x->range.last, y->range.last);
}

static const char *range_text(range_t r, char buf[static 2 * ADDR_TEXT])
{
	char first[ADDR_TEXT], last[ADDR_TEXT];
	str_fmt(buf, 2 * ADDR_TEXT, "%s-%s", addr_text(r.first, first), addr_text(r.last, last));
	return buf;
}

/* Spans of accepted pools, sorted. */
struct spans {
	size_t n, cap;
	struct pool_span *v;
};

static void report_overlap(const struct subject *s, range_t mine, range_t other, const char *other_pool)
{
	char a[2 * ADDR_TEXT], b[2 * ADDR_TEXT];
	compile_error(s, "spec.addresses",
		      "CIDR \"%s\" in pool \"%s\" overlaps with already defined CIDR \"%s\" of pool \"%s\"",
		      range_text(mine, a), s->meta->name, range_text(other, b), other_pool);
}

/* Both lists sorted; a repeated or overlapping entry inside the pool counts, too. */
static bool is_disjoint(const struct subject *s, const struct spans *have, const struct pool_span *mine,
			size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (range_overlaps(mine[i - 1].range, mine[i].range)) {
			report_overlap(s, mine[i].range, mine[i - 1].range, s->meta->name);
			return false;
		}
	for (size_t i = 0, j = 0; i < n && j < have->n;) {
		if (range_overlaps(mine[i].range, have->v[j].range)) {
			report_overlap(s, mine[i].range, have->v[j].range, have->v[j].pool->name);
			return false;
		}
		if (addr_cmp(mine[i].range.first, have->v[j].range.first) < 0)
			i++;
		else
			j++;
	}
	return true;
}

static bool spans_reserve(struct compiler *cc, struct spans *have, size_t n)
{
	if (have->v && have->n + n <= have->cap)
		return true;
	size_t cap = 2 * (have->n + n) + 1;
	struct pool_span *v = realloc(have->v, cap * sizeof *v);
	if (!v) {
		cc->oom = true;
		return false;
	}
	have->v = v;
	have->cap = cap;
	return true;
}

/* Merge from the back, in place. */
static void spans_merge(struct spans *have, const struct pool_span *mine, size_t n)
{
	size_t i = have->n, j = n;
	have->n += n;
	for (size_t to = have->n; j > 0; to--) {
		if (i > 0 && cmp_spans(&have->v[i - 1], &mine[j - 1]) > 0)
			have->v[to - 1] = have->v[--i];
		else
			have->v[to - 1] = mine[--j];
	}
}

static bool claim_ranges(const struct subject *s, struct spans *have, const struct pool *p)
{
	struct pool_span *mine = compile_array(s->cc, p->n_ranges, sizeof *mine);
	if (!mine)
		return false;
	for (size_t i = 0; i < p->n_ranges; i++)
		mine[i] = (struct pool_span){ p->ranges[i], p };
	qsort(mine, p->n_ranges, sizeof *mine, cmp_spans);
	bool ok = is_disjoint(s, have, mine, p->n_ranges) && spans_reserve(s->cc, have, p->n_ranges);
	if (ok)
		spans_merge(have, mine, p->n_ranges);
	free(mine);
	return ok;
}

/* Names as written plus the namespaces that a selector matches now. */
static bool add_selected_namespaces(struct compiler *cc, const struct selectors *selectors,
				    struct name_set *names)
{
	const struct map *m = &cc->objects->by_kind[KIND_NAMESPACE];
	const char **v = compile_array(cc, map_len(m), sizeof *v);
	size_t n = 0;
	if (!v)
		return false;
	map_each (m, e) {
		const Ingot__ObjectMeta *meta = object_meta(KIND_NAMESPACE, e->value);
		if (meta && *meta->name && selectors_match(selectors, meta->labels, meta->n_labels))
			v[n++] = meta->name;
	}
	struct name_set selected = { 0 };
	if (name_set_build(v, n, &selected, NULL) < 0 || name_set_merge(names, &selected) < 0)
		cc->oom = true;
	name_set_fini(&selected);
	free(v);
	return !cc->oom;
}

static bool compile_allocation(const struct subject *s, const Ingot__ServiceAllocation *in, struct pool *p)
{
	struct selectors namespaces = { 0 };
	if (!in)
		return true;
	p->pinned = true;
	p->priority = in->priority;
	if (in->priority < 0) {
		compile_warning(s, "spec.serviceAllocation.priority", "negative priority counts as 0 (last)");
		p->priority = 0;
	}
	/* Selectors that match nothing keep the pool closed; they do not open it to everybody. */
	p->namespaces_restricted = in->n_namespaces > 0 || in->n_namespace_selectors > 0;
	bool ok = compile_names(s, in->namespaces, in->n_namespaces, "spec.serviceAllocation.namespaces",
				"duplicate definition in namespaces field", &p->namespaces) &&
		  compile_selectors(s, in->service_selectors, in->n_service_selectors,
				    "serviceAllocation.serviceSelectors", &p->service_selectors) &&
		  compile_selectors(s, in->namespace_selectors, in->n_namespace_selectors,
				    "serviceAllocation.namespaceSelectors", &namespaces);
	if (ok && namespaces.n > 0)
		ok = add_selected_namespaces(s->cc, &namespaces, &p->namespaces);
	selectors_fini(&namespaces);
	return ok;
}

static bool compile_pool(const struct subject *s, const Ingot__IPAddressPool *in, struct spans *have,
			 struct pool *p)
{
	p->name = compile_copy(s->cc, s->meta->name);
	p->auto_assign = in->auto_assign != INGOT__TRISTATE__NO;
	p->avoid_buggy = in->avoid_buggy_ips;
	return p->name && parse_ranges(s, in, p) && split_ranges(s->cc, p) &&
	       compile_allocation(s, in->service_allocation, p) && claim_ranges(s, have, p);
}

static int cmp_pools(const void *a, const void *b)
{
	return strcmp(((const struct pool *)a)->name, ((const struct pool *)b)->name);
}

/* The array of pools is sorted by name now: point spans and metadata at the final places. `names` are the
 * pools' names in the order that they had before. */
static void settle(struct compiler *cc, char *const *names, const struct object_list *l, struct spans *have)
{
	struct config *c = cc->c;
	cc->pool_meta = compile_array(cc, c->n_pools, sizeof(void *));
	if (!cc->pool_meta)
		return;
	for (size_t i = 0; i < have->n; i++)
		have->v[i].pool = config_pool(c, names[have->v[i].pool - c->pools]);
	for (size_t i = 0; i < l->n; i++) {
		const struct pool *p = config_pool(c, l->v[i].meta->name);
		if (p)
			cc->pool_meta[p - c->pools] = l->v[i].meta;
	}
	c->spans = have->v;
	c->n_spans = have->n;
	*have = (struct spans){ 0 };
}

static void sort_pools(struct compiler *cc, const struct object_list *l, struct spans *have)
{
	struct config *c = cc->c;
	char **names = compile_array(cc, c->n_pools, sizeof *names);
	if (!names)
		return;
	for (size_t i = 0; i < c->n_pools; i++)
		names[i] = c->pools[i].name;
	qsort(c->pools, c->n_pools, sizeof *c->pools, cmp_pools);
	settle(cc, names, l, have);
	free(names);
}

void compile_pools(struct compiler *cc)
{
	struct config *c = cc->c;
	struct spans have = { 0 };
	struct object_list l = compile_list(cc, KIND_POOL);
	c->pools = compile_array(cc, l.n, sizeof *c->pools);
	for (size_t i = 0; c->pools && i < l.n && !cc->oom; i++) {
		struct subject s = { cc, KIND_POOL, l.v[i].meta };
		struct pool *p = &c->pools[c->n_pools];
		if (compile_pool(&s, (const Ingot__IPAddressPool *)l.v[i].m, &have, p)) {
			c->n_pools++;
		} else {
			pool_fini(p);
			*p = (struct pool){ 0 };
		}
	}
	if (!cc->oom)
		sort_pools(cc, &l, &have);
	free(have.v);
	object_list_fini(&l);
}
