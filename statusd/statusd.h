/* What statusd's files share. */
#ifndef INGOT_STATUSD_STATUSD_H
#define INGOT_STATUSD_STATUSD_H

#include "lib/run/daemon.h"
#include "statusd/state.h"

struct http;

struct reader {
	struct statusd *statusd;
	enum topic topic;
};

struct statusd {
	struct daemon *daemon;
	struct state state;
	struct reader readers[TOPIC_N];
	int metrics_fd, health_fd; /* listeners, -1 = off */
	struct http *metrics, *health;
	struct metric *announced, *loaded, *stale, *source_stale;
};

int statusd_open(struct daemon *d); /* listeners, before the sandbox */
int statusd_join(struct daemon *d);
void statusd_close(struct daemon *d);

/* gather.c: answers that need other daemons. */

/* Metrics text of all running daemons, joined (heap, callback frees). */
typedef void (*gather_done)(void *ctx, char *text);
/* 0, or a negative errno and no callback. */
int gather_metrics(struct statusd *s, gather_done done, void *ctx);
/* document_explain with the decisions of all daemons; takes document; the callback gets it as text. */
int gather_decisions(struct statusd *s, void *document, const char *subject, gather_done done, void *ctx);

/* A document by name ("services", "pools", ..., not explain) as JSON text (heap), NULL when the name is
 * unknown. */
char *statusd_document(const struct statusd *s, const char *what);

#endif
