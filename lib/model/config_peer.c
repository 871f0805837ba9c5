/* BGPPeers: one peer at a time; the rules between peers are in config_peer_pairs.c. Pure; part of the
 * configuration compiler. It sees that a password exists, never the password. RFC 4271 (timers), RFC 6286
 * (router id). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/model/compile.h"

enum { DEFAULT_PORT = 179, MAX_PORT = 16384 };
static const int64_t SECOND = 1000000000;

static bool is_asn(int64_t v)
{
	return v >= 0 && v <= UINT32_MAX;
}

static bool compile_dynamic_asn(const struct subject *s, const Ingot__BGPPeer *in, struct peer *p)
{
	char q[QUOTED];
	if (!*in->dynamic_asn)
		return true;
	if (strcmp(in->dynamic_asn, "internal") == 0) {
		p->dynamic_asn = DYNAMIC_ASN_INTERNAL;
	} else if (strcmp(in->dynamic_asn, "external") == 0) {
		p->dynamic_asn = DYNAMIC_ASN_EXTERNAL;
	} else {
		compile_error(s, "spec.dynamicASN", "invalid dynamicASN \"%s\", must be internal or external",
			      quoted(in->dynamic_asn, q));
		return false;
	}
	return true;
}

static bool compile_local_asn(const struct subject *s, const Ingot__BGPPeer *in, struct peer *p)
{
	if (!in->local_asn)
		return true;
	if (in->local_asn->value == 0 || !is_asn(in->local_asn->value)) {
		compile_error(s, "spec.localASN",
			      "invalid local ASN override %" PRId64 ", must be in 1-4294967295 range",
			      in->local_asn->value);
		return false;
	}
	p->local_asn = (uint32_t)in->local_asn->value;
	return true;
}

static bool compile_asns(const struct subject *s, const Ingot__BGPPeer *in, struct peer *p)
{
	if (in->my_asn == 0) {
		compile_error(s, "spec.myASN", "missing local ASN");
		return false;
	}
	if (!is_asn(in->my_asn) || !is_asn(in->peer_asn)) {
		compile_error(s, is_asn(in->my_asn) ? "spec.peerASN" : "spec.myASN",
			      "invalid ASN, must be in 0-4294967295 range");
		return false;
	}
	if (in->peer_asn == 0 && !*in->dynamic_asn) {
		compile_error(s, "spec.peerASN", "missing peer ASN and dynamicASN");
		return false;
	}
	if (in->peer_asn != 0 && *in->dynamic_asn) {
		compile_error(s, "spec.peerASN", "both peer ASN and dynamicASN specified");
		return false;
	}
	p->my_asn = (uint32_t)in->my_asn;
	p->peer_asn = (uint32_t)in->peer_asn;
	p->multi_hop = in->ebgp_multi_hop == INGOT__TRISTATE__YES;
	if (p->multi_hop && p->peer_asn == p->my_asn) {
		compile_error(s, "spec.ebgpMultiHop", "invalid ebgp-multihop parameter set for an ibgp peer");
		return false;
	}
	return compile_dynamic_asn(s, in, p) && compile_local_asn(s, in, p);
}

static bool parse_address(const struct subject *s, const char *field, const char *text, const char *phrase,
			  addr_t *ret)
{
	char q[QUOTED];
	if (!*text || addr_parse(text, ret))
		return true;
	compile_error(s, field, "%s \"%s\"", phrase, quoted(text, q));
	return false;
}

static bool compile_router_id(const struct subject *s, const Ingot__BGPPeer *in, struct peer *p)
{
	char q[QUOTED];
	if (!parse_address(s, "spec.routerID", in->router_id, "invalid router ID", &p->router_id))
		return false;
	if (p->router_id.family == FAMILY_NONE)
		return true;
	/* An identifier is four octets and not zero. */
	if (p->router_id.family != FAMILY_V4 || addr_is_unspecified(p->router_id)) {
		compile_error(s, "spec.routerID", "invalid router ID \"%s\", must be a non-zero IPv4 address",
			      quoted(in->router_id, q));
		return false;
	}
	return true;
}

