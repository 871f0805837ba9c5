/* Requests to one API server, many at once over as few connections as possible: libcurl multi on the loop,
 * HTTP/2 where the server offers it. Only lib/kube/http*.c includes curl. Used by the watcher and ingotctl.
 * Every phase has its own time limit; nothing blocks. */
#ifndef INGOT_KUBE_HTTP_H
#define INGOT_KUBE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/metrics.h"
#include "lib/kube/access.h"
#include "lib/run/loop.h"

enum {
	HTTP_MAX_BODY = 64 << 20,  /* of an answer that is collected */
	HTTP_MAX_ERROR = 64 << 10, /* of an answer that is no 2xx; the rest is dropped */
	HTTP_CONNECT_MS = 5000,	   /* name, TCP and TLS together */
};

struct http;
struct http_call;

struct http_request {
	const char *method; /* "GET", "POST", "PUT", "PATCH", "DELETE" */
	const char *path;   /* from the root of the server, with its query */
	const char *accept; /* NULL: application/json */
	const char *content_type;
	const void *body; /* copied */
	size_t body_len;
	unsigned timeout_ms; /* for the whole exchange; 0: a stream without end */
	unsigned silence_ms; /* streams: over when no byte came for so long; 0: never */
};

enum http_failure {
	HTTP_OK,	/* an answer came whole, whatever its status */
	HTTP_NO_ROUTE,	/* no name, no connection */
	HTTP_TLS,	/* not the server that we trust */
	HTTP_TIMEOUT,	/* one of the time limits */
	HTTP_BROKEN,	/* the connection ended before the answer did */
	HTTP_TOO_LARGE, /* over HTTP_MAX_BODY */
	HTTP_NO_MEMORY,
};

struct http_answer {
	int status; /* 0: none came */
	enum http_failure failure;
	const char *error; /* a sentence for people that names the server; "" when failure is HTTP_OK */
	const char *content_type; /* "" when none */
	int64_t retry_after_ms;	  /* header Retry-After, at most a day; -1: none */
	/* Collected: everything without a `data` callback, and every answer that is no 2xx. */
	const uint8_t *body;
	size_t len;
};

struct http_events {
	/* A 2xx answer begins: a stream stands, though it may say nothing for a while. May be NULL. The call
	 * may not be cancelled in here. */
	void (*headers)(void *ctx, const char *content_type);
	/* Bytes of a 2xx answer as they come. NULL: they are collected. The call may be cancelled in here. */
	void (*data)(void *ctx, const char *content_type, const void *data, size_t len);
	/* The end, exactly once and never from inside http_start; the answer is lent. */
	void (*done)(void *ctx, const struct http_answer *a);
};

/* access is borrowed and must outlive it. metrics may be NULL. NULL on failure. */
struct http *http_new(struct loop *l, struct access *access, struct metrics *metrics);
void http_free(struct http *h); /* calls that are under way are cancelled; not from a callback of its own */
/* Asks with the token as it is now. When the server answers 401 and the token's file has a newer one, the
 * request is sent once more with that, and only its answer is told. A call that times out without a byte on
 * an HTTP/2 connection takes that connection down, so that the next call makes a new one. NULL when out of
 * memory (no callback follows). */
struct http_call *http_start(struct http *h, const struct http_request *r, const struct http_events *e,
			     void *ctx);
/* No callback follows. From any callback, also of this call itself; NULL is fine. The call is gone with its
 * end, so not after done has returned. */
void http_cancel(struct http_call *c);
size_t http_in_flight(const struct http *h);

#endif
