/* The list documents: services, pools, peers, members, owners, status. Pure joins over the copied topics. */
#include "statusd/documents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/objects.h"
#include "lib/model/service.h"

json_t *json_texts(char *const *v, size_t n)
{
	json_t *array = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, json_string(v[i]));
	return array;
}

/* {"name": [...]} with one item per table entry, in key order, so that two answers can be compared. */
static int by_key(const void *a, const void *b)
{
	return strcmp((*(const struct row *const *)a)->key, (*(const struct row *const *)b)->key);
}

static json_t *list_of(const struct state *s, enum topic t, const char *name,
		       json_t *(*item)(struct look *l, const char *key, const void *message, void *ctx),
		       void *ctx)
{
	size_t n = 0, len = hashtab_len(s->table[t]);
	const struct row **sorted = calloc(len + 1, sizeof *sorted);
	json_t *array = json_array();

	if (!sorted || !array) {
		free(sorted);
		json_decref(array);
		return NULL;
	}
	hashtab_each (s->table[t], node)
		sorted[n++] = (const struct row *)node;
	qsort(sorted, n, sizeof *sorted, by_key);
	for (size_t i = 0; i < n; i++) {
		struct look l;
		look_begin(&l, s);
		const void *message = look_into(&l, t, sorted[i]);
		json_t *o = message ? item(&l, sorted[i]->key, message, ctx) : NULL;
		if (o)
			json_array_append_new(array, o);
		look_end(&l);
	}
	free(sorted);
	return json_pack("{s:o}", name, array);
}

static json_t *addresses_of(const Ingot__Service *service, const Ingot__Assignment *a, bool *confirmed)
{
	json_t *array = json_array();
	*confirmed = false;
	for (size_t i = 0; i < service->n_ingress; i++) {
		if (!*service->ingress[i]->ip)
			continue;
		json_array_append_new(array, json_string(service->ingress[i]->ip));
		*confirmed = true;
	}
	if (!*confirmed && a)
		for (size_t i = 0; i < a->n_ips; i++)
			json_array_append_new(array, json_string(a->ips[i]));
	return array;
}

static json_t *l2_part(struct look *l, const char *key)
{
	const Ingot__L2ServiceState *l2 = look_at(l, TOPIC_L2_SERVICES, key);
	if (!l2)
		return json_pack("{s:s, s:s, s:[], s:b}", "owner", "", "reason", "", "interfaces",
				 "announcing", 0);
	return json_pack("{s:s, s:s, s:o, s:b, s:b}", "owner", l2->owner, "reason", l2->reason, "interfaces",
			 json_texts(l2->interfaces, l2->n_interfaces), "all_interfaces",
			 (int)l2->all_interfaces, "announcing", (int)l2->announcing);
}

static json_t *bgp_part(struct look *l, const char *key)
{
	const Ingot__BgpServiceState *b = look_at(l, TOPIC_BGP_SERVICES, key);
	if (!b)
		return json_pack("{s:[], s:[], s:[], s:s}", "prefixes", "peers", "established", "reason", "");
	return json_pack("{s:o, s:o, s:o, s:s}", "prefixes", json_texts(b->prefixes, b->n_prefixes), "peers",
			 json_texts(b->peers, b->n_peers), "established",
			 json_texts(b->established, b->n_established), "reason", b->reason);
}

static json_t *service_item(struct look *l, const char *key, const void *message, void *ctx)
{
	const Ingot__Service *service = message;
	const struct serving *serving = serving_of(ctx, key);
	const Ingot__Assignment *a = look_at(l, TOPIC_ASSIGNMENTS, key);
	const char *pool = service_annotation(service, ANNOTATION_FROM_POOL);
	bool confirmed;

	if (!service->meta || !service_is_load_balancer(service))
		return NULL;
	json_t *nodes = json_array(), *addresses = addresses_of(service, a, &confirmed);
	for (size_t i = 0; i < serving->n_nodes; i++)
		json_array_append_new(nodes, json_string(serving->nodes[i]));
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:b, s:{s:I, s:o}, s:o, s:o}", "namespace",
			 service->meta->namespace_, "name", service->meta->name, "type", service->type,
			 "addresses", addresses, "pool",
			 a && *a->pool ? a->pool
			 : pool	       ? pool
				       : "",
			 "reason", a ? a->reason : "", "message", a ? a->message : "", "confirmed",
			 (int)confirmed, "endpoints", "serving", (json_int_t)serving->n, "nodes", nodes, "l2",
			 l2_part(l, key), "bgp", bgp_part(l, key));
}

json_t *document_services(const struct state *s)
{
	struct serving_index index;
	if (serving_index_build(s, &index) < 0)
		return NULL;
	json_t *document = list_of(s, TOPIC_SERVICES, "services", service_item, &index);
	serving_index_fini(&index);
	return document;
}

static json_t *pool_item(struct look *l, const char *key, const void *message, void *ctx)
{
	const Ingot__IPAddressPool *p = message;
	(void)key;
	(void)ctx;
	if (!p->meta)
		return NULL;
	const Ingot__PoolStatus *st = look_at(l, TOPIC_POOL_STATUS, p->meta->name);
	return json_pack("{s:s, s:s, s:o, s:b, s:b, s:I, s:I, s:I, s:I}", "name", p->meta->name, "namespace",
			 p->meta->namespace_, "addresses", json_texts(p->addresses, p->n_addresses),
			 "auto_assign", p->auto_assign != INGOT__TRISTATE__NO, "known", st != NULL,
			 "assigned_v4", (json_int_t)(st ? st->assigned_v4 : 0), "available_v4",
			 (json_int_t)(st ? st->available_v4 : 0), "assigned_v6",
			 (json_int_t)(st ? st->assigned_v6 : 0), "available_v6",
			 (json_int_t)(st ? st->available_v6 : 0));
}

