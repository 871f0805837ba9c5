/* The table of interfaces and the rules that make one usable for ARP and NDP. Pure; runs in l2d. It may not
 * ask the kernel. The rules are MetalLB's (up, not enslaved, not NOARP, broadcast for ARP, a link-local
 * address for NDP, not excluded by name), and besides: carrier, Ethernet with a hardware address, not a
 * loopback. */
#include "l2d/links.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"

enum { MIN_ROUTER_LIFETIME_S = 60 };

void links_init(struct links *l, bool can_announce)
{
	*l = (struct links){ .can_announce = can_announce };
	map_init(&l->by_index);
}

static void link_free(void *value)
{
	struct link *k = value;
	if (k)
		free(k->addrs);
	free(k);
}

void links_fini(struct links *l)
{
	if (l)
		map_fini(&l->by_index, link_free);
}

struct link *links_get(const struct links *l, uint32_t index)
{
	return map_get_n(&l->by_index, &index, sizeof index);
}

static void mark_changed(struct links *l, struct link *k)
{
	k->changed = true;
	if (k->listed)
		return;
	k->listed = true;
	k->next_changed = l->changed;
	l->changed = k;
}

struct link *links_take_changed(struct links *l)
{
	while (l->changed) {
		struct link *k = l->changed;
		l->changed = k->next_changed;
		k->listed = false;
		if (k->changed) {
			k->changed = false;
			return k;
		}
	}
	return NULL;
}

static addr_t find_link_local(const struct link *k)
{
	addr_t best = { 0 };
	for (size_t i = 0; i < k->n_addrs; i++) {
		addr_t a = k->addrs[i].addr;
		if (a.family == FAMILY_V6 && addr_is_link_local(a) && !k->addrs[i].tentative &&
		    (best.family == FAMILY_NONE || addr_cmp(a, best) < 0))
			best = a;
	}
	return best;
}

/* Derive the outward state from what the kernel told; mark the link when it differs from before. */
static void judge(struct links *l, struct link *k)
{
	const struct link_msg *m = &k->told;
	bool up = (m->flags & IFF_UP) && (m->flags & IFF_LOWER_UP);
	bool excluded = exclude_matches(l->exclude, m->name);
	bool enslaved = m->master != 0;
	bool usable = l->can_announce && up && !excluded && !enslaved &&
		      !(m->flags & (IFF_NOARP | IFF_LOOPBACK)) && m->type == ARPHRD_ETHER && m->has_mac &&
		      mac_is_unicast(m->mac);
	bool arp = usable && (m->flags & IFF_BROADCAST);
	addr_t ll = find_link_local(k);
	bool ndp = usable && ll.family != FAMILY_NONE;
	bool same = up == k->up && excluded == k->excluded && enslaved == k->enslaved && arp == k->arp &&
		    ndp == k->ndp && addr_eq(ll, k->link_local) && strcmp(k->name, m->name) == 0 &&
		    mac_eq(k->mac, m->mac);
	k->up = up;
	k->excluded = excluded;
	k->enslaved = enslaved;
	k->arp = arp;
	k->ndp = ndp;
	k->link_local = ll;
	memcpy(k->name, m->name, sizeof k->name);
	memcpy(k->mac, m->mac, MAC_LEN);
	if (!same)
		mark_changed(l, k);
}

int links_new(struct links *l, const struct link_msg *m)
{
	struct link *k = links_get(l, m->index);
	if (!k) {
		if (map_len(&l->by_index) >= LINKS_MAX) {
			l->refused++;
			return -ENOSPC;
		}
		if (!(k = calloc(1, sizeof *k)) ||
		    map_set_n(&l->by_index, &m->index, sizeof m->index, k, NULL) < 0) {
			free(k);
			return -ENOMEM;
		}
		k->index = m->index;
		mark_changed(l, k);
	}
	k->told = *m;
	k->told.name[LINK_NAME - 1] = 0;
	k->seen = l->generation;
	judge(l, k);
	return 0;
}

