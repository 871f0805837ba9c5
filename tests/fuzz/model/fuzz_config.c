/* A list of encoded objects, each {kind, 16-bit length, message}: compile them in both orders, look
 * everything up, decide about every Service. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cur.h"
#include "lib/base/must.h"
#include "lib/model/announce.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { MAX_RECORDS = 64 };
static const char ns[] = "metallb-system";

struct record {
	enum kind kind;
	const uint8_t *data;
	size_t len;
};

static size_t split(const uint8_t *data, size_t len, struct record *v)
{
	struct cur c = cur_of(data, len);
	size_t n = 0;
	while (n < MAX_RECORDS && cur_left(&c) > 0) {
		v[n].kind = (enum kind)(cur_u8(&c) % KIND_N);
		v[n].len = cur_u16(&c);
		v[n].data = cur_take(&c, v[n].len);
		if (c.bad)
			break;
		n++;
	}
	return n;
}

/* False when it cannot be decoded or an object of this name is already there. */
static bool put(struct objects *o, const struct record *r)
{
	char key[OBJECT_KEY];
	ProtobufCMessage *m = protobuf_c_message_unpack(kind_descriptor(r->kind), NULL, r->len, r->data);
	if (!m)
		return false;
	const Ingot__ObjectMeta *meta = object_meta(r->kind, m);
	object_key(meta ? meta->namespace_ : "", meta ? meta->name : "", key);
	if (objects_get(o, r->kind, key)) {
		protobuf_c_message_free_unpacked(m, NULL);
		return false;
	}
	return objects_put(o, r->kind, key, m) == 0;
}

static struct config *compile(const struct objects *o)
{
	struct config_input in = { o, ns, true };
	struct diags d = { 0 };
	struct config *c = NULL;
	must(config_compile(&in, &d, &c) == 0);
	must(d.n <= DIAGS_CAP && d.n_errors <= d.n + d.n_dropped);
	diags_fini(&d);
	return c;
}

static void check(const struct config *c)
{
	for (size_t i = 0; i < c->n_spans; i++) {
		const struct pool_span *s = &c->spans[i];
		must(i == 0 || addr_cmp(c->spans[i - 1].range.last, s->range.first) < 0);
		must(pool_contains(s->pool, s->range.first) || addr_is_buggy(s->range.first));
		const struct pool *p = config_pool_of(c, s->range.last);
		must(!p || p == s->pool);
	}
	for (size_t i = 0; i < c->n_pools; i++)
		must(config_pool(c, c->pools[i].name) == &c->pools[i]);
	for (size_t i = 0; i < c->n_peers; i++)
		must(!c->peers[i].bfd_profile || config_bfd_profile(c, c->peers[i].bfd_profile));
}

static void decide(const struct config *c, const struct objects *o, const Ingot__Service *s)
{
	const Ingot__EndpointSlice *slices[MAX_RECORDS];
	struct l2_node live[MAX_RECORDS];
	size_t n_slices = 0, n_live = 0;
	struct service_addresses a;
	struct endpoints e;
	struct l2_verdict l2;
	struct bgp_verdict bgp;
	if (service_gate(c, s, s->load_balancer_class, &a) != WITHDRAW_ANNOUNCE)
		return;
	map_each (&o->by_kind[KIND_ENDPOINTS], entry) {
		slices[n_slices++] = entry->value;
	}
	map_each (&o->by_kind[KIND_NODE], entry) {
		live[n_live++] = (struct l2_node){ entry->key, entry->value, true };
	}
	const char *own = n_live ? live[0].name : "none";
	must(endpoints_collect(slices, n_slices, &e) == 0);
	must(l2_decide(&a, s, &e, live, n_live, own, false, &l2) == 0);
	must((l2.reason == WITHDRAW_ANNOUNCE) <= (strcmp(l2.owner, own) == 0));
	must(bgp_decide(&a, s, &e, own, n_live ? live[0].object : NULL, false, &bgp) == 0);
	must((bgp.reason == WITHDRAW_ANNOUNCE) == (bgp.n_routes > 0));
	l2_verdict_fini(&l2);
	bgp_verdict_fini(&bgp);
	endpoints_fini(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct record v[MAX_RECORDS];
	struct objects forward, backward;
	size_t n = split(data, len, v), kept = 0;
	objects_init(&forward);
	objects_init(&backward);
	for (size_t i = 0; i < n; i++)
		if (put(&forward, &v[i]))
			v[kept++] = v[i];
	while (kept > 0)
		put(&backward, &v[--kept]);
	struct config *a = compile(&forward), *b = compile(&backward);
	must(a->digest == b->digest);
	check(a);
	map_each (&forward.by_kind[KIND_SERVICE], entry) {
		decide(a, &forward, entry->value);
	}
	config_free(a);
	config_free(b);
	objects_fini(&forward);
	objects_fini(&backward);
	return 0;
}
