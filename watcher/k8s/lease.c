/* The election by one Lease. Pure; run by the watcher of the role controller. */
#include "watcher/k8s/lease.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "watcher/k8s/version.h"

void lease_init(struct lease *l, const char *ns, const char *name, const char *identity, uint64_t seed)
{
	*l = (struct lease){ .leads_until = { INT64_MIN }, .not_before = { INT64_MIN } };
	str_fmt(l->ns, sizeof l->ns, "%s", ns);
	str_fmt(l->name, sizeof l->name, "%s", name);
	str_fmt(l->identity, sizeof l->identity, "%s", identity);
	backoff_init(&l->backoff, LEASE_RETRY_US / 4, LEASE_RETRY_US * 2, seed);
}

void lease_api(struct lease *l, const char *api_version)
{
	l->api_version = api_version;
	str_fmt(l->path, sizeof l->path, "/apis/%s/namespaces/%s/leases/%s", api_version, l->ns, l->name);
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static bool mine(const struct lease *l)
{
	return l->exists && strcmp(l->holder, l->identity) == 0;
}

static void take(struct lease *l, const json_t *object, mono_t now)
{
	const json_t *spec = json_object_get(object, "spec");
	json_int_t seconds = json_integer_value(json_object_get(spec, "leaseDurationSeconds"));
	const char *rv = text_at(json_object_get(object, "metadata"), "resourceVersion");
	json_int_t transitions = json_integer_value(json_object_get(spec, "leaseTransitions"));
	/* By version, not by its times: a holder whose clock stands still renews all the same. */
	if (!l->exists || strcmp(rv, l->rv) != 0)
		l->changed = now;
	l->exists = true;
	str_fmt(l->rv, sizeof l->rv, "%s", rv);
	str_fmt(l->holder, sizeof l->holder, "%s", text_at(spec, "holderIdentity"));
	str_fmt(l->acquire_time, sizeof l->acquire_time, "%s", text_at(spec, "acquireTime"));
	/* What somebody else wrote into it: within reason. */
	l->duration_us = seconds >= 1 && seconds <= 3600 ? SEC(seconds) : SEC(LEASE_DURATION_S);
	l->transitions = transitions >= 0 && transitions < INT32_MAX ? transitions : 0;
}

void lease_saw(struct lease *l, const json_t *object, mono_t now)
{
	const char *rv = text_at(json_object_get(object, "metadata"), "resourceVersion");
	/* A watch may lag behind the answer to our own write. */
	if (object && l->exists && version_is_older(rv, l->rv))
		return;
	l->seen = true;
	/* Whoever held a deleted one may not know it yet, and believes in itself for a while. */
	if (!object && l->exists)
		l->changed = now;
	if (object)
		take(l, object, now);
	else
		l->exists = false;
	if (!mine(l))
		l->leads_until = (mono_t){ INT64_MIN };
}

bool lease_leads(const struct lease *l, mono_t now)
{
	return mono_before(now, l->leads_until);
}

mono_t lease_deadline(const struct lease *l)
{
	return l->leads_until;
}

const char *lease_holder(const struct lease *l)
{
	return l->exists ? l->holder : "";
}

void lease_release(struct lease *l, mono_t now)
{
	l->want_release = true;
	l->not_before = now;
	l->leads_until = (mono_t){ INT64_MIN };
}

bool lease_ends(const struct lease *l)
{
	return l->under_way || mine(l);
}

void lease_clock(struct lease *l, const char *micro_time)
{
	str_fmt(l->clock, sizeof l->clock, "%s", micro_time);
}

static json_t *spec_of(const struct lease *l, bool release)
{
	bool again = mine(l) && !release;
	json_int_t transitions = l->transitions + (l->exists && !mine(l));
	return json_pack("{s:s, s:i, s:s, s:s, s:I}", "holderIdentity", release ? "" : l->identity,
			 "leaseDurationSeconds", release ? 1 : LEASE_DURATION_S, "acquireTime",
			 again && *l->acquire_time ? l->acquire_time : l->clock, "renewTime", l->clock,
			 "leaseTransitions", transitions);
}

static char *body_of(const struct lease *l, bool release)
{
	json_t *meta = json_pack("{s:s, s:s}", "name", l->name, "namespace", l->ns);
	if (meta && l->exists)
		json_object_set_new(meta, "resourceVersion", json_string(l->rv));
	json_t *root = json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", l->api_version, "kind", "Lease",
				 "metadata", meta, "spec", spec_of(l, release));
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text;
}

