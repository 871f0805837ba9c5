/* Holders of addresses: recording, releasing, assigning what was asked for. Run by the allocator; may not
 * touch the world. */
#include "allocator/alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"

const char *alloc_reason_word(enum alloc_reason r)
{
	static const char *const words[ALLOC_REASON_N] = {
#define X(constant, word, meaning) word,
		ALLOC_REASONS(X)
#undef X
	};
	must(r < ALLOC_REASON_N);
	return words[r];
}

const char *alloc_reason_meaning(enum alloc_reason r)
{
	static const char *const meanings[ALLOC_REASON_N] = {
#define X(constant, word, meaning) meaning,
		ALLOC_REASONS(X)
#undef X
	};
	must(r < ALLOC_REASON_N);
	return meanings[r];
}

int alloc_fail(struct alloc_error *e, enum alloc_reason r, const char *fmt, ...)
{
	struct strbuf b = { 0 };
	va_list ap;
	va_start(ap, fmt);
	strbuf_vfmt(&b, fmt, ap);
	va_end(ap);
	e->reason = r;
	str_fmt(e->text, sizeof e->text, "%s", strbuf_get(&b));
	strbuf_fini(&b);
	return -1;
}

const char *alloc_ips_text(const addr_t *ips, size_t n, char buf[static 2 * ADDR_TEXT + 8])
{
	char a[ADDR_TEXT], b[ADDR_TEXT];
	if (n == 0)
		str_fmt(buf, 2 * ADDR_TEXT + 8, "[]");
	else if (n == 1)
		str_fmt(buf, 2 * ADDR_TEXT + 8, "[\"%s\"]", addr_text(ips[0], a));
	else
		str_fmt(buf, 2 * ADDR_TEXT + 8, "[\"%s\" \"%s\"]", addr_text(ips[0], a),
			addr_text(ips[1], b));
	return buf;
}

void alloc_init(struct alloc *a)
{
	*a = (struct alloc){ 0 };
	map_init(&a->holders);
	map_init(&a->ips);
	map_init(&a->space.rests);
	shares_init(&a->shares);
}

static void holder_free(void *p)
{
	struct holder *h = p;
	free(h->ports);
	free(h);
}

void alloc_fini(struct alloc *a)
{
	map_fini(&a->holders, holder_free);
	map_fini(&a->ips, free);
	shares_fini(&a->shares);
	space_fini(&a->space);
	free(a->pinned);
	free(a->unpinned);
	*a = (struct alloc){ 0 };
}

const struct holder *alloc_holder(const struct alloc *a, const char *key)
{
	return map_get(&a->holders, key);
}

const struct pool *alloc_pool_of(const struct alloc *a, const struct holder *h)
{
	return space_pool(&a->space, h->seat[0].ip->span);
}

const struct alloc_ip *alloc_user(const struct alloc *a, addr_t ip)
{
	return map_get_n(&a->ips, &ip, sizeof ip);
}

bool alloc_pool_admits(const struct pool *p, const struct alloc_request *r)
{
	if (p->namespaces_restricted && !name_set_has(&p->namespaces, r->ns))
		return false;
	return selectors_match(&p->service_selectors, r->labels, r->n_labels);
}

static struct port_list ports_of(const struct holder *h)
{
	return (struct port_list){ h->ports, h->n_ports };
}

static void tell(struct alloc *a, const struct alloc_ip *ip, bool freed)
{
	struct alloc_opening o = { space_pool(&a->space, ip->span), fam_of(ip->addr), ip->addr, freed,
				   ip->group };
	if (a->opened)
		a->opened(a->ctx, &o);
}

/* An address that nobody uses leaves the tables. */
static void ip_leave(struct alloc *a, struct alloc_ip *ip)
{
	if (ip->head)
		return;
	if (ip->group) {
		share_remove_ip(ip->group, ip->span, ip->addr);
		share_drop(&a->shares, ip->group);
	}
	space_give(&a->space, ip->span, ip->addr);
	map_del_n(&a->ips, &ip->addr, sizeof ip->addr);
	free(ip);
}

/* Take a seat's Service off its address. */
static void stand_up(struct alloc *a, struct seat *s)
{
	struct alloc_ip *ip = s->ip;
	*(s->prev ? &s->prev->next : &ip->head) = s->next;
	*(s->next ? &s->next->prev : &ip->tail) = s->prev;
	if (ip->group)
		share_remove_ports(ip->group, ip->span, ip->addr, ports_of(s->holder));
	tell(a, ip, !ip->head);
	ip_leave(a, ip);
}

size_t alloc_drop(struct alloc *a, const char *key, addr_t dropped[static 2])
{
	struct holder *h = map_del(&a->holders, key);
	size_t n = h ? h->n : 0;
	for (size_t i = 0; i < n; i++) {
		dropped[i] = h->seat[i].ip->addr;
		stand_up(a, &h->seat[i]);
	}
	if (h)
		holder_free(h);
	return n;
}

