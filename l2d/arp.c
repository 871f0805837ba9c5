/* ARP codec: bytes to struct and back. Pure; runs in l2d. It may not decide anything about an address.
 * RFC 826; RFC 5227 section 1.1 (probe, announcement). */
#include "l2d/arp.h"

#include <errno.h>
#include <string.h>

#include "lib/base/cur.h"

enum { TYPE_ARP = 0x0806, HARDWARE_ETHERNET = 1, PROTOCOL_IPV4 = 0x0800 };

const uint8_t mac_broadcast[MAC_LEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

bool mac_eq(const uint8_t a[static MAC_LEN], const uint8_t b[static MAC_LEN])
{
	return memcmp(a, b, MAC_LEN) == 0;
}

bool mac_is_unicast(const uint8_t mac[static MAC_LEN])
{
	static const uint8_t zero[MAC_LEN];
	return !(mac[0] & 1) && !mac_eq(mac, zero);
}

int arp_parse(const void *frame, size_t len, struct arp *ret)
{
	struct cur c = cur_of(frame, len);
	struct arp a;
	cur_copy(&c, a.dst, MAC_LEN);
	cur_copy(&c, a.src, MAC_LEN);
	bool known = cur_u16(&c) == TYPE_ARP;
	known &= cur_u16(&c) == HARDWARE_ETHERNET;
	known &= cur_u16(&c) == PROTOCOL_IPV4;
	known &= cur_u8(&c) == MAC_LEN;
	known &= cur_u8(&c) == 4;
	a.op = cur_u16(&c);
	cur_copy(&c, a.sender_mac, MAC_LEN);
	cur_copy(&c, a.sender_ip, 4);
	cur_copy(&c, a.target_mac, MAC_LEN);
	cur_copy(&c, a.target_ip, 4);
	if (c.bad)
		return -EBADMSG;
	if (!known)
		return -EPROTONOSUPPORT;
	*ret = a;
	return 0;
}

size_t arp_build(const struct arp *a, uint8_t out[static ARP_PADDED])
{
	struct wbuf w = wbuf_of(out, ARP_PADDED);
	wbuf_put(&w, a->dst, MAC_LEN);
	wbuf_put(&w, a->src, MAC_LEN);
	wbuf_u16(&w, TYPE_ARP);
	wbuf_u16(&w, HARDWARE_ETHERNET);
	wbuf_u16(&w, PROTOCOL_IPV4);
	wbuf_u8(&w, MAC_LEN);
	wbuf_u8(&w, 4);
	wbuf_u16(&w, a->op);
	wbuf_put(&w, a->sender_mac, MAC_LEN);
	wbuf_put(&w, a->sender_ip, 4);
	wbuf_put(&w, a->target_mac, MAC_LEN);
	wbuf_put(&w, a->target_ip, 4);
	wbuf_reserve(&w, ARP_PADDED - ARP_LEN);
	return w.len;
}

struct arp arp_reply_to(const struct arp *request, const uint8_t mac[static MAC_LEN])
{
	struct arp a = { .op = ARP_REPLY };
	memcpy(a.dst, request->sender_mac, MAC_LEN);
	memcpy(a.src, mac, MAC_LEN);
	memcpy(a.sender_mac, mac, MAC_LEN);
	memcpy(a.sender_ip, request->target_ip, 4);
	memcpy(a.target_mac, request->sender_mac, MAC_LEN);
	memcpy(a.target_ip, request->sender_ip, 4);
	return a;
}

struct arp arp_announcement(enum arp_op op, const uint8_t mac[static MAC_LEN], const uint8_t ip[static 4])
{
	struct arp a = { .op = (uint16_t)op };
	memcpy(a.dst, mac_broadcast, MAC_LEN);
	memcpy(a.src, mac, MAC_LEN);
	memcpy(a.sender_mac, mac, MAC_LEN);
	memcpy(a.sender_ip, ip, 4);
	memcpy(a.target_mac, mac_broadcast, MAC_LEN);
	memcpy(a.target_ip, ip, 4);
	return a;
}

struct arp arp_probe(const uint8_t mac[static MAC_LEN], const uint8_t ip[static 4])
{
	struct arp a = { .op = ARP_REQUEST };
	memcpy(a.dst, mac_broadcast, MAC_LEN);
	memcpy(a.src, mac, MAC_LEN);
	memcpy(a.sender_mac, mac, MAC_LEN);
	memcpy(a.target_ip, ip, 4);
	return a;
}
