/* A daemon's side of the socket pair to its supervisor: what it says, what it is told, and the descriptors
 * that were kept for it. Runs in every daemon. Never waits for the supervisor once the loop runs. */
#include "lib/run/daemon_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/run/fds.h"

enum { OUTBOX_MAX = 2 * SUP_MAX_RETAINED, LAST_WORDS_MS = 100 };

/* The supervisor is gone or speaks nonsense: whatever we would do from here on, nobody watches over it. */
static _Noreturn void supervisor_lost(const char *why)
{
	log_line(LOG_ERROR, "daemon", "supervisorLost", "%s; exiting", why);
	_exit(1);
}

static void outbox_shift(struct daemon_private *p)
{
	if (p->outbox[0].fd >= 0)
		close(p->outbox[0].fd);
	memmove(p->outbox, p->outbox + 1, --p->n_outbox * sizeof(*p->outbox));
}

static int outbox_add(struct daemon_private *p, const struct sup_message *m)
{
	if (p->n_outbox >= OUTBOX_MAX)
		return -ENOBUFS;
	if (p->n_outbox == p->outbox_size) {
		size_t size = p->outbox_size ? 2 * p->outbox_size : 16;
		struct sup_message *grown = realloc(p->outbox, size * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		p->outbox = grown;
		p->outbox_size = size;
	}
	struct sup_message copy = *m;
	if (m->fd >= 0) {
		/* The caller may close its own before this one is sent. */
		copy.fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);
		if (copy.fd < 0)
			return -errno;
	}
	p->outbox[p->n_outbox++] = copy;
	return 0;
}

static void outbox_send(struct daemon_private *p)
{
	while (p->n_outbox > 0) {
		int r = sup_send(p->pair, &p->outbox[0]);
		if (r == -EAGAIN)
			break;
		if (r == -EPIPE || r == -ECONNRESET)
			supervisor_lost("the supervisor is gone");
		if (r < 0)
			log_line(LOG_ERROR, "daemon", "supervisor", "cannot send %s: %s", p->outbox[0].name,
				 strerror(-r));
		outbox_shift(p);
	}
	if (p->pair_watch)
		loop_fd_events(p->pair_watch, LOOP_READ | (p->n_outbox > 0 ? (unsigned)LOOP_WRITE : 0u));
}

int supervisor_say(struct daemon *d, const struct sup_message *m)
{
	struct daemon_private *p = d->priv;
	if (p->pair < 0)
		return 0;
	/* A heartbeat behind other words is not needed: they show that we live. */
	if (m->type == SUP_HEARTBEAT && p->n_outbox > 0)
		return 0;
	int r = outbox_add(p, m);
	if (r == 0)
		outbox_send(p);
	return r;
}

static int retained_add(struct daemon_private *p, const struct sup_message *m)
{
	if (p->n_retained >= SUP_MAX_RETAINED) {
		close(m->fd);
		return 0; /* over the cap both sides agreed on */
	}
	if (p->n_retained % 16 == 0) {
		struct daemon_retained *grown = realloc(p->retained, (p->n_retained + 16) * sizeof(*grown));
		if (!grown) {
			close(m->fd);
			return -ENOMEM;
		}
		p->retained = grown;
	}
	struct daemon_retained *r = &p->retained[p->n_retained++];
	memcpy(r->name, m->name, sizeof(r->name));
	r->fd = m->fd;
	return 0;
}