json_t *document_pools(const struct state *s)
{
	return list_of(s, TOPIC_POOLS, "pools", pool_item, NULL);
}

static json_t *peer_item(struct look *l, const char *key, const void *message, void *ctx)
{
	const Ingot__BgpPeerState *p = message;
	(void)l;
	(void)ctx;
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:I, s:I, s:I, s:I}", "name", key,
			      "address", p->address, "state", p->state, "reason", p->reason, "remote_as",
			      (json_int_t)p->remote_as, "local_as", (json_int_t)p->local_as, "families",
			      json_texts(p->families, p->n_families), "prefixes_wanted",
			      (json_int_t)p->prefixes_wanted, "prefixes_sent", (json_int_t)p->prefixes_sent,
			      "hold_s", (json_int_t)p->hold_s, "keepalive_s", (json_int_t)p->keepalive_s);
	json_t *more = json_pack(
	    "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:s}", "established_ms",
	    (json_int_t)p->established_ms, "times_established", (json_int_t)p->times_established,
	    "times_adopted", (json_int_t)p->times_adopted, "drops", (json_int_t)p->drops, "updates_sent",
	    (json_int_t)p->updates_sent, "updates_received", (json_int_t)p->updates_received,
	    "notifications_sent", (json_int_t)p->notifications_sent, "notifications_received",
	    (json_int_t)p->notifications_received, "last_error", p->last_error, "router_id", p->router_id,
	    "local_address", p->local_address, "vrf", p->vrf);
	json_object_update(o, more);
	json_decref(more);
	return o;
}

json_t *document_peers(const struct state *s)
{
	return list_of(s, TOPIC_BGP_PEERS, "peers", peer_item, NULL);
}

static const char *mac_text(const ProtobufCBinaryData *mac, char buf[static 18])
{
	buf[0] = '\0';
	if (mac->len == 6)
		snprintf(buf, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac->data[0], mac->data[1], mac->data[2],
			 mac->data[3], mac->data[4], mac->data[5]);
	return buf;
}

static json_t *member_item(struct look *l, const char *key, const void *message, void *ctx)
{
	static const char *const states[] = { "alive", "suspect", "dead", "left" };
	const Ingot__Member *m = message;
	json_t *links = json_array();
	char mac[18];

	(void)l;
	(void)ctx;
	for (size_t i = 0; i < m->n_links; i++)
		json_array_append_new(links, json_pack("{s:s, s:s, s:b}", "name", m->links[i]->name, "mac",
						       mac_text(&m->links[i]->mac, mac), "up",
						       (int)m->links[i]->up));
	return json_pack("{s:s, s:s, s:I, s:s, s:b, s:o}", "name", key, "state",
			 (unsigned)m->state < 4 ? states[m->state] : "unknown", "incarnation",
			 (json_int_t)m->incarnation, "address", m->address, "self", (int)m->self, "links",
			 links);
}

json_t *document_members(const struct state *s)
{
	return list_of(s, TOPIC_MEMBERS, "members", member_item, NULL);
}

/* l2d's own word on an address: is it announced on any interface, and who else answers for it. */
struct l2_facts {
	bool announcing;
	char conflict[18];
};

/* One pass over the announcements: address -> struct l2_facts. False on out of memory. */
static bool l2_facts_add(struct map *facts, const char *key, const Ingot__L2Announcement *a)
{
	const char *percent = strchr(key, '%');
	if (!a || !percent)
		return true;
	size_t len = (size_t)(percent - key);
	struct l2_facts *f = map_get_n(facts, key, len);
	if (!f) {
		f = calloc(1, sizeof *f);
		if (!f || map_set_n(facts, key, len, f, NULL) < 0) {
			free(f);
			return false;
		}
	}
	f->announcing |= a->announcing;
	if (a->conflict_mac.len)
		mac_text(&a->conflict_mac, f->conflict);
	return true;
}

static json_t *owner_item(struct look *l, const char *key, const void *message, void *ctx)
{
	static const struct l2_facts none;
	const Ingot__Ownership *o = message;
	const struct l2_facts *f = map_get(ctx, key);

	(void)l;
	f = f ? f : &none;
	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:o, s:s, s:b, s:s, s:I}", "address", key, "owner",
			 o->owner, "successor", o->successor, "mine", (int)o->mine, "all_interfaces",
			 (int)o->all_interfaces, "interfaces", json_texts(o->interfaces, o->n_interfaces),
			 "services", json_texts(o->services, o->n_services), "why", o->why, "announcing",
			 (int)f->announcing, "conflict_mac", f->conflict, "term", (json_int_t)o->term);
}

json_t *document_owners(const struct state *s)
{
	struct map facts = { 0 };
	bool ok = true;
	hashtab_each (s->table[TOPIC_L2], node) {
		const struct row *r = (const struct row *)node;
		struct look l;
		look_begin(&l, s);
		ok = ok && l2_facts_add(&facts, r->key, look_into(&l, TOPIC_L2, r));
		look_end(&l);
	}
	json_t *document = ok ? list_of(s, TOPIC_OWNERSHIP, "owners", owner_item, &facts) : NULL;
	map_fini(&facts, free);
	return document;
}
