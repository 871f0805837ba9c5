/* Which events are combined, and who talks too much. Pure; run by the watcher. */
#include "watcher/k8s/report/events_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Events that differ in their notes only. */
struct similar {
	struct cache_node node;
	mono_t last;
	size_t n;
	uint64_t notes[EVENTS_SIMILAR];
};

/* One source and one Service: a bucket of tokens, in the time that they take to come back. */
struct source {
	struct cache_node node;
	mono_t last;
	int64_t credit_us;
};

static void node_free(struct cache *c, struct cache_node *n)
{
	(void)c;
	free(n);
}

void rules_init(struct rules *r)
{
	cache_init(&r->similar, EVENTS_KNOWN, node_free);
	cache_init(&r->sources, EVENTS_KNOWN, node_free);
}

void rules_fini(struct rules *r)
{
	cache_fini(&r->similar);
	cache_fini(&r->sources);
}

static uint64_t hash_of(const char *text)
{
	static const uint8_t salt[16] = "ingot event note";
	return siphash24(salt, text, strlen(text));
}

static const char *key_source(const struct service_event *ev, struct strbuf *b)
{
	strbuf_reset(b);
	strbuf_fmt(b, "%s\n%s\n%s\n%s\n%s", ev->controller, ev->instance, ev->ns, ev->service, ev->uid);
	return b->oom ? NULL : b->s;
}

const char *rules_key_similar(const struct service_event *ev, struct strbuf *b)
{
	if (!key_source(ev, b))
		return NULL;
	strbuf_fmt(b, "\n%d\n%s", ev->warning, ev->reason);
	return b->oom ? NULL : b->s;
}

const char *rules_key_event(const struct service_event *ev, struct strbuf *b)
{
	if (!rules_key_similar(ev, b))
		return NULL;
	strbuf_fmt(b, "\n%016llx", (unsigned long long)hash_of(ev->note));
	return b->oom ? NULL : b->s;
}

/* The node with this key; made, zeroed, when it is absent. NULL on OOM. */
static void *node_get(struct cache *c, const char *key, size_t size, bool *made)
{
	struct cache_node *n = key ? cache_get(c, key) : NULL;
	*made = !n;
	if (n || !key)
		return n;
	n = calloc(1, size);
	return n && cache_put(c, key, n, false) == 0 ? n : NULL;
}

static bool has_note(const struct similar *s, uint64_t hash)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->notes[i] == hash)
			return true;
	return false;
}

int rules_combine(struct rules *r, const struct service_event *ev)
{
	struct strbuf b = { 0 };
	bool made;
	uint64_t hash = hash_of(ev->note);
	struct similar *s = node_get(&r->similar, rules_key_similar(ev, &b), sizeof *s, &made);
	strbuf_fini(&b);
	if (!s)
		return -ENOMEM;
	if (mono_sub(ev->at, s->last) > SEC(EVENTS_SIMILAR_S))
		s->n = 0;
	s->last = ev->at;
	if (has_note(s, hash))
		return 0;
	if (s->n == EVENTS_SIMILAR)
		return 1;
	s->notes[s->n++] = hash;
	return 0;
}

int rules_admit(struct rules *r, const struct service_event *ev)
{
	const int64_t token = SEC(EVENTS_REFILL_S), most = EVENTS_BURST * token;
	struct strbuf b = { 0 };
	bool made;
	struct source *s = node_get(&r->sources, key_source(ev, &b), sizeof *s, &made);
	strbuf_fini(&b);
	if (!s)
		return -ENOMEM;
	int64_t since = made ? most : mono_sub(ev->at, s->last);
	if (since > most)
		since = most;
	if (since > 0)
		s->credit_us = s->credit_us + since < most ? s->credit_us + since : most;
	s->last = ev->at;
	if (s->credit_us < token)
		return 0;
	s->credit_us -= token;
	return 1;
}
