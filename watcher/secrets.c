/* Hands out the bytes that never travel on topics: passwords of BGP peers, the gossip key. Only to the
 * daemons that the table of requests names (the bus checks who asks). Runs in the watcher. */
#include <errno.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "proto/bus.pb-c.h"
#include "watcher/publish.h"

static const struct manifest_secret *find(struct watcher *w, const Ingot__SecretRequest *r)
{
	char key[OBJECT_KEY];
	bool peer = *r->bgp_peer;
	if (strlen(r->namespace_) > 253 || strlen(r->name) > 253 || strlen(r->bgp_peer) > 253)
		return NULL;
	const char *ns = *r->namespace_ ? r->namespace_ : w->d->options.namespace;
	/* A peer may come as "namespace/name" or as a name in the configured namespace. */
	if (peer && strchr(r->bgp_peer, '/'))
		str_fmt(key, sizeof key, "%s", r->bgp_peer);
	else
		object_key(ns, peer ? r->bgp_peer : r->name, key);
	return w->ops->secret(w->source, peer ? KIND_BGP_PEER : KIND_SECRET, key, peer ? "password" : r->key);
}

static void on_request(void *ctx, const ProtobufCMessage *payload, struct exchange *x)
{
	struct watcher *w = ctx;
	const Ingot__SecretRequest *r = (const Ingot__SecretRequest *)payload;
	const struct manifest_secret *s = find(w, r);
	if (!w->synced) {
		bus_reply_error(x, -EAGAIN, "the objects are not read yet");
		return;
	}
	if (!s) {
		bus_reply_error(x, -ENOENT, "no such Secret, or no such key in it");
		return;
	}
	Ingot__SecretReply reply = INGOT__SECRET_REPLY__INIT;
	reply.value.data = s->value;
	reply.value.len = s->len;
	bus_reply(x, &reply.base);
}

int secrets_serve(struct watcher *w)
{
	return bus_serve(w->d->bus, REQUEST_SECRET, on_request, w);
}
