/* ARP: what decodes encodes to the same bytes. And a responder that owns an address never answers anything
 * but a request for it, to the one who asked. */
#include <stdint.h>
#include <string.h>

#include "l2d/responder.h"
#include "lib/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void try_codec(const uint8_t *data, size_t len)
{
	struct arp a;
	uint8_t out[ARP_PADDED];
	if (arp_parse(data, len, &a) < 0)
		return;
	must(arp_build(&a, out) == ARP_PADDED);
	must(memcmp(out, data, ARP_LEN) == 0);
}

static void try_responder(const uint8_t *data, size_t len)
{
	static const struct link k = {
		.index = 1, .up = true, .arp = true, .name = "eth0", .mac = { 2, 0, 0, 0, 0, 2 }
	};
	static struct outbox box;
	struct responder r;
	struct arp asked, reply;
	struct ownership o = { .addr = addr_v4(0x0a090002), .mine = true, .all_interfaces = true, .term = 1 };
	mono_t now = { SEC(100) };
	responder_init(&r, NULL, NULL);
	responder_link(&r, &k, now);
	responder_own(&r, &o, now);
	box.n = 0;
	enum l2_result result = responder_arp(&r, 1, data, len, now, &box);
	must(box.n == (result == L2_ANSWERED));
	if (result == L2_ANSWERED) {
		must(arp_parse(data, len, &asked) == 0 && asked.op == ARP_REQUEST);
		must(arp_parse(box.v[0].bytes, box.v[0].len, &reply) == 0 && reply.op == ARP_REPLY);
		must(memcmp(asked.target_ip, o.addr.bytes, 4) == 0 &&
		     memcmp(reply.sender_ip, o.addr.bytes, 4) == 0);
		must(mac_eq(reply.dst, asked.sender_mac) && mac_is_unicast(reply.dst));
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