static bool write_out(struct lease *l, enum write_method method, bool release, mono_t now, struct write *ret)
{
	char collection[640];
	str_fmt(collection, sizeof collection, "%.*s", (int)(strrchr(l->path, '/') - l->path), l->path);
	*ret = (struct write){ .id = ++l->id, .method = method };
	ret->path = strdup(method == WRITE_POST ? collection : l->path);
	ret->body = method == WRITE_GET ? NULL : body_of(l, release);
	str_fmt(ret->what, sizeof ret->what, "Lease %s/%s", l->ns, l->name);
	if (!ret->path || (method != WRITE_GET && !ret->body)) {
		write_fini(ret);
		l->not_before = mono_add(now, LEASE_RETRY_US);
		return false;
	}
	l->under_way = true;
	l->method = method;
	l->sent = now;
	return true;
}

/* When a write makes sense, if nothing changes. */
static mono_t due(const struct lease *l)
{
	if (l->under_way || !l->api_version)
		return MONO_NEVER;
	if (l->want_release)
		return mine(l) ? l->not_before : MONO_NEVER;
	if (!l->seen || !*l->holder || strcmp(l->holder, l->identity) == 0)
		return l->not_before;
	mono_t expiry = mono_add(l->changed, l->duration_us);
	return mono_before(expiry, l->not_before) ? l->not_before : expiry;
}

bool lease_next(void *lease, mono_t now, struct write *ret)
{
	struct lease *l = lease;
	if (!mono_reached(now, due(l)))
		return false;
	if (!l->seen)
		return write_out(l, WRITE_GET, false, now, ret);
	if (l->want_release)
		return write_out(l, WRITE_PUT, true, now, ret);
	return write_out(l, l->exists ? WRITE_PUT : WRITE_POST, false, now, ret);
}

mono_t lease_wake(const void *lease)
{
	return due(lease);
}

static void complain(struct lease *l, const struct write_outcome *o)
{
	if (o->status == 0)
		str_fmt(l->trouble, sizeof l->trouble, "%.300s", o->failure ? o->failure : "no answer");
	else
		str_fmt(l->trouble, sizeof l->trouble, "%d %.300s", o->status, o->error.message);
}

/* The object, as the answer to our write or question shows it. */
static void took(struct lease *l, const json_t *object, mono_t now)
{
	lease_saw(l, object, now);
	l->trouble[0] = 0;
	l->not_before = now;
	/* To have read that it is ours is no renewal: the others count from the last write. */
	if (l->method == WRITE_GET)
		return;
	backoff_reset(&l->backoff);
	if (!mine(l) || l->want_release)
		return;
	l->leads_until = mono_add(l->sent, LEASE_TRUST_US);
	l->not_before = mono_add(l->sent, LEASE_RENEW_US);
}

void lease_done(void *lease, uint64_t id, const struct write_outcome *o, mono_t now)
{
	struct lease *l = lease;
	bool good = o->status >= 200 && o->status < 300;
	if (id != l->id || !l->under_way)
		return;
	l->under_way = false;
	if (good && o->object) {
		took(l, o->object, now);
		return;
	}
	if (o->status == 404 && l->method != WRITE_POST)
		lease_saw(l, NULL, now);
	else if (o->status != 409)
		complain(l, o);
	/* Somebody else was faster, or it may have been written all the same: look again. */
	if (o->status == 409 || o->status == 0 || good)
		l->seen = false;
	int64_t wait = backoff_next(&l->backoff);
	int64_t asked = o->retry_after_us < LEASE_RETRY_US ? o->retry_after_us : LEASE_RETRY_US;
	l->not_before = mono_add(now, wait > asked ? wait : asked);
}
