/* What the files of the HTTP client share: http.c (calls, from start to end), http_easy.c (one request in
 * curl's words), http_multi.c (curl on the loop), http_answer.c (what came back). */
#ifndef INGOT_KUBE_HTTP_INTERNAL_H
#define INGOT_KUBE_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "lib/kube/http.h"

enum {
	HTTP_POOL = 8, /* easy handles that wait for their next request */
	HTTP_CONNECTIONS =
	    32, /* to the server, and to wherever its name leads: HTTP/1.1 needs one per request */
	HTTP_CONNECTIONS_H2 = 2,
	HTTP_RETRY_AFTER_MAX_S = 86400,
};

struct http_list {
	struct http_call *head, *tail;
};

struct http_call {
	struct http *http;
	struct http_list *list; /* that it is in: fresh, running or doomed; NULL once its end is told */
	struct http_call *prev, *next;
	CURL *easy; /* while running */
	struct curl_slist *headers, *connect_to;
	struct loop_timer *timer;
	struct http_events events;
	void *ctx;
	char method[8];
	char *path, *accept, *content_type;
	void *body;
	size_t body_len;
	char *token; /* that was sent; NULL: none */
	unsigned timeout_ms, silence_ms;
	mono_t started, heard;
	bool cancelled, retried;
	enum http_failure failure; /* decided by us while curl was at work */
	char error[CURL_ERROR_SIZE];
	uint8_t *answer;
	size_t answer_len, answer_cap;
};

struct http_socket;

struct http {
	struct loop *loop;
	struct access *access;
	CURLM *multi;
	char *base;	  /* of URLs */
	char *connect_to; /* CURLOPT_CONNECT_TO when the name in base is not where the server is; else NULL */
	struct http_list fresh, running, doomed;
	size_t in_flight;
	CURL *pool[HTTP_POOL];
	size_t n_pool;
	struct loop_timer *timer; /* curl's */
	struct loop_defer *turn;
	struct http_socket *watches; /* sockets that curl waits for */
	int open[HTTP_CONNECTIONS];  /* connections, -1 = none: to find the dead ones */
	bool inside;		     /* curl is at work: it may not be called */
	bool due;		     /* curl wants to be called at once */
	long version; /* of HTTP, in curl's numbers, that the server spoke last; 0: not known */
	long most;    /* connections, as curl was told */
	struct metric *requests, *failures;
	int64_t *connections, *streams; /* NULL without metrics */
};

void http_list_add(struct http_list *l, struct http_call *c);
void http_list_del(struct http_call *c);

/* http.c. The end of a running call: what curl says of it. */
void http_finish(struct http_call *c, CURLcode result);
/* Takes calls that were cancelled while curl was at work away from it. */
void http_bury(struct http *h);

/* http_easy.c. Gives the call an easy handle, ready to be added. 0 or -ENOMEM. */
int http_easy_new(struct http_call *c);
void http_easy_free(struct http_call *c); /* back into the pool */
/* Where requests go; 0 or -ENOMEM. */
int http_easy_target(struct http *h);

/* http_multi.c */
int http_multi_open(struct http *h); /* 0 or -ENOMEM */
void http_multi_close(struct http *h);
void http_multi_act(struct http *h, curl_socket_t fd, int events); /* and tells the ends that this led to */
/* For CURLOPT_OPENSOCKETFUNCTION and CURLOPT_CLOSESOCKETFUNCTION; ctx is the struct http. */
curl_socket_t http_multi_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address);
int http_multi_closed(void *ctx, curl_socket_t fd);
/* A call heard nothing for so long: connections that brought no byte in all that time are cut, so that the
 * next call is not sent into the same hole. */
void http_multi_suspect(struct http *h, unsigned ms);

/* http_answer.c. A CURLOPT_WRITEFUNCTION; ctx is the call. */
size_t http_answer_header(char *data, size_t size, size_t n, void *ctx);
size_t http_answer_body(char *data, size_t size, size_t n, void *ctx);
/* Fills a; the texts live in c, its easy handle, and buf. */
void http_answer_read(struct http_call *c, CURLcode result, struct http_answer *a, char *buf, size_t size);
void http_answer_count(struct http_call *c, const struct http_answer *a);

#endif
