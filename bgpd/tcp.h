/* The sockets of BGP sessions: options, connecting, and what the kernel knows about a stream. Touches the
 * world. */
#ifndef INGOT_BGPD_TCP_H
#define INGOT_BGPD_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/addr.h"

enum { TCP_MAX_PASSWORD = 80 }; /* the kernel's limit for an MD5 key */

struct tcp_target {
	addr_t address, source; /* source NONE: the kernel chooses */
	uint16_t port;
	uint32_t scope;	    /* interface index for a link-local address, else 0 */
	const char *device; /* VRF, "" = none */
	uint8_t ttl;
	const char *password; /* "" = none */
};

/* Begin to connect: the descriptor (non-blocking, close-on-exec), or a negative errno and what failed in why.
 */
int tcp_dial(const struct tcp_target *t, char *why, size_t size);
/* Options of an accepted connection. 0 or a negative errno. */
int tcp_prepare(int fd, enum family f, uint8_t ttl);
/* 0 when a non-blocking connect succeeded, else a negative errno. */
int tcp_connected(int fd);
int tcp_listen(addr_t address, uint16_t port);
/* Set or (password "") remove the MD5 key for a peer; on a listener too. */
int tcp_md5(int fd, addr_t peer, const char *password);
int tcp_local(int fd, addr_t *ret);
int tcp_remote(int fd, addr_t *ret, uint16_t *port, uint32_t *scope);

/* Bytes that the kernel has taken from us since the socket was made (the SYN may count as one). Negative
 * errno on failure. */
int tcp_taken(int fd, uint64_t *ret);
/* Whether both directions are still open. */
bool tcp_is_open(int fd);
/* Wake up for reading only when n bytes are there. */
void tcp_wake_at(int fd, size_t n);
/* Take n bytes that were peeked at. 0 or a negative errno. */
int tcp_consume(int fd, size_t n);
/* End the connection for everybody who holds a duplicate: what was sent is still delivered. */
void tcp_end(int fd);

#endif
