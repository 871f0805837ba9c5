/* A small HTTP server on libmicrohttpd, driven by our loop: GET only, capped connections, time-outs. */
#ifndef INGOT_STATUSD_HTTP_H
#define INGOT_STATUSD_HTTP_H

#include "lib/run/loop.h"

struct http;
struct http_exchange;

/* Called for each GET request; answer now or later with http_answer, exactly once. query is the value of the
 * argument "what", "" when absent. */
typedef void (*http_handler)(void *ctx, const char *path, const char *what, const char *subject,
			     struct http_exchange *x);

/* Serve on a listening socket that was opened before the sandbox; it is taken over. NULL on failure. */
struct http *http_new(struct loop *l, int listener, http_handler fn, void *ctx);
void http_free(struct http *h);
/* body is heap memory and taken (NULL = empty); type is a literal. */
void http_answer(struct http_exchange *x, unsigned status, const char *type, char *body);

#endif
