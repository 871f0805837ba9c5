/* l2d: answers ARP and neighbour solicitations for the addresses that gossipd says are this node's, announces
 * them, and publishes the state of the interfaces. Opens its packet sockets as root and then runs without any
 * capability. It may not open another socket, read a file, or see a secret. */
#include "l2d/l2d.h"

static int l2d_open(struct daemon *d)
{
	struct l2d *l = d->self;
	l->d = d;
	return shell_open(l);
}

static int l2d_join(struct daemon *d)
{
	struct l2d *l = d->self;
	l->links_topic = bus_publish(d->bus, TOPIC_LINKS);
	l->l2_topic = bus_publish(d->bus, TOPIC_L2);
	if (!l->links_topic || !l->l2_topic)
		return -1;
	int r = shell_watch(l);
	if (r == 0)
		r = inputs_subscribe(l);
	if (r < 0)
		return r;
	publisher_synced(l->links_topic);
	publisher_synced(l->l2_topic);
	daemon_ready(d);
	return 0;
}

static void l2d_explain(struct daemon *d, const char *subject, char *buf, size_t size)
{
	outputs_explain(d->self, subject, buf, size);
}

static void l2d_close(struct daemon *d)
{
	shell_close(d->self);
}

int main(int argc, char **argv)
{
	static struct l2d l2d;
	static const struct daemon_ops ops = { .id = DAEMON_L2D,
					       .open = l2d_open,
					       .join = l2d_join,
					       .explain = l2d_explain,
					       .close = l2d_close };
	return daemon_main(argc, argv, &ops, &l2d);
}
