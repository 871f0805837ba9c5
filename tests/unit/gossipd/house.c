/* Plays supervisor, watcher and l2d around real gossipd processes. Part of the tests of gossipd. */
#include "tests/unit/gossipd/house.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "lib/run/fds.h"
#include "lib/run/log.h"
#include "lib/run/options.h"
#include "proto/bus.pb-c.h"

/* Sanitizers need what the sandbox forbids. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX "off"
#else
#define SANDBOX "on"
#endif

static void on_timer(void *ctx)
{
	struct house *h = ctx;
	h->reached = h->until && h->until(h);
	loop_stop(h->loop);
}

static void check(struct house *h)
{
	if (h->until && h->until(h)) {
		h->reached = true;
		loop_stop(h->loop);
	}
}

/* ---- supervisor ---- */

static void retain(struct house_node *n, const struct sup_message *m)
{
	size_t i = 0;
	while (i < n->n_retained && strcmp(n->retained[i].name, m->name) != 0)
		i++;
	must(i < HOUSE_RETAINED);
	if (i < n->n_retained)
		close(n->retained[i].fd);
	else
		n->n_retained++;
	snprintf(n->retained[i].name, sizeof n->retained[i].name, "%s", m->name);
	n->retained[i].fd = m->fd;
}

static void drop_pair(struct house_node *n)
{
	loop_fd_free(n->pair_watch);
	n->pair_watch = NULL;
	if (n->pair >= 0)
		close(n->pair);
	n->pair = -1;
}

static void on_pair(void *ctx, unsigned events)
{
	struct house_node *n = ctx;
	struct sup_message m;
	int got;
	(void)events;
	while ((got = sup_receive(n->pair, &m)) == 1) {
		if (m.type == SUP_READY)
			n->ready = true;
		else if (m.type == SUP_STOPPED)
			n->stopped = true;
		else if (m.type == SUP_RETAIN)
			retain(n, &m);
	}
	if (got != -EAGAIN)
		drop_pair(n);
	check(n->house);
}

static void child(const struct house *h, const struct house_node *n, int pair)
{
	/* The number of the pair is fixed; dup2 also takes away close-on-exec. */
	if (pair != FD_SUPERVISOR)
		dup2(pair, FD_SUPERVISOR);
	setenv("INGOT_ROLE", "node", 1);
	setenv("INGOT_NODE", n->name, 1);
	setenv("INGOT_RUN_DIR", n->run, 1);
	setenv("INGOT_NAMESPACE", "metallb-system", 1);
	setenv("INGOT_GOSSIP_BIND", n->address, 1);
	setenv("INGOT_GOSSIP_PORT", h->port, 1);
	setenv("INGOT_GOSSIP_KEY_FILE", h->use_secret ? "" : h->key_file, 1);
	setenv("INGOT_UID_BASE", "-1", 1);
	setenv("INGOT_SANDBOX", SANDBOX, 1);
	if (!getenv("INGOT_LOG_LEVEL"))
		setenv("INGOT_LOG_LEVEL", "error", 1);
	execl(GOSSIPD_PATH, "gossipd", (char *)NULL);
	_exit(127);
}

void house_start(struct house *h, size_t node, bool with_retained)
{
	struct house_node *n = &h->node[node];
	int pair[2];
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0);
	n->ready = n->stopped = false;
	n->pair = pair[0];
	if (!with_retained) {
		while (n->n_retained)
			close(n->retained[--n->n_retained].fd);
	}
	for (size_t i = 0; i < n->n_retained; i++) {
		struct sup_message m = { .type = SUP_RETAINED, .fd = n->retained[i].fd };
		snprintf(m.name, sizeof m.name, "%s", n->retained[i].name);
		must(sup_send(n->pair, &m) == 0);
	}
	struct sup_message end = { .type = SUP_RETAINED_END, .fd = -1 };
	must(sup_send(n->pair, &end) == 0);
	n->pid = fork();
	must(n->pid >= 0);
	if (n->pid == 0)
		child(h, n, pair[1]);
	close(pair[1]);
	n->pair_watch = loop_fd_new(h->loop, n->pair, LOOP_READ, on_pair, n);
	must(n->pair_watch);
}

void house_signal(struct house *h, size_t node, int sig)
{
	must(h->node[node].pid > 0 && kill(h->node[node].pid, sig) == 0);
}

static void reap(struct house_node *n)
{
	must(waitpid(n->pid, &n->exit_status, 0) == n->pid);
	n->pid = 0;
	drop_pair(n);
}

