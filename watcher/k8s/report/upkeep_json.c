/* The JSON of upkeep: comparing what is seen with what is wanted, and the bodies of requests. Pure; run by
 * the watcher. */
#include "watcher/k8s/report/upkeep_internal.h"

#include <stdlib.h>
#include <string.h>

enum { CANONICAL = JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY };

char *upkeep_canonical(const json_t *value)
{
	if (!json_is_object(value))
		return json_dumps(value ? value : json_null(), CANONICAL);
	json_t *copy = json_object();
	const char *name;
	json_t *v;
	bool ok = copy != NULL;
	json_object_foreach((json_t *)(uintptr_t)value, name, v)
	{
		bool empty = json_is_null(v) || (json_is_array(v) && json_array_size(v) == 0);
		ok = ok && (empty || json_object_set(copy, name, v) == 0);
	}
	char *text = ok ? json_dumps(copy, CANONICAL) : NULL;
	json_decref(copy);
	return text;
}

uint64_t upkeep_hash(const char *canonical)
{
	static const uint8_t salt[16] = "ingot seen state";
	return siphash24(salt, canonical, strlen(canonical));
}

char *upkeep_partial(const struct upkeep *u, const char *key, const json_t *status, bool *is_partial)
{
	struct upkeep_place p = upkeep_place(u);
	json_t *implied = u->kind->implied ? u->kind->implied(&p, key) : NULL, *rest = NULL, *v;
	const char *name;
	bool all = implied != NULL;
	json_object_foreach(implied, name, v) all = all && json_equal(v, json_object_get(status, name));
	if (all) {
		rest = json_copy((json_t *)(uintptr_t)status);
		json_object_foreach(implied, name, v) json_object_del(rest, name);
	}
	*is_partial = all;
	char *text = all && !rest ? NULL : upkeep_canonical(rest ? rest : status);
	json_decref(rest);
	json_decref(implied);
	return text;
}

bool upkeep_is_labelled(const struct upkeep *u, const char *key, const json_t *metadata)
{
	if (!u->kind->labels)
		return true;
	struct upkeep_place p = upkeep_place(u);
	json_t *want = u->kind->labels(&p, key), *v;
	const json_t *have = json_object_get(metadata, "labels");
	const char *name;
	bool same = want != NULL;
	json_object_foreach(want, name, v) same = same && json_equal(v, json_object_get(have, name));
	json_decref(want);
	return same;
}

json_t *upkeep_owners(const struct upkeep *u)
{
	if (!*u->pod || !*u->pod_uid)
		return NULL;
	return json_pack("[{s:s, s:s, s:s, s:s}]", "apiVersion", "v1", "kind", "Pod", "name", u->pod, "uid",
			 u->pod_uid);
}

/* Takes root. */
static char *print(json_t *root)
{
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text;
}

/* Our labels and owner, added to metadata. */
static json_t *add_ours(const struct upkeep *u, const struct slot *s, json_t *metadata)
{
	struct upkeep_place p = upkeep_place(u);
	json_t *labels = u->kind->labels ? u->kind->labels(&p, s->key) : NULL, *owners = upkeep_owners(u);
	if (labels)
		json_object_set_new(metadata, "labels", labels);
	if (owners)
		json_object_set_new(metadata, "ownerReferences", owners);
	return metadata;
}

char *upkeep_body_create(const struct upkeep *u, const struct slot *s)
{
	json_t *metadata =
	    u->kind->generate ? json_pack("{s:s, s:s}", "generateName", u->kind->generate, "namespace", u->ns)
			      : json_pack("{s:s, s:s}", "name", s->key, "namespace", u->ns);
	if (!metadata)
		return NULL;
	return print(json_pack("{s:s, s:s, s:o}", "apiVersion", "metallb.io/v1beta1", "kind", u->kind->kind,
			       "metadata", add_ours(u, s, metadata)));
}

char *upkeep_body_meta(const struct upkeep *u, const struct slot *s)
{
	json_t *metadata = json_object();
	return metadata ? print(json_pack("{s:o}", "metadata", add_ours(u, s, metadata))) : NULL;
}

static json_t *wanted_of(const struct upkeep *u, const struct slot *s)
{
	struct upkeep_place p = upkeep_place(u);
	json_t *wanted = json_loads(s->wanted, 0, NULL);
	json_t *implied = wanted && s->is_partial ? u->kind->implied(&p, s->key) : NULL;
	bool whole = wanted && (!s->is_partial || (implied && json_object_update(wanted, implied) == 0));
	json_decref(implied);
	if (whole)
		return wanted;
	json_decref(wanted);
	return NULL;
}

/* The wanted status, given what is there. */
static json_t *settled(const struct upkeep *u, const struct slot *s)
{
	json_t *wanted = wanted_of(u, s);
	if (!wanted || !u->kind->settle)
		return wanted;
	json_t *status = u->kind->settle(wanted, s->main->kept);
	json_decref(wanted);
	return status;
}

char *upkeep_body_status(const struct upkeep *u, const struct slot *s)
{
	json_t *status = settled(u, s);
	/* A merge patch leaves alone what it does not name. */
	if (status && u->kind->list && !json_object_get(status, u->kind->list))
		json_object_set_new(status, u->kind->list, json_null());
	return status ? print(json_pack("{s:o}", "status", status)) : NULL;
}

bool upkeep_status_agrees(const struct upkeep *u, const struct slot *s)
{
	if (!u->kind->settle)
		return s->main->status == s->wanted_hash;
	json_t *status = settled(u, s);
	char *text = status ? upkeep_canonical(status) : NULL;
	bool same = text && upkeep_hash(text) == s->main->status;
	free(text);
	json_decref(status);
	return same;
}

char *upkeep_body_delete(const char *uid)
{
	return print(json_pack("{s:s, s:s, s:{s:s}}", "kind", "DeleteOptions", "apiVersion", "v1",
			       "preconditions", "uid", uid));
}
