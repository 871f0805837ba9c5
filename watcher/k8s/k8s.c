/* The source k8s: objects come from a Kubernetes API server, and statuses go back there. This file is its
 * face to the watcher; k8s.h says what the others do. Runs in the watcher. */
#include "watcher/k8s/k8s.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "watcher/k8s/keep/image.h"

static void k8s_free(void *source)
{
	struct k8s *k = source;
	if (!k)
		return;
	writing_free(k);
	api_free(k);
	tell_free(k);
	sinks_fini(k);
	http_free(k->http);
	keep_free(k->keep);
	access_free(k->access);
	free(k);
}

static void *k8s_new(struct watcher *w, const char *argument)
{
	const struct options *o = &w->d->options;
	struct access_where where = { .kubeconfig = o->kubeconfig };
	char error[512];
	if (*argument) {
		errno = EINVAL;
		return NULL;
	}
	struct k8s *k = calloc(1, sizeof *k);
	if (!k)
		return NULL;
	k->w = w;
	sinks_init(k);
	k->access = access_new(&where, error, sizeof error);
	if (!k->access) {
		log_line(LOG_ERROR, "source", "configuration", "%s", error);
		k8s_free(k);
		errno = EINVAL;
		return NULL;
	}
	return k;
}

/* As root, perhaps: the folder of the state file becomes the watcher's. */
static int k8s_open(void *source)
{
	struct k8s *k = source;
	const struct options *o = &k->w->d->options;
	char identity[IMAGE_IDENTITY];
	str_fmt(k->ns, sizeof k->ns, "%s", o->namespace);
	str_fmt(k->server, sizeof k->server, "%s", access_server(k->access));
	str_fmt(k->instance, sizeof k->instance, "%s", *o->pod_name ? o->pod_name : o->node);
	str_fmt(identity, sizeof identity, "%s %s %s", k->server, k->ns, o->role);
	k->context = (struct resource_context){ .ns = k->ns,
						.node = o->node,
						.lease = LEASE_NAME,
						.secret = o->secret_name,
						.daemons = k->w->d->daemons };
	for (size_t i = 0; access_file(k->access, i); i++)
		if (daemon_may_read(k->w->d, access_file(k->access, i)) < 0)
			log_line(LOG_WARN, "source", "sandbox",
				 "%s cannot be read in the sandbox: too many files",
				 access_file(k->access, i));
	k->keep = keep_new(k->w->d, o->state_dir, identity, watcher_uid(k->w));
	return k->keep ? 0 : -ENOMEM;
}

static int k8s_join(void *source)
{
	struct k8s *k = source;
	struct daemon *d = k->w->d;
	if (getrandom(&k->seed, sizeof k->seed, 0) != (ssize_t)sizeof k->seed)
		return -EIO;
	k->http = http_new(d->loop, k->access, d->metrics);
	if (!k->http)
		return -ENOMEM;
	int rc = writing_join(k);
	if (rc == 0)
		rc = api_prepare(k);
	if (rc == 0)
		rc = tell_join(k);
	if (rc < 0)
		return rc;
	api_join(k);
	tell_ask(k);
	return 0;
}

/* SIGHUP: compare everything. */
static void k8s_reload(void *source)
{
	struct k8s *k = source;
	for (unsigned r = 0; r < RESOURCE_N; r++)
		if (k->watches[r])
			watch_again(k->watches[r]);
}

static const struct manifest_secret *k8s_secret(void *source, enum kind kind, const char *key,
						const char *item)
{
	return sinks_secret(source, kind, key, item);
}

static void k8s_explain(void *source, const char *subject, char *buf, size_t size)
{
	struct k8s *k = source;
	struct strbuf b = { 0 };
	if (!*subject)
		strbuf_fmt(&b, "%s; %s; %llu status patches, %llu conflicts%s%s%s%s", k->server, k->told,
			   (unsigned long long)k->service_status.writes,
			   (unsigned long long)k->service_status.conflicts,
			   *k->lease.trouble ? "; Lease: " : "", k->lease.trouble,
			   *k->gossip_secret.trouble ? "; gossip Secret: " : "", k->gossip_secret.trouble);
	else if (strchr(subject, '/'))
		sinks_explain(k, subject, &b);
	str_fmt(buf, size, "%s", strbuf_get(&b));
	strbuf_fini(&b);
}

static void k8s_stop(void *source)
{
	writing_stop(source);
}

const struct source_ops source_k8s = {
	.prefix = "k8s",
	.new = k8s_new,
	.open = k8s_open,
	.join = k8s_join,
	.reload = k8s_reload,
	.stop = k8s_stop,
	.assign = writing_assign,
	.unassign = writing_unassign,
	.report = writing_report,
	.configuration = writing_configuration,
	.event = writing_event,
	.secret = k8s_secret,
	.explain = k8s_explain,
	.free = k8s_free,
};
