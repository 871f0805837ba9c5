/* statusd: every inbound HTTP request, and the answers to ingotctl. */
#include "statusd/statusd.h"

int main(int argc, char **argv)
{
	static struct statusd self;
	return daemon_main(argc, argv,
			   &(struct daemon_ops){
			       .id = DAEMON_STATUSD,
			       .open = statusd_open,
			       .join = statusd_join,
			       .close = statusd_close,
			   },
			   &self);
}
