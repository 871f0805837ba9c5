/* ARP for IPv4 over Ethernet as bytes: RFC 826, and the announcement and probe forms of RFC 5227. Pure. */
#ifndef INGOT_L2D_ARP_H
#define INGOT_L2D_ARP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAC_LEN = 6 };
enum {
	ARP_LEN = 42,
	ARP_PADDED = 60
}; /* Ethernet header and packet; with the padding to Ethernet's minimum */
enum arp_op { ARP_REQUEST = 1, ARP_REPLY = 2 };

struct arp {
	uint8_t dst[MAC_LEN], src[MAC_LEN]; /* Ethernet header */
	uint16_t op;
	uint8_t sender_mac[MAC_LEN], sender_ip[4];
	uint8_t target_mac[MAC_LEN], target_ip[4];
};

/* Decode a frame. 0; -EPROTONOSUPPORT when it is not ARP for IPv4 over Ethernet, -EBADMSG when it ends early.
 */
int arp_parse(const void *frame, size_t len, struct arp *ret);
/* Encode, padded with zeros; returns ARP_PADDED. */
size_t arp_build(const struct arp *a, uint8_t out[static ARP_PADDED]);

/* The answer to a request: `mac` is at the address that was asked for. */
struct arp arp_reply_to(const struct arp *request, const uint8_t mac[static MAC_LEN]);
/* Broadcast announcement of ip at mac with either opcode, in MetalLB's form: target hardware address all
 * ones. */
struct arp arp_announcement(enum arp_op op, const uint8_t mac[static MAC_LEN], const uint8_t ip[static 4]);
/* Broadcast question whether anybody uses ip, from no address (RFC 5227 section 2.1.1). */
struct arp arp_probe(const uint8_t mac[static MAC_LEN], const uint8_t ip[static 4]);

extern const uint8_t mac_broadcast[MAC_LEN];
bool mac_eq(const uint8_t a[static MAC_LEN], const uint8_t b[static MAC_LEN]);
bool mac_is_unicast(const uint8_t mac[static MAC_LEN]); /* neither multicast nor all zero */

#endif
