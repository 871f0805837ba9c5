/* A configured peer, resolved into what a session needs; copied out of the configuration, which comes and
 * goes. Pure. */
#ifndef INGOT_BGPD_SETTINGS_H
#define INGOT_BGPD_SETTINGS_H

#include "bgpd/bgp_fsm.h"
#include "lib/model/limits.h"

enum { SETTINGS_INTERFACE = 16 };

struct settings {
	char name[LIMIT_NAME + 1];
	addr_t address, source; /* address NONE: found on the interface */
	char interface[SETTINGS_INTERFACE], vrf[SETTINGS_INTERFACE];
	char secret[LIMIT_NAME + 1]; /* of the password; empty = inline or none */
	bool has_password, multi_hop;
	uint16_t port;
	uint32_t router_id; /* 0 = derive */
	uint8_t ttl;
	struct bgp_fsm_config fsm; /* router_id still 0 */
};

/* 0, or -EINVAL with a sentence why this peer cannot be served. */
int settings_of(const struct peer *p, struct settings *ret, char *why, size_t size);
/* Over everything whose change needs a new session. Timers, connect time and BFD are not in it. */
uint64_t settings_digest(const struct settings *s);
/* RFC 6286 identifier: the configured one, else the session's IPv4 address, else from the node's name; never
 * 0. */
uint32_t settings_router_id(const struct settings *s, addr_t local, const char *node);
uint32_t crc32_ieee(const void *data, size_t len);

#endif
