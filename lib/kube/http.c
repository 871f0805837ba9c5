/* Calls from start to end: started at the end of a turn of the loop, bounded in time by timers of ours
 * (curl's do not run while a request waits for a connection), told to their owner once. Runs in the watcher
 * and ingotctl. */
#include "lib/kube/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/kube/http_internal.h"

void http_list_add(struct http_list *l, struct http_call *c)
{
	c->list = l;
	c->next = NULL;
	c->prev = l->tail;
	*(l->tail ? &l->tail->next : &l->head) = c;
	l->tail = c;
}

void http_list_del(struct http_call *c)
{
	struct http_list *l = c->list;
	*(c->prev ? &c->prev->next : &l->head) = c->next;
	*(c->next ? &c->next->prev : &l->tail) = c->prev;
	c->list = NULL;
}

static void wipe(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

static void call_free(struct http_call *c)
{
	http_easy_free(c);
	loop_timer_free(c->timer);
	wipe(c->token);
	free(c->path);
	free(c->accept);
	free(c->content_type);
	if (c->body)
		explicit_bzero(c->body, c->body_len);
	free(c->body);
	free(c->answer);
	free(c);
}

/* Out of curl, out of the lists and figures; what remains is to tell and to free. */
static void detach(struct http_call *c)
{
	struct http *h = c->http;
	if (c->easy)
		(void)curl_multi_remove_handle(h->multi, c->easy);
	http_list_del(c);
	h->in_flight--;
	if (h->streams && c->timeout_ms == 0)
		--*h->streams;
}

/* The server did not accept the token, and there is a newer one. */
static bool again(struct http_call *c, const struct http_answer *a)
{
	if (a->failure != HTTP_OK || a->status != 401 || c->retried || !c->token)
		return false;
	const char *token = access_token(c->http->access, true);
	return token && strcmp(token, c->token) != 0;
}

static void restart(struct http_call *c)
{
	struct http *h = c->http;
	(void)curl_multi_remove_handle(h->multi, c->easy);
	http_easy_free(c);
	c->retried = true;
	c->answer_len = 0;
	http_list_del(c);
	http_list_add(&h->fresh, c);
	loop_defer_ask(h->turn);
}

void http_finish(struct http_call *c, CURLcode result)
{
	struct http_answer a;
	char error[CURL_ERROR_SIZE * 2 + 256];
	http_answer_read(c, result, &a, error, sizeof error);
	http_answer_count(c, &a);
	if (again(c, &a)) {
		restart(c);
		return;
	}
	detach(c);
	c->events.done(c->ctx, &a);
	call_free(c);
}

/* Adds what was started. curl may only be called from here and from the loop's own calls. */
static void start_fresh(struct http *h)
{
	/* Once round: whoever is told of a failure may start again, or cancel others. */
	for (size_t n = h->in_flight; n > 0 && h->fresh.head; n--) {
		struct http_call *c = h->fresh.head;
		http_list_del(c);
		http_list_add(&h->running, c);
		if (http_easy_new(c) == 0 && curl_multi_add_handle(h->multi, c->easy) == CURLM_OK)
			continue;
		c->failure = HTTP_NO_MEMORY;
		http_finish(c, CURLE_OUT_OF_MEMORY);
	}
}

/* Of a list whose owners are told nothing. */
static void drop_all(struct http_list *l)
{
	for (struct http_call *c = l->head, *next; c; c = next) {
		next = c->next;
		detach(c);
		call_free(c);
	}
}

void http_bury(struct http *h)
{
	drop_all(&h->doomed);
}

static void on_turn(void *ctx)
{
	struct http *h = ctx;
	http_bury(h);
	start_fresh(h);
	if (h->due) {
		h->due = false;
		http_multi_act(h, CURL_SOCKET_TIMEOUT, 0);
	}
}

static mono_t deadline(const struct http_call *c)
{
	if (c->timeout_ms > 0)
		return mono_add(c->started, MS(c->timeout_ms));
	return c->silence_ms > 0 ? mono_add(c->heard, MS(c->silence_ms)) : MONO_NEVER;
}

static void on_deadline(void *ctx)
{
	struct http_call *c = ctx;
	struct http *h = c->http;
	mono_t at = deadline(c);
	/* A stream that was heard meanwhile: its timer is moved once a silence, not once a byte. */
	if (!mono_reached(loop_now(h->loop), at)) {
		loop_timer_set(c->timer, at);
		return;
	}
	unsigned ms = c->timeout_ms > 0 ? c->timeout_ms : c->silence_ms;
	str_fmt(c->error, sizeof c->error, "%s for %u ms",
		c->timeout_ms > 0 ? "no whole answer" : "no byte came", ms);
	c->failure = HTTP_TIMEOUT;
	http_multi_suspect(h, ms);
	http_finish(c, CURLE_OPERATION_TIMEDOUT);
}

static char *copy(const char *s, bool *failed)
{
	char *c = strdup(s);
	*failed |= !c;
	return c;
}

static struct http_call *call_new(struct http *h, const struct http_request *r, const struct http_events *e,
				  void *ctx)
{
	static const char json[] = "application/json";
	bool failed = false;
	struct http_call *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	*c = (struct http_call){ .http = h,
				 .events = *e,
				 .ctx = ctx,
				 .body_len = r->body_len,
				 .timeout_ms = r->timeout_ms,
				 .silence_ms = r->silence_ms,
				 .started = loop_now(h->loop),
				 .heard = loop_now(h->loop) };
	must(str_fmt(c->method, sizeof c->method, "%s", r->method));
	c->path = copy(r->path, &failed);
	c->accept = copy(r->accept ? r->accept : json, &failed);
	c->content_type = copy(r->content_type ? r->content_type : json, &failed);
	c->timer = loop_timer_new(h->loop, on_deadline, c);
	c->body = malloc(r->body_len + 1);
	if (failed || !c->timer || !c->body) {
		call_free(c);
		return NULL;
	}
	if (r->body_len > 0)
		memcpy(c->body, r->body, r->body_len);
	return c;
}

struct http_call *http_start(struct http *h, const struct http_request *r, const struct http_events *e,
			     void *ctx)
{
	struct http_call *c = call_new(h, r, e, ctx);
	if (!c)
		return NULL;
	http_list_add(&h->fresh, c);
	loop_timer_set(c->timer, deadline(c));
	loop_defer_ask(h->turn);
	h->in_flight++;
	if (h->streams && c->timeout_ms == 0)
		++*h->streams;
	return c;
}

void http_cancel(struct http_call *c)
{
	if (!c || c->cancelled || !c->list)
		return;
	struct http *h = c->http;
	c->cancelled = true;
	if (!h->inside) {
		detach(c);
		call_free(c);
		return;
	}
	loop_timer_set(c->timer, MONO_NEVER);
	http_list_del(c);
	http_list_add(&h->doomed, c);
}

size_t http_in_flight(const struct http *h)
{
	return h->in_flight;
}

static void add_metrics(struct http *h, struct metrics *m)
{
	static const char *const by_code[] = { "method", "code", NULL }, *const by_reason[] = { "reason",
												NULL };
	h->requests = metrics_add(m, "ingot_kube_requests_total",
				  "Requests to the API server by method and status; code 0: no answer came",
				  METRIC_COUNTER, by_code);
	h->failures =
	    metrics_add(m, "ingot_kube_failures_total", "Requests to the API server without a whole answer",
			METRIC_COUNTER, by_reason);
	struct metric *c = metrics_add(m, "ingot_kube_connections_total",
				       "Connections to the API server that were tried", METRIC_COUNTER, NULL);
	struct metric *s = metrics_add(m, "ingot_kube_streams", "Watches that are open to the API server",
				       METRIC_GAUGE, NULL);
	h->connections = c ? metric_value(c) : NULL;
	h->streams = s ? metric_value(s) : NULL;
}

struct http *http_new(struct loop *l, struct access *access, struct metrics *metrics)
{
	struct http *h = calloc(1, sizeof *h);
	if (!h || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(h);
		return NULL;
	}
	h->loop = l;
	h->access = access;
	h->turn = loop_defer_new(l, on_turn, h);
	if (metrics)
		add_metrics(h, metrics);
	if (!h->turn || http_multi_open(h) < 0 || http_easy_target(h) < 0) {
		http_free(h);
		return NULL;
	}
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	must(!h->inside);
	drop_all(&h->fresh);
	drop_all(&h->running);
	drop_all(&h->doomed);
	while (h->n_pool > 0)
		curl_easy_cleanup(h->pool[--h->n_pool]);
	http_multi_close(h);
	loop_defer_free(h->turn);
	free(h->base);
	free(h->connect_to);
	free(h);
	curl_global_cleanup();
}
