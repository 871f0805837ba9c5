/* The listening end of the stream test. Test code. */
#include "tests/system/bgp_stream/receiver.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/must.h"

void receiver_say(struct receiver *r, const uint8_t *bytes, size_t n)
{
	if (r->fd >= 0)
		must(send(r->fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n);
}

static void on_keepalive(void *ctx)
{
	struct receiver *r = ctx;
	uint8_t buf[BGP_HEADER];
	struct wbuf w = wbuf_of(buf, sizeof buf);
	bgp_keepalive_encode(&w);
	receiver_say(r, w.data, w.len);
	loop_timer_set(r->keepalive, mono_add(loop_now(r->loop), SEC(1)));
}

static void hang_up(struct receiver *r)
{
	loop_fd_free(r->watch);
	close(r->fd);
	r->watch = NULL;
	r->fd = -1;
	r->n = 0;
	map_fini(&r->table, NULL);
	map_init(&r->table);
	loop_timer_set(r->keepalive, MONO_NEVER);
}

static size_t key_of(prefix_t p, uint8_t key[static 18])
{
	key[0] = p.addr.family;
	key[1] = p.len;
	memcpy(key + 2, p.addr.bytes, 16);
	return 18;
}

bool receiver_has(const struct receiver *r, prefix_t p)
{
	uint8_t key[18];
	return map_get_n(&r->table, key, key_of(p, key));
}

static void learn(struct receiver *r, struct cur list, enum family f, bool announce)
{
	prefix_t p;
	uint8_t key[18];
	while (bgp_nlri_next(&list, f, &p)) {
		size_t len = key_of(p, key);
		if (announce) {
			r->announced++;
			must(map_set_n(&r->table, key, len, r, NULL) == 0);
		} else {
			r->withdrawn++;
			map_del_n(&r->table, key, len);
		}
	}
}

static void on_open(struct receiver *r, const uint8_t *body, size_t len)
{
	struct bgp_open o, mine = { .version = 4,
				    .hold_s = 90,
				    .as = r->as,
				    .id = r->id,
				    .families = BGP_V4 | BGP_V6,
				    .as4 = true,
				    .refresh = true };
	struct bgp_error e;
	uint8_t buf[256];
	struct wbuf w = wbuf_of(buf, sizeof buf);
	r->broken |= !bgp_open_decode(body, len, &o, &e);
	bgp_open_encode(&w, &mine);
	if (!r->open_only)
		bgp_keepalive_encode(&w);
	receiver_say(r, w.data, w.len);
	loop_timer_set(r->keepalive, mono_add(loop_now(r->loop), SEC(1)));
}

static void on_update(struct receiver *r, const uint8_t *body, size_t len)
{
	struct bgp_update_in u;
	r->updates++;
	bgp_update_decode(body, len, true, &u);
	r->broken |= u.outcome != BGP_UPDATE_OK;
	learn(r, u.withdrawn, FAMILY_V4, false);
	learn(r, u.announced, FAMILY_V4, true);
	if (u.mp_withdrawn_family)
		learn(r, u.mp_withdrawn, u.mp_withdrawn_family, false);
	if (u.mp_announced_family)
		learn(r, u.mp_announced, u.mp_announced_family, true);
	r->end_of_rib += u.end_of_rib != 0;
	size_t n = cur_left(&u.attributes);
	static const uint8_t community[] = { 0xff, 0xff, 0, 0 };
	r->marked += n > 0 && memmem(u.attributes.p, n, community, sizeof community) != NULL;
}

static void on_message(struct receiver *r, const struct bgp_header *h, const uint8_t *bytes)
{
	const uint8_t *body = bytes + BGP_HEADER;
	size_t len = h->len - (size_t)BGP_HEADER;
	switch ((enum bgp_type)h->type) {
	case BGP_OPEN: on_open(r, body, len); break;
	case BGP_UPDATE: on_update(r, body, len); break;
	case BGP_NOTIFICATION:
		r->notifications++;
		r->code = body[0];
		r->subcode = body[1];
		fprintf(stderr, "receiver: NOTIFICATION %u/%u\n", body[0], body[1]);
		break;
	case BGP_KEEPALIVE: r->keepalives++; break;
	case BGP_ROUTE_REFRESH: break;
	}
}

static void on_data(void *ctx, unsigned events)
{
	struct receiver *r = ctx;
	(void)events;
	ssize_t got = recv(r->fd, r->buf + r->n, sizeof r->buf - r->n, MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		r->ended++;
		hang_up(r);
		return;
	}
	r->n += (size_t)got;
	r->bytes += (uint64_t)got;
	size_t at = 0;
	while (r->n - at >= BGP_HEADER) {
		struct bgp_header h;
		struct bgp_error e;
		if (!bgp_header_decode(r->buf + at, &h, &e)) {
			r->broken = true;
			hang_up(r);
			return;
		}
		if (r->n - at < h.len)
			break;
		on_message(r, &h, r->buf + at);
		at += h.len;
	}
	memmove(r->buf, r->buf + at, r->n - at);
	r->n -= at;
}

static void on_accept(void *ctx, unsigned events)
{
	struct receiver *r = ctx;
	(void)events;
	int fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (r->fd >= 0)
		hang_up(r);
	r->fd = fd;
	r->sessions++;
	r->watch = loop_fd_new(r->loop, fd, r->paused ? 0 : LOOP_READ, on_data, r);
}

int receiver_connect(struct receiver *r, unsigned host, uint16_t port)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u + host) };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(0x7f000001) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (const struct sockaddr *)&from, sizeof from) < 0 ||
	    connect(fd, (const struct sockaddr *)&to, sizeof to) < 0) {
		int rc = -errno;
		close(fd);
		return rc;
	}
	if (r->fd >= 0)
		hang_up(r);
	r->fd = fd;
	r->sessions++;
	r->watch = loop_fd_new(r->loop, fd, LOOP_READ, on_data, r);
	return 0;
}

void receiver_pause(struct receiver *r, bool on)
{
	r->paused = on;
	if (r->watch)
		loop_fd_events(r->watch, on ? 0 : LOOP_READ);
}

int receiver_open(struct receiver *r, struct loop *l, unsigned host, uint32_t as)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u + host) };
	socklen_t len = sizeof a;
	int small = 8192;
	memset(r, 0, sizeof *r);
	r->loop = l;
	r->as = as;
	r->id = 0x0a000001;
	r->fd = -1;
	map_init(&r->table);
	r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(r->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small); /* the sender has to wait */
	/* Peer ports are 1 to 16384 in the API. */
	for (unsigned port = 11790; port < 11890; port++) {
		a.sin_port = htons((uint16_t)port);
		if (bind(r->listener, (const struct sockaddr *)&a, len) == 0)
			break;
	}
	if (listen(r->listener, 4) < 0 || getsockname(r->listener, (struct sockaddr *)&a, &len) < 0)
		return -errno;
	r->port = ntohs(a.sin_port);
	r->keepalive = loop_timer_new(l, on_keepalive, r);
	r->listen_watch = loop_fd_new(l, r->listener, LOOP_READ, on_accept, r);
	return r->listen_watch && r->keepalive ? 0 : -ENOMEM;
}

void receiver_close(struct receiver *r)
{
	if (r->fd >= 0)
		hang_up(r);
	loop_fd_free(r->listen_watch);
	loop_timer_free(r->keepalive);
	close(r->listener);
	map_fini(&r->table, NULL);
}
