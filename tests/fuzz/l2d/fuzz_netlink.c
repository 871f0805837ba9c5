/* rtnetlink messages into the link table: names end, caps hold, whatever a datagram says. */
#include <stdint.h>
#include <string.h>

#include "l2d/links.h"
#include "l2d/netlink.h"
#include "lib/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void new_link(void *ctx, const struct link_msg *m)
{
	must(memchr(m->name, 0, LINK_NAME) && m->name[0]);
	links_new(ctx, m);
}

static void del_link(void *ctx, uint32_t index)
{
	links_del(ctx, index);
}

static void new_addr(void *ctx, const struct addr_msg *m)
{
	must(m->addr.family != FAMILY_NONE && m->prefix_len <= addr_bits(m->addr));
	links_new_addr(ctx, m);
}

static void del_addr(void *ctx, const struct addr_msg *m)
{
	links_del_addr(ctx, m);
}

static void done(void *ctx, uint32_t sequence, int error)
{
	(void)sequence;
	must(error <= 0);
	links_dump_end(ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct netlink_reader reader = { new_link, del_link, new_addr, del_addr, done };
	struct netlink_state state = { 0 };
	struct links l;
	links_init(&l, true);
	/* twice, so that addresses meet interfaces that are there already */
	netlink_decode(&state, data, len, &reader, &l);
	links_dump_begin(&l);
	netlink_decode(&state, data, len, &reader, &l);
	while (links_take_changed(&l))
		;
	for (const struct link *k; (k = links_unseen(&l));)
		links_del(&l, k->index);
	links_fini(&l);
	return 0;
}
