/* What gossipd takes from the bus and from its key file: objects, links and announcements of l2d, the secret.
 * Runs in gossipd. Other daemons are not trusted: counts and lengths are checked here again. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gossipd/gossip.h"
#include "lib/base/strbuf.h"
#include "proto/bus.pb-c.h"
#include "proto/state.pb-c.h"

enum {
	CONFIG_KINDS = FEED_KIND(KIND_POOL) | FEED_KIND(KIND_L2_ADVERTISEMENT) |
		       FEED_KIND(KIND_BGP_ADVERTISEMENT) | FEED_KIND(KIND_BGP_PEER) |
		       FEED_KIND(KIND_BFD_PROFILE) | FEED_KIND(KIND_COMMUNITY) | FEED_KIND(KIND_NAMESPACE) |
		       FEED_KIND(KIND_NODE),
	FEED_KINDS = CONFIG_KINDS | FEED_KIND(KIND_SECRET)
};

/* ---- the key ---- */

/* Lines of text, trimmed; the first one seals, all open. */
void inputs_use_secrets(struct gossip *g, const char *text, size_t len, const char *origin)
{
	const char *lines[SEAL_KEYS];
	size_t n = 0;
	char *copy = strndup(text, len);
	if (!copy)
		return;
	char *save = NULL;
	for (char *line = strtok_r(copy, "\r\n", &save); line && n < SEAL_KEYS;
	     line = strtok_r(NULL, "\r\n", &save)) {
		line += strspn(line, " \t");
		size_t end = strlen(line);
		while (end > 0 && (line[end - 1] == ' ' || line[end - 1] == '\t'))
			line[--end] = 0;
		if (end > 0)
			lines[n++] = line;
	}
	bool same = g->secrets && strcmp(g->secrets, text) == 0;
	if (n > 0 && !same) {
		seal_set_secrets(g->seal, lines, n);
		free(g->secrets);
		g->secrets = strndup(text, len);
		log_line(LOG_INFO, "gossip", "key", "%zu secret%s in force, from %s", n, n == 1 ? "" : "s",
			 origin);
		gossip_pump(g);
	} else if (n == 0) {
		log_limited(&g->quiet, 5, SEC(10), LOG_ERROR, "gossip", "key", "%s holds no secret", origin);
	}
	explicit_bzero(copy, strlen(copy));
	free(copy);
}

void inputs_read_key_file(struct gossip *g)
{
	const char *path = g->d->options.gossip_key_file;
	char text[GOSSIP_SECRET_MAX + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, GOSSIP_SECRET_MAX);
	if (n < 0) {
		log_limited(&g->quiet, 5, SEC(10), LOG_ERROR, "gossip", "key", "cannot read %s: %s", path,
			    strerror(errno));
	} else {
		text[n] = 0;
		inputs_use_secrets(g, text, (size_t)n, path);
		explicit_bzero(text, sizeof text);
	}
	if (fd >= 0)
		close(fd);
	if (!seal_has_key(g->seal))
		loop_timer_set(g->key_timer, mono_add(loop_now(g->d->loop), SEC(5)));
}

static void on_secret(void *ctx, int error, const char *message, const ProtobufCMessage *payload)
{
	struct gossip *g = ctx;
	g->secret_request = 0;
	if (error) {
		log_limited(&g->quiet, 5, SEC(10), LOG_WARN, "gossip", "key", "the Secret cannot be had: %s",
			    message && message[0] ? message : strerror(-error));
		loop_timer_set(g->key_timer, mono_add(loop_now(g->d->loop), SEC(1)));
		return;
	}
	const Ingot__SecretReply *r = (const Ingot__SecretReply *)(const void *)payload;
	char text[GOSSIP_SECRET_MAX + 1];
	const uint8_t *value = r->value.data ? r->value.data : (const uint8_t *)""; /* NULL when empty */
	if (r->value.len > GOSSIP_SECRET_MAX || memchr(value, 0, r->value.len)) {
		log_limited(&g->quiet, 5, SEC(10), LOG_ERROR, "gossip", "key",
			    "the Secret is too long or not text");
		return;
	}
	memcpy(text, value, r->value.len);
	text[r->value.len] = 0;
	inputs_use_secrets(g, text, r->value.len, "the Secret");
	explicit_bzero(text, sizeof text);
}

