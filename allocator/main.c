/* allocator: which address each Service gets. Runs as its own process under the supervisor, on the controller
 * role. It talks to the bus alone and opens no socket of its own. */
#include "allocator/room.h"

int main(int argc, char **argv)
{
	static const struct daemon_ops ops = {
		.id = DAEMON_ALLOCATOR,
		.open = room_open,
		.join = room_join,
		.explain = room_explain,
		.close = room_close,
	};
	struct room r = { .suspect = { .fd = -1 } };
	return daemon_main(argc, argv, &ops, &r);
}
