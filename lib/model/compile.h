/* Private to the configuration compiler: what its parts share. One struct compiler lives during one
 * config_compile. Out of memory is sticky in `oom`; the parts then stop early and the whole compilation
 * fails. */
#ifndef INGOT_MODEL_COMPILE_H
#define INGOT_MODEL_COMPILE_H

#include "lib/model/config.h"

/* What an advertisement is attached to. */
struct ad_target {
	bool all;
	struct name_set names;
	struct selectors selectors;
};
/* One accepted advertisement during compilation, oldest first. */
struct l2_item {
	struct l2_ad ad;
	const struct l2_ad *placed; /* the same in the configuration */
	struct ad_target target;
	const Ingot__ObjectMeta *meta;
};
struct bgp_item {
	struct bgp_ad ad;
	const struct bgp_ad *placed; /* the same in the configuration */
	struct ad_target target;
	const Ingot__ObjectMeta *meta;
};

struct compiler {
	const struct objects *objects;
	const char *ns;
	bool want_secrets;
	struct diags *diags;
	struct config *c;
	bool oom;
	struct map aliases; /* community alias -> community_t * */
	struct l2_item *l2_items;
	struct bgp_item *bgp_items;
	const Ingot__ObjectMeta **pool_meta; /* parallel to c->pools once these are sorted */
};

/* Objects of one kind that count, as a list: inside the namespace, with a name, each name once. Oldest first
 * (then by name): when two objects exclude each other, the one that was there first stays. */
struct object_list {
	size_t n;
	struct listed {
		const ProtobufCMessage *m;
		const Ingot__ObjectMeta *meta;
	} * v;
};
struct object_list compile_list(struct compiler *cc, enum kind k);
void object_list_fini(struct object_list *l);

/* Diagnostics about one object. */
struct subject {
	struct compiler *cc;
	enum kind kind;
	const Ingot__ObjectMeta *meta;
};
void compile_error(const struct subject *s, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void compile_transient(const struct subject *s, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void compile_warning(const struct subject *s, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A foreign text for a message: escaped and cut. */
enum { QUOTED = 160 };
const char *quoted(const char *text, char buf[static QUOTED]);

/* Copy that sets oom; NULL for NULL. */
char *compile_copy(struct compiler *cc, const char *text);
/* calloc that sets oom; never NULL for n = 0. */
void *compile_array(struct compiler *cc, size_t n, size_t size);
/* Strings that must not repeat; phrase begins the message when one does. False when refused (a diagnostic was
 * added) or out of memory. */
bool compile_names(const struct subject *s, char *const *v, size_t n, const char *field, const char *phrase,
		   struct name_set *ret);
/* A selector list with its hygiene. False when refused or out of memory. */
bool compile_selectors(const struct subject *s, Ingot__LabelSelector *const *v, size_t n, const char *field,
		       struct selectors *ret);
/* nodeSelectors resolved to names of known nodes. */
bool compile_nodes(const struct subject *s, Ingot__LabelSelector *const *v, size_t n, struct node_set *ret);

bool node_set_equal(const struct node_set *a, const struct node_set *b);
/* No node can be in both. */
bool node_set_disjoint(const struct node_set *a, const struct node_set *b);
void node_set_fini(struct node_set *s);
void ad_target_fini(struct ad_target *t);

/* ipAddressPools and ipAddressPoolSelectors of an advertisement. */
bool compile_target(const struct subject *s, char *const *pools, size_t n_pools,
		    Ingot__LabelSelector *const *selectors, size_t n_selectors, struct ad_target *t);
/* The parts, in the order in which they run. */
void compile_bfd_profiles(struct compiler *cc);
void compile_peers(struct compiler *cc);
void compile_aliases(struct compiler *cc);
void compile_pools(struct compiler *cc);
void compile_l2_ads(struct compiler *cc);
void compile_bgp_ads(struct compiler *cc);
void compile_attach(struct compiler *cc);
uint64_t config_digest(const struct config *c, bool *oom);

/* True when the peer may join those that are already accepted (the rules for peers that share a node). */
bool peer_fits(const struct subject *s, const struct peer *p, bool nodes_known);

void pool_fini(struct pool *p);
void peer_fini(struct peer *p);
void bfd_profile_fini(struct bfd_profile *p);
void l2_ad_fini(struct l2_ad *a);
void bgp_ad_fini(struct bgp_ad *a);

#endif