static bool compile_addresses(const struct subject *s, const Ingot__BGPPeer *in, struct peer *p)
{
	if (!*in->peer_address && !*in->interface) {
		compile_error(s, "spec.peerAddress", "peer has no Address or Interface specified");
		return false;
	}
	if (*in->peer_address && *in->interface) {
		compile_error(s, "spec.peerAddress", "peer has both Address and Interface specified");
		return false;
	}
	if (*in->interface && !(p->interface = compile_copy(s->cc, in->interface)))
		return false;
	if (!parse_address(s, "spec.peerAddress", in->peer_address, "invalid BGPPeer address", &p->address) ||
	    !compile_router_id(s, in, p) ||
	    !parse_address(s, "spec.sourceAddress", in->source_address, "invalid source IP", &p->source))
		return false;
	if (p->address.family && p->source.family && p->address.family != p->source.family)
		compile_warning(s, "spec.sourceAddress", "source and peer address are of different families");
	if (in->peer_port > MAX_PORT) {
		compile_error(s, "spec.peerPort", "invalid peer port %" PRIu32 ", must be in 1-16384 range",
			      in->peer_port);
		return false;
	}
	p->port = in->peer_port ? (uint16_t)in->peer_port : DEFAULT_PORT;
	return true;
}

/* One of the two timers completes the other: keepalive is a third of hold. */
static void complete_timers(const Ingot__BGPPeer *in, int64_t *hold, int64_t *keepalive)
{
	*hold = in->hold_time_ns ? in->hold_time_ns->value : 0;
	*keepalive = in->keepalive_time_ns ? in->keepalive_time_ns->value : 0;
	if (!in->hold_time_ns)
		*hold = *keepalive > INT64_MAX / 3 ? INT64_MAX : *keepalive * 3;
	/* An explicit keepalive of zero with a hold time would let the session expire. */
	if (*keepalive == 0)
		*keepalive = *hold / 3;
}

static bool compile_hold(const struct subject *s, const Ingot__BGPPeer *in, struct peer *p)
{
	int64_t hold, keepalive;
	if (!in->hold_time_ns && !in->keepalive_time_ns)
		return true;
	if (in->keepalive_time_ns && in->keepalive_time_ns->value < 0) {
		compile_error(s, "spec.keepaliveTime", "invalid keepalive time, must not be negative");
		return false;
	}
	complete_timers(in, &hold, &keepalive);
	if (hold < 0 || hold / SECOND == 1 || hold / SECOND == 2) {
		compile_error(s, "spec.holdTime", "invalid hold time %" PRId64 "ms: must be 0 or >=3s",
			      hold / (SECOND / 1000));
		return false;
	}
	if (hold / SECOND > UINT16_MAX) {
		compile_error(s, "spec.holdTime", "invalid hold time %" PRId64 "s: must be at most 65535s",
			      hold / SECOND);
		return false;
	}
	if (keepalive > hold) {
		compile_error(s, "spec.keepaliveTime", "invalid keepaliveTime, must be lower than holdTime");
		return false;
	}
	p->has_hold = p->has_keepalive = true;
	p->hold_s = (uint32_t)(hold / SECOND);
	p->keepalive_s = (uint32_t)(keepalive / SECOND);
	if (p->hold_s > 0 && p->keepalive_s == 0)
		p->keepalive_s = 1;
	return true;
}

static bool compile_connect(const struct subject *s, const Ingot__BGPPeer *in, struct peer *p)
{
	if (!in->connect_time_ns)
		return true;
	int64_t ns = in->connect_time_ns->value;
	if (ns / SECOND < 1 || ns / SECOND > UINT16_MAX) {
		compile_error(s, "spec.connectTime", "connect time should be between 1 seconds to 65535");
		return false;
	}
	if (ns % SECOND != 0) {
		compile_error(s, "spec.connectTime", "connect time should contain a whole number of seconds");
		return false;
	}
	p->has_connect = true;
	p->connect_s = (uint32_t)(ns / SECOND);
	return true;
}

static bool secret_has_password(const Ingot__Secret *secret)
{
	for (size_t i = 0; i < secret->n_keys; i++)
		if (strcmp(secret->keys[i], "password") == 0)
			return true;
	return false;
}