static void ask_secret(struct gossip *g)
{
	if (g->key_from_file || g->secret_request)
		return;
	char ns[LIMIT_NAME + 1], name[LIMIT_NAME + 1], field[] = "secretkey";
	str_fmt(ns, sizeof ns, "%s", g->d->options.namespace);
	/* Its own name first: the others are what MetalLB's manifests and chart call theirs. */
	const char *const secret_names[] = { g->d->options.secret_name, "memberlist", "metallb-memberlist" };
	for (size_t i = 0; i < sizeof secret_names / sizeof secret_names[0]; i++) {
		char key[OBJECT_KEY];
		if (!objects_get(feed_objects(g->feed), KIND_SECRET, object_key(ns, secret_names[i], key)))
			continue;
		Ingot__SecretRequest q = INGOT__SECRET_REQUEST__INIT;
		str_fmt(name, sizeof name, "%s", secret_names[i]);
		q.namespace_ = ns;
		q.name = name;
		q.key = field;
		g->secret_request =
		    bus_request(g->d->bus, DAEMON_WATCHER, REQUEST_SECRET, &q.base, on_secret, g);
		if (!g->secret_request)
			loop_timer_set(g->key_timer, mono_add(loop_now(g->d->loop), SEC(1)));
		return;
	}
}

static void on_key_timer(void *ctx)
{
	struct gossip *g = ctx;
	if (g->key_from_file)
		inputs_read_key_file(g);
	else if (g->feed)
		ask_secret(g);
}

/* ---- objects ---- */

static void taken(struct gossip *g, const char *key, int err)
{
	if (err)
		log_limited(&g->quiet, 5, SEC(10), LOG_ERROR, key, "ownership",
			    "out of memory: what was decided holds");
	loop_defer_ask(g->settle);
}

static void on_service(void *ctx, const char *key, const ProtobufCMessage *value)
{
	struct gossip *g = ctx;
	taken(g, key, owner_service_changed(g->owner, key, (const Ingot__Service *)(const void *)value));
}

static void on_service_gone(void *ctx, const char *key)
{
	struct gossip *g = ctx;
	taken(g, key, owner_service_changed(g->owner, key, NULL));
}

static void on_slice(void *ctx, const char *key, const ProtobufCMessage *value)
{
	struct gossip *g = ctx;
	taken(g, key, owner_slice_changed(g->owner, key, (const Ingot__EndpointSlice *)(const void *)value));
}

static void on_slice_gone(void *ctx, const char *key)
{
	struct gossip *g = ctx;
	taken(g, key, owner_slice_changed(g->owner, key, NULL));
}

/* Everything that counts was complete once. */
static void check_ready(struct gossip *g)
{
	if (g->inputs_ready || !feed_synced(g->feed) || !subscriber_synced(g->services_in) ||
	    !subscriber_synced(g->slices_in))
		return;
	g->inputs_ready = true;
	loop_defer_ask(g->settle);
}

static void on_table_synced(void *ctx)
{
	check_ready(ctx);
}

static bool node_address(const struct gossip *g, const Ingot__Node *n, struct swim_addr *ret)
{
	for (size_t i = 0; i < n->n_addresses; i++) {
		addr_t a;
		if (strcmp(n->addresses[i]->type, "InternalIP") != 0 ||
		    !addr_parse(n->addresses[i]->address, &a))
			continue;
		/* A socket bound to one family cannot reach the other. */
		if (!g->v6 && a.family != FAMILY_V4)
			continue;
		if (g->bound && a.family != g->own.ip.family)
			continue;
		*ret = (struct swim_addr){ .ip = a, .port = g->port };
		return true;
	}
	return false;
}

