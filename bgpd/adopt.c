/* Sessions of a former life: the socket and its memory come back from the supervisor, everything in them is
 * checked, and the stream goes on at the byte where the kernel stands. Runs in bgpd, before it knows any
 * configuration. What does not check out is ended, never guessed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bgpd/bgpd.h"
#include "lib/base/must.h"

enum { LIVES_BEFORE_EMPTY_STORE = 2 };

static void *map_checked(int fd, size_t size)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || st.st_size < (off_t)size)
		return NULL;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

int adopt_open(struct bgpd *b)
{
	uint8_t seed[16];
	if (b->d->unready_lives >= LIVES_BEFORE_EMPTY_STORE)
		adopt_forget(b);
	b->slots_fd = daemon_take_retained(b->d, "prefixes");
	if (b->slots_fd >= 0)
		b->slots = map_checked(b->slots_fd, sizeof *b->slots);
	if (!b->slots) {
		if (b->slots_fd >= 0)
			close(b->slots_fd);
		b->slots_fd = memfd_create("bgp-prefixes", MFD_CLOEXEC);
		if (b->slots_fd < 0 || ftruncate(b->slots_fd, sizeof *b->slots) < 0)
			return -errno;
		b->slots = map_checked(b->slots_fd, sizeof *b->slots);
		if (!b->slots)
			return -ENOMEM;
		int rc = daemon_retain(b->d, "prefixes", b->slots_fd);
		if (rc < 0)
			log_line(LOG_WARN, "daemon", "retain", "sessions will not survive a restart: %s",
				 strerror(-rc));
	}
	for (size_t i = 0; i < sizeof seed; i++)
		seed[i] = (uint8_t)(b->seed >> (8 * (i % 8)));
	b->rib = rib_new(b->slots, seed);
	return b->rib ? 0 : -ENOMEM;
}

/* The former lives died before they were ready: perhaps of what they found. End every session and begin
 * empty. */
void adopt_forget(struct bgpd *b)
{
	const char *name;
	while ((name = daemon_retained_name(b->d, 0))) {
		char copy[64];
		str_fmt(copy, sizeof copy, "%s", name);
		int fd = daemon_take_retained(b->d, copy);
		if (fd < 0)
			break;
		if (copy[0] == 's')
			tcp_end(fd);
		daemon_release(b->d, copy);
		close(fd);
		log_line(LOG_WARN, "daemon", "retained",
			 "%s is given up, because two lives did not become ready", copy);
	}
}

static void refuse(struct bgpd *b, int id, int fd, int memfd, const char *why)
{
	char name[16];
	log_line(LOG_WARN, "daemon", "adopt", "retained session %d is ended: %s", id, why);
	if (fd >= 0) {
		tcp_end(fd);
		close(fd);
	}
	if (memfd >= 0)
		close(memfd);
	str_fmt(name, sizeof name, "s%d", id);
	daemon_release(b->d, name);
	str_fmt(name, sizeof name, "m%d", id);
	daemon_release(b->d, name);
}

static struct session *find_or_new(struct bgpd *b, const char *name)
{
	for (unsigned i = 0; i < RIB_MAX_PEERS; i++)
		if (b->sessions[i] && strcmp(b->sessions[i]->name, name) == 0)
			return b->sessions[i]->up ? NULL : b->sessions[i];
	return session_new(b, name);
}

