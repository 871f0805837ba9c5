/* What came back: bodies within their caps, failures in our words, figures. Runs in the watcher and ingotctl,
 * and takes every byte for foreign. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/kube/http_internal.h"

/* Keeps len more bytes. False when memory is gone. */
static bool keep(struct http_call *c, const char *data, size_t len)
{
	if (c->answer_cap - c->answer_len < len) {
		size_t cap = c->answer_cap ? c->answer_cap : 4096;
		while (cap - c->answer_len < len)
			cap *= 2;
		uint8_t *more = realloc(c->answer, cap);
		if (!more)
			return false;
		c->answer = more;
		c->answer_cap = cap;
	}
	memcpy(c->answer + c->answer_len, data, len);
	c->answer_len += len;
	return true;
}

static size_t give_up(struct http_call *c, enum http_failure failure)
{
	c->failure = failure;
	return CURL_WRITEFUNC_ERROR;
}

size_t http_answer_body(char *data, size_t size, size_t n, void *ctx)
{
	struct http_call *c = ctx;
	long status = 0;
	const char *type = NULL;
	n *= size;
	if (c->cancelled)
		return CURL_WRITEFUNC_ERROR;
	c->heard = loop_now(c->http->loop);
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	bool good = status >= 200 && status <= 299;
	if (good && c->events.data) {
		curl_easy_getinfo(c->easy, CURLINFO_CONTENT_TYPE, &type);
		c->events.data(c->ctx, type ? type : "", data, n);
		return c->cancelled ? CURL_WRITEFUNC_ERROR : n;
	}
	size_t room = (size_t)(good ? HTTP_MAX_BODY : HTTP_MAX_ERROR) - c->answer_len;
	if (good && n > room)
		return give_up(c, HTTP_TOO_LARGE);
	return keep(c, data, n < room ? n : room) ? n : give_up(c, HTTP_NO_MEMORY);
}

/* A line of the head, one a call; an empty one ends it. */
size_t http_answer_header(char *data, size_t size, size_t n, void *ctx)
{
	struct http_call *c = ctx;
	long status = 0;
	const char *type = NULL;
	n *= size;
	if (c->cancelled)
		return 0;
	c->heard = loop_now(c->http->loop);
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (n > 2 || (n > 0 && data[0] != '\r' && data[0] != '\n') || status < 200 || status > 299)
		return n;
	curl_easy_getinfo(c->easy, CURLINFO_CONTENT_TYPE, &type);
	c->events.headers(c->ctx, type ? type : "");
	return n;
}

static enum http_failure failure_of(CURLcode r)
{
	switch (r) {
	case CURLE_OK: return HTTP_OK;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_PROXY: return HTTP_NO_ROUTE;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_USE_SSL_FAILED: return HTTP_TLS;
	case CURLE_OPERATION_TIMEDOUT: return HTTP_TIMEOUT;
	case CURLE_OUT_OF_MEMORY: return HTTP_NO_MEMORY;
	default: return HTTP_BROKEN;
	}
}

/* What curl says about it, or else what there is to say. */
static void explain(const struct http_call *c, CURLcode result, enum http_failure f, char *buf, size_t size)
{
	char said[CURL_ERROR_SIZE * 2];
	const char *server = access_server(c->http->access);
	const char *text = c->error[0] ? c->error : curl_easy_strerror(result);
	if (f == HTTP_TOO_LARGE)
		str_fmt(buf, size, "%s: the answer has more than %d MiB", server, HTTP_MAX_BODY >> 20);
	else if (f == HTTP_NO_MEMORY)
		str_fmt(buf, size, "%s: out of memory", server);
	else
		str_fmt(buf, size, "%s: %s", server, str_escape(text, strlen(text), said, sizeof said));
}

static int64_t retry_after(const struct http_call *c)
{
	curl_off_t s = 0;
	curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &s);
	if (s <= 0)
		return -1;
	return (s < HTTP_RETRY_AFTER_MAX_S ? s : HTTP_RETRY_AFTER_MAX_S) * 1000;
}

void http_answer_read(struct http_call *c, CURLcode result, struct http_answer *a, char *buf, size_t size)
{
	long status = 0, version = 0;
	const char *type = NULL;
	*a = (struct http_answer){ .error = "", .content_type = "", .retry_after_ms = -1 };
	a->failure = c->failure != HTTP_OK ? c->failure : failure_of(result);
	a->body = c->answer;
	a->len = c->answer_len;
	if (c->easy) {
		curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(c->easy, CURLINFO_CONTENT_TYPE, &type);
		curl_easy_getinfo(c->easy, CURLINFO_HTTP_VERSION, &version);
		a->status = (int)status;
		a->content_type = type ? type : "";
		a->retry_after_ms = retry_after(c);
		if (status > 0)
			c->http->version = version;
	}
	if (a->failure == HTTP_OK)
		return;
	explain(c, result, a->failure, buf, size);
	a->error = buf;
}

void http_answer_count(struct http_call *c, const struct http_answer *a)
{
	static const char *const reasons[] = {
		[HTTP_OK] = "",
		[HTTP_NO_ROUTE] = "no_route",
		[HTTP_TLS] = "tls",
		[HTTP_TIMEOUT] = "timeout",
		[HTTP_BROKEN] = "broken",
		[HTTP_TOO_LARGE] = "too_large",
		[HTTP_NO_MEMORY] = "no_memory",
	};
	char code[16];
	struct http *h = c->http;
	if (!h->requests)
		return;
	str_fmt(code, sizeof code, "%d", a->status);
	int64_t *n = metric_series(h->requests, (const char *const[]){ c->method, code });
	if (n)
		++*n;
	n = a->failure == HTTP_OK ? NULL : metric_series(h->failures, &reasons[a->failure]);
	if (n)
		++*n;
}