int supervisor_receive_retained(struct daemon *d)
{
	struct daemon_private *p = d->priv;
	if (p->pair < 0)
		return 0;
	int flags = fcntl(p->pair, F_GETFL);
	if (flags < 0 || fcntl(p->pair, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(p->pair, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	for (;;) {
		struct sup_message m;
		struct pollfd wait = { .fd = p->pair, .events = POLLIN };
		int r = sup_receive(p->pair, &m);
		if (r == -EAGAIN) {
			if (poll(&wait, 1, -1) < 0 && errno != EINTR)
				return -errno;
			continue;
		}
		if (r == 0)
			supervisor_lost("the supervisor closed its end");
		if (r < 0)
			return r;
		if (m.type == SUP_RETAINED_END) {
			d->unready_lives = m.value > UINT32_MAX ? UINT32_MAX : (unsigned)m.value;
			return 0;
		}
		if (m.type == SUP_STOP) {
			p->stopping = p->stopped = true;
			return 0;
		}
		if (m.type == SUP_RETAINED && m.fd >= 0) {
			r = retained_add(p, &m);
			if (r < 0)
				return r;
		} else if (m.fd >= 0) {
			close(m.fd);
		}
	}
}

static void on_pair(void *ctx, unsigned events)
{
	struct daemon *d = ctx;
	struct daemon_private *p = d->priv;
	if (events & LOOP_WRITE)
		outbox_send(p);
	for (;;) {
		struct sup_message m;
		int r = sup_receive(p->pair, &m);
		if (r == -EAGAIN)
			return;
		if (r == 0)
			supervisor_lost("the supervisor closed its end");
		if (r < 0)
			supervisor_lost(strerror(-r));
		if (m.fd >= 0)
			close(m.fd); /* none is expected any more */
		daemon_told(d, &m);
	}
}

int supervisor_watch(struct daemon *d)
{
	struct daemon_private *p = d->priv;
	if (p->pair < 0)
		return 0;
	unsigned events = LOOP_READ | (p->n_outbox > 0 ? (unsigned)LOOP_WRITE : 0u);
	p->pair_watch = loop_fd_new(d->loop, p->pair, events, on_pair, d);
	return p->pair_watch ? 0 : -errno;
}

void supervisor_flush(struct daemon *d)
{
	struct daemon_private *p = d->priv;
	struct pollfd wait = { .fd = p->pair, .events = POLLOUT };
	if (p->pair >= 0 && p->n_outbox > 0 && poll(&wait, 1, LAST_WORDS_MS) > 0)
		outbox_send(p);
}

void supervisor_close(struct daemon *d)
{
	struct daemon_private *p = d->priv;
	loop_fd_free(p->pair_watch);
	for (size_t i = 0; i < p->n_outbox; i++)
		if (p->outbox[i].fd >= 0)
			close(p->outbox[i].fd);
	free(p->outbox);
	for (size_t i = 0; i < p->n_retained; i++)
		close(p->retained[i].fd);
	free(p->retained);
	p->pair_watch = NULL;
	if (p->pair >= 0)
		close(p->pair);
}

int daemon_retain(struct daemon *d, const char *name, int fd)
{
	struct sup_message m = { .type = SUP_RETAIN, .fd = fd };
	if (fd < 0 || name[0] == '\0' || !str_fmt(m.name, sizeof(m.name), "%s", name))
		return -EINVAL;
	return supervisor_say(d, &m);
}

void daemon_release(struct daemon *d, const char *name)
{
	struct sup_message m = { .type = SUP_RELEASE, .fd = -1 };
	if (!str_fmt(m.name, sizeof(m.name), "%s", name))
		return; /* cannot have been retained */
	int r = supervisor_say(d, &m);
	if (r < 0)
		log_line(LOG_ERROR, "daemon", "release", "cannot release %s: %s", name, strerror(-r));
}

int daemon_take_retained(struct daemon *d, const char *name)
{
	struct daemon_private *p = d->priv;
	for (size_t i = 0; i < p->n_retained; i++) {
		if (strcmp(p->retained[i].name, name) != 0)
			continue;
		int fd = p->retained[i].fd;
		memmove(&p->retained[i], &p->retained[i + 1], (--p->n_retained - i) * sizeof(*p->retained));
		return fd;
	}
	return -1;
}

const char *daemon_retained_name(struct daemon *d, size_t index)
{
	return index < d->priv->n_retained ? d->priv->retained[index].name : NULL;
}