void house_kill(struct house *h, size_t node)
{
	struct house_node *n = &h->node[node];
	if (n->pid <= 0)
		return;
	/* What it gave us to keep may still lie in the socket. */
	if (n->pair >= 0)
		on_pair(n, LOOP_READ);
	house_signal(h, node, SIGKILL);
	reap(n);
}

void house_ask_stop(struct house *h, size_t node)
{
	struct sup_message m = { .type = SUP_STOP, .fd = -1 };
	must(sup_send(h->node[node].pair, &m) == 0);
}

int64_t house_cpu_ns(const struct house *h, size_t node)
{
	char path[64];
	int64_t sum = 0;
	snprintf(path, sizeof path, "/proc/%d/task", (int)h->node[node].pid);
	DIR *d = opendir(path);
	must(d);
	for (struct dirent *e; (e = readdir(d));) {
		char file[400];
		long long ns = 0;
		snprintf(file, sizeof file, "%s/%s/schedstat", path, e->d_name);
		FILE *f = fopen(file, "r");
		if (f && fscanf(f, "%lld", &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	closedir(d);
	return sum;
}

/* ---- watcher ---- */

static Ingot__ObjectMeta meta_of(char *ns, char *name)
{
	Ingot__ObjectMeta m = INGOT__OBJECT_META__INIT;
	m.namespace_ = ns;
	m.name = name;
	return m;
}

static void put_nodes(const struct house *h, struct publisher *p)
{
	char type[] = "InternalIP", none[] = "";
	for (size_t i = 0; i < HOUSE_NODES; i++) {
		char name[32], address[32];
		Ingot__NodeAddress a = INGOT__NODE_ADDRESS__INIT, *list = &a;
		Ingot__Node n = INGOT__NODE__INIT;
		snprintf(name, sizeof name, "%s", h->node[i].name);
		snprintf(address, sizeof address, "%s", h->node[i].address);
		Ingot__ObjectMeta meta = meta_of(none, name);
		a.type = type;
		a.address = address;
		n.meta = &meta;
		n.n_addresses = 1;
		n.addresses = &list;
		must(publisher_put(p, name, &n.base) == 0);
	}
}

static void put_pool(struct publisher *pools, struct publisher *ads)
{
	char ns[] = "metallb-system", name[] = "pool", range[] = "192.0.2.0/24", *ranges = range;
	Ingot__ObjectMeta meta = meta_of(ns, name);
	Ingot__IPAddressPool p = INGOT__IPADDRESS_POOL__INIT;
	Ingot__L2Advertisement a = INGOT__L2_ADVERTISEMENT__INIT;
	p.meta = a.meta = &meta;
	p.n_addresses = 1;
	p.addresses = &ranges;
	must(publisher_put(pools, "metallb-system/pool", &p.base) == 0);
	must(publisher_put(ads, "metallb-system/pool", &a.base) == 0);
}

static void put_services(struct publisher *services, struct publisher *endpoints)
{
	char ns[] = "default", type[] = "LoadBalancer", family[] = "IPv4", address[] = "10.1.2.3",
	     *addresses = address;
	for (size_t i = 0; i < HOUSE_SERVICES; i++) {
		char name[32], ip[32], key[64];
		snprintf(name, sizeof name, "web-%zu", i);
		snprintf(ip, sizeof ip, "192.0.2.%zu", i);
		snprintf(key, sizeof key, "default/%s", name);
		Ingot__ObjectMeta meta = meta_of(ns, name);
		Ingot__LoadBalancerIngress ingress = INGOT__LOAD_BALANCER_INGRESS__INIT, *list = &ingress;
		Ingot__Service s = INGOT__SERVICE__INIT;
		Ingot__Endpoint e = INGOT__ENDPOINT__INIT, *endpoint = &e;
		Ingot__EndpointSlice slice = INGOT__ENDPOINT_SLICE__INIT;
		ingress.ip = ip;
		s.meta = slice.meta = &meta;
		s.type = type;
		s.n_ingress = 1;
		s.ingress = &list;
		e.ready = INGOT__TRISTATE__YES;
		e.n_addresses = 1;
		e.addresses = &addresses;
		slice.service_name = name;
		slice.address_type = family;
		slice.n_endpoints = 1;
		slice.endpoints = &endpoint;
		must(publisher_put(services, key, &s.base) == 0);
		must(publisher_put(endpoints, key, &slice.base) == 0);
	}
}

static void on_secret(void *ctx, const ProtobufCMessage *payload, struct exchange *x)
{
	struct house *h = ctx;
	const Ingot__SecretRequest *q = (const Ingot__SecretRequest *)(const void *)payload;
	Ingot__SecretReply r = INGOT__SECRET_REPLY__INIT;
	if (strcmp(q->name, "memberlist") != 0 || strcmp(q->key, "secretkey") != 0 || !h->secret[0]) {
		bus_reply_error(x, -ENOENT, "no such Secret");
		return;
	}
	r.value.data = (uint8_t *)h->secret;
	r.value.len = strlen(h->secret);
	bus_reply(x, &r.base);
}

void house_put_secret(struct house *h, const char *value)
{
	char ns[] = "metallb-system", name[] = "memberlist", version[16];
	snprintf(h->secret, sizeof h->secret, "%s", value);
	snprintf(version, sizeof version, "%u", ++h->secret_version);
	Ingot__ObjectMeta meta = meta_of(ns, name);
	Ingot__Secret s = INGOT__SECRET__INIT;
	meta.resource_version = version;
	s.meta = &meta;
	for (size_t i = 0; i < HOUSE_NODES; i++)
		must(publisher_put(h->node[i].secrets, "metallb-system/memberlist", &s.base) == 0);
}

static void play_watcher(struct house *h, struct house_node *node)
{
	struct publisher *p[TOPIC_N] = { 0 };
	struct bus *b = node->watcher;
	must(bus_serve(b, REQUEST_SECRET, on_secret, h) == 0);
	for (unsigned t = 0; t < TOPIC_N; t++)
		if (topic_publisher((enum topic)t) == DAEMON_WATCHER)
			must((p[t] = bus_publish(b, (enum topic)t)));
	node->secrets = p[TOPIC_SECRETS];
	put_nodes(h, p[TOPIC_NODES]);
	put_pool(p[TOPIC_POOLS], p[TOPIC_L2_ADVERTISEMENTS]);
	put_services(p[TOPIC_SERVICES], p[TOPIC_ENDPOINTS]);
	for (unsigned t = 0; t < TOPIC_N; t++)
		if (p[t])
			publisher_synced(p[t]);
}

/* ---- l2d, and somebody who looks on ---- */

static void on_owner(void *ctx, const char *key, const ProtobufCMessage *value)
{
	struct house_node *n = ctx;
	const Ingot__Ownership *o = (const Ingot__Ownership *)(const void *)value;
	struct house_owner *x = map_get(&n->owners, key);
	bool fresh = !x;
	if (fresh) {
		x = calloc(1, sizeof *x);
		must(x && map_set(&n->owners, key, x, NULL) == 0);
	}
	n->owner_changes += fresh || x->term != o->term || strcmp(x->owner, o->owner) != 0;
	snprintf(x->owner, sizeof x->owner, "%s", o->owner);
	x->mine = o->mine;
	x->hold = o->hold;
	x->term = o->term;
	n->saw_hold |= o->hold;
	char l2_key[80];
	snprintf(l2_key, sizeof l2_key, "%s%%eth0", key);
	Ingot__L2Announcement a = INGOT__L2_ANNOUNCEMENT__INIT;
	a.announcing = o->mine || o->hold;
	must(publisher_put(n->l2, l2_key, &a.base) == 0);
	check(n->house);
}

static void on_owner_gone(void *ctx, const char *key)
{
	struct house_node *n = ctx;
	free(map_del(&n->owners, key));
	n->owner_changes++;
}

static void on_owners_synced(void *ctx)
{
	struct house_node *n = ctx;
	n->owners_synced = true;
	check(n->house);
}

static void on_member(void *ctx, const char *key, const ProtobufCMessage *value)
{
	struct house_node *n = ctx;
	const Ingot__Member *m = (const Ingot__Member *)(const void *)value;
	n->deaths += m->state == INGOT__MEMBER_STATE__MEMBER_DEAD;
	must(map_set(&n->members, key, (void *)((uintptr_t)m->state + 1), NULL) == 0);
	check(n->house);
}

static void on_member_gone(void *ctx, const char *key)
{
	struct house_node *n = ctx;
	map_del(&n->members, key);
}

static void play_l2d(struct house_node *n)
{
	static const struct topic_reader owner_reader = { on_owner, on_owner_gone, on_owners_synced };
	static const struct topic_reader member_reader = { on_member, on_member_gone, NULL };
	n->links = bus_publish(n->l2d, TOPIC_LINKS);
	n->l2 = bus_publish(n->l2d, TOPIC_L2);
	must(n->links && n->l2);
	uint8_t mac[6] = { 2, 0, 0, 0, 0, (uint8_t)n->index };
	Ingot__Link link = INGOT__LINK__INIT;
	link.index = 2;
	link.up = link.arp = link.ndp = true;
	link.mac.data = mac;
	link.mac.len = sizeof mac;
	must(publisher_put(n->links, "eth0", &link.base) == 0);
	publisher_synced(n->links);
	publisher_synced(n->l2);
	must(bus_subscribe(n->l2d, TOPIC_OWNERSHIP, &owner_reader, n));
	must(bus_subscribe(n->l2d, TOPIC_MEMBERS, &member_reader, n));
}

static struct bus *join(struct house_node *n, enum daemon_id self)
{
	char path[200];
	struct bus_config c = {
		.run_dir = n->run,
		.self = self,
		.daemons = options_daemons("node"),
		.uid_base = (uid_t)-1,
		.metrics = n->metrics,
	};
	snprintf(path, sizeof path, "%s/%s", n->run, daemon_name(self));
	must(mkdir(path, 0755) == 0);
	struct bus *b = bus_new(n->house->loop, &c);
	must(b);
	return b;
}

/* ---- life ---- */

struct house *house_new(void)
{
	struct house *h = calloc(1, sizeof *h);
	must(h);
	log_open("test", "logfmt", "error");
	snprintf(h->dir, sizeof h->dir, "/tmp/ingot-gossipd-XXXXXX");
	must(mkdtemp(h->dir));
	char dir[sizeof h->dir];
	memcpy(dir, h->dir, sizeof dir);
	snprintf(h->key_file, sizeof h->key_file, "%s/key", h->dir);
	snprintf(h->port, sizeof h->port, "%u", 20000u + (unsigned)getpid() % 20000u);
	FILE *f = fopen(h->key_file, "w");
	must(f && fputs("a secret of these tests\nan older secret\n", f) >= 0 && fclose(f) == 0);
	h->loop = loop_new();
	must(h->loop);
	h->timer = loop_timer_new(h->loop, on_timer, h);
	for (size_t i = 0; i < HOUSE_NODES; i++) {
		struct house_node *n = &h->node[i];
		n->house = h;
		n->index = i;
		n->pair = -1;
		snprintf(n->name, sizeof n->name, "node-%c", (char)('a' + i));
		snprintf(n->address, sizeof n->address, "127.0.0.%zu", i + 1);
		snprintf(n->run, sizeof n->run, "%s/%c", dir, (char)('a' + i));
		must(mkdir(n->run, 0755) == 0);
		char own[200];
		snprintf(own, sizeof own, "%s/gossipd", n->run);
		must(mkdir(own, 0755) == 0);
		map_init(&n->owners);
		map_init(&n->members);
		n->metrics = metrics_new();
	}
	for (size_t i = 0; i < HOUSE_NODES; i++) {
		struct house_node *n = &h->node[i];
		n->watcher = join(n, DAEMON_WATCHER);
		play_watcher(h, n);
		n->l2d = join(n, DAEMON_L2D);
		play_l2d(n);
	}
	return h;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void house_free(struct house *h)
{
	for (size_t i = 0; i < HOUSE_NODES; i++) {
		struct house_node *n = &h->node[i];
		if (n->pid > 0) {
			(void)kill(n->pid, SIGCONT);
			house_kill(h, i);
		}
		while (n->n_retained)
			close(n->retained[--n->n_retained].fd);
		bus_free(n->watcher);
		bus_free(n->l2d);
		map_fini(&n->owners, free);
		map_fini(&n->members, NULL);
		metrics_free(n->metrics);
	}
	loop_timer_free(h->timer);
	loop_free(h->loop);
	nftw(h->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(h);
}

int64_t house_wait(struct house *h, bool (*until)(struct house *h), int limit_ms)
{
	mono_t start = loop_clock();
	h->until = until;
	h->reached = false;
	if (until && until(h))
		return 0;
	loop_timer_set(h->timer, mono_add(start, MS(limit_ms)));
	loop_run(h->loop);
	h->until = NULL;
	return h->reached ? mono_sub(loop_clock(), start) : -1;
}

void house_run(struct house *h, int ms)
{
	(void)house_wait(h, NULL, ms);
}

void house_reset_counts(struct house *h)
{
	for (size_t i = 0; i < HOUSE_NODES; i++) {
		h->node[i].owner_changes = h->node[i].deaths = 0;
		h->node[i].saw_hold = false;
	}
}

const struct house_owner *house_owner(const struct house *h, size_t node, size_t service)
{
	char key[32];
	snprintf(key, sizeof key, "192.0.2.%zu", service);
	return map_get(&h->node[node].owners, key);
}

int house_member(const struct house *h, size_t node, size_t of)
{
	return (int)(uintptr_t)map_get(&h->node[node].members, h->node[of].name) - 1;
}
