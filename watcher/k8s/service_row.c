/* One Service's status, seen and wanted. Statuses are compared as one text: a line per ingress entry, then a
 * line "pool NAME". Pure; run by the watcher. */
#include "watcher/k8s/service_row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "lib/model/objects.h"
#include "lib/model/service.h"
#include "watcher/k8s/version.h"

void service_row_free(void *row)
{
	struct row *r = row;
	if (!r)
		return;
	free(r->uid);
	free(r->seen);
	free(r->want_uid);
	free(r->want);
	free(r);
}

static void add_pool(struct strbuf *b, const char *pool)
{
	if (pool && *pool)
		strbuf_fmt(b, "pool %s\n", pool);
}

/* Takes the text. */
static int set_seen(struct row *r, const char *uid, const char *rv, struct strbuf *seen)
{
	bool same = r->uid && strcmp(r->uid, uid) == 0, any = seen->len > 0;
	char *copy = same ? NULL : strdup(uid);
	if (seen->oom || (!same && !copy)) {
		free(copy);
		strbuf_fini(seen);
		return -ENOMEM;
	}
	if (copy) {
		free(r->uid);
		r->uid = copy;
	}
	free(r->seen);
	r->seen = any ? strbuf_take(seen) : NULL;
	strbuf_fini(seen);
	str_fmt(r->rv, sizeof r->rv, "%s", rv);
	r->has_status = any;
	r->exists = true;
	return 0;
}

int service_row_saw(struct row *r, const char *uid, const char *rv, const Ingot__Service *s)
{
	struct strbuf seen = { 0 };
	r->other_type = *s->type && !service_is_load_balancer(s);
	for (size_t i = 0; i < s->n_ingress; i++)
		strbuf_fmt(&seen, "%s\n", *s->ingress[i]->ip ? s->ingress[i]->ip : "?");
	add_pool(&seen,
		 s->meta ? kv_get(s->meta->annotations, s->meta->n_annotations, ANNOTATION_FROM_POOL) : NULL);
	return set_seen(r, uid, rv, &seen);
}

int service_row_saw_json(struct row *r, const json_t *object)
{
	const json_t *meta = json_object_get(object, "metadata");
	const json_t *ingress =
	    json_object_get(json_object_get(json_object_get(object, "status"), "loadBalancer"), "ingress");
	const char *uid = json_string_value(json_object_get(meta, "uid"));
	const char *rv = json_string_value(json_object_get(meta, "resourceVersion"));
	struct strbuf seen = { 0 };
	size_t i;
	json_t *entry;
	if (!uid || !rv)
		return -EINVAL;
	if (strcmp(uid, r->uid) != 0) {
		r->exists = false;
		return 0;
	}
	if (version_is_older(rv, r->rv))
		return 0;
	json_array_foreach(ingress, i, entry)
	{
		const char *ip = json_string_value(json_object_get(entry, "ip"));
		strbuf_fmt(&seen, "%s\n", ip && *ip ? ip : "?");
	}
	add_pool(&seen, json_string_value(
			    json_object_get(json_object_get(meta, "annotations"), ANNOTATION_FROM_POOL)));
	return set_seen(r, uid, rv, &seen);
}

int service_row_want(struct row *r, const Ingot__Assignment *a)
{
	struct strbuf want = { 0 };
	char *uid = strdup(a->uid);
	for (size_t i = 0; i < a->n_ips; i++)
		strbuf_fmt(&want, "%s\n", a->ips[i]);
	if (a->n_ips)
		add_pool(&want, a->pool);
	if (!uid || want.oom) {
		free(uid);
		strbuf_fini(&want);
		return -ENOMEM;
	}
	free(r->want_uid);
	free(r->want);
	r->want_uid = uid;
	r->want = want.len ? strbuf_take(&want) : NULL;
	r->n_want = a->n_ips;
	r->clear = a->clear;
	r->wanted = true;
	strbuf_fini(&want);
	return 0;
}

bool service_row_differs(const struct row *r)
{
	if (!r->exists || !r->wanted || strcmp(r->uid, r->want_uid) != 0)
		return false;
	if (r->n_want == 0)
		return r->clear && r->has_status;
	if (r->other_type)
		return false; /* the allocator is about to say so */
	return !r->seen || strcmp(r->seen, r->want) != 0;
}

/* The n-th line of the wanted text, which has at least one for each address. */
static const char *line(const struct row *r, size_t n)
{
	const char *p = r->want;
	for (; n > 0; n--)
		p = strchr(p, '\n') + 1;
	return p;
}

static json_t *address(const struct row *r, size_t n)
{
	const char *p = line(r, n);
	return json_pack("{s:o}", "ip", json_stringn(p, strcspn(p, "\n")));
}

static json_t *pool_of(const struct row *r)
{
	static const char word[] = "pool ";
	const char *p = r->n_want ? line(r, r->n_want) : NULL;
	if (!p || !str_starts(p, word))
		return json_null();
	p += strlen(word);
	return json_stringn(p, strcspn(p, "\n"));
}

char *service_row_patch(const struct row *r)
{
	json_t *ingress = r->n_want ? json_array() : json_null();
	for (size_t i = 0; i < r->n_want; i++)
		json_array_append_new(ingress, address(r, i));
	json_t *root = json_pack("{s:{s:s, s:s, s:{s:o}}, s:{s:{s:o}}}", "metadata", "uid", r->uid,
				 "resourceVersion", r->rv, "annotations", ANNOTATION_FROM_POOL, pool_of(r),
				 "status", "loadBalancer", "ingress", ingress);
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text;
}