void alloc_settle(struct alloc *a, const addr_t *dropped, size_t n, mono_t now)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t span = space_span(&a->space, dropped[i]);
		if (span != SPACE_NOWHERE && !alloc_user(a, dropped[i]))
			space_rest(&a->space, span, dropped[i], mono_add(now, ADDRESS_REST));
	}
}

void alloc_release(struct alloc *a, const char *key, mono_t now)
{
	addr_t dropped[2];
	size_t n = alloc_drop(a, key, dropped);
	alloc_settle(a, dropped, n, now);
}

/* The entry of an address, made when it is new. NULL when out of memory. */
static struct alloc_ip *ip_enter(struct alloc *a, addr_t addr, uint32_t span, struct share_group *g)
{
	struct alloc_ip *ip = map_get_n(&a->ips, &addr, sizeof addr);
	if (ip)
		return ip;
	ip = calloc(1, sizeof *ip);
	if (!ip)
		return NULL;
	*ip = (struct alloc_ip){ .addr = addr, .span = span, .group = g };
	if (map_set_n(&a->ips, &addr, sizeof addr, ip, NULL) < 0)
		goto no_map;
	if (space_take(&a->space, span, addr) < 0)
		goto no_space;
	if (g && share_add_ip(g, span, addr) < 0)
		goto no_share;
	if (g)
		tell(a, ip, false);
	return ip;
no_share:
	space_give(&a->space, span, addr);
no_space:
	map_del_n(&a->ips, &addr, sizeof addr);
no_map:
	free(ip);
	return NULL;
}

static int sit_down(struct alloc *a, struct holder *h, struct seat *s, addr_t addr, uint32_t span)
{
	struct alloc_ip *ip = ip_enter(a, addr, span, h->group);
	if (!ip)
		return -ENOMEM;
	if (h->group && share_add_ports(h->group, span, addr, ports_of(h)) < 0) {
		ip_leave(a, ip);
		return -ENOMEM;
	}
	*s = (struct seat){ .holder = h, .ip = ip, .prev = ip->tail };
	*(s->prev ? &s->prev->next : &ip->head) = s;
	ip->tail = s;
	return 0;
}

static struct holder *holder_new(struct alloc *a, const struct alloc_request *r)
{
	size_t len = strlen(r->key);
	struct holder *h = calloc(1, sizeof *h + len + 1);
	if (!h)
		return NULL;
	memcpy(h->key, r->key, len + 1);
	/* Ports count only where an address can be shared. */
	if (*r->sharing && r->ports.n > 0) {
		h->ports = malloc(r->ports.n * sizeof *h->ports);
		if (!h->ports)
			goto fail;
		memcpy(h->ports, r->ports.v, r->ports.n * sizeof *h->ports);
		h->n_ports = r->ports.n;
	}
	if (*r->sharing && !(h->group = share_get(&a->shares, r->sharing, r->backend)))
		goto fail;
	if (map_set(&a->holders, r->key, h, NULL) < 0)
		goto fail;
	return h;
fail:
	if (h->group)
		share_drop(&a->shares, h->group);
	holder_free(h);
	return NULL;
}

static bool has_already(const struct holder *h, const struct alloc_request *r, const struct pick *p)
{
	if (h->n != p->n)
		return false;
	for (size_t i = 0; i < p->n; i++)
		if (!addr_eq(h->seat[i].ip->addr, p->addr[i]))
			return false;
	if (!*r->sharing || !h->group)
		return !*r->sharing && !h->group;
	return strcmp(h->group->name, r->sharing) == 0 && strcmp(share_backend(h->group), r->backend) == 0 &&
	       h->n_ports == r->ports.n &&
	       (h->n_ports == 0 || memcmp(h->ports, r->ports.v, h->n_ports * sizeof *h->ports) == 0);
}

/* Record what was picked, in place of what it had. Out of memory leaves the Service with nothing. */
int alloc_record(struct alloc *a, const struct alloc_request *r, const struct pick *p, mono_t now)
{
	addr_t dropped[2];
	const struct holder *old = alloc_holder(a, r->key);
	if (old && has_already(old, r, p))
		return 0;
	size_t n = old ? alloc_drop(a, r->key, dropped) : 0;
	struct holder *h = holder_new(a, r);
	int e = h ? 0 : -ENOMEM;
	for (size_t i = 0; e == 0 && i < p->n; i++) {
		e = sit_down(a, h, &h->seat[i], p->addr[i], p->span[i]);
		if (e == 0)
			h->n++;
	}
	if (e < 0 && h) {
		alloc_release(a, r->key, now);
		/* The group may be without an address now, or gone already. */
		struct share_group *g = share_find(&a->shares, r->sharing, r->backend);
		if (g)
			share_drop(&a->shares, g);
	}
	alloc_settle(a, dropped, n, now);
	return e;
}

static bool is_seated(const struct alloc_ip *ip, const char *key)
{
	for (const struct seat *s = ip->head; s; s = s->next)
		if (strcmp(s->holder->key, key) == 0)
			return true;
	return false;
}

