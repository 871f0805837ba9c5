/* Any bytes as a gossip packet, given to a member that knows some others: from the network and as a table. */
#include <stdlib.h>
#include <string.h>

#include "gossipd/swim.h"
#include "lib/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct swim_addr address(uint8_t last)
{
	return (struct swim_addr){ .ip = addr_v4(0x0a000000u + last), .port = 7946 };
}

static void know(struct swim *s, mono_t now, const char *name, uint8_t last)
{
	struct swim_node n = { .state = SWIM_ALIVE, .incarnation = 5, .addr = address(last) };
	memcpy(n.name, name, strlen(name) + 1);
	must(swim_restore(s, now, &n) == 0);
}

static void look(struct swim *s)
{
	size_t n, sum = 0;
	const struct swim_action *a = swim_actions(s, &n);
	for (size_t i = 0; i < n; i++) {
		struct swim_packet p;
		if (a[i].type == SWIM_SEND)
			must(swim_packet_open(swim_action_data(s, &a[i]), a[i].len, &p) == 0);
		else if (a[i].member)
			sum += a[i].member->node.n_links;
	}
	must(sum <= n * SWIM_MAX_LINKS);
	swim_actions_clear(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	mono_t now = { SEC(10) };
	struct swim_addr from = address(2);
	struct swim_config c = { .name = "node-a",
				 .addr = address(1),
				 .incarnation = 3,
				 .seed = 1,
				 .timing = swim_timing_default() };
	struct swim *s = swim_new(&c, now);
	must(s);
	know(s, now, "node-b", 2);
	know(s, now, "node-c", 3);
	(void)swim_receive(s, now, &from, data, len);
	look(s);
	for (int i = 0; i < 40; i++) {
		now = mono_min(mono_add(now, SEC(1)), swim_next(s));
		swim_tick(s, now);
	}
	look(s);
	(void)swim_receive_table(s, now, data, len);
	look(s);
	uint8_t frame[SWIM_PACKET];
	for (size_t cursor = 0, n; (n = swim_table_frame(s, &cursor, frame, sizeof frame)) > 0;) {
		struct swim_packet p;
		must(swim_packet_open(frame, n, &p) == 0);
	}
	swim_free(s);
	return 0;
}
