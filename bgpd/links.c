/* What l2d says about this node's interfaces: where next hops of the other family come from, and the routers
 * behind unnumbered peers. Runs in bgpd. What is said is checked; a link that is not well-formed is ignored.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bgpd/bgpd.h"
#include "proto/state.pb-c.h"

enum { ADDRESSES_PER_LINK = 16 };

struct link {
	uint32_t index;
	bool up, loopback;
	addr_t router;
	size_t n;
	addr_t v[ADDRESSES_PER_LINK];
};

static bool read_address(const char *text, addr_t *ret)
{
	size_t n = strcspn(text, "/");
	return addr_parse_n(text, n, ret);
}

static void on_upsert(void *ctx, const char *key, const ProtobufCMessage *value)
{
	struct bgpd *b = ctx;
	const Ingot__Link *m = (const Ingot__Link *)value;
	if (map_len(&b->links) >= LIMIT_INTERFACES && !map_get(&b->links, key))
		return;
	struct link *l = calloc(1, sizeof *l);
	if (!l)
		return;
	l->index = m->index;
	l->up = m->up;
	l->loopback = strcmp(key, "lo") == 0;
	for (size_t i = 0; i < m->n_addresses && l->n < ADDRESSES_PER_LINK; i++)
		l->n += read_address(m->addresses[i], &l->v[l->n]);
	for (size_t i = 0; i < m->n_routers && !l->router.family; i++)
		if (m->routers[i].len == 16)
			l->router = addr_from_bytes(FAMILY_V6, m->routers[i].data);
	void *old = NULL;
	if (map_set(&b->links, key, l, &old) < 0)
		old = l;
	free(old);
	b->links_changed = true;
	bgpd_ask_work(b);
}

static void on_remove(void *ctx, const char *key)
{
	struct bgpd *b = ctx;
	free(map_del(&b->links, key));
	b->links_changed = true;
	bgpd_ask_work(b);
}

int links_open(struct bgpd *b)
{
	static const struct topic_reader reader = { .upsert = on_upsert, .remove = on_remove };
	errno = 0;
	b->links_in = bus_subscribe(b->d->bus, TOPIC_LINKS, &reader, b);
	return b->links_in || errno == 0 ? 0 : -errno;
}

void links_close(struct bgpd *b)
{
	map_fini(&b->links, free);
}

static bool is_global(addr_t a)
{
	return !addr_is_link_local(a) && !addr_is_loopback(a) && !addr_is_multicast(a) &&
	       !addr_is_unspecified(a);
}

static addr_t first_global(const struct link *l, enum family f)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].family == f && is_global(l->v[i]))
			return l->v[i];
	return (addr_t){ 0 };
}

static bool carries(const struct link *l, addr_t a)
{
	for (size_t i = 0; i < l->n; i++)
		if (addr_eq(l->v[i], a))
			return true;
	return false;
}

addr_t links_next_hop(const struct bgpd *b, addr_t local, enum family f)
{
	addr_t any = { 0 };
	map_each (&b->links, e) {
		const struct link *l = e->value;
		addr_t a = first_global(l, f);
		if (!a.family)
			continue;
		if (carries(l, local))
			return a;
		if (!any.family && l->up && !l->loopback)
			any = a;
	}
	return any;
}

uint32_t links_index(const struct bgpd *b, const char *interface)
{
	const struct link *l = map_get(&b->links, interface);
	return l ? l->index : 0;
}

uint32_t links_router(const struct bgpd *b, const char *interface, addr_t *ret)
{
	const struct link *l = map_get(&b->links, interface);
	if (!l || !l->router.family)
		return 0;
	*ret = l->router;
	return l->index;
}
