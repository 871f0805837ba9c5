/* Sentences about Services and addresses, and the counters of a pool. Run by the allocator; may not touch the
 * world. */
#include "allocator/board.h"

void board_pool_status(const struct board *b, const struct pool *p, Ingot__PoolStatus *ret)
{
	const struct pool_space *ps = &b->alloc.space.pools[p - b->alloc.space.config->pools];
	ingot__pool_status__init(ret);
	ret->assigned_v4 = ps->used[FAM_V4];
	ret->assigned_v6 = ps->used[FAM_V6];
	ret->total_v4 = ps->total[FAM_V4];
	ret->total_v6 = ps->total[FAM_V6];
	ret->available_v4 = ps->total[FAM_V4] - ps->used[FAM_V4];
	ret->available_v6 = ps->total[FAM_V6] - ps->used[FAM_V6];
}

static void explain_address(const struct board *b, addr_t a, struct strbuf *out)
{
	char text[ADDR_TEXT];
	const struct alloc_ip *ip = alloc_user(&b->alloc, a);
	uint32_t span = space_span(&b->alloc.space, a);
	if (span == SPACE_NOWHERE) {
		strbuf_fmt(out, "no pool contains %s", addr_text(a, text));
		return;
	}
	strbuf_fmt(out, "%s of pool \"%s\" is ", addr_text(a, text), space_pool(&b->alloc.space, span)->name);
	if (!ip)
		strbuf_add(out, space_is_resting(&b->alloc.space, a) ? "resting after its release" : "free");
	size_t n = 0;
	for (const struct seat *s = ip ? ip->head : NULL; s && n < 20; s = s->next)
		strbuf_fmt(out, "%s%s", n++ ? ", " : "assigned to ", s->holder->key);
}

static void explain_service(const struct board *b, const struct svc *v, struct strbuf *out)
{
	char text[2][ADDR_TEXT];
	const struct holder *h = v->reason == ALLOC_OK ? alloc_holder(&b->alloc, v->key) : NULL;
	if (h)
		strbuf_fmt(out, "%s has %s%s%s from pool \"%s\"%s", v->key,
			   addr_text(h->seat[0].ip->addr, text[0]), h->n > 1 ? " and " : "",
			   h->n > 1 ? addr_text(h->seat[1].ip->addr, text[1]) : "",
			   alloc_pool_of(&b->alloc, h)->name,
			   v->confirmed || !b->leading ? "" : ", not yet in its status");
	else if (v->reason != ALLOC_OK)
		strbuf_fmt(out, "%s has no address (%s): %s", v->key, alloc_reason_word(v->reason),
			   v->message ? v->message : alloc_reason_meaning(v->reason));
	else if (b->leading)
		strbuf_fmt(out, "%s is not a LoadBalancer Service that Ingot serves", v->key);
}

void board_explain(const struct board *b, const char *subject, struct strbuf *out)
{
	addr_t a;
	if (addr_parse(subject, &a)) {
		if (b->configured)
			explain_address(b, a, out);
		return;
	}
	const struct svc *v = map_get(&b->services, subject);
	if (v)
		explain_service(b, v, out);
}
