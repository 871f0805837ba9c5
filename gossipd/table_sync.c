/* Exchanges of whole tables over TCP, in both directions. Runs in gossipd; never blocks. Each end says 20
 * bytes first (magic, 16 random bytes); both nonces are sealed into every frame that follows (length, 2
 * bytes; frame), so no recording can be played again. The dialler sends its table and an empty frame; only
 * then does the other answer with its own, so that nobody without the key learns anything. Time, number and
 * size are bounded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gossipd/gossip.h"

enum {
	HELLO = 20,
	FRAME_MAX = SWIM_PACKET + SEAL_OVERHEAD,
	INPUT_MAX = 2 + FRAME_MAX,
	FRAMES_MAX = LIMIT_MEMBERS + 1,
	DEADLINE_MS = 3000,
};
static const uint8_t hello_magic[4] = { 'I', 'g', 's', '1' };

struct sync {
	struct gossip *g;
	size_t slot;
	int fd;
	bool client, greeted, sent_all, heard_all;
	struct loop_fd *watch;
	struct loop_timer *deadline;
	uint8_t context[SEAL_CONTEXT]; /* client's nonce, server's nonce */
	uint64_t in_index;
	uint8_t in[INPUT_MAX];
	size_t n_in;
	uint8_t *out;
	size_t out_at, n_out, cap_out;
};

static void sync_free(struct sync *y)
{
	y->g->syncs[y->slot] = NULL;
	loop_fd_free(y->watch);
	loop_timer_free(y->deadline);
	close(y->fd);
	free(y->out);
	free(y);
}

static void fail(struct sync *y, const char *why)
{
	++*y->g->m.sync_failed;
	log_limited(&y->g->sync_log, 5, SEC(10), LOG_DEBUG, "gossip", "syncFailed", "%s: %s",
		    y->client ? "outgoing" : "incoming", why);
	sync_free(y);
}

static void on_deadline(void *ctx)
{
	fail(ctx, "took too long");
}

static bool put(struct sync *y, const void *data, size_t n)
{
	if (y->n_out + n > y->cap_out) {
		size_t cap = y->cap_out ? y->cap_out * 2 : 4096;
		while (cap < y->n_out + n)
			cap *= 2;
		uint8_t *p = realloc(y->out, cap);
		if (!p)
			return false;
		y->out = p;
		y->cap_out = cap;
	}
	memcpy(y->out + y->n_out, data, n);
	y->n_out += n;
	return true;
}

static bool put_frame(struct sync *y, uint64_t index, const uint8_t *plain, size_t len)
{
	uint8_t frame[2 + FRAME_MAX], nonce[SEAL_NONCE];
	net_nonce(y->g, nonce);
	size_t n =
	    seal_stream(y->g->seal, y->client, y->context, index, nonce, plain, len, frame + 2, FRAME_MAX);
	frame[0] = (uint8_t)(n >> 8);
	frame[1] = (uint8_t)n;
	return n > 0 && put(y, frame, 2 + n);
}

/* Our whole table, and the empty frame that ends it. */
static bool put_table(struct sync *y)
{
	uint8_t plain[SWIM_PACKET];
	uint64_t index = 0;
	size_t cursor = 0, n;
	while ((n = swim_table_frame(y->g->swim, &cursor, plain, sizeof plain)) > 0)
		if (!put_frame(y, index++, plain, n))
			return false;
	y->sent_all = true;
	return put_frame(y, index, plain, 0);
}

/* 1 = finished, 0 = go on, negative errno. */
static int take_frame(struct sync *y, const uint8_t *frame, size_t len)
{
	uint8_t plain[FRAME_MAX];
	size_t n = 0;
	if (y->in_index >= FRAMES_MAX)
		return -E2BIG;
	enum seal_verdict v =
	    seal_stream_open(y->g->seal, !y->client, y->context, y->in_index++, frame, len, plain, &n);
	if (v != SEAL_DATA) {
		++*y->g->m.rejected[v];
		return -EBADMSG;
	}
	if (n > 0)
		return swim_receive_table(y->g->swim, loop_now(y->g->d->loop), plain, n);
	y->heard_all = true;
	if (y->client)
		return 1;
	return put_table(y) ? 0 : -ENOMEM;
}

