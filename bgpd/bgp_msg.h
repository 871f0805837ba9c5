/* BGP-4 messages as bytes: pure encoders and decoders (RFC 4271 section 4 and 6, 4760, 5492, 6793, 2918,
 * 4724, 8950, 9072, 7606, 8203/9003). A decoder accepts or refuses a whole message; what is wrong comes back
 * as a value that names the NOTIFICATION to send. Encoders write at most BGP_MAX bytes. Nothing here knows
 * about state or sockets. */
#ifndef INGOT_BGPD_BGP_MSG_H
#define INGOT_BGPD_BGP_MSG_H

#include "lib/base/addr.h"
#include "lib/base/cur.h"
#include "lib/model/community.h"

enum { BGP_HEADER = 19, BGP_MAX = 4096, BGP_PORT = 179, BGP_AS_TRANS = 23456, BGP_ERROR_DATA = 64 };
enum bgp_type { BGP_OPEN = 1, BGP_UPDATE, BGP_NOTIFICATION, BGP_KEEPALIVE, BGP_ROUTE_REFRESH };

/* Error codes of RFC 4271 4.5 and the subcodes that we send or look at. */
enum bgp_error_code {
	BGP_ERR_HEADER = 1,
	BGP_ERR_OPEN,
	BGP_ERR_UPDATE,
	BGP_ERR_HOLD,
	BGP_ERR_FSM,
	BGP_ERR_CEASE,
	BGP_ERR_REFRESH,
};
enum bgp_cease {
	BGP_CEASE_SHUTDOWN = 2,
	BGP_CEASE_DECONFIGURED = 3,
	BGP_CEASE_RESET = 4,
	BGP_CEASE_REJECTED = 5,
	BGP_CEASE_OTHER_CHANGE = 6,
	BGP_CEASE_COLLISION = 7,
	BGP_CEASE_HARD_RESET = 9,
};

/* Address families as a mask. Only unicast. */
enum bgp_families { BGP_V4 = 1, BGP_V6 = 2 };
unsigned bgp_family_bit(enum family f); /* 0 for none */

/* The NOTIFICATION that an input calls for. */
struct bgp_error {
	uint8_t code, subcode, len;
	uint8_t data[BGP_ERROR_DATA];
};

struct bgp_header {
	uint16_t len; /* whole message */
	uint8_t type;
};
/* From exactly BGP_HEADER bytes. false: *error says what to send (1/1, 1/2, 1/3). */
bool bgp_header_decode(const uint8_t bytes[static BGP_HEADER], struct bgp_header *ret,
		       struct bgp_error *error);

/* What a peer's OPEN says; after 4-octet AS and capabilities were taken into account. */
struct bgp_open {
	uint8_t version;
	uint16_t hold_s;
	uint32_t as, id;   /* id in host order */
	unsigned families; /* RFC 4760; BGP_V4 alone when no multiprotocol capability came */
	bool as4, refresh, enhanced_refresh;
	bool next_hop_v6_for_v4; /* RFC 8950 */
	bool graceful;		 /* RFC 4724, with the fields below */
	bool restarted, notification_restart;
	uint16_t restart_s;
	unsigned graceful_families, forwarding_kept;
};
/* body: the bytes after the header. Checks layout, version (2/1), AS 0 (2/2), identifier 0 (2/3), optional
 * parameters (2/4), hold time (2/6); the rest is the state machine's. */
bool bgp_open_decode(const uint8_t *body, size_t len, struct bgp_open *ret, struct bgp_error *error);
/* Writes a whole OPEN: capabilities for o->families, refresh, as4 and, as set, RFC 8950 and graceful restart.
 */
void bgp_open_encode(struct wbuf *w, const struct bgp_open *o);

void bgp_keepalive_encode(struct wbuf *w);
void bgp_notification_encode(struct wbuf *w, const struct bgp_error *e);

