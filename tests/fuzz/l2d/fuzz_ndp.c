/* Neighbour discovery: what decodes keeps the receive rules of RFC 4861, and an advertisement that we build
 * from it decodes to the same. A responder answers only solicitations for its address. */
#include <stdint.h>
#include <string.h>

#include "l2d/responder.h"
#include "lib/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void try_codec(const uint8_t *data, size_t len)
{
	struct ndp m, again;
	uint8_t out[NDP_MAX];
	if (ndp_parse(data, len, &m) < 0)
		return;
	must(!addr_is_multicast(m.src));
	if (m.type != NDP_ADVERT)
		return;
	must(!addr_is_multicast(m.target) && !(m.solicited && addr_is_multicast(m.dst)));
	struct ndp_advert a = { .src = m.src,
				.dst = m.dst,
				.target = m.target,
				.solicited = m.solicited,
				.override = m.override };
	memcpy(a.dst_mac, m.dst_mac, MAC_LEN);
	memcpy(a.src_mac, m.src_mac, MAC_LEN);
	must(ndp_parse(out, ndp_advert_build(&a, out), &again) == 0);
	must(addr_eq(again.target, m.target) && addr_eq(again.src, m.src) && addr_eq(again.dst, m.dst));
	must(again.solicited == m.solicited && again.override == m.override && !again.router);
}

static void try_responder(const uint8_t *data, size_t len)
{
	static struct outbox box;
	struct link k = { .index = 1, .up = true, .ndp = true, .name = "eth0", .mac = { 2, 0, 0, 0, 0, 2 } };
	struct responder r;
	struct ndp asked, reply, router;
	struct ownership o = { .mine = true, .all_interfaces = true, .term = 1 };
	mono_t now = { SEC(100) };
	must(addr_parse("fd00::2", &o.addr) && addr_parse("fe80::2", &k.link_local));
	responder_init(&r, NULL, NULL);
	responder_link(&r, &k, now);
	responder_own(&r, &o, now);
	box.n = 0;
	enum l2_result result = responder_ndp(&r, 1, data, len, now, &box, &router);
	must(box.n == (result == L2_ANSWERED));
	must(router.type == 0 || router.type == NDP_ROUTER_ADVERT);
	if (result == L2_ANSWERED) {
		must(ndp_parse(data, len, &asked) == 0 && asked.type == NDP_SOLICIT);
		must(ndp_parse(box.v[0].bytes, box.v[0].len, &reply) == 0 && reply.type == NDP_ADVERT);
		must(addr_eq(asked.target, o.addr) && addr_eq(reply.target, o.addr));
		must(addr_is_unspecified(asked.src) ? !reply.solicited : addr_eq(reply.dst, asked.src));
	}
	must(!r.oom);
	responder_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	try_codec(data, len);
	try_responder(data, len);
	return 0;
}
