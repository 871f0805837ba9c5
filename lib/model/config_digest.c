/* The digest of a compiled configuration: SipHash-2-4 with a fixed key over a canonical serialisation, so
 * that equal configurations are recognised across objects' order, daemons and nodes. No defence against
 * forgery. Pure. */
#include <string.h>

#include "lib/base/strbuf.h"
#include "lib/model/compile.h"

static void put_u64(struct strbuf *b, uint64_t v)
{
	char bytes[8];
	for (int i = 0; i < 8; i++)
		bytes[i] = (char)(unsigned char)(v >> (8 * i));
	strbuf_add_n(b, bytes, sizeof bytes);
}

/* Length first, so that neighbours cannot run into each other; NULL differs from empty. */
static void put_text(struct strbuf *b, const char *s)
{
	put_u64(b, s ? strlen(s) + 1 : 0);
	if (s)
		strbuf_add(b, s);
}

static void put_addr(struct strbuf *b, addr_t a)
{
	put_u64(b, a.family);
	for (size_t i = 0; i < sizeof a.bytes; i++)
		strbuf_char(b, (char)a.bytes[i]);
}

static void put_names(struct strbuf *b, const struct name_set *s)
{
	put_u64(b, s->n);
	for (size_t i = 0; i < s->n; i++)
		put_text(b, s->v[i]);
}

static void put_nodes(struct strbuf *b, const struct node_set *s)
{
	put_u64(b, s->all);
	put_names(b, &s->names);
}

static void put_selectors(struct strbuf *b, const struct selectors *s)
{
	put_u64(b, s->n);
	for (size_t i = 0; i < s->n; i++)
		put_text(b, s->v[i].text);
}

static void put_pool(struct strbuf *b, const struct pool *p)
{
	put_text(b, p->name);
	put_u64(b, p->auto_assign);
	put_u64(b, p->avoid_buggy);
	put_u64(b, p->n_ranges);
	for (size_t i = 0; i < p->n_ranges; i++) {
		put_addr(b, p->ranges[i].first);
		put_addr(b, p->ranges[i].last);
	}
	put_u64(b, p->pinned);
	put_u64(b, (uint64_t)p->priority);
	put_u64(b, p->namespaces_restricted);
	put_names(b, &p->namespaces);
	put_selectors(b, &p->service_selectors);
	put_u64(b, p->n_l2_ads);
	for (size_t i = 0; i < p->n_l2_ads; i++)
		put_text(b, p->l2_ads[i]->name);
	put_u64(b, p->n_bgp_ads);
	for (size_t i = 0; i < p->n_bgp_ads; i++)
		put_text(b, p->bgp_ads[i]->name);
}

static void put_peer(struct strbuf *b, const struct peer *p)
{
	const uint64_t numbers[] = { p->my_asn,		  p->peer_asn,	  p->local_asn,
				     p->dynamic_asn,	  p->port,	  p->has_hold,
				     p->has_keepalive,	  p->has_connect, p->hold_s,
				     p->keepalive_s,	  p->connect_s,	  p->has_password,
				     p->graceful_restart, p->multi_hop,	  p->dual_stack };
	put_text(b, p->name);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		put_u64(b, numbers[i]);
	put_addr(b, p->address);
	put_addr(b, p->source);
	put_addr(b, p->router_id);
	put_text(b, p->interface);
	put_nodes(b, &p->nodes);
	put_text(b, p->password_secret);
	put_text(b, p->bfd_profile);
	put_text(b, p->vrf);
}

static void put_bfd_profile(struct strbuf *b, const struct bfd_profile *p)
{
	put_text(b, p->name);
	put_u64(b, p->receive_ms);
	put_u64(b, p->transmit_ms);
	put_u64(b, p->multiplier);
	put_u64(b, p->echo_ms);
	put_u64(b, p->minimum_ttl);
	put_u64(b, p->echo_mode);
	put_u64(b, p->passive_mode);
}

static void put_l2_ad(struct strbuf *b, const struct l2_ad *a)
{
	put_text(b, a->name);
	put_nodes(b, &a->nodes);
	put_u64(b, a->all_interfaces);
	put_names(b, &a->interfaces);
	put_selectors(b, &a->services);
	put_u64(b, a->n_scores);
	for (size_t i = 0; i < a->n_scores; i++) {
		put_text(b, a->scores[i].node);
		put_u64(b, (uint64_t)a->scores[i].score);
	}
}

static void put_bgp_ad(struct strbuf *b, const struct bgp_ad *a)
{
	put_text(b, a->name);
	put_nodes(b, &a->nodes);
	put_selectors(b, &a->services);
	put_u64(b, a->aggregation_v4);
	put_u64(b, a->aggregation_v6);
	put_u64(b, a->local_pref);
	put_u64(b, a->n_communities);
	for (size_t i = 0; i < a->n_communities; i++) {
		put_u64(b, a->communities[i].large);
		for (int j = 0; j < 3; j++)
			put_u64(b, a->communities[i].v[j]);
	}
	put_names(b, &a->peers);
}

uint64_t config_digest(const struct config *c, bool *oom)
{
	static const uint8_t key[16] = { 'i', 'n', 'g', 'o', 't' };
	struct strbuf b = { 0 };
	put_u64(&b, c->n_pools);
	for (size_t i = 0; i < c->n_pools; i++)
		put_pool(&b, &c->pools[i]);
	put_u64(&b, c->n_peers);
	for (size_t i = 0; i < c->n_peers; i++)
		put_peer(&b, &c->peers[i]);
	put_u64(&b, c->n_bfd_profiles);
	for (size_t i = 0; i < c->n_bfd_profiles; i++)
		put_bfd_profile(&b, &c->bfd_profiles[i]);
	put_u64(&b, c->n_l2_ads);
	for (size_t i = 0; i < c->n_l2_ads; i++)
		put_l2_ad(&b, &c->l2_ads[i]);
	put_u64(&b, c->n_bgp_ads);
	for (size_t i = 0; i < c->n_bgp_ads; i++)
		put_bgp_ad(&b, &c->bgp_ads[i]);
	uint64_t digest = siphash24(key, strbuf_get(&b), b.len);
	*oom |= b.oom;
	strbuf_fini(&b);
	return digest;
}
