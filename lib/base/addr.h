/* IP addresses, prefixes and ranges of both families, as small values passed by copy. IPv4 and IPv6 are
 * distinct: an IPv4-mapped IPv6 text is read as IPv4, as net.ParseIP of the reference does. */
#ifndef INGOT_BASE_ADDR_H
#define INGOT_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum family { FAMILY_NONE = 0, FAMILY_V4 = 4, FAMILY_V6 = 6 };

typedef struct {
	uint8_t family;	   /* enum family */
	uint8_t bytes[16]; /* network order; v4 in the first four, the rest zero */
} addr_t;

typedef struct {
	addr_t addr; /* host bits are zero */
	uint8_t len; /* 0-32 or 0-128 */
} prefix_t;

/* Inclusive; both ends of one family, first <= last. */
typedef struct {
	addr_t first, last;
} range_t;

#define ADDR_TEXT   46 /* longest canonical text with its NUL */
#define PREFIX_TEXT 50

/* Strict text forms of net.ParseIP: dotted quad without leading zeros, RFC 4291 for IPv6, no zone, no blanks.
 */
bool addr_parse(const char *text, addr_t *ret);
bool addr_parse_n(const char *text, size_t n, addr_t *ret);
/* RFC 5952 text into buf; returns buf. */
const char *addr_text(addr_t a, char buf[static ADDR_TEXT]);
addr_t addr_v4(uint32_t host_order);
uint32_t addr_v4_value(addr_t a); /* host order; must be v4 */
addr_t addr_from_bytes(enum family f, const void *network_order);
unsigned addr_bits(addr_t a); /* 32 or 128 */
size_t addr_size(addr_t a);   /* 4 or 16 */

int addr_cmp(addr_t a, addr_t b); /* v4 before v6, then numeric */
bool addr_eq(addr_t a, addr_t b);
bool addr_next(addr_t *a); /* false (unchanged) at the family's last address */
bool addr_prev(addr_t *a);
addr_t addr_mask(addr_t a, unsigned len); /* host bits cleared */
bool addr_is_link_local(addr_t a);	  /* 169.254/16, fe80::/10 */
bool addr_is_multicast(addr_t a);
bool addr_is_unspecified(addr_t a);
bool addr_is_loopback(addr_t a);
/* The rule of avoidBuggyIPs: IPv4 whose last octet is 0 or 255. */
bool addr_is_buggy(addr_t a);
/* a + n; false when that leaves the family. */
bool addr_add(addr_t a, uint64_t n, addr_t *ret);
/* b - a as a count, saturated at UINT64_MAX; families equal, a <= b. */
uint64_t addr_distance(addr_t a, addr_t b);

/* "ADDR/LEN"; host bits are masked off. No blanks, no bare address. */
bool prefix_parse(const char *text, prefix_t *ret);
const char *prefix_text(prefix_t p, char buf[static PREFIX_TEXT]);
prefix_t prefix_of(addr_t a, unsigned len);
bool prefix_contains(prefix_t p, addr_t a);
bool prefix_overlaps(prefix_t a, prefix_t b);
bool prefix_eq(prefix_t a, prefix_t b);
int prefix_cmp(prefix_t a, prefix_t b);
range_t prefix_range(prefix_t p);

bool range_contains(range_t r, addr_t a);
bool range_overlaps(range_t a, range_t b);
/* Number of addresses, saturated at UINT64_MAX. */
uint64_t range_count(range_t r);
/* The minimal ascending list of prefixes that make up r; calls each() for every one, at most 254 times. */
void range_split(range_t r, void (*each)(void *ctx, prefix_t p), void *ctx);

#endif
