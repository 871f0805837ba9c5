/* Reading what a Service asks for. Run by the allocator; may not touch the world. */
#include "allocator/wish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/limits.h"

static uint32_t protocol_number(const char *p)
{
	if (!*p || strcmp(p, "TCP") == 0)
		return 1;
	if (strcmp(p, "UDP") == 0)
		return 2;
	return strcmp(p, "SCTP") == 0 ? 3 : 4;
}

static int cmp_ports(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

static int read_ports(struct wish *w, const Ingot__Service *s)
{
	size_t n = s->n_ports < LIMIT_PORTS ? s->n_ports : LIMIT_PORTS, kept = 0;
	w->ports = calloc(n + 1, sizeof *w->ports);
	if (!w->ports)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		w->ports[i] = protocol_number(s->ports[i]->protocol) << 16 | (s->ports[i]->port & 0xffff);
	qsort(w->ports, n, sizeof *w->ports, cmp_ports);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || w->ports[kept - 1] != w->ports[i])
			w->ports[kept++] = w->ports[i];
	w->r.ports = (struct port_list){ w->ports, kept };
	return 0;
}

/* With policy Local, traffic stays on the nodes that have endpoints, so only Services of the same endpoints
 * can share. */
static int read_backend(struct wish *w, const Ingot__Service *s)
{
	for (size_t i = 0; service_is_local(s) && i < s->n_selector; i++)
		strbuf_fmt(&w->backend, "%s%s=%s", i ? "," : "", s->selector[i]->key, s->selector[i]->value);
	w->r.backend = strbuf_get(&w->backend);
	return w->backend.oom ? -ENOMEM : 0;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void refuse(struct wish *w, const char *field, const char *text)
{
	char q[128];
	w->malformed = true;
	w->n_ips = 0;
	alloc_fail(&w->error, ALLOC_BAD_REQUEST,
		   "invalid %s \"%s\": one address is possible, or two of different IP families", field,
		   str_escape(text, strlen(text), q, sizeof q));
}

static void read_list(struct wish *w, const char *text)
{
	for (const char *p = text;; p++) {
		const char *end = p + strcspn(p, ","), *stop = end;
		while (p < stop && is_blank(*p))
			p++;
		while (stop > p && is_blank(stop[-1]))
			stop--;
		if (w->n_ips == 2 || !addr_parse_n(p, (size_t)(stop - p), &w->ips[w->n_ips])) {
			refuse(w, ANNOTATION_IPS, text);
			return;
		}
		w->n_ips++;
		if (!*end)
			break;
		p = end;
	}
	if (w->n_ips == 2 && w->ips[0].family == w->ips[1].family)
		refuse(w, ANNOTATION_IPS, text);
}

static void read_ips(struct wish *w, const Ingot__Service *s)
{
	const char *list = service_annotation(s, ANNOTATION_IPS), *one = s->load_balancer_ip;
	bool has_list = list && *list;
	if (has_list && *one) {
		w->malformed = true;
		alloc_fail(&w->error, ALLOC_BAD_REQUEST,
			   "service can not have both %s and spec.loadBalancerIP", ANNOTATION_IPS);
	} else if (has_list) {
		read_list(w, list);
	} else if (*one) {
		w->n_ips = 1;
		if (!addr_parse(one, &w->ips[0]))
			refuse(w, "spec.loadBalancerIP", one);
	}
}

static enum ip_policy read_policy(const Ingot__Service *s)
{
	if (strcmp(s->ip_family_policy, "RequireDualStack") == 0)
		return POLICY_REQUIRE_DUAL;
	return strcmp(s->ip_family_policy, "PreferDualStack") == 0 ? POLICY_PREFER_DUAL : POLICY_SINGLE;
}

int wish_init(struct wish *w, const char *key, const Ingot__Service *s)
{
	*w = (struct wish){ 0 };
	const char *sharing = service_annotation(s, ANNOTATION_SHARE),
		   *pool = service_annotation(s, ANNOTATION_POOL);
	w->r.key = key;
	w->r.ns = s->meta ? s->meta->namespace_ : "";
	w->r.labels = s->meta ? s->meta->labels : NULL;
	w->r.n_labels = s->meta ? s->meta->n_labels : 0;
	w->r.sharing = sharing ? sharing : "";
	w->r.family = service_family(s);
	w->r.policy = read_policy(s);
	w->r.prefer_v6 = s->n_ip_families > 0 && strcmp(s->ip_families[0], "IPv6") == 0;
	w->pool = pool && *pool ? pool : NULL;
	read_ips(w, s);
	if (read_ports(w, s) == 0 && read_backend(w, s) == 0)
		return 0;
	wish_fini(w);
	return -ENOMEM;
}

void wish_fini(struct wish *w)
{
	free(w->ports);
	strbuf_fini(&w->backend);
	w->ports = NULL;
}

struct current current_of(const Ingot__Service *s, const struct alloc *a)
{
	struct current c = { .all_in_pools = true };
	size_t n_ips = 0;
	for (size_t i = 0; i < s->n_ingress; i++) {
		addr_t ip;
		const char *text = s->ingress[i]->ip;
		if (!*text)
			continue;
		n_ips++;
		if (!addr_parse(text, &ip)) {
			c.undeterminable = true;
			c.all_in_pools = false;
			continue;
		}
		c.all_in_pools =
		    c.all_in_pools && a->space.config && space_span(&a->space, ip) != SPACE_NOWHERE;
		if (c.n > 0 && addr_eq(c.v[0], ip))
			continue;
		if (c.n < 2)
			c.v[c.n++] = ip;
		else
			c.undeterminable = true;
	}
	c.all_in_pools = c.all_in_pools && n_ips > 0;
	if (c.n == 2 && c.v[0].family == c.v[1].family)
		c.undeterminable = true;
	return c;
}

enum service_family addresses_family(const addr_t *v, size_t n)
{
	if (n == 2)
		return v[0].family != v[1].family ? SERVICE_FAMILY_DUAL : SERVICE_FAMILY_NONE;
	if (n != 1)
		return SERVICE_FAMILY_NONE;
	return v[0].family == FAMILY_V6 ? SERVICE_FAMILY_V6 : SERVICE_FAMILY_V4;
}

bool same_addresses(const addr_t *a, size_t n_a, const addr_t *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++) {
		bool found = false;
		for (size_t j = 0; j < n_b; j++)
			found |= addr_eq(a[i], b[j]);
		if (!found)
			return false;
	}
	return true;
}
