/* libmicrohttpd behind two functions. It has no thread of its own: its epoll descriptor is watched by our
 * loop. A request is suspended until its answer is there, so nothing waits on another daemon. */
#include "statusd/http.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64, PER_ADDRESS_MAX = 16, IDLE_SECONDS = 10, REQUEST_MEMORY = 16 << 10 };

struct http {
	struct loop *loop;
	struct MHD_Daemon *mhd;
	struct loop_fd *watch;
	struct loop_timer *timer;
	struct loop_defer *defer;
	http_handler fn;
	void *ctx;
};
struct http_exchange {
	struct http *http;
	struct MHD_Connection *connection; /* NULL once the client is gone */
	bool answered, suspended;
	unsigned status;
	const char *type;
	char *body;
};

static void turn(void *ctx)
{
	struct http *h = ctx;
	MHD_UNSIGNED_LONG_LONG ms = 0;

	MHD_run(h->mhd);
	if (MHD_get_timeout(h->mhd, &ms) == MHD_YES)
		loop_timer_set(h->timer, mono_add(loop_clock(), MS(ms ? ms : 1)));
	else
		loop_timer_set(h->timer, MONO_NEVER);
}

static void on_readable(void *ctx, unsigned events)
{
	(void)events;
	turn(ctx);
}

static enum MHD_Result send_body(struct MHD_Connection *c, unsigned status, const char *type, char *body)
{
	size_t len = body ? strlen(body) : 0;
	struct MHD_Response *r = MHD_create_response_from_buffer(
	    len, body ? (void *)body : (void *)"", body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	if (!r) {
		free(body);
		return MHD_NO;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET");
	enum MHD_Result result = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return result;
}

static const char *argument(struct MHD_Connection *c, const char *name)
{
	const char *v = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, name);
	return v ? v : "";
}

/* MHD calls this for the request line, again for its (unread) body, and again after a resume. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_size, void **state)
{
	struct http *h = ctx;
	struct http_exchange *x = *state;

	(void)version;
	(void)upload;
	if (*upload_size) {
		*upload_size = 0; /* a body is of no interest */
		return MHD_YES;
	}
	if (strcmp(method, "GET") != 0)
		return send_body(c, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain; charset=utf-8",
				 strdup("only GET is served here\n"));
	if (!x) {
		x = calloc(1, sizeof *x);
		if (!x)
			return MHD_NO;
		*x = (struct http_exchange){ .http = h, .connection = c };
		*state = x;
		h->fn(h->ctx, url, argument(c, "what"), argument(c, "subject"), x);
		if (!x->answered) {
			x->suspended = true;
			MHD_suspend_connection(c);
			return MHD_YES;
		}
	}
	char *body = x->body;
	x->body = NULL;
	return send_body(c, x->status, x->type, body);
}

static void on_completed(void *ctx, struct MHD_Connection *c, void **state,
			 enum MHD_RequestTerminationCode why)
{
	struct http_exchange *x = *state;

	(void)ctx;
	(void)c;
	(void)why;
	*state = NULL;
	if (!x)
		return;
	x->connection = NULL;
	if (x->answered) {
		free(x->body);
		free(x);
	}
}

void http_answer(struct http_exchange *x, unsigned status, const char *type, char *body)
{
	x->answered = true;
	if (!x->connection) { /* the client went away while we asked */
		free(body);
		free(x);
		return;
	}
	x->status = status;
	x->type = type;
	x->body = body;
	if (x->suspended) {
		x->suspended = false;
		MHD_resume_connection(x->connection);
		loop_defer_ask(x->http->defer);
	}
}

struct http *http_new(struct loop *l, int listener, http_handler fn, void *ctx)
{
	struct http *h = calloc(1, sizeof *h);
	if (!h)
		return NULL;
	*h = (struct http){ .loop = l, .fn = fn, .ctx = ctx };
	h->mhd = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, h, MHD_OPTION_LISTEN_SOCKET,
	    listener, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
	    MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)PER_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
	    (unsigned)IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MEMORY,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
	if (!h->mhd) {
		free(h);
		close(listener);
		return NULL;
	}
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	h->timer = loop_timer_new(l, turn, h);
	h->defer = loop_defer_new(l, turn, h);
	h->watch = info ? loop_fd_new(l, info->epoll_fd, LOOP_READ, on_readable, h) : NULL;
	if (!h->timer || !h->defer || !h->watch) {
		http_free(h);
		return NULL;
	}
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	loop_fd_free(h->watch);
	loop_timer_free(h->timer);
	loop_defer_free(h->defer);
	MHD_stop_daemon(h->mhd);
	free(h);
}
