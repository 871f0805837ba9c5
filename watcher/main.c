/* The watcher: publishes objects from their source, writes statuses back. This file wires; publish.c has the
 * topics, secrets.c the request `secret`, reports.c the status objects, dir.c the source dir:PATH. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/run/fds.h"
#include "watcher/publish.h"
#include "watcher/reports.h"
#include "watcher/watcher.h"

static const struct source_ops *const sources[] = { &source_dir, &source_k8s };

void watcher_put(struct watcher *w, enum kind k, const char *key, const ProtobufCMessage *m)
{
	publish_put(w->publish, k, key, m);
}

void watcher_gone(struct watcher *w, enum kind k, const char *key)
{
	publish_gone(w->publish, k, key);
}

const void *watcher_packed(const struct watcher *w, enum kind k, const char *key, size_t *len)
{
	return publish_packed(w->publish, k, key, len);
}

void watcher_synced(struct watcher *w)
{
	if (w->synced)
		return;
	w->synced = true;
	publish_synced(w->publish);
	daemon_ready(w->d);
}

void watcher_lead(struct watcher *w, bool leading, const char *holder)
{
	log_line(LOG_INFO, "leader", leading ? "leading" : "following", "%s",
		 leading   ? "this watcher writes statuses"
		 : *holder ? holder
			   : "nobody leads yet");
	bool gained = leading && !w->leading;
	w->leading = leading;
	publish_leader(w->publish, leading, leading ? w->d->options.node : holder);
	if (gained)
		publish_reassign(w->publish);
}

void watcher_findings(struct watcher *w, const Ingot__ConfigStatus *s)
{
	publish_findings(w->publish, s);
}

void watcher_source(struct watcher *w, Ingot__SourceState state, const char *server, const char *text)
{
	publish_source(w->publish, state, server, text);
}

bool watcher_may_lead(const struct watcher *w)
{
	return (w->d->daemons & READS(ALLOCATOR)) != 0;
}

uid_t watcher_uid(const struct watcher *w)
{
	static const unsigned offsets[DAEMON_N] = {
#define X(constant, name, offset) [DAEMON_##constant] = (offset),
		DAEMONS(X)
#undef X
	};
	const struct options *o = &w->d->options;
	unsigned long long base = 0;
	if (geteuid() != 0 || !options_bool(o->sandbox) ||
	    !str_to_u64(o->uid_base, strlen(o->uid_base), UINT32_MAX / 2, &base))
		return (uid_t)-1;
	return (uid_t)base + offsets[DAEMON_WATCHER];
}

static int on_open(struct daemon *d)
{
	struct watcher *w = d->self;
	w->d = d;
	for (size_t i = 0; i < ARRAY_LEN(sources) && !w->ops; i++)
		if (str_starts(d->options.source, sources[i]->prefix))
			w->ops = sources[i];
	if (!w->ops) {
		log_line(LOG_ERROR, "source", "configuration", "--source=%s: neither k8s nor dir:PATH",
			 d->options.source);
		return -EINVAL;
	}
	w->source = w->ops->new (w, d->options.source + strlen(w->ops->prefix));
	if (!w->source) {
		log_line(LOG_ERROR, "source", "configuration", "--source=%s: %s", d->options.source,
			 strerror(errno));
		return -EINVAL;
	}
	return w->ops->open(w->source);
}

static int on_join(struct daemon *d)
{
	struct watcher *w = d->self;
	w->publish = publish_new(w);
	w->reports = w->publish ? reports_new(w) : NULL;
	if (!w->publish || !w->reports)
		return -ENOMEM;
	publish_leader(w->publish, false, "");
	int rc = secrets_serve(w);
	return rc < 0 ? rc : w->ops->join(w->source);
}

static void on_reload(struct daemon *d)
{
	struct watcher *w = d->self;
	w->ops->reload(w->source);
}

static void on_stop(struct daemon *d)
{
	struct watcher *w = d->self;
	if (w->ops->stop)
		w->ops->stop(w->source);
	else
		daemon_stopped(d);
}

static void on_explain(struct daemon *d, const char *subject, char *buf, size_t size)
{
	struct watcher *w = d->self;
	w->ops->explain(w->source, subject, buf, size);
}

static void on_close(struct daemon *d)
{
	struct watcher *w = d->self;
	reports_free(w->reports);
	if (w->source)
		w->ops->free(w->source);
	publish_free(w->publish);
}

int main(int argc, char **argv)
{
	static struct watcher watcher;
	static const struct daemon_ops ops = {
		.id = DAEMON_WATCHER,
		.open = on_open,
		.join = on_join,
		.stop = on_stop,
		.reload = on_reload,
		.explain = on_explain,
		.close = on_close,
	};
	return daemon_main(argc, argv, &ops, &watcher);
}
