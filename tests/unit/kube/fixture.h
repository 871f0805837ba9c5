/* A folder with certificates, a server that does as it is asked (server.py), and calls to it that end within
 * a time. */
#ifndef INGOT_TESTS_KUBE_FIXTURE_H
#define INGOT_TESTS_KUBE_FIXTURE_H

#include <sys/types.h>

#include "lib/base/metrics.h"
#include "lib/kube/http.h"

/* Listeners of server.py. */
enum listener { PLAIN, TLS, OTHER, EXPIRED, NAMED, MUTUAL, PROXY, LISTENERS };

struct house {
	char dir[64];
	int port[LISTENERS];
	pid_t server;
	const char *base; /* path of the server's address in the next kubeconfig */
	struct loop *loop;
	struct metrics *metrics;
	struct access *access;
	struct http *http;
};

int house_open(void **state);  /* a group's setup: certificates and server */
int house_close(void **state); /* its teardown */
int house_clear(void **state); /* a test's teardown: client and files of the test go */

void house_start(struct house *h); /* on the ports that it had */
void house_stop(struct house *h);
void house_write(const struct house *h, const char *name, const char *text); /* replaced as a whole */
/* Of a file in the folder, into buf. */
void house_read(const struct house *h, const char *name, char *buf, size_t size);
void house_copy(const struct house *h, const char *from, const char *to);

/* A program with its arguments in the folder, killed with the test; stdout goes to out unless that is -1. */
pid_t house_spawn(const struct house *h, char *const argv[], int out);

/* A client with a kubeconfig: server "https://127.0.0.1:PORT", the lines of cluster and user as YAML flow
 * ("certificate-authority: ca.pem, ..."). */
void house_client(struct house *h, const char *scheme, int port, const char *cluster, const char *user);
/* To a listener, trusting the CA (PLAIN: over http). */
void house_client_to(struct house *h, enum listener l);

/* What became of a call. */
struct outcome {
	bool done;
	struct http_answer answer;
	char error[1024], content_type[128];
	char *body; /* collected, NUL-terminated; freed by outcome_fini */
	struct strbuf data;
	size_t n_data;
	struct http_call *call;
	struct loop *loop;
	size_t *left;			    /* counted down at the end; the loop stops at 0 */
	void (*on_data)(struct outcome *o); /* NULL = nothing more */
	void (*on_done)(struct outcome *o);
	void *more;
};
void outcome_fini(struct outcome *o);

/* Starts a call without waiting. streamed: bytes go to data. */
void house_begin(struct house *h, struct outcome *o, const struct http_request *r, bool streamed);
/* Runs the loop until *left is 0; fails the test after 20 s. */
void house_wait(struct house *h, const size_t *left);
/* One GET, to its end, within 10 s. */
void house_get(struct house *h, struct outcome *o, const char *path);
void house_call(struct house *h, struct outcome *o, const struct http_request *r, bool streamed);
/* A figure of the server. */
long house_count(struct house *h, const char *name);
/* A figure of ours, as printed; -1 when absent. */
long house_metric(const struct house *h, const char *series);

#endif
