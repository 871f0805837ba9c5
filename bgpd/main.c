/* bgpd: announces Services over BGP. Started by the supervisor; see docs/architecture.md for what it may
 * touch.
 *
 *   bgp_msg, bgp_open, bgp_update*   bytes of the protocol                    pure
 *   bgp_fsm                          the state machine of a connection        pure
 *   rib*                             what is wanted, what was sent            pure
 *   settings, store                  a peer's settings; retained memory       pure
 *   tcp, conn, session*, adopt       sockets and sessions
 *   peers, services, links, secrets  what the other daemons say
 *   publish, listen, stop            what we say; accepting; leaving
 *   bgpd                             order of start and of one turn */
#include "bgpd/room.h"

int main(int argc, char **argv)
{
	return bgpd_main(argc, argv);
}
