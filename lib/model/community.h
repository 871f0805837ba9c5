/* BGP communities: "a:b" (RFC 1997) and "large:a:b:c" (RFC 8092). */
#ifndef INGOT_MODEL_COMMUNITY_H
#define INGOT_MODEL_COMMUNITY_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
	bool large;
	uint32_t v[3]; /* not large: v[0] = a<<16 | b */
} community_t;

enum { COMMUNITY_TEXT = 48 };
/* 0; -EINVAL bad value or marker ("invalid community value"); -EDOM wrong number of parts ("invalid community
 * format"). */
int community_parse(const char *text, community_t *ret);
const char *community_text(community_t c, char buf[static COMMUNITY_TEXT]); /* "a:b", or "a:b:c" for large */
int community_cmp(community_t a, community_t b);

#endif