static void restore(struct conn *c, const struct store_params *p)
{
	struct session *s = c->session;
	mono_t now = loop_now(s->b->loop);
	struct bgp_negotiated n = { .peer_as = p->peer_as,
				    .peer_id = p->peer_id,
				    .hold_s = p->hold_s,
				    .keepalive_s = p->keepalive_s,
				    .families = p->families,
				    .ibgp = p->ibgp,
				    .as4 = p->as4,
				    .refresh = p->refresh,
				    .next_hop_v6_for_v4 = p->next_hop_v6_for_v4,
				    .graceful = p->graceful,
				    .peer_graceful = p->peer_graceful };
	c->base = p->base;
	c->adopted = true;
	c->local = addr_from_bytes((enum family)p->local_family, p->local);
	c->remote = addr_from_bytes((enum family)p->remote_family, p->remote);
	c->remote_port = p->remote_port;
	c->scope = p->scope;
	c->peer_id = p->peer_id;
	c->fsm.config.local_as = p->local_as;
	c->fsm.config.router_id = p->router_id;
	c->fsm.config.families = p->families;
	mono_t input = { c->store->last_input_us }, keepalive = { c->store->last_keepalive_us };
	bgp_fsm_adopt(&c->fsm, &n, mono_min(input, now), mono_min(keepalive, now), now);
	s->established_at = (mono_t){ p->established_us };
	s->up = c;
	s->counters.times_adopted = ++c->store->adopted;
	c->encoding = (struct bgp_encoding){ .local_as = p->local_as,
					     .ibgp = n.ibgp,
					     .as4 = n.as4,
					     .next_hop_v6_for_v4 = n.next_hop_v6_for_v4 };
}

#ifdef INGOT_TEST_HOOKS
/* Retained memory that ends the daemon, for the test that it comes back without it. */
static void crash_on_demand(const struct store *s)
{
	if (s->spare == 0xdeadbeef)
		abort();
}
#endif

/* NULL when it goes on, else why not. */
static const char *take_over(struct bgpd *b, int id, int fd, int memfd, char *why, size_t size)
{
	struct store *store = map_checked(memfd, sizeof *store);
	struct store_params p;
	if (!store)
		return "its memory is too small";
#ifdef INGOT_TEST_HOOKS
	crash_on_demand(store);
#endif
	uint64_t taken = 0;
	const char *wrong = NULL;
	struct session *s = NULL;
	if (store_check(store, &p, why, size) < 0)
		wrong = why;
	else if (!tcp_is_open(fd) || tcp_taken(fd, &taken) < 0)
		wrong = "the connection is gone";
	else if (taken < p.base || !store_position_ok(store, taken - p.base))
		wrong = "the kernel and the retained bytes disagree";
	else if (!(s = find_or_new(b, p.peer)))
		wrong = "there is another session of this peer, or no memory";
	if (wrong) {
		munmap(store, sizeof *store);
		return wrong;
	}
	struct conn *c = &s->dialled;
	c->store = store;
	c->fd = fd;
	c->memfd = memfd;
	c->taken = taken - p.base;
	c->retained = id;
	b->retained_used[id] = true;
	restore(c, &p);
	if (!rib_session_up(b->rib, s->slot, store->bits, p.families)) {
		log_line(LOG_WARN, s->name, "adopt",
			 "the list of what was sent is damaged: the session is reset");
		session_end(s, BGP_CEASE_RESET);
	} else if (conn_attach(c, fd) < 0) {
		session_end(s, BGP_CEASE_RESET);
	} else {
		session_adopted(s);
	}
	return NULL;
}

static int id_of(const char *name)
{
	unsigned long long id;
	if ((name[0] != 's' && name[0] != 'm') ||
	    !str_to_u64(name + 1, strlen(name + 1), 2 * RIB_MAX_PEERS - 1, &id))
		return -1;
	return (int)id;
}

void adopt_all(struct bgpd *b)
{
	const char *name;
	while ((name = daemon_retained_name(b->d, 0))) {
		char other[16], why[96], copy[64];
		int id = id_of(name);
		str_fmt(copy, sizeof copy, "%s", name);
		int first = daemon_take_retained(b->d, copy);
		if (id < 0) {
			log_line(LOG_WARN, "daemon", "retained", "nobody knows what %s is", copy);
			daemon_release(b->d, copy);
			close(first);
			continue;
		}
		bool is_socket = copy[0] == 's';
		str_fmt(other, sizeof other, "%c%d", is_socket ? 'm' : 's', id);
		int second = daemon_take_retained(b->d, other);
		int fd = is_socket ? first : second, memfd = is_socket ? second : first;
		const char *wrong = fd < 0 || memfd < 0 ? "half of it is missing"
							: take_over(b, id, fd, memfd, why, sizeof why);
		if (wrong)
			refuse(b, id, fd, memfd, wrong);
		else
			b->restarted = false;
	}
	rib_sweep(b->rib);
}
