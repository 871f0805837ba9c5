/* Stands in for gossipd in tests and measurements of l2d: publishes what it reads on stdin to topics
 * ownership and members. Lines: "own ADDRESS TERM", "hold ADDRESS TERM" (another owner, but go on), "lose
 * ADDRESS TERM", "drop ADDRESS", "member NAME MAC", "synced". Runs with INGOT_STANDALONE=1 in place of
 * gossipd; ends at end of file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/run/daemon.h"
#include "proto/state.pb-c.h"

struct owner {
	struct daemon *d;
	struct publisher *ownership, *members;
	struct loop_fd *watch;
	char line[256];
	size_t n;
};

static void put_ownership(struct owner *o, const char *address, unsigned long long term, bool mine, bool hold)
{
	Ingot__Ownership m = INGOT__OWNERSHIP__INIT;
	char self[] = "self", other[] = "other";
	m.owner = mine ? self : other;
	m.mine = mine;
	m.hold = hold;
	m.all_interfaces = true;
	m.term = term;
	publisher_put(o->ownership, address, &m.base);
}

static void put_member(struct owner *o, const char *name, const char *text)
{
	Ingot__Member m = INGOT__MEMBER__INIT;
	Ingot__MemberLink k = INGOT__MEMBER_LINK__INIT, *links[] = { &k };
	unsigned b[6];
	uint8_t mac[6];
	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
		return;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	k.mac = (ProtobufCBinaryData){ sizeof mac, mac };
	k.up = true;
	m.links = links;
	m.n_links = 1;
	publisher_put(o->members, name, &m.base);
}

static void do_line(struct owner *o, const char *line)
{
	char verb[16] = "", subject[128] = "", rest[64] = "0";
	unsigned long long term = 0;
	int n = sscanf(line, "%15s %127s %63s", verb, subject, rest);
	sscanf(rest, "%llu", &term);
	if (strcmp(verb, "synced") == 0) {
		publisher_synced(o->ownership);
		publisher_synced(o->members);
	} else if (n >= 2 && strcmp(verb, "drop") == 0) {
		publisher_delete(o->ownership, subject);
	} else if (n == 3 && strcmp(verb, "member") == 0) {
		put_member(o, subject, rest);
	} else if (n >= 2) {
		put_ownership(o, subject, term, strcmp(verb, "own") == 0, strcmp(verb, "hold") == 0);
	}
}

static void on_input(void *ctx, unsigned events)
{
	struct owner *o = ctx;
	(void)events;
	ssize_t got = read(STDIN_FILENO, o->line + o->n, sizeof o->line - 1 - o->n);
	if (got <= 0) {
		if (got == 0 || errno != EAGAIN)
			daemon_stopped(o->d);
		return;
	}
	o->n += (size_t)got;
	o->line[o->n] = 0;
	char *start = o->line;
	for (char *end; (end = strchr(start, '\n')); start = end + 1) {
		*end = 0;
		do_line(o, start);
	}
	o->n = strlen(start);
	if (o->n == sizeof o->line - 1)
		o->n = 0;
	memmove(o->line, start, o->n + 1);
}

static int join(struct daemon *d)
{
	struct owner *o = d->self;
	o->d = d;
	o->ownership = bus_publish(d->bus, TOPIC_OWNERSHIP);
	o->members = bus_publish(d->bus, TOPIC_MEMBERS);
	o->watch = loop_fd_new(d->loop, STDIN_FILENO, LOOP_READ, on_input, o);
	if (!o->ownership || !o->members || !o->watch)
		return -ENOMEM;
	daemon_ready(d);
	return 0;
}

static void finish(struct daemon *d)
{
	struct owner *o = d->self;
	loop_fd_free(o->watch);
}

int main(int argc, char **argv)
{
	struct owner o = { 0 };
	static const struct daemon_ops ops = { .id = DAEMON_GOSSIPD, .join = join, .close = finish };
	return daemon_main(argc, argv, &ops, &o);
}