static int take_hello(struct sync *y)
{
	if (y->n_in < HELLO)
		return 0;
	if (memcmp(y->in, hello_magic, sizeof hello_magic) != 0)
		return -EBADMSG;
	memcpy(y->context + (y->client ? 16 : 0), y->in + 4, 16);
	y->n_in -= HELLO;
	memmove(y->in, y->in + HELLO, y->n_in);
	y->greeted = true;
	return !y->client || put_table(y) ? 0 : -ENOMEM;
}

/* Everything that is whole in the input buffer. */
static int digest(struct sync *y)
{
	int err = y->greeted ? 0 : take_hello(y);
	while (!err && y->greeted && !y->heard_all && y->n_in >= 2) {
		size_t len = (size_t)y->in[0] << 8 | y->in[1];
		if (len < SEAL_OVERHEAD || len > FRAME_MAX)
			return -EBADMSG;
		if (y->n_in < 2 + len)
			break;
		err = take_frame(y, y->in + 2, len);
		y->n_in -= 2 + len;
		memmove(y->in, y->in + 2 + len, y->n_in);
	}
	return err;
}

static int receive(struct sync *y)
{
	for (;;) {
		ssize_t n = recv(y->fd, y->in + y->n_in, sizeof y->in - y->n_in, 0);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (n == 0)
			return y->heard_all && y->out_at == y->n_out ? 1 : -ECONNRESET;
		y->n_in += (size_t)n;
		int err = digest(y);
		if (err)
			return err;
		if (y->n_in == sizeof y->in)
			return -EBADMSG;
	}
}

static int flush_out(struct sync *y)
{
	while (y->out_at < y->n_out) {
		ssize_t n = send(y->fd, y->out + y->out_at, y->n_out - y->out_at, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		y->out_at += (size_t)n;
	}
	return !y->client && y->sent_all ? 1 : 0;
}

static void on_ready(void *ctx, unsigned events)
{
	struct sync *y = ctx;
	struct gossip *g = y->g;
	int err = events & LOOP_READ ? receive(y) : 0;
	if (!err)
		err = flush_out(y);
	if (err < 0)
		fail(y, strerror(-err));
	else if (err > 0)
		sync_free(y);
	else
		loop_fd_events(y->watch, y->out_at < y->n_out ? LOOP_READ | LOOP_WRITE : LOOP_READ);
	gossip_pump(g);
}

static void begin(struct gossip *g, int fd, bool client)
{
	size_t slot = 0;
	while (slot < GOSSIP_SYNCS && g->syncs[slot])
		slot++;
	struct sync *y = slot < GOSSIP_SYNCS ? calloc(1, sizeof *y) : NULL;
	if (!y) {
		++*g->m.sync_failed;
		close(fd);
		return;
	}
	*y = (struct sync){ .g = g, .slot = slot, .fd = fd, .client = client };
	g->syncs[slot] = y;
	net_random(y->context + (client ? 0 : 16), 16);
	y->watch = loop_fd_new(g->d->loop, fd, LOOP_READ | LOOP_WRITE, on_ready, y);
	y->deadline = loop_timer_new(g->d->loop, on_deadline, y);
	if (!y->watch || !y->deadline || !put(y, hello_magic, sizeof hello_magic) ||
	    !put(y, y->context + (client ? 0 : 16), 16)) {
		fail(y, "out of memory");
		return;
	}
	loop_timer_set(y->deadline, mono_add(loop_now(g->d->loop), MS(DEADLINE_MS)));
}

void sync_dial(struct gossip *g, const struct swim_addr *to)
{
	struct sockaddr_storage sa;
	socklen_t len = net_sockaddr(g, to, &sa);
	if (len == 0 || !seal_has_key(g->seal))
		return;
	int fd = socket(g->v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || (connect(fd, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS)) {
		++*g->m.sync_failed;
		if (fd >= 0)
			close(fd);
		return;
	}
	++*g->m.syncs;
	begin(g, fd, true);
}

void sync_accept(void *ctx, unsigned events)
{
	struct gossip *g = ctx;
	(void)events;
	for (int i = 0; i < GOSSIP_SYNCS; i++) {
		int fd = accept4(g->tcp, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		if (seal_has_key(g->seal))
			begin(g, fd, false);
		else
			close(fd);
	}
}

void sync_close_all(struct gossip *g)
{
	for (size_t i = 0; i < GOSSIP_SYNCS; i++)
		if (g->syncs[i])
			sync_free(g->syncs[i]);
}
