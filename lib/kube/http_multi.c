/* curl on the loop: its sockets are watches, its one timer is a timer of ours. Runs in the watcher and
 * ingotctl. curl calls back in here while it is at work, and then may not be called. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "lib/kube/http_internal.h"

enum {
	KEEPALIVE_IDLE_S = 15,
	KEEPALIVE_EVERY_S = 5,
	KEEPALIVE_PROBES = 3,
	USER_TIMEOUT_MS = 30000, /* data or probes that nobody acknowledges end a connection */
	/* More than all requests in flight together: curl 7.88 sends the head of a request once more, as its
	 * body, when the socket was full at that moment. */
	SEND_BUFFER = 1 << 20,
};

struct http_socket {
	struct http *http;
	struct http_socket *prev, *next;
	curl_socket_t fd;
	struct loop_fd *watch;
};

static void tell_ends(struct http *h)
{
	CURLMsg *m;
	int left;
	http_bury(h);
	while ((m = curl_multi_info_read(h->multi, &left))) {
		char *call = NULL;
		CURLcode result = m->data.result;
		must(m->msg == CURLMSG_DONE);
		must(curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &call) == CURLE_OK);
		http_finish((struct http_call *)(void *)call, result);
	}
}

void http_multi_act(struct http *h, curl_socket_t fd, int events)
{
	int running;
	h->inside = true;
	CURLMcode r = curl_multi_socket_action(h->multi, fd, events, &running);
	h->inside = false;
	/* After a callback that failed curl is of no more use; the next life of this process gets a new one.
	 */
	must(r == CURLM_OK || r == CURLM_OUT_OF_MEMORY);
	tell_ends(h);
	long most = h->version == CURL_HTTP_VERSION_2 ? HTTP_CONNECTIONS_H2 : HTTP_CONNECTIONS;
	if (most != h->most) {
		(void)curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS, most);
		h->most = most;
	}
}

static void on_socket(void *ctx, unsigned events)
{
	struct http_socket *s = ctx;
	int mask = (events & LOOP_READ ? CURL_CSELECT_IN : 0) | (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0);
	http_multi_act(s->http, s->fd, mask);
}

static void forget_socket(struct http_socket *s)
{
	struct http *h = s->http;
	*(s->prev ? &s->prev->next : &h->watches) = s->next;
	if (s->next)
		s->next->prev = s->prev;
	loop_fd_free(s->watch);
	free(s);
}

static int watch_socket(struct http *h, curl_socket_t fd, unsigned events)
{
	struct http_socket *s = calloc(1, sizeof *s);
	if (!s)
		return -1;
	*s = (struct http_socket){ .http = h, .next = h->watches, .fd = fd };
	s->watch = loop_fd_new(h->loop, fd, events, on_socket, s);
	if (!s->watch) {
		free(s);
		return -1;
	}
	if (h->watches)
		h->watches->prev = s;
	h->watches = s;
	curl_multi_assign(h->multi, fd, s);
	return 0;
}

/* -1 makes curl give up the transfer. */
static int on_want(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket)
{
	struct http_socket *s = socket;
	unsigned events = (what & CURL_POLL_IN ? LOOP_READ : 0u) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0u);
	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			forget_socket(s);
		return 0;
	}
	if (!s)
		return watch_socket(ctx, fd, events);
	loop_fd_events(s->watch, events);
	return 0;
}

static int on_want_timer(CURLM *multi, long ms, void *ctx)
{
	struct http *h = ctx;
	(void)multi;
	h->due = ms == 0;
	loop_timer_set(h->timer, ms > 0 ? mono_add(loop_now(h->loop), MS(ms)) : MONO_NEVER);
	if (h->due)
		loop_defer_ask(h->turn);
	return 0;
}

static void on_timer(void *ctx)
{
	http_multi_act(ctx, CURL_SOCKET_TIMEOUT, 0);
}

int http_multi_open(struct http *h)
{
	for (size_t i = 0; i < HTTP_CONNECTIONS; i++)
		h->open[i] = -1;
	h->multi = curl_multi_init();
	h->timer = loop_timer_new(h->loop, on_timer, h);
	if (!h->multi || !h->timer)
		return -ENOMEM;
	CURLM *m = h->multi;
	h->most = HTTP_CONNECTIONS;
	bool ok = curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_want) == CURLM_OK &&
		  curl_multi_setopt(m, CURLMOPT_SOCKETDATA, h) == CURLM_OK &&
		  curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_want_timer) == CURLM_OK &&
		  curl_multi_setopt(m, CURLMOPT_TIMERDATA, h) == CURLM_OK &&
		  curl_multi_setopt(m, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX) == CURLM_OK &&
		  curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, (long)HTTP_CONNECTIONS) == CURLM_OK &&
		  curl_multi_setopt(m, CURLMOPT_MAX_HOST_CONNECTIONS, h->most) == CURLM_OK;
	return ok ? 0 : -ENOMEM;
}

void http_multi_close(struct http *h)
{
	if (h->multi)
		curl_multi_cleanup(h->multi);
	for (struct http_socket *s = h->watches, *next; s; s = next) {
		next = s->next;
		forget_socket(s);
	}
	loop_timer_free(h->timer);
}

static void set_option(int fd, int level, int name, int value)
{
	/* Each is a help and none is needed. */
	(void)setsockopt(fd, level, name, &value, sizeof value);
}

curl_socket_t http_multi_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http *h = ctx;
	(void)purpose;
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
	for (size_t i = 0; i < HTTP_CONNECTIONS; i++)
		if (h->open[i] < 0) {
			h->open[i] = fd;
			break;
		}
	if (h->connections)
		++*h->connections;
	return fd;
}

int http_multi_closed(void *ctx, curl_socket_t fd)
{
	struct http *h = ctx;
	for (size_t i = 0; i < HTTP_CONNECTIONS; i++)
		if (h->open[i] == fd)
			h->open[i] = -1;
	return close(fd);
}

void http_multi_suspect(struct http *h, unsigned ms)
{
	/* Without multiplexing a connection has one call, and curl closes it with that. */
	bool shared = h->version == 0 || h->version == CURL_HTTP_VERSION_2;
	for (size_t i = 0; shared && i < HTTP_CONNECTIONS; i++) {
		struct tcp_info info = { 0 };
		socklen_t size = sizeof info;
		if (h->open[i] < 0 || getsockopt(h->open[i], IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
			continue;
		if (info.tcpi_last_data_recv >= ms)
			(void)shutdown(h->open[i], SHUT_RDWR);
	}
}