struct bgp_notification {
	uint8_t code, subcode;
	size_t len;
	const uint8_t *data; /* lent */
	size_t text_len;     /* RFC 9003 shutdown communication, 0 = none or not well-formed */
	const uint8_t *text; /* not escaped */
};
bool bgp_notification_decode(const uint8_t *body, size_t len, struct bgp_notification *ret);
/* "Cease/Administrative Shutdown: TEXT", foreign text escaped and cut; returns buf. */
const char *bgp_notification_text(const struct bgp_notification *n, char *buf, size_t size);
const char *bgp_error_text(uint8_t code, uint8_t subcode, char *buf, size_t size);

/* ROUTE-REFRESH; family 0 = one that we do not speak. subtype: RFC 7313, 0 = request. */
struct bgp_refresh {
	unsigned family;
	uint8_t subtype;
};
bool bgp_refresh_decode(const uint8_t *body, size_t len, struct bgp_refresh *ret, struct bgp_error *error);

/* Outcomes of RFC 7606, worst wins. We keep nothing that a peer announces, so only RESET has consequences. */
enum bgp_outcome {
	BGP_UPDATE_OK,
	BGP_UPDATE_DISCARD_ATTRIBUTE,
	BGP_UPDATE_TREAT_AS_WITHDRAW,
	BGP_UPDATE_RESET
};
struct bgp_update_in {
	enum bgp_outcome outcome;
	struct bgp_error error;		 /* when RESET */
	struct cur withdrawn, announced; /* IPv4 NLRI, well-formed; read with bgp_nlri_next */
	struct cur mp_withdrawn, mp_announced;
	enum family mp_withdrawn_family,
	    mp_announced_family;      /* FAMILY_NONE = no such attribute or a foreign family */
	addr_t next_hop, mp_next_hop; /* family NONE = absent */
	bool has_origin, has_as_path, has_local_pref;
	uint32_t local_pref;
	struct cur attributes; /* all of them, framing checked up to the first broken one */
	unsigned end_of_rib;   /* mask: this is the End-of-RIB marker of that family */
};
/* as4: 4-octet AS numbers were negotiated (for the layout of AS_PATH). */
void bgp_update_decode(const uint8_t *body, size_t len, bool as4, struct bgp_update_in *ret);
/* Next prefix of a list; false at its end. Only for lists of bgp_update_decode. */
bool bgp_nlri_next(struct cur *c, enum family f, prefix_t *ret);

/* What our UPDATEs carry on one session. */
struct bgp_encoding {
	uint32_t local_as;
	bool ibgp, as4;
	bool graceful_shutdown; /* RFC 8326: community 65535:0, and LOCAL_PREF 0 on iBGP */
	bool next_hop_v6_for_v4;
	addr_t next_hop_v4, next_hop_v6; /* NONE: that family cannot be announced */
};
struct bgp_attributes {
	uint32_t local_pref; /* 0 = unset: 100 */
	size_t n_communities;
	const community_t *communities; /* sorted */
};
enum { BGP_MAX_COMMUNITIES = 252 }; /* on one route: what surely fits, even when all are large */

/* One UPDATE under construction. Begin, add prefixes until false, end. */
struct bgp_update_out {
	struct wbuf w;
	size_t total_at, mp_at; /* offsets of length fields */
	enum family family;
	bool announce, mp;
	size_t n, tail_len;
	uint8_t tail[BGP_MAX]; /* attributes that follow the prefixes (RFC 7606 5.1: MP_REACH comes first) */
};
/* buf has BGP_MAX bytes. attributes NULL = withdraw. false when this family has no next hop. */
bool bgp_update_begin(struct bgp_update_out *u, uint8_t *buf, const struct bgp_encoding *e, enum family f,
		      const struct bgp_attributes *attributes);
bool bgp_update_add(struct bgp_update_out *u, prefix_t p); /* false: full, not added */
size_t bgp_update_end(struct bgp_update_out *u);	   /* length of the message */
void bgp_end_of_rib_encode(struct wbuf *w, enum family f);

/* For encoders: header with a length to be patched by bgp_end. */
size_t bgp_begin(struct wbuf *w, enum bgp_type type);
void bgp_end(struct wbuf *w, size_t at);

#endif