static void take_nodes(struct gossip *g)
{
	const struct map *nodes = &feed_objects(g->feed)->by_kind[KIND_NODE];
	struct swim_seed *seeds = calloc(map_len(nodes) + 1, sizeof *seeds);
	size_t n = 0;
	if (!seeds)
		return;
	g->others = false;
	map_each (nodes, e) {
		struct swim_addr a;
		const Ingot__Node *node = e->value;
		bool self = strcmp(e->key, g->d->options.node) == 0;
		g->others |= !self;
		if (!node_address(g, node, &a)) {
			log_limited(&g->quiet, 5, SEC(10), LOG_WARN, e->key, "node",
				    "its Node object has no InternalIP that can be reached from here");
			continue;
		}
		if (!self)
			seeds[n++] = (struct swim_seed){ .name = e->key, .addr = a };
		else if (!g->bound)
			g->own = a;
	}
	if (swim_seeds(g->swim, loop_now(g->d->loop), seeds, n) < 0)
		log_limited(&g->quiet, 5, SEC(10), LOG_ERROR, "gossip", "nodes", "out of memory");
	free(seeds);
	inputs_self(g);
	owner_nodes_changed(g->owner);
}

static void compile(struct gossip *g)
{
	struct config_input in = { .objects = feed_objects(g->feed), .ns = g->d->options.namespace };
	struct diags diags = { 0 };
	struct config *next = NULL;
	int err = config_compile(&in, &diags, &next);
	if (err == 0 && (!g->config || next->digest != g->config->digest)) {
		owner_set_config(g->owner, next);
		config_free(g->config);
		g->config = next;
	} else if (err == 0) {
		config_free(next);
	} else {
		log_limited(&g->quiet, 5, SEC(10), LOG_ERROR, "config", "configStale",
			    "out of memory: the former one holds");
	}
	outputs_config(g, &diags, err != 0);
	diags_fini(&diags);
}

static void on_settled(void *ctx, unsigned kinds)
{
	struct gossip *g = ctx;
	bool first = !g->objects_ready;
	g->objects_ready = true;
	if (first || (kinds & FEED_KIND(KIND_SECRET)))
		ask_secret(g);
	if (first || (kinds & FEED_KIND(KIND_NODE)))
		take_nodes(g);
	if (first || (kinds & CONFIG_KINDS))
		compile(g);
	check_ready(g);
	gossip_pump(g);
}

/* ---- links and announcements of l2d ---- */

static void on_link(void *ctx, const char *key, const ProtobufCMessage *value)
{
	struct gossip *g = ctx;
	const Ingot__Link *in = (const Ingot__Link *)(const void *)value;
	struct gossip_link *l = map_get(&g->link_table, key);
	size_t n = strlen(key);
	if (n == 0 || n > SWIM_LINK_NAME || (!l && map_len(&g->link_table) >= LIMIT_INTERFACES))
		return;
	if (!l) {
		l = calloc(1, sizeof *l);
		if (!l || map_set(&g->link_table, key, l, NULL) < 0) {
			free(l);
			return;
		}
	}
	l->up = in->up;
	l->usable = !in->excluded && !in->enslaved && (in->arp || in->ndp);
	memset(l->mac, 0, sizeof l->mac);
	if (in->mac.len == sizeof l->mac)
		memcpy(l->mac, in->mac.data, sizeof l->mac);
	loop_defer_ask(g->settle);
}

static void on_link_gone(void *ctx, const char *key)
{
	struct gossip *g = ctx;
	free(map_del(&g->link_table, key));
	loop_defer_ask(g->settle);
}

static void on_links_synced(void *ctx)
{
	struct gossip *g = ctx;
	g->links_known = true;
	loop_defer_ask(g->settle);
}

static int by_use(const void *a, const void *b)
{
	const struct swim_link *x = a, *y = b;
	if (x->up != y->up)
		return x->up ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
	const struct swim_link *x = a, *y = b;
	return strcmp(x->name, y->name);
}

/* Tell the others our address, links and whether we drain. Until l2d spoke the links of the former life hold.
 */
