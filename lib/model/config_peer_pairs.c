/* BGPPeers that meet on one node must agree: one router id, one session per neighbour, one own AS per VRF.
 * The peer that came later is refused, the earlier one stays. Pure; part of the configuration compiler. */
#include <string.h>

#include "lib/model/compile.h"

static const char *text_of(const char *s)
{
	return s ? s : "";
}

static bool can_meet(const struct peer *a, const struct peer *b, bool nodes_known)
{
	return !nodes_known || !node_set_disjoint(&a->nodes, &b->nodes);
}

/* The phrase of the rule that a and b break when they meet; NULL when they agree. */
static const char *clash(const struct peer *a, const struct peer *b, const char **field)
{
	bool same_vrf = strcmp(text_of(a->vrf), text_of(b->vrf)) == 0;
	if (!addr_eq(a->router_id, b->router_id)) {
		*field = "spec.routerID";
		return "peers on one node must all have the same RouterID";
	}
	if (same_vrf && addr_eq(a->address, b->address) &&
	    strcmp(text_of(a->interface), text_of(b->interface)) == 0) {
		*field = a->interface ? "spec.interface" : "spec.peerAddress";
		return "BGP doesn't support duplicate BGPPeers on one node";
	}
	if (same_vrf && a->my_asn != b->my_asn) {
		*field = "spec.myASN";
		return "peers on one node must have the same myAsn within the same VRF";
	}
	return NULL;
}

bool peer_fits(const struct subject *s, const struct peer *p, bool nodes_known)
{
	const struct config *c = s->cc->c;
	for (size_t i = 0; i < c->n_peers; i++) {
		const char *field, *phrase = clash(&c->peers[i], p, &field);
		if (phrase && can_meet(&c->peers[i], p, nodes_known)) {
			compile_error(s, field, "%s: conflicts with BGPPeer \"%s\"", phrase,
				      c->peers[i].name);
			return false;
		}
	}
	return true;
}
