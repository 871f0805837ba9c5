/* One request in curl's words: where it goes, as whom, and how far the other end is trusted. Runs in the
 * watcher and ingotctl. Tokens are wiped where curl leaves that to us. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "lib/kube/http_internal.h"

/* A name for TLS that is not the server's own takes the place of the host in URLs, and curl is told to
 * connect to the server all the same. */
static int target_by_name(struct http *h, const char *server, const char *name)
{
	const char *authority = server + strlen("https://");
	size_t n = strcspn(authority, "/");
	const char *bracket = memchr(authority, ']', n), *from = bracket ? bracket : authority;
	const char *colon = memchr(from, ':', n - (size_t)(from - authority));
	struct strbuf port = { 0 }, base = { 0 }, to = { 0 };
	if (colon)
		strbuf_add_n(&port, colon + 1, (size_t)(authority + n - colon) - 1);
	else
		strbuf_add(&port, "443");
	strbuf_fmt(&base, "https://%s:%s%s", name, strbuf_get(&port), authority + n);
	strbuf_fmt(&to, "%s:%s:", name, strbuf_get(&port));
	strbuf_add_n(&to, authority, colon ? (size_t)(colon - authority) : n);
	strbuf_fmt(&to, ":%s", strbuf_get(&port));
	bool oom = port.oom;
	strbuf_fini(&port);
	h->base = strbuf_take(&base);
	h->connect_to = strbuf_take(&to);
	return oom || !h->base || !h->connect_to ? -ENOMEM : 0;
}

int http_easy_target(struct http *h)
{
	const char *server = access_server(h->access), *name = access_server_name(h->access);
	bool tls = str_starts(server, "https://");
	if (!tls)
		h->version = CURL_HTTP_VERSION_1_1;
	if (name && tls)
		return target_by_name(h, server, name);
	h->base = strdup(server);
	return h->base ? 0 : -ENOMEM;
}

/* Options are set in a row; one that fails makes the rest void. */
#define SET(c, option, value) ((c) = (c) == CURLE_OK ? curl_easy_setopt(e, option, value) : (c))

