/* gossipd: who is alive (SWIM), and who owns each L2 address. Runs as its own process under the supervisor,
 * on the node role. It holds the gossip sockets and key; it never sees a token or a BGP password. */
#include "gossipd/gossip.h"

int main(int argc, char **argv)
{
	static const struct daemon_ops ops = {
		.id = DAEMON_GOSSIPD,
		.heartbeat_ms = 100,
		.open = gossip_open,
		.join = gossip_join,
		.stop = gossip_stop,
		.drain = gossip_drain,
		.reload = gossip_reload,
		.explain = gossip_explain,
		.close = gossip_close,
	};
	struct gossip g = { .udp = -1, .tcp = -1, .state_fd = -1, .owners_fd = -1 };
	return daemon_main(argc, argv, &ops, &g);
}
