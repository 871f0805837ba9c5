/* The list/watch machine. Pure; run by the watcher. */
#include "watcher/k8s/reflector.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/limits.h"

enum { FIRST_WAIT_US = 50000, MOST_WAIT_US = 8000000, FORBIDDEN_WAIT_US = 5000000, SHORT_WATCH_US = 1000000 };

void reflector_init(struct reflector *r, const char *path, const char *selector, bool can_stream,
		    uint64_t seed)
{
	*r = (struct reflector){
		.path = path, .selector = selector, .page = REFLECTOR_PAGE, .can_stream = can_stream
	};
	hashtab_init(&r->known);
	backoff_init(&r->backoff, FIRST_WAIT_US, MOST_WAIT_US, seed);
	r->not_before = MONO_NEVER;
}

void reflector_fini(struct reflector *r)
{
	hashtab_fini(&r->known, free);
	free(r->continue_token);
	r->continue_token = NULL;
}

static void forget_token(struct reflector *r)
{
	free(r->continue_token);
	r->continue_token = NULL;
}

/* A new list: what it does not have is gone when it ends. */
static void list_anew(struct reflector *r)
{
	forget_token(r);
	r->list_rv[0] = 0;
	r->round++;
	r->current = false;
	r->state = r->can_stream ? REFLECTOR_STREAM : REFLECTOR_LIST;
}

void reflector_start(struct reflector *r, mono_t now)
{
	backoff_reset(&r->backoff);
	list_anew(r);
	r->under_way = r->expired = false;
	r->not_before = now;
	r->trouble = TROUBLE_NONE;
	r->why[0] = 0;
}

void reflector_stop(struct reflector *r)
{
	r->state = REFLECTOR_STOPPED;
	r->under_way = false;
	r->current = false;
	r->not_before = MONO_NEVER;
}

mono_t reflector_wake(const struct reflector *r)
{
	return r->state == REFLECTOR_STOPPED || r->under_way ? MONO_NEVER : r->not_before;
}

static void add_query(struct strbuf *path, const char *name, const char *value)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
	strbuf_fmt(path, "%c%s=", path->s && strchr(path->s, '?') ? '&' : '?', name);
	for (; *value; value++)
		if (strchr(plain, *value))
			strbuf_char(path, *value);
		else
			strbuf_fmt(path, "%%%02X", (unsigned char)*value);
}

bool reflector_next(struct reflector *r, mono_t now, struct strbuf *path, bool *is_watch)
{
	if (!mono_reached(now, reflector_wake(r)))
		return false;
	char seconds[24];
	*is_watch = r->state != REFLECTOR_LIST;
	strbuf_add(path, r->path);
	if (*r->selector && !r->no_selector)
		strbuf_fmt(path, "?%s", r->selector);
	if (*is_watch) {
		/* Not all nodes at the same moment. */
		str_fmt(seconds, sizeof seconds, "%d", REFLECTOR_WATCH_S + (int)(r->backoff.seed % 120));
		add_query(path, "watch", "true");
		add_query(path, "allowWatchBookmarks", "true");
		add_query(path, "timeoutSeconds", seconds);
	} else {
		str_fmt(seconds, sizeof seconds, "%u", r->page);
		add_query(path, "limit", seconds);
	}
	if (r->state == REFLECTOR_WATCH)
		add_query(path, "resourceVersion", r->rv);
	if (r->state == REFLECTOR_STREAM) {
		add_query(path, "sendInitialEvents", "true");
		add_query(path, "resourceVersionMatch", "NotOlderThan");
	}
	if (r->state == REFLECTOR_LIST && r->continue_token)
		add_query(path, "continue", r->continue_token);
	r->under_way = true;
	r->is_watch = *is_watch;
	r->began = now;
	r->news = false;
	return true;
}

static void set_rv(struct reflector *r, const char *rv)
{
	if (*rv)
		str_fmt(r->rv, sizeof r->rv, "%s", rv);
}

void reflector_answered(struct reflector *r)
{
	if (r->state != REFLECTOR_WATCH)
		return;
	r->current = true;
	r->trouble = TROUBLE_NONE;
	r->why[0] = 0;
}

static struct reflector_known *find(const struct reflector *r, const char *key)
{
	return hashtab_get(&r->known, key);
}

/* 0; -ENOMEM; -ENOSPC over LIMIT_OBJECTS. */
static int note(struct reflector *r, const char *key)
{
	if (hashtab_len(&r->known) >= LIMIT_OBJECTS && !find(r, key))
		return -ENOSPC;
	struct reflector_known *x =
	    hashtab_get_or_add(&r->known, key, offsetof(struct reflector_known, key), NULL);
	if (!x)
		return -ENOMEM;
	x->round = r->round;
	return 0;
}

int reflector_saw(struct reflector *r, const char *key, const char *rv)
{
	r->news = true;
	r->events++;
	if (r->state == REFLECTOR_WATCH)
		set_rv(r, rv);
	return note(r, key);
}

void reflector_remember(struct reflector *r, const char *key)
{
	(void)note(r, key);
}

static void forget(struct reflector *r, struct reflector_known *x)
{
	hashtab_remove(&r->known, &x->node);
	free(x);
}

void reflector_deleted(struct reflector *r, const char *key, const char *rv)
{
	r->news = true;
	r->events++;
	if (r->state == REFLECTOR_WATCH)
		set_rv(r, rv);
	struct reflector_known *x = find(r, key);
	if (x)
		forget(r, x);
}