static CURLcode set_transport(CURL *e, struct http_call *c)
{
	CURLcode r = CURLE_OK;
	struct http *h = c->http;
	const char *proxy = access_proxy(h->access);
	bool tls = str_starts(h->base, "https://");
	SET(r, CURLOPT_NOSIGNAL, 1L);
	/* A name server that does not answer must not hold up the loop when the transfer is over. */
	SET(r, CURLOPT_QUICK_EXIT, 1L);
	SET(r, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_MS);
	/* One connection for all, once the first one has shown what the server speaks. */
	SET(r, CURLOPT_HTTP_VERSION, (long)(tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
	SET(r, CURLOPT_PIPEWAIT, 1L);
	SET(r, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(r, CURLOPT_FOLLOWLOCATION, 0L);
	SET(r, CURLOPT_PATH_AS_IS, 1L);
	SET(r, CURLOPT_OPENSOCKETFUNCTION, http_multi_socket);
	SET(r, CURLOPT_OPENSOCKETDATA, h);
	SET(r, CURLOPT_CLOSESOCKETFUNCTION, http_multi_closed);
	SET(r, CURLOPT_CLOSESOCKETDATA, h);
	SET(r, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (proxy) {
		SET(r, CURLOPT_PROXY, proxy);
		SET(r, CURLOPT_NOPROXY, "");
	}
	if (c->connect_to)
		SET(r, CURLOPT_CONNECT_TO, c->connect_to);
	return r;
}

static CURLcode set_trust(CURL *e, struct http_call *c)
{
	CURLcode r = CURLE_OK;
	struct access *a = c->http->access;
	bool verify = !access_insecure(a);
	SET(r, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(r, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
	SET(r, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
	/* A resumed session would outlive the certificates that it was made with. */
	SET(r, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	if (access_ca_path(a)) {
		SET(r, CURLOPT_CAINFO, access_ca_path(a));
		SET(r, CURLOPT_CAPATH, NULL);
	}
	if (access_cert_path(a)) {
		SET(r, CURLOPT_SSLCERT, access_cert_path(a));
		SET(r, CURLOPT_SSLKEY, access_key_path(a));
	}
	return r;
}

/* A list of one piece, wiped: a header may hold a token. */
static void free_list(struct curl_slist **l)
{
	for (struct curl_slist *i = *l; i; i = i->next)
		explicit_bzero(i->data, strlen(i->data));
	curl_slist_free_all(*l);
	*l = NULL;
}

static int add_header(struct http_call *c, const char *name, const char *value)
{
	struct strbuf b = { 0 };
	strbuf_fmt(&b, "%s%s", name, value);
	struct curl_slist *l = b.oom ? NULL : curl_slist_append(c->headers, strbuf_get(&b));
	if (b.s)
		explicit_bzero(b.s, b.len);
	strbuf_fini(&b);
	if (!l)
		return -ENOMEM;
	c->headers = l;
	return 0;
}

static int make_headers(struct http_call *c)
{
	const char *token = access_token(c->http->access, false);
	int rc = token ? add_header(c, "Authorization: Bearer ", token) : 0;
	rc = rc < 0 ? rc : add_header(c, "Accept: ", c->accept);
	if (c->body_len > 0)
		rc = rc < 0 ? rc : add_header(c, "Content-Type: ", c->content_type);
	/* curl would wait a second for a word from the server before it sends a large body. */
	rc = rc < 0 ? rc : add_header(c, "Expect:", "");
	if (rc < 0)
		return rc;
	if (c->token)
		explicit_bzero(c->token, strlen(c->token));
	free(c->token);
	c->token = token ? strdup(token) : NULL;
	return token && !c->token ? -ENOMEM : 0;
}

static CURLcode set_request(CURL *e, struct http_call *c)
{
	CURLcode r = CURLE_OK;
	struct http *h = c->http;
	struct strbuf url = { 0 };
	strbuf_fmt(&url, "%s%s", h->base, c->path);
	if (url.oom)
		return CURLE_OUT_OF_MEMORY;
	SET(r, CURLOPT_URL, strbuf_get(&url));
	strbuf_fini(&url);
	SET(r, CURLOPT_CUSTOMREQUEST, c->method);
	if (c->body_len > 0 || strcmp(c->method, "POST") == 0) {
		SET(r, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body_len);
		SET(r, CURLOPT_POSTFIELDS, c->body);
	}
	SET(r, CURLOPT_HTTPHEADER, c->headers);
	SET(r, CURLOPT_USERAGENT, "ingot/" INGOT_VERSION);
	if (!c->token && access_basic(h->access)) {
		SET(r, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		SET(r, CURLOPT_USERPWD, access_basic(h->access));
	}
	if (c->events.headers) {
		SET(r, CURLOPT_HEADERFUNCTION, http_answer_header);
		SET(r, CURLOPT_HEADERDATA, c);
	}
	SET(r, CURLOPT_WRITEFUNCTION, http_answer_body);
	SET(r, CURLOPT_WRITEDATA, c);
	SET(r, CURLOPT_PRIVATE, c);
	SET(r, CURLOPT_ERRORBUFFER, c->error);
	return r;
}

int http_easy_new(struct http_call *c)
{
	struct http *h = c->http;
	if (h->connect_to && !(c->connect_to = curl_slist_append(NULL, h->connect_to)))
		return -ENOMEM;
	if (make_headers(c) < 0)
		return -ENOMEM;
	c->easy = h->n_pool > 0 ? h->pool[--h->n_pool] : curl_easy_init();
	if (!c->easy)
		return -ENOMEM;
	c->error[0] = 0;
	CURLcode r = set_transport(c->easy, c);
	r = r == CURLE_OK ? set_trust(c->easy, c) : r;
	r = r == CURLE_OK ? set_request(c->easy, c) : r;
	return r == CURLE_OK ? 0 : -ENOMEM;
}

void http_easy_free(struct http_call *c)
{
	struct http *h = c->http;
	if (c->easy) {
		curl_easy_reset(c->easy);
		if (h->n_pool < HTTP_POOL)
			h->pool[h->n_pool++] = c->easy;
		else
			curl_easy_cleanup(c->easy);
	}
	c->easy = NULL;
	free_list(&c->headers);
	free_list(&c->connect_to);
}
