/* Plays supervisor and watcher around one real bgpd. Test code. */
#include "tests/system/bgp_stream/house.h"

#include <errno.h>
#include <fcntl.h>
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
#include "lib/base/strbuf.h"
#include "lib/run/fds.h"

static const enum topic topics[] = { TOPIC_SERVICES,
				     TOPIC_ENDPOINTS,
				     TOPIC_NODES,
				     TOPIC_NAMESPACES,
				     TOPIC_SECRETS,
				     TOPIC_CONFIG_MAPS,
				     TOPIC_POOLS,
				     TOPIC_L2_ADVERTISEMENTS,
				     TOPIC_BGP_ADVERTISEMENTS,
				     TOPIC_BGP_PEERS_WANTED,
				     TOPIC_BFD_PROFILES,
				     TOPIC_COMMUNITIES };

int house_open(struct house *h, const char *program)
{
	static const char *const folders[] = { "", "/bgpd", "/watcher" };
	memset(h, 0, sizeof *h);
	h->program = program;
	h->pair = -1;
	strcpy(h->run_dir, "/tmp/ingot-stream-XXXXXX");
	if (!mkdtemp(h->run_dir))
		return -errno;
	for (size_t i = 1; i < ARRAY_LEN(folders); i++) {
		char path[96];
		str_fmt(path, sizeof path, "%s%s", h->run_dir, folders[i]);
		if (mkdir(path, 0755) < 0)
			return -errno;
	}
	for (size_t i = 0; i < HOUSE_RETAINED; i++)
		h->retained[i].fd = -1;
	h->loop = loop_new();
	h->metrics = metrics_new();
	struct bus_config config = { .run_dir = h->run_dir,
				     .self = DAEMON_WATCHER,
				     .daemons = READS(WATCHER) | READS(BGPD),
				     .uid_base = (uid_t)-1,
				     .metrics = h->metrics };
	h->bus = bus_new(h->loop, &config);
	if (!h->bus)
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(topics); i++) {
		h->topic[topics[i]] = bus_publish(h->bus, topics[i]);
		if (!h->topic[topics[i]])
			return -ENOMEM;
	}
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void house_close(struct house *h)
{
	house_kill(h);
	for (size_t i = 0; i < HOUSE_RETAINED; i++)
		if (h->retained[i].fd >= 0)
			close(h->retained[i].fd);
	bus_free(h->bus);
	loop_free(h->loop);
	metrics_free(h->metrics);
	nftw(h->run_dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void retain(struct house *h, const struct sup_message *m)
{
	size_t place = HOUSE_RETAINED;
	for (size_t i = 0; i < HOUSE_RETAINED; i++) {
		if (h->retained[i].fd >= 0 && strcmp(h->retained[i].name, m->name) == 0) {
			close(h->retained[i].fd);
			place = i;
			break;
		}
		if (h->retained[i].fd < 0 && place == HOUSE_RETAINED)
			place = i;
	}
	must(place < HOUSE_RETAINED);
	memcpy(h->retained[place].name, m->name, SUP_NAME);
	h->retained[place].fd = m->fd;
}

static void release(struct house *h, const char *name)
{
	for (size_t i = 0; i < HOUSE_RETAINED; i++) {
		if (h->retained[i].fd >= 0 && strcmp(h->retained[i].name, name) == 0) {
			close(h->retained[i].fd);
			h->retained[i].fd = -1;
		}
	}
}

int house_retained(const struct house *h, const char *name)
{
	for (size_t i = 0; i < HOUSE_RETAINED; i++)
		if (h->retained[i].fd >= 0 && strcmp(h->retained[i].name, name) == 0)
			return h->retained[i].fd;
	return -1;
}

size_t house_n_retained(const struct house *h)
{
	size_t n = 0;
	for (size_t i = 0; i < HOUSE_RETAINED; i++)
		n += h->retained[i].fd >= 0;
	return n;
}

/* false: it is gone. */
static bool listen_to_child(struct house *h)
{
	struct sup_message m;
	int rc;
	while ((rc = sup_receive(h->pair, &m)) == 1) {
		if (m.type == SUP_RETAIN)
			retain(h, &m);
		else if (m.type == SUP_RELEASE)
			release(h, m.name);
		else if (m.type == SUP_READY) {
			h->ready = true;
			if (h->on_ready)
				h->on_ready(h->ctx);
		}
	}
	return rc == -EAGAIN;
}

static void reap(struct house *h)
{
	int status = 0;
	waitpid(h->pid, &status, 0);
	h->stopped = h->stopping && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	h->crashes += !h->stopped && (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL);
	h->unready_lives = h->ready ? 0 : h->unready_lives + 1;
	h->pid = 0;
	loop_fd_free(h->watch);
	h->watch = NULL;
	close(h->pair);
	h->pair = -1;
}

static void on_pair(void *ctx, unsigned events)
{
	struct house *h = ctx;
	(void)events;
	if (listen_to_child(h))
		return;
	reap(h);
	if (!h->stopping)
		house_start(h);
}

static void run_child(const struct house *h, int pair)
{
	dup2(pair, FD_SUPERVISOR);
	if (pair == FD_SUPERVISOR)
		fcntl(pair, F_SETFD, 0);
	setenv("INGOT_RUN_DIR", h->run_dir, 1);
	setenv("INGOT_ROLE", "node", 1);
	setenv("INGOT_NODE", "node1", 1);
	setenv("INGOT_NAMESPACE", "metallb-system", 1);
	setenv("INGOT_UID_BASE", "-1", 1);
	setenv("INGOT_SOURCE", "dir:/nowhere", 1);
	if (!getenv("INGOT_SANDBOX"))
		setenv("INGOT_SANDBOX", "off", 1);
	if (!getenv("INGOT_LOG_LEVEL"))
		setenv("INGOT_LOG_LEVEL", "error", 1);
	execl(h->program, "bgpd", (char *)NULL);
	_exit(127);
}

int house_start(struct house *h)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	h->pid = fork();
	if (h->pid == 0)
		run_child(h, pair[1]);
	close(pair[1]);
	h->pair = pair[0];
	h->ready = false;
	h->lives++;
	for (size_t i = 0; i < HOUSE_RETAINED; i++) {
		struct sup_message m = { .type = SUP_RETAINED, .fd = h->retained[i].fd };
		memcpy(m.name, h->retained[i].name, SUP_NAME);
		if (m.fd >= 0 && sup_send(h->pair, &m) < 0)
			return -EIO;
	}
	struct sup_message end = { .type = SUP_RETAINED_END, .value = h->unready_lives, .fd = -1 };
	if (sup_send(h->pair, &end) < 0)
		return -EIO;
	fcntl(h->pair, F_SETFL, O_NONBLOCK);
	h->watch = loop_fd_new(h->loop, h->pair, LOOP_READ, on_pair, h);
	return 0;
}

void house_kill(struct house *h)
{
	if (h->pid <= 0)
		return;
	kill(h->pid, SIGKILL);
	siginfo_t info;
	waitid(P_PID, (id_t)h->pid, &info, WEXITED | WNOWAIT);
	listen_to_child(h);
	reap(h);
}

void house_tell(struct house *h, enum sup_type type, uint64_t value)
{
	struct sup_message m = { .type = type, .value = value, .fd = -1 };
	h->stopping |= type == SUP_STOP;
	must(sup_send(h->pair, &m) == 0);
}

void house_synced(struct house *h)
{
	for (size_t i = 0; i < ARRAY_LEN(topics); i++)
		publisher_synced(h->topic[topics[i]]);
}

static char *text(const char *s)
{
	return (char *)(uintptr_t)s; /* messages only borrow */
}

static void put(struct house *h, enum topic t, Ingot__ObjectMeta *meta, const ProtobufCMessage *m)
{
	char key[600];
	str_fmt(key, sizeof key, "%s/%s", meta->namespace_, meta->name);
	must(publisher_put(h->topic[t], key, m) == 0);
}

void house_put_peer(struct house *h, const char *name, const char *address, unsigned port, unsigned my_as,
		    unsigned peer_as)
{
	Ingot__ObjectMeta meta = INGOT__OBJECT_META__INIT;
	Ingot__BGPPeer p = INGOT__BGPPEER__INIT;
	meta.namespace_ = text("metallb-system");
	meta.name = text(name);
	p.meta = &meta;
	p.my_asn = my_as;
	p.peer_asn = peer_as;
	p.peer_address = text(address);
	p.peer_port = port;
	p.ebgp_multi_hop = INGOT__TRISTATE__YES;
	put(h, TOPIC_BGP_PEERS_WANTED, &meta, &p.base);
}

void house_put_pool(struct house *h, const char *range)
{
	Ingot__ObjectMeta meta = INGOT__OBJECT_META__INIT;
	Ingot__IPAddressPool p = INGOT__IPADDRESS_POOL__INIT;
	Ingot__BGPAdvertisement a = INGOT__BGPADVERTISEMENT__INIT;
	char *ranges[] = { text(range) };
	meta.namespace_ = text("metallb-system");
	meta.name = text("pool");
	p.meta = a.meta = &meta;
	p.addresses = ranges;
	p.n_addresses = 1;
	put(h, TOPIC_POOLS, &meta, &p.base);
	put(h, TOPIC_BGP_ADVERTISEMENTS, &meta, &a.base);
}

void house_put_service(struct house *h, unsigned n, const char *ip)
{
	char name[32];
	Ingot__ObjectMeta meta = INGOT__OBJECT_META__INIT, slice_meta = INGOT__OBJECT_META__INIT;
	Ingot__Service s = INGOT__SERVICE__INIT;
	Ingot__LoadBalancerIngress ingress = INGOT__LOAD_BALANCER_INGRESS__INIT, *ingresses[] = { &ingress };
	Ingot__EndpointSlice e = INGOT__ENDPOINT_SLICE__INIT;
	Ingot__Endpoint endpoint = INGOT__ENDPOINT__INIT, *endpoints[] = { &endpoint };
	char *addresses[] = { text("10.9.9.9") };
	str_fmt(name, sizeof name, "s%u", n);
	meta.namespace_ = slice_meta.namespace_ = text("default");
	meta.name = slice_meta.name = name;
	s.meta = &meta;
	s.type = text("LoadBalancer");
	s.external_traffic_policy = text("Cluster");
	ingress.ip = text(ip);
	s.ingress = ingresses;
	s.n_ingress = 1;
	endpoint.addresses = addresses;
	endpoint.n_addresses = 1;
	endpoint.node_name = text("node1");
	e.meta = &slice_meta;
	e.service_name = name;
	e.endpoints = endpoints;
	e.n_endpoints = 1;
	put(h, TOPIC_ENDPOINTS, &slice_meta, &e.base);
	put(h, TOPIC_SERVICES, &meta, &s.base);
}

void house_del_service(struct house *h, unsigned n)
{
	char key[64];
	str_fmt(key, sizeof key, "default/s%u", n);
	publisher_delete(h->topic[TOPIC_SERVICES], key);
	publisher_delete(h->topic[TOPIC_ENDPOINTS], key);
}