static void whole(struct reflector *r)
{
	r->state = REFLECTOR_WATCH;
	r->complete = r->current = true;
	r->trouble = TROUBLE_NONE;
	r->why[0] = 0;
	r->page = r->page < REFLECTOR_PAGE / 2 ? r->page * 2 : REFLECTOR_PAGE;
	r->relists++;
}

bool reflector_bookmark(struct reflector *r, const char *rv, bool initial_end)
{
	bool done = initial_end && r->state == REFLECTOR_STREAM;
	if (r->state == REFLECTOR_STREAM && !done)
		return false;
	r->news = true;
	set_rv(r, rv);
	if (done)
		whole(r);
	return done;
}

bool reflector_page(struct reflector *r, const char *rv, char *continue_token)
{
	forget_token(r);
	r->news = true;
	if (!*r->list_rv)
		str_fmt(r->list_rv, sizeof r->list_rv, "%s", rv);
	if (continue_token && *continue_token) {
		r->continue_token = continue_token;
		return false;
	}
	free(continue_token);
	set_rv(r, r->list_rv);
	whole(r);
	return true;
}

void reflector_sweep(struct reflector *r, void (*gone)(void *ctx, const char *key), void *ctx)
{
	hashtab_each (&r->known, n) {
		struct reflector_known *x = (struct reflector_known *)n;
		if (x->round == r->round)
			continue;
		gone(ctx, x->key);
		forget(r, x);
	}
}

/* The watch that is over now had worked for a while, so whatever was wrong before it is past. Nothing less
 * proves that: a list that is had again and again is no progress. */
static bool has_lasted(struct reflector *r, mono_t now)
{
	if (!r->is_watch || r->state != REFLECTOR_WATCH || mono_sub(now, r->began) < SHORT_WATCH_US)
		return false;
	backoff_reset(&r->backoff);
	r->expired = false;
	return true;
}

void reflector_ended(struct reflector *r, mono_t now)
{
	r->under_way = false;
	r->not_before = now;
	if (r->state == REFLECTOR_STREAM) {
		/* A server that ends the stream before the list is whole, or does not know how to. */
		r->can_stream = false;
		list_anew(r);
		r->not_before = mono_add(now, backoff_next(&r->backoff));
		return;
	}
	/* A watch that ends at once must not become a storm of requests. */
	if (r->is_watch && !has_lasted(r, now))
		r->not_before = mono_add(now, backoff_next(&r->backoff));
}

bool reflector_too_large(struct reflector *r, mono_t now)
{
	if (r->state != REFLECTOR_LIST || r->page == 1)
		return false;
	r->page = r->page > 8 ? r->page / 8 : 1;
	r->under_way = false;
	r->not_before = now;
	return true;
}

static enum reflector_trouble trouble_of(const struct api_status *s)
{
	if (!s || s->code >= 500 || s->code == 0 || s->code == 408 || s->code == 429)
		return TROUBLE_UNREACHABLE;
	switch (s->code) {
	case 401: return TROUBLE_UNAUTHORIZED;
	case 403: return TROUBLE_FORBIDDEN;
	case 404: return TROUBLE_MISSING;
	default: return TROUBLE_REFUSED;
	}
}

/* Things that a server may not know: without them, then. True when something was given up. */
static bool give_up_extras(struct reflector *r, const struct api_status *s)
{
	/* 500: an etcd that cannot tell how far it is, below a server that can stream. */
	bool cannot = s && r->state == REFLECTOR_STREAM && s->code == 500;
	if (!s || (s->code != 400 && s->code != 422 && s->code != 406 && !cannot))
		return false;
	if (r->state == REFLECTOR_STREAM) {
		r->can_stream = false;
		list_anew(r); /* what it has shown already may be gone when the list is read */
		return true;
	}
	bool about_it = strstr(s->message, "field label") || strstr(s->message, "field selector");
	if (*r->selector && !r->no_selector && about_it) {
		r->no_selector = true;
		return true;
	}
	return false;
}

void reflector_failed(struct reflector *r, const struct api_status *status, const char *why,
		      int64_t retry_after_us, mono_t now)
{
	r->under_way = r->current = false;
	r->not_before = now;
	if (give_up_extras(r, status))
		return;
	/* A watch that had worked and broke: go on from the same version, at once. */
	bool broke = has_lasted(r, now) && !status;
	bool expired = status && (status->code == 410 || strcmp(status->reason, "Expired") == 0);
	/* A stream that broke half-way, or whose events cannot be read, would begin from nothing again; pages
	 * keep what they have. */
	if (r->state == REFLECTOR_STREAM && (r->news || expired))
		r->can_stream = false;
	/* The version that we ask for is too old: list anew. The first time it is no fault and does not wait.
	 */
	if (expired) {
		bool again = r->state != REFLECTOR_WATCH || r->expired;
		list_anew(r);
		r->expired = true;
		if (!again)
			return;
	}
	/* What was seen of a list that is now begun again may be gone by then. */
	if (r->state == REFLECTOR_STREAM || (r->state == REFLECTOR_LIST && !r->continue_token))
		list_anew(r);
	r->trouble = trouble_of(status);
	str_fmt(r->why, sizeof r->why, "%s", why);
	int64_t wait = broke ? 0 : backoff_next(&r->backoff);
	if (retry_after_us > wait)
		wait = retry_after_us < SEC(60) ? retry_after_us : SEC(60);
	if (r->trouble == TROUBLE_FORBIDDEN && wait > FORBIDDEN_WAIT_US)
		wait = FORBIDDEN_WAIT_US;
	r->not_before = mono_add(now, wait);
}
