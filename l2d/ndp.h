/* Neighbour discovery for IPv6 over Ethernet as bytes (RFC 4861): solicitations, advertisements, router
 * advertisements. Pure. */
#ifndef INGOT_L2D_NDP_H
#define INGOT_L2D_NDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "l2d/arp.h"
#include "lib/base/addr.h"

enum { NDP_ROUTER_ADVERT = 134, NDP_SOLICIT = 135, NDP_ADVERT = 136 }; /* ICMPv6 types */
enum { NDP_MAX = 86 }; /* the longest frame built here: Ethernet, IPv6, advertisement, one option */

struct ndp {
	uint8_t dst_mac[MAC_LEN], src_mac[MAC_LEN]; /* Ethernet header */
	addr_t src, dst;
	uint8_t type;
	addr_t target; /* solicitation and advertisement; FAMILY_NONE in a router advertisement */
	bool router, solicited, override; /* advertisement */
	uint16_t router_lifetime_s;	  /* router advertisement */
	bool has_link_address; /* source option of a solicitation or router advertisement, target option of an
				  advertisement */
	uint8_t link_address[MAC_LEN];
};

/* Decode a frame with the receive checks of RFC 4861 sections 6.1.2, 7.1.1 and 7.1.2. 0; -EPROTONOSUPPORT
 * when it is none of the three messages; -EBADMSG when it ends early or an option has length zero; -EILSEQ
 * when the checksum is wrong; -EPROTO when it breaks another of those rules. */
int ndp_parse(const void *frame, size_t len, struct ndp *ret);

struct ndp_advert {
	uint8_t dst_mac[MAC_LEN], src_mac[MAC_LEN];
	addr_t src, dst, target;
	bool solicited, override;
};
/* Encode an advertisement with the target link-layer address option (src_mac), hop limit 255; returns its
 * length. */
size_t ndp_advert_build(const struct ndp_advert *a, uint8_t out[static NDP_MAX]);
/* The unsolicited form: to all nodes, override set (RFC 4861 section 7.2.6). src is the link-local address.
 */
struct ndp_advert ndp_announcement(const uint8_t mac[static MAC_LEN], addr_t src, addr_t target);
/* The answer to a solicitation: solicited to its source; to all nodes when it came from `::` (RFC 4861
 * section 7.2.4). Override is clear as in MetalLB: a neighbour that knows another owner keeps it until that
 * one falls silent. */
struct ndp_advert ndp_reply_to(const struct ndp *solicitation, const uint8_t mac[static MAC_LEN], addr_t src);
/* Solicitation from `::` that asks whether anybody uses target (RFC 4862 section 5.4.2); returns its length.
 */
size_t ndp_probe_build(const uint8_t mac[static MAC_LEN], addr_t target, uint8_t out[static NDP_MAX]);

addr_t ndp_solicited_node(addr_t target);		       /* ff02::1:ffXX:XXXX */
void ndp_group_mac(addr_t group, uint8_t ret[static MAC_LEN]); /* 33:33 and the last four bytes */

#endif
