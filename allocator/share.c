/* Sharing groups. Run by the allocator; may not touch the world. */
#include "allocator/share.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The addresses of a group on which a port is in use. */
struct share_port {
	struct otree ips[FAM_N];
};

bool port_list_has(struct port_list l, uint32_t port)
{
	for (size_t low = 0, high = l.n; low < high;) {
		size_t mid = low + (high - low) / 2;
		if (l.v[mid] == port)
			return true;
		if (l.v[mid] > port)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

static struct okey place(uint32_t span, addr_t a)
{
	return (struct okey){ span, ipnum_of(a) };
}

void shares_init(struct shares *s)
{
	map_init(&s->groups);
}

static void port_free(void *p)
{
	struct share_port *port = p;
	otree_fini(&port->ips[FAM_V4]);
	otree_fini(&port->ips[FAM_V6]);
	free(port);
}

static void group_free(void *p)
{
	struct share_group *g = p;
	otree_fini(&g->ips[FAM_V4]);
	otree_fini(&g->ips[FAM_V6]);
	map_fini(&g->ports, port_free);
	free(g->name);
	free(g);
}

void shares_fini(struct shares *s)
{
	map_fini(&s->groups, group_free);
}

/* "sharing\0backend": neither contains a NUL. NULL when out of memory. */
static char *group_name(const char *sharing, const char *backend, size_t *len)
{
	size_t a = strlen(sharing), b = strlen(backend);
	char *name = malloc(a + b + 2);
	if (name) {
		memcpy(name, sharing, a + 1);
		memcpy(name + a + 1, backend, b + 1);
		*len = a + b + 1;
	}
	return name;
}

struct share_group *share_find(const struct shares *s, const char *sharing, const char *backend)
{
	size_t len;
	char *name = *sharing && map_len(&s->groups) ? group_name(sharing, backend, &len) : NULL;
	struct share_group *g = name ? map_get_n(&s->groups, name, len) : NULL;
	free(name);
	return g;
}

struct share_group *share_get(struct shares *s, const char *sharing, const char *backend)
{
	size_t len;
	char *name = group_name(sharing, backend, &len);
	struct share_group *g = name ? map_get_n(&s->groups, name, len) : NULL;
	if (!name || g) {
		free(name);
		return g;
	}
	g = calloc(1, sizeof *g);
	if (!g) {
		free(name);
		return NULL;
	}
	map_init(&g->ports);
	g->name = name;
	g->name_len = len;
	if (map_set_n(&s->groups, name, len, g, NULL) < 0) {
		group_free(g);
		return NULL;
	}
	return g;
}

const char *share_backend(const struct share_group *g)
{
	return g->name + strlen(g->name) + 1;
}

int share_add_ip(struct share_group *g, uint32_t span, addr_t a)
{
	return otree_add(&g->ips[fam_of(a)], place(span, a)) ? 0 : -ENOMEM;
}

void share_remove_ip(struct share_group *g, uint32_t span, addr_t a)
{
	otree_remove(&g->ips[fam_of(a)], place(span, a));
}

static struct share_port *port_of(const struct share_group *g, uint32_t port)
{
	return map_get_n(&g->ports, &port, sizeof port);
}

static int add_port(struct share_group *g, uint32_t span, addr_t a, uint32_t port)
{
	struct share_port *p = port_of(g, port);
	if (!p) {
		p = calloc(1, sizeof *p);
		if (!p || map_set_n(&g->ports, &port, sizeof port, p, NULL) < 0) {
			free(p);
			return -ENOMEM;
		}
	}
	return otree_add(&p->ips[fam_of(a)], place(span, a)) ? 0 : -ENOMEM;
}

static void remove_port(struct share_group *g, uint32_t span, addr_t a, uint32_t port)
{
	struct share_port *p = port_of(g, port);
	if (!p)
		return;
	otree_remove(&p->ips[fam_of(a)], place(span, a));
	if (otree_count(&p->ips[FAM_V4]) + otree_count(&p->ips[FAM_V6]) > 0)
		return;
	map_del_n(&g->ports, &port, sizeof port);
	port_free(p);
}

int share_add_ports(struct share_group *g, uint32_t span, addr_t a, struct port_list ports)
{
	for (size_t i = 0; i < ports.n; i++) {
		if (add_port(g, span, a, ports.v[i]) == 0)
			continue;
		share_remove_ports(g, span, a, (struct port_list){ ports.v, i });
		return -ENOMEM;
	}
	return 0;
}

void share_remove_ports(struct share_group *g, uint32_t span, addr_t a, struct port_list ports)
{
	for (size_t i = 0; i < ports.n; i++)
		remove_port(g, span, a, ports.v[i]);
}

bool share_port_used(const struct share_group *g, uint32_t span, addr_t a, uint32_t port)
{
	const struct share_port *p = port_of(g, port);
	return p && otree_find(&p->ips[fam_of(a)], place(span, a));
}

void share_drop(struct shares *s, struct share_group *g)
{
	if (otree_count(&g->ips[FAM_V4]) + otree_count(&g->ips[FAM_V6]) > 0)
		return;
	map_del_n(&s->groups, g->name, g->name_len);
	group_free(g);
}

/* The first member of `all` behind `at` that is not in `used`. `used` is a subset of `all` and has `at`: from
 * there on the two run side by side until the member that is looked for. */
static const struct onode *first_outside(const struct otree *all, const struct otree *used, struct okey at)
{
	size_t a = otree_rank(all, at), u = otree_rank(used, at);
	size_t low = 0, high = otree_count(used) - u - 1; /* the two are equal at low; not known above it */
	while (low < high) {
		size_t mid = low + (high - low + 1) / 2;
		const struct onode *x = otree_nth(all, a + mid), *y = otree_nth(used, u + mid);
		if (x && okey_cmp(x->key, y->key) == 0)
			low = mid;
		else
			high = mid - 1;
	}
	return otree_nth(all, a + low + 1);
}

/* One of the ports that is in use at `at`, as the set of its addresses; NULL when all are free there. */
static const struct otree *blocked_by(const struct share_group *g, unsigned fam, struct okey at,
				      struct port_list ports)
{
	for (size_t i = 0; i < ports.n; i++) {
		const struct share_port *p = port_of(g, ports.v[i]);
		if (p && otree_find(&p->ips[fam], at))
			return &p->ips[fam];
	}
	return NULL;
}

bool share_first(const struct share_group *g, unsigned fam, struct okey from, struct okey to,
		 struct port_list ports, uint32_t *ret_span, addr_t *ret)
{
	const struct otree *all = &g->ips[fam], *used;
	const struct onode *n = otree_at_or_above(all, from);
	while (n && okey_cmp(n->key, to) <= 0 && (used = blocked_by(g, fam, n->key, ports)))
		n = first_outside(all, used, n->key);
	if (!n || okey_cmp(n->key, to) > 0)
		return false;
	*ret_span = n->key.space;
	*ret = ipnum_addr(fam == FAM_V6 ? FAMILY_V6 : FAMILY_V4, n->key.at);
	return true;
}