void links_del(struct links *l, uint32_t index)
{
	struct link *k = map_del_n(&l->by_index, &index, sizeof index);
	for (struct link **at = &l->changed; k && k->listed && *at; at = &(*at)->next_changed)
		if (*at == k) {
			*at = k->next_changed;
			break;
		}
	link_free(k);
}

static struct link_addr *find_addr(const struct link *k, const struct addr_msg *m)
{
	for (size_t i = 0; i < k->n_addrs; i++)
		if (k->addrs[i].prefix_len == m->prefix_len && addr_eq(k->addrs[i].addr, m->addr))
			return &k->addrs[i];
	return NULL;
}

static struct link_addr *add_addr(struct links *l, struct link *k)
{
	struct link_addr *v = NULL;
	if (k->n_addrs < LINK_MAX_ADDRS)
		v = realloc(k->addrs, (k->n_addrs + 1) * sizeof *v);
	if (!v) {
		l->refused++;
		return NULL;
	}
	k->addrs = v;
	return &v[k->n_addrs++];
}

void links_new_addr(struct links *l, const struct addr_msg *m)
{
	struct link *k = links_get(l, m->index);
	if (!k)
		return;
	bool tentative = (m->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) && !(m->flags & IFA_F_OPTIMISTIC);
	struct link_addr *a = find_addr(k, m);
	if (!a) {
		if (!(a = add_addr(l, k)))
			return;
		mark_changed(l, k);
	}
	*a = (struct link_addr){ m->addr, m->prefix_len, tentative, l->generation };
	judge(l, k);
}

static void remove_addr(struct links *l, struct link *k, struct link_addr *a)
{
	*a = k->addrs[--k->n_addrs];
	mark_changed(l, k);
	judge(l, k);
}

void links_del_addr(struct links *l, const struct addr_msg *m)
{
	struct link *k = links_get(l, m->index);
	struct link_addr *a = k ? find_addr(k, m) : NULL;
	if (a)
		remove_addr(l, k, a);
}

void links_set_exclude(struct links *l, const struct exclude *e)
{
	l->exclude = e;
	map_each (&l->by_index, entry)
		judge(l, entry->value);
}

static size_t forget_routers(struct link *k, mono_t now)
{
	size_t kept = 0;
	for (size_t i = 0; i < k->n_routers; i++)
		if (!mono_reached(now, k->routers[i].until))
			k->routers[kept++] = k->routers[i];
	size_t gone = k->n_routers - kept;
	k->n_routers = kept;
	return gone;
}

void links_router(struct links *l, uint32_t index, addr_t router, uint16_t lifetime_s, mono_t now)
{
	struct link *k = links_get(l, index);
	if (!k)
		return;
	bool changed = forget_routers(k, now) > 0;
	int64_t lifetime = lifetime_s > MIN_ROUTER_LIFETIME_S ? lifetime_s : MIN_ROUTER_LIFETIME_S;
	struct link_router *r = NULL;
	for (size_t i = 0; i < k->n_routers; i++)
		if (addr_eq(k->routers[i].addr, router))
			r = &k->routers[i];
	if (!r && k->n_routers < LINK_MAX_ROUTERS) {
		r = &k->routers[k->n_routers++];
		changed = true;
	}
	if (r)
		*r = (struct link_router){ router, mono_add(now, SEC(lifetime)) };
	else
		l->refused++;
	if (changed)
		mark_changed(l, k);
}

void links_dump_begin(struct links *l)
{
	l->generation++;
}

void links_dump_end(struct links *l)
{
	map_each (&l->by_index, entry) {
		struct link *k = entry->value;
		for (size_t i = k->n_addrs; i-- > 0;)
			if (k->addrs[i].seen != l->generation)
				remove_addr(l, k, &k->addrs[i]);
	}
}

const struct link *links_unseen(const struct links *l)
{
	for (const struct map_entry *e = l->by_index.head; e; e = e->next) {
		const struct link *k = e->value;
		if (k->seen != l->generation)
			return k;
	}
	return NULL;
}