void inputs_self(struct gossip *g)
{
	const struct swim_node *now = &swim_self(g->swim)->node;
	struct swim_link *v = calloc(map_len(&g->link_table) + 1, sizeof *v);
	size_t n = 0, told;
	if (!v)
		return;
	map_each (&g->link_table, e) {
		const struct gossip_link *l = e->value;
		if (!l->usable)
			continue;
		memcpy(v[n].name, e->key, e->key_len);
		memcpy(v[n].mac, l->mac, sizeof l->mac);
		v[n++].up = l->up;
	}
	qsort(v, n, sizeof *v, by_use);
	told = n > SWIM_MAX_LINKS ? SWIM_MAX_LINKS : n;
	qsort(v, told, sizeof *v, by_name);
	swim_set_self(g->swim, loop_now(g->d->loop), &g->own, g->links_known ? v : now->links,
		      g->links_known ? n : now->n_links, g->draining ? SWIM_FLAG_DRAINING : 0);
	free(v);
}

/* "address%interface" of the l2 topic: how many interfaces announce an address. */
static void count_announcement(struct gossip *g, const char *key, bool on)
{
	bool was = map_get(&g->announcing, key) != NULL;
	const char *percent = strchr(key, '%');
	if (was == on || !percent)
		return;
	size_t len = (size_t)(percent - key);
	uintptr_t n = (uintptr_t)map_get_n(&g->announced, key, len);
	if (on && (map_set(&g->announcing, key, g, NULL) < 0 ||
		   map_set_n(&g->announced, key, len, (void *)(n + 1), NULL) < 0))
		return;
	if (!on) {
		map_del(&g->announcing, key);
		if (n <= 1)
			map_del_n(&g->announced, key, len);
		else
			(void)map_set_n(&g->announced, key, len, (void *)(n - 1), NULL);
	}
	gossip_check_goodbyes(g);
}

static void on_l2(void *ctx, const char *key, const ProtobufCMessage *value)
{
	count_announcement(ctx, key, ((const Ingot__L2Announcement *)(const void *)value)->announcing);
}

static void on_l2_gone(void *ctx, const char *key)
{
	count_announcement(ctx, key, false);
}

int inputs_join(struct gossip *g)
{
	static const struct feed_reader feed_reader = { .settled = on_settled };
	static const struct topic_reader service_reader = { .upsert = on_service,
							    .remove = on_service_gone,
							    .synced = on_table_synced };
	static const struct topic_reader slice_reader = { .upsert = on_slice,
							  .remove = on_slice_gone,
							  .synced = on_table_synced };
	static const struct topic_reader link_reader = { .upsert = on_link,
							 .remove = on_link_gone,
							 .synced = on_links_synced };
	static const struct topic_reader l2_reader = { .upsert = on_l2, .remove = on_l2_gone };
	g->key_timer = loop_timer_new(g->d->loop, on_key_timer, g);
	if (!g->key_timer)
		return -ENOMEM;
	g->feed = feed_new(g->d->bus, g->d->loop, FEED_KINDS, &feed_reader, g);
	g->services_in = bus_subscribe(g->d->bus, TOPIC_SERVICES, &service_reader, g);
	g->slices_in = bus_subscribe(g->d->bus, TOPIC_ENDPOINTS, &slice_reader, g);
	g->links = bus_subscribe(g->d->bus, TOPIC_LINKS, &link_reader, g);
	g->l2 = bus_subscribe(g->d->bus, TOPIC_L2, &l2_reader, g);
	return g->feed && g->services_in && g->slices_in ? 0 : -ENOMEM;
}

void inputs_close(struct gossip *g)
{
	feed_free(g->feed);
	loop_timer_free(g->key_timer);
	map_fini(&g->link_table, free);
	map_fini(&g->announced, NULL);
	map_fini(&g->announcing, NULL);
	config_free(g->config);
	if (g->secrets)
		explicit_bzero(g->secrets, strlen(g->secrets));
	free(g->secrets);
}
