/* A compiled configuration as lines of text, for comparison in tests. */
#include <inttypes.h>

#include "tests/unit/model/build.h"

static void put(struct strbuf *b, const char *text)
{
	for (; *text; text++)
		strbuf_char(b, *text == ' ' ? '_' : *text);
}

static void put_names(struct strbuf *b, const char *field, const struct name_set *s)
{
	strbuf_fmt(b, " %s=", field);
	for (size_t i = 0; i < s->n; i++) {
		strbuf_add(b, i ? "," : "");
		put(b, s->v[i]);
	}
}

static void put_nodes(struct strbuf *b, const struct node_set *s)
{
	if (s->all)
		strbuf_add(b, " nodes=all");
	else
		put_names(b, "nodes", &s->names);
}

static void put_selectors(struct strbuf *b, const struct selectors *s)
{
	strbuf_add(b, " services=");
	for (size_t i = 0; i < s->n; i++) {
		strbuf_add(b, i ? "|" : "");
		put(b, s->v[i].text);
	}
}

static void put_addr(struct strbuf *b, const char *field, addr_t a)
{
	char text[ADDR_TEXT];
	strbuf_fmt(b, " %s=%s", field, a.family ? addr_text(a, text) : "");
}

static const char *yes(bool v)
{
	return v ? "yes" : "no";
}

static void dump_pool(struct strbuf *b, const struct pool *p)
{
	char text[PREFIX_TEXT];
	strbuf_fmt(b, "pool %s auto=%s buggy=%s v4=%s v6=%s prefixes=", p->name, yes(p->auto_assign),
		   yes(p->avoid_buggy), yes(p->has_v4), yes(p->has_v6));
	for (size_t i = 0; i < p->n_prefixes; i++)
		strbuf_fmt(b, "%s%s", i ? "," : "", prefix_text(p->prefixes[i], text));
	strbuf_fmt(b, " ranges=%zu pinned=%s priority=%" PRId64 " restricted=%s", p->n_ranges, yes(p->pinned),
		   p->priority, yes(p->namespaces_restricted));
	put_names(b, "namespaces", &p->namespaces);
	put_selectors(b, &p->service_selectors);
	strbuf_add(b, " l2=");
	for (size_t i = 0; i < p->n_l2_ads; i++)
		strbuf_fmt(b, "%s%s", i ? "," : "", p->l2_ads[i]->name);
	strbuf_add(b, " bgp=");
	for (size_t i = 0; i < p->n_bgp_ads; i++)
		strbuf_fmt(b, "%s%s", i ? "," : "", p->bgp_ads[i]->name);
	strbuf_char(b, '\n');
}

static void put_seconds(struct strbuf *b, const char *field, bool has, uint32_t seconds)
{
	if (has)
		strbuf_fmt(b, " %s=%" PRIu32, field, seconds);
	else
		strbuf_fmt(b, " %s=unset", field);
}

static void dump_peer(struct strbuf *b, const struct peer *p)
{
	static const char *const dynamic[] = { "none", "internal", "external" };
	strbuf_fmt(b,
		   "peer %s my_asn=%" PRIu32 " peer_asn=%" PRIu32 " local_asn=%" PRIu32 " dynamic=%s port=%u",
		   p->name, p->my_asn, p->peer_asn, p->local_asn, dynamic[p->dynamic_asn], p->port);
	put_addr(b, "address", p->address);
	put_addr(b, "source", p->source);
	put_addr(b, "router_id", p->router_id);
	put_seconds(b, "hold", p->has_hold, p->hold_s);
	put_seconds(b, "keepalive", p->has_keepalive, p->keepalive_s);
	put_seconds(b, "connect", p->has_connect, p->connect_s);
	put_nodes(b, &p->nodes);
	strbuf_fmt(b, " interface=%s vrf=%s password=%s secret=%s bfd=%s gr=%s multihop=%s dual=%s\n",
		   p->interface ? p->interface : "", p->vrf ? p->vrf : "", yes(p->has_password),
		   p->password_secret ? p->password_secret : "", p->bfd_profile ? p->bfd_profile : "",
		   yes(p->graceful_restart), yes(p->multi_hop), yes(p->dual_stack));
}

static void dump_l2(struct strbuf *b, const struct l2_ad *a)
{
	strbuf_fmt(b, "l2 %s", a->name);
	put_nodes(b, &a->nodes);
	if (a->all_interfaces)
		strbuf_add(b, " interfaces=all");
	else
		put_names(b, "interfaces", &a->interfaces);
	put_selectors(b, &a->services);
	strbuf_add(b, " scores=");
	for (size_t i = 0; i < a->n_scores; i++)
		strbuf_fmt(b, "%s%s:%" PRId64, i ? "," : "", a->scores[i].node, a->scores[i].score);
	strbuf_char(b, '\n');
}

static void dump_bgp(struct strbuf *b, const struct bgp_ad *a)
{
	char text[COMMUNITY_TEXT];
	strbuf_fmt(b, "bgp %s v4=%u v6=%u pref=%" PRIu32 " communities=", a->name, a->aggregation_v4,
		   a->aggregation_v6, a->local_pref);
	for (size_t i = 0; i < a->n_communities; i++)
		strbuf_fmt(b, "%s%s", i ? "," : "", community_text(a->communities[i], text));
	put_names(b, "peers", &a->peers);
	put_nodes(b, &a->nodes);
	put_selectors(b, &a->services);
	strbuf_char(b, '\n');
}

void dump_config(struct strbuf *out, const struct config *c)
{
	for (size_t i = 0; i < c->n_pools; i++)
		dump_pool(out, &c->pools[i]);
	for (size_t i = 0; i < c->n_peers; i++)
		dump_peer(out, &c->peers[i]);
	for (size_t i = 0; i < c->n_bfd_profiles; i++) {
		const struct bfd_profile *p = &c->bfd_profiles[i];
		strbuf_fmt(
		    out,
		    "bfd %s receive=%u transmit=%u multiplier=%u echo=%u ttl=%u echo_mode=%s passive=%s\n",
		    p->name, p->receive_ms, p->transmit_ms, p->multiplier, p->echo_ms, p->minimum_ttl,
		    yes(p->echo_mode), yes(p->passive_mode));
	}
	for (size_t i = 0; i < c->n_l2_ads; i++)
		dump_l2(out, &c->l2_ads[i]);
	for (size_t i = 0; i < c->n_bgp_ads; i++)
		dump_bgp(out, &c->bgp_ads[i]);
}