static const char *port_text(uint32_t port, char *buf, size_t size)
{
	static const char *const protocols[] = { "", "TCP", "UDP", "SCTP" };
	size_t proto = port >> 16;
	str_fmt(buf, size, "%s/%u", proto < ARRAY_LEN(protocols) ? protocols[proto] : "other", port & 0xffff);
	return buf;
}

/* The Service that has the port on an address, for the message. */
static const char *port_holder(const struct alloc_ip *ip, uint32_t port)
{
	for (const struct seat *s = ip->head; s; s = s->next)
		if (port_list_has(ports_of(s->holder), port))
			return s->holder->key;
	return "another Service";
}

static int key_conflict(const struct alloc_request *r, const struct alloc_ip *ip, struct alloc_error *error)
{
	char text[ADDR_TEXT];
	const struct seat *other = ip->head;
	if (strcmp(other->holder->key, r->key) == 0)
		other = other->next;
	const char *why = "the sharing keys differ";
	enum alloc_reason reason = ALLOC_SHARING_KEY;
	if (!ip->group || !*r->sharing) {
		reason = ALLOC_ADDRESS_IN_USE;
		why = *r->sharing ? "that Service does not share" : "this Service has no sharing key";
	} else if (strcmp(ip->group->name, r->sharing) == 0) {
		why = "externalTrafficPolicy Local and its selector must be the same";
	}
	return alloc_fail(error, reason,
			  "can't change sharing key for \"%s\", address %s is also in use by %s: %s", r->key,
			  addr_text(ip->addr, text), other->holder->key, why);
}

int alloc_share_test(const struct alloc *a, const struct alloc_request *r, addr_t addr,
		     struct alloc_error *error)
{
	const struct alloc_ip *ip = alloc_user(a, addr);
	if (!ip)
		return 0;
	/* The only user may change everything. */
	if (ip->head == ip->tail && strcmp(ip->head->holder->key, r->key) == 0)
		return 0;
	struct share_group *g = share_find(&a->shares, r->sharing, r->backend);
	if (!g || ip->group != g)
		return key_conflict(r, ip, error);
	const struct holder *own = is_seated(ip, r->key) ? alloc_holder(a, r->key) : NULL;
	for (size_t i = 0; i < r->ports.n; i++) {
		uint32_t port = r->ports.v[i];
		char text[24], at[ADDR_TEXT];
		if (!share_port_used(g, ip->span, addr, port) || (own && port_list_has(ports_of(own), port)))
			continue;
		return alloc_fail(error, ALLOC_PORT_IN_USE, "port %s is already in use on \"%s\" by %s",
				  port_text(port, text, sizeof text), addr_text(addr, at),
				  port_holder(ip, port));
	}
	return 0;
}

static int one_pool(const struct alloc *a, const addr_t *ips, size_t n, struct pick *p,
		    struct alloc_error *error)
{
	char text[2 * ADDR_TEXT + 8];
	const struct pool *pool = NULL;
	if (n == 0 || n > 2)
		return alloc_fail(error, ALLOC_BAD_REQUEST,
				  "%zu addresses were asked for, 1 or 2 are possible", n);
	for (size_t i = 0; i < n; i++) {
		p->addr[i] = ips[i];
		p->span[i] = a->space.config ? space_span(&a->space, ips[i]) : SPACE_NOWHERE;
		const struct pool *q = p->span[i] == SPACE_NOWHERE ? NULL : space_pool(&a->space, p->span[i]);
		if (!q || (pool && q != pool))
			return alloc_fail(error, ALLOC_NOT_IN_POOL,
					  "%s is not allowed in config: no pool contains %s",
					  alloc_ips_text(ips, n, text), n > 1 ? "them all" : "it");
		pool = q;
	}
	p->n = n;
	return 0;
}

int alloc_assign(struct alloc *a, const struct alloc_request *r, const addr_t *ips, size_t n, mono_t now,
		 struct alloc_error *error)
{
	struct pick p = { 0 };
	char text[2 * ADDR_TEXT + 8];
	if (one_pool(a, ips, n, &p, error) < 0)
		return -1;
	const struct pool *pool = space_pool(&a->space, p.span[0]);
	if (!alloc_pool_admits(pool, r))
		return alloc_fail(
		    error, ALLOC_POOL_EXCLUDED,
		    "pool \"%s\" is not compatible for ip assignment %s: its serviceAllocation does not "
		    "admit the Service",
		    pool->name, alloc_ips_text(ips, n, text));
	if (n == 2 && ips[0].family == ips[1].family)
		return alloc_fail(error, ALLOC_WRONG_FAMILY, "%s are of the same IP family",
				  alloc_ips_text(ips, n, text));
	for (size_t i = 0; i < n; i++)
		if (alloc_share_test(a, r, ips[i], error) < 0)
			return -1;
	if (alloc_record(a, r, &p, now) < 0)
		return alloc_fail(error, ALLOC_NO_MEMORY, "out of memory");
	return 0;
}