static bool check_secret(const struct subject *s, const char *name)
{
	char key[OBJECT_KEY], q[QUOTED];
	const char *field = "spec.passwordSecret.name";
	const ProtobufCMessage *m =
	    objects_get(s->cc->objects, KIND_SECRET, object_key(s->cc->ns, name, key));
	const Ingot__Secret *secret = (const Ingot__Secret *)m;
	quoted(name, q);
	if (!secret)
		compile_transient(s, field, "secret ref not found: \"%s\"", q);
	else if (strcmp(secret->type, "kubernetes.io/basic-auth") != 0)
		compile_error(s, field,
			      "secret type mismatch on \"%s\", type \"kubernetes.io/basic-auth\" is expected",
			      q);
	else if (!secret_has_password(secret))
		compile_error(s, field, "password not specified in the secret \"%s\"", q);
	else
		return true;
	return false;
}

static bool compile_password(const struct subject *s, const Ingot__BGPPeer *in, struct peer *p)
{
	p->has_password = in->has_password || *in->password_secret;
	if (!*in->password_secret)
		return true;
	if (in->has_password) {
		compile_error(s, "spec.passwordSecret",
			      "can not have both password and secret ref set in peer config");
		return false;
	}
	if (s->cc->want_secrets && !check_secret(s, in->password_secret))
		return false;
	p->password_secret = compile_copy(s->cc, in->password_secret);
	return p->password_secret != NULL;
}

static bool compile_bfd_reference(const struct subject *s, const Ingot__BGPPeer *in, struct peer *p)
{
	char q[QUOTED];
	if (!*in->bfd_profile)
		return true;
	if (!config_bfd_profile(s->cc->c, in->bfd_profile)) {
		compile_transient(s, "spec.bfdProfile", "peer referencing non existing bfd profile \"%s\"",
				  quoted(in->bfd_profile, q));
		return false;
	}
	p->bfd_profile = compile_copy(s->cc, in->bfd_profile);
	return p->bfd_profile != NULL;
}

static bool compile_peer(const struct subject *s, const Ingot__BGPPeer *in, struct peer *p)
{
	p->name = compile_copy(s->cc, s->meta->name);
	p->graceful_restart = in->enable_graceful_restart == INGOT__TRISTATE__YES;
	p->dual_stack = in->dual_stack_address_family;
	if (!p->name || (*in->vrf && !(p->vrf = compile_copy(s->cc, in->vrf))))
		return false;
	if (in->disable_mp)
		compile_warning(s, "spec.disableMP", "disableMP is deprecated and has no effect");
	return compile_asns(s, in, p) && compile_addresses(s, in, p) && compile_hold(s, in, p) &&
	       compile_connect(s, in, p) &&
	       compile_nodes(s, in->node_selectors, in->n_node_selectors, &p->nodes) &&
	       compile_password(s, in, p) && compile_bfd_reference(s, in, p);
}

static int cmp_peers(const void *a, const void *b)
{
	return strcmp(((const struct peer *)a)->name, ((const struct peer *)b)->name);
}

void compile_peers(struct compiler *cc)
{
	struct config *c = cc->c;
	struct object_list l = compile_list(cc, KIND_BGP_PEER);
	bool nodes_known = map_len(&cc->objects->by_kind[KIND_NODE]) > 0;
	c->peers = compile_array(cc, l.n, sizeof *c->peers);
	if (!c->peers) {
		object_list_fini(&l);
		return;
	}
	for (size_t i = 0; i < l.n && !cc->oom; i++) {
		struct subject s = { cc, KIND_BGP_PEER, l.v[i].meta };
		struct peer *p = &c->peers[c->n_peers];
		if (compile_peer(&s, (const Ingot__BGPPeer *)l.v[i].m, p) && peer_fits(&s, p, nodes_known)) {
			c->n_peers++;
		} else {
			peer_fini(p);
			*p = (struct peer){ 0 };
		}
	}
	qsort(c->peers, c->n_peers, sizeof *c->peers, cmp_peers);
	object_list_fini(&l);
}
