/* What is published before the server has answered (the mirror of a former life), when everything is known,
 * and what people are told about it. Runs in the watcher. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "watcher/api_text.h"
#include "watcher/k8s/k8s.h"

/* So long a server that can be reached has time to answer before the state file is believed. */
enum { IMAGE_WAIT_US = 500000, TELL_US = 500000 };

struct image_object {
	struct image_object *next;
	enum kind kind;
	ProtobufCMessage *message;
	char key[];
};

/* ---- the mirror of a former life ---- */

static void collect(void *ctx, enum kind kind, const char *key, const ProtobufCMessage *m)
{
	struct k8s *k = ctx;
	size_t n = strlen(key) + 1;
	struct image_object *o = malloc(sizeof *o + n);
	if (o)
		*o = (struct image_object){ k->image, kind, message_copy(m) };
	if (!o || !o->message) {
		free(o);
		log_line(LOG_ERROR, key, "mirror", "out of memory");
		return;
	}
	memcpy(o->key, key, n);
	k->image = o;
}

static void forget_image(struct k8s *k)
{
	while (k->image) {
		struct image_object *o = k->image;
		k->image = o->next;
		protobuf_c_message_free_unpacked(o->message, NULL);
		free(o);
	}
}

static struct watch *watch_of(const struct k8s *k, enum kind kind)
{
	for (unsigned r = 0; r < RESOURCE_N; r++)
		if (resource_row((enum resource)r)->kind == kind)
			return k->watches[r];
	return NULL;
}

static void publish_image(struct k8s *k)
{
	for (const struct image_object *o = k->image; o; o = o->next) {
		if (o->kind == KIND_SERVICE)
			sinks_service(k, o->key, (const Ingot__Service *)o->message);
		else if (o->kind == KIND_ENDPOINTS)
			(void)slices_put(&k->slices, o->key, (const Ingot__EndpointSlice *)o->message);
		else
			sinks_put(k, o->kind, o->key, o->message);
	}
	forget_image(k);
	k->from_image = true;
	watcher_synced(k->w);
	tell_ask(k);
}

static void on_image_timer(void *ctx)
{
	struct k8s *k = ctx;
	if (k->image && !k->contact && !k->w->synced)
		publish_image(k);
	else
		forget_image(k);
}

/* A former life of this very process has published it, and nobody else has forgotten it: it counts at once. A
 * state file may be older than a reboot: only when the server does not answer. */
static void load_image(struct k8s *k)
{
	struct keep_found found;
	keep_load(k->keep, collect, k, &found);
	k->image_ms = found.written_ms;
	for (const struct image_object *o = k->image; o; o = o->next) {
		struct watch *w = watch_of(k, o->kind);
		if (w)
			watch_remember(w, o->key);
	}
	if (found.origin == KEEP_FORMER_LIFE)
		publish_image(k);
	else if (found.origin == KEEP_STATE_FILE)
		loop_timer_set(k->image_timer, mono_add(loop_now(k->w->d->loop), IMAGE_WAIT_US));
}

/* ---- what people are told ---- */

static Ingot__SourceState describe(struct k8s *k, struct strbuf *text)
{
	char pods[300], written[40];
	if (k->held) {
		hold_text(&k->hold, pods, sizeof pods);
		strbuf_fmt(text,
			   "MetalLB runs here (%s); nothing is written or announced until its Pods are gone "
			   "(--coexist overrides)",
			   pods);
		return INGOT__SOURCE_STATE__SOURCE_HELD;
	}
	bool current = api_current(k);
	struct strbuf waits = { 0 };
	api_waits(k, &waits);
	if (!k->w->synced) {
		strbuf_add(text, strbuf_get(&waits));
	} else if (k->from_image) {
		rfc3339(k->image_ms, written);
		strbuf_fmt(text, "what was known at %s is announced: %s", written, strbuf_get(&waits));
	} else if (!current) {
		strbuf_fmt(text, "what was known stays in force: %s", strbuf_get(&waits));
	} else {
		strbuf_fmt(text, "Kubernetes %s is watched%s%s", k->discovery.version, waits.len ? "; " : "",
			   strbuf_get(&waits));
	}
	strbuf_fini(&waits);
	if (!k->w->synced)
		return INGOT__SOURCE_STATE__SOURCE_WAITING;
	return k->from_image || !current ? INGOT__SOURCE_STATE__SOURCE_STALE
					 : INGOT__SOURCE_STATE__SOURCE_LIVE;
}

static void log_state(struct k8s *k)
{
	static const char *const events[] = { "waiting", "live", "stale", "held" };
	if (strcmp(k->told, k->logged) == 0)
		return;
	str_fmt(k->logged, sizeof k->logged, "%s", k->told);
	log_limited(&k->changes, 10, SEC(10),
		    k->state == INGOT__SOURCE_STATE__SOURCE_LIVE ? LOG_INFO : LOG_WARN, "source",
		    events[k->state], "%s", k->told);
}

static void on_tell_timer(void *ctx)
{
	const struct k8s *k = ctx;
	log_state(ctx);
	/* What a large list needed while it was read goes back to the machine. */
	if (k->state == INGOT__SOURCE_STATE__SOURCE_LIVE)
		malloc_trim(0);
}

static void findings(struct k8s *k)
{
	Ingot__ConfigStatus s = INGOT__CONFIG_STATUS__INIT;
	char **v = calloc(map_len(&k->broken) + 1, sizeof *v);
	size_t n = 0;
	if (!v)
		return;
	map_each (&k->broken, e)
		v[n++] = e->value;
	s.loaded = k->w->synced;
	s.errors = v;
	s.n_errors = n;
	watcher_findings(k->w, &s);
	free(v);
}

static void on_tell(void *ctx)
{
	struct k8s *k = ctx;
	struct strbuf text = { 0 };
	if (api_complete(k)) {
		k->from_image = false;
		keep_synced(k->keep);
		watcher_synced(k->w);
	}
	Ingot__SourceState state = describe(k, &text);
	findings(k);
	if (state == k->state && strcmp(strbuf_get(&text), k->told) == 0) {
		strbuf_fini(&text);
		return;
	}
	k->state = state;
	str_fmt(k->told, sizeof k->told, "%s", strbuf_get(&text));
	strbuf_fini(&text);
	watcher_source(k->w, state, k->server, k->told);
	/* What lasts is worth a line; what passes within a moment is not. */
	loop_timer_set(k->tell_timer, mono_add(loop_now(k->w->d->loop), TELL_US));
}

void tell_ask(struct k8s *k)
{
	loop_defer_ask(k->tell);
}

int tell_join(struct k8s *k)
{
	struct loop *l = k->w->d->loop;
	k->tell = loop_defer_new(l, on_tell, k);
	k->tell_timer = loop_timer_new(l, on_tell_timer, k);
	k->image_timer = loop_timer_new(l, on_image_timer, k);
	if (!k->tell || !k->tell_timer || !k->image_timer)
		return -ENOMEM;
	load_image(k);
	return 0;
}

void tell_free(struct k8s *k)
{
	forget_image(k);
	loop_defer_free(k->tell);
	loop_timer_free(k->tell_timer);
	loop_timer_free(k->image_timer);
}
